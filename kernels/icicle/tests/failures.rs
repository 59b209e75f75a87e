//! Whatever goes wrong has a clear error, and no memory of the device is left behind.

mod common;

use std::time::Duration;

use common::{Installation, LIBRARIES, library};
use zkml_device::{
    Accelerator, Column, DeviceError, Expression, FieldKind, IntegerEinsum, Numerators, Point, Round, Sumcheck, Trace,
};
use zkml_icicle::{Icicle, Options, Unavailable, open};

type E = p3_field::extension::BinomialExtensionField<p3_goldilocks::Goldilocks, 2>;

const FIELD: FieldKind = FieldKind::Goldilocks2;

fn product() -> Expression {
    Expression::trace(1, |x: &[Trace<E>]| vec![x[0] * x[0]]).0
}

/// A little of everything, for the traces that it leaves behind.
fn work(device: &dyn Accelerator) -> Result<(), DeviceError> {
    let words: Vec<u64> = (0..64).collect();
    let vector = device.upload(FIELD, &words)?;
    device.add_fractions(Numerators::Ones(7), &vector)?;
    device.contract(&device.upload_column(&Column::I8(vec![3; 64]))?, [2, 8, 4], &vector)?;
    device.eq_table(FIELD, &words[..6], &words[..2])?;
    let request = Sumcheck { field: FIELD, factors: vec![vector], expression: product(), parameters: Vec::new() };
    let mut rounds = device.sumcheck(request)?;
    let points = [Point::At(0), Point::At(2)];
    rounds.round(Round { bind: None, points: &points, outer: &words[..4], inner: &words[..16] })?;
    rounds.round(Round { bind: Some(&[5, 6]), points: &points, outer: &[], inner: &[] })?;
    rounds.finish(Some(&[7, 8])).map(drop)
}

#[test]
fn without_icicle_the_refusal_lists_the_places() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { directory: Some(folder.path().to_owned()), ..Options::default() };
    let message = open(&options).expect_err("nothing is there").to_string();
    for part in ["not installed", &folder.path().display().to_string(), "lib, ", "ZKML_ICICLE_DIR", "releases"] {
        assert!(message.contains(part.trim_end_matches(", ")), "{part} is not in: {message}");
    }
    let places = vec![folder.path().join("a"), folder.path().join("b")];
    match open(&Options { places: places.clone(), ..Options::default() }) {
        Err(Unavailable::NotInstalled { places: looked, .. }) => {
            assert_eq!(looked.len(), 5, "{looked:?}");
            assert!(looked.contains(&places[1].display().to_string()), "{looked:?}");
        }
        // A machine that has ICICLE on its search path.
        other => assert!(!matches!(other, Err(Unavailable::Platform)), "{other:?}"),
    }
}

#[test]
fn libraries_that_are_none_or_incomplete_are_named() {
    let installation = Installation::with(&LIBRARIES[..1]);
    let error = installation.open().expect_err("no Goldilocks");
    assert!(error.to_string().contains("icicle_field_goldilocks"), "{error}");
    std::fs::write(library(installation.folder.path(), LIBRARIES[1]), "not a library").expect("a file");
    let error = installation.open().expect_err("no library");
    assert!(matches!(error, Unavailable::Broken { .. }), "{error:?}");
}

/// Every function that the adapter looks up, by library.
#[cfg(target_os = "linux")]
const SYMBOLS: [(usize, &str); 20] = [
    (0, "icicle_load_backend"),
    (0, "icicle_is_device_available"),
    (0, "icicle_get_registered_devices"),
    (0, "icicle_set_device"),
    (0, "icicle_get_available_memory"),
    (0, "icicle_malloc"),
    (0, "icicle_free"),
    (0, "icicle_memset"),
    (0, "icicle_copy"),
    (0, "icicle_copy_to_device"),
    (0, "icicle_copy_to_host"),
    (1, "goldilocks_extension_vector_add"),
    (1, "goldilocks_extension_vector_sub"),
    (1, "goldilocks_extension_vector_mul"),
    (1, "goldilocks_extension_vector_mixed_mul"),
    (1, "goldilocks_extension_scalar_add_vec"),
    (1, "goldilocks_extension_scalar_sub_vec"),
    (1, "goldilocks_extension_scalar_mul_vec"),
    (1, "goldilocks_extension_vector_sum"),
    (3, "bn254_msm"),
];

