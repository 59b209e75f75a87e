//! Attacks on the layers of an einsum.

mod common;

use common::rng;
use p3_field::PrimeCharacteristicRing;
use rand::RngExt;
use zkml_core::{
    Bounds, Claim, Goldilocks as S, Instance, LayerProver, LayerVerifier, Program, ProverTranscript, Residence, Shape,
    Suite, TensorId, VerifierTranscript, VerifyError, Witness, mle,
};
use zkml_device::{Column, Device};
use zkml_logkr::difference::verify_difference;
use zkml_logkr::{Form, LogKr};
use zkml_sumcheck::{Weight, verify_rounds};

type EF = <S as Suite>::Challenge;

struct Case {
    program: Program,
    witness: Witness,
    claim: Claim<EF>,
}

impl Case {
    /// `output[o] = Σ …` with random operands; the output is the last tensor, filled by `fill`.
    fn new(subscripts: &str, operands: &[(&[usize], usize)], output: &[usize], seed: u64) -> Self {
        let mut rng = rng(seed);
        let (mut program, mut witness) = (Program::default(), Witness::default());
        let bounds = Bounds::new(-1 << 50, 1 << 50);
        let mut ids: Vec<TensorId> = Vec::new();
        for (position, &(dims, source)) in operands.iter().enumerate() {
            if source < position {
                ids.push(ids[source]);
                continue;
            }
            let shape = Shape::new(dims.to_vec()).unwrap();
            let values: Vec<i64> = (0..shape.cells()).map(|_| rng.random_range(-90..90)).collect();
            let tensor = program.tensor("operand", shape, bounds, Residence::Committed);
            witness.set(tensor, Column::with_bounds(values, 0, 0));
            ids.push(tensor);
        }
        let shape = Shape::new(output.to_vec()).unwrap();
        let out = program.tensor("output", shape.clone(), bounds, Residence::Virtual);
        program.einsum("einsum", subscripts, out, &ids).unwrap();
        let point: Vec<EF> = (0..shape.variables() as u64).map(|i| EF::from_u64(7 * i + 5)).collect();
        let claim = Claim::new(out, point, EF::ZERO);
        Self { program, witness, claim }
    }

    fn instance(&self) -> Instance<'_> {
        Instance { program: &self.program, relation: &self.program.relations()[0], advice: &[] }
    }

    /// Sets the claim to the extension of these output cells.
    fn with_output(mut self, values: &[i64]) -> Self {
        let shape = self.program.get(self.claim.tensor).unwrap().shape.clone();
        self.claim.value =
            mle::evaluate::<<S as Suite>::Base, EF>(&shape, &self.claim.point, |i| S::from_i64(values[i]));
        self
    }

    fn column(&self, tensor: usize) -> Vec<i64> {
        self.witness.get(TensorId(tensor)).unwrap().to_i64()
    }

    fn prove(&self, form: Form) -> Vec<u8> {
        let mut t = ProverTranscript::<S>::new();
        LogKr::new(form).prove(&self.instance(), &self.witness, Some(&self.claim), &mut t, &Device::cpu()).unwrap();
        t.finish().0
    }

    fn verify(&self, form: Form, bytes: &[u8]) -> Result<Vec<Claim<EF>>, VerifyError> {
        let mut t = VerifierTranscript::<S>::new(bytes);
        let claims = LogKr::new(form).verify(&self.instance(), Some(&self.claim), &mut t)?;
        t.finish()?;
        Ok(claims)
    }

    fn is_true(&self, claim: &Claim<EF>) -> bool {
        let column = self.witness.get(claim.tensor).unwrap();
        let shape = &self.program.get(claim.tensor).unwrap().shape;
        let value = |i: usize| S::from_i64(column.get(i).unwrap());
        mle::evaluate::<<S as Suite>::Base, EF>(shape, &claim.point, value) == claim.value
    }
}

/// Replaces the last elements of a proof.
fn with_last(bytes: &[u8], elements: &[EF]) -> Vec<u8> {
    let mut t = ProverTranscript::<S>::new();
    t.write(elements);
    let tail = t.finish().0;
    [&bytes[..bytes.len() - tail.len()], &tail].concat()
}

