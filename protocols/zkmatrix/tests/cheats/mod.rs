//! Provers of `ml,ln->mn` that commit to other vectors, prove with other vectors, or tell other values.

use p3_field::{Field as _, PrimeCharacteristicRing};
use zkml_core::{
    AdviceSpec, Bn254, Claim, Cost, ErrorTerm, Instance, LayerProver, LayerVerifier, ProtocolInfo, ProveError,
    ProverTranscript, Refusal, VerifierTranscript, VerifyError, Witness, mle,
};
use zkml_device::{Column, Device};
use zkml_pairing::{Encoding, setup};
use zkml_zkmatrix::ZkMatrix;
use zkml_zkmatrix::reduce::Lifted;

use crate::common::Felt;

type Vectors = [Vec<Felt>; 2];

/// What is played.
pub(crate) struct Play {
    /// Vectors whose commitments are sent.
    committed: Vectors,
    /// Vectors that the reduction is run on.
    proven: Vectors,
    /// Told values of A and B, from those of the vectors that the reduction is run on.
    values: Values,
}

enum Values {
    OfProven,
    Of(Vectors),
    Changed(fn([Felt; 2]) -> [Felt; 2]),
}

/// From the honest vectors and the claimed value.
pub(crate) type Strategy = fn(&Vectors, Felt) -> Play;

/// A prover with a strategy.
pub(crate) struct Cheat(pub(crate) Strategy);

fn consistent(vectors: Vectors) -> Play {
    Play { committed: vectors.clone(), proven: vectors, values: Values::OfProven }
}

fn dot([a, b]: &Vectors) -> Felt {
    a.iter().zip(b).map(|(&a, &b)| a * b).sum()
}

pub(crate) fn honest(vectors: &Vectors, _: Felt) -> Play {
    consistent(vectors.clone())
}

/// The vectors with one entry of one of them changed so that their product is `value`.
fn fitting(vectors: &Vectors, value: Felt, side: usize) -> Vectors {
    let mut other = vectors.clone();
    let missing = value - dot(vectors);
    let pivot = (0..vectors[0].len()).find(|&i| vectors[1 - side][i] != Felt::ZERO).unwrap();
    other[side][pivot] += missing * vectors[1 - side][pivot].inverse();
    assert_eq!(dot(&other), value);
    other
}

pub(crate) fn first_fits_value(vectors: &Vectors, value: Felt) -> Play {
    consistent(fitting(vectors, value, 0))
}

pub(crate) fn second_fits_value(vectors: &Vectors, value: Felt) -> Play {
    consistent(fitting(vectors, value, 1))
}

pub(crate) fn first_fits_value_true_values(vectors: &Vectors, value: Felt) -> Play {
    Play { values: Values::Of(vectors.clone()), ..first_fits_value(vectors, value) }
}

pub(crate) fn second_fits_value_true_values(vectors: &Vectors, value: Felt) -> Play {
    Play { values: Values::Of(vectors.clone()), ..second_fits_value(vectors, value) }
}

fn replaced(vectors: &Vectors, side: usize) -> Play {
    let mut committed = vectors.clone();
    committed[side][0] += Felt::ONE;
    Play { committed, ..consistent(vectors.clone()) }
}

pub(crate) fn first_projection_replaced(vectors: &Vectors, _: Felt) -> Play {
    replaced(vectors, 0)
}

pub(crate) fn second_projection_replaced(vectors: &Vectors, _: Felt) -> Play {
    replaced(vectors, 1)
}

pub(crate) fn projections_of_zero(vectors: &Vectors, _: Felt) -> Play {
    let zeros = vectors.clone().map(|v| vec![Felt::ZERO; v.len()]);
    Play { committed: zeros, ..consistent(vectors.clone()) }
}

pub(crate) fn scaled_against_each_other([a, b]: &Vectors, _: Felt) -> Play {
    let scale = |v: &[Felt], k: Felt| v.iter().map(|&x| x * k).collect();
    consistent([scale(a, Felt::TWO), scale(b, Felt::TWO.inverse())])
}

pub(crate) fn exchanged([a, b]: &Vectors, _: Felt) -> Play {
    consistent([b.clone(), a.clone()])
}

pub(crate) fn second_moved_orthogonally([a, b]: &Vectors, _: Felt) -> Play {
    let mut moved = b.clone();
    moved[0] += a[1];
    moved[1] -= a[0];
    let vectors = [a.clone(), moved];
    assert_eq!(dot(&vectors), dot(&[a.clone(), b.clone()]));
    consistent(vectors)
}

