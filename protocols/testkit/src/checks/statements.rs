//! Proofs of one statement offered as proofs of another.

use p3_field::PrimeCharacteristicRing;
use zkml_core::{
    Claim, Einsum, LayerProver, Lookup, Program, Relation, RelationId, Shape, Slot, Suite, Table, TensorId,
};

use super::{expect_rejected, honest, supported};
use crate::cases;
use crate::driver::{ClaimChange, Setup, Side, Statement, Verdict, prove, verify};
use crate::{Failure, seed};

/// A claim on the output that is false, other tables, other shapes, another scope.
pub fn wrong_statements_are_rejected<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    let mut false_statements = 0;
    for case in supported(protocol, cases::to_tamper(slot, seed())?)? {
        let setup = Setup::new(protocol, &case)?;
        if slot == Slot::Einsum {
            false_claims(protocol, &setup)?;
        }
        for (change, statement, is_false) in other_statements::<S>(&setup)? {
            let told = Side { announced: &statement, statement: &statement, ..Side::honest(&setup) };
            // A proof made for the old statement.
            let bytes = honest(protocol, &setup)?.bytes;
            if !bytes.is_empty() {
                expect_rejected(&verify(protocol, told, &bytes), &setup, &change)?;
            }
            // A prover that announces the new statement and proves the old one.
            if is_false {
                false_statements += 1;
                let cheat = Side { announced: &statement, ..Side::honest(&setup) };
                if let Ok(proof) = prove(protocol, cheat, &setup.witness) {
                    let change = format!("{change}, with a prover that announces it");
                    expect_rejected(&verify(protocol, told, &proof.bytes), &setup, &change)?;
                }
                if let Ok(proof) = prove(protocol, told, &setup.witness) {
                    let change = format!("{change}, with a prover that pretends to prove it");
                    expect_rejected(&verify(protocol, told, &proof.bytes), &setup, &change)?;
                }
            }
        }
    }
    if false_statements == 0 {
        return Err(Failure::new("no false statement among the supported cases: nothing was tested"));
    }
    Ok(())
}