/// Another version: the name is overwritten in the library's table of names.
#[cfg(target_os = "linux")]
#[test]
fn a_function_that_is_missing_is_named() {
    for (which, symbol) in SYMBOLS {
        let installation = Installation::new();
        let mut bytes = std::fs::read(common::double()).expect("the double");
        let name = [b"\0", symbol.as_bytes(), b"\0"].concat();
        let places: Vec<usize> =
            bytes.windows(name.len()).enumerate().filter(|(_, window)| *window == name).map(|(at, _)| at).collect();
        assert!(!places.is_empty(), "the double does not export {symbol}");
        for at in places {
            bytes[at + 1] = b'_';
        }
        let path = library(installation.folder.path(), LIBRARIES[which]);
        std::fs::remove_file(&path).expect("the link is there");
        std::fs::write(&path, bytes).expect("a file");
        let error = installation.open().expect_err("a function is missing");
        let expected = Unavailable::Symbol { library: path.display().to_string(), symbol: symbol.to_owned() };
        assert_eq!(error, expected);
    }
}

#[test]
fn gpus_are_preferred_and_the_cpu_has_to_be_asked_for() {
    let installation = Installation::new();
    let device = installation.device();
    assert_eq!((device.info().backend.as_str(), device.info().software), ("CUDA", false));
    assert_eq!(device.info().fields, [FIELD]);

    let without = Installation::new();
    std::fs::remove_dir_all(without.folder.path().join("backend")).expect("a folder");
    let error = without.open().expect_err("only the CPU");
    let asked = ["CUDA", "METAL", "VULKAN"].map(str::to_owned).to_vec();
    assert_eq!(error, Unavailable::NoDevice { asked, registered: "CPU".to_owned() });
    let cpu = Options { devices: vec![("CPU".to_owned(), 0)], ..without.options() };
    assert!(open(&cpu).expect("the CPU was asked for").info().software);
}

#[test]
fn error_13_is_a_missing_licence() {
    for function in ["icicle_set_device", "icicle_malloc", "goldilocks_extension_vector_mul"] {
        let installation = Installation::new();
        installation.faults(&format!("{function}=13"));
        let error = installation.open().expect_err("no licence");
        assert_eq!(error, Unavailable::Licence { device: "CUDA".to_owned() }, "{function}");
        assert!(error.to_string().contains("ICICLE_LICENSE"), "{error}");
    }
    let installation = Installation::new();
    let device = installation.device();
    installation.faults("goldilocks_extension_vector_mul=13");
    let error = work(&*device).expect_err("the licence has ended");
    assert!(error.to_string().contains("ICICLE_LICENSE"), "{error}");
}

#[test]
fn a_device_that_miscomputes_is_not_used() {
    for function in [
        "goldilocks_extension_vector_add",
        "goldilocks_extension_vector_sub",
        "goldilocks_extension_vector_mul",
        "goldilocks_extension_vector_mixed_mul",
        "goldilocks_extension_vector_sum",
        "goldilocks_extension_scalar_add_vec",
        "goldilocks_extension_scalar_sub_vec",
        "goldilocks_extension_scalar_mul_vec",
        "icicle_copy",
        "icicle_copy_to_device",
        "icicle_copy_to_host",
    ] {
        let installation = Installation::new();
        installation.faults(&format!("{function}=wrong"));
        let error = installation.open().expect_err(function);
        assert!(matches!(error, Unavailable::SelfTest { .. }), "{function}: {error:?}");
    }
}

type Check = fn(&DeviceError) -> bool;

#[test]
fn error_codes_have_names_and_leave_no_memory_behind() {
    let installation = Installation::new();
    let device = installation.device();
    let cases: [(i32, Check); 4] = [
        (2, |e| matches!(e, DeviceError::OutOfMemory(_))),
        (4, |e| matches!(e, DeviceError::OutOfMemory(_))),
        (10, DeviceError::is_refusal),
        (11, |e| e.to_string().contains("INVALID_ARGUMENT")),
    ];
    for (code, expected) in cases {
        for after in 0..12 {
            installation.faults(&format!("icicle_malloc={code}@{after}"));
            let error = work(&*device).expect_err("told to fail");
            assert!(expected(&error), "{code}: {error}");
        }
    }
    installation.faults("goldilocks_extension_scalar_mul_vec=14");
    assert!(work(&*device).expect_err("told to fail").to_string().contains("scalar_mul_vec: error 14, UNKNOWN_ERROR"));
    installation.faults("");
    work(&*device).expect("the device still works");
    assert_eq!(live(&installation, &device), 0);
}

/// Allocations that are not freed. A step without memory comes after all that was queued before it.
fn live(installation: &Installation, device: &Icicle) -> u64 {
    device.bn254_msm(&[], &[]).expect("an empty sum");
    let (allocated, freed) = installation.counts();
    assert!(allocated > 0);
    allocated - freed
}

