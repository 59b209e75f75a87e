//! Bytes of an opening proof, and the shape that the parameters imply for it.
//!
//! The library's proof structure is encoded with postcard. A proof is accepted only if it is the encoding of what it
//! decodes to, and if every list in it has exactly the length that the parameters fix: nothing in it can be changed by
//! itself. (Another proof of work, with what follows it done again, is another valid proof of the same statement.)

use p3_goldilocks::Goldilocks as Felt;
use p3_sumcheck::SumcheckData;
use p3_whir::parameters::RoundConfig;
use p3_whir::pcs::proof::{QueryOpenings, SharedProofOpening};

use crate::tree::{ROOT_BYTES, Root, SiblingHashes};
use crate::whir::{ChallengeField, Pcs, Proof};

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

#[cfg(all(test, feature = "prover"))]
mod tests {
    use p3_field::PrimeCharacteristicRing;
    use zkml_core::{Goldilocks, Goldilocks3, Suite};

    use super::*;
    use crate::encoder::Encoder;
    use crate::params;
    use crate::whir::{self, Sponge};

    type Alteration<EF> = (&'static str, fn(&mut Proof<EF>));

    /// Every list of the proof too short, too long or of another kind.
    fn alterations<EF: ChallengeField>() -> Vec<Alteration<EF>> {
        fn rows<EF: ChallengeField>(proof: &mut Proof<EF>) -> &mut SharedProofOpening<EF, SiblingHashes> {
            match &mut proof.whir.final_openings {
                QueryOpenings::Extension(opening) => opening,
                QueryOpenings::Base(_) => panic!("the polynomial is too small for an intermediate round"),
            }
        }
        vec![
            ("answer added", |p| p.whir.initial_ood_answers.push(EF::ONE)),
            ("round added", |p| p.whir.rounds.extend_from_within(..1)),
            ("round removed", |p| p.whir.rounds.clear()),
            ("root of two", |p| p.whir.rounds[0].commitment = Some(Root::new(vec![[0; 32]; 2]))),
            ("no root", |p| p.whir.rounds[0].commitment = None),
            ("round answer added", |p| p.whir.rounds[0].ood_answers.push(EF::ONE)),
            ("sumcheck round removed", |p| {
                let _ = p.whir.initial_sumcheck.polynomial_evaluations.pop();
            }),
            ("sumcheck round added", |p| p.whir.rounds[0].sumcheck.polynomial_evaluations.push([EF::ONE; 2])),
            ("witness added", |p| p.whir.initial_sumcheck.pow_witnesses.push(Felt::ZERO)),
            ("row removed", |p| {
                let _ = rows(p).rows.pop();
            }),
            ("row added", |p| rows(p).rows.push(vec![EF::ONE; 16])),
            ("row shortened", |p| {
                let _ = rows(p).rows[0].pop();
            }),
            ("row emptied", |p| rows(p).rows[0].clear()),
            ("too many digests", |p| rows(p).proof.sibling_hashes.resize(1 << 16, [0; 32])),
            ("rows of another field", |p| {
                p.whir.final_openings = QueryOpenings::Base(SharedProofOpening {
                    rows: vec![vec![Felt::ONE; 16]; rows(p).rows.len()],
                    proof: rows(p).proof.clone(),
                });
            }),
            ("no final polynomial", |p| p.whir.final_poly = None),
            ("final polynomial doubled", |p| {
                let values = p.whir.final_poly.as_ref().map_or(&[][..], |poly| poly.as_slice());
                p.whir.final_poly = Some(p3_multilinear_util::poly::Poly::new([values, values].concat()));
            }),
            ("final sumcheck dropped", |p| p.whir.final_sumcheck = None),
            ("value added", |p| p.evals[0] = p3_sumcheck::OpeningBatch::new(vec![EF::ONE; 2], vec![])),
            ("successor value added", |p| p.evals[0] = p3_sumcheck::OpeningBatch::new(vec![EF::ONE], vec![EF::ONE])),
            ("batch added", |p| p.evals.push(p3_sumcheck::OpeningBatch::new(vec![EF::ONE], vec![]))),
            ("no batch", |p| p.evals.clear()),
        ]
    }

    fn lists_are_checked<S: Suite<Base = Felt, Challenger = Sponge, Challenge: ChallengeField>>() {
        let variables = 12;
        let pcs = params::choose::<S>(variables, &Encoder::default()).unwrap();
        let cells = (0..1 << variables).map(Felt::from_u64).collect();
        let (_, committed) = whir::prover::commit(&pcs, cells, S::challenger()).unwrap();
        let point = vec![S::Challenge::TWO; variables];
        let proof = whir::prover::open(&pcs, &committed, &point, &mut S::challenger()).unwrap();
        assert!(decode(&pcs, &encode(&proof).unwrap()).is_some());
        for (name, alter) in alterations() {
            let mut altered = proof.clone();
            alter(&mut altered);
            assert!(decode(&pcs, &encode(&altered).unwrap()).is_none(), "{}: {name}", S::ID);
        }
    }

    #[test]
    fn every_list_has_the_length_that_the_parameters_imply() {
        lists_are_checked::<Goldilocks>();
        lists_are_checked::<Goldilocks3>();
    }

    #[test]
    fn a_final_sumcheck_is_refused_where_there_is_none() {
        // 2^4 more variables than a multiple of the folding leave nothing to sum at the end.
        let pcs = params::choose::<Goldilocks>(4, &Encoder::default()).unwrap();
        assert_eq!(pcs.final_sumcheck_rounds(), 0);
        let cells = (0..16).map(Felt::from_u64).collect();
        let (_, committed) = whir::prover::commit(&pcs, cells, Goldilocks::challenger()).unwrap();
        let point = vec![<Goldilocks as Suite>::Challenge::TWO; 4];
        let mut proof = whir::prover::open(&pcs, &committed, &point, &mut Goldilocks::challenger()).unwrap();
        assert!(decode(&pcs, &encode(&proof).unwrap()).is_some());
        proof.whir.final_sumcheck = Some(SumcheckData::default());
        assert!(decode(&pcs, &encode(&proof).unwrap()).is_none());
    }
}
