//! The inner-product argument: an extended Dory-Reduce on lifted vectors.
//!
//! For vectors `a, b` of `n = 2^k` scalars, let `v_1 = a · H_1` and `v_2 = b · H_2`, entry by entry. Their commitments are
//! `D_1 = ⟨v_1, Γ_2⟩ = e(H_1, E_a)` and `D_2 = ⟨Γ_1, v_2⟩ = e(E_b, H_2)` with the [`Projections`] `E_a = ⟨a, Γ_2⟩` and
//! `E_b = ⟨b, Γ_1⟩`. For a point `t` and `s = eq(t, ·)`, the argument shows
//!
//! ```text
//! ⟨v_1, v_2⟩ = v · e(H_1, H_2),   ⟨v_1, s⟩ = a~(t) · H_1,   ⟨v_2, s⟩ = b~(t) · H_2
//! ```
//!
//! | step | prover sends | both draw |
//! |---|---|---|
//! | round of length `m`, first half | [`FirstMessage`]: `D_1L, D_1R, D_2L, D_2R, E_1β, E_2β` | `β` |
//! | second half | [`SecondMessage`]: `C_+, C_-, E_1±, E_2±` | `α`; vectors of length `m/2` |
//! | end | – | `γ` |
//! | | [`LastMessage`]: `v_1 + γ s_1 H_1`, `v_2 + s_2 H_2 / γ` | `d`, for the verifier's one equation |
//!
//! [Lee20, sections 3 and 4]; challenges that are zero are drawn again. The statement is not absorbed here: the caller has
//! sent, or absorbed, all of it before.
//!
//! ```
//! # use p3_field::PrimeCharacteristicRing;
//! use zkml_core::{Bn254, ProverTranscript, Suite, VerifierTranscript};
//! use zkml_zkmatrix::reduce::{self, Lifted, Statement};
//!
//! type Felt = <Bn254 as Suite>::Challenge;
//! let [a, b] = [[1, 2, 3, 4], [5, 6, 7, 8]].map(|v| v.map(Felt::from_u64).to_vec());
//! let lifted = Lifted::new(a, b)?;
//! let projections = lifted.projections();
//! let point = [10, 11].map(Felt::from_u64).to_vec(); // a protocol draws it here
//! let pointed = lifted.at(point.clone());
//! let statement = Statement { projections, product: Felt::from_u64(70), point, values: pointed.values() };
//!
//! let mut transcript = ProverTranscript::<Bn254>::new();
//! pointed.prove(&mut transcript);
//! let (proof, _) = transcript.finish();
//! assert_eq!(proof.len(), reduce::proof_bytes(2));
//! assert!(reduce::verify(&statement, &mut VerifierTranscript::new(&proof)).is_ok());
//! # Ok::<(), String>(())
//! ```

use p3_bn254::Bn254 as Felt;
use p3_field::PrimeCharacteristicRing;
use zkml_pairing::encoding::{FIRST_BYTES, SECOND_BYTES, TARGET_BYTES};
use zkml_pairing::{Encoding, First, Second, Target};

#[cfg(feature = "prover")]
mod prover;
mod verifier;

#[cfg(feature = "prover")]
pub use prover::{Lifted, Pointed};
pub use verifier::{Statement, verify};

/// Commitments to the two vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projections {
    /// `E_a = Σ_i a_i Γ_2,i`.
    pub first: Second,
    /// `E_b = Σ_i b_i Γ_1,i`.
    pub second: First,
}

/// First half of a round: `L` and `R` are halves of the vectors, `Γ'` the first half of the generators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstMessage {
    /// `D_1L = ⟨v_1L, Γ_2'⟩`, `D_1R = ⟨v_1R, Γ_2'⟩`.
    pub d1: [Target; 2],
    /// `D_2L = ⟨Γ_1', v_2L⟩`, `D_2R = ⟨Γ_1', v_2R⟩`.
    pub d2: [Target; 2],
    /// `E_1β = ⟨Γ_1, s_2⟩`.
    pub e1: First,
    /// `E_2β = ⟨s_1, Γ_2⟩`.
    pub e2: Second,
}

