//! The proof as one byte string, and the Fiat-Shamir sponge that absorbs everything it carries.
//!
//! The prover writes, the verifier reads; both absorb what passes, so that no message can be left out of a
//! challenge. Scopes (`layer/relation/protocol`) are absorbed as domain separators, prefix the verifier's
//! errors, and give the byte breakdown of a proof. Every encoding is canonical: a byte string that is accepted
//! is the only one with its content.

use p3_challenger::{CanObserve, FieldChallenger};
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use serde::{Deserialize, Serialize};

use crate::{Suite, VerifyError};

/// Proof bytes spent in one scope, nested scopes not included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeBytes {
    /// Scope path, segments joined by `/`.
    pub scope: String,
    /// Bytes written directly in it.
    pub bytes: usize,
}

/// The state both sides share: sponge and scope stack.
#[derive(Clone)]
struct Sponge<S: Suite> {
    challenger: S::Challenger,
    scopes: Vec<String>,
}

impl<S: Suite> Sponge<S> {
    fn new() -> Self {
        let mut sponge = Self { challenger: S::challenger(), scopes: Vec::new() };
        sponge.absorb_bytes(b"suite", S::ID.as_bytes());
        sponge
    }

    /// Absorbs a label and a byte string, seven bytes to a field element, lengths first.
    fn absorb_bytes(&mut self, label: &[u8], bytes: &[u8]) {
        for part in [label, bytes] {
            self.challenger.observe(S::Base::from_u64(part.len() as u64));
            for chunk in part.chunks(7) {
                let mut word = [0; 8];
                word.iter_mut().zip(chunk).for_each(|(w, b)| *w = *b);
                self.challenger.observe(S::Base::from_u64(u64::from_le_bytes(word)));
            }
        }
    }

    fn absorb_elements(&mut self, elements: &[S::Challenge]) {
        for &element in elements {
            self.challenger.observe_algebra_element(element);
        }
    }

    fn path(&self) -> String {
        if self.scopes.is_empty() { "proof".to_owned() } else { self.scopes.join("/") }
    }

    fn enter(&mut self, label: &str) {
        self.absorb_bytes(b"enter", label.as_bytes());
        self.scopes.push(label.to_owned());
    }

    fn leave(&mut self) {
        self.absorb_bytes(b"leave", &[]);
        self.scopes.pop();
    }
}

#[cfg(feature = "prover")]
fn encode_elements<S: Suite>(elements: &[S::Challenge], out: &mut Vec<u8>) {
    for element in elements {
        for &coefficient in element.as_basis_coefficients_slice() {
            S::encode(coefficient, out);
        }
    }
}

fn decode_element<S: Suite>(bytes: &[u8]) -> Option<S::Challenge> {
    let coefficients: Option<Vec<S::Base>> = bytes.chunks(S::BASE_BYTES).map(S::decode).collect();
    S::Challenge::from_basis_coefficients_slice(&coefficients?)
}

/// What both sides of the transcript can do: absorb shared knowledge, open scopes, draw challenges.
macro_rules! shared_methods {
    () => {
        /// Absorbs bytes that both sides know (statement digest, public values). Not part of the proof.
        pub fn absorb(&mut self, label: &str, bytes: &[u8]) {
            self.sponge.absorb_bytes(label.as_bytes(), bytes);
        }

        /// Absorbs challenge-field elements that both sides know.
        pub fn absorb_elements(&mut self, elements: &[S::Challenge]) {
            self.sponge.absorb_elements(elements);
        }

        /// Opens a scope; its label separates domains. Close it with [`Self::leave`].
        pub fn enter(&mut self, label: &str) {
            self.sponge.enter(label);
        }

        /// Closes the innermost scope.
        pub fn leave(&mut self) {
            self.sponge.leave();
        }

        /// Path of the open scopes.
        pub fn scope(&self) -> String {
            self.sponge.path()
        }

        /// Draws a challenge.
        pub fn challenge(&mut self) -> S::Challenge {
            self.sponge.challenger.sample_algebra_element()
        }

        /// Draws several challenges, e.g. a point.
        pub fn challenges(&mut self, count: usize) -> Vec<S::Challenge> {
            (0..count).map(|_| self.challenge()).collect()
        }

        /// The sponge itself, for commitment schemes that run their own messages through it. What such a
        /// scheme sends must be passed to this transcript as opaque bytes afterwards.
        pub fn challenger_mut(&mut self) -> &mut S::Challenger {
            &mut self.sponge.challenger
        }
    };
}

