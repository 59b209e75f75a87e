//! The bytes do not depend on where the code words are computed, nor on a device that fails while it does.

mod common;

use std::sync::Arc;

use common::Case;
use p3_blake3::Blake3;
use p3_symmetric::CryptographicHasher;
use zkml_commitment::CommittedSuite;
use zkml_core::{Bn254, Goldilocks, Goldilocks3};
use zkml_device::reference::Reference;
use zkml_device::{
    Accelerator, Activity, BreakEven, Buffer, Column, Device, DeviceError, DeviceInfo, FieldKind, Fourier,
};

const SHAPE_LISTS: &[&[&[usize]]] = &[&[&[3, 5]], &[&[100, 30], &[17]], &[&[1 << 13]]];

/// Commitment and opening of one claim on every tensor.
fn bytes<S: CommittedSuite>(dims: &[&[usize]], device: &Device) -> Vec<u8> {
    let mut case = Case::<S>::on(dims, 5, device);
    let claims: Vec<_> = (0..dims.len()).map(|tensor| case.claim(tensor, 0.0)).collect();
    let proof = case.open_on(&claims, device).unwrap();
    case.verify(&claims, &proof).unwrap();
    proof
}

/// The first eight bytes of the digests.
fn digests<S: CommittedSuite>() -> Vec<u64> {
    let digest = |dims: &&[&[usize]]| {
        let digest: [u8; 32] = Blake3.hash_iter(bytes::<S>(dims, &Device::cpu()));
        u64::from_be_bytes(*digest.first_chunk().unwrap())
    };
    SHAPE_LISTS.iter().map(digest).collect()
}

#[test]
fn proofs_are_those_of_the_library_s_own_transform() {
    // Computed with `Radix2DFTSmallBatch` itself as the code.
    assert_eq!(digests::<Goldilocks>(), [0x4cd4_d8b8_932c_faf4, 0x9fba_c195_37c2_2ee8, 0xc680_2fae_c5ab_a7c7]);
    assert_eq!(digests::<Goldilocks3>(), [0x8758_44e4_e8d5_f4c5, 0x036f_15bd_2628_ad47, 0xf75d_c985_94f9_7913]);
}

/// What is wrong with the device's transforms.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    None,
    Missing,
    Short,
}

/// A device that does nothing but transform.
#[derive(Debug)]
struct Encodes {
    inner: Reference,
    info: DeviceInfo,
    change: Change,
}

impl Encodes {
    fn device(inner: Reference, break_even: usize, change: Change) -> (Arc<Self>, Device) {
        let none = BreakEven { rounds: None, contract: None, tree: None, forward: None, encode: Some(break_even) };
        let info = DeviceInfo { break_even: none, ..inner.info().clone() };
        let device = Arc::new(Self { inner, info, change });
        (Arc::clone(&device), Device::accelerated(device))
    }
}

impl Accelerator for Encodes {
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
        self.inner.download(buffer)
    }

    fn fourier(&self, request: &Fourier<'_>) -> Result<Vec<u64>, DeviceError> {
        if self.change == Change::Missing {
            return Err(self.unsupported("Fourier transforms"));
        }
        // The zeros that make a message a code word of rate 1/2 or less are not sent.
        assert!(2 * request.rows.len() <= request.words().unwrap());
        let mut words = self.inner.fourier(request)?;
        if self.change == Change::Short {
            words.pop();
        }
        Ok(words)
    }
}

/// The number of transforms on the device, which are all there are.
fn same_bytes<S: CommittedSuite>(dims: &[&[usize]]) -> u64 {
    let expected = bytes::<S>(dims, &Device::cpu());
    let reference = Arc::new(Reference::new(1));
    assert!(bytes::<S>(dims, &Device::accelerated(Arc::clone(&reference) as _)) == expected, "{}: {dims:?}", S::ID);
    let (device, on) = Encodes::device(Reference::new(1), 1, Change::None);
    assert!(bytes::<S>(dims, &on) == expected, "{}: {dims:?}", S::ID);
    if S::DEVICE_FIELD.is_some() {
        assert_eq!(on.left_to_the_host(), [""; 0], "{}: {dims:?}", S::ID);
    }
    device.inner.calls()
}

#[test]
fn a_device_makes_the_same_bytes() {
    for dims in SHAPE_LISTS {
        for transforms in [same_bytes::<Goldilocks>(dims), same_bytes::<Goldilocks3>(dims)] {
            // One for the commitment, and for a large one one for every folded code word.
            assert!(transforms >= 1 && (dims[0][0] < 1 << 13 || transforms >= 2), "{dims:?}: {transforms}");
        }
    }
    assert_eq!(same_bytes::<Bn254>(&[&[3, 5]]), 0);
}

#[test]
fn a_device_that_fails_at_any_transform_leaves_it_to_the_host() {
    fn check<S: CommittedSuite>(dims: &[&[usize]]) {
        let expected = bytes::<S>(dims, &Device::cpu());
        let transforms = same_bytes::<S>(dims);
        for fails_at in 0..transforms {
            let (_, device) = Encodes::device(Reference::failing(1, fails_at), 1, Change::None);
            assert!(bytes::<S>(dims, &device) == expected, "{}: transform {fails_at}", S::ID);
            let left = device.left_to_the_host();
            assert!(matches!(left.as_slice(), [why] if why.contains("told to fail")), "{left:?}");
        }
        for (change, why) in [(Change::Missing, "has no Fourier"), (Change::Short, "another length")] {
            let (_, device) = Encodes::device(Reference::new(1), 1, change);
            assert!(bytes::<S>(dims, &device) == expected, "{}: {change:?}", S::ID);
            let left = device.left_to_the_host();
            assert!(matches!(left.as_slice(), [reason] if reason.contains(why)), "{left:?}");
        }
    }
    check::<Goldilocks>(&[&[1 << 13]]);
    check::<Goldilocks3>(&[&[1 << 13]]);
}

#[test]
fn small_code_words_stay_on_the_host() {
    // The first code word has twice as many words as the tensor has cells, the second one half as many elements.
    let (first, second) = (1 << 14, 3 << 13);
    for (break_even, transforms) in [(1, 2), (first, 2), (first + 1, 1), (second, 1), (second + 1, 0)] {
        let (device, on) = Encodes::device(Reference::new(1), break_even, Change::None);
        bytes::<Goldilocks3>(&[&[1 << 13]], &on);
        assert_eq!(device.inner.calls(), transforms, "from {break_even} words on");
    }
}
