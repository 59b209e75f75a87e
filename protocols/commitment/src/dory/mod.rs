//! Dory over BN254: commitments in the target group, openings of logarithmic size (`papers/dory.md`).
//!
//! The stacked vector is a matrix of `2^rows` rows, the leading variables, and `2^columns` columns, `rows = n / 2` rounded
//! down. [Lee20, section 5] through `dory-pcs`, over arkworks' BN254.
//!
//! | module | step |
//! |---|---|
//! | `wire` | one byte string per proof |
//! | `sponge` | the library's messages and challenges on the transcript's sponge |
//! | `matrix` | the committed vector as the library's polynomial |
//!
//! Groups, encodings with subgroup checks, and generators are those of `zkml-pairing`.

use core::ops::RangeInclusive;

use zkml_core::{Bn254, ErrorTerm, Shape, Suite, VerifierTranscript, VerifyError};
use zkml_pairing::{Curve, Encoding, Routines, Scalar, Target, setup};

use crate::claims::Terms;
use crate::stacking::Stacking;
use crate::{OpeningClaim, OpeningSoundness, merge, reduction};

#[cfg(feature = "prover")]
mod matrix;
mod sponge;
mod wire;

use sponge::Sponge;

/// Variables that a stacked polynomial can have; smaller ones are padded with zeros.
const VARIABLES: RangeInclusive<usize> = 2..=26;
/// Numerator of the error charged to each challenge of the opening, more than the degree of any equation in it.
const PER_CHALLENGE: f64 = 16.0;

type Element = <Bn254 as Suite>::Challenge;

/// Bytes of a commitment.
pub(crate) const fn commitment_bytes() -> usize {
    zkml_pairing::encoding::TARGET_BYTES
}

/// Base-two logarithms of the numbers of rows and columns.
fn dimensions(variables: usize) -> (usize, usize) {
    (variables / 2, variables.div_ceil(2))
}

/// Coordinates as the library orders them: least significant first.
fn coordinates(point: &[Element]) -> Vec<Scalar> {
    point.iter().rev().map(|&coordinate| coordinate.into()).collect()
}

/// Verifies an opening: see the crate documentation for the steps.
pub(crate) fn verify(
    shapes: &[Shape],
    commitment: &[u8],
    claims: &[OpeningClaim<Element>],
    transcript: &mut VerifierTranscript<'_, Bn254>,
) -> Result<(), VerifyError> {
    if claims.is_empty() {
        return Ok(());
    }
    let scope = transcript.scope();
    let statement = |what: String| VerifyError::Statement { scope: scope.clone(), what };
    let stacking = Stacking::new(shapes, &VARIABLES).map_err(statement)?;
    let terms = Terms::new(&stacking, claims).map_err(statement)?;
    let target = Target::decode(commitment).ok_or_else(|| transcript.encoding("the commitment"))?;

    transcript.absorb("setup", setup::DOMAIN.as_bytes());
    let merged = reduction::verify(&stacking, &terms, shapes, commitment, claims, transcript)?;
    let [value] = transcript.read_array()?;
    transcript.check(merged.holds(value), "the merged claim on the stacked polynomial")?;

    let (rows, columns) = dimensions(stacking.variables);
    let blob = transcript.read_blob()?;
    let proof = wire::decode(blob, rows, columns).ok_or_else(|| transcript.encoding("the Dory proof"))?;
    let setup = setup::verifier(columns).map_err(statement)?;
    let (point, value) = (coordinates(&merged.point), Scalar::from(value));
    let mut sponge = Sponge(transcript.challenger_mut());
    dory_pcs::verify::<_, Curve, Routines, Routines, _>(target, value, &point, &proof, setup, &mut sponge)
        .map_err(|error| VerifyError::Opening { scope: scope.clone(), reason: error.to_string() })?;
    transcript.absorb_blob(blob);
    Ok(())
}

/// Error terms of one commitment and its opening at so many claims.
pub(crate) fn soundness(shapes: &[Shape], claims: usize) -> OpeningSoundness {
    let stacking = match Stacking::new(shapes, &VARIABLES) {
        Ok(stacking) => stacking,
        Err(reason) => {
            let terms = vec![ErrorTerm::of_bits(format!("dory ({reason})"), 0.0)];
            return OpeningSoundness { terms, log2_candidates: 0.0, regime: "none".to_owned() };
        }
    };
    let field = Bn254::challenge_bits();
    let blocks = stacking.of_tensor.iter().map(Vec::len).max().unwrap_or(0);
    let batching = (claims.saturating_mul(blocks)).saturating_sub(1) as f64;
    let rounds = (merge::DEGREE * stacking.variables) as f64;
    let (_, columns) = dimensions(stacking.variables);
    // Two challenges per round, and two at the end.
    let challenges = (2 * columns + 2) as f64;
    let terms = vec![
        ErrorTerm::over_field("dory/opening", PER_CHALLENGE * challenges, field),
        ErrorTerm::over_field("dory/batching", batching, field),
        ErrorTerm::over_field("dory/merging-sumcheck", rounds, field),
    ];
    let regime = "SXDH on BN254, assumed; about 100 bits".to_owned();
    OpeningSoundness { terms, log2_candidates: 0.0, regime }
}

