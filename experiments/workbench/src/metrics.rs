//! The numbers that an experiment can put limits on.

/// One number of a result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    /// Name in experiment files and result files.
    pub(crate) name: &'static str,
    /// Meaning and unit.
    pub(crate) about: &'static str,
}

/// Every metric.
pub(crate) const METRICS: &[Metric] = &[
    Metric { name: "prove_ms", about: "Median wall time to prove, forward pass included, in milliseconds." },
    Metric {
        name: "verify_ms",
        about: "Median wall time to verify in a fresh process, without starting it, in milliseconds.",
    },
    Metric { name: "forward_ms", about: "Median wall time of plain integer inference, in milliseconds." },
    Metric { name: "overhead", about: "prove_ms / forward_ms." },
    Metric { name: "proof_bytes", about: "Size of the proof file." },
    Metric { name: "verifying_key_bytes", about: "Size of the verifying key." },
    Metric { name: "peak_memory_mib", about: "Largest resident memory of the proving process, in MiB." },
    Metric { name: "soundness_bits", about: "Proven bits of soundness of the whole proof." },
    Metric { name: "committed_cells", about: "Cells behind the per-proof commitment." },
    Metric {
        name: "max_error_steps",
        about: "Largest deviation from the float model, in steps of the output's quantisation.",
    },
    Metric {
        name: "mean_error_steps",
        about: "Mean deviation from the float model, in steps of the output's quantisation.",
    },
];
