//! The prover sends the same bytes with a device, whatever the layout, the break-even sizes and what the device refuses; a device
//! that fails or returns nonsense is an error.

mod common;

use std::sync::Arc;

use common::{Case, Proof, tables};
use zkml_core::{Bn254, Goldilocks, Goldilocks3, ProveError, Suite, Table};
use zkml_device::reference::Reference;
use zkml_device::{
    Accelerator, Activity, BreakEven, Buffer, Column, Combination, Device, DeviceError, DeviceInfo, FieldKind,
    Numerators, Rounds, Sumcheck,
};

const SHAPES: [&[&[usize]]; 11] = [
    &[&[]],
    &[&[2]],
    &[&[3]],
    &[&[1], &[1, 1]],
    &[&[3, 5], &[2]],
    &[&[64]],
    &[&[65]],
    &[&[16, 16], &[130]],
    &[&[24], &[24], &[24]],
    &[&[17, 3], &[], &[64]],
    &[&[6, 7, 50]],
];

/// The reference without some of its verbs, with other break-even sizes, or miscomputing.
#[derive(Debug)]
struct Changed {
    inner: Reference,
    info: DeviceInfo,
    change: Change,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    None,
    NoCombination,
    NoTrees,
    NoSumchecks,
    ShortLevels,
    ShortDownloads,
    NotCanonical,
}

impl Changed {
    fn device(change: Change, break_even: BreakEven) -> Device {
        let inner = Reference::new(1);
        let info = DeviceInfo { break_even, ..inner.info().clone() };
        Device::accelerated(Arc::new(Self { inner, info, change }))
    }

    fn refuse(&self, change: Change, verb: &str) -> Result<(), DeviceError> {
        if self.change == change { Err(self.unsupported(verb)) } else { Ok(()) }
    }
}

impl Accelerator for Changed {
    fn info(&self) -> &DeviceInfo {
        &self.info
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
        let mut words = self.inner.download(buffer)?;
        match self.change {
            Change::ShortDownloads => words.clear(),
            Change::NotCanonical => words[0] = u64::MAX,
            _ => {}
        }
        Ok(words)
    }
    fn combine(&self, request: &Combination<'_>) -> Result<Buffer, DeviceError> {
        self.refuse(Change::NoCombination, "combination")?;
        self.inner.combine(request)
    }
    fn add_fractions(&self, numerators: Numerators<'_>, denominators: &Buffer) -> Result<[Buffer; 2], DeviceError> {
        self.refuse(Change::NoTrees, "trees")?;
        let sums = self.inner.add_fractions(numerators, denominators)?;
        Ok(if self.change == Change::ShortLevels { sums.map(|buffer| buffer.halves()[0].clone()) } else { sums })
    }
    fn sumcheck(&self, request: Sumcheck) -> Result<Box<dyn Rounds + '_>, DeviceError> {
        self.refuse(Change::NoSumchecks, "sumchecks")?;
        self.inner.sumcheck(request)
    }
}

fn on_reference<S: Suite>(case: &Case, device: &Arc<Reference>) -> Result<Proof<S>, ProveError> {
    case.prove_on::<S>(&Device::accelerated(Arc::clone(device) as Arc<_>))
}

