//! Shapes of tensors, and how a shape that is not a power of two splits into aligned blocks.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Largest number of variables of one tensor; keeps every index in a `usize` and every loop bounded.
pub const MAX_VARIABLES: usize = 40;
/// Largest number of axes of one tensor.
pub const MAX_AXES: usize = 16;

/// The true (unpadded) axis lengths of a tensor. A scalar has no axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct Shape(Vec<usize>);

impl TryFrom<Vec<usize>> for Shape {
    type Error = &'static str;

    fn try_from(dims: Vec<usize>) -> Result<Self, Self::Error> {
        Self::new(dims).ok_or("a shape with an empty axis or too many cells")
    }
}

impl From<Shape> for Vec<usize> {
    fn from(shape: Shape) -> Self {
        shape.0
    }
}

/// An aligned sub-cube of the padded index space that lies wholly inside the true shape.
///
/// Axis `a` covers `offset[a] .. offset[a] + 2^log_len[a]`, and `offset[a]` is a multiple of that length. So a
/// block's multilinear extension at `y` is the tensor's at the point whose leading coordinates on each axis
/// are the bits of the offset and whose trailing ones are `y`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Block {
    /// First index on each axis.
    pub offset: Vec<usize>,
    /// Base-two logarithm of the length on each axis.
    pub log_len: Vec<usize>,
}

impl Shape {
    /// A shape with the given axis lengths; `None` if an axis is empty, if there are more than [`MAX_AXES`], or
    /// if the tensor is larger than `2^MAX_VARIABLES` cells after padding.
    pub fn new(dims: impl Into<Vec<usize>>) -> Option<Self> {
        let dims = dims.into();
        if dims.len() > MAX_AXES {
            return None;
        }
        let variables = dims.iter().try_fold(0_usize, |sum, &n| {
            if n == 0 || n > 1 << MAX_VARIABLES {
                return None;
            }
            Some(sum + log2_ceil(n))
        })?;
        (variables <= MAX_VARIABLES).then_some(Self(dims))
    }

    /// The shape without axes: one cell.
    pub fn scalar() -> Self {
        Self(Vec::new())
    }

    /// Axis lengths.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// Number of true cells.
    pub fn cells(&self) -> usize {
        self.0.iter().product()
    }

    /// Variables of each axis: `ceil(log2(length))`.
    pub fn axis_variables(&self) -> Vec<usize> {
        self.0.iter().map(|&n| log2_ceil(n)).collect()
    }

    /// Variables of the multilinear extension.
    pub fn variables(&self) -> usize {
        self.axis_variables().iter().sum()
    }

    /// True if no axis needs padding.
    pub fn is_power_of_two(&self) -> bool {
        self.0.iter().all(|n| n.is_power_of_two())
    }

    /// Number of [`Shape::blocks`]: the product of the axes' set bits.
    pub fn block_count(&self) -> usize {
        self.0.iter().map(|n| n.count_ones() as usize).fold(1, usize::saturating_mul)
    }

    /// The aligned blocks that partition the true shape, in row-major order of their offsets.
    ///
    /// An axis of length `n` splits into one run per set bit of `n`, largest first: 384 = 256 + 128.
    ///
    /// ```
    /// let shape = zkml_core::Shape::new([64, 384]).unwrap();
    /// let blocks = shape.blocks();
    /// assert_eq!(blocks.len(), 2);
    /// assert_eq!((blocks[1].offset.as_slice(), blocks[1].log_len.as_slice()), (&[0, 256][..], &[6, 7][..]));
    /// ```
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = vec![Block { offset: Vec::new(), log_len: Vec::new() }];
        for &n in &self.0 {
            let runs = axis_runs(n);
            blocks = blocks
                .iter()
                .flat_map(|block| {
                    runs.iter().map(move |&(offset, log_len)| {
                        let mut next = block.clone();
                        next.offset.push(offset);
                        next.log_len.push(log_len);
                        next
                    })
                })
                .collect();
        }
        blocks
    }
}

impl Block {
    /// Number of variables of the block.
    pub fn variables(&self) -> usize {
        self.log_len.iter().sum()
    }

    /// Number of cells of the block.
    pub fn cells(&self) -> usize {
        1 << self.variables()
    }

