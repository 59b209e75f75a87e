//! The transcript's sponge as WHIR sees it: with a proof of work whose prover takes the smallest witness.
//!
//! Grinding for *any* witness makes proof bytes depend on thread scheduling. Here a proof of work of `b > 0` bits is:
//! draw a 32-byte seed from the sponge, find the smallest `w` such that the low `b` bits of
//! `BLAKE3(seed ‖ w ‖ 0^24)` (first eight bytes, little endian) are zero, absorb `w`. The seed depends on everything absorbed
//! before and every later challenge on `w`, so a new attempt at those challenges costs `2^b` hashes on average.
//! The verifier accepts any witness that passes; that it is the smallest one is not checked.
//! A proof of work of zero bits touches nothing and accepts zero alone.

use p3_blake3::Blake3;
use p3_challenger::{
    CanObserve, CanSample, CanSampleBits, CanSampleUniformBits, FieldChallenger, GrindingChallenger, ResamplingError,
};
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField64};
use p3_goldilocks::Goldilocks as Felt;
use p3_symmetric::{CryptographicHasher, MerkleCap};

use crate::whir::Sponge;

/// Candidates tried by one task before it looks whether another found a witness.
const CANDIDATES_PER_TASK: u64 = 1 << 12;
/// Bytes of seed, candidate and zeros: one whole block, so that candidates are hashed side by side in registers.
const MESSAGE: usize = 64;
/// Largest difficulty that can be ground.
const MAX_BITS: usize = 40;

/// The sponge of a Goldilocks suite with deterministic proofs of work.
#[derive(Clone)]
pub(crate) struct PowSponge(pub(crate) Sponge);

impl PowSponge {
    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for word in seed.chunks_exact_mut(8) {
            let drawn: Felt = self.0.sample();
            word.copy_from_slice(&drawn.as_canonical_u64().to_le_bytes());
        }
        seed
    }
}

fn message(seed: &[u8; 32], candidate: u64) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    let (head, tail) = message.split_at_mut(32);
    head.copy_from_slice(seed);
    tail.iter_mut().zip(candidate.to_le_bytes()).for_each(|(slot, byte)| *slot = byte);
    message
}

fn passes(digest: &[u8; 32], bits: usize) -> bool {
    let word = digest.iter().take(8).rev().fold(0_u64, |word, &byte| word << 8 | u64::from(byte));
    word & ((1 << bits) - 1) == 0
}

/// The smallest passing candidate in `start .. start + CANDIDATES_PER_TASK`.
fn search(seed: &[u8; 32], bits: usize, start: u64) -> Option<u64> {
    const LANES: usize = <Blake3 as CryptographicHasher<u8, [u8; 32]>>::LANES;
    let mut messages = [message(seed, 0); LANES];
    let mut digests = [[0; 32]; LANES];
    for first in (start..start + CANDIDATES_PER_TASK).step_by(LANES) {
        for (candidate, slot) in (first..).zip(&mut messages) {
            slot[32..40].copy_from_slice(&candidate.to_le_bytes());
        }
        Blake3.hash_many(messages.as_flattened(), &mut digests);
        if let Some(lane) = digests.iter().position(|digest| passes(digest, bits)) {
            return Some(first + lane as u64);
        }
    }
    None
}

/// The smallest passing candidate, searched in parallel in ascending waves.
#[cfg(feature = "prover")]
fn smallest(seed: &[u8; 32], bits: usize) -> u64 {
    use rayon::prelude::*;
    let tasks = 4 * rayon::current_num_threads() as u64;
    let mut start = 0;
    loop {
        let found = (0..tasks).into_par_iter().find_map_first(|i| search(seed, bits, start + i * CANDIDATES_PER_TASK));
        if let Some(witness) = found {
            return witness;
        }
        start += tasks * CANDIDATES_PER_TASK;
    }
}

#[cfg(not(feature = "prover"))]
fn smallest(seed: &[u8; 32], bits: usize) -> u64 {
    (0..).find_map(|task| search(seed, bits, task * CANDIDATES_PER_TASK)).unwrap_or(0)
}

impl GrindingChallenger for PowSponge {
    type Witness = Felt;

    fn grind(&mut self, bits: usize) -> Felt {
        if bits == 0 {
            return Felt::ZERO;
        }
        let bits = bits.min(MAX_BITS);
        let seed = self.seed();
        let witness = Felt::from_u64(smallest(&seed, bits));
        self.0.observe(witness);
        witness
    }

    fn check_witness(&mut self, bits: usize, witness: Felt) -> bool {
        if bits == 0 {
            return witness == Felt::ZERO;
        }
        let seed = self.seed();
        self.0.observe(witness);
        bits <= MAX_BITS && passes(&Blake3.hash_slice(&message(&seed, witness.as_canonical_u64())), bits)
    }
}

impl CanObserve<Felt> for PowSponge {
    fn observe(&mut self, value: Felt) {
        self.0.observe(value);
    }
}

impl CanObserve<MerkleCap<Felt, [u8; 32]>> for PowSponge {
    fn observe(&mut self, cap: MerkleCap<Felt, [u8; 32]>) {
        self.0.observe(cap);
    }
}

impl<EF: BasedVectorSpace<Felt>> CanSample<EF> for PowSponge {
    fn sample(&mut self) -> EF {
        self.0.sample()
    }
}

impl CanSampleBits<usize> for PowSponge {
    fn sample_bits(&mut self, bits: usize) -> usize {
        self.0.sample_bits(bits)
    }
}

impl CanSampleUniformBits<Felt> for PowSponge {
    fn sample_uniform_bits<const RESAMPLE: bool>(&mut self, bits: usize) -> Result<usize, ResamplingError> {
        self.0.sample_uniform_bits::<RESAMPLE>(bits)
    }
}

impl FieldChallenger<Felt> for PowSponge {}

#[cfg(test)]
mod tests {
    use zkml_core::{Goldilocks, Suite};

    use super::*;

    #[test]
    fn the_smallest_witness_is_found_and_only_passing_ones_are_accepted() {
        for bits in [0, 1, 5, 14] {
            let start = PowSponge(Goldilocks::challenger());
            let witness = start.clone().grind(bits);
            assert!(start.clone().check_witness(bits, witness));
            let smaller = (0..witness.as_canonical_u64()).any(|w| start.clone().check_witness(bits, Felt::from_u64(w)));
            assert!(!smaller, "{bits} bits: {witness} is not the smallest witness");
        }
        let mut sponge = PowSponge(Goldilocks::challenger());
        assert!(!sponge.check_witness(0, Felt::ONE), "a witness of a zero-bit proof of work is pinned");
    }

    #[test]
    fn later_challenges_depend_on_the_witness() {
        let draw = |witness: u64| {
            let mut sponge = PowSponge(Goldilocks::challenger());
            let _ = sponge.check_witness(3, Felt::from_u64(witness));
            let drawn: Felt = sponge.sample();
            drawn
        };
        assert_ne!(draw(1), draw(2));
    }
}
