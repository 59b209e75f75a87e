//! The protocol `sumcheck`: completeness against direct evaluation, tampering, counted operations.

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{
    Bn254, Bounds, Claim, Einsum, Goldilocks, Goldilocks3, Instance, LayerProver, LayerVerifier, Program,
    ProverTranscript, Relation, Residence, Shape, Suite, TensorId, VerifierTranscript, VerifyError, Witness, mle,
};
use zkml_device::{Device, count};
use zkml_sumcheck::Sumcheck;

const SEED: u64 = 0x5eed_0003;

fn random<S: Suite>(rng: &mut StdRng) -> S::Challenge {
    let coefficients: Vec<S::Base> = (0..3).map(|_| S::from_i64(rng.random::<i64>())).collect();
    S::Challenge::from_basis_coefficients_fn(|i| coefficients[i])
}

/// An einsum with operands drawn from some integers.
struct Setup {
    program: Program,
    relation: Relation,
    witness: Witness,
}

impl Setup {
    /// `sources[i]` is the operand whose tensor position `i` uses; `dims` gives the length of every letter in order
    /// of appearance in the index string.
    fn new(subscripts: &str, sources: &[usize], dims: &[usize], values: &[i64], rng: &mut StdRng) -> Self {
        let mut letters: Vec<char> = Vec::new();
        for c in subscripts.chars().filter(|c| c.is_alphabetic()) {
            if !letters.contains(&c) {
                letters.push(c);
            }
        }
        let shape = |indices: &str| {
            let axis = |c| dims[letters.iter().position(|&l| l == c).unwrap() % dims.len()];
            Shape::new(indices.chars().map(axis).collect::<Vec<_>>()).unwrap()
        };
        let (mut program, mut witness) = (Program::default(), Witness::default());
        let (inputs, output) = subscripts.split_once("->").unwrap();
        let bounds = Bounds::new(*values.iter().min().unwrap(), *values.iter().max().unwrap());
        let mut tensors = Vec::new();
        for (i, indices) in inputs.split(',').enumerate() {
            let shape = shape(indices);
            let tensor = program.tensor(format!("operand.{i}"), shape.clone(), bounds, Residence::Committed);
            let cells = (0..shape.cells()).map(|_| values[rng.random_range(0..values.len())]).collect();
            witness.set_i64(&program, tensor, cells);
            tensors.push(tensor);
        }
        let output = program.tensor("output", shape(output), Bounds::new(i64::MIN, i64::MAX), Residence::Virtual);
        let operands: Vec<TensorId> = sources.iter().map(|&s| tensors[s]).collect();
        let relation = Relation::Einsum(Einsum::new("test", subscripts, output, &operands).unwrap());
        Self { program, relation, witness }
    }

    fn instance(&self) -> Instance<'_> {
        Instance { program: &self.program, relation: &self.relation, advice: &[] }
    }

    fn einsum(&self) -> &Einsum {
        let Relation::Einsum(einsum) = &self.relation else { unreachable!() };
        einsum
    }

    /// The output's extension at a point, in field arithmetic and straight from the definition.
    fn output<S: Suite>(&self, point: &[S::Challenge]) -> S::Challenge {
        let einsum = self.einsum();
        let letters = einsum.all_indices();
        let shape = |t: TensorId| self.program.get(t).unwrap().shape.clone();
        let mut lengths = vec![1; letters.len()];
        for operand in &einsum.operands {
            for (c, &n) in operand.indices.iter().zip(shape(operand.tensor).dims()) {
                lengths[letters.iter().position(|l| l == c).unwrap()] = n;
            }
        }
        let mut cells = vec![S::Base::ZERO; shape(einsum.output).cells()];
        for flat in 0..lengths.iter().product::<usize>() {
            let mut at = vec![0; letters.len()];
            let mut rest = flat;
            for (i, n) in lengths.iter().enumerate().rev() {
                at[i] = rest % n;
                rest /= n;
            }
            let place = |indices: &[char]| {
                indices.iter().fold(0, |sum, c| {
                    let i = letters.iter().position(|l| l == c).unwrap();
                    sum * lengths[i] + at[i]
                })
            };
            let factor = |o: &zkml_core::Operand| {
                S::from_i64(self.witness.get(o.tensor).unwrap().get(place(&o.indices)).unwrap())
            };
            cells[place(&einsum.output_indices)] += einsum.operands.iter().map(factor).product();
        }
        mle::evaluate(&shape(einsum.output), point, |i| cells[i])
    }

    fn claim<S: Suite>(&self, rng: &mut StdRng) -> Claim<S::Challenge> {
        let output = self.einsum().output;
        let variables = self.program.get(output).unwrap().shape.variables();
        let point: Vec<S::Challenge> = (0..variables)
            .map(|_| if rng.random_range(0..8) == 0 { S::Challenge::from_bool(rng.random()) } else { random::<S>(rng) })
            .collect();
        let value = self.output::<S>(&point);
        Claim::new(output, point, value)
    }

    fn prove<S: Suite>(&self, claim: &Claim<S::Challenge>) -> (Vec<u8>, Vec<Claim<S::Challenge>>) {
        let mut transcript = ProverTranscript::<S>::new();
        let claims =
            Sumcheck.prove(&self.instance(), &self.witness, Some(claim), &mut transcript, &Device::cpu()).unwrap();
        (transcript.finish().0, claims)
    }

    fn verify<S: Suite>(
        &self,
        claim: &Claim<S::Challenge>,
        proof: &[u8],
    ) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
        let mut transcript = VerifierTranscript::<S>::new(proof);
        let claims = Sumcheck.verify(&self.instance(), Some(claim), &mut transcript)?;
        transcript.finish()?;
        Ok(claims)
    }

    fn all_true<S: Suite>(&self, claims: &[Claim<S::Challenge>]) -> bool {
        claims.iter().all(|claim| {
            let column = self.witness.get(claim.tensor).unwrap();
            let shape = &self.program.get(claim.tensor).unwrap().shape;
            mle::evaluate(shape, &claim.point, |i| S::from_i64(column.get(i).unwrap())) == claim.value
        })
    }
}

