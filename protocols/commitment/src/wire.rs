//! Bytes of an opening proof, and the shape that the parameters imply for it.
//!
//! The library's proof structure is encoded with postcard. A proof is accepted only if it is the encoding of what it
//! decodes to, and if every list in it has exactly the length that the parameters fix: nothing in it is free.

use p3_goldilocks::Goldilocks as Felt;
use p3_sumcheck::SumcheckData;
use p3_whir::parameters::RoundConfig;
use p3_whir::pcs::proof::{QueryOpenings, SharedProofOpening};

use crate::whir::{ChallengeField, Pcs, Proof, ROOT_BYTES, Root, SiblingHashes};

/// Encodes a proof.
pub(crate) fn encode<EF: ChallengeField>(proof: &Proof<EF>) -> Result<Vec<u8>, String> {
    postcard::to_stdvec(proof).map_err(|error| error.to_string())
}

/// Decodes a proof; `None` unless `bytes` is the one encoding of it and its lists have the lengths that `pcs`
/// implies.
pub(crate) fn decode<EF: ChallengeField>(pcs: &Pcs<EF>, bytes: &[u8]) -> Option<Proof<EF>> {
    let (proof, rest) = postcard::take_from_bytes::<Proof<EF>>(bytes).ok()?;
    let canonical = rest.is_empty() && encode(&proof).is_ok_and(|encoded| encoded == bytes);
    (canonical && has_shape(pcs, &proof)).then_some(proof)
}

/// A root from its bytes.
pub(crate) fn root(bytes: &[u8]) -> Option<Root> {
    let digest: [u8; ROOT_BYTES] = bytes.try_into().ok()?;
    Some(Root::new(vec![digest]))
}

fn has_shape<EF: ChallengeField>(pcs: &Pcs<EF>, proof: &Proof<EF>) -> bool {
    let (whir, schedule) = (&proof.whir, pcs.folding_schedule());
    let rounds = pcs.round_parameters();
    let first_fold = schedule.first().copied().unwrap_or(0);
    whir.initial_ood_answers.len() == pcs.commitment_ood_samples()
        && sumcheck_has_shape(&whir.initial_sumcheck, first_fold, pcs.starting_folding_pow_bits())
        && whir.rounds.len() == rounds.len()
        && whir.rounds.iter().zip(rounds).zip(schedule.iter().skip(1)).enumerate().all(
            |(index, ((round, expected), &fold))| {
                round.commitment.as_ref().is_some_and(|root| root.num_roots() == 1)
                    && round.ood_answers.len() == expected.ood_samples
                    && openings_have_shape(&round.openings, expected, index == 0)
                    && sumcheck_has_shape(&round.sumcheck, fold, expected.folding_pow_bits)
            },
        )
        && openings_have_shape(&whir.final_openings, &pcs.final_round_config(), rounds.is_empty())
        && final_part_has_shape(pcs, proof)
        && matches!(proof.evals.as_slice(), [batch] if batch.current().len() == 1 && batch.next().is_empty())
}

fn final_part_has_shape<EF: ChallengeField>(pcs: &Pcs<EF>, proof: &Proof<EF>) -> bool {
    let variables = pcs.final_sumcheck_rounds();
    let polynomial = proof.whir.final_poly.as_ref();
    let sumcheck = match &proof.whir.final_sumcheck {
        None => variables == 0,
        Some(data) => variables > 0 && sumcheck_has_shape(data, variables, pcs.final_folding_pow_bits()),
    };
    sumcheck && polynomial.is_some_and(|polynomial| polynomial.as_slice().len() == 1 << variables)
}

fn sumcheck_has_shape<EF>(data: &SumcheckData<Felt, EF>, rounds: usize, pow_bits: usize) -> bool {
    let witnesses = if pow_bits > 0 { rounds } else { 0 };
    data.polynomial_evaluations.len() == rounds && data.pow_witnesses.len() == witnesses
}

fn openings_have_shape<EF>(
    openings: &QueryOpenings<Felt, EF, SiblingHashes>,
    round: &RoundConfig,
    first: bool,
) -> bool {
    match openings {
        QueryOpenings::Base(opening) => first && rows_have_shape(opening, round),
        QueryOpenings::Extension(opening) => !first && rows_have_shape(opening, round),
    }
}

fn rows_have_shape<T>(opening: &SharedProofOpening<T, SiblingHashes>, round: &RoundConfig) -> bool {
    let positions = round.domain_size >> round.folding_factor;
    let queries = round.num_queries.min(positions);
    let levels = positions.checked_ilog2().map_or(0, |levels| levels as usize);
    opening.rows.len() == queries
        && opening.rows.iter().all(|row| row.len() == 1 << round.folding_factor)
        && opening.proof.sibling_hashes.len() <= queries * levels
}
