//! Micro-benchmarks of the protocols: see `benches/`. Cargo wants a library beside them.
