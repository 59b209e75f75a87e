//! Predicted work: the prover's steps on lengths alone.

use zkml_core::{Bn254, Cost, Suite};
use zkml_pairing::Encoding;

use crate::plan::{Factor, Plan};
use crate::reduce::{Projections, proof_bytes};

/// Values of operands in a proof.
const VALUES: usize = 2;

/// Bytes of a proof that are not values.
fn messages(plan: &Plan) -> usize {
    if plan.rounds == 0 { 0 } else { Projections::BYTES + proof_bytes(plan.rounds) }
}

/// Length of a proof.
pub(crate) fn bytes(plan: &Plan) -> usize {
    VALUES * Bn254::challenge_bytes() + messages(plan)
}

/// The cost of a plan.
pub(crate) fn predict(plan: &Plan) -> Cost {
    let mut cost = Cost { proof_elements: VALUES, proof_bytes: messages(plan), ..Cost::default() };
    for factor in &plan.factors {
        cost = cost.plus(projection(plan, factor));
    }
    if plan.rounds == 0 {
        return cost;
    }
    let n = (plan.rounds as f64).exp2();
    let batch: usize = plan.batch().map(|l| l.variables).sum();
    if batch > 0 {
        cost.ext_mul += table(batch) + n;
    }
    cost.plus(reduction(plan.rounds))
}

/// Products for an eq table.
fn table(variables: usize) -> f64 {
    (variables as f64).exp2() - 1.0
}

/// Contractions of an operand, the longest axis first, as [`zkml_sumcheck::vector::Tensor::contract_all`] does them.
fn projection(plan: &Plan, factor: &Factor) -> Cost {
    let letters = || factor.letters.iter().filter_map(|&l| plan.letters.get(l));
    let mut cells: f64 = letters().map(|l| l.length as f64).product();
    let mut contracted: Vec<usize> = Vec::new();
    let mut cost = Cost::default();
    for letter in letters().filter(|l| l.joint.is_none()) {
        contracted.push(letter.length);
        cost.ext_mul += if letter.output.is_some() { table(letter.variables) } else { 0.0 };
    }
    contracted.sort_unstable_by_key(|&length| core::cmp::Reverse(length));
    let mut small = true;
    for length in contracted.into_iter().filter(|&length| length > 1) {
        let counter = if small { &mut cost.base_ext_mul } else { &mut cost.ext_mul };
        *counter += cells;
        cells /= length as f64;
        small = false;
    }
    cost
}

/// The argument for vectors of length `2^rounds`.
fn reduction(rounds: usize) -> Cost {
    let n = (rounds as f64).exp2();
    // Vectors of all rounds after the first, and how many there are.
    let (lengths, later) = (n - 2.0, rounds as f64 - 1.0);
    // Per group: quarters, sums with the eq table and the lifting fold; then sums, the first challenge, the second
    // message and the fold.
    let terms = 4.5 * n + 3.5 * lengths;
    // What is combined from them: two terms of the first message and four of the second; then two each; the last message.
    let combined = 6.0 + 4.0 * later + 1.0;
    Cost {
        ext_mul: table(rounds - 1) + 4.0 * n,
        // Each pairing product of the second message takes one multiple in the first group, and one of two terms in
        // the second.
        first_terms: terms + combined + 2.0,
        second_terms: terms + combined + 4.0,
        pairings: 8.0 + 3.0 * lengths,
        rounds: 2 * rounds + 3,
        ..Cost::default()
    }
}