#[test]
fn memory_is_freed_when_buffers_are_dropped() {
    let installation = Installation::new();
    let device = installation.device();
    assert_eq!(live(&installation, &device), 0);
    let kept = device.upload(FIELD, &[1, 2, 3, 4]).expect("an upload");
    let [half, _] = kept.halves();
    for _ in 0..3 {
        work(&*device).expect("the double works");
    }
    assert_eq!(live(&installation, &device), 1, "half of a buffer keeps it");
    assert_eq!(device.download(&half), Ok(vec![1, 2]));
    drop(device);
    drop(half);
    // The thread ends by itself after the last memory was freed.
    let all_freed = || {
        let (allocated, freed) = installation.counts();
        allocated == freed
    };
    assert!((0..200).any(|_| all_freed() || {
        std::thread::sleep(Duration::from_millis(10));
        false
    }));
}

#[test]
fn a_step_that_hangs_ends_at_the_time_limit() {
    let installation = Installation::new();
    let options = Options { timeout: Duration::from_millis(400), ..installation.options() };
    let device = open(&options).expect("the double");
    installation.faults("goldilocks_extension_scalar_mul_vec=hang");
    let table = || device.eq_table(FIELD, &[1, 2, 3, 4], &[1, 0]).map(drop);
    assert!(matches!(table(), Err(DeviceError::Timeout { .. })));
    assert!(matches!(table(), Err(DeviceError::Lost(_))));
}

#[test]
fn other_fields_and_steps_are_left_to_the_host() {
    let installation = Installation::new();
    let device = installation.device();
    for field in [FieldKind::Goldilocks, FieldKind::Goldilocks3] {
        assert!(device.upload(field, &[1, 2, 3, 4, 5, 6]).expect_err("another field").is_refusal());
        assert!(device.eq_table(field, &[], &[1, 0, 0]).expect_err("another field").is_refusal());
    }
    let einsum = IntegerEinsum { operands: &[], outer: &[], inner: &[], strides: &[], largest: 0 };
    assert!(device.einsum(&einsum).expect_err("no integer products").is_refusal());
    let (cells, one) = (Column::I8(vec![1; 2 * 2048]), [1, 0]);
    let (cells, weights) = (device.upload_column(&cells).expect("cells"), device.upload(FIELD, &one).expect("weights"));
    assert!(device.contract(&cells, [2048, 1, 2], &weights).expect_err("many short rows").is_refusal());
}

#[test]
fn requests_that_do_not_fit_are_refused() {
    let installation = Installation::new();
    let device = installation.device();
    let misfit =
        |result: Result<(), DeviceError>| assert!(matches!(result, Err(DeviceError::Request(_))), "{result:?}");
    let vector = |len: u64| device.upload(FIELD, &vec![1; 2 * len as usize]).expect("an upload");
    let cells = device.upload_column(&Column::I8(vec![1; 12])).expect("an upload");
    misfit(device.contract(&cells, [2, 3, 3], &vector(3)).map(drop));
    misfit(device.contract(&cells, [2, 3, 2], &vector(2)).map(drop));
    misfit(device.contract(&cells, [2, 3, 2], &cells).map(drop));
    misfit(device.contract(&cells, [usize::MAX, 2, 2], &vector(2)).map(drop));
    misfit(device.download(&cells).map(drop));
    misfit(device.add_fractions(Numerators::Stored(&vector(4)), &vector(8)).map(drop));
    misfit(device.add_fractions(Numerators::Ones(1), &vector(1)).map(drop));
    misfit(
        device.download(&zkml_device::reference::Reference::new(1).upload(FIELD, &[1, 2]).expect("words")).map(drop),
    );
    let start = |len, parameters| {
        let request = Sumcheck { field: FIELD, factors: vec![vector(len)], expression: product(), parameters };
        device.sumcheck(request)
    };
    misfit(start(3, Vec::new()).map(drop));
    misfit(start(1, Vec::new()).map(drop));
    misfit(start(4, vec![1, 2]).map(drop));
    for (outer, inner) in [(3, 0), (4, 0), (1, 3), (2, 2), (0, 4)] {
        let mut rounds = start(4, Vec::new()).expect("a sumcheck");
        let (outer, inner) = (vec![1; 2 * outer], vec![1; 2 * inner]);
        misfit(rounds.round(Round { bind: None, points: &[Point::At(0)], outer: &outer, inner: &inner }).map(drop));
    }
}
