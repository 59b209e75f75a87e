//! Multi-scalar multiplication, of the test double or of the ICICLE in `ZKML_ICICLE_DIR`, against arkworks.

mod common;

use ark_bn254::{Fq, Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::{BigInt, Field, PrimeField, Zero};
use common::Installation;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_device::DeviceError;
use zkml_icicle::Projective;

fn limbs(point: G1Affine) -> [u64; 8] {
    let mut out = [0; 8];
    if let Some((x, y)) = point.xy() {
        out[..4].copy_from_slice(&x.into_bigint().0);
        out[4..].copy_from_slice(&y.into_bigint().0);
    }
    out
}

fn affine(point: Projective) -> G1Affine {
    let [x, y, z] = [point.x, point.y, point.z].map(|c| Fq::from_bigint(BigInt(c)).expect("canonical"));
    z.inverse().map_or_else(G1Affine::zero, |inverse| G1Affine::new(x * inverse, y * inverse))
}

#[test]
fn sums_are_those_of_arkworks() {
    let (_folder, device) = common::device();
    for (seed, size) in [(0, 0), (1, 1), (2, 2), (3, 17), (4, 100)] {
        let rng = &mut StdRng::seed_from_u64(seed);
        let scalar = |i: usize, r: &mut StdRng| match i % 5 {
            0 => Fr::zero(),
            1 => -Fr::ONE,
            _ => Fr::from_le_bytes_mod_order(&r.random::<[u8; 32]>()),
        };
        let scalars: Vec<Fr> = (0..size).map(|i| scalar(i + seed as usize, rng)).collect();
        let point = |i: usize, r: &mut StdRng| {
            let multiple = if i % 7 == 3 { Fr::zero() } else { Fr::from_le_bytes_mod_order(&r.random::<[u8; 32]>()) };
            (G1Projective::generator() * multiple).into_affine()
        };
        let points: Vec<G1Affine> = (0..size).map(|i| point(i, rng)).collect();
        let expected: G1Projective = points.iter().zip(&scalars).map(|(p, s)| *p * s).sum();
        let words: Vec<[u64; 4]> = scalars.iter().map(|s| s.into_bigint().0).collect();
        let places: Vec<[u64; 8]> = points.iter().map(|&p| limbs(p)).collect();
        let sum = device.bn254_msm(&words, &places).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(affine(sum), expected.into_affine(), "seed {seed}, {size} terms");
    }
}

#[test]
fn what_is_not_reduced_or_not_paired_is_refused() {
    let (_folder, device) = common::device();
    let generator = limbs(G1Affine::generator());
    let refused = |result| matches!(result, Err(DeviceError::Request(_)));
    assert!(refused(device.bn254_msm(&[], &[generator])));
    assert!(refused(device.bn254_msm(&[Fr::MODULUS.0], &[generator])));
    let mut large = generator;
    large[4..].copy_from_slice(&Fq::MODULUS.0);
    assert!(refused(device.bn254_msm(&[[1, 0, 0, 0]], &[large])));
}

#[test]
fn an_installation_without_bn254_has_no_msm_and_says_so() {
    let installation = Installation::with(&common::LIBRARIES[..2]);
    let device = installation.device();
    assert!(!zkml_device::Accelerator::info(&*device).notes.is_empty());
    let refusal = device.bn254_msm(&[[1, 0, 0, 0]], &[limbs(G1Affine::generator())]);
    assert!(refusal.as_ref().is_err_and(DeviceError::is_refusal), "{refusal:?}");
}
