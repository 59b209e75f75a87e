//! A prover that sends one wrong element and goes on honestly from there: every later challenge and message belongs to what it
//! has sent, so that only the equation can tell.

mod common;

use common::{Felt, rng};
use dory_pcs::Transparent;
use dory_pcs::reduce_and_fold::DoryProverState;
use rand::RngExt;
use zkml_core::{Bn254, ProverTranscript, Suite, VerifierTranscript, VerifyError, mle};
use zkml_pairing::{Curve, Encoding, First, Group, Routines, Scalar, Second, Target, setup};
use zkml_zkmatrix::reduce::{self, Lifted, Statement};

const ROUNDS: usize = 2;
const ELEMENTS: usize = 12 * ROUNDS + 2;

/// Writes elements in order and adds a generator to one of them.
struct Writer {
    transcript: ProverTranscript<Bn254>,
    message: Vec<u8>,
    written: usize,
    wrong: Option<usize>,
    generators: (First, Second, Target),
}

impl Writer {
    fn put<G: Group + Encoding + Copy>(&mut self, element: &G, generator: G) {
        let wrong = self.wrong == Some(self.written);
        let element = if wrong { element.add(&generator) } else { *element };
        element.encode(&mut self.message);
        self.written += 1;
    }

    fn first(&mut self, element: &First) {
        self.put(element, self.generators.0);
    }

    fn second(&mut self, element: &Second) {
        self.put(element, self.generators.1);
    }

    fn target(&mut self, element: &Target) {
        self.put(element, self.generators.2);
    }

    /// Sends the message and draws the challenge after it.
    fn send(&mut self) -> Scalar {
        self.transcript.write_bytes(&std::mem::take(&mut self.message));
        self.challenge()
    }

    fn challenge(&mut self) -> Scalar {
        self.transcript.challenge().into()
    }
}

/// The library's prover on the lifted vectors, with the element `wrong` changed.
fn prove(a: &[Felt], b: &[Felt], point: &[Felt], wrong: Option<usize>) -> Vec<u8> {
    let scalars = |values: &[Felt]| values.iter().map(|&v| Scalar::from(v)).collect::<Vec<_>>();
    let (generators, levels) = (setup::prover(ROUNDS).unwrap(), setup::verifier(ROUNDS).unwrap());
    let table = scalars(&mle::eq_table(point));
    let v1 = scalars(a).iter().map(|k| generators.h1.scale(k)).collect();
    let v2 = scalars(b).iter().map(|k| generators.h2.scale(k)).collect();
    let mut state = DoryProverState::<Curve, Transparent>::new(v1, v2, None, table.clone(), table, &generators);
    let generators = (levels.g1_0, levels.g2_0, levels.ht);
    let mut out = Writer { transcript: ProverTranscript::new(), message: Vec::new(), written: 0, wrong, generators };
    for _ in 0..ROUNDS {
        let message = state.compute_first_message::<Routines, Routines>();
        for element in [message.d1_left, message.d1_right, message.d2_left, message.d2_right] {
            out.target(&element);
        }
        out.first(&message.e1_beta);
        out.second(&message.e2_beta);
        state.apply_first_challenge::<Routines, Routines>(&out.send());
        let message = state.compute_second_message::<Routines, Routines>();
        out.target(&message.c_plus);
        out.target(&message.c_minus);
        out.first(&message.e1_plus);
        out.first(&message.e1_minus);
        out.second(&message.e2_plus);
        out.second(&message.e2_minus);
        state.apply_second_challenge::<Routines, Routines>(&out.send());
    }
    state.apply_fold_scalars(&out.challenge());
    let message = state.compute_final_message();
    out.first(&message.e1);
    out.second(&message.e2);
    out.send();
    assert_eq!(out.written, ELEMENTS);
    out.transcript.finish().0
}

#[test]
fn one_wrong_element_is_rejected_whatever_follows() {
    let mut rng = rng();
    let mut vector = |length: usize| -> Vec<Felt> { (0..length).map(|_| Bn254::from_i64(rng.random())).collect() };
    let (a, b, point) = (vector(1 << ROUNDS), vector(1 << ROUNDS), vector(ROUNDS));
    let lifted = Lifted::new(a.clone(), b.clone()).unwrap();
    let projections = lifted.projections();
    let product = a.iter().zip(&b).map(|(&a, &b)| a * b).sum();
    let values = lifted.at(point.clone()).values();
    let statement = Statement { projections, product, point: point.clone(), values };
    let verify = |bytes: &[u8]| reduce::verify(&statement, &mut VerifierTranscript::new(bytes));
    assert_eq!(verify(&prove(&a, &b, &point, None)), Ok(()));
    for wrong in 0..ELEMENTS {
        let verdict = verify(&prove(&a, &b, &point, Some(wrong)));
        assert!(matches!(verdict, Err(VerifyError::Check { .. })), "element {wrong}: {verdict:?}");
    }
}
