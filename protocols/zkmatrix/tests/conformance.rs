//! The suite that every protocol passes.

zkml_testkit::conformance!(zkmatrix, [Bn254], [Einsum], zkml_zkmatrix::ZkMatrix);
