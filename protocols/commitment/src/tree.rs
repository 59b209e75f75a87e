//! Merkle trees over BLAKE3, shared between openings.
//!
//! The library's opening consumes what the commitment kept. A commitment in the keys is opened by every proof, so the
//! tree and the code word lie behind a pointer that is cheap to clone. Everything else is the library's tree.

use std::sync::Arc;

use p3_blake3::Blake3;
use p3_commit::{BatchOpening, BatchOpeningRef, Mmcs};
use p3_goldilocks::Goldilocks as Felt;
use p3_matrix::{Dimensions, Matrix};
use p3_merkle_tree::MerkleTreeMmcs;
use p3_symmetric::{CompressionFunctionFromHasher, MerkleCap, SerializingHasher};

/// Bytes of a Merkle root.
pub(crate) const ROOT_BYTES: usize = 32;

/// A Merkle root.
pub(crate) type Root = MerkleCap<Felt, [u8; ROOT_BYTES]>;
/// The digests that authenticate all queried rows of one tree.
pub(crate) type SiblingHashes = <Inner as Mmcs<Felt>>::MultiProof;

type Compression = CompressionFunctionFromHasher<Blake3, 2, ROOT_BYTES>;
type Inner = MerkleTreeMmcs<Felt, u8, SerializingHasher<Blake3>, Compression, 2, ROOT_BYTES>;

/// The tree scheme.
#[derive(Clone, Debug)]
pub(crate) struct Tree(Inner);

impl Default for Tree {
    fn default() -> Self {
        Self(Inner::new(SerializingHasher::new(Blake3), Compression::new(Blake3), 0))
    }
}

impl Mmcs<Felt> for Tree {
    type ProverData<M> = Arc<<Inner as Mmcs<Felt>>::ProverData<M>>;
    type Commitment = Root;
    type Proof = <Inner as Mmcs<Felt>>::Proof;
    type MultiProof = SiblingHashes;
    type Error = <Inner as Mmcs<Felt>>::Error;

    fn commit<M: Matrix<Felt>>(&self, inputs: Vec<M>) -> (Root, Self::ProverData<M>) {
        let (root, data) = self.0.commit(inputs);
        (root, Arc::new(data))
    }

    fn open_batch<M: Matrix<Felt>>(&self, index: usize, data: &Self::ProverData<M>) -> BatchOpening<Felt, Self> {
        let (values, proof) = self.0.open_batch(index, data.as_ref()).unpack();
        BatchOpening::new(values, proof)
    }

    fn get_matrices<'a, M: Matrix<Felt>>(&self, data: &'a Self::ProverData<M>) -> Vec<&'a M> {
        self.0.get_matrices(data.as_ref())
    }

    fn verify_batch(
        &self,
        root: &Root,
        dimensions: &[Dimensions],
        index: usize,
        opening: BatchOpeningRef<'_, Felt, Self>,
    ) -> Result<(), Self::Error> {
        let opening = BatchOpeningRef::new(opening.opened_values, opening.opening_proof);
        self.0.verify_batch(root, dimensions, index, opening)
    }

    fn open_multi_batch<M: Matrix<Felt>>(
        &self,
        indices: &[usize],
        data: &Self::ProverData<M>,
    ) -> (Vec<Vec<Vec<Felt>>>, SiblingHashes) {
        self.0.open_multi_batch(indices, data.as_ref())
    }

    fn verify_multi_batch<R: AsRef<[Felt]> + PartialEq>(
        &self,
        root: &Root,
        dimensions: &[Dimensions],
        indices: &[usize],
        rows: &[Vec<R>],
        proof: &SiblingHashes,
    ) -> Result<(), Self::Error> {
        self.0.verify_multi_batch(root, dimensions, indices, rows, proof)
    }
}