/// Second half of a round, on `v_1 + β Γ_1` and `v_2 + Γ_2 / β`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondMessage {
    /// `C_+ = ⟨v_1L, v_2R⟩`, `C_- = ⟨v_1R, v_2L⟩`.
    pub c: [Target; 2],
    /// `E_1+ = ⟨v_1L, s_2R⟩`, `E_1- = ⟨v_1R, s_2L⟩`.
    pub e1: [First; 2],
    /// `E_2+ = ⟨s_1L, v_2R⟩`, `E_2- = ⟨s_1R, v_2L⟩`.
    pub e2: [Second; 2],
}

/// The vectors of length one, with the public scalars folded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastMessage {
    /// `v_1 + γ s_1 H_1`.
    pub first: First,
    /// `v_2 + γ^-1 s_2 H_2`.
    pub second: Second,
}

/// Bytes of the argument for vectors of length `2^rounds`, without the projections.
pub const fn proof_bytes(rounds: usize) -> usize {
    rounds * (FirstMessage::BYTES + SecondMessage::BYTES) + LastMessage::BYTES
}

fn take<T: Encoding>(rest: &mut &[u8]) -> Option<T> {
    let (head, tail) = rest.split_at_checked(T::BYTES)?;
    *rest = tail;
    T::decode(head)
}

/// An encoding field by field; arrays element by element.
macro_rules! fields_in_order {
    ($message:ident, $bytes:expr, [$($field:ident $([$index:literal])?),+], $rest:ident => $decoded:expr) => {
        impl Encoding for $message {
            const BYTES: usize = $bytes;
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$field $([$index])?.encode(out);)+
            }
            fn decode(bytes: &[u8]) -> Option<Self> {
                let mut rest = bytes;
                let $rest = &mut rest;
                let decoded = $decoded;
                rest.is_empty().then_some(decoded)
            }
        }
    };
}

fields_in_order!(Projections, FIRST_BYTES + SECOND_BYTES, [first, second], rest => {
    Self { first: take(rest)?, second: take(rest)? }
});
fields_in_order!(
    FirstMessage, 4 * TARGET_BYTES + FIRST_BYTES + SECOND_BYTES,
    [d1[0], d1[1], d2[0], d2[1], e1, e2],
    rest => Self { d1: [take(rest)?, take(rest)?], d2: [take(rest)?, take(rest)?], e1: take(rest)?, e2: take(rest)? }
);
fields_in_order!(
    SecondMessage, 2 * (TARGET_BYTES + FIRST_BYTES + SECOND_BYTES),
    [c[0], c[1], e1[0], e1[1], e2[0], e2[1]],
    rest => Self {
        c: [take(rest)?, take(rest)?],
        e1: [take(rest)?, take(rest)?],
        e2: [take(rest)?, take(rest)?],
    }
);
fields_in_order!(LastMessage, FIRST_BYTES + SECOND_BYTES, [first, second], rest => {
    Self { first: take(rest)?, second: take(rest)? }
});

/// Bytes of a message.
#[cfg(feature = "prover")]
pub(crate) fn encoded(message: &impl Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

/// The first challenge other than zero: its inverse is needed.
fn nonzero(mut draw: impl FnMut() -> Felt) -> Felt {
    loop {
        let challenge = draw();
        if challenge != Felt::ZERO {
            return challenge;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_that_are_zero_are_drawn_again() {
        let mut draws = [Felt::ZERO, Felt::ZERO, Felt::TWO, Felt::ONE].into_iter();
        assert_eq!(nonzero(|| draws.next().unwrap()), Felt::TWO);
        assert_eq!(draws.next(), Some(Felt::ONE));
    }

    #[test]
    fn lengths_add_up() {
        assert_eq!(
            (Projections::BYTES, FirstMessage::BYTES, SecondMessage::BYTES, LastMessage::BYTES),
            (96, 864, 576, 96)
        );
        assert_eq!(proof_bytes(10), 14_496);
    }
}
