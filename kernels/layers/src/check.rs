//! A plain checker: does a witness satisfy a program, cell by cell, modulo the suite's field?
//!
//! It needs the whole witness and shares no code with any protocol. Tests tamper with witnesses and ask it;
//! `zkml` uses it to say *which* cell of which relation is wrong when a proof cannot be made.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;
use thiserror::Error;
use zkml_core::{Lookup, Program, ProveError, Relation, Residence, Suite, TensorId, Witness};
use zkml_device::Column;

use crate::evaluate::Loops;

/// The first thing found wrong with a witness.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A tensor has no values, or values of another shape.
    #[error(transparent)]
    Witness(#[from] ProveError),
    /// A public or fixed value is outside its declared bounds.
    #[error("`{tensor}` cell {cell} is {value}, outside [{lo}, {hi}]")]
    Bounds {
        /// The tensor.
        tensor: String,
        /// Row-major index.
        cell: usize,
        /// The value.
        value: i64,
        /// Smallest allowed value.
        lo: i64,
        /// Largest allowed value.
        hi: i64,
    },
    /// An Einsum or Affine relation does not hold modulo the field.
    #[error("{scope}: `{tensor}` cell {cell} does not equal the right-hand side")]
    Equation {
        /// Scope of the relation.
        scope: String,
        /// The output.
        tensor: String,
        /// Row-major index.
        cell: usize,
    },
    /// A row of a lookup's columns is not in the table.
    #[error("{scope}: cell {cell} of (`{tensors}`) is {values:?}, not a row of table `{table}`")]
    Lookup {
        /// Scope of the relation.
        scope: String,
        /// Table name.
        table: String,
        /// Names of the tuple's tensors, separated by commas.
        tensors: String,
        /// Row-major index.
        cell: usize,
        /// The values.
        values: Vec<i64>,
    },
}

/// Checks every relation of `program`, and the declared bounds of public and fixed tensors.
///
/// Arithmetic is done in `S::Base`, as a proof does it, so whatever this accepts is what a proof can state.
pub fn check_witness<S: Suite>(program: &Program, witness: &Witness) -> Result<(), Violation> {
    let columns =
        (0..program.tensors().len()).map(|t| witness.require(program, TensorId(t))).collect::<Result<Vec<_>, _>>()?;
    check_bounds(program, &columns)?;
    for relation in program.relations() {
        match relation {
            Relation::Lookup(lookup) => check_lookup::<S>(program, &columns, lookup)?,
            _ => check_equation::<S>(program, &columns, relation)?,
        }
    }
    Ok(())
}

fn check_bounds(program: &Program, columns: &[Arc<Column>]) -> Result<(), Violation> {
    for (tensor, column) in program.tensors().iter().zip(columns) {
        if !matches!(tensor.residence, Residence::Public | Residence::Fixed) {
            continue;
        }
        let (lo, hi) = (tensor.bounds.lo, tensor.bounds.hi);
        if let Some((cell, value)) = column.to_i64().into_iter().enumerate().find(|(_, v)| !(lo..=hi).contains(v)) {
            return Err(Violation::Bounds { tensor: tensor.name.clone(), cell, value, lo, hi });
        }
    }
    Ok(())
}

fn embed<S: Suite>(column: &Column) -> Vec<S::Base> {
    column.to_i64().into_iter().map(S::from_i64).collect()
}

fn check_equation<S: Suite>(program: &Program, columns: &[Arc<Column>], relation: &Relation) -> Result<(), Violation> {
    let Some(output) = relation.output() else { return Ok(()) };
    let inputs: Vec<Vec<S::Base>> = relation.inputs().iter().map(|t| embed::<S>(&columns[t.0])).collect();
    let expected = embed::<S>(&columns[output.0]);
    let loops = match relation {
        Relation::Einsum(einsum) => Some(Loops::new(program, einsum)),
        _ => None,
    };
    let places = match relation {
        Relation::View(view) => {
            let shape = |t: TensorId| &program.tensors()[t.0].shape;
            view.cells(shape(view.output), shape(view.input))
        }
        _ => Vec::new(),
    };
    let right = |cell: usize| match (relation, &loops) {
        (Relation::View(_), _) => places[cell].map_or(S::from_i64(0), |place| inputs[0][place]),
        (Relation::Affine(affine), _) => {
            let terms = affine.terms.iter().zip(&inputs).map(|(&(c, _), v)| S::from_i64(c) * v[cell]);
            S::from_i64(affine.constant) + terms.sum::<S::Base>()
        }
        (_, Some(loops)) => {
            let mut sum = S::from_i64(0);
            loops.for_each(cell, |at| sum += at.iter().zip(&inputs).map(|(&a, v)| v[a]).product::<S::Base>());
            sum
        }
        _ => S::from_i64(0),
    };
    match (0..expected.len()).into_par_iter().find_first(|&cell| right(cell) != expected[cell]) {
        None => Ok(()),
        Some(cell) => Err(Violation::Equation {
            scope: relation.scope().to_owned(),
            tensor: program.tensors()[output.0].name.clone(),
            cell,
        }),
    }
}

fn check_lookup<S: Suite>(program: &Program, columns: &[Arc<Column>], lookup: &Lookup) -> Result<(), Violation> {
    let width = lookup.table.width();
    let entry = |row: usize, column: usize| S::from_i64(lookup.table.get(column, row).unwrap_or(0));
    let rows: HashSet<Vec<S::Base>> =
        (0..lookup.table.rows()).map(|row| (0..width).map(|column| entry(row, column)).collect()).collect();
    for tuple in &lookup.tuples {
        let own: Vec<Vec<i64>> = tuple.iter().map(|t| columns[t.0].to_i64()).collect();
        let cells = own.first().map_or(0, Vec::len);
        let missing = |&cell: &usize| !rows.contains(&own.iter().map(|c| S::from_i64(c[cell])).collect::<Vec<_>>());
        if let Some(cell) = (0..cells).into_par_iter().find_first(missing) {
            let names: Vec<&str> = tuple.iter().map(|t| program.tensors()[t.0].name.as_str()).collect();
            return Err(Violation::Lookup {
                scope: lookup.scope.clone(),
                table: lookup.table.name(),
                tensors: names.join("`, `"),
                cell,
                values: own.iter().map(|c| c[cell]).collect(),
            });
        }
    }
    Ok(())
}
