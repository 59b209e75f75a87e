//! Lookups into ranges and listed tables, with one tuple or several of different shapes.

use rand::RngExt;
use rand::rngs::StdRng;
use zkml_core::{Program, Residence, Shape, Table, Witness};

use super::{Case, add, length, shape};
use crate::Failure;

/// Which rows of the table the tuples use.
#[derive(Clone, Copy, Debug)]
enum Rows {
    /// Any.
    Random,
    /// Only one, so that its multiplicity is the number of cells.
    One,
    /// The first and the last.
    Ends,
}

pub(super) fn random(rng: &mut StdRng) -> Result<Case, Failure> {
    let table = if rng.random_bool(0.5) { range(rng.random_range(0..=8)) } else { listed(rng)? };
    let count = if rng.random_bool(0.5) { 1 } else { rng.random_range(2..=4) };
    let mut shapes = Vec::new();
    for _ in 0..count {
        let axes = rng.random_range(0..=3);
        shapes.push(shape((0..axes).map(|_| length(rng, 11)).collect())?);
    }
    let rows = [Rows::Random, Rows::Random, Rows::One, Rows::Ends][rng.random_range(0..4)];
    Ok(build(table, &shapes, rows, rng))
}

pub(super) fn edge(rng: &mut StdRng) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    let single_row = Table::listed("one", vec![vec![-3], vec![1 << 40]]).ok_or_else(bad_table)?;
    let far_apart = Table::listed("far", vec![vec![-(1 << 61), 1 << 61, 0]]).ok_or_else(bad_table)?;
    let repeated = Table::listed("repeated", vec![vec![4, 4, 4, 9], vec![1, 1, 1, 0]]).ok_or_else(bad_table)?;
    for table in [range(0), range(1), range(8), single_row, far_apart, repeated] {
        for dims in [vec![], vec![1], vec![1, 1, 1], vec![5], vec![3, 8], vec![17, 3]] {
            for rows in [Rows::Random, Rows::One] {
                cases.push(build(table.clone(), &[shape(dims.clone())?], rows, rng));
            }
        }
    }
    let shapes = [vec![], vec![7], vec![1, 9], vec![4, 4]].map(shape).into_iter().collect::<Result<Vec<_>, _>>()?;
    cases.push(build(range(5), &shapes, Rows::Ends, rng));
    cases.push(build(listed(rng)?, &shapes, Rows::Random, rng));
    cases.push(shared_column(rng)?);
    Ok(cases)
}

pub(super) fn to_tamper(rng: &mut StdRng) -> Result<Vec<Case>, Failure> {
    let pairs = Table::listed("pairs", vec![vec![-4, 0, 3, 3, 77], vec![1, 0, 1, 2, 2]]).ok_or_else(bad_table)?;
    let repeated = Table::listed("repeated", vec![vec![4, 5, 4, 9], vec![1, 7, 1, 0], vec![0, 2, 0, -6]]);
    let one = |dims: &[usize]| Ok::<_, Failure>(vec![shape(dims.to_vec())?]);
    Ok(vec![
        build(range(4), &one(&[3, 5])?, Rows::Random, rng),
        build(pairs, &one(&[9])?, Rows::Random, rng),
        build(repeated.ok_or_else(bad_table)?, &[shape(vec![4, 4])?, shape(vec![5])?], Rows::Random, rng),
        build(range(2), &[shape(vec![3])?, shape(vec![6, 2])?], Rows::Ends, rng),
    ])
}

pub(super) fn large(rng: &mut StdRng) -> Result<Vec<Case>, Failure> {
    let pairs = Table::listed("relu", vec![(-512..512).collect(), (-512..512).map(|v: i64| v.max(0)).collect()]);
    Ok(vec![
        build(range(10), &[shape(vec![96, 200])?], Rows::Random, rng),
        build(pairs.ok_or_else(bad_table)?, &[shape(vec![64, 100])?, shape(vec![999])?], Rows::Random, rng),
        // For protocols of small tables only.
        build(range(4), &[shape(vec![60, 64])?], Rows::Random, rng),
    ])
}

fn bad_table() -> Failure {
    Failure::new("a test table is malformed")
}

fn range(bits: u32) -> Table {
    Table::Range { bits }
}

/// A table of one to three columns and up to 20 rows, some of them equal, with values of either sign.
fn listed(rng: &mut StdRng) -> Result<Table, Failure> {
    let (width, rows) = (rng.random_range(1..=3), rng.random_range(1..=20_usize));
    let mut columns = vec![Vec::with_capacity(rows); width];
    for row in 0..rows {
        let copied = (row > 0 && rng.random_bool(0.25)).then(|| rng.random_range(0..row));
        for column in &mut columns {
            let value =
                copied.map_or_else(|| rng.random_range(-40..40) << [0, 0, 33][rng.random_range(0..3)], |r| column[r]);
            column.push(value);
        }
    }
    Table::listed("random", columns).ok_or_else(bad_table)
}

fn build(table: Table, shapes: &[Shape], rows: Rows, rng: &mut StdRng) -> Case {
    let (mut program, mut witness) = (Program::default(), Witness::default());
    let mut tuples = Vec::new();
    let dims: Vec<String> = shapes.iter().map(ToString::to_string).collect();
    for (t, shape) in shapes.iter().enumerate() {
        let last = table.rows() - 1;
        let one = rng.random_range(0..=last);
        let chosen: Vec<usize> = (0..shape.cells())
            .map(|_| match rows {
                Rows::Random => rng.random_range(0..=last),
                Rows::One => one,
                Rows::Ends => [0, last][rng.random_range(0..2)],
            })
            .collect();
        let tuple = (0..table.width()).map(|column| {
            let values = chosen.iter().filter_map(|&row| table.get(column, row)).collect();
            let bounds = table.bounds(column).unwrap_or((0, 0));
            add(
                &mut program,
                &mut witness,
                &format!("column.{t}.{column}"),
                shape,
                bounds,
                Residence::Committed,
                values,
            )
        });
        tuples.push(tuple.collect());
    }
    let name =
        format!("{} ({} columns, {} rows), {rows:?} rows, cells {dims:?}", table.name(), table.width(), table.rows());
    let relation = program.lookup("case/lookup", table, tuples);
    Case { name, program, relation, witness }
}

/// One column twice in a tuple, and one tuple twice.
fn shared_column(rng: &mut StdRng) -> Result<Case, Failure> {
    let table = Table::listed("diagonal", vec![vec![-1, 6, 8], vec![-1, 6, 8]]).ok_or_else(bad_table)?;
    let (mut program, mut witness) = (Program::default(), Witness::default());
    let shape = shape(vec![3, 3])?;
    let values = (0..9).map(|_| [-1, 6, 8][rng.random_range(0..3)]).collect();
    let column = add(&mut program, &mut witness, "column", &shape, (-1, 8), Residence::Committed, values);
    let relation = program.lookup("case/lookup", table, vec![vec![column, column], vec![column, column]]);
    Ok(Case { name: "one column used four times".to_owned(), program, relation, witness })
}
