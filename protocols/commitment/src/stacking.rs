//! Where the cells of many tensors lie in the one vector that is committed.
//!
//! Every shape splits into aligned power-of-two blocks ([`Shape::blocks`]). All blocks of all tensors are sorted by
//! size, largest first (ties: tensor order, then block order), and laid out one after the other. So every block
//! starts at a multiple of its own length: it is an aligned sub-cube of the stacked index space, and its
//! multilinear extension at `y` is the stacked polynomial's at `(bits of the offset, y)`. Cells beyond the last
//! block are committed as zero and no claim ever refers to them.

use core::ops::RangeInclusive;

use zkml_core::{Block, Shape};

/// One block of one tensor in the stacked vector.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// Position of the tensor in the list of shapes.
    pub(crate) tensor: usize,
    /// The block.
    pub(crate) block: Block,
    /// First cell in the stacked vector, a multiple of the block's length.
    pub(crate) offset: usize,
    /// Base-two logarithm of the block's length.
    pub(crate) variables: usize,
}

/// The layout of one commitment, computed alike by prover and verifier from the shapes alone.
#[derive(Clone, Debug)]
pub(crate) struct Stacking {
    /// The shapes, in the caller's order.
    pub(crate) shapes: Vec<Shape>,
    /// All blocks, largest first.
    pub(crate) slots: Vec<Slot>,
    /// For each tensor, the positions of its blocks in `slots`, in block order.
    pub(crate) of_tensor: Vec<Vec<usize>>,
    /// Variables of the stacked polynomial.
    pub(crate) variables: usize,
}

impl Stacking {
    /// Lays out tensors of these shapes for a scheme that commits to polynomials of `sizes` variables: smaller ones
    /// are padded with zeros. Errors, in words, if there is no tensor or they have too many cells.
    pub(crate) fn new(shapes: &[Shape], sizes: &RangeInclusive<usize>) -> Result<Self, String> {
        let most = *sizes.end();
        let limit = 1_usize << most;
        let cells = shapes.iter().try_fold(0_usize, |sum, shape| {
            sum.checked_add(shape.cells()).filter(|&cells| cells <= limit).ok_or_else(|| {
                format!("the tensors of one commitment have more than 2^{most} cells; commit to them in parts")
            })
        })?;
        if cells == 0 {
            return Err("a commitment needs at least one tensor".to_owned());
        }
        let mut slots: Vec<Slot> = Vec::new();
        for (tensor, shape) in shapes.iter().enumerate() {
            slots.extend(shape.blocks().into_iter().map(|block| {
                let variables = block.variables();
                Slot { tensor, block, offset: 0, variables }
            }));
        }
        // The sort is stable: ties keep tensor order, then block order.
        slots.sort_by_key(|slot| core::cmp::Reverse(slot.variables));
        let mut of_tensor = vec![Vec::new(); shapes.len()];
        let mut offset = 0;
        for (position, slot) in slots.iter_mut().enumerate() {
            slot.offset = offset;
            offset += 1 << slot.variables;
            if let Some(own) = of_tensor.get_mut(slot.tensor) {
                own.push(position);
            }
        }
        let variables = (cells.next_power_of_two().trailing_zeros() as usize).max(*sizes.start());
        Ok(Self { shapes: shapes.to_vec(), slots, of_tensor, variables })
    }

    /// The bits of a slot's offset that address it in the stacked polynomial, most significant first, as field
    /// elements: the leading coordinates of every claim on the slot.
    pub(crate) fn prefix<F: p3_field::Field>(&self, slot: &Slot) -> impl Iterator<Item = F> + use<F> {
        let (offset, low, high) = (slot.offset, slot.variables, self.variables);
        (low..high).rev().map(move |bit| F::from_bool(offset >> bit & 1 == 1))
    }
}

#[cfg(feature = "prover")]
mod fill {
    use p3_field::PrimeCharacteristicRing;
    use rayon::prelude::*;
    use zkml_core::{Block, Shape, Suite};
    use zkml_device::{Column, with_column};

    use super::{Slot, Stacking};

    /// Runs shorter than this are copied several to a task.
    const CELLS_PER_TASK: usize = 1 << 12;

    impl Stacking {
        /// The stacked vector. `None` if a column has another number of cells than its shape.
        pub(crate) fn fill<S: Suite>(&self, columns: &[std::sync::Arc<Column>]) -> Option<Vec<S::Base>> {
            let fits = columns.len() == self.shapes.len()
                && columns.iter().zip(&self.shapes).all(|(column, shape)| column.len() == shape.cells());
            if !fits {
                return None;
            }
            let mut stacked = S::Base::zero_vec(1 << self.variables);
            let mut rest = stacked.as_mut_slice();
            for slot in &self.slots {
                let (own, tail) = rest.split_at_mut(1 << slot.variables);
                rest = tail;
                let (shape, column) = (&self.shapes[slot.tensor], columns[slot.tensor].as_ref());
                with_column!(column, values => copy_block::<S, _>(shape, slot, values, own));
            }
            Some(stacked)
        }
    }

    /// Copies one block of a row-major tensor, run by run along the last axis.
    fn copy_block<S: Suite, I: Copy + Into<i64> + Sync>(shape: &Shape, slot: &Slot, values: &[I], out: &mut [S::Base]) {
        let Some((&row_length, outer)) = shape.dims().split_last() else {
            out[0] = S::from_i64(values[0].into());
            return;
        };
        let axis = outer.len();
        let (first, run) = (slot.block.offset[axis], 1 << slot.block.log_len[axis]);
        let rows = Block { offset: slot.block.offset[..axis].to_vec(), log_len: slot.block.log_len[..axis].to_vec() };
        let rows = Shape::new(outer).map(|outer| rows.indices(&outer)).unwrap_or_default();
        let rows_per_task = (CELLS_PER_TASK / run).max(1);
        out.par_chunks_mut(run * rows_per_task).zip(rows.par_chunks(rows_per_task)).for_each(|(out, rows)| {
            for (out, &row) in out.chunks_mut(run).zip(rows) {
                let source = &values[row * row_length + first..][..run];
                out.iter_mut().zip(source).for_each(|(out, &value)| *out = S::from_i64(value.into()));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: RangeInclusive<usize> = 6..=32;

    #[test]
    fn slots_are_aligned_disjoint_and_cover_every_cell() {
        let shapes: Vec<Shape> =
            [vec![], vec![3, 5, 7], vec![64, 384], vec![1]].into_iter().map(|d| Shape::new(d).unwrap()).collect();
        let stacking = Stacking::new(&shapes, &SIZES).unwrap();
        let mut end = 0;
        for slot in &stacking.slots {
            assert_eq!(slot.offset, end);
            assert_eq!(slot.offset % (1 << slot.variables), 0);
            end += 1 << slot.variables;
        }
        assert_eq!(end, shapes.iter().map(Shape::cells).sum::<usize>());
        assert_eq!(stacking.variables, 15);
        assert_eq!(stacking.of_tensor.iter().map(Vec::len).collect::<Vec<_>>(), [1, 12, 2, 1]);
    }

    #[test]
    fn small_commitments_are_raised_and_huge_ones_refused() {
        assert_eq!(Stacking::new(&[Shape::scalar()], &SIZES).unwrap().variables, 6);
        assert!(Stacking::new(&[], &SIZES).is_err());
        let huge = Shape::new([1 << 39]).unwrap();
        assert!(Stacking::new(&[huge], &SIZES).is_err());
    }
}
