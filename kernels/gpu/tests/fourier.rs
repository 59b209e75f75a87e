//! Fourier transforms give the reference's words, with both preludes; what does not fit is refused.

mod common;

use common::{Values, assert_words, devices, shared};
use p3_field::{PrimeField64, TwoAdicField};
use p3_goldilocks::Goldilocks;
use zkml_device::reference::Reference;
use zkml_device::{Accelerator, DeviceError, FieldKind, Fourier};
use zkml_gpu::Gpu;

fn root(log_height: u32) -> u64 {
    Goldilocks::two_adic_generator(log_height as usize).as_canonical_u64()
}

/// Compares a transform of random and edge values with the reference's; `given` rows are not zero.
fn same(gpu: &Gpu, [log_height, width, given]: [usize; 3], root: u64, seed: u64) {
    let rows = Values(seed).words(FieldKind::Goldilocks, given * width);
    let wanted = Fourier { rows: &rows, width, log_height: log_height as u32, root };
    let what = format!("2^{log_height} x {width}, {given} rows, prelude {}, seed {seed}", gpu.info().prelude);
    let ours = gpu.fourier(&wanted).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_words(&ours, &Reference::new(0).fourier(&wanted).unwrap(), &what);
}

#[test]
fn every_height_and_width() {
    for gpu in shared() {
        for log_height in 0..=14 {
            for (i, width) in [1, 2, 3, 5, 16, 32].into_iter().enumerate() {
                let height = 1_usize << log_height;
                // All rows, half of them, and an odd part.
                let given = [height, height / 2, height.div_ceil(3)][(log_height + i) % 3];
                same(gpu, [log_height, width, given], root(log_height as u32), (100 * log_height + width) as u64);
            }
        }
    }
}

#[test]
fn three_passes() {
    for gpu in shared() {
        same(gpu, [17, 1, 1 << 17], root(17), 1);
        same(gpu, [18, 3, 1 << 17], root(18), 2);
    }
}

#[test]
fn any_primitive_root_and_a_change_of_roots() {
    for gpu in shared() {
        for exponent in [1, 3, 1023, 1, 511] {
            let root = Goldilocks::two_adic_generator(10);
            let root = p3_field::PrimeCharacteristicRing::exp_u64(&root, exponent).as_canonical_u64();
            same(gpu, [10, 3, 1 << 10], root, exponent);
        }
    }
}

#[test]
fn a_matrix_without_rows_is_zero() {
    for gpu in shared() {
        for log_height in [0, 1, 9] {
            let wanted = Fourier { rows: &[], width: 2, log_height, root: root(log_height) };
            assert_eq!(gpu.fourier(&wanted).unwrap(), vec![0; 2 << log_height]);
        }
    }
}

#[test]
fn a_matrix_above_the_largest_binding_is_refused() {
    for gpu in devices(|options| options.max_binding = Some(1 << 14)) {
        same(&gpu, [9, 2, 100], root(9), 3);
        let wanted = Fourier { rows: &[1; 4], width: 4, log_height: 9, root: root(9) };
        let error = gpu.fourier(&wanted).unwrap_err();
        assert!(error.is_refusal() && error.to_string().contains("2048 words"), "{error}");
    }
}

#[test]
fn requests_that_do_not_fit_are_errors() {
    let good = Fourier { rows: &[1, 2, 3, 4], width: 1, log_height: 2, root: root(2) };
    for gpu in shared() {
        assert!(gpu.fourier(&good).is_ok());
        for wrong in [
            Fourier { width: 0, ..good },
            Fourier { width: 3, ..good },
            Fourier { rows: &[1; 5], ..good },
            Fourier { log_height: 33, ..good },
            Fourier { root: 1, ..good },
            Fourier { root: 0, ..good },
            Fourier { root: u64::MAX, ..good },
            Fourier { log_height: 3, ..good },
            Fourier { log_height: 0, rows: &[1], ..good },
        ] {
            let error = gpu.fourier(&wrong).unwrap_err();
            assert!(matches!(error, DeviceError::Request(_)), "{wrong:?}: {error}");
        }
    }
}
