//! The conformance and tamper suite.

zkml_testkit::conformance!(sumcheck, [Goldilocks, Goldilocks3], [Einsum], zkml_sumcheck::Sumcheck);
