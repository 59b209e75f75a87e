//! Lookup tables. The verifier knows every table and evaluates it itself.

use p3_field::ExtensionField;
use serde::{Deserialize, Serialize};

use crate::mle;
use crate::suite::Suite;

/// Largest table the verifier is willing to evaluate.
pub const MAX_TABLE_VARIABLES: usize = 20;

/// A table of `2^variables` rows of integers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Table {
    /// The integers `0 .. 2^bits`, one column.
    Range {
        /// Number of bits, at most [`MAX_TABLE_VARIABLES`].
        bits: u32,
    },
    /// Any rows, listed. The number of rows is a power of two; repeated rows are allowed.
    Listed {
        /// What the table is, e.g. `clamp[-2048,2048)->[-128,127]`. Part of the table's identity.
        name: String,
        /// The columns, equally long.
        columns: Vec<Vec<i64>>,
    },
}

impl Table {
    /// A listed table, its rows padded to a power of two by repeating row 0. `None` if there is no column, the
    /// columns differ in length, are empty, or are longer than `2^MAX_TABLE_VARIABLES`.
    pub fn listed(name: impl Into<String>, mut columns: Vec<Vec<i64>>) -> Option<Self> {
        let rows = columns.first()?.len();
        if rows == 0 || columns.iter().any(|c| c.len() != rows) || rows > 1 << MAX_TABLE_VARIABLES {
            return None;
        }
        for column in &mut columns {
            let first = *column.first()?;
            column.resize(rows.next_power_of_two(), first);
        }
        Some(Self::Listed { name: name.into(), columns })
    }

    /// True if the table is as its constructors would make it; the verifier checks keys with this.
    pub fn is_well_formed(&self) -> bool {
        match self {
            Self::Range { bits } => (*bits as usize) <= MAX_TABLE_VARIABLES,
            Self::Listed { columns, .. } => columns.first().is_some_and(|first| {
                first.len().is_power_of_two()
                    && first.len() <= 1 << MAX_TABLE_VARIABLES
                    && columns.iter().all(|c| c.len() == first.len())
            }),
        }
    }

    /// Name for reports.
    pub fn name(&self) -> String {
        match self {
            Self::Range { bits } => format!("range{bits}"),
            Self::Listed { name, .. } => name.clone(),
        }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        match self {
            Self::Range { .. } => 1,
            Self::Listed { columns, .. } => columns.len(),
        }
    }

    /// Base-two logarithm of the number of rows.
    pub fn variables(&self) -> usize {
        match self {
            Self::Range { bits } => *bits as usize,
            Self::Listed { columns, .. } => columns.first().map_or(0, |c| crate::shape::log2_ceil(c.len())),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        1 << self.variables()
    }

    /// Entry of `column` in `row`.
    pub fn get(&self, column: usize, row: usize) -> Option<i64> {
        match self {
            Self::Range { bits } => (column == 0 && row < 1 << bits).then_some(row as i64),
            Self::Listed { columns, .. } => columns.get(column)?.get(row).copied(),
        }
    }

    /// Smallest and largest entry of a column.
    pub fn bounds(&self, column: usize) -> Option<(i64, i64)> {
        match self {
            Self::Range { bits } => (column == 0).then_some((0, (1 << bits) - 1)),
            Self::Listed { columns, .. } => {
                let column = columns.get(column)?;
                Some((*column.iter().min()?, *column.iter().max()?))
            }
        }
    }

    /// The first row that equals `tuple`, if any: what multiplicities count.
    pub fn find(&self, tuple: &[i64]) -> Option<usize> {
        match self {
            Self::Range { .. } => {
                let row = usize::try_from(*tuple.first()?).ok()?;
                (tuple.len() == 1 && row < self.rows()).then_some(row)
            }
            Self::Listed { columns, .. } => (tuple.len() == columns.len())
                .then(|| (0..self.rows()).find(|&row| columns.iter().zip(tuple).all(|(c, t)| c[row] == *t)))
                .flatten(),
        }
    }

    /// The multilinear extension of a column at `point` (one coordinate per table variable).
    ///
    /// Costs one product per variable for a range, one base × extension product per row otherwise.
    pub fn evaluate<S: Suite>(&self, column: usize, point: &[S::Challenge]) -> S::Challenge {
        match self {
            Self::Range { .. } => weighted_bits::<S::Base, S::Challenge>(point),
            Self::Listed { columns, .. } => {
                let eq = mle::eq_table(point);
                let column = columns.get(column).map_or(&[][..], Vec::as_slice);
                eq.iter().zip(column).map(|(&e, &v)| e * S::from_i64(v)).sum()
            }
        }
    }

    /// A 256-bit digest of kind, name and content: what a transcript absorbs.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        match self {
            Self::Range { bits } => {
                hasher.update(b"range").update(&bits.to_le_bytes());
            }
            Self::Listed { name, columns } => {
                hasher.update(b"listed").update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
                for column in columns {
                    hasher.update(&(column.len() as u64).to_le_bytes());
                    for v in column {
                        hasher.update(&v.to_le_bytes());
                    }
                }
            }
        }
        *hasher.finalize().as_bytes()
    }
}

/// `Σ 2^(n-1-i) r_i`: the extension of the identity on `0 .. 2^n`.
fn weighted_bits<B: p3_field::Field, F: ExtensionField<B>>(point: &[F]) -> F {
    point.iter().fold(F::ZERO, |sum, &r| sum.double() + r)
}

#[cfg(test)]
mod tests {
    use p3_field::PrimeCharacteristicRing;

    use super::*;
    use crate::Goldilocks;

    #[test]
    fn range_extension_equals_the_listed_one() {
        let range = Table::Range { bits: 4 };
        let listed = Table::listed("same", vec![(0..16).collect()]).unwrap();
        let point: Vec<_> = (3..7).map(<Goldilocks as Suite>::Challenge::from_u64).collect();
        assert_eq!(range.evaluate::<Goldilocks>(0, &point), listed.evaluate::<Goldilocks>(0, &point));
        assert_ne!(range.digest(), listed.digest());
    }

    #[test]
    fn listed_tables_are_padded_by_repeating_a_row() {
        let table = Table::listed("t", vec![vec![-1, 5, 7], vec![0, 1, 2]]).unwrap();
        assert_eq!((table.rows(), table.get(0, 3), table.bounds(0)), (4, Some(-1), Some((-1, 7))));
        assert_eq!((table.find(&[7, 2]), table.find(&[7, 1])), (Some(2), None));
        assert!(Table::listed("t", vec![vec![1], vec![]]).is_none());
    }
}