fn last(bytes: &[u8], count: usize) -> Vec<EF> {
    VerifierTranscript::<S>::new(&bytes[bytes.len() - count * S::challenge_bytes()..]).read(count).unwrap()
}

/// `y -> -y` satisfies `y² = claim`; the claim on the operand is false.
#[test]
fn the_sign_of_a_sum_of_squares_is_decided_by_the_opening() {
    let case = Case::new("bi,bi->b", &[(&[5, 6], 0), (&[5, 6], 0)], &[5], 41);
    let x = case.column(0);
    let case = case.with_output(&x.chunks(6).map(|row| row.iter().map(|v| v * v).sum()).collect::<Vec<i64>>());
    for form in Form::ALL {
        let bytes = case.prove(form);
        let claims = case.verify(form, &bytes).unwrap();
        assert!(claims.len() == 1 && case.is_true(&claims[0]), "{form:?}");
        let [y] = *last(&bytes, 1) else { unreachable!() };
        let claims = case.verify(form, &with_last(&bytes, &[-y])).unwrap();
        assert!(!case.is_true(&claims[0]), "{form:?}: the negated value is true");
        assert!(case.verify(form, &with_last(&bytes, &[y + EF::ONE])).is_err(), "{form:?}");
    }
}

/// In the square form any two values on the line `a + (1 - 2s*) b = ±u*` pass; only the true ones are true.
#[test]
fn values_on_the_same_line_are_decided_by_the_opening() {
    let case = Case::new("bi,oi->bo", &[(&[3, 6], 0), (&[4, 6], 1)], &[3, 4], 42);
    let (x, w) = (case.column(0), case.column(1));
    let cell = |b: usize, o: usize| (0..6).map(|i| x[b * 6 + i] * w[o * 6 + i]).sum::<i64>();
    let out: Vec<i64> = (0..12).map(|k| cell(k / 4, k % 4)).collect();
    let case = case.with_output(&out);
    let bytes = case.prove(Form::Square);
    let claims = case.verify(Form::Square, &bytes).unwrap();
    assert!(claims.iter().all(|c| case.is_true(c)));

    // The challenge s* as the verifier draws it.
    let mut t = VerifierTranscript::<S>::new(&bytes);
    t.enter("logkr");
    t.absorb("form", b"square");
    let (_, running) = verify_rounds(&[Weight::Sum; 3], 2, case.claim.value.double().double(), &mut t).unwrap();
    let (s, running) = verify_difference(running, &mut t).unwrap();
    let g = EF::ONE - s.double();
    let [a, b] = *last(&bytes, 2) else { unreachable!() };
    assert_eq!(running, (a + g * b).square());
    for (what, values) in [
        ("negated", [-a, -b]),
        ("moved along the line", [a + g, b - EF::ONE]),
        ("on the negated line", [-a - g * b.double(), b]),
    ] {
        let claims = case.verify(Form::Square, &with_last(&bytes, &values)).unwrap();
        assert!(claims.iter().any(|c| !case.is_true(c)), "{what}: all claims are true");
    }
    assert!(case.verify(Form::Square, &with_last(&bytes, &[a + EF::ONE, b])).is_err());
}

/// A proof of one form is none of another.
#[test]
fn forms_do_not_mix() {
    let case = Case::new("b,b,b->b", &[(&[9], 0), (&[9], 0), (&[9], 2)], &[9], 43);
    let (x, y) = (case.column(0), case.column(1));
    let case = case.with_output(&x.iter().zip(&y).map(|(x, y)| x * x * y).collect::<Vec<_>>());
    for form in Form::ALL {
        let bytes = case.prove(form);
        for other in Form::ALL {
            assert_eq!(case.verify(other, &bytes).is_ok(), form == other, "{form:?} as {other:?}");
        }
    }
}

/// What no layer of this protocol is wide enough for is declined, and so says the reason.
#[test]
fn sums_wider_than_every_operand_are_declined() {
    let case = Case::new("ij,jk,ki->", &[(&[3, 4], 0), (&[4, 5], 1), (&[5, 3], 2)], &[], 44);
    let refusal = LayerVerifier::<S>::supports(&LogKr::default(), &case.instance()).unwrap_err();
    assert!(refusal.reason.contains("wider than every operand"), "{refusal}");
    assert!(case.verify(Form::Square, &[]).is_err());
}
