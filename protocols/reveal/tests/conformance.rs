//! The suite that every protocol passes.

zkml_testkit::conformance!(reveal, [Goldilocks, Goldilocks3], [Einsum, Lookup], zkml_reveal::Reveal);
