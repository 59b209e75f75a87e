//! The transcript's sponge as the library sees it.
//!
//! Messages are absorbed in the encoding in which they are part of the proof; the caller sends, and absorbs, the whole
//! proof afterwards. Challenges are elements of the scalar field other than zero: their inverses are needed.

use dory_pcs::primitives::DorySerialize;
use dory_pcs::primitives::transcript::Transcript;
use p3_bn254::Bn254 as Felt;
use p3_challenger::{CanObserve, CanSample};
use p3_field::PrimeCharacteristicRing;
use zkml_core::{Bn254, Suite};
use zkml_pairing::{Curve, Field, Group, Scalar};

/// Bytes absorbed as one element.
const CHUNK: usize = 31;

/// A borrowed sponge.
pub(crate) struct Sponge<'a>(pub(crate) &'a mut <Bn254 as Suite>::Challenger);

impl Sponge<'_> {
    /// Absorbs a byte string behind its length.
    fn absorb(&mut self, bytes: &[u8]) {
        self.0.observe(Felt::from_u64(bytes.len() as u64));
        for chunk in bytes.chunks(CHUNK) {
            let mut word = [0; CHUNK + 1];
            word.iter_mut().zip(chunk).for_each(|(w, b)| *w = *b);
            // A number of 248 bits is below the modulus.
            self.0.observe(Bn254::decode(&word).unwrap_or_default());
        }
    }
}

impl Transcript for Sponge<'_> {
    type Curve = Curve;

    fn append_bytes(&mut self, label: &[u8], bytes: &[u8]) {
        self.absorb(label);
        self.absorb(bytes);
    }

    fn append_field(&mut self, label: &[u8], x: &Scalar) {
        self.append_serde(label, x);
    }

    fn append_group<G: Group>(&mut self, label: &[u8], g: &G) {
        self.append_serde(label, g);
    }

    fn append_serde<S: DorySerialize>(&mut self, label: &[u8], s: &S) {
        let mut bytes = Vec::with_capacity(s.compressed_size());
        // Writing to a vector does not fail; what was written is absorbed in any case.
        let _ = s.serialize_compressed(&mut bytes);
        self.append_bytes(label, &bytes);
    }

    fn challenge_scalar(&mut self, label: &[u8]) -> Scalar {
        self.absorb(label);
        loop {
            let drawn: Felt = self.0.sample();
            let challenge = Scalar::from(drawn);
            if !challenge.is_zero() {
                return challenge;
            }
        }
    }

    /// A new domain of the same sponge: nothing that was absorbed is forgotten.
    fn reset(&mut self, domain_label: &[u8]) {
        self.append_bytes(b"domain", domain_label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_depend_on_every_byte_every_length_and_every_label() {
        let draw = |label: &[u8], message: &[u8], name: &[u8]| {
            let mut challenger = Bn254::challenger();
            let mut sponge = Sponge(&mut challenger);
            sponge.append_bytes(label, message);
            sponge.challenge_scalar(name)
        };
        // Longer than two elements of the sponge.
        let message = [7; 70];
        let mut drawn = vec![draw(b"m", &message, b"c")];
        for i in 0..message.len() {
            let mut other = message;
            other[i] ^= 1;
            drawn.push(draw(b"m", &other, b"c"));
        }
        drawn.push(draw(b"m", &message[..69], b"c"));
        // The last element is filled up with zeros.
        drawn.push(draw(b"m", &[&message[..], &[0]].concat(), b"c"));
        drawn.push(draw(b"n", &message, b"c"));
        drawn.push(draw(b"m", &message, b"d"));
        for (i, challenge) in drawn.iter().enumerate() {
            assert!(!drawn[..i].contains(challenge), "input {i}");
        }
    }

    #[test]
    fn a_new_domain_forgets_nothing() {
        let draw = |message: &[u8], domain: &[u8]| {
            let mut challenger = Bn254::challenger();
            let mut sponge = Sponge(&mut challenger);
            sponge.append_bytes(b"m", message);
            sponge.reset(domain);
            sponge.challenge_scalar(b"c")
        };
        assert_ne!(draw(b"x", b"d"), draw(b"y", b"d"));
        assert_ne!(draw(b"x", b"d"), draw(b"x", b"e"));
    }
}
