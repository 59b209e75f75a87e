//! The workbench's conformance and tamper suite.

zkml_testkit::conformance!(logup_gkr, [Goldilocks, Goldilocks3, Bn254], [Lookup], zkml_logup_gkr::LogupGkr);
