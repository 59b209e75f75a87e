//! WHIR parameters for a stacked polynomial of a given size, and what they prove.

use p3_goldilocks::Goldilocks as Felt;
use p3_sumcheck::{OpeningBatch, OpeningProtocol, PrescribedPointPcs, TableShape, TableSpec};
use p3_whir::parameters::{FoldingFactor, ProtocolParameters, SecurityAssumption, WhirConfig};
use zkml_core::{ErrorTerm, Shape, Suite};

use crate::OpeningSoundness;
use crate::encoder::Encoder;
use crate::merge;
use crate::pow::PowSponge;
use crate::stacking::Stacking;
use crate::whir::{self, ChallengeField, Pcs};

/// Rate 1/2 of the first code word.
const LOG_INV_RATE: usize = 1;
/// Variables folded per round.
pub(crate) const FOLDING: usize = 4;
/// Proof of work before the queries of each round, and at most before any other challenge, in bits.
const POW_BITS: usize = 16;
/// Bits that the sum of WHIR's error terms has beyond the suite's target, so that the sum over a whole proof can
/// still reach it.
const ROOM: f64 = 4.5;
/// Largest surplus over the suite's target that a single error term is held to.
const MAX_SURPLUS: usize = 12;
/// Bits of the challenge field beyond the suite's target from which on list decoding is taken: there neither the
/// candidates nor the proximity gaps cost anything, and later rounds need half the queries.
const JOHNSON_FIELD_SURPLUS: f64 = 48.0;

/// The regime of one opening, and the bits that each single error term is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// Unique decoding or the Johnson bound: both are proven.
    pub(crate) regime: SecurityAssumption,
    /// Bits per error term.
    pub(crate) bits_per_term: usize,
}

impl Parameters {
    /// The library's configuration for a polynomial of so many variables.
    pub(crate) fn config<EF: ChallengeField>(
        self,
        variables: usize,
    ) -> Result<WhirConfig<EF, Felt, PowSponge>, String> {
        let parameters = ProtocolParameters {
            starting_log_inv_rate: LOG_INV_RATE,
            round_log_inv_rates: Vec::new(),
            folding_factor: FoldingFactor::Constant(FOLDING),
            soundness_type: self.regime,
            security_level: self.bits_per_term,
            pow_bits: POW_BITS,
        };
        WhirConfig::new_with_initial_claims(variables, parameters, 1).map_err(|error| error.to_string())
    }
}

/// The opening of one table with one column at one point.
pub(crate) fn one_opening(variables: usize) -> OpeningProtocol {
    let schedule = vec![OpeningBatch::new(vec![0], Vec::new())];
    OpeningProtocol::new(vec![TableSpec::new(TableShape::new(variables, 1), schedule)])
}

/// The scheme for a polynomial of so many variables: the cheapest parameters whose error terms sum to the suite's
/// target and [`ROOM`], or else the strongest there are. Errors if there are none.
pub(crate) fn choose<S>(variables: usize, encoder: &Encoder) -> Result<Pcs<S::Challenge>, String>
where
    S: Suite<Base = Felt, Challenge: ChallengeField>,
{
    let target = S::SECURITY_BITS as usize;
    let regime = if S::challenge_bits() - target as f64 >= JOHNSON_FIELD_SURPLUS {
        SecurityAssumption::JohnsonBound
    } else {
        SecurityAssumption::UniqueDecoding
    };
    let mut best = Err(format!("no parameters for a polynomial of 2^{variables} cells"));
    for bits_per_term in target..=target + MAX_SURPLUS {
        match whir::pcs(Parameters { regime, bits_per_term }, variables, encoder) {
            Ok(pcs) => {
                let enough = strength(&pcs).is_some_and(|(bits, _)| bits >= target as f64 + ROOM);
                best = Ok(pcs);
                if enough {
                    break;
                }
            }
            Err(error) if best.is_err() => best = Err(error),
            Err(_) => break,
        }
    }
    best
}