#[cfg(feature = "prover")]
pub use prover::ProverData;
#[cfg(feature = "prover")]
pub(crate) use prover::{commit, open};

#[cfg(feature = "prover")]
mod prover {
    use std::sync::Arc;

    use dory_pcs::{Polynomial, Transparent};
    use zkml_core::{ProveError, ProverTranscript};
    use zkml_device::{Column, Device};
    use zkml_pairing::{Field, First};

    use super::matrix::Matrix;
    use super::{
        Bn254, Curve, Element, Encoding, OpeningClaim, Routines, Scalar, Shape, Sponge, Stacking, VARIABLES,
        coordinates, dimensions, reduction, setup, wire,
    };

    /// What the prover keeps between commitment and opening: the stacked vector and the commitments to its rows.
    pub struct ProverData {
        pub(super) stacking: Stacking,
        pub(super) commitment: Vec<u8>,
        pub(super) stacked: Vec<Element>,
        pub(super) rows: Vec<First>,
    }

    fn failed(scope: String) -> impl Fn(String) -> ProveError {
        move |reason| ProveError::Commitment { scope: scope.clone(), reason }
    }

    /// Commits to tensors.
    pub(crate) fn commit(
        shapes: &[Shape],
        columns: &[Arc<Column>],
        _device: &Device,
    ) -> Result<(Vec<u8>, ProverData), ProveError> {
        let failed = failed("commitment".to_owned());
        let stacking = Stacking::new(shapes, &VARIABLES).map_err(&failed)?;
        let stacked = stacking.fill::<Bn254>(columns).ok_or_else(|| ProveError::Witness {
            scope: "commitment".to_owned(),
            what: "there must be one column per shape, with as many cells".to_owned(),
        })?;
        let (log_rows, log_columns) = dimensions(stacking.variables);
        let setup = setup::prover(log_columns).map_err(&failed)?;
        let (target, rows, _) = Matrix(&stacked)
            .commit::<Curve, Transparent, Routines>(log_rows, log_columns, &setup)
            .map_err(|error| failed(error.to_string()))?;
        let mut commitment = Vec::with_capacity(super::commitment_bytes());
        target.encode(&mut commitment);
        Ok((commitment.clone(), ProverData { stacking, commitment, stacked, rows }))
    }

    /// Opens a commitment at all claims.
    pub(crate) fn open(
        data: &ProverData,
        claims: &[OpeningClaim<Element>],
        transcript: &mut ProverTranscript<Bn254>,
        device: &Device,
    ) -> Result<(), ProveError> {
        if claims.is_empty() {
            return Ok(());
        }
        let failed = failed(transcript.scope());
        let stacking = &data.stacking;
        transcript.absorb("setup", setup::DOMAIN.as_bytes());
        let (point, value) = reduction::prove(stacking, &data.stacked, &data.commitment, claims, transcript, device)?;
        transcript.write(&[value]);

        let (log_rows, log_columns) = dimensions(stacking.variables);
        let setup = setup::prover(log_columns).map_err(&failed)?;
        let mut sponge = Sponge(transcript.challenger_mut());
        let (proof, _) = dory_pcs::prove::<_, Curve, Routines, Routines, _, _, Transparent>(
            &Matrix(&data.stacked),
            &coordinates(&point),
            data.rows.clone(),
            Scalar::zero(),
            log_rows,
            log_columns,
            &setup,
            &mut sponge,
        )
        .map_err(|error| failed(error.to_string()))?;
        let bytes = wire::encode(&proof).ok_or_else(|| failed("the proof has no final message".to_owned()))?;
        transcript.write_blob(&bytes)
    }
}

#[cfg(all(test, feature = "prover"))]
mod tests {
    use std::sync::Arc;

    use dory_pcs::primitives::DorySerialize;
    use dory_pcs::primitives::transcript::Transcript;
    use dory_pcs::{Polynomial, Transparent};
    use p3_field::PrimeCharacteristicRing;
    use zkml_core::ProverTranscript;
    use zkml_device::{Column, Device};
    use zkml_pairing::{Field, First, Group, Second};

