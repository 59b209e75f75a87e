//! What the rows of a table say about how it decomposes.

use zkml_core::Table;

/// A structure that all rows of a table were checked to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Structure {
    /// One column of consecutive integers: entry `row` is `base + row`.
    Consecutive {
        /// The first entry.
        base: i64,
    },
    /// Two columns: `x` consecutive, and `y` linear within each aligned run of `2^max_log` rows, so also of fewer.
    Piecewise {
        /// Base-two logarithm of the longest such runs, less than the number of variables and at least 1 (any two rows
        /// lie on a line).
        max_log: usize,
    },
    /// Neither.
    None,
}

impl Structure {
    /// Reads the structure off the table; one pass over its rows.
    pub(crate) fn of(table: &Table) -> Self {
        match table {
            Table::Range { .. } => Self::Consecutive { base: 0 },
            Table::Listed { columns, .. } => match columns.as_slice() {
                [x] => consecutive(x).map_or(Self::None, |base| Self::Consecutive { base }),
                [x, y] if consecutive(x).is_some() => piecewise(y, table.variables()),
                _ => Self::None,
            },
        }
    }
}

/// The first entry if the others follow it one by one.
fn consecutive(column: &[i64]) -> Option<i64> {
    let steps = column.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]));
    column.first().copied().filter(|_| steps)
}

/// Where the difference between neighbours changes at row `i`, runs must start at `i`, or end with it.
fn piecewise(y: &[i64], variables: usize) -> Structure {
    let mut max_log = variables.saturating_sub(1);
    for (at, triple) in y.windows(3).enumerate() {
        let (Some(before), Some(after)) = (triple[1].checked_sub(triple[0]), triple[2].checked_sub(triple[1])) else {
            return Structure::None;
        };
        if before != after {
            let row = at + 1;
            max_log = max_log.min((row.trailing_zeros().max((row + 1).trailing_zeros())) as usize);
        }
    }
    if max_log == 0 || y.windows(2).any(|pair| pair[1].checked_sub(pair[0]).is_none()) {
        return Structure::None;
    }
    Structure::Piecewise { max_log }
}

/// The anchors, offsets and slopes of the runs of `2^log` rows: `x = anchor + low`, `y = offset + slope · low`.
pub(crate) fn runs(x: &[i64], y: &[i64], log: usize) -> Vec<Vec<i64>> {
    let starts = || (0..x.len()).step_by(1 << log);
    let slope = |start: usize| y.get(start + 1).map_or(0, |next| next - y[start]);
    vec![starts().map(|i| x[i]).collect(), starts().map(|i| y[i]).collect(), starts().map(slope).collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(f: impl Fn(i64) -> i64) -> Table {
        Table::listed("t", vec![(-32..32).collect(), (-32..32).map(f).collect()]).unwrap()
    }

    fn recomposes(table: &Table, log: usize) -> bool {
        let Table::Listed { columns, .. } = table else { return false };
        let runs = runs(&columns[0], &columns[1], log);
        (0..table.rows()).all(|row| {
            let (high, low) = (row >> log, (row & ((1 << log) - 1)) as i64);
            runs[0][high] + low == columns[0][row] && runs[1][high] + runs[2][high] * low == columns[1][row]
        })
    }

    #[test]
    fn the_longest_linear_runs_are_found_and_no_longer_ones() {
        let cases: [(Table, usize); 6] = [
            (table(|x| 3 * x - 1), 5),
            (table(|x| x.max(0)), 5),
            (table(|x| x.clamp(-16, 15)), 4),
            (table(|x| x.clamp(-16, 16)), 4),
            (table(|x| x.clamp(-8, 7)), 3),
            (table(|x| x.clamp(-2, 5)), 1),
        ];
        for (table, expected) in &cases {
            assert_eq!(Structure::of(table), Structure::Piecewise { max_log: *expected });
            for log in 1..6 {
                assert_eq!(recomposes(table, log), log <= *expected, "runs of 2^{log}");
            }
        }
    }

    #[test]
    fn tables_without_structure_have_none() {
        // Two neighbours always lie on a line.
        assert_eq!(Structure::of(&table(|x| x * x)), Structure::Piecewise { max_log: 1 });
        assert_eq!(Structure::of(&table(|x| if x == 4 { 9 } else { x })), Structure::Piecewise { max_log: 1 });
        let one = vec![vec![3, 4], vec![7, 0]];
        assert_eq!(Structure::of(&Table::listed("two rows", one).unwrap()), Structure::None);
        let far = vec![vec![0, 1, 2, 3], vec![i64::MIN, i64::MAX, 0, 0]];
        assert_eq!(Structure::of(&Table::listed("far", far).unwrap()), Structure::None);
        assert_eq!(Structure::of(&Table::listed("padded", vec![vec![5, 6, 7]]).unwrap()), Structure::None);
        assert_eq!(Structure::of(&Table::Range { bits: 3 }), Structure::Consecutive { base: 0 });
        assert_eq!(
            Structure::of(&Table::listed("ints", vec![vec![5, 6]]).unwrap()),
            Structure::Consecutive { base: 5 }
        );
        let end = vec![vec![i64::MAX, i64::MIN]];
        assert_eq!(Structure::of(&Table::listed("end", end).unwrap()), Structure::None);
    }
}