/// The prover's end.
#[cfg(feature = "prover")]
#[derive(Clone)]
pub struct ProverTranscript<S: Suite> {
    sponge: Sponge<S>,
    bytes: Vec<u8>,
    breakdown: Vec<ScopeBytes>,
}

#[cfg(feature = "prover")]
impl<S: Suite> Default for ProverTranscript<S> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "prover")]
impl<S: Suite> ProverTranscript<S> {
    /// An empty proof.
    pub fn new() -> Self {
        Self { sponge: Sponge::new(), bytes: Vec::new(), breakdown: Vec::new() }
    }

    shared_methods!();

    /// Sends challenge-field elements.
    pub fn write(&mut self, elements: &[S::Challenge]) {
        let before = self.bytes.len();
        encode_elements::<S>(elements, &mut self.bytes);
        self.account(self.bytes.len() - before);
        self.sponge.absorb_elements(elements);
    }

    /// Sends bytes whose number the verifier knows.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.account(bytes.len());
        self.sponge.absorb_bytes(b"bytes", bytes);
    }

    /// Sends bytes behind their length (four bytes, little endian): an opening proof.
    ///
    /// Errors if there are 4 GiB or more.
    pub fn write_blob(&mut self, bytes: &[u8]) -> Result<(), crate::ProveError> {
        let length = u32::try_from(bytes.len()).map_err(|_| crate::ProveError::Commitment {
            scope: self.scope(),
            reason: format!("an opening of {} bytes is too long for the proof format", bytes.len()),
        })?;
        self.write_bytes(&length.to_le_bytes());
        self.write_bytes(bytes);
        Ok(())
    }

    fn account(&mut self, bytes: usize) {
        let scope = self.sponge.path();
        match self.breakdown.iter_mut().find(|entry| entry.scope == scope) {
            Some(entry) => entry.bytes += bytes,
            None => self.breakdown.push(ScopeBytes { scope, bytes }),
        }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True if nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The proof and its bytes by scope, in order of first use.
    pub fn finish(self) -> (Vec<u8>, Vec<ScopeBytes>) {
        (self.bytes, self.breakdown)
    }
}

/// The verifier's end.
pub struct VerifierTranscript<'a, S: Suite> {
    sponge: Sponge<S>,
    rest: &'a [u8],
}

impl<'a, S: Suite> VerifierTranscript<'a, S> {
    /// Starts reading a proof.
    pub fn new(proof: &'a [u8]) -> Self {
        Self { sponge: Sponge::new(), rest: proof }
    }

    shared_methods!();

    fn take(&mut self, count: usize) -> Result<&'a [u8], VerifyError> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or_else(|| VerifyError::Truncated {
            scope: self.scope(),
            missing: count.saturating_sub(self.rest.len()),
        })?;
        self.rest = tail;
        Ok(head)
    }

    /// `Ok` if at least `count` bytes are left: a proof that is too short is rejected before any work on it.
    pub fn expect_bytes(&self, count: usize) -> Result<(), VerifyError> {
        match count.saturating_sub(self.rest.len()) {
            0 => Ok(()),
            missing => Err(VerifyError::Truncated { scope: self.scope(), missing }),
        }
    }

    /// Reads `count` challenge-field elements.
    pub fn read(&mut self, count: usize) -> Result<Vec<S::Challenge>, VerifyError> {
        let width = S::challenge_bytes();
        let bytes = self.take(count.saturating_mul(width))?;
        let elements: Option<Vec<S::Challenge>> = bytes.chunks(width).map(decode_element::<S>).collect();
        let elements = elements.ok_or_else(|| self.encoding("a field element"))?;
        self.sponge.absorb_elements(&elements);
        Ok(elements)
    }

    /// Reads exactly `N` challenge-field elements.
    pub fn read_array<const N: usize>(&mut self) -> Result<[S::Challenge; N], VerifyError> {
        let elements = self.read(N)?;
        elements.try_into().map_err(|_| self.encoding("a list of field elements"))
    }

    /// Reads `count` bytes.
    pub fn read_bytes(&mut self, count: usize) -> Result<&'a [u8], VerifyError> {
        let bytes = self.take(count)?;
        self.sponge.absorb_bytes(b"bytes", bytes);
        Ok(bytes)
    }

    /// Reads bytes behind their length **without absorbing them yet**: a commitment scheme first replays its
    /// own messages on the sponge, then [`Self::absorb_blob`] absorbs what was read.
    pub fn read_blob(&mut self) -> Result<&'a [u8], VerifyError> {
        let length: [u8; 4] = self.take(4)?.try_into().map_err(|_| self.encoding("a length"))?;
        self.take(u32::from_le_bytes(length) as usize)
    }

    /// Absorbs a blob as [`ProverTranscript::write_blob`] does.
    pub fn absorb_blob(&mut self, blob: &[u8]) {
        self.sponge.absorb_bytes(b"bytes", &(blob.len() as u32).to_le_bytes());
        self.sponge.absorb_bytes(b"bytes", blob);
    }

    /// The error for a non-canonical encoding of `what` in the current scope.
    pub fn encoding(&self, what: &'static str) -> VerifyError {
        VerifyError::Encoding { scope: self.scope(), what }
    }

    /// `Ok` if `holds`, else the error that names `what` and the current scope.
    pub fn check(&self, holds: bool, what: &'static str) -> Result<(), VerifyError> {
        if holds { Ok(()) } else { Err(VerifyError::Check { scope: self.scope(), what }) }
    }

    /// Ends the proof: nothing may be left over.
    pub fn finish(self) -> Result<(), VerifyError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(VerifyError::Trailing { count }),
        }
    }
}

