//! The relations, recomputed from revealed values.

use std::collections::{BTreeMap, HashSet};

use p3_field::PrimeCharacteristicRing;
use zkml_core::{Einsum, Instance, Lookup, Relation, Suite, Table, TensorId, mle};

/// Base-two logarithm of the work of recomputing: products of an einsum, or entries of columns and table.
/// `None` if the shapes do not fit together.
pub(crate) fn log_terms(instance: &Instance<'_>) -> Option<f64> {
    match instance.relation {
        Relation::Einsum(einsum) => {
            let lengths = lengths(instance, einsum)?;
            Some(lengths.values().map(|&n| (n as f64).log2()).sum())
        }
        Relation::Lookup(lookup) => {
            let entries = lookup.tuples.iter().flatten().map(|&t| instance.shape(t).cells() as f64);
            Some((entries.sum::<f64>() + lookup.table.rows() as f64 * lookup.table.width() as f64).log2())
        }
        Relation::Affine(_) | Relation::View(_) => None,
    }
}

/// Axis length of every index letter; `None` if operands or output contradict each other.
fn lengths(instance: &Instance<'_>, einsum: &Einsum) -> Option<BTreeMap<char, usize>> {
    let mut lengths = BTreeMap::new();
    for operand in &einsum.operands {
        let shape = instance.shape(operand.tensor);
        if shape.dims().len() != operand.indices.len() {
            return None;
        }
        for (&index, &n) in operand.indices.iter().zip(shape.dims()) {
            if *lengths.entry(index).or_insert(n) != n {
                return None;
            }
        }
    }
    let output = einsum.output_indices.iter().map(|index| lengths.get(index).copied()).collect::<Option<Vec<_>>>()?;
    (output == instance.shape(einsum.output).dims() && !einsum.operands.is_empty()).then_some(lengths)
}

/// The nest of loops over all indices, the output's outermost.
struct Loops {
    /// Length of each loop.
    lengths: Vec<usize>,
    /// `strides[loop][operand]`: how far one step moves in the operand's values.
    strides: Vec<Vec<usize>>,
    /// How many of the loops run over the output.
    outer: usize,
}

impl Loops {
    fn new(einsum: &Einsum, lengths: &BTreeMap<char, usize>) -> Option<Self> {
        let indices = einsum.all_indices();
        let strides = indices
            .iter()
            .map(|index| einsum.operands.iter().map(|operand| stride(&operand.indices, *index, lengths)).collect());
        let loop_lengths: Option<Vec<usize>> = indices.iter().map(|index| lengths.get(index).copied()).collect();
        Some(Self { strides: strides.collect(), lengths: loop_lengths?, outer: einsum.output_indices.len() })
    }
}

/// Distance in a row-major tensor between neighbours along `index`; 0 if it has no such axis.
fn stride(own: &[char], index: char, lengths: &BTreeMap<char, usize>) -> usize {
    match own.iter().position(|&c| c == index) {
        Some(axis) => own.iter().skip(axis + 1).filter_map(|c| lengths.get(c)).product(),
        None => 0,
    }
}

/// The extension of the einsum's output at `point`, from the operands' values. `None` if the shapes do not fit.
pub(crate) fn einsum_at<'v, S: Suite>(
    instance: &Instance<'_>,
    einsum: &Einsum,
    point: &[S::Challenge],
    column: impl Fn(TensorId) -> Option<&'v [i64]>,
) -> Option<S::Challenge> {
    let lengths = lengths(instance, einsum)?;
    let loops = Loops::new(einsum, &lengths)?;
    let operands: Option<Vec<Vec<S::Base>>> =
        einsum.operands.iter().map(|o| Some(column(o.tensor)?.iter().map(|&v| S::from_i64(v)).collect())).collect();
    let operands = operands?;
    let shape = instance.shape(einsum.output);
    let mut output = Vec::with_capacity(shape.cells());
    let (outer, inner) = (loops.outer, loops.lengths.len());
    each_index(&loops, 0..outer, &vec![0; operands.len()], &mut |start| {
        let mut sum = S::Base::ZERO;
        each_index(&loops, outer..inner, start, &mut |offsets| {
            let factors = operands.iter().zip(offsets).map(|(values, &i)| values.get(i).copied().unwrap_or_default());
            sum += factors.product::<S::Base>();
        });
        output.push(sum);
    });
    Some(mle::evaluate(&shape, point, |i| output.get(i).copied().unwrap_or_default()))
}

/// Calls `body` with the operands' offsets at every index of the given loops, in row-major order.
fn each_index(loops: &Loops, range: core::ops::Range<usize>, start: &[usize], body: &mut dyn FnMut(&[usize])) {
    let (Some(lengths), Some(strides)) = (loops.lengths.get(range.clone()), loops.strides.get(range)) else { return };
    let mut counters = vec![0; lengths.len()];
    let mut offsets = start.to_vec();
    loop {
        body(&offsets);
        // Advance the last loop that has not reached its end, and rewind those inside it.
        let mut advanced = false;
        for ((counter, &length), strides) in counters.iter_mut().zip(lengths).zip(strides).rev() {
            *counter += 1;
            offsets.iter_mut().zip(strides).for_each(|(offset, stride)| *offset += stride);
            if *counter < length {
                advanced = true;
                break;
            }
            offsets.iter_mut().zip(strides).for_each(|(offset, stride)| *offset -= stride * length);
            *counter = 0;
        }
        if !advanced {
            return;
        }
    }
}

/// A tuple and a cell whose row is not in the table, if there is one.
pub(crate) fn missing_row<'v>(
    lookup: &Lookup,
    column: impl Fn(TensorId) -> Option<&'v [i64]>,
) -> Option<(usize, usize)> {
    let listed: HashSet<Vec<i64>> = match &lookup.table {
        Table::Range { .. } => HashSet::new(),
        Table::Listed { columns, .. } => {
            (0..lookup.table.rows()).map(|row| columns.iter().filter_map(|c| c.get(row).copied()).collect()).collect()
        }
    };
    let mut row = Vec::with_capacity(lookup.table.width());
    for (t, tuple) in lookup.tuples.iter().enumerate() {
        let columns: Vec<&[i64]> = tuple.iter().filter_map(|&tensor| column(tensor)).collect();
        let cells = columns.iter().map(|c| c.len()).max().unwrap_or(0);
        for i in 0..cells {
            row.clear();
            row.extend(columns.iter().filter_map(|c| c.get(i)));
            let known = match lookup.table {
                Table::Range { .. } => lookup.table.find(&row).is_some(),
                Table::Listed { .. } => listed.contains(&row),
            };
            if !known {
                return Some((t, i));
            }
        }
    }
    None
}
