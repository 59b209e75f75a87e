//! Field and group operations done so far, for checking the predicted costs.
//!
//! Hot loops call these next to the loop they describe, once per loop and not once per element. Without
//! the feature `count-ops` the calls compile to nothing and [`snapshot`] returns zeros.

use serde::{Deserialize, Serialize};

/// Numbers of operations. One field "operation" is one multiplication; additions are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operations {
    /// Extension × extension multiplications (squarings included).
    pub ext_mul: u64,
    /// Base × extension (or small integer × extension) multiplications.
    pub base_ext_mul: u64,
    /// Base × base multiplications.
    pub base_mul: u64,
    /// Terms of multi-scalar multiplications, single multiples included, in the first source group of a pairing.
    #[serde(default)]
    pub first_terms: u64,
    /// The same in the second source group.
    #[serde(default)]
    pub second_terms: u64,
    /// Pairs in products of pairings.
    #[serde(default)]
    pub pairings: u64,
}

#[cfg(feature = "count-ops")]
mod counters {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    pub(super) static EXT: AtomicU64 = AtomicU64::new(0);
    pub(super) static BASE_EXT: AtomicU64 = AtomicU64::new(0);
    pub(super) static BASE: AtomicU64 = AtomicU64::new(0);
    pub(super) static FIRST: AtomicU64 = AtomicU64::new(0);
    pub(super) static SECOND: AtomicU64 = AtomicU64::new(0);
    pub(super) static PAIRINGS: AtomicU64 = AtomicU64::new(0);

    pub(super) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Relaxed);
    }
}

/// True in the counting build.
pub const ENABLED: bool = cfg!(feature = "count-ops");

/// Records `n` extension × extension multiplications.
#[inline]
pub fn ext_mul(n: usize) {
    #[cfg(feature = "count-ops")]
    counters::add(&counters::EXT, n);
    #[cfg(not(feature = "count-ops"))]
    let _ = n;
}

/// Records `n` base × extension multiplications.
#[inline]
pub fn base_ext_mul(n: usize) {
    #[cfg(feature = "count-ops")]
    counters::add(&counters::BASE_EXT, n);
    #[cfg(not(feature = "count-ops"))]
    let _ = n;
}

/// Records `n` base × base multiplications.
#[inline]
pub fn base_mul(n: usize) {
    #[cfg(feature = "count-ops")]
    counters::add(&counters::BASE, n);
    #[cfg(not(feature = "count-ops"))]
    let _ = n;
}

/// Records `n` terms of multi-scalar multiplications in the first source group.
#[inline]
pub fn first_terms(n: usize) {
    #[cfg(feature = "count-ops")]
    counters::add(&counters::FIRST, n);
    #[cfg(not(feature = "count-ops"))]
    let _ = n;
}

/// Records `n` terms of multi-scalar multiplications in the second source group.
#[inline]
pub fn second_terms(n: usize) {
    #[cfg(feature = "count-ops")]
    counters::add(&counters::SECOND, n);
    #[cfg(not(feature = "count-ops"))]
    let _ = n;
}

/// Records `n` pairs in products of pairings.
#[inline]
pub fn pairings(n: usize) {
    #[cfg(feature = "count-ops")]
    counters::add(&counters::PAIRINGS, n);
    #[cfg(not(feature = "count-ops"))]
    let _ = n;
}

/// The operations recorded since the program started (all threads).
pub fn snapshot() -> Operations {
    #[cfg(feature = "count-ops")]
    {
        use std::sync::atomic::Ordering::Relaxed;
        Operations {
            ext_mul: counters::EXT.load(Relaxed),
            base_ext_mul: counters::BASE_EXT.load(Relaxed),
            base_mul: counters::BASE.load(Relaxed),
            first_terms: counters::FIRST.load(Relaxed),
            second_terms: counters::SECOND.load(Relaxed),
            pairings: counters::PAIRINGS.load(Relaxed),
        }
    }
    #[cfg(not(feature = "count-ops"))]
    Operations::default()
}

impl Operations {
    /// Operations between two snapshots.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            ext_mul: self.ext_mul.saturating_sub(earlier.ext_mul),
            base_ext_mul: self.base_ext_mul.saturating_sub(earlier.base_ext_mul),
            base_mul: self.base_mul.saturating_sub(earlier.base_mul),
            first_terms: self.first_terms.saturating_sub(earlier.first_terms),
            second_terms: self.second_terms.saturating_sub(earlier.second_terms),
            pairings: self.pairings.saturating_sub(earlier.pairings),
        }
    }

    /// Sum of two tallies.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            ext_mul: self.ext_mul + other.ext_mul,
            base_ext_mul: self.base_ext_mul + other.base_ext_mul,
            base_mul: self.base_mul + other.base_mul,
            first_terms: self.first_terms + other.first_terms,
            second_terms: self.second_terms + other.second_terms,
            pairings: self.pairings + other.pairings,
        }
    }

    /// The field work in units of one extension multiplication: base × extension counts one half, base × base
    /// one quarter (the measured ratios for Goldilocks and its quadratic extension).
    pub fn ext_equivalents(self) -> f64 {
        self.ext_mul as f64 + 0.5 * self.base_ext_mul as f64 + 0.25 * self.base_mul as f64
    }
}
