//! The numbers that an experiment can put limits on.

use std::collections::BTreeMap;

use crate::record::{Evaluation, Limits, Measured, Violation};

/// One number of a result.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Name in experiment files and result files.
    pub name: &'static str,
    /// Meaning and unit.
    pub about: &'static str,
}

/// What `soundness_bits` says of a proof that cannot err, such as a witness in the clear.
const NO_ERROR_BITS: f64 = 1000.0;

/// Every metric.
pub const METRICS: &[Metric] = &[
    Metric { name: "prove_ms", about: "Median wall time to prove, forward pass included, in milliseconds." },
    Metric {
        name: "verify_ms",
        about: "Median wall time to verify in a fresh process, without starting it, in milliseconds.",
    },
    Metric { name: "inference_ms", about: "Median wall time of plain integer inference, in milliseconds." },
    Metric { name: "overhead", about: "prove_ms / inference_ms." },
    Metric { name: "proof_bytes", about: "Size of the proof file." },
    Metric { name: "verifying_key_bytes", about: "Size of the verifying key." },
    Metric { name: "peak_memory_mib", about: "Largest resident memory of the proving process, in MiB." },
    Metric {
        name: "soundness_bits",
        about: "Bits of soundness of the whole proof, the suite's assumption included; 1000 if it cannot err.",
    },
    Metric { name: "committed_cells", about: "Cells behind the per-proof commitment." },
    Metric {
        name: "max_error_steps",
        about: "Largest deviation from the float model, in steps of the output's quantisation.",
    },
    Metric {
        name: "mean_error_steps",
        about: "Mean deviation from the float model, in steps of the output's quantisation.",
    },
    Metric {
        name: "max_layer_error_steps",
        about: "Largest deviation of any layer from the float network, over held-out inputs if there are some, in steps of its quantisation.",
    },
    Metric { name: "agreement", about: "Share of held-out inputs whose label is the same as in the float network." },
    Metric { name: "accuracy", about: "Share of held-out inputs whose label is right." },
    Metric { name: "float_accuracy", about: "The same for the float network." },
    Metric {
        name: "host_prove_ms",
        about: "Wall time of the same proof on the host alone, made once beside a device, in milliseconds.",
    },
    Metric {
        name: "products_per_second",
        about: "Predicted challenge-field products of all relations per second of the phases that compute them, lookups and einsums.",
    },
    Metric {
        name: "joules_per_proof",
        about: "Energy of one measured proof, in joules, if RAPL or NVML reports it; measured.machine.energy_source names which.",
    },
    Metric {
        name: "products_per_joule",
        about: "The same products per joule of whole proofs, so a lower bound of what the hardware does.",
    },
    Metric { name: "device_speedup", about: "host_prove_ms / prove_ms: below 1 the device slows the proof down." },
];

/// The metrics of a cell.
pub fn values(measured: &Measured) -> BTreeMap<String, f64> {
    let wall = |phase: &str| measured.phases.get(phase).map(|p| p.wall.median);
    let prove = wall("prove");
    let evaluation = measured.evaluation.as_ref();
    let share = |get: fn(&Evaluation) -> Option<usize>| {
        let evaluation = evaluation.filter(|e| e.rows > 0)?;
        get(evaluation).map(|count| count as f64 / evaluation.rows as f64)
    };
    let layers = evaluation.map_or(&measured.layer_accuracy, |e| &e.layers);
    let inference = wall("inference").filter(|t| *t > 0.0);
    let host = measured.device.as_ref().map(|device| device.host.wall).filter(|t| *t > 0.0);
    let products: f64 = measured.relations.iter().map(|r| r.cost.ext_equivalents()).sum();
    let seconds = wall("lookups").unwrap_or(0.0) + wall("einsums").unwrap_or(0.0);
    let joules = measured.machine.as_ref().and_then(|m| m.joules).map(|j| j / measured.proofs.len().max(1) as f64);
    let all = [
        ("products_per_second", Some(products / seconds)),
        ("joules_per_proof", joules),
        ("products_per_joule", joules.map(|joules| products / joules)),
        ("prove_ms", prove.map(|t| t * 1e3)),
        ("host_prove_ms", host.map(|t| t * 1e3)),
        ("device_speedup", host.zip(prove).map(|(host, prove)| host / prove)),
        ("verify_ms", wall("verify").map(|t| t * 1e3)),
        ("inference_ms", inference.map(|t| t * 1e3)),
        ("overhead", prove.zip(inference).map(|(p, i)| p / i)),
        ("proof_bytes", Some(measured.proof_bytes as f64)),
        ("verifying_key_bytes", Some(measured.verifying_key_bytes as f64)),
        ("peak_memory_mib", measured.peak_memory_bytes.map(|b| b as f64 / f64::from(1 << 20))),
        ("soundness_bits", Some(measured.soundness.bits.min(NO_ERROR_BITS))),
        ("committed_cells", Some(measured.committed_cells as f64)),
        ("max_error_steps", Some(measured.accuracy.max_steps)),
        ("mean_error_steps", Some(measured.accuracy.mean_steps)),
        ("max_layer_error_steps", layers.iter().map(|l| l.max_steps).reduce(f64::max)),
        ("agreement", share(|e| Some(e.agreeing))),
        ("accuracy", share(|e| e.correct)),
        ("float_accuracy", share(|e| e.float_correct)),
    ];
    all.into_iter().filter_map(|(name, v)| Some((name.to_owned(), v.filter(|v| v.is_finite())?))).collect()
}

/// The limits that these metrics miss. A metric that was not measured misses its limits.
pub fn violations(checks: &BTreeMap<String, Limits>, values: &BTreeMap<String, f64>) -> Vec<Violation> {
    let holds = |value: f64, limits: &Limits| {
        limits.min.is_none_or(|min| value >= min) && limits.max.is_none_or(|max| value <= max)
    };
    checks
        .iter()
        .filter(|(metric, limits)| !values.get(*metric).is_some_and(|v| holds(*v, limits)))
        .map(|(metric, limits)| Violation {
            metric: metric.clone(),
            value: values.get(metric).copied(),
            limits: *limits,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_a_listed_metric_and_limits_are_inclusive() {
        let mut values = values(&Measured::default());
        assert!(values.keys().all(|k| METRICS.iter().any(|m| m.name == k)));
        values.insert("verify_ms".to_owned(), 50.0);
        let check = |min, max| violations(&[("verify_ms".to_owned(), Limits { min, max })].into(), &values).len();
        assert_eq!((check(None, Some(50.0)), check(None, Some(49.9)), check(Some(50.1), None)), (0, 1, 1));
        let missing = violations(&[("overhead".to_owned(), Limits { min: None, max: Some(1.0) })].into(), &values);
        assert_eq!(missing[0].value, None);
    }
}