fn assert_same_bytes<S: Suite>(table: &Table, shapes: &[&[usize]], seed: u64) {
    let case = Case::random(table, shapes, seed);
    let expected = case.prove::<S>().unwrap();
    let leaves: usize = shapes.iter().map(|dims| dims.iter().product::<usize>()).sum();
    for break_even in [1, 16, 70, 1000] {
        let device = Arc::new(Reference::new(break_even));
        let what = format!("{} {shapes:?} seed {seed} from {break_even} on, {}", table.name(), S::ID);
        assert!(on_reference::<S>(&case, &device).unwrap() == expected, "{what}: other bytes");
        let used = S::DEVICE_FIELD.is_some()
            && ((leaves > 1 && leaves >= break_even) || (table.rows() > 2 && table.rows() >= break_even));
        assert_eq!(device.calls() > 0, used, "{what}: {} calls", device.calls());
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_device() {
    for table in tables() {
        for (shapes, seed) in SHAPES.iter().zip(200..) {
            assert_same_bytes::<Goldilocks>(&table, shapes, seed);
            assert_same_bytes::<Goldilocks3>(&table, shapes, seed);
        }
    }
    assert_same_bytes::<Bn254>(&tables()[3], SHAPES[4], 1);
    for leaves in 1..40 {
        assert_same_bytes::<Goldilocks>(&Table::Range { bits: 3 }, &[&[leaves]], leaves as u64);
    }
    assert_same_bytes::<Goldilocks>(&Table::Range { bits: 12 }, &[&[3000], &[7, 70]], 2);
}

#[test]
fn a_tree_is_resident_from_leaves_to_root() {
    let case = Case::random(&tables()[3], &[&[60, 70]], 3);
    let device = Arc::new(Reference::new(1));
    on_reference::<Goldilocks>(&case, &device).unwrap();
    // 4200 leaves of two columns: both columns, D, 12 levels, two downloads; per layer from 4 nodes on a sumcheck of one round
    // per variable and its end, and D0 and D1.
    let witness = 2 + 1 + 12 + 2 + (1..12).map(|k| k + 2).sum::<u64>() + 2 + 12 + 2;
    // 16 rows: two columns up, three levels, two down.
    let table = 2 + 3 + 2 + (1..4).map(|k| k + 2).sum::<u64>();
    assert_eq!(device.calls(), witness + table);
}

#[test]
fn what_a_device_refuses_is_left_to_the_host() {
    let all = BreakEven::all(1);
    let changes = [
        (Change::None, BreakEven { rounds: None, ..all }),
        (Change::None, BreakEven { tree: None, ..all }),
        (Change::None, BreakEven { rounds: Some(100), ..all }),
        (Change::None, BreakEven { tree: Some(100), ..all }),
        (Change::NoCombination, all),
        (Change::NoTrees, all),
        (Change::NoSumchecks, all),
    ];
    for table in tables() {
        for (shapes, seed) in SHAPES.iter().zip(300..) {
            let case = Case::random(&table, shapes, seed);
            let expected = case.prove::<Goldilocks>().unwrap();
            let leaves: usize = shapes.iter().map(|dims| dims.iter().product::<usize>()).sum();
            for (change, break_even) in changes {
                let device = Changed::device(change, break_even);
                let what = format!("{} {shapes:?} seed {seed} {change:?} {break_even:?}", table.name());
                assert!(case.prove_on::<Goldilocks>(&device).unwrap() == expected, "{what}: other bytes");
                let refused = match change {
                    Change::NoCombination => leaves > 1,
                    Change::NoTrees => leaves > 1 || table.rows() > 2,
                    Change::NoSumchecks => leaves > 2 || table.rows() > 2,
                    _ => false,
                };
                assert_eq!(!device.left_to_the_host().is_empty(), refused, "{what}");
            }
        }
    }
}

#[test]
fn a_device_that_fails_is_an_error_at_every_call() {
    for (shapes, break_even) in [(SHAPES[3], 1), (SHAPES[4], 1), (SHAPES[7], 1), (SHAPES[7], 60)] {
        let case = Case::random(&tables()[3], shapes, 4);
        let expected = case.prove::<Goldilocks>().unwrap();
        let device = Arc::new(Reference::new(break_even));
        assert!(on_reference::<Goldilocks>(&case, &device).unwrap() == expected);
        for call in 0..device.calls() {
            let failed = on_reference::<Goldilocks>(&case, &Arc::new(Reference::failing(break_even, call)));
            assert!(matches!(failed, Err(ProveError::Device(DeviceError::Lost(_)))), "{shapes:?} call {call}");
        }
    }
}

#[test]
fn a_device_that_returns_nonsense_is_an_error() {
    let case = Case::random(&tables()[3], &[&[50]], 5);
    for change in [Change::ShortLevels, Change::ShortDownloads, Change::NotCanonical] {
        let device = Changed::device(change, BreakEven::all(1));
        let error = case.prove_on::<Goldilocks>(&device).unwrap_err();
        assert!(matches!(error, ProveError::Device(DeviceError::Invalid(_))), "{change:?}: {error}");
    }
}