/// The verifier's claim differs from the prover's, or both sides start from the same false claim.
fn false_claims<S: Suite>(protocol: &dyn LayerProver<S>, setup: &Setup) -> Result<(), Failure> {
    let bytes = honest(protocol, setup)?.bytes;
    let value = |claim: &mut Claim<S::Challenge>| claim.value += S::Challenge::ONE;
    let zero = |claim: &mut Claim<S::Challenge>| claim.value = S::Challenge::ZERO;
    let first = |claim: &mut Claim<S::Challenge>| {
        if let Some(r) = claim.point.first_mut() {
            *r += S::Challenge::ONE;
        }
    };
    let last = |claim: &mut Claim<S::Challenge>| {
        if let Some(r) = claim.point.last_mut() {
            *r = r.double();
        }
    };
    let changes: [(&str, ClaimChange<'_, S>); 4] = [
        ("another claimed value", &value),
        ("the claimed value zero", &zero),
        ("another first coordinate of the claim", &first),
        ("another last coordinate of the claim", &last),
    ];
    for (what, change) in changes {
        let told = Side { change: Some(change), ..Side::honest(setup) };
        expect_rejected(&verify(protocol, told, &bytes), setup, what)?;
        if let Ok(proof) = prove(protocol, told, &setup.witness) {
            let what = format!("{what}, on both sides");
            expect_rejected(&verify(protocol, told, &proof.bytes), setup, &what)?;
        }
    }
    Ok(())
}

/// Statements close to a true one: what changes, the new statement, and whether it is false.
fn other_statements<S: Suite>(setup: &Setup) -> Result<Vec<(String, Statement, bool)>, Failure> {
    let statement = &setup.statement;
    let mut others = Vec::new();
    let mut scope = statement.clone();
    match &mut scope.relation {
        Relation::Einsum(r) => r.scope.push('x'),
        Relation::Lookup(r) => r.scope.push('x'),
        Relation::Affine(r) => r.scope.push('x'),
        Relation::View(r) => r.scope.push('x'),
    }
    scope.program = with_relation(&scope.program, setup.relation, &scope.relation);
    others.push(("another scope".to_owned(), scope, false));
    match &statement.relation {
        Relation::Lookup(lookup) => {
            others.extend(reshaped(statement, lookup));
            others.extend(other_tables(setup, lookup));
        }
        Relation::Einsum(einsum) => others.extend(other_indices(setup, einsum)?),
        Relation::Affine(_) | Relation::View(_) => {}
    }
    others.retain(|(_, statement, _)| makes_sense(statement, S::max_magnitude()));
    Ok(others)
}

/// Whether the statement's program, which a key is made for before any advice is added, passes the bounds pass.
fn makes_sense(statement: &Statement, max_magnitude: i128) -> bool {
    let count = statement.program.tensors().len() - statement.advice.len();
    let mut program = Program::default();
    for tensor in statement.program.tensors().iter().take(count) {
        program.tensor(tensor.name.clone(), tensor.shape.clone(), tensor.bounds, tensor.residence);
    }
    for relation in statement.program.relations() {
        program.relation(relation.clone());
    }
    program.check(max_magnitude).is_ok()
}

/// The columns of each tuple of shape `[a, b, …]` declared as `[b, a, …]` or `[ab, …]`: as many cells, in other
/// places. Still a true statement, but another one.
fn reshaped(statement: &Statement, lookup: &Lookup) -> Vec<(String, Statement, bool)> {
    let mut others = Vec::new();
    for (t, tuple) in lookup.tuples.iter().enumerate() {
        let Some(&first) = tuple.first() else { continue };
        let old = statement.instance().shape(first);
        let [a, b, rest @ ..] = old.dims() else { continue };
        let candidates = [[&[*b, *a], rest].concat(), [&[a * b], rest].concat()];
        for shape in candidates.into_iter().filter_map(Shape::new).filter(|shape| *shape != old) {
            let mut other = statement.clone();
            other.program = with_shape(&other.program, tuple, &shape);
            others.push((format!("tuple {t} of shape {old} declared as {shape}"), other, false));
        }
    }
    others
}

fn with_shape(program: &Program, changed: &[TensorId], shape: &Shape) -> Program {
    let mut copy = Program::default();
    for (i, tensor) in program.tensors().iter().enumerate() {
        let shape = if changed.contains(&TensorId(i)) { shape } else { &tensor.shape };
        copy.tensor(tensor.name.clone(), shape.clone(), tensor.bounds, tensor.residence);
    }
    for relation in program.relations() {
        copy.relation(relation.clone());
    }
    copy
}

/// Tables without a row that is used, every other column and row being as before.
fn other_tables(setup: &Setup, lookup: &Lookup) -> Vec<(String, Statement, bool)> {
    let table = &lookup.table;
    let row_at = |row: usize| (0..table.width()).filter_map(|column| table.get(column, row)).collect::<Vec<i64>>();
    let rows: Vec<Vec<i64>> = (0..table.rows()).map(row_at).collect();
    let first_cell = |tuple: &Vec<TensorId>| tuple.iter().filter_map(|&t| setup.witness.get(t)?.get(0)).collect();
    let used: Vec<i64> = lookup.tuples.first().map_or_else(Vec::new, first_cell);
    let mut replacements = Vec::new();
    replacements.extend(rows.iter().find(|row| **row != used).map(|row| ("replaced by another row", row.clone())));
    // Only one entry of the row differs: a tuple is more than its columns.
    for column in 0..table.width() {
        let mut row = used.clone();
        if let Some(donor) = rows.iter().find(|row| row.get(column) != used.get(column)) {
            row[column] = donor[column];
            replacements.push(("changed in one entry", row));
        }
    }
    let mut statements = Vec::new();
    for (what, replacement) in replacements {
        let new_rows: Vec<&Vec<i64>> = rows.iter().map(|row| if *row == used { &replacement } else { row }).collect();
        let columns = (0..table.width()).map(|column| new_rows.iter().map(|row| row[column]).collect()).collect();
        let Some(table) = Table::listed(table.name(), columns) else { continue };
        let mut other = setup.statement.clone();
        other.relation = Relation::Lookup(Lookup { table, ..lookup.clone() });
        other.program = with_relation(&other.program, setup.relation, &other.relation);
        statements.push((format!("a used row of the table {what}"), other, true));
    }
    statements
}

/// One operand with its axes exchanged, or two operands exchanged: different relations wherever the lengths agree.
fn other_indices(setup: &Setup, einsum: &Einsum) -> Result<Vec<(String, Statement, bool)>, Failure> {
    let mut relations = Vec::new();
    for position in 0..einsum.operands.len() {
        let mut other = einsum.clone();
        other.operands[position].indices.reverse();
        relations.push((format!("operand {position} transposed"), other));
        let mut other = einsum.clone();
        let next = (position + 1) % einsum.operands.len();
        (other.operands[position].tensor, other.operands[next].tensor) =
            (einsum.operands[next].tensor, einsum.operands[position].tensor);
        relations.push((format!("operands {position} and {next} exchanged"), other));
    }
    let mut other = einsum.clone();
    other.output_indices.reverse();
    relations.push(("the output transposed".to_owned(), other));
    relations.retain(|(_, other)| other != einsum);
    let mut statements = Vec::new();
    for (what, other) in relations {
        let mut statement = setup.statement.clone();
        statement.relation = Relation::Einsum(other.clone());
        statement.program = with_relation(&statement.program, setup.relation, &statement.relation);
        if !makes_sense(&statement, i128::MAX) {
            continue;
        }
        let output = cases::evaluate_einsum(&statement.program, &other, &setup.witness)?;
        let is_false = setup.witness.get(other.output).is_none_or(|column| column.to_i64() != output);
        statements.push((what, statement, is_false));
    }
    Ok(statements)
}

fn with_relation(program: &Program, changed: RelationId, relation: &Relation) -> Program {
    let mut copy = Program::default();
    for tensor in program.tensors() {
        copy.tensor(tensor.name.clone(), tensor.shape.clone(), tensor.bounds, tensor.residence);
    }
    for (i, old) in program.relations().iter().enumerate() {
        copy.relation(if i == changed.0 { relation.clone() } else { old.clone() });
    }
    copy
}

/// A proof is bound to everything that was absorbed before it.
pub fn replays_are_rejected<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    let mut replayed = 0;
    for case in supported(protocol, cases::to_tamper(slot, seed())?)? {
        let setup = Setup::new(protocol, &case)?;
        let bytes = honest(protocol, &setup)?.bytes;
        if bytes.is_empty() {
            continue;
        }
        replayed += 1;
        let mut elsewhere = setup.clone();
        elsewhere.statement.prefix.push(0);
        let verdict = verify(protocol, Side::honest(&elsewhere), &bytes);
        expect_rejected(&verdict, &setup, "replayed behind another prefix")?;
        // The other prefix itself is fine: what was rejected is the replay.
        let fresh = honest(protocol, &elsewhere)?.bytes;
        let verdict = verify(protocol, Side::honest(&elsewhere), &fresh);
        if !matches!(verdict, Verdict::Accepted(_)) {
            return Err(Failure::new(format!("{}: a proof behind another prefix is {verdict}", setup.name)));
        }
    }
    if replayed == 0 {
        return Err(Failure::new("every proof is empty, so there was nothing to replay"));
    }
    Ok(())
}
