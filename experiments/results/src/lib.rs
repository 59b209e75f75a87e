//! What an experiment leaves behind: records, their numbers, and the folders they lie in.
//!
//! Whatever shows results (tables, reports, comparisons, notebooks) reads them from here, and needs no prover.

pub mod advice;
pub mod clock;
pub mod environment;
pub mod lock;
pub mod metrics;
pub mod planned;
pub mod record;
pub mod stats;
pub mod store;
pub mod verdict;
