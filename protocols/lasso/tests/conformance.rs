//! The workbench's conformance and tamper suite, for every memory check and number of chunks.

use zkml_lasso::{Chunks, Lasso, MemoryCheck};

zkml_testkit::conformance!(lasso, [Goldilocks, Goldilocks3, Bn254], [Lookup], zkml_lasso::Lasso::default());
zkml_testkit::conformance!(
    lasso_logup,
    [Goldilocks, Goldilocks3, Bn254],
    [Lookup],
    crate::with(zkml_lasso::Chunks::Auto, zkml_lasso::MemoryCheck::Logup)
);
zkml_testkit::conformance!(
    lasso_one_chunk,
    [Goldilocks],
    [Lookup],
    crate::with(zkml_lasso::Chunks::Exactly(1), zkml_lasso::MemoryCheck::GrandProduct)
);
zkml_testkit::conformance!(
    lasso_two_chunks,
    [Goldilocks, Goldilocks3, Bn254],
    [Lookup],
    crate::with(zkml_lasso::Chunks::Exactly(2), zkml_lasso::MemoryCheck::GrandProduct)
);
zkml_testkit::conformance!(
    lasso_two_chunks_logup,
    [Goldilocks],
    [Lookup],
    crate::with(zkml_lasso::Chunks::Exactly(2), zkml_lasso::MemoryCheck::Logup)
);
zkml_testkit::conformance!(
    lasso_three_chunks,
    [Goldilocks],
    [Lookup],
    crate::with(zkml_lasso::Chunks::Exactly(3), zkml_lasso::MemoryCheck::GrandProduct)
);

fn with(chunks: Chunks, check: MemoryCheck) -> Lasso {
    Lasso::new(chunks, check)
}
