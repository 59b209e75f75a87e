//! Witnesses that differ from what was committed to, and commitments to witnesses that satisfy nothing.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{LayerProver, Relation, Slot, Suite, TensorId, Witness};

use super::{expect_rejected, supported};
use crate::cases;
use crate::driver::{Setup, Side, prove, verify};
use crate::{Failure, seed};

/// One cell of one input or advice column is changed, in the prover's witness, in the commitment, or in both.
pub fn wrong_witnesses_are_rejected<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    let mut rng = StdRng::seed_from_u64(seed() ^ 5);
    for case in supported(protocol, cases::to_tamper(slot, seed())?)? {
        let setup = Setup::new(protocol, &case)?;
        for tensor in setup.claimable() {
            let cells = setup.statement.instance().shape(tensor).cells();
            for cell in [0, cells - 1, rng.random_range(0..cells)] {
                // Small steps stay inside most tables, the large one leaves them all.
                for delta in [1, -1, 1 << 20] {
                    one_cell(protocol, &setup, tensor, cell, delta)?;
                }
            }
        }
        moved_units(protocol, &setup)?;
    }
    Ok(())
}

/// A lookup's advice of one cell per table row, with one unit moved between two different rows: the sum of the
/// multiplicities stays right, each of the two is wrong.
fn moved_units<S: Suite>(protocol: &dyn LayerProver<S>, setup: &Setup) -> Result<(), Failure> {
    let Relation::Lookup(lookup) = &setup.statement.relation else { return Ok(()) };
    let table = &lookup.table;
    let row = |row: usize| (0..table.width()).map(|column| table.get(column, row)).collect::<Vec<_>>();
    let last = table.rows() - 1;
    if row(0) == row(last) {
        return Ok(());
    }
    for &advice in &setup.statement.advice {
        if setup.statement.instance().shape(advice).cells() != table.rows() {
            continue;
        }
        let mut other = setup.clone();
        other.witness = setup.altered(advice, 0, 1)?;
        other.witness = other.altered(advice, last, -1)?;
        let side = Side::honest(&other);
        if let Ok(proof) = prove(protocol, side, &other.witness) {
            let change = format!("a unit of advice tensor {} moved from the last row to the first", advice.0);
            expect_rejected(&verify(protocol, side, &proof.bytes), setup, &change)?;
        }
    }
    Ok(())
}

fn one_cell<S: Suite>(
    protocol: &dyn LayerProver<S>,
    setup: &Setup,
    tensor: TensorId,
    cell: usize,
    delta: i64,
) -> Result<(), Failure> {
    let other = setup.altered(tensor, cell, delta)?;
    let bound_to_other = Side { committed: &other, ..Side::honest(setup) };
    let mut attempts = vec![
        ("the prover's witness", Side::honest(setup), &other),
        ("the committed witness", bound_to_other, &setup.witness),
    ];
    if !holds(setup, &other)? {
        attempts.push(("the witness", bound_to_other, &other));
    }
    for (whose, side, witness) in attempts {
        // A prover that refuses proves nothing false.
        if let Ok(proof) = prove(protocol, side, witness) {
            // A relation that is reduced without a message does not look at the prover's witness at all.
            if proof.bytes.is_empty() && whose == "the prover's witness" {
                continue;
            }
            let change = format!("{delta} added to cell {cell} of tensor {} in {whose}", tensor.0);
            expect_rejected(&verify(protocol, side, &proof.bytes), setup, &change)?;
        }
    }
    Ok(())
}

/// Whether the relation holds for changed values, with the output and the advice as they are. Changed advice
/// never goes with the inputs.
fn holds(setup: &Setup, witness: &Witness) -> Result<bool, Failure> {
    let statement = &setup.statement;
    if statement.advice.iter().any(|&t| witness.get(t) != setup.witness.get(t)) {
        return Ok(false);
    }
    match &statement.relation {
        Relation::Einsum(einsum) => {
            let output = cases::evaluate_einsum(&statement.program, einsum, witness)?;
            Ok(witness.get(einsum.output).is_some_and(|column| column.to_i64() == output))
        }
        // A row that moves to another one keeps the relation but not the advice, if there is any.
        Relation::Lookup(lookup) => {
            let rows_exist = lookup.tuples.iter().all(|tuple| {
                let columns: Vec<Vec<i64>> = tuple.iter().filter_map(|&t| Some(witness.get(t)?.to_i64())).collect();
                let cells = columns.first().map_or(0, Vec::len);
                (0..cells).all(|i| {
                    let row: Vec<i64> = columns.iter().map(|c| c[i]).collect();
                    lookup.table.find(&row).is_some()
                })
            });
            Ok(rows_exist && statement.advice.is_empty())
        }
        Relation::Affine(_) | Relation::View(_) => Ok(false),
    }
}
