//! From an experiment file to measured, checked cells: everything of the workbench but its terminal.
//!
//! [`spec`] reads a file and its overrides, [`plan`] lowers and predicts every cell, [`job`] is what one of them needs to run
//! anywhere, [`cell`] proves and measures it, [`verify`] and [`tamper`] check its proof from bytes. Protocols and suites are compiled for each other
//! here, once; the crates above only name them.

pub mod catalogue;
pub mod cell;
pub mod data;
pub mod devices;
pub mod environment;
pub mod evaluate;
pub mod exit;
pub mod generated;
pub mod job;
pub mod kernels;
pub mod layers;
pub mod locate;
pub mod machine;
pub mod network;
pub mod plan;
pub mod prepared;
pub mod spec;
pub mod suites;
pub mod tamper;
pub mod verify;