    use super::matrix::Matrix;
    use super::wire::{decode, encode, proof_bytes};
    use super::*;

    const VARIABLES: usize = 5;

    struct Opened {
        target: Target,
        point: Vec<Scalar>,
        value: Scalar,
        proof: wire::Proof,
    }

    fn cells() -> Vec<Element> {
        (0..1 << VARIABLES).map(|i: i64| Bn254::from_i64(i * i - 300)).collect()
    }

    fn opened() -> Opened {
        let (rows, columns) = dimensions(VARIABLES);
        let cells = cells();
        let setup = setup::prover(columns).unwrap();
        let (target, commitments, _) =
            Matrix(&cells).commit::<Curve, Transparent, Routines>(rows, columns, &setup).unwrap();
        let point: Vec<Scalar> = (0..VARIABLES).map(|i| Scalar::from_i64(-7 * i as i64 + 3)).collect();
        let mut challenger = Bn254::challenger();
        let (proof, _) = dory_pcs::prove::<_, Curve, Routines, Routines, _, _, Transparent>(
            &Matrix(&cells),
            &point,
            commitments,
            Scalar::zero(),
            rows,
            columns,
            &setup,
            &mut Sponge(&mut challenger),
        )
        .unwrap();
        Opened { target, value: Matrix(&cells).evaluate(&point), point, proof }
    }

    fn accepts(target: &Target, point: &[Scalar], value: Scalar, proof: &wire::Proof) -> bool {
        let setup = setup::verifier(dimensions(VARIABLES).1).unwrap();
        let mut challenger = Bn254::challenger();
        let mut sponge = Sponge(&mut challenger);
        dory_pcs::verify::<_, Curve, Routines, Routines, _>(*target, value, point, proof, setup, &mut sponge).is_ok()
    }

    /// What an opening is for. Published implementations of commitments are known to get the first one wrong.
    #[test]
    fn the_library_binds_value_point_and_commitment() {
        let Opened { target, point, value, proof } = opened();
        assert!(accepts(&target, &point, value, &proof));
        assert!(!accepts(&target, &point, value + Scalar::one(), &proof), "another value");
        assert!(!accepts(&target, &point, Scalar::zero(), &proof), "zero as value");
        assert!(!accepts(&target, &point, -value, &proof), "the negated value");
        for i in 0..point.len() {
            let mut other = point.clone();
            other[i] = other[i] + Scalar::one();
            assert!(!accepts(&target, &other, value, &proof), "another coordinate {i}");
        }
        let reversed: Vec<Scalar> = point.iter().rev().copied().collect();
        assert!(!accepts(&target, &reversed, value, &proof), "the coordinates reversed");
        assert!(!accepts(&(target + target), &point, value, &proof), "twice the commitment");
        assert!(!accepts(&Target::identity(), &point, value, &proof), "the commitment to nothing");
    }