const EINSUMS: &[(&str, &[usize])] = &[
    ("bi,oi->bo", &[0, 1]),
    ("bi,bi->b", &[0, 1]),
    ("bi,bi->b", &[0, 0]),
    ("bi,b,i->bi", &[0, 1, 2]),
    ("b,b,b->b", &[0, 0, 1]),
    ("b,b,b->b", &[0, 0, 0]),
    ("b,b,b,b->b", &[0, 0, 0, 0]),
    ("bi->b", &[0]),
    ("bi->bi", &[0]),
    ("bi->ib", &[0]),
    ("bi->", &[0]),
    ("bi,bi->", &[0, 0]),
    ("b,i->bi", &[0, 1]),
    ("bi,i->ib", &[0, 1]),
    ("bi,bi->bi", &[0, 1]),
    ("bi,ib->bi", &[0, 1]),
    ("bi,bi,b->bi", &[0, 1, 2]),
    ("bi,bi,b,i->b", &[0, 0, 2, 3]),
    ("b,b,i,i->bi", &[0, 1, 2, 3]),
    ("b,b,i,i->b", &[0, 0, 2, 3]),
    ("aibj,i,a,j,b->ba", &[0, 1, 2, 3, 4]),
    ("ijk,ik,j->k", &[0, 1, 2]),
    ("bmk,bkn->bmn", &[0, 1]),
    ("bqhd,bkhd->bhqk", &[0, 1]),
    ("abc->ca", &[0]),
    ("ij,jk,kl->il", &[0, 1, 2]),
];

fn complete<S: Suite>(dims: &[usize], values: &[i64], rng: &mut StdRng) {
    for &(subscripts, sources) in EINSUMS {
        let context = format!("{subscripts} with {sources:?}, {dims:?}, values {values:?}, {}, seed {SEED}", S::ID);
        let setup = Setup::new(subscripts, sources, dims, values, rng);
        LayerVerifier::<S>::supports(&Sumcheck, &setup.instance()).unwrap();
        let claim = setup.claim::<S>(rng);
        let (proof, proven) = setup.prove::<S>(&claim);
        let verified = setup.verify::<S>(&claim, &proof).unwrap_or_else(|e| panic!("{context}: {e}"));
        assert_eq!(proven, verified, "{context}");
        assert!(setup.all_true::<S>(&verified), "{context}");
        let cost = LayerVerifier::<S>::cost(&Sumcheck, &setup.instance());
        assert_eq!(proof.len(), cost.proof_elements * S::challenge_bytes(), "{context}");
        let mut distinct: Vec<_> = setup.einsum().operands.iter().map(|o| (o.tensor, &o.indices)).collect();
        distinct.sort();
        distinct.dedup();
        assert_eq!(verified.len(), distinct.len(), "{context}");
    }
}

