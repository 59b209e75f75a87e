//! Where each cell of a lookup sits among the leaves.

use p3_field::Field;
use zkml_core::shape::{MAX_VARIABLES, log2_ceil};
use zkml_core::{AdviceSpec, Block, Instance, Lookup, Relation, Shape, mle};

/// One aligned block of one tuple, and its place among the leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafBlock {
    /// Position of the tuple in [`Lookup::tuples`].
    pub tuple: usize,
    /// The part of the tuple's shape.
    pub block: Block,
    /// Index of its first leaf, a multiple of its size.
    pub start: usize,
}

impl LeafBlock {
    /// The block's own coordinates: the trailing ones of a leaf point.
    pub fn own_point<'p, F>(&self, point: &'p [F]) -> &'p [F] {
        point.get(point.len().saturating_sub(self.block.variables())..).unwrap_or(&[])
    }

    /// `eq` of the block's index and the leading coordinates of a leaf point.
    pub fn weight<F: Field>(&self, point: &[F]) -> F {
        let variables = self.block.variables();
        let prefix = point.get(..point.len().saturating_sub(variables)).unwrap_or(&[]);
        let index = self.start >> variables;
        let bits = prefix.iter().rev().enumerate();
        bits.map(|(i, &z)| if index >> i & 1 == 1 { z } else { F::ONE - z }).product()
    }
}

/// The leaf layout of a lookup (see the [module documentation](super)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    blocks: Vec<LeafBlock>,
    shapes: Vec<Shape>,
    leaves: usize,
    width: usize,
    table_variables: usize,
}

impl Layout {
    /// The layout of the instance's lookup, or why there is none: another relation, no tuple, a tuple of the wrong
    /// width or of tensors of different shapes, a malformed table, too many cells.
    pub fn new(instance: &Instance<'_>) -> Result<Self, String> {
        let lookup = lookup(instance).ok_or("it is not a lookup")?;
        if !lookup.table.is_well_formed() {
            return Err(format!("the table `{}` is malformed", lookup.table.name()));
        }
        let width = lookup.table.width();
        let mut shapes = Vec::with_capacity(lookup.tuples.len());
        for (position, tuple) in lookup.tuples.iter().enumerate() {
            let first = tuple.first().ok_or_else(|| format!("tuple {position} has no column"))?;
            let shape = instance.shape(*first);
            if tuple.len() != width {
                return Err(format!("tuple {position} has {} columns, the table {width}", tuple.len()));
            }
            if tuple.iter().any(|&t| instance.shape(t) != shape) {
                return Err(format!("the columns of tuple {position} differ in shape"));
            }
            shapes.push(shape);
        }
        let leaves = shapes.iter().try_fold(0_usize, |sum, shape| sum.checked_add(shape.cells()));
        let leaves = leaves.filter(|&n| n <= 1 << MAX_VARIABLES).ok_or("it has too many cells")?;
        if leaves == 0 {
            return Err("it has no tuple".to_owned());
        }
        let blocks = stack(&shapes);
        Ok(Self { blocks, shapes, leaves, width, table_variables: lookup.table.variables() })
    }

    /// The blocks, largest first: also their order among the leaves.
    pub fn blocks(&self) -> &[LeafBlock] {
        &self.blocks
    }

    /// The shape of each tuple's tensors.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// Number of witness leaves (true cells), at least one.
    pub fn leaves(&self) -> usize {
        self.leaves
    }

    /// Depth of the witness tree: `⌈log2(leaves)⌉`.
    pub fn variables(&self) -> usize {
        log2_ceil(self.leaves)
    }

    /// Depth of the table tree, which has `2^table_variables` leaves.
    pub fn table_variables(&self) -> usize {
        self.table_variables
    }

    /// Columns per row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Extension of the witness numerators (1 on the stored leaves, 0 on the tail) at a leaf point.
    pub fn numerator<F: Field>(&self, point: &[F]) -> F {
        mle::prefix_indicator(point, self.leaves)
    }
}

/// The instance's lookup; `None` for another relation.
pub fn lookup<'a>(instance: &Instance<'a>) -> Option<&'a Lookup> {
    match instance.relation {
        Relation::Lookup(lookup) => Some(lookup),
        Relation::Einsum(_) | Relation::Affine(_) | Relation::View(_) => None,
    }
}

/// The advice of every fractional lookup: the multiplicities, one per table row. Empty for another relation.
pub fn advice_specs(instance: &Instance<'_>) -> Vec<AdviceSpec> {
    let shape = lookup(instance).and_then(|l| Shape::new([l.table.rows()]));
    shape.map(|shape| AdviceSpec { name: "multiplicities".to_owned(), shape }).into_iter().collect()
}

/// Stacks the blocks of all shapes, largest first; equally large ones keep their order.
fn stack(shapes: &[Shape]) -> Vec<LeafBlock> {
    let mut blocks: Vec<LeafBlock> = shapes
        .iter()
        .enumerate()
        .flat_map(|(tuple, shape)| shape.blocks().into_iter().map(move |block| LeafBlock { tuple, block, start: 0 }))
        .collect();
    blocks.sort_by_key(|b| core::cmp::Reverse(b.block.variables()));
    let mut start = 0;
    for block in &mut blocks {
        block.start = start;
        start += block.block.cells();
    }
    blocks
}
