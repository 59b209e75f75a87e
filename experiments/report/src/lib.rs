//! What people look at: pictures, pages and tables made from the results of runs.
//!
//! Everything here reads [`zkml_results`] and proves nothing.

pub mod tidy;
