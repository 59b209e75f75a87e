//! What goes wrong is an error that says so: broken shaders, a lost or silent device, limits, requests that do not fit.

mod common;

use core::time::Duration;
use std::time::Instant;

use common::{Values, device, expression, shared};
use zkml_device::{Accelerator, Column, DeviceError, FieldKind, Numerators, Point, Round, Sumcheck};
use zkml_gpu::{Fault, Options, Prelude, Unavailable, discover, open};

const FIELD: FieldKind = FieldKind::Goldilocks2;

fn has_int64() -> bool {
    discover().iter().any(|found| found.usable.is_ok() && found.int64)
}

#[test]
fn adapters_are_described() {
    for found in discover() {
        assert!(!found.name.is_empty() && found.max_buffer > 0, "{found:?}");
    }
    let Some(gpu) = device(&Options::default()) else { return };
    let info = gpu.info();
    assert!(discover().iter().any(|found| found.name == info.adapter && found.backend == info.backend));
    assert_eq!(info.id, "gpu");
    if info.software {
        assert_eq!(info.break_even_source, "software adapter: for tests, not for speed");
    }
    let forced = device(&Options { break_even: Some(77), ..Options::default() }).unwrap();
    assert_eq!(forced.info().break_even.rounds, Some(77));
}

#[test]
fn an_unknown_adapter_is_refused_with_what_there_is() {
    let error = open(&Options { adapter: Some("no such card".to_owned()), ..Options::default() }).unwrap_err();
    match error {
        Unavailable::NoAdapter => assert!(discover().is_empty()),
        Unavailable::NoneUsable { wanted, found } => {
            assert!(wanted.contains("no such card"));
            assert!(discover().iter().all(|f| found.contains(&f.name)), "{found}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_prelude_that_miscomputes_or_does_not_compile_is_given_up() {
    if device(&Options::default()).is_none() {
        return;
    }
    if has_int64() {
        for fault in [Fault::WrongProduct(Prelude::U64), Fault::NoShader(Prelude::U64)] {
            let gpu = open(&Options { fault: Some(fault), ..Options::default() }).unwrap();
            assert_eq!(gpu.info().prelude, "u32", "{fault:?}");
            let note = &gpu.info().notes[0];
            assert!(note.starts_with("the prelude u64 was given up"), "{note}");
            assert_eq!(note.contains("f_mul"), fault == Fault::NoShader(Prelude::U64), "the compiler's reason: {note}");
            let point = Values(1).words(FIELD, 3);
            assert!(gpu.eq_table(FIELD, &point, &[1, 0]).is_ok());
        }
    }
    for fault in [Fault::WrongProduct(Prelude::U32), Fault::NoShader(Prelude::U32)] {
        let options = Options { prelude: Some(Prelude::U32), fault: Some(fault), ..Options::default() };
        let error = open(&options).unwrap_err();
        assert!(matches!(error, Unavailable::SelfTest { .. }), "{error}");
    }
}

#[test]
fn a_lost_device_stays_lost() {
    let Some(gpu) = device(&Options::default()) else { return };
    let buffer = gpu.upload(FIELD, &[1, 2, 3, 4]).unwrap();
    let (expression, parameters) = expression(FIELD, 0, &mut Values(1));
    let factors = (0..2).map(|_| gpu.upload(FIELD, &[1, 2, 3, 4]).unwrap()).collect();
    let points = vec![Point::At(0)];
    let request = Sumcheck { field: FIELD, factors, expression, parameters };
    let mut rounds = gpu.sumcheck(request).unwrap();
    gpu.destroy();
    let lost = |result: Result<(), DeviceError>| assert!(matches!(result, Err(DeviceError::Lost(_))), "{result:?}");
    lost(rounds.round(Round { bind: None, points: &points, outer: &[], inner: &[] }).map(drop));
    lost(rounds.finish(None).map(drop));
    lost(gpu.download(&buffer).map(drop));
    lost(gpu.upload(FIELD, &[1, 2]).map(drop));
    lost(gpu.upload_column(&Column::I8(vec![1])).map(drop));
    lost(gpu.eq_table(FIELD, &[1, 2], &[1, 0]).map(drop));
    lost(gpu.contract(&buffer, [1, 2, 1], &buffer).map(drop));
    lost(gpu.add_fractions(Numerators::Ones(2), &buffer).map(drop));
}

#[test]
fn a_silent_device_is_given_up_after_the_time_out() {
    let Some(gpu) = device(&Options::default()) else { return };
    gpu.set_timeout(Duration::ZERO);
    let point = Values(2).words(FIELD, 20);
    let table = gpu.eq_table(FIELD, &point, &[1, 0]).unwrap();
    assert_eq!(gpu.download(&table), Err(DeviceError::Timeout { seconds: 0 }));
    assert!(matches!(gpu.upload(FIELD, &[1, 2]), Err(DeviceError::Lost(_))));
}

/// The work goes on while its owner gives up: neither the time-out nor the end of the device wait for it.
#[test]
fn a_busy_device_does_not_hold_up_its_owner() {
    let Some(gpu) = device(&Options::default()) else { return };
    if !gpu.info().software {
        println!("SKIPPED: how long a GPU takes is not known");
        return;
    }
    let (count, times) = (1 << 14, 1 << 12);
    let seconds = gpu.time_products(FIELD, count, times).unwrap();
    gpu.set_timeout(Duration::from_millis(100));
    let start = Instant::now();
    let busy = gpu.time_products(FIELD, count, (8.0 / seconds * times as f64) as usize);
    assert_eq!(busy, Err(DeviceError::Timeout { seconds: 0 }));
    drop(gpu);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn buffers_beyond_the_adapter_are_a_limit() {
    for gpu in shared() {
        // 2^31 elements of 24 bytes.
        let point = Values(3).words(FieldKind::Goldilocks3, 31);
        match gpu.eq_table(FieldKind::Goldilocks3, &point, &[1, 0, 0]) {
            Err(DeviceError::Limit { needed, allowed, .. }) => assert!(needed > allowed),
            Err(DeviceError::OutOfMemory(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn requests_that_do_not_fit_are_refused() {
    let Some(other) = device(&Options::default()) else { return };
    for gpu in shared() {
        let foreign = other.upload(FIELD, &[1, 2, 3, 4]).unwrap();
        let (ours, base) =
            (gpu.upload(FIELD, &[1, 2, 3, 4]).unwrap(), gpu.upload(FieldKind::Goldilocks, &[1, 2]).unwrap());
        let refused = |result: Result<(), DeviceError>| {
            assert!(matches!(result, Err(DeviceError::Request(_))), "{result:?}");
        };
        refused(gpu.download(&foreign).map(drop));
        refused(gpu.upload(FIELD, &[1, 2, 3]).map(drop));
        refused(gpu.eq_table(FIELD, &[1], &[1, 0]).map(drop));
        refused(gpu.contract(&ours, [1, 2, 1], &base).map(drop));
        refused(gpu.contract(&ours, [1, 3, 1], &ours).map(drop));
        refused(gpu.add_fractions(Numerators::Stored(&base), &ours).map(drop));
        let (expression, parameters) = expression(FIELD, 0, &mut Values(1));
        let sumcheck =
            |factors, parameters| Sumcheck { field: FIELD, factors, expression: expression.clone(), parameters };
        refused(gpu.sumcheck(sumcheck(vec![ours.clone()], Vec::new())).map(drop));
        refused(gpu.sumcheck(sumcheck(vec![ours.clone(), base.clone()], parameters.clone())).map(drop));
        refused(gpu.sumcheck(sumcheck(vec![ours.clone(), ours.clone()], vec![1])).map(drop));
        let mut rounds =
            gpu.sumcheck(sumcheck(vec![ours.clone(), gpu.upload(FIELD, &[1; 4]).unwrap()], parameters)).unwrap();
        let points = [Point::At(0)];
        refused(rounds.round(Round { bind: None, points: &points, outer: &[], inner: &[1; 10] }).map(drop));
        refused(rounds.round(Round { bind: Some(&[1]), points: &points, outer: &[], inner: &[] }).map(drop));
    }
}

#[test]
fn activity_is_counted() {
    for gpu in shared() {
        let before = gpu.activity();
        let point = Values(4).words(FIELD, 12);
        let table = gpu.eq_table(FIELD, &point, &[1, 0]).unwrap();
        assert_eq!(gpu.download(&table).unwrap().len(), 2 << 12);
        gpu.upload(FIELD, &[1, 2]).unwrap();
        let after = gpu.activity().since(before);
        assert!(after.dispatches >= 1 && after.uploaded >= 16 && after.downloaded >= 16 << 12, "{after:?}");
        assert!(after.wait_seconds > 0.0 && after.upload_seconds > 0.0, "{after:?}");
        assert!(after.device_seconds.is_none_or(|s| s > 0.0), "{after:?}");
    }
}