#[test]
fn einsums_are_proven_and_their_claims_are_true() {
    let mut rng = StdRng::seed_from_u64(SEED);
    let bytes: Vec<i64> = (-128..128).collect();
    for dims in [&[1][..], &[2], &[4], &[3, 5, 7], &[7, 1, 3], &[1, 6, 2], &[9, 2, 5, 3], &[8, 16, 4]] {
        complete::<Goldilocks>(dims, &bytes, &mut rng);
    }
    complete::<Goldilocks3>(&[3, 5, 7], &bytes, &mut rng);
    complete::<Bn254>(&[3, 5, 7], &bytes, &mut rng);
    for values in [&[0][..], &[-1], &[i64::MIN, i64::MAX], &[i64::from(i32::MIN), 7], &[i64::from(i16::MIN)], &[-128]] {
        complete::<Goldilocks>(&[5, 3, 4], values, &mut rng);
    }
}

#[test]
fn a_larger_layer_is_proven() {
    let mut rng = StdRng::seed_from_u64(SEED + 1);
    for (subscripts, sources) in [("bi,oi->bo", &[0, 1][..]), ("bi,bi->b", &[0, 0]), ("bi,b,i->bi", &[0, 1, 2])] {
        let setup = Setup::new(subscripts, sources, &[64, 384, 33], &[-128, 127, 5, -9], &mut rng);
        let claim = setup.claim::<Goldilocks>(&mut rng);
        let (proof, _) = setup.prove::<Goldilocks>(&claim);
        let claims = setup.verify::<Goldilocks>(&claim, &proof).unwrap();
        assert!(setup.all_true::<Goldilocks>(&claims), "{subscripts}, seed {SEED}");
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| setup.prove::<Goldilocks>(&claim)).0, proof, "{threads} threads");
        }
    }
}

#[test]
fn every_changed_element_is_rejected() {
    type S = Goldilocks;
    let mut rng = StdRng::seed_from_u64(SEED + 2);
    for &(subscripts, sources) in EINSUMS {
        let setup = Setup::new(subscripts, sources, &[3, 5, 4], &(-20..20).collect::<Vec<_>>(), &mut rng);
        let claim = setup.claim::<S>(&mut rng);
        let (proof, _) = setup.prove::<S>(&claim);
        let accepted = |claim: &Claim<_>, proof: &[u8]| {
            setup.verify::<S>(claim, proof).is_ok_and(|claims| setup.all_true::<S>(&claims))
        };
        assert!(accepted(&claim, &proof));
        for at in (0..proof.len()).step_by(8) {
            let mut changed = proof.clone();
            changed[at] ^= 1;
            assert!(!accepted(&claim, &changed), "{subscripts}, byte {at} of {}, seed {SEED}", proof.len());
        }
        assert!(matches!(setup.verify::<S>(&claim, &proof[..proof.len() - 1]), Err(VerifyError::Truncated { .. })));
        assert!(matches!(
            setup.verify::<S>(&claim, &[proof.as_slice(), &[0; 16]].concat()),
            Err(VerifyError::Trailing { count: 16 })
        ));
        let mut wrong = claim.clone();
        wrong.value += <S as Suite>::Challenge::ONE;
        assert!(!accepted(&wrong, &proof), "{subscripts}, seed {SEED}");
        let (deceiving, _) = setup.prove::<S>(&wrong);
        assert!(!accepted(&wrong, &deceiving), "{subscripts}, seed {SEED}");
        if !claim.point.is_empty() {
            let mut elsewhere = claim.clone();
            elsewhere.point[0] += <S as Suite>::Challenge::ONE;
            assert!(!accepted(&elsewhere, &proof), "{subscripts}, seed {SEED}");
            elsewhere.point.pop();
            assert!(matches!(setup.verify::<S>(&elsewhere, &proof), Err(VerifyError::Statement { .. })));
        }
    }
}

/// The product check alone lets the prover trade one factor against the other: the claims are then false.
#[test]
fn traded_factors_leave_false_claims() {
    type S = Goldilocks;
    let mut rng = StdRng::seed_from_u64(SEED + 3);
    let setup = Setup::new("bi,oi->bo", &[0, 1], &[4, 8, 4], &[1, 2, 3, -4], &mut rng);
    let claim = setup.claim::<S>(&mut rng);
    let (mut proof, honest) = setup.prove::<S>(&claim);
    let traded = [honest[0].value.double(), honest[1].value.halve()];
    let mut values = ProverTranscript::<S>::new();
    values.write(&traded);
    proof.truncate(proof.len() - 32);
    proof.extend(values.finish().0);
    let claims = setup.verify::<S>(&claim, &proof).unwrap();
    assert_eq!([claims[0].value, claims[1].value], traded);
    assert_eq!((&claims[0].point, &claims[1].point), (&honest[0].point, &honest[1].point));
    assert!(claims.iter().all(|c| !setup.all_true::<S>(core::slice::from_ref(c))));
}