fn telling(vectors: &Vectors, change: fn([Felt; 2]) -> [Felt; 2]) -> Play {
    Play { values: Values::Changed(change), ..consistent(vectors.clone()) }
}

pub(crate) fn first_value_wrong(vectors: &Vectors, _: Felt) -> Play {
    telling(vectors, |[a, b]| [a + Felt::ONE, b])
}

pub(crate) fn second_value_wrong(vectors: &Vectors, _: Felt) -> Play {
    telling(vectors, |[a, b]| [a, b + Felt::ONE])
}

pub(crate) fn values_zero(vectors: &Vectors, _: Felt) -> Play {
    telling(vectors, |_| [Felt::ZERO; 2])
}

/// Both projections of a matrix product, from the definition; padded with zeros.
fn projections(instance: &Instance<'_>, witness: &Witness, claimed: &[Felt]) -> (Vectors, [usize; 3]) {
    let [first, second] = instance.relation.inputs().try_into().unwrap();
    let (m, l) = (instance.shape(first).dims()[0], instance.shape(first).dims()[1]);
    let n = instance.shape(second).dims()[1];
    let entry = |tensor, i: usize| Felt::from_i64(witness.get(tensor).unwrap().get(i).unwrap());
    let (rows, columns) = claimed.split_at(instance.shape(first).axis_variables()[0]);
    let (left, right) = (mle::eq_table(rows), mle::eq_table(columns));
    let mut a: Vec<Felt> = (0..l).map(|k| (0..m).map(|i| left[i] * entry(first, i * l + k)).sum()).collect();
    let mut b: Vec<Felt> = (0..l).map(|k| (0..n).map(|j| right[j] * entry(second, k * n + j)).sum()).collect();
    a.resize(l.next_power_of_two(), Felt::ZERO);
    b.resize(l.next_power_of_two(), Felt::ZERO);
    ([a, b], [m, n, l])
}

impl LayerProver<Bn254> for Cheat {
    fn advice(&self, _: &Instance<'_>, _: &Witness) -> Result<Vec<Column>, ProveError> {
        Ok(Vec::new())
    }

    fn prove(
        &self,
        instance: &Instance<'_>,
        witness: &Witness,
        claim: Option<&Claim<Felt>>,
        transcript: &mut ProverTranscript<Bn254>,
        _: &Device,
    ) -> Result<Vec<Claim<Felt>>, ProveError> {
        let claim = claim.unwrap();
        let (vectors, lengths) = projections(instance, witness, &claim.point);
        transcript.enter("zkmatrix");
        transcript.absorb("setup", setup::DOMAIN.as_bytes());
        transcript.absorb("einsum", format!("ml,ln->mn {lengths:?}").as_bytes());
        transcript.absorb_elements(&claim.point);
        transcript.absorb_elements(&[claim.value]);
        let Play { committed: [a, b], proven, values } = (self.0)(&vectors, claim.value);
        let mut message = Vec::new();
        let rounds = a.len().ilog2() as usize;
        Lifted::new(a, b).unwrap().projections().encode(&mut message);
        transcript.write_bytes(&message);
        let point = transcript.challenges(rounds);
        let table = mle::eq_table(&point);
        let at_point = |vectors: &Vectors| vectors.clone().map(|v| v.iter().zip(&table).map(|(&v, &e)| v * e).sum());
        let told = match values {
            Values::OfProven => at_point(&proven),
            Values::Of(vectors) => at_point(&vectors),
            Values::Changed(change) => change(at_point(&proven)),
        };
        transcript.write(&told);
        let [a, b] = proven;
        Lifted::new(a, b).unwrap().at(point).prove(transcript);
        transcript.leave();
        Ok(Vec::new())
    }
}

impl LayerVerifier<Bn254> for Cheat {
    fn info(&self) -> ProtocolInfo {
        ZkMatrix.info()
    }

    fn supports(&self, instance: &Instance<'_>) -> Result<(), Refusal> {
        ZkMatrix.supports(instance)
    }

    fn advice_specs(&self, instance: &Instance<'_>) -> Vec<AdviceSpec> {
        ZkMatrix.advice_specs(instance)
    }

    fn verify(
        &self,
        instance: &Instance<'_>,
        claim: Option<&Claim<Felt>>,
        transcript: &mut VerifierTranscript<'_, Bn254>,
    ) -> Result<Vec<Claim<Felt>>, VerifyError> {
        ZkMatrix.verify(instance, claim, transcript)
    }

    fn soundness(&self, instance: &Instance<'_>) -> Vec<ErrorTerm> {
        ZkMatrix.soundness(instance)
    }

    fn cost(&self, instance: &Instance<'_>) -> Cost {
        ZkMatrix.cost(instance)
    }
}
