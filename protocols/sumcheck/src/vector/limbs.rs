//! Small integers times extension elements with unreduced accumulation.
