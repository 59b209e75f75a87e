//! Digits and counters.

use rayon::prelude::*;
use zkml_core::{Instance, ProveError, Witness};
use zkml_device::Column;
use zkml_sumcheck::lookup::{Layout, table_rows};

use crate::decompose::{Decomposition, Memory};

/// The advice columns, in the order of [`Decomposition::advice_specs`].
///
/// Errors with [`ProveError::Unsatisfied`], naming tensor and cell, if a row is not in the table.
pub(crate) fn advice(
    instance: &Instance<'_>,
    decomposition: &Decomposition<'_>,
    witness: &Witness,
) -> Result<Vec<Column>, ProveError> {
    let rows = in_leaf_order(&decomposition.layout, &table_rows(instance, witness)?);
    let mut columns = Vec::new();
    for digit in &decomposition.digits {
        let Some(memory) = decomposition.memories.get(digit.memory) else { continue };
        let entry = |&row: &u32| memory.table.get(digit.column, memory.address(row as usize)).unwrap_or(0);
        let (lo, hi) = memory.table.bounds(digit.column).unwrap_or((0, 0));
        columns.push(Column::with_bounds(rows.par_iter().map(entry).collect(), lo, hi));
    }
    for memory in &decomposition.memories {
        columns.extend(counters(memory, &rows));
    }
    Ok(columns)
}

/// The table row of every leaf.
fn in_leaf_order(layout: &Layout, by_tuple: &[Vec<u32>]) -> Vec<u32> {
    let mut rows = Vec::with_capacity(layout.leaves());
    for block in layout.blocks() {
        let (Some(cells), Some(shape)) = (by_tuple.get(block.tuple), layout.shapes().get(block.tuple)) else {
            continue;
        };
        rows.extend(block.block.indices(shape).into_iter().filter_map(|i| cells.get(i)));
    }
    rows
}

/// How often a row was read before each read, in leaf order, and how often in all.
fn counters(memory: &Memory<'_>, rows: &[u32]) -> [Column; 2] {
    let mut counts = vec![0_u32; memory.table.rows()];
    let read = |&row: &u32| {
        let count = counts.get_mut(memory.address(row as usize));
        count.map_or(0, |count| {
            *count += 1;
            i64::from(*count - 1)
        })
    };
    let reads: Vec<i64> = rows.iter().map(read).collect();
    [Column::with_bounds(reads, 0, 0), Column::with_bounds(counts.into_iter().map(i64::from).collect(), 0, 0)]
}
