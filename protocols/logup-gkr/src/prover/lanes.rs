//! Names for the packed types, and conversions between packed and plain vectors.

use p3_field::{Algebra, ExtensionField, Field, PackedFieldExtension, PackedValue};
use zkml_core::Suite;

/// The packed challenge field: [`width`] elements.
pub(super) type Packed<S> = <<S as Suite>::Challenge as ExtensionField<<S as Suite>::Base>>::ExtensionPacking;

/// What a round computes with: packed or plain challenge-field elements.
pub(super) trait Lanes<F>: Algebra<F> + Copy + Send + Sync {}
impl<F, T: Algebra<F> + Copy + Send + Sync> Lanes<F> for T {}

/// Elements per packed one, a power of two.
pub(super) fn width<S: Suite>() -> usize {
    <S::Base as Field>::Packing::WIDTH
}

/// The elements of packed ones, in order.
pub(super) fn unpack<S: Suite>(packed: &[Packed<S>]) -> Vec<S::Challenge> {
    packed.iter().flat_map(|p| (0..width::<S>()).map(move |lane| p.extract(lane))).collect()
}

/// As [`unpack`], for pairs.
pub(super) fn unpack_pairs<S: Suite>(packed: &[[Packed<S>; 2]]) -> Vec<[S::Challenge; 2]> {
    packed.iter().flat_map(|p| (0..width::<S>()).map(move |lane| p.map(|x| x.extract(lane)))).collect()
}

/// Packs a vector whose length is a multiple of [`width`].
pub(super) fn pack<S: Suite>(values: &[S::Challenge]) -> Vec<Packed<S>> {
    values.chunks_exact(width::<S>()).map(Packed::<S>::from_ext_slice).collect()
}

/// Sum of all lanes.
pub(super) fn sum_lanes<S: Suite>(packed: Packed<S>) -> S::Challenge {
    (0..width::<S>()).map(|lane| packed.extract(lane)).sum()
}