#[test]
fn what_cannot_be_proven_is_declined_with_a_reason() {
    type S = Goldilocks;
    let mut rng = StdRng::seed_from_u64(SEED + 4);
    let setup = Setup::new("bi,bi->b", &[0, 1], &[4, 8], &[1], &mut rng);
    let lookup = Relation::Lookup(zkml_core::Lookup {
        scope: "lookup".to_owned(),
        table: zkml_core::Table::listed("t", vec![vec![0, 1]]).unwrap(),
        tuples: vec![vec![TensorId(0)]],
    });
    let instance = Instance { relation: &lookup, ..setup.instance() };
    let refusal = LayerVerifier::<S>::supports(&Sumcheck, &instance).unwrap_err();
    assert!(refusal.to_string().contains("lookup protocol"), "{refusal}");
    assert!(LayerVerifier::<S>::verify(&Sumcheck, &instance, None, &mut VerifierTranscript::new(&[])).is_err());

    let mut program = Program::default();
    let shape = Shape::new([1 << 16, 1 << 16]).unwrap();
    let x = program.tensor("x", shape, Bounds::new(0, 1), Residence::Committed);
    let y = program.tensor("y", Shape::scalar(), Bounds::new(0, 1), Residence::Virtual);
    let relation = Relation::Einsum(Einsum::new("huge", "bi,bi->", y, &[x, x]).unwrap());
    let instance = Instance { program: &program, relation: &relation, advice: &[] };
    let refusal = LayerVerifier::<S>::supports(&Sumcheck, &instance).unwrap_err();
    assert!(refusal.to_string().contains("32 variables"), "{refusal}");

    let claim = setup.claim::<S>(&mut rng);
    let mut transcript = ProverTranscript::<S>::new();
    let missing = Sumcheck.prove(&setup.instance(), &Witness::default(), Some(&claim), &mut transcript, &Device::cpu());
    assert!(missing.unwrap_err().to_string().contains("no values"));
}

#[test]
fn error_terms_count_every_round() {
    let mut rng = StdRng::seed_from_u64(SEED + 5);
    let bits = |setup: &Setup| LayerVerifier::<Goldilocks>::soundness(&Sumcheck, &setup.instance())[0].log2_error;
    let dense = Setup::new("bi,oi->bo", &[0, 1], &[3, 4096, 2], &[1], &mut rng);
    assert!((bits(&dense) - (24_f64.log2() - Goldilocks::challenge_bits())).abs() < 1e-9);
    let transpose = Setup::new("bi->ib", &[0], &[4, 4], &[1], &mut rng);
    assert!(bits(&transpose) < -1e300, "no rounds, no error");
}

/// `cargo test -p zkml-sumcheck --features count-ops --test einsum counted -- --test-threads 1`
#[test]
fn counted_operations_are_predicted() {
    type S = Goldilocks;
    if !count::ENABLED {
        return;
    }
    // Other tests of this binary count too: keep them out by running in a process of our own.
    if std::env::var_os("ZKML_COUNT_CHILD").is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "counted_operations_are_predicted", "--nocapture"])
            .env("ZKML_COUNT_CHILD", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let mut rng = StdRng::seed_from_u64(SEED + 6);
    for dims in [&[64, 384, 96][..], &[16, 16, 16, 16], &[5, 3, 7], &[33, 20, 9]] {
        for &(subscripts, sources) in EINSUMS {
            let letters: std::collections::BTreeSet<char> = subscripts.chars().filter(|c| c.is_alphabetic()).collect();
            if letters.len() > 3 && dims[0] > 20 {
                continue;
            }
            let setup = Setup::new(subscripts, sources, dims, &[-128, 127, 3], &mut rng);
            let output = setup.einsum().output;
            let point = (0..setup.program.get(output).unwrap().shape.variables()).map(|_| random::<S>(&mut rng));
            // The value does not matter for the operations.
            let claim = Claim::new(output, point.collect(), random::<S>(&mut rng));
            let before = count::snapshot();
            setup.prove::<S>(&claim);
            let counted = count::snapshot().since(before);
            let cost = LayerVerifier::<S>::cost(&Sumcheck, &setup.instance());
            println!(
                "{subscripts} {sources:?} {dims:?}: {counted:?}, predicted {} {}",
                cost.ext_mul, cost.base_ext_mul
            );
            assert_eq!((counted.ext_mul as f64, counted.base_ext_mul as f64), (cost.ext_mul, cost.base_ext_mul));
        }
    }
}