    /// Flat row-major indices, into the true shape, of the block's cells in the block's row-major order.
    pub fn indices(&self, shape: &Shape) -> Vec<usize> {
        let mut indices = vec![0];
        for (axis, &n) in shape.dims().iter().enumerate() {
            let offset = self.offset.get(axis).copied().unwrap_or(0);
            let len = 1_usize << self.log_len.get(axis).copied().unwrap_or(0);
            indices = indices.iter().flat_map(|&base| (0..len).map(move |i| base * n + offset + i)).collect();
        }
        indices
    }

    /// The tensor's point that a block's point stands for; `None` if the number of coordinates is wrong.
    pub fn lift<F: p3_field::Field>(&self, shape: &Shape, point: &[F]) -> Option<Vec<F>> {
        if point.len() != self.variables() {
            return None;
        }
        let mut rest = point;
        let mut lifted = Vec::with_capacity(shape.variables());
        for (axis, variables) in shape.axis_variables().into_iter().enumerate() {
            let log_len = *self.log_len.get(axis)?;
            let offset = *self.offset.get(axis)?;
            for bit in (log_len..variables).rev() {
                lifted.push(F::from_bool(offset >> bit & 1 == 1));
            }
            let (head, tail) = rest.split_at_checked(log_len)?;
            lifted.extend_from_slice(head);
            rest = tail;
        }
        Some(lifted)
    }

    /// Splits a point of the tensor at this block: the weight `eq(offset bits, leading coordinates)` and the
    /// block's own coordinates. The tensor's extension is the sum over its blocks of weight × block value.
    pub fn restrict<F: p3_field::Field>(&self, shape: &Shape, point: &[F]) -> Option<(F, Vec<F>)> {
        if point.len() != shape.variables() {
            return None;
        }
        let mut rest = point;
        let (mut weight, mut own) = (F::ONE, Vec::with_capacity(self.variables()));
        for (axis, variables) in shape.axis_variables().into_iter().enumerate() {
            let log_len = *self.log_len.get(axis)?;
            let offset = *self.offset.get(axis)?;
            let (head, tail) = rest.split_at_checked(variables)?;
            let (prefix, suffix) = head.split_at_checked(variables.checked_sub(log_len)?)?;
            for (i, &r) in prefix.iter().enumerate() {
                let bit = offset >> (variables - 1 - i) & 1 == 1;
                weight *= if bit { r } else { F::ONE - r };
            }
            own.extend_from_slice(suffix);
            rest = tail;
        }
        Some((weight, own))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "[{}]", dims.join(", "))
    }
}

/// `ceil(log2(n))`, with 0 for `n <= 1`.
pub fn log2_ceil(n: usize) -> usize {
    n.next_power_of_two().trailing_zeros() as usize
}

/// The aligned power-of-two runs `(offset, log_len)` that partition `0..n`, largest first.
fn axis_runs(n: usize) -> Vec<(usize, usize)> {
    let mut offset = 0;
    let mut runs = Vec::new();
    for bit in (0..usize::BITS as usize).rev() {
        if n >> bit & 1 == 1 {
            runs.push((offset, bit));
            offset += 1 << bit;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use p3_field::PrimeCharacteristicRing;
    use p3_goldilocks::Goldilocks as F;

    use super::*;

    #[test]
    fn blocks_partition_the_shape() {
        for dims in [vec![], vec![1], vec![5], vec![64, 384], vec![3, 5, 7]] {
            let shape = Shape::new(dims).unwrap();
            let mut seen: Vec<usize> = shape.blocks().iter().flat_map(|b| b.indices(&shape)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..shape.cells()).collect::<Vec<_>>(), "{shape}");
            assert_eq!(shape.blocks().len(), shape.block_count());
        }
    }

    #[test]
    fn lifting_then_restricting_gives_the_point_back_with_weight_one() {
        let shape = Shape::new([3, 6]).unwrap();
        for block in shape.blocks() {
            let point: Vec<F> = (0..block.variables()).map(|i| F::from_usize(7 + i)).collect();
            let lifted = block.lift(&shape, &point).unwrap();
            for other in shape.blocks() {
                let (weight, own) = other.restrict(&shape, &lifted).unwrap();
                if other == block {
                    assert_eq!((weight, own), (F::ONE, point.clone()));
                }
            }
        }
    }

    #[test]
    fn impossible_shapes_are_refused() {
        assert!(Shape::new([0]).is_none());
        assert!(Shape::new([1 << 21, 1 << 21]).is_none());
        assert!(Shape::new([1; MAX_AXES + 1]).is_none());
    }
}
