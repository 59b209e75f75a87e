//! The suite that every protocol passes, for every form.

zkml_testkit::conformance!(
    square,
    [Goldilocks, Goldilocks3, Bn254],
    [Einsum, Lookup],
    zkml_logkr::LogKr::new(zkml_logkr::Form::Square)
);
zkml_testkit::conformance!(
    half_square,
    [Goldilocks],
    [Einsum, Lookup],
    zkml_logkr::LogKr::new(zkml_logkr::Form::HalfSquare)
);
zkml_testkit::conformance!(
    product,
    [Goldilocks, Bn254],
    [Einsum, Lookup],
    zkml_logkr::LogKr::new(zkml_logkr::Form::Product)
);
