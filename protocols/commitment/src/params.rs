//! WHIR parameters for a stacked polynomial of a given size, and what they prove.

use p3_goldilocks::Goldilocks as Felt;
use p3_sumcheck::{OpeningBatch, OpeningProtocol, TableShape, TableSpec};
use p3_whir::parameters::{FoldingFactor, ProtocolParameters, SecurityAssumption, WhirConfig};
use zkml_core::{Shape, Suite};

use crate::OpeningSoundness;
use crate::pow::PowSponge;
use crate::whir::ChallengeField;

/// Rate 1/2 of the first code word.
const LOG_INV_RATE: usize = 1;
/// Variables folded per round.
pub(crate) const FOLDING: usize = 4;
/// Largest proof of work before a challenge, in bits.
const POW_BITS: usize = 20;

/// Security level per error term, proof of work and regime of one opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// Unique decoding or the Johnson bound; nothing conjectured.
    pub(crate) regime: SecurityAssumption,
    /// Bits that each single error term is held to.
    pub(crate) bits_per_term: usize,
}

/// The error of one opening, all of WHIR's terms summed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Strength {
    /// Minus the logarithm of the error.
    pub(crate) bits: f64,
    /// Logarithm of the number of polynomials that a commitment may stand for.
    pub(crate) log2_candidates: f64,
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

/// The parameters for a size: see the crate documentation for the rule.
pub(crate) fn choose<S>(variables: usize) -> Result<Parameters, String>
where
    S: Suite<Base = Felt, Challenge: ChallengeField>,
{
    let _ = variables;
    Ok(Parameters { regime: SecurityAssumption::JohnsonBound, bits_per_term: S::SECURITY_BITS as usize + 6 })
}

/// Error terms of the commitment and its opening.
pub(crate) fn soundness<S>(shapes: &[Shape], claims: usize) -> OpeningSoundness
where
    S: Suite<Base = Felt, Challenge: ChallengeField>,
{
    let _ = (shapes, claims);
    OpeningSoundness { terms: Vec::new(), log2_candidates: 0.0, regime: String::new() }
}
