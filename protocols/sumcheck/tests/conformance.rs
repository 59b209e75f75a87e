//! The conformance and tamper suite.

zkml_testkit::conformance!(sumcheck, [Goldilocks, Goldilocks3, Bn254], [Einsum], zkml_sumcheck::Sumcheck);
