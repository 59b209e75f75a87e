//! The suite itself is tested: a small honest protocol passes, and each of its broken versions fails the test
//! that is there to catch it.

use zkml_core::{
    AdviceSpec, Claim, Cost, ErrorTerm, Goldilocks, Instance, LayerProver, LayerVerifier, Lookup, ProtocolInfo,
    ProveError, ProverTranscript, Refusal, Relation, Slot, Suite, TensorId, VerifierTranscript, VerifyError, Witness,
    mle,
};
use zkml_device::{Column, Device, Step};
use zkml_testkit::{Failure, checks};

/// What is wrong with a [`Toy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    RefusesEverything,
    PredictsTooFewBytes,
    CountsThreads,
    NamesItsDevice,
    HidesAFailure,
    ClaimsTooMuchSoundness,
    SkipsTheTable,
    LeavesAColumnOut,
    FixesThePoint,
    IgnoresAByte,
    IgnoresTheTranscript,
    ReadsWithoutChecking,
}

/// Sends the columns of a lookup as 64-bit integers.
#[derive(Clone, Copy, Debug)]
struct Toy(Fault);

fn columns(instance: &Instance<'_>) -> (Vec<TensorId>, Option<Lookup>) {
    let mut tensors = instance.relation.inputs();
    tensors.sort_unstable();
    tensors.dedup();
    let Relation::Lookup(lookup) = instance.relation else { return (tensors, None) };
    (tensors, Some(lookup.clone()))
}

impl Toy {
    fn is(self, fault: Fault) -> bool {
        self.0 == fault
    }

    fn claims<S: Suite>(
        self,
        instance: &Instance<'_>,
        values: &[Vec<i64>],
        mut draw: impl FnMut(usize) -> Vec<S::Challenge>,
    ) -> Vec<Claim<S::Challenge>> {
        let (tensors, _) = columns(instance);
        let claims = tensors.iter().zip(values).map(|(&tensor, values)| {
            let shape = instance.shape(tensor);
            let mut point = draw(shape.variables());
            if self.is(Fault::FixesThePoint) {
                point.fill(S::Challenge::default());
            }
            let value = mle::evaluate::<S::Base, S::Challenge>(&shape, &point, |i| S::from_i64(values[i]));
            Claim::new(tensor, point, value)
        });
        claims.skip(usize::from(self.is(Fault::LeavesAColumnOut))).collect()
    }

    fn tail(self) -> usize {
        usize::from(self.is(Fault::IgnoresAByte) || self.is(Fault::CountsThreads) || self.is(Fault::NamesItsDevice))
    }
}

impl<S: Suite> LayerVerifier<S> for Toy {
    fn info(&self) -> ProtocolInfo {
        ProtocolInfo {
            id: "toy",
            about: "sends the columns",
            paper: "none",
            slots: &[Slot::Lookup],
            options: &[],
            companion: Some("other"),
            setup: "none",
        }
    }

    fn supports(&self, instance: &Instance<'_>) -> Result<(), Refusal> {
        if self.is(Fault::RefusesEverything) {
            let (relation, reason) = (instance.relation.kind(), "no".to_owned());
            return Err(Refusal { protocol: "toy", relation, reason });
        }
        Ok(())
    }

    fn advice_specs(&self, _: &Instance<'_>) -> Vec<AdviceSpec> {
        Vec::new()
    }

    fn verify(
        &self,
        instance: &Instance<'_>,
        _: Option<&Claim<S::Challenge>>,
        transcript: &mut VerifierTranscript<'_, S>,
    ) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
        let (tensors, lookup) = columns(instance);
        let lookup = lookup.ok_or_else(|| transcript.encoding("a lookup"))?;
        let expected = transcript.challenge();
        let echo = transcript.read(1)?[0];
        transcript.check(echo == expected || self.is(Fault::IgnoresTheTranscript), "echo")?;
        let mut values = Vec::new();
        for &tensor in &tensors {
            let bytes = transcript.read_bytes(8 * instance.shape(tensor).cells());
            let bytes = if self.is(Fault::ReadsWithoutChecking) { bytes.unwrap() } else { bytes? };
            values.push(bytes.chunks(8).map(|c| i64::from_le_bytes(c.try_into().unwrap())).collect::<Vec<_>>());
        }
        transcript.read_bytes(self.tail())?;
        for tuple in &lookup.tuples {
            let own: Vec<&Vec<i64>> = tuple.iter().map(|t| &values[tensors.binary_search(t).unwrap()]).collect();
            for i in 0..own[0].len() {
                let row: Vec<i64> = own.iter().map(|c| c[i]).collect();
                transcript.check(lookup.table.find(&row).is_some() || self.is(Fault::SkipsTheTable), "row")?;
            }
        }
        Ok(self.claims::<S>(instance, &values, |n| transcript.challenges(n)))
    }

    fn soundness(&self, _: &Instance<'_>) -> Vec<ErrorTerm> {
        let bits = if self.is(Fault::ClaimsTooMuchSoundness) { f64::NAN } else { 100.0 };
        vec![ErrorTerm::of_bits("toy/point", bits)]
    }

    fn cost(&self, instance: &Instance<'_>) -> Cost {
        let cells: usize = columns(instance).0.iter().map(|&t| instance.shape(t).cells()).sum();
        let missing = usize::from(self.is(Fault::PredictsTooFewBytes));
        Cost { proof_elements: 1, proof_bytes: 8 * cells + self.tail() - missing, ..Cost::default() }
    }
}

