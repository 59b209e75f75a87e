//! The suite that every protocol passes.

zkml_testkit::conformance!(reveal, [Goldilocks, Goldilocks3, Bn254], [Einsum, Lookup], zkml_reveal::Reveal);
