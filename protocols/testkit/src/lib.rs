//! The conformance and tamper suite that every protocol passes.
//!
//! A protocol crate writes one line, and gets named tests over every suite it lists and every slot it fills:
//!
//! ```text
//! zkml_testkit::conformance!(reveal, [Goldilocks, Goldilocks3, Bn254], [Einsum, Lookup], zkml_reveal::Reveal);
//! ```
//!
//! | test | what must hold |
//! |---|---|
//! | `completeness` | random and edge-case relations are proven; both halves return the same claims, all true, on all inputs |
//! | `costs_and_advice_are_exact` | the proof is as long as predicted, the advice as large as announced |
//! | `soundness_terms_are_sound` | named, finite, negligible error terms |
//! | `determinism` | the same bytes for one thread, two threads, and a second run |
//! | `devices` | the same bytes with a device beside the host; a device that fails is noticed |
//! | `flipped_bytes_are_rejected` | one bit of each byte of a proof is flipped |
//! | `cut_extended_and_reordered_proofs_are_rejected` | other lengths, two elements swapped |
//! | `wrong_statements_are_rejected` | another claim, table, shape or scope, also against a prover that knows of it |
//! | `wrong_witnesses_are_rejected` | a cell of a column or of the advice differs from what was committed to |
//! | `replays_are_rejected` | a proof does not verify behind another transcript prefix |
//! | `counted_operations_are_as_predicted` | with the feature `count-ops`, on one thread: multiplications within 5 % of `cost()` |
//!
//! A protocol that is not written yet declines every relation, and says so in its tests:
//!
//! ```text
//! zkml_testkit::conformance!(declines toy, [Goldilocks, Goldilocks3, Bn254], [Lookup], zkml_toy::Toy);
//! ```
//!
//! | test | what must hold |
//! |---|---|
//! | `every_relation_is_declined` | `supports`, the advice, the prover and the verifier each refuse every relation, with a reason |
//!
//! A proof counts as *accepted* if the verifier returns claims, nothing is left over **and** every claim is true
//! of the committed tensors: this is what a sound opening guarantees. Everything is derived from one seed,
//! which failures print; set `ZKML_TESTKIT_SEED` to try another one and `ZKML_TESTKIT_CASES` for more cases.

use core::fmt;

pub mod cases;
pub mod checks;
pub mod driver;

#[doc(hidden)]
pub use zkml_core as core_crate;

/// Why a protocol does not pass. Its `Debug` form is meant for people: it is what a failing test prints.
pub struct Failure(String);

impl Failure {
    /// A failure with this message; the seed is added to it.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(format!("{message}\n(seed {}, set by ZKML_TESTKIT_SEED)", seed()))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The seed of all random choices: `ZKML_TESTKIT_SEED`, or a fixed one.
pub fn seed() -> u64 {
    from_environment("ZKML_TESTKIT_SEED").unwrap_or(20_261_121)
}

/// Number of random relations per completeness test: `ZKML_TESTKIT_CASES`, or 40.
pub fn case_count() -> usize {
    from_environment("ZKML_TESTKIT_CASES").unwrap_or(40)
}

fn from_environment<T: core::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Generates the whole suite as named `#[test]` functions `name::suite::slot::test`.
///
/// `conformance!(name, [suites], [slots], protocol)`: suites are types of [`zkml_core`] such as `Goldilocks`, slots
/// variants of [`zkml_core::Slot`], and `protocol` an expression whose value implements
/// [`zkml_core::LayerProver`] for each of the suites. It is evaluated once per test; name its types by full path.
/// The calling crate has a feature `count-ops`, which turns on the counters of `zkml-device`.
///
/// `conformance!(declines name, …)` is for a protocol that is not written yet: it passes while every relation is declined.
#[macro_export]
macro_rules! conformance {
    (declines $name:ident, [$($suite:ident),+ $(,)?], $slots:tt, $protocol:expr $(,)?) => {
        #[allow(non_snake_case)]
        mod $name {
            $(mod $suite {
                $crate::conformance!(@declines $suite, $slots, $protocol);
            })+
        }
    };
    ($name:ident, [$($suite:ident),+ $(,)?], $slots:tt, $protocol:expr $(,)?) => {
        #[allow(non_snake_case)]
        mod $name {
            $(mod $suite {
                $crate::conformance!(@slots $suite, $slots, $protocol);
            })+
        }
    };
    (@slots $suite:ident, [$($slot:ident),+ $(,)?], $protocol:expr) => {
        #[test]
        fn advertised_slots() -> Result<(), $crate::Failure> {
            let slots = [$($crate::core_crate::Slot::$slot),+];
            $crate::checks::advertised_slots::<$crate::core_crate::$suite>(&$protocol, &slots)
        }
        $(mod $slot {
            $crate::conformance!(@tests $suite, $slot, $protocol;
                completeness
                costs_and_advice_are_exact
                soundness_terms_are_sound
                determinism
                devices
                flipped_bytes_are_rejected
                cut_extended_and_reordered_proofs_are_rejected
                wrong_statements_are_rejected
                wrong_witnesses_are_rejected
                replays_are_rejected
            );
            #[cfg(feature = "count-ops")]
            $crate::conformance!(@test ($suite, $slot, $protocol) counted_operations_are_as_predicted);
        })+
    };
    (@declines $suite:ident, [$($slot:ident),+ $(,)?], $protocol:expr) => {
        #[test]
        fn advertised_slots() -> Result<(), $crate::Failure> {
            let slots = [$($crate::core_crate::Slot::$slot),+];
            $crate::checks::advertised_slots::<$crate::core_crate::$suite>(&$protocol, &slots)
        }
        $(mod $slot {
            $crate::conformance!(@test ($suite, $slot, $protocol) every_relation_is_declined);
        })+
    };
    (@tests $suite:ident, $slot:ident, $protocol:expr; $($test:ident)+) => {
        $crate::conformance!(@each ($suite, $slot, $protocol) $($test)+);
    };
    (@each $context:tt $($test:ident)+) => {
        $($crate::conformance!(@test $context $test);)+
    };
    (@test ($suite:ident, $slot:ident, $protocol:expr) $test:ident) => {
        #[test]
        fn $test() -> Result<(), $crate::Failure> {
            $crate::checks::$test::<$crate::core_crate::$suite>(&$protocol, $crate::core_crate::Slot::$slot)
        }
    };
}
