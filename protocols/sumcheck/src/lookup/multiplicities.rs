//! How often each table row is looked up.

use std::collections::HashMap;

use zkml_core::{Instance, Lookup, ProveError, Table, Witness};
use zkml_device::Column;

use super::lookup;

/// Widest interval of keys that is indexed directly rather than by a hash map.
const DIRECT: i128 = 1 << 22;

/// The advice column of a lookup: for each table row the number of cells that equal it (the first of several
/// equal rows counts them).
///
/// Errors with [`ProveError::Unsatisfied`], naming tensor and cell, if a row is not in the table, and with
/// [`ProveError::Witness`] if values are missing.
pub fn multiplicities(instance: &Instance<'_>, witness: &Witness) -> Result<Column, ProveError> {
    let mut counts = vec![0_i64; lookup(instance).map_or(0, |l| l.table.rows())];
    each_row(instance, witness, |_, row| counts.get_mut(row).map(|count| *count += 1))?;
    let most = counts.iter().copied().max().unwrap_or(0);
    Ok(Column::with_bounds(counts, 0, most))
}

/// The table row (the first of several equal ones) of every cell, by tuple, row-major.
///
/// Errors as [`multiplicities`] does.
pub fn table_rows(instance: &Instance<'_>, witness: &Witness) -> Result<Vec<Vec<u32>>, ProveError> {
    let mut rows = vec![Vec::new(); lookup(instance).map_or(0, |l| l.tuples.len())];
    each_row(instance, witness, |tuple, row| rows.get_mut(tuple).map(|rows| rows.push(row as u32)))?;
    Ok(rows)
}

/// Visits the table row of every cell of every tuple, in order; `None` stops, as if the row were not in the table.
fn each_row(
    instance: &Instance<'_>,
    witness: &Witness,
    mut visit: impl FnMut(usize, usize) -> Option<()>,
) -> Result<(), ProveError> {
    let missing = || ProveError::Witness { scope: instance.relation.scope().to_owned(), what: "no lookup".to_owned() };
    let lookup = lookup(instance).ok_or_else(missing)?;
    let index = Index::new(&lookup.table);
    for (position, tuple) in lookup.tuples.iter().enumerate() {
        let columns: Result<Vec<_>, _> = tuple.iter().map(|&t| witness.require(instance.program, t)).collect();
        let columns = columns?;
        let mut row = vec![0; columns.len()];
        for cell in 0..columns.first().map_or(0, |c| c.len()) {
            row.iter_mut().zip(&columns).for_each(|(v, c)| *v = c.get(cell).unwrap_or(0));
            if index.find(&row).and_then(|found| visit(position, found)).is_none() {
                return Err(outside(instance, lookup, tuple.first().copied(), cell, &row));
            }
        }
    }
    Ok(())
}

/// Finds table rows.
enum Index<'t> {
    /// Row number equals value.
    Range(usize),
    /// The first column's entries are distinct and lie close together: `first[value - lo]` is the row.
    Direct { lo: i64, first: Vec<u32>, columns: &'t [Vec<i64>] },
    /// Any other table.
    Hashed(HashMap<Vec<i64>, usize>),
}

const ABSENT: u32 = u32::MAX;

impl<'t> Index<'t> {
    fn new(table: &'t Table) -> Self {
        match table {
            Table::Range { .. } => Self::Range(table.rows()),
            Table::Listed { columns, .. } => Self::direct(table, columns).unwrap_or_else(|| Self::hashed(table)),
        }
    }

    fn direct(table: &Table, columns: &'t [Vec<i64>]) -> Option<Self> {
        let (lo, hi) = table.bounds(0)?;
        if i128::from(hi) - i128::from(lo) >= DIRECT {
            return None;
        }
        let mut first = vec![ABSENT; (hi - lo + 1) as usize];
        for row in 0..table.rows() {
            let slot = first.get_mut((table.get(0, row)? - lo) as usize)?;
            if *slot == ABSENT {
                *slot = row as u32;
            } else if columns.iter().any(|c| c[*slot as usize] != c[row]) {
                return None;
            }
        }
        Some(Self::Direct { lo, first, columns })
    }

    fn hashed(table: &Table) -> Self {
        let mut rows = HashMap::new();
        for row in 0..table.rows() {
            let values = (0..table.width()).filter_map(|column| table.get(column, row)).collect();
            rows.entry(values).or_insert(row);
        }
        Self::Hashed(rows)
    }

    fn find(&self, row: &[i64]) -> Option<usize> {
        let &key = row.first()?;
        match self {
            Self::Range(rows) => usize::try_from(key).ok().filter(|v| v < rows),
            Self::Direct { lo, first, columns } => {
                let offset = usize::try_from(key.checked_sub(*lo)?).ok()?;
                let found = *first.get(offset)? as usize;
                columns.iter().zip(row).all(|(c, v)| c.get(found) == Some(v)).then_some(found)
            }
            Self::Hashed(rows) => rows.get(row).copied(),
        }
    }
}

fn outside(
    instance: &Instance<'_>,
    lookup: &Lookup,
    tensor: Option<zkml_core::TensorId>,
    cell: usize,
    row: &[i64],
) -> ProveError {
    let name = tensor.and_then(|t| instance.program.get(t)).map_or("?", |t| t.name.as_str());
    ProveError::Unsatisfied {
        scope: lookup.scope.clone(),
        what: format!("cell {cell} of `{name}` is {row:?}, which is not in the table `{}`", lookup.table.name()),
    }
}
