//! Operations of the prover's steps: one function per function of [`super::tables`].

use zkml_core::{Cost, Suite};
use zkml_sumcheck::Weight;
use zkml_sumcheck::engine::{self, Product};

use super::plan::{Axis, Node, Plan};
use super::prover::{DifferenceOfSquares, Power};
use crate::Form;
use crate::cost::eq_table;

fn ext(products: usize) -> Cost {
    Cost { ext_mul: products as f64, ..Cost::default() }
}

/// Operations of the engine's rounds, without their messages.
fn operations(cost: Cost) -> Cost {
    Cost { proof_elements: 0, rounds: 0, ..cost }
}

/// The rounds of a product layer.
pub(super) fn product_rounds<S: Suite>(form: Form, weights: &[Weight<S::Challenge>]) -> Cost {
    operations(match form {
        Form::Square => engine::cost::<S, _>(&DifferenceOfSquares, 2, weights),
        Form::HalfSquare | Form::Product => engine::cost::<S, _>(&Product { factors: 2 }, 2, weights),
    })
}

/// A power layer: its table and its rounds.
pub(super) fn power<S: Suite>(plan: &Plan, node: &Node<S::Challenge>, weights: &[Weight<S::Challenge>]) -> Cost {
    let factor = node.factors.first().copied().unwrap_or(0);
    let rounds = engine::cost::<S, _>(&Power(node.power(plan)), 1, weights);
    slab::<S>(plan, node, factor, &[]).plus(operations(rounds))
}

/// The table of a child of a split.
pub(super) fn child<S: Suite>(
    plan: &Plan,
    node: &Node<S::Challenge>,
    along: &[(char, Axis<S::Challenge>)],
    child: &[usize],
) -> Cost {
    let inside: Vec<char> = along.iter().map(|a| a.0).collect();
    let shape = node.child_shape(plan, &inside, child);
    let power = |f: usize| plan.factors[f].power;
    let padded = |letters: &[char]| 1_usize << letters.iter().map(|&l| plan.variables(l)).sum::<usize>();
    let mut cost = Cost::default();
    for axis in node.axes.iter().filter(|(l, axis)| shape.later.contains(l) && matches!(axis, Axis::Eq(_))) {
        cost = cost.plus(ext(eq_table::<S>(plan.variables(axis.0))));
    }
    let contraction = !shape.later.is_empty() && shape.is_contraction(plan);
    let summed = if contraction { shape.later.as_slice() } else { &[] };
    cost = cost.plus(slab::<S>(plan, node, shape.carrier, summed));
    let cube = if shape.later.is_empty() { padded(&inside) } else { padded(&shape.inside) * padded(&shape.later) };
    if !contraction {
        cost = cost.plus(ext(cube * (power(shape.carrier) - 1)));
    }
    for &other in &shape.others {
        let own: usize = node.open_letters(plan, other).iter().map(|l| plan.axes[l].0).product();
        let length = if contraction { own } else { cube };
        cost = cost.plus(slab::<S>(plan, node, other, &[])).plus(ext(length * power(other)));
    }
    if !shape.later.is_empty() && !contraction {
        cost = cost.plus(ext(cube + padded(&shape.later)));
    }
    cost
}

/// A factor with its bound letters and `summed` ones summed out.
fn slab<S: Suite>(plan: &Plan, node: &Node<S::Challenge>, factor: usize, summed: &[char]) -> Cost {
    let mut letters = plan.factors[factor].letters.clone();
    let mut cost = Cost::default();
    let mut first = true;
    for axis in (0..letters.len()).rev() {
        let letter = letters[axis];
        let bound = node.bound.contains_key(&(factor, letter));
        if !bound && !summed.contains(&letter) {
            continue;
        }
        let cells: usize = letters.iter().map(|l| plan.axes[l].0).product();
        if bound {
            cost = cost.plus(ext(eq_table::<S>(plan.variables(letter))));
        }
        cost = cost.plus(if first { Cost { base_ext_mul: cells as f64, ..Cost::default() } } else { ext(cells) });
        first = false;
        letters.remove(axis);
    }
    cost
}