impl<S: Suite> LayerProver<S> for Toy {
    fn advice(&self, _: &Instance<'_>, _: &Witness) -> Result<Vec<Column>, ProveError> {
        Ok(Vec::new())
    }

    fn prove(
        &self,
        instance: &Instance<'_>,
        witness: &Witness,
        _: Option<&Claim<S::Challenge>>,
        transcript: &mut ProverTranscript<S>,
        device: &Device,
    ) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
        let echo = transcript.challenge();
        transcript.write(&[echo]);
        let mut values = Vec::new();
        for tensor in columns(instance).0 {
            let column = witness.require(instance.program, tensor)?.to_i64();
            transcript.write_bytes(&column.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
            values.push(column);
        }
        let tail = if self.is(Fault::NamesItsDevice) { device.name().len() } else { device.threads() };
        transcript.write_bytes(&vec![tail as u8; self.tail()]);
        if let Some(session) = device.for_step(Step::Rounds, S::DEVICE_FIELD, 1) {
            let sent = session.accelerator().upload_column(&Column::I8(vec![1]));
            if !self.is(Fault::HidesAFailure) {
                sent?;
            }
        }
        Ok(self.claims::<S>(instance, &values, |n| transcript.challenges(n)))
    }
}

type Check = fn(&dyn LayerProver<Goldilocks>, Slot) -> Result<(), Failure>;

const CHECKS: [(&str, Check); 10] = [
    ("completeness", checks::completeness),
    ("costs_and_advice_are_exact", checks::costs_and_advice_are_exact),
    ("soundness_terms_are_sound", checks::soundness_terms_are_sound),
    ("determinism", checks::determinism),
    ("devices", checks::devices),
    ("flipped_bytes_are_rejected", checks::flipped_bytes_are_rejected),
    ("cut_extended_and_reordered_proofs_are_rejected", checks::cut_extended_and_reordered_proofs_are_rejected),
    ("wrong_statements_are_rejected", checks::wrong_statements_are_rejected),
    ("wrong_witnesses_are_rejected", checks::wrong_witnesses_are_rejected),
    ("replays_are_rejected", checks::replays_are_rejected),
];

/// Names of the checks that a protocol fails.
fn failed(fault: Fault) -> Vec<&'static str> {
    CHECKS.iter().filter(|(_, check)| check(&Toy(fault), Slot::Lookup).is_err()).map(|&(name, _)| name).collect()
}

#[test]
fn the_honest_protocol_passes_everything() {
    assert_eq!(failed(Fault::None), [""; 0]);
    checks::advertised_slots::<Goldilocks>(&Toy(Fault::None), &[Slot::Lookup]).unwrap();
    assert!(checks::advertised_slots::<Goldilocks>(&Toy(Fault::None), &[Slot::Einsum]).is_err());
}

#[test]
fn every_fault_is_caught_by_the_test_that_names_it() {
    for (fault, check) in [
        (Fault::RefusesEverything, "completeness"),
        (Fault::PredictsTooFewBytes, "costs_and_advice_are_exact"),
        (Fault::CountsThreads, "determinism"),
        (Fault::NamesItsDevice, "devices"),
        (Fault::HidesAFailure, "devices"),
        (Fault::ClaimsTooMuchSoundness, "soundness_terms_are_sound"),
        (Fault::SkipsTheTable, "wrong_statements_are_rejected"),
        (Fault::SkipsTheTable, "wrong_witnesses_are_rejected"),
        (Fault::LeavesAColumnOut, "completeness"),
        (Fault::LeavesAColumnOut, "wrong_witnesses_are_rejected"),
        (Fault::FixesThePoint, "wrong_witnesses_are_rejected"),
        (Fault::IgnoresAByte, "flipped_bytes_are_rejected"),
        (Fault::IgnoresTheTranscript, "replays_are_rejected"),
        (Fault::ReadsWithoutChecking, "cut_extended_and_reordered_proofs_are_rejected"),
    ] {
        let failed = failed(fault);
        assert!(failed.contains(&check), "{fault:?} is not caught by {check}, only by {failed:?}");
    }
}

#[test]
fn only_a_protocol_that_refuses_in_every_method_passes_as_declining() {
    let verdict = checks::every_relation_is_declined::<Goldilocks>(&Toy(Fault::None), Slot::Lookup).unwrap_err();
    assert!(verdict.to_string().contains("it is not declined"), "{verdict}");
    // Its `supports` refuses; its other methods do not ask.
    let verdict = checks::every_relation_is_declined::<Goldilocks>(&Toy(Fault::RefusesEverything), Slot::Lookup);
    let verdict = verdict.unwrap_err();
    assert!(verdict.to_string().contains("there is advice"), "{verdict}");
}
