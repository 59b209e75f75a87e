//! What the tests of this crate share: opening the device or saying why not, values, requests.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use p3_field::extension::{BinomialExtensionField, CubicTrinomialExtensionField};
use std::sync::OnceLock;

use p3_field::{ExtensionField, PrimeCharacteristicRing};
use p3_goldilocks::Goldilocks;
use zkml_device::expression::Trace;
use zkml_device::reference::Reference;
use zkml_device::{Accelerator, Buffer, Expression, FieldKind};
use zkml_gpu::{Gpu, Options, Prelude, Unavailable, discover, open};

/// The device, or `None` after a line that says why there is none. With `ZKML_REQUIRE_GPU=1` that is a failure.
pub fn device(options: &Options) -> Option<Gpu> {
    match open(options) {
        Ok(gpu) => {
            assert_eq!(gpu.info().notes, Vec::<String>::new(), "something was given up");
            Some(gpu)
        }
        Err(error @ (Unavailable::NoAdapter | Unavailable::NoneUsable { .. })) => {
            assert!(std::env::var("ZKML_REQUIRE_GPU").as_deref() != Ok("1"), "ZKML_REQUIRE_GPU is set, but {error}");
            println!("SKIPPED: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The device with each prelude that the adapter has, with small changes to the options.
pub fn devices(change: impl Fn(&mut Options)) -> Vec<Gpu> {
    let found = discover();
    let mut usable = found.iter().filter(|f| f.usable.is_ok()).map(|f| f.int64).peekable();
    let int64 = usable.peek().is_some() && usable.all(|int64| int64);
    let preludes = if int64 { vec![Prelude::U64, Prelude::U32] } else { vec![Prelude::U32] };
    let with = |prelude| {
        let mut options = Options { prelude: Some(prelude), ..Options::default() };
        change(&mut options);
        device(&options)
    };
    preludes.into_iter().filter_map(with).collect()
}

/// The device with each prelude, opened once for all tests of a file: pipelines are compiled once.
pub fn shared() -> &'static [Gpu] {
    static DEVICES: OnceLock<Vec<Gpu>> = OnceLock::new();
    DEVICES.get_or_init(|| devices(|_| {}))
}

/// A generator of test values (SplitMix64); failures print its seed.
pub struct Values(pub u64);

impl Values {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A canonical word; one in four is next to a carry.
    pub fn word(&mut self) -> u64 {
        const P: u64 = 0xffff_ffff_0000_0001;
        let edges = [0, 1, 0xffff_ffff, 1 << 32, P - 1, P - 0xffff_ffff, P - (1 << 32), 1 << 63];
        let (value, choice) = (self.next(), self.next());
        if choice.is_multiple_of(4) { edges[(choice >> 8) as usize % edges.len()] } else { value % P }
    }

    pub fn words(&mut self, field: FieldKind, elements: usize) -> Vec<u64> {
        (0..elements * field.words()).map(|_| self.word()).collect()
    }

    /// Integers that fill so many bytes, the extremes among them.
    pub fn integers(&mut self, bytes: usize, len: usize) -> zkml_device::Column {
        use zkml_device::Column;
        let values = (0..len).map(|i| match i % 7 {
            0 => i64::MIN >> (64 - 8 * bytes),
            1 => i64::MAX >> (64 - 8 * bytes),
            _ => self.next() as i64 >> (64 - 8 * bytes),
        });
        match bytes {
            1 => Column::I8(values.map(|v| v as i8).collect()),
            2 => Column::I16(values.map(|v| v as i16).collect()),
            4 => Column::I32(values.map(|v| v as i32).collect()),
            _ => Column::I64(values.collect()),
        }
    }
}

/// The device under test and the reference, which must agree.
pub struct Pair<'a> {
    pub gpu: &'a Gpu,
    pub reference: Reference,
}

impl<'a> Pair<'a> {
    pub fn new(gpu: &'a Gpu) -> Self {
        Self { gpu, reference: Reference::new(0) }
    }

    /// Uploads to both.
    pub fn upload(&self, field: FieldKind, words: &[u64]) -> [Buffer; 2] {
        [self.gpu.upload(field, words).unwrap(), self.reference.upload(field, words).unwrap()]
    }

    /// Uploads to both.
    pub fn column(&self, column: &zkml_device::Column) -> [Buffer; 2] {
        [self.gpu.upload_column(column).unwrap(), self.reference.upload_column(column).unwrap()]
    }

    /// Checks that both hold the same.
    pub fn same(&self, [gpu, reference]: [&Buffer; 2], what: &str) {
        assert_eq!(gpu.contents(), reference.contents(), "{what}");
        let (ours, theirs) = (self.gpu.download(gpu).unwrap(), self.reference.download(reference).unwrap());
        assert_words(&ours, &theirs, what);
    }
}

/// Compares words; the message names the first difference only.
pub fn assert_words(ours: &[u64], theirs: &[u64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let first = ours.iter().zip(theirs).position(|(a, b)| a != b);
    assert!(first.is_none(), "{what}: word {first:?} of {} differs", ours.len());
}

/// Compositions of the kinds that provers use; `kind` is below [`KINDS`].
pub fn expression(field: FieldKind, kind: usize, values: &mut Values) -> (Expression, Vec<u64>) {
    match field {
        FieldKind::Goldilocks => traced::<Goldilocks>(kind, values),
        FieldKind::Goldilocks2 => traced::<BinomialExtensionField<Goldilocks, 2>>(kind, values),
        FieldKind::Goldilocks3 => traced::<CubicTrinomialExtensionField<Goldilocks>>(kind, values),
    }
}

pub const KINDS: usize = 5;

/// The kinds that are tested with a prelude over a field: all with native integers over one field, and those with the most
/// different kernels elsewhere. Drivers on the host's cores take most of the tests' time to compile.
pub fn kinds(gpu: &Gpu, field: FieldKind) -> &'static [usize] {
    match (gpu.info().prelude.as_str(), field) {
        ("u64", FieldKind::Goldilocks) => &[0, 3],
        ("u64", FieldKind::Goldilocks2) => &[0, 1, 2, 3, 4],
        ("u64", FieldKind::Goldilocks3) => &[0, 1],
        (_, FieldKind::Goldilocks2) => &[0, 2, 3],
        _ => &[0],
    }
}

fn traced<E: ExtensionField<Goldilocks>>(kind: usize, values: &mut Values) -> (Expression, Vec<u64>) {
    let mut element = || E::from_basis_coefficients_fn(|_| Goldilocks::new(values.word()));
    let (a, b) = (element(), element());
    let (expression, parameters) = match kind {
        // A product.
        0 => Expression::trace::<E>(2, |x: &[Trace<E>]| vec![x[0] * x[1]]),
        // A level of fractions, folded.
        1 => Expression::trace::<E>(4, |x| vec![x[0] * x[3] + x[1] * x[2] + x[2] * x[3] * a]),
        // The same in two outputs.
        2 => Expression::trace::<E>(4, |x| vec![x[0] * x[3] + x[1] * x[2], x[2] * x[3]]),
        // Powers, constants, parameters only.
        3 => Expression::trace::<E>(1, |x| {
            let c = Trace::<E>::from(a) * Trace::<E>::from(b) + Trace::<E>::from(E::TWO);
            vec![x[0] * x[0] * x[0] * c - x[0].double() + Trace::NEG_ONE * x[0] - b]
        }),
        // Many factors.
        _ => Expression::trace::<E>(7, |x| {
            let folded = x.iter().rev().fold(Trace::<E>::ZERO, |sum, &v| sum * a + v);
            vec![folded * x[6] - Trace::from(E::from_i8(-7)) * x[1]]
        }),
    };
    let words = parameters.iter().flat_map(|p| p.as_basis_coefficients_slice().to_vec());
    (expression, words.map(|w| p3_field::PrimeField64::as_canonical_u64(&w)).collect())
}