/// Bits of the sum of WHIR's error terms, and the logarithm of the number of candidates.
fn strength<EF: ChallengeField>(pcs: &Pcs<EF>) -> Option<(f64, f64)> {
    let security = pcs.prescribed_security(&one_opening(pcs.num_variables()))?;
    Some((security.error().bits(), security.candidates()?.log2_size()))
}

/// Error terms of the commitment and its opening.
pub(crate) fn soundness<S>(shapes: &[Shape], claims: usize) -> OpeningSoundness
where
    S: Suite<Base = Felt, Challenge: ChallengeField>,
{
    let unsound = |reason: String| OpeningSoundness {
        terms: vec![ErrorTerm::of_bits(format!("whir ({reason})"), 0.0)],
        log2_candidates: 0.0,
        regime: "none".to_owned(),
    };
    let stacking = match Stacking::new(shapes, &whir::VARIABLES) {
        Ok(stacking) => stacking,
        Err(reason) => return unsound(reason),
    };
    let pcs = match choose::<S>(stacking.variables, &Encoder::default()) {
        Ok(pcs) => pcs,
        Err(reason) => return unsound(reason),
    };
    let Some((bits, log2_candidates)) = strength(&pcs) else {
        return unsound("the library states no bound".to_owned());
    };
    let blocks = stacking.of_tensor.iter().map(Vec::len).max().unwrap_or(0);
    let batching = (claims.saturating_mul(blocks)).saturating_sub(1) as f64;
    let rounds = (merge::DEGREE * stacking.variables) as f64;
    let field = S::challenge_bits();
    let terms = vec![
        ErrorTerm::of_bits("whir/opening", bits),
        ErrorTerm::over_field("whir/batching", batching, field).over_candidates(log2_candidates),
        ErrorTerm::over_field("whir/merging-sumcheck", rounds, field).over_candidates(log2_candidates),
    ];
    let regime = match pcs.params().soundness_type {
        SecurityAssumption::UniqueDecoding => "unique decoding, proven; 16 bits by work",
        SecurityAssumption::JohnsonBound => "Johnson bound, proven; 16 bits by work",
        SecurityAssumption::CapacityBound => "capacity bound, conjectured",
    };
    OpeningSoundness { terms, log2_candidates, regime: regime.to_owned() }
}

#[cfg(test)]
mod tests {
    use zkml_core::soundness::total_bits;
    use zkml_core::{Goldilocks, Goldilocks3};

    use super::*;
    use crate::whir::VARIABLES;

    fn bits<S: Suite<Base = Felt, Challenge: ChallengeField>>(variables: usize) -> (f64, OpeningSoundness) {
        let soundness = soundness::<S>(&[Shape::new([1 << variables]).unwrap()], 100);
        (total_bits(&soundness.terms), soundness)
    }

    #[test]
    fn every_size_leaves_room_above_the_target() {
        for variables in *VARIABLES.start()..=24 {
            let (quadratic, unique) = bits::<Goldilocks>(variables);
            let (cubic, list) = bits::<Goldilocks3>(variables);
            println!("2^{variables}: goldilocks {quadratic:.2} bits, goldilocks3 {cubic:.2} bits");
            assert!(quadratic > 104.4, "2^{variables}: {quadratic}");
            assert!(cubic > 132.4, "2^{variables}: {cubic}");
            assert!(unique.log2_candidates.abs() < f64::EPSILON && unique.regime.starts_with("unique"));
            assert!(list.log2_candidates < 4.33 && list.regime.starts_with("Johnson"));
        }
    }

    #[test]
    fn the_largest_size_has_parameters_and_one_more_does_not_panic() {
        let (quadratic, _) = bits::<Goldilocks>(*VARIABLES.end());
        assert!(quadratic > 100.0, "{quadratic}");
        let (none, soundness) = bits::<Goldilocks>(*VARIABLES.end() + 1);
        assert!(none.abs() < f64::EPSILON && soundness.regime == "none");
    }

    #[test]
    fn more_claims_cost_more() {
        let shape = [Shape::new([3, 5]).unwrap()];
        let term = |claims| soundness::<Goldilocks>(&shape, claims).terms[1].log2_error;
        assert!(term(1000) > term(10));
        assert!(term(0).is_infinite());
    }
}