#[cfg(all(test, feature = "prover"))]
mod tests {
    use super::*;
    use crate::{Bn254, Goldilocks, Goldilocks3};

    fn agree<S: Suite>() {
        let mut prover = ProverTranscript::<S>::new();
        prover.absorb("statement", b"x");
        prover.enter("a");
        prover.write(&[S::Challenge::from_u64(5), S::Challenge::from_u64(6)]);
        let first = prover.challenge();
        prover.write_bytes(&[1, 2, 3]);
        prover.write_blob(&[9; 10]).unwrap();
        prover.leave();
        let last = prover.challenge();
        let (bytes, breakdown) = prover.finish();
        assert_eq!(breakdown.iter().map(|e| e.bytes).sum::<usize>(), bytes.len());

        let mut verifier = VerifierTranscript::<S>::new(&bytes);
        verifier.absorb("statement", b"x");
        verifier.enter("a");
        assert_eq!(verifier.read(2).unwrap()[1], S::Challenge::from_u64(6));
        assert_eq!(verifier.challenge(), first);
        assert_eq!(verifier.read_bytes(3).unwrap(), &[1, 2, 3]);
        let blob = verifier.read_blob().unwrap();
        verifier.absorb_blob(blob);
        verifier.leave();
        assert_eq!(verifier.challenge(), last);
        verifier.finish().unwrap();
    }

    #[test]
    fn both_ends_agree() {
        agree::<Goldilocks>();
        agree::<Goldilocks3>();
        agree::<Bn254>();
    }

    #[test]
    fn scopes_labels_and_suites_separate_domains() {
        let draw = |f: &dyn Fn(&mut ProverTranscript<Goldilocks>)| {
            let mut t = ProverTranscript::<Goldilocks>::new();
            f(&mut t);
            t.challenge()
        };
        let plain = draw(&|_| ());
        assert_ne!(plain, draw(&|t| t.enter("a")));
        assert_ne!(draw(&|t| t.enter("a")), draw(&|t| t.enter("b")));
        assert_ne!(draw(&|t| t.absorb("ab", b"c")), draw(&|t| t.absorb("a", b"bc")));
        assert_ne!(draw(&|t| t.write_bytes(&[0])), draw(&|t| t.write_bytes(&[0, 0])));
    }

    #[test]
    fn short_long_and_non_canonical_proofs_are_errors() {
        let mut short = VerifierTranscript::<Goldilocks>::new(&[0; 15]);
        assert!(matches!(short.read(1), Err(VerifyError::Truncated { missing: 1, .. })));
        let mut huge = VerifierTranscript::<Goldilocks>::new(&[0xff; 16]);
        assert!(matches!(huge.read(1), Err(VerifyError::Encoding { .. })));
        let mut blob = VerifierTranscript::<Goldilocks>::new(&[0xff, 0xff, 0xff, 0xff, 0]);
        assert!(matches!(blob.read_blob(), Err(VerifyError::Truncated { .. })));
        let rest = VerifierTranscript::<Goldilocks>::new(&[0]);
        assert_eq!(rest.expect_bytes(1), Ok(()));
        assert!(matches!(rest.expect_bytes(3), Err(VerifyError::Truncated { missing: 2, .. })));
        assert_eq!(rest.finish(), Err(VerifyError::Trailing { count: 1 }));
    }
}
