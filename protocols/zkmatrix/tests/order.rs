//! What the joint point depends on: the statement and the commitments to the projections.

mod common;

use common::{Felt, entries, product, random_matmul, rng};
use p3_field::{Field as _, PrimeCharacteristicRing};
use zkml_core::{Bn254, Claim, LayerProver, LayerVerifier, ProverTranscript, Suite, VerifierTranscript, mle};
use zkml_device::Device;
use zkml_pairing::{Encoding, setup};
use zkml_testkit::driver::Setup;
use zkml_zkmatrix::ZkMatrix;
use zkml_zkmatrix::reduce::{self, Lifted, Statement};

const SHAPE: [usize; 3] = [2, 4, 2];
const ROUNDS: usize = 2;

fn dot(a: &[Felt], b: &[Felt]) -> Felt {
    a.iter().zip(b).map(|(&a, &b)| a * b).sum()
}

fn encoded(message: &impl Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

/// A claim on `C = A B`, and both projections.
struct Projected {
    setup: Setup,
    claim: Claim<Felt>,
    a: Vec<Felt>,
    b: Vec<Felt>,
}

impl Projected {
    fn new() -> Self {
        let setup = random_matmul(SHAPE);
        let values = |tensor| setup.witness.get(tensor).unwrap().to_i64();
        let inputs = setup.statement.relation.inputs();
        let (first, second) = (values(inputs[0]), values(inputs[1]));
        let point: Vec<Felt> = entries(2, &mut rng()).into_iter().map(Bn254::from_i64).collect();
        let (rows, columns) = (mle::eq_table(&point[..1]), mle::eq_table(&point[1..]));
        let [m, l, n] = SHAPE;
        let entry = |values: &[i64], i: usize| Bn254::from_i64(values[i]);
        let a: Vec<Felt> = (0..l).map(|k| (0..m).map(|i| rows[i] * entry(&first, i * l + k)).sum()).collect();
        let b: Vec<Felt> = (0..l).map(|k| (0..n).map(|j| columns[j] * entry(&second, k * n + j)).sum()).collect();
        let claim = Claim::new(setup.statement.relation.output().unwrap(), point, dot(&a, &b));
        let cells = product(SHAPE, &first, &second);
        let value = (0..m * n).map(|i| rows[i / n] * columns[i % n] * entry(&cells, i)).sum::<Felt>();
        assert_eq!(value, claim.value);
        Self { setup, claim, a, b }
    }

    /// A transcript after the statement.
    fn begin(claim: &Claim<Felt>) -> ProverTranscript<Bn254> {
        let mut transcript = ProverTranscript::<Bn254>::new();
        transcript.enter("zkmatrix");
        transcript.absorb("setup", setup::DOMAIN.as_bytes());
        let [m, l, n] = SHAPE;
        transcript.absorb("einsum", format!("ml,ln->mn {:?}", [m, n, l]).as_bytes());
        transcript.absorb_elements(&claim.point);
        transcript.absorb_elements(&[claim.value]);
        transcript
    }

    fn verify(&self, claim: &Claim<Felt>, bytes: &[u8]) -> Result<Vec<Claim<Felt>>, String> {
        let mut transcript = VerifierTranscript::new(bytes);
        let claims = ZkMatrix.verify(&self.setup.statement.instance(), Some(claim), &mut transcript);
        let claims = claims.map_err(|error| error.to_string())?;
        transcript.finish().map_err(|error| error.to_string())?;
        Ok(claims)
    }
}

#[test]
fn this_prover_is_the_real_one_if_it_does_not_cheat() {
    let case = Projected::new();
    let mut transcript = Projected::begin(&case.claim);
    let lifted = Lifted::new(case.a.clone(), case.b.clone()).unwrap();
    transcript.write_bytes(&encoded(&lifted.projections()));
    let pointed = lifted.at(transcript.challenges(ROUNDS));
    transcript.write(&pointed.values());
    pointed.prove(&mut transcript);
    assert_eq!(case.verify(&case.claim, &transcript.finish().0).unwrap().len(), 2);
}

/// Knowing `t`, a prover finds another second vector with the product that it wants and the true value at `t`.
#[test]
fn vectors_chosen_after_the_point_are_rejected() {
    let case = Projected::new();
    let mut claim = case.claim.clone();
    claim.value += Felt::ONE;
    let mut transcript = Projected::begin(&claim);
    let point = transcript.challenges(ROUNDS);
    let table = mle::eq_table(&point);
    // x with ⟨a, x⟩ = 1 and x~(t) = 0.
    let mut b = case.b.clone();
    let scale = (case.a[0] * table[1] - case.a[1] * table[0]).inverse();
    b[0] += table[1] * scale;
    b[1] -= table[0] * scale;
    assert_eq!((dot(&case.a, &b), dot(&b, &table)), (claim.value, dot(&case.b, &table)));
    let lifted = || Lifted::new(case.a.clone(), b.clone()).unwrap();
    let projections = lifted().projections();
    transcript.write_bytes(&encoded(&projections));
    let values = lifted().at(point.clone()).values();
    transcript.write(&values);
    lifted().at(point.clone()).prove(&mut transcript);
    // The reduction by itself has nothing against it.
    let mut alone = ProverTranscript::<Bn254>::new();
    lifted().at(point.clone()).prove(&mut alone);
    let statement = Statement { projections, product: claim.value, point, values };
    assert_eq!(reduce::verify(&statement, &mut VerifierTranscript::new(&alone.finish().0)), Ok(()));
    let why = case.verify(&claim, &transcript.finish().0).unwrap_err();
    assert!(why.contains("the folded inner product"), "{why}");
}

/// The joint point after equal commitments, for another statement each time.
#[test]
fn the_point_depends_on_every_part_of_the_statement() {
    let case = Projected::new();
    let joint = |setup: &Setup, claim: &Claim<Felt>| {
        let mut transcript = ProverTranscript::<Bn254>::new();
        let instance = setup.statement.instance();
        let claims = ZkMatrix.prove(&instance, &setup.witness, Some(claim), &mut transcript, &Device::cpu()).unwrap();
        (claims[0].point[1..].to_vec(), transcript.finish().0[..96].to_vec())
    };
    // Of zero matrices: the commitments do not depend on the claim.
    let zeros = |letters: &str| {
        let operands: [(&[usize], Vec<i64>); 2] = [(&[2, 4], vec![0; 8]), (&[4, 2], vec![0; 8])];
        common::setup(&common::einsum(letters, &operands, (&[2, 2], vec![0; 4])))
    };
    let setup = zeros("ml,ln->mn");
    let (point, commitments) = joint(&setup, &case.claim);
    let (mut value, mut first, mut second) = (case.claim.clone(), case.claim.clone(), case.claim.clone());
    value.value += Felt::ONE;
    first.point[0] += Felt::ONE;
    second.point[1] += Felt::ONE;
    let others = [(&setup, value), (&setup, first), (&setup, second), (&zeros("ik,kj->ij"), case.claim.clone())];
    for (i, (setup, claim)) in others.into_iter().enumerate() {
        let (other, same) = joint(setup, &claim);
        assert_eq!(commitments, same, "statement {i}");
        assert!(point.iter().zip(&other).all(|(a, b)| a != b), "statement {i}");
    }
}
