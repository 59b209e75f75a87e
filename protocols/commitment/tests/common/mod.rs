//! Random tensors and claims, and a proof of nothing but their opening.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::Arc;

use p3_field::PrimeCharacteristicRing;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use zkml_commitment::{CommittedSuite, OpeningClaim};
use zkml_core::mle::evaluate;
use zkml_core::{ProveError, ProverTranscript, Shape, VerifierTranscript, VerifyError};
use zkml_device::{Column, Device};

/// Tensors, their commitment and claims on them.
pub(crate) struct Case<S: CommittedSuite> {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) columns: Vec<Arc<Column>>,
    pub(crate) root: Vec<u8>,
    pub(crate) data: S::ProverData,
    pub(crate) rng: SmallRng,
}

pub(crate) fn shape(dims: &[usize]) -> Shape {
    Shape::new(dims).unwrap()
}

impl<S: CommittedSuite> Case<S> {
    /// Commits to random tensors of the given axis lengths, of alternating integer widths.
    pub(crate) fn new(dims: &[&[usize]], seed: u64) -> Self {
        Self::on(dims, seed, &Device::cpu())
    }

    /// As [`Case::new`], committed on a device.
    pub(crate) fn on(dims: &[&[usize]], seed: u64, device: &Device) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let shapes: Vec<Shape> = dims.iter().map(|d| shape(d)).collect();
        let columns: Vec<Arc<Column>> = shapes
            .iter()
            .enumerate()
            .map(|(i, shape)| {
                let bits = [7, 15, 31, 62][i % 4];
                let values: Vec<i64> =
                    (0..shape.cells()).map(|_| rng.random_range(-(1_i64 << bits)..1 << bits)).collect();
                Arc::new(Column::with_bounds(values, 0, 0))
            })
            .collect();
        let (root, data) = S::commit(&shapes, &columns, device).unwrap();
        assert_eq!(root.len(), S::commitment_bytes(&shapes));
        Self { shapes, columns, root, data, rng }
    }

    pub(crate) fn element(&mut self) -> S::Challenge {
        use p3_field::BasedVectorSpace;
        S::Challenge::from_basis_coefficients_fn(|_| S::Base::from_u64(self.rng.random()))
    }

    /// The true claim on a tensor at a point.
    pub(crate) fn claim_at(&self, tensor: usize, point: Vec<S::Challenge>) -> OpeningClaim<S::Challenge> {
        let column = &self.columns[tensor];
        let value = evaluate(&self.shapes[tensor], &point, |i| S::from_i64(column.get(i).unwrap()));
        OpeningClaim { tensor, point, value }
    }

    /// The true claim on a tensor at a random point; coordinates are Boolean with probability `boolean`.
    pub(crate) fn claim(&mut self, tensor: usize, boolean: f64) -> OpeningClaim<S::Challenge> {
        let variables = self.shapes[tensor].variables();
        let point = (0..variables)
            .map(|_| {
                if self.rng.random_bool(boolean) { S::Challenge::from_bool(self.rng.random()) } else { self.element() }
            })
            .collect();
        self.claim_at(tensor, point)
    }

    pub(crate) fn open(&self, claims: &[OpeningClaim<S::Challenge>]) -> Vec<u8> {
        self.open_on(claims, &Device::cpu()).unwrap()
    }

    pub(crate) fn open_on(
        &self,
        claims: &[OpeningClaim<S::Challenge>],
        device: &Device,
    ) -> Result<Vec<u8>, ProveError> {
        let mut transcript = ProverTranscript::<S>::new();
        transcript.absorb("statement", b"test");
        transcript.write_bytes(&self.root);
        S::open(&self.data, claims, &mut transcript, device)?;
        let after = transcript.challenge();
        transcript.write(&[after]);
        Ok(transcript.finish().0)
    }

    pub(crate) fn verify(&self, claims: &[OpeningClaim<S::Challenge>], proof: &[u8]) -> Result<(), VerifyError> {
        verify::<S>(&self.shapes, claims, proof, b"test")
    }
}

/// Verifies a proof made by [`Case::open`].
pub(crate) fn verify<S: CommittedSuite>(
    shapes: &[Shape],
    claims: &[OpeningClaim<S::Challenge>],
    proof: &[u8],
    statement: &[u8],
) -> Result<(), VerifyError> {
    let mut transcript = VerifierTranscript::<S>::new(proof);
    transcript.absorb("statement", statement);
    let root = transcript.read_bytes(S::commitment_bytes(shapes))?.to_vec();
    S::verify_opening(shapes, &root, claims, &mut transcript)?;
    // Both ends must be in the same state afterwards.
    let after = transcript.challenge();
    let sent = transcript.read(1)?;
    transcript.check(sent == [after], "the challenge after the opening")?;
    transcript.finish()
}
