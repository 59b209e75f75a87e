//! A device whose answers cannot be right is an error, never a panic or another proof.

use std::sync::Arc;

use p3_field::PrimeCharacteristicRing;
use zkml_core::{Goldilocks, ProveError, ProverTranscript, Shape, Suite};
use zkml_device::reference::Reference;
use zkml_device::{
    Accelerator, Activity, Buffer, Column, Device, DeviceError, DeviceInfo, FieldKind, Round, Rounds, Sumcheck,
};
use zkml_sumcheck::Weight;
use zkml_sumcheck::engine::{Product, prove_rounds};
use zkml_sumcheck::vector::{Tensor, evaluate_column};

type F = <Goldilocks as Suite>::Challenge;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Half of a contraction.
    ShortContraction,
    /// A word too few or too many in a round's sums.
    Sums(bool),
    /// A word that is no field element among the sums.
    NotCanonical,
    /// A factor too few at the end.
    FewFactors,
    /// A factor without its last element, or with another one.
    Factor(bool),
}

#[derive(Debug)]
struct Wrong {
    inner: Reference,
    fault: Fault,
}

impl Accelerator for Wrong {
    fn info(&self) -> &DeviceInfo {
        self.inner.info()
    }
    fn activity(&self) -> Activity {
        self.inner.activity()
    }
    fn upload(&self, field: FieldKind, words: &[u64]) -> Result<Buffer, DeviceError> {
        self.inner.upload(field, words)
    }
    fn upload_column(&self, column: &Column) -> Result<Buffer, DeviceError> {
        self.inner.upload_column(column)
    }
    fn download(&self, buffer: &Buffer) -> Result<Vec<u64>, DeviceError> {
        self.inner.download(buffer)
    }
    fn contract(&self, cells: &Buffer, split: [usize; 3], weights: &Buffer) -> Result<Buffer, DeviceError> {
        let [half, _] = self.inner.contract(cells, split, weights)?.halves();
        Ok(half)
    }
    fn sumcheck(&self, request: Sumcheck) -> Result<Box<dyn Rounds + '_>, DeviceError> {
        Ok(Box::new(WrongRounds { inner: self.inner.sumcheck(request)?, fault: self.fault }))
    }
}

struct WrongRounds<'a> {
    inner: Box<dyn Rounds + 'a>,
    fault: Fault,
}

/// Two words less or more: an element of this field.
fn change(words: &mut Vec<u64>, more: bool) {
    if more { words.extend([1, 2]) } else { words.truncate(words.len().saturating_sub(2)) }
}

impl Rounds for WrongRounds<'_> {
    fn round(&mut self, round: Round<'_>) -> Result<Vec<u64>, DeviceError> {
        let mut sums = self.inner.round(round)?;
        match self.fault {
            Fault::Sums(more) => change(&mut sums, more),
            Fault::NotCanonical => sums[1] = 0xffff_ffff_0000_0001,
            _ => {}
        }
        Ok(sums)
    }
    fn finish(self: Box<Self>, bind: Option<&[u64]>) -> Result<Vec<Vec<u64>>, DeviceError> {
        let mut factors = self.inner.finish(bind)?;
        match self.fault {
            Fault::FewFactors => factors.truncate(1),
            Fault::Factor(more) => change(&mut factors[1], more),
            _ => {}
        }
        Ok(factors)
    }
}

fn device(fault: Fault, break_even: usize) -> Device {
    Device::accelerated(Arc::new(Wrong { inner: Reference::new(break_even), fault }))
}

#[test]
fn rounds_of_another_length_are_an_error() {
    let faults = [
        Fault::Sums(false),
        Fault::Sums(true),
        Fault::NotCanonical,
        Fault::FewFactors,
        Fault::Factor(false),
        Fault::Factor(true),
    ];
    for (fault, break_even) in faults.into_iter().flat_map(|f| [(f, 1), (f, 20)]) {
        let factors: Vec<Vec<F>> = (1..3).map(|k| (0..16).map(|i| F::from_u64(i * i + k)).collect()).collect();
        let weights = [Weight::Eq(F::TWO), Weight::Sum, Weight::Eq(F::ZERO), Weight::Eq(F::ONE)];
        let mut transcript = ProverTranscript::<Goldilocks>::new();
        let device = device(fault, break_even);
        let result = prove_rounds(&Product { factors: 2 }, factors, &weights, F::ONE, &mut transcript, &device);
        let error = result.unwrap_err();
        assert!(matches!(error, ProveError::Device(DeviceError::Invalid(_))), "{fault:?}: {error}");
    }
}

#[test]
fn a_contraction_of_another_length_is_an_error() {
    let device = device(Fault::ShortContraction, 1);
    let (column, shape) = (Arc::new(Column::I8((0..24).collect())), Shape::new([2, 3, 4]).unwrap());
    let invalid =
        |result: Result<(), DeviceError>| assert!(matches!(result, Err(DeviceError::Invalid(_))), "{result:?}");
    let tensor = || Tensor::<Goldilocks>::on_device(&column, &shape, &device);
    let weights = vec![F::TWO; 8];
    for axis in 0..3 {
        invalid(tensor().contract(axis, &weights));
        invalid(tensor().transform(axis, &[weights.clone(), weights.clone()]));
    }
    invalid(tensor().contract_others(0, &weights).map(drop));
    invalid(tensor().contract_others(2, &weights).map(drop));
    let point: Vec<F> = (3..8).map(F::from_u64).collect();
    invalid(evaluate_column::<Goldilocks>(&column, &shape, &point, &device).map(drop));
}
