//! The prover's operations, counted without doing them: the same steps as in [`super::prover`], on lengths.

use p3_field::PrimeCharacteristicRing;
use zkml_core::{Cost, Instance, Suite};

use super::plan::{Group, Letter, Phase, Plan};
use super::prover::Powers;
use super::source::Source;
use crate::Weight;
use crate::engine;

/// Length of a factor's open axes, and whether its cells are still integers.
struct Operand {
    letters: Vec<usize>,
    power: usize,
    small: bool,
}

/// Operations of a plan's prover; messages are not counted here.
pub(super) fn operations<S: Suite>(plan: &Plan, instance: &Instance<'_>) -> Cost {
    let mut tally = Tally { plan, operands: Vec::new(), cost: Cost::default() };
    tally.close(instance);
    for phase in &plan.phases {
        match phase {
            Phase::Single { letter, groups } => tally.single::<S>(phase, *letter, groups),
            Phase::Joint { .. } => {
                let open = tally.operands.iter().filter(|o| !o.letters.is_empty());
                let powers = open.map(|o| o.power).collect();
                tally.rounds::<S>(phase, powers);
            }
        }
    }
    tally.cost
}

struct Tally<'a> {
    plan: &'a Plan,
    operands: Vec<Operand>,
    cost: Cost,
}

impl Tally<'_> {
    fn length(&self, letters: &[usize]) -> usize {
        letters.iter().map(|&l| self.plan.letters[l].length).product()
    }

    fn close(&mut self, instance: &Instance<'_>) {
        for factor in &self.plan.factors {
            let closed = factor.letters.iter().map(|&l| &self.plan.letters[l]).filter(|l| l.closed);
            self.cost.ext_mul += closed.map(table).sum::<f64>();
            let (letters, small, [base_ext, ext]) = Source::new(self.plan, factor, instance).operations(self.plan);
            self.cost.base_ext_mul += base_ext;
            self.cost.ext_mul += ext;
            self.operands.push(Operand { letters, power: factor.power, small });
        }
    }

    fn products(&mut self, cells: usize, small: bool) {
        let counter = if small { &mut self.cost.base_ext_mul } else { &mut self.cost.ext_mul };
        *counter += cells as f64;
    }

    fn single<S: Suite>(&mut self, phase: &Phase, letter: usize, groups: &[Group]) {
        let mut powers = Vec::new();
        for group in groups {
            let hull = &self.operands[group.hull];
            let (cells, small, power) = (self.length(&hull.letters), hull.small, hull.power);
            if group.dependent && hull.letters.len() == 1 {
                powers.push(power);
                continue;
            }
            self.group_weights(group, group.dependent.then_some(letter));
            if group.dependent {
                self.products(cells, small);
                powers.push(1);
            } else {
                self.cost.ext_mul += (cells * power) as f64;
            }
        }
        self.rounds::<S>(phase, powers);
        let mut bound = 0;
        for i in 0..self.operands.len() {
            let operand = &self.operands[i];
            if !operand.letters.contains(&letter) {
                continue;
            }
            if operand.letters.len() > 1 {
                self.products(self.length(&operand.letters), operand.small);
                bound += 1;
            }
            self.operands[i].letters.retain(|&l| l != letter);
            self.operands[i].small = false;
        }
        if bound > 0 {
            self.cost.ext_mul += ((1_usize << self.plan.letters[letter].variables) - 1) as f64;
        }
    }

    fn group_weights(&mut self, group: &Group, phase: Option<usize>) {
        let letters: Vec<usize> =
            self.operands[group.hull].letters.iter().copied().filter(|&l| Some(l) != phase).collect();
        let (mut length, mut only_ones) = (1, true);
        for letter in letters.iter().map(|&l| &self.plan.letters[l]) {
            length *= letter.length;
            self.cost.ext_mul += table(letter);
            if letter.output.is_some() && !only_ones {
                self.cost.ext_mul += length as f64;
            }
            only_ones &= letter.output.is_none();
        }
        let powers: usize = group.others.iter().map(|&o| self.operands[o].power).sum();
        self.cost.ext_mul += (length * powers) as f64;
    }

    fn rounds<S: Suite>(&mut self, phase: &Phase, powers: Vec<usize>) {
        let letters = phase.letters().iter().map(|&l| &self.plan.letters[l]);
        let weights: Vec<Weight<S::Challenge>> = letters
            .flat_map(|letter| {
                let weight = if letter.output.is_some() { Weight::Eq(S::Challenge::ZERO) } else { Weight::Sum };
                vec![weight; letter.variables]
            })
            .collect();
        let factors = powers.len();
        let cost = engine::cost::<S, _>(&Powers(powers), factors, &weights);
        self.cost.ext_mul += cost.ext_mul;
        self.cost.base_ext_mul += cost.base_ext_mul;
    }
}

/// Products of an output letter's eq table.
fn table(letter: &Letter) -> f64 {
    if letter.output.is_some() { ((1_usize << letter.variables) - 1) as f64 } else { 0.0 }
}