    /// The sponge as the library drives it, with every challenge noted.
    struct Noted<'a> {
        sponge: Sponge<'a>,
        drawn: Vec<Scalar>,
    }

    impl Transcript for Noted<'_> {
        type Curve = Curve;
        fn append_bytes(&mut self, label: &[u8], bytes: &[u8]) {
            self.sponge.append_bytes(label, bytes);
        }
        fn append_field(&mut self, label: &[u8], x: &Scalar) {
            self.sponge.append_field(label, x);
        }
        fn append_group<G: Group>(&mut self, label: &[u8], g: &G) {
            self.sponge.append_group(label, g);
        }
        fn append_serde<T: DorySerialize>(&mut self, label: &[u8], s: &T) {
            self.sponge.append_serde(label, s);
        }
        fn challenge_scalar(&mut self, label: &[u8]) -> Scalar {
            let challenge = self.sponge.challenge_scalar(label);
            self.drawn.push(challenge);
            challenge
        }
        fn reset(&mut self, domain_label: &[u8]) {
            self.sponge.reset(domain_label);
        }
    }

    /// `β_1, α_1, …, γ, d` of the verifier.
    fn challenges(opened: &Opened, proof: &wire::Proof) -> Vec<Scalar> {
        let mut challenger = Bn254::challenger();
        let mut noted = Noted { sponge: Sponge(&mut challenger), drawn: Vec::new() };
        let setup = setup::verifier(dimensions(VARIABLES).1).unwrap();
        let Opened { target, point, value, .. } = opened;
        let _ = dory_pcs::verify::<_, Curve, Routines, Routines, _>(*target, *value, point, proof, setup, &mut noted);
        noted.drawn
    }

    /// A change of one element of a proof.
    type Change = fn(&mut wire::Proof);

    /// The elements of each message of round `R`, and the number of challenges before it.
    fn changes_of_round<const R: usize>() -> [(usize, Vec<Change>); 2] {
        let first: [Change; 6] = [
            |p| p.first_messages[R].d1_left = Target::identity(),
            |p| p.first_messages[R].d1_right = p.first_messages[R].d1_right + p.vmv_message.c,
            |p| p.first_messages[R].d2_left = Target::identity(),
            |p| p.first_messages[R].d2_right = Target::identity(),
            |p| p.first_messages[R].e1_beta = First::identity(),
            |p| p.first_messages[R].e2_beta = Second::identity(),
        ];
        let second: [Change; 6] = [
            |p| p.second_messages[R].c_plus = p.second_messages[R].c_plus + p.vmv_message.c,
            |p| p.second_messages[R].c_minus = p.second_messages[R].c_minus + p.vmv_message.c,
            |p| p.second_messages[R].e1_plus = p.second_messages[R].e1_plus + p.vmv_message.e1,
            |p| p.second_messages[R].e1_minus = p.second_messages[R].e1_minus + p.vmv_message.e1,
            |p| p.second_messages[R].e2_plus = p.second_messages[R].e2_plus + p.first_messages[R].e2_beta,
            |p| p.second_messages[R].e2_minus = p.second_messages[R].e2_minus + p.first_messages[R].e2_beta,
        ];
        [(2 * R, first.to_vec()), (2 * R + 1, second.to_vec())]
    }

    /// No element can be chosen after a challenge that is drawn behind it.
    #[test]
    fn every_element_moves_all_challenges_behind_it_and_none_before() {
        let opened = opened();
        let drawn = challenges(&opened, &opened.proof);
        assert_eq!(drawn.len(), 8);
        let start: [Change; 3] = [
            |p| p.vmv_message.c = Target::identity(),
            |p| p.vmv_message.d2 = Target::identity(),
            |p| p.vmv_message.e1 = First::identity(),
        ];
        let last: [Change; 2] = [
            |p| p.final_message.as_mut().unwrap().e1 = First::identity(),
            |p| p.final_message.as_mut().unwrap().e2 = Second::identity(),
        ];
        let rounds = [changes_of_round::<0>(), changes_of_round::<1>(), changes_of_round::<2>()];
        let changes = rounds.into_iter().flatten().chain([(0, start.to_vec()), (7, last.to_vec())]);
        for (before, changes) in changes {
            for (element, change) in changes.iter().enumerate() {
                let mut altered = opened.proof.clone();
                change(&mut altered);
                let others = challenges(&opened, &altered);
                for (i, (old, new)) in drawn.iter().zip(&others).enumerate() {
                    assert_eq!(old == new, i < before, "challenge {i}, element {element} behind {before} challenges");
                }
            }
        }
    }

    /// A prover that sends zeros instead of the merging sumcheck and opens the polynomial honestly where that leads.
    #[test]
    fn an_honest_opening_without_the_merging_sumcheck_is_rejected() {
        let shapes = [Shape::new([1 << VARIABLES]).unwrap()];
        let stacking = Stacking::new(&shapes, &super::VARIABLES).unwrap();
        let (rows, columns) = dimensions(VARIABLES);
        let (cells, generators) = (cells(), setup::prover(columns).unwrap());
        let (target, commitments, _) =
            Matrix(&cells).commit::<Curve, Transparent, Routines>(rows, columns, &generators).unwrap();
        let mut commitment = Vec::new();
        target.encode(&mut commitment);
        let claims = [OpeningClaim { tensor: 0, point: vec![Element::TWO; VARIABLES], value: Element::ONE }];
        let terms = Terms::new(&stacking, &claims).unwrap();
        let point = |transcript: &mut VerifierTranscript<'_, Bn254>| {
            transcript.absorb("setup", setup::DOMAIN.as_bytes());
            let merged = reduction::verify(&stacking, &terms, &shapes, &commitment, &claims, transcript);
            coordinates(&merged.unwrap().point)
        };
        let mut start = vec![0; merge::DEGREE * VARIABLES * Bn254::BASE_BYTES];
        let point_of_zeros = point(&mut VerifierTranscript::new(&start));
        let value = Matrix(&cells).evaluate(&point_of_zeros);
        Bn254::encode(value.into(), &mut start);
        let after_value = || {
            let mut transcript = VerifierTranscript::new(&start);
            let point = point(&mut transcript);
            transcript.read(1).unwrap();
            (point, transcript)
        };
        let (point, mut transcript) = after_value();
        let (proof, _) = dory_pcs::prove::<_, Curve, Routines, Routines, _, _, Transparent>(
            &Matrix(&cells),
            &point,
            commitments,
            Scalar::zero(),
            rows,
            columns,
            &generators,
            &mut Sponge(transcript.challenger_mut()),
        )
        .unwrap();
        // The opening by itself is right.
        let (point, mut transcript) = after_value();
        let (levels, mut sponge) = (setup::verifier(columns).unwrap(), Sponge(transcript.challenger_mut()));
        let alone =
            dory_pcs::verify::<_, Curve, Routines, Routines, _>(target, value, &point, &proof, levels, &mut sponge);
        assert!(alone.is_ok());
        let blob = encode(&proof).unwrap();
        let length = u32::try_from(blob.len()).unwrap().to_le_bytes();
        let bytes = [&start[..], &length, &blob].concat();
        let error = verify(&shapes, &commitment, &claims, &mut VerifierTranscript::new(&bytes)).unwrap_err();
        assert!(matches!(error, VerifyError::Check { .. }), "{error}");
    }

    /// A prover that commits to one polynomial and opens another one, of which the claim is true.
    #[test]
    fn a_polynomial_exchanged_after_the_commitment_is_rejected() {
        let shape = Shape::new([1 << VARIABLES]).unwrap();
        let commit_to = |first: i64| {
            let values: Vec<i64> = (0..1 << VARIABLES).map(|i: i64| if i == 0 { first } else { i * i }).collect();
            commit(core::slice::from_ref(&shape), &[Arc::new(Column::with_bounds(values, 0, 0))], &Device::cpu())
                .unwrap()
                .1
        };
        let run = |data: &ProverData| {
            let point: Vec<Element> = (2..).take(VARIABLES).map(Element::from_u64).collect();
            let value = zkml_core::mle::evaluate(&shape, &point, |i| data.stacked[i]);
            let claims = [OpeningClaim { tensor: 0, point, value }];
            let mut transcript = ProverTranscript::new();
            open(data, &claims, &mut transcript, &Device::cpu()).unwrap();
            let bytes = transcript.finish().0;
            verify(&data.stacking.shapes, &data.commitment, &claims, &mut VerifierTranscript::new(&bytes))
        };
        let committed = commit_to(0);
        assert_eq!(run(&committed), Ok(()));
        for keep_rows in [false, true] {
            let mut exchanged = commit_to(1);
            assert_eq!(run(&exchanged), Ok(()));
            exchanged.commitment.clone_from(&committed.commitment);
            if keep_rows {
                exchanged.rows.clone_from(&committed.rows);
            }
            let error = run(&exchanged).unwrap_err();
            assert!(matches!(error, VerifyError::Opening { .. }), "rows of the commitment: {keep_rows}: {error}");
        }
    }

    #[test]
    fn proofs_have_one_encoding() {
        let proof = opened().proof;
        let (rows, columns) = dimensions(VARIABLES);
        let bytes = encode(&proof).unwrap();
        assert_eq!(bytes.len(), proof_bytes(columns));
        assert_eq!(decode(&bytes, rows, columns).as_ref(), Some(&proof));
        assert!(decode(&bytes, rows, columns - 1).is_none());
        assert!(decode(&bytes[1..], rows, columns).is_none());
        assert!(decode(&[&bytes[..], &[0]].concat(), rows, columns).is_none());
    }

    #[test]
    fn coordinates_and_values_are_those_of_the_multilinear_extension() {
        let cells: Vec<Element> = (0..8).map(|i| Element::from_u64(i * i + 1)).collect();
        let point = [2, 5, 11].map(Element::from_u64);
        let eq = zkml_core::mle::eq_table(&point);
        let expected: Element = eq.iter().zip(&cells).map(|(&e, &c)| e * c).sum();
        assert_eq!(Matrix(&cells).evaluate(&coordinates(&point)), expected.into());
    }

    #[test]
    fn every_size_has_room_above_the_target() {
        for variables in VARIABLES..=26 {
            let soundness = soundness(&[Shape::new([1 << variables]).unwrap()], 1000);
            assert!(zkml_core::soundness::total_bits(&soundness.terms) > 200.0);
            assert!(soundness.regime.contains("SXDH"), "the assumption is named");
        }
        assert_eq!(soundness(&[Shape::new([1 << 27]).unwrap()], 1).regime, "none");
    }
}
