//! The steps that every scheme shares: claims on tensors become one claim on the stacked polynomial.
//!
//! Both sides absorb the shapes, the commitment and the claims; the values of the terms that the verifier cannot derive
//! are sent; `ρ` is drawn; the merging sumcheck leaves `P(r) · W(r) = claim` for the scheme to open.

use zkml_core::{Shape, Suite, VerifierTranscript, VerifyError};
use zkml_sumcheck::{Weight, verify_rounds};

use crate::claims::Terms;
use crate::stacking::Stacking;
use crate::{OpeningClaim, merge};

/// Absorbs what both sides know: the shapes, the commitment and the claims.
macro_rules! absorb_statement {
    ($transcript:expr, $shapes:expr, $root:expr, $claims:expr) => {{
        for shape in $shapes {
            let dims: Vec<u8> = shape.dims().iter().flat_map(|&n| (n as u64).to_le_bytes()).collect();
            $transcript.absorb("shape", &dims);
        }
        $transcript.absorb("root", $root);
        for claim in $claims {
            $transcript.absorb("tensor", &(claim.tensor as u64).to_le_bytes());
            $transcript.absorb_elements(&claim.point);
            $transcript.absorb_elements(&[claim.value]);
        }
    }};
}

/// What is left to prove: `P(point) · weight = claim`. The weight is `None` if a term names no slot.
pub(crate) struct Merged<EF> {
    pub(crate) point: Vec<EF>,
    weight: Option<EF>,
    claim: EF,
}

impl<EF: p3_field::Field> Merged<EF> {
    /// True if the claim holds for this value of the stacked polynomial.
    pub(crate) fn holds(&self, value: EF) -> bool {
        self.weight.map(|weight| value * weight) == Some(self.claim)
    }
}

/// The verifier's half, up to the opening of the stacked polynomial.
pub(crate) fn verify<S: Suite>(
    stacking: &Stacking,
    terms: &Terms<S::Challenge>,
    shapes: &[Shape],
    commitment: &[u8],
    claims: &[OpeningClaim<S::Challenge>],
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Merged<S::Challenge>, VerifyError> {
    absorb_statement!(transcript, shapes, commitment, claims);
    let sent = transcript.read(terms.sent())?;
    let values = terms.complete(claims, &sent);
    let values = values.ok_or_else(|| VerifyError::Check {
        scope: transcript.scope(),
        what: "the sum of a tensor's weighted blocks",
    })?;
    let rho = transcript.challenge();
    let powers = merge::powers(rho, values.len());
    let claim = merge::dot(&powers, &values);
    let rounds = vec![Weight::Sum; stacking.variables];
    let (point, claim) = verify_rounds(&rounds, merge::DEGREE, claim, transcript)?;
    let weight = merge::weight_at(stacking, &terms.distinct, &powers, &point);
    Ok(Merged { point, weight, claim })
}

#[cfg(feature = "prover")]
pub(crate) use prover::prove;

#[cfg(feature = "prover")]
mod prover {
    use zkml_core::{ProveError, ProverTranscript};
    use zkml_device::Device;

    use super::{OpeningClaim, Stacking, Suite, Terms, merge};
    use crate::merge_prover;

    /// The prover's half. Returns the point at which the stacked polynomial is to be opened, and its value there.
    pub(crate) fn prove<S: Suite>(
        stacking: &Stacking,
        stacked: &[S::Base],
        commitment: &[u8],
        claims: &[OpeningClaim<S::Challenge>],
        transcript: &mut ProverTranscript<S>,
        device: &Device,
    ) -> Result<(Vec<S::Challenge>, S::Challenge), ProveError> {
        let scope = transcript.scope();
        let terms =
            Terms::new(stacking, claims).map_err(|reason| ProveError::Commitment { scope: scope.clone(), reason })?;
        absorb_statement!(transcript, &stacking.shapes, commitment, claims);
        let sent: Vec<S::Challenge> =
            terms.sent_terms().map(|term| merge_prover::evaluate::<S>(stacking, stacked, term)).collect();
        let unsatisfied = || ProveError::Unsatisfied {
            scope: scope.clone(),
            what: "a claim to be opened is not the value of the committed tensor".to_owned(),
        };
        let values = terms.complete(claims, &sent).ok_or_else(unsatisfied)?;
        transcript.write(&sent);
        let rho = transcript.challenge();
        let powers = merge::powers(rho, values.len());
        let claim = merge::dot(&powers, &values);
        merge_prover::prove(stacking, stacked, &terms.distinct, &powers, claim, transcript, device)?
            .ok_or_else(unsatisfied)
    }
}

#[cfg(test)]
mod tests {
    use p3_field::PrimeCharacteristicRing;
    use zkml_core::{Bn254, Goldilocks};

    use super::*;

    /// Where the stacked polynomial is opened after messages of zeros.
    fn point<S: Suite>(dims: &[usize], commitment: &[u8], claim: &OpeningClaim<S::Challenge>) -> Vec<S::Challenge> {
        let shapes = [dims, &[2, 2]].map(|dims| Shape::new(dims).unwrap());
        let stacking = Stacking::new(&shapes, &(2..=8)).unwrap();
        let claims = [claim.clone()];
        let terms = Terms::new(&stacking, &claims).unwrap();
        let mut transcript = VerifierTranscript::<S>::new(&[0; 1000]);
        verify(&stacking, &terms, &shapes, commitment, &claims, &mut transcript).unwrap().point
    }

    fn depends_on_everything<S: Suite>() {
        let claim = OpeningClaim { tensor: 0, point: vec![S::Challenge::TWO; 2], value: S::Challenge::TWO };
        let drawn = point::<S>(&[4], b"commitment", &claim);
        assert_eq!(drawn, point::<S>(&[4], b"commitment", &claim));
        let mut others = vec![point::<S>(&[2, 2], b"commitment", &claim), point::<S>(&[4], b"another", &claim)];
        let changes: [fn(&mut OpeningClaim<S::Challenge>); 4] = [
            |claim| claim.tensor = 1,
            |claim| claim.point[0] = S::Challenge::ONE,
            |claim| claim.point[1] = S::Challenge::ONE,
            |claim| claim.value = S::Challenge::ONE,
        ];
        for change in changes {
            let mut other = claim.clone();
            change(&mut other);
            others.push(point::<S>(&[4], b"commitment", &other));
        }
        for (i, other) in others.iter().enumerate() {
            assert!(drawn.iter().zip(other).all(|(a, b)| a != b), "statement {i}");
        }
    }

    #[test]
    fn challenges_depend_on_shapes_commitment_and_claims() {
        depends_on_everything::<Goldilocks>();
        depends_on_everything::<Bn254>();
    }
}
