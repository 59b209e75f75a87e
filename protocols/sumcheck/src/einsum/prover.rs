//! The proving half.

use std::sync::Arc;

use p3_field::{Algebra, Field, PrimeCharacteristicRing};
use zkml_core::{Claim, Instance, LayerProver, ProveError, ProverTranscript, Refusal, Suite, Witness};
use zkml_device::{Column, Device, DeviceError, count};

use super::plan::{Factor, Group, Letter, Phase, Plan};
use super::source::Source;
use super::{INFO, Points, Sumcheck, checked};
use crate::engine::{Composition, Product, prove_scaled_rounds};
use crate::vector::{self, Tensor, Vector};

/// `Π f_j^{e_j}`.
pub(super) struct Powers(pub(super) Vec<usize>);

impl<F: Field> Composition<F> for Powers {
    fn degree(&self) -> usize {
        self.0.iter().sum()
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it is the body of the innermost loop")]
    fn evaluate<A: Algebra<F> + Copy>(&self, factors: &[A]) -> A {
        let power = |(&f, &e): (&A, &usize)| match e {
            1 => f,
            2 => f.square(),
            _ => (2..e).fold(f.square(), |product, _| product * f),
        };
        factors.iter().zip(&self.0).map(power).reduce(|product, f| product * f).unwrap_or(A::ONE)
    }
}

impl<S: Suite> LayerProver<S> for Sumcheck {
    fn advice(&self, _: &Instance<'_>, _: &Witness) -> Result<Vec<Column>, ProveError> {
        Ok(Vec::new())
    }

    fn prove(
        &self,
        instance: &Instance<'_>,
        witness: &Witness,
        claim: Option<&Claim<S::Challenge>>,
        transcript: &mut ProverTranscript<S>,
        device: &Device,
    ) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
        let refusal = |reason| Refusal { protocol: INFO.id, relation: instance.relation.kind(), reason };
        let plan = Plan::new(instance).map_err(refusal)?;
        let claim = checked(&plan, claim).map_err(refusal)?;
        transcript.absorb_elements(&claim.point);
        transcript.absorb_elements(&[claim.value]);
        let sources: Vec<Source> = plan.factors.iter().map(|f| Source::new(&plan, f, instance)).collect();
        let columns =
            sources.iter().map(|s| witness.require(instance.program, s.tensor)).collect::<Result<Vec<_>, _>>()?;
        let mut state = State::<S>::new(&plan, &sources, &columns, &claim.point, device)?;
        let mut last = claim.value;
        for phase in &plan.phases {
            last = match phase {
                Phase::Single { letter, groups } => state.single(phase, *letter, groups, last, transcript)?,
                Phase::Joint { letters } => state.joint(phase, letters, last, transcript)?,
            };
        }
        let values = state.values();
        transcript.write(&values);
        Ok(state.points.claims(&plan, &values))
    }
}

/// A factor, its contracted letters gone.
struct Operand<'a, S: Suite> {
    letters: Vec<usize>,
    power: usize,
    tensor: Tensor<'a, S>,
}

impl<S: Suite> Operand<'_, S> {
    fn axis(&self, letter: usize) -> Option<usize> {
        self.letters.iter().position(|&l| l == letter)
    }

    /// Binds a letter at `point`, whose eq table is `table`.
    fn bind(&mut self, letter: usize, table: &[S::Challenge]) -> Result<(), DeviceError> {
        if let Some(axis) = self.axis(letter) {
            self.tensor.contract(axis, table)?;
            self.letters.remove(axis);
        }
        Ok(())
    }

    fn bind_all(&mut self, value: S::Challenge) {
        self.tensor.set_scalar(value);
        self.letters.clear();
    }
}

struct State<'a, S: Suite> {
    plan: &'a Plan,
    operands: Vec<Operand<'a, S>>,
    points: Points<S>,
    device: &'a Device,
}

impl<'a, S: Suite> State<'a, S> {
    /// Reads the operands and contracts the closed letters.
    fn new(
        plan: &'a Plan,
        sources: &[Source<'_>],
        columns: &'a [Arc<Column>],
        claimed: &[S::Challenge],
        device: &'a Device,
    ) -> Result<Self, DeviceError> {
        let points = Points::<S>::new(plan, claimed);
        let table = |letter: usize| weights(&points, &plan.letters[letter]).into();
        let operand = |((factor, source), column): ((&Factor, &Source<'_>), &'a Arc<Column>)| {
            let (letters, tensor) = source.contract(plan, column, table, device)?;
            Ok(Operand { letters, power: factor.power, tensor })
        };
        let operands = plan.factors.iter().zip(sources).zip(columns).map(operand).collect::<Result<_, _>>()?;
        Ok(Self { plan, operands, points, device })
    }

    /// Rounds for one letter: everything else is summed out to vectors over it.
    fn single(
        &mut self,
        phase: &Phase,
        letter: usize,
        groups: &[Group],
        claim: S::Challenge,
        transcript: &mut ProverTranscript<S>,
    ) -> Result<S::Challenge, ProveError> {
        let mut scale = self.constant();
        let (mut factors, mut powers, mut finished) = (Vec::new(), Vec::new(), Vec::new());
        for group in groups {
            let hull = &self.operands[group.hull];
            match hull.axis(letter).filter(|_| group.dependent) {
                Some(_) if hull.letters.len() == 1 => {
                    finished.push((factors.len(), group.hull));
                    factors.push(hull.tensor.spread(&[hull.tensor.dims()[0]], &[Some(0)]));
                    powers.push(hull.power);
                }
                Some(axis) => {
                    factors.push(hull.tensor.contract_others(axis, &self.group_weights(group, Some(letter)))?);
                    powers.push(1);
                }
                None => scale *= self.group_sum(group),
            }
        }
        let length = 1 << self.plan.letters[letter].variables;
        for factor in &mut factors {
            factor.resize(length, S::Challenge::ZERO);
        }
        let (next, values) =
            self.rounds(phase, factors.into_iter().map(Vector::from).collect(), powers, scale, claim, transcript)?;
        for (position, operand) in finished {
            self.operands[operand].bind_all(values[position]);
        }
        if self.operands.iter().any(|o| o.axis(letter).is_some()) {
            let table = vector::eq_scalars::<S>(&self.points.letters[letter]);
            self.operands.iter_mut().try_for_each(|o| o.bind(letter, &table))?;
        }
        Ok(next)
    }

    /// Rounds for all remaining letters, every factor spread over their cube.
    fn joint(
        &mut self,
        phase: &Phase,
        letters: &[usize],
        claim: S::Challenge,
        transcript: &mut ProverTranscript<S>,
    ) -> Result<S::Challenge, ProveError> {
        let scale = self.constant();
        let lengths: Vec<usize> = letters.iter().map(|&l| 1 << self.plan.letters[l].variables).collect();
        let open: Vec<usize> = (0..self.operands.len()).filter(|&i| !self.operands[i].letters.is_empty()).collect();
        let (mut factors, mut powers) = (Vec::new(), Vec::new());
        for &i in &open {
            let operand = &self.operands[i];
            let axes: Vec<Option<usize>> = letters.iter().map(|&l| operand.axis(l)).collect();
            factors.push(Vector::from(operand.tensor.spread(&lengths, &axes)));
            powers.push(operand.power);
        }
        let (next, values) = self.rounds(phase, factors, powers, scale, claim, transcript)?;
        for (&i, value) in open.iter().zip(values) {
            self.operands[i].bind_all(value);
        }
        Ok(next)
    }

    fn rounds(
        &mut self,
        phase: &Phase,
        factors: Vec<Vector<S>>,
        powers: Vec<usize>,
        scale: S::Challenge,
        claim: S::Challenge,
        transcript: &mut ProverTranscript<S>,
    ) -> Result<(S::Challenge, Vec<S::Challenge>), ProveError> {
        let weights = self.points.weights(self.plan, phase);
        let proven = if powers.iter().all(|&e| e == 1) {
            let product = Product { factors: factors.len() };
            prove_scaled_rounds(&product, factors, &weights, scale, claim, transcript, self.device)
        } else {
            prove_scaled_rounds(&Powers(powers), factors, &weights, scale, claim, transcript, self.device)
        }?;
        self.points.bind(self.plan, phase, &proven.point);
        Ok((proven.claim, proven.values))
    }

    /// Product of the factors without open letters.
    fn constant(&self) -> S::Challenge {
        let done = self.operands.iter().filter(|o| o.letters.is_empty());
        done.map(|o| o.tensor.scalar().exp_u64(o.power as u64)).product()
    }

    /// Weights of the hull's letters other than the phase's, times the other factors of the group; row-major.
    fn group_weights(&self, group: &Group, phase: Option<usize>) -> Vec<S::Challenge> {
        let letters: Vec<usize> =
            self.operands[group.hull].letters.iter().copied().filter(|&l| Some(l) != phase).collect();
        let lengths: Vec<usize> = letters.iter().map(|&l| self.plan.letters[l].length).collect();
        let tables: Vec<Weights<S::Challenge>> =
            letters.iter().map(|&l| weights(&self.points, &self.plan.letters[l])).collect();
        let mut product = outer_product(&tables);
        for &other in &group.others {
            self.multiply(&mut product, other, &letters, &lengths);
        }
        product
    }

    /// The sum over a group without the phase's letter.
    fn group_sum(&self, group: &Group) -> S::Challenge {
        let mut product = self.group_weights(group, None);
        let letters = &self.operands[group.hull].letters;
        let lengths: Vec<usize> = letters.iter().map(|&l| self.plan.letters[l].length).collect();
        self.multiply(&mut product, group.hull, letters, &lengths);
        product.into_iter().sum()
    }

    fn multiply(&self, product: &mut [S::Challenge], operand: usize, letters: &[usize], lengths: &[usize]) {
        let operand = &self.operands[operand];
        let axes: Vec<Option<usize>> = letters.iter().map(|&l| operand.axis(l)).collect();
        let values = operand.tensor.spread(lengths, &axes);
        count::ext_mul(product.len() * operand.power);
        for _ in 0..operand.power {
            product.iter_mut().zip(&values).for_each(|(p, &v)| *p *= v);
        }
    }

    /// The values the prover sends: partial sums scaled to values at one half.
    fn values(&self) -> Vec<S::Challenge> {
        let scaled =
            |(o, f): (&Operand<'_, S>, _)| o.tensor.scalar().div_2exp_u64(self.plan.halved_variables(f) as u64);
        self.operands.iter().zip(&self.plan.factors).map(scaled).collect()
    }
}

/// Weights of one letter's indices.
enum Weights<F> {
    /// A summed letter: ones, this many.
    Ones(usize),
    /// An output letter: the eq table of its coordinates.
    Table(Vec<F>),
}

impl<F: Field> From<Weights<F>> for Vec<F> {
    fn from(weights: Weights<F>) -> Self {
        match weights {
            Weights::Ones(n) => vec![F::ONE; n],
            Weights::Table(table) => table,
        }
    }
}

fn weights<S: Suite>(points: &Points<S>, letter: &Letter) -> Weights<S::Challenge> {
    match points.output_coordinates(letter) {
        None => Weights::Ones(letter.length),
        Some(own) => {
            let mut table = vector::eq_scalars::<S>(own);
            table.truncate(letter.length);
            Weights::Table(table)
        }
    }
}

/// All products of one weight per letter, row-major; ones cost nothing.
fn outer_product<F: Field>(tables: &[Weights<F>]) -> Vec<F> {
    let mut product = vec![F::ONE];
    let mut only_ones = true;
    for weights in tables {
        product = match weights {
            Weights::Ones(n) => product.iter().flat_map(|&p| core::iter::repeat_n(p, *n)).collect(),
            Weights::Table(table) if only_ones => product.iter().flat_map(|_| table.iter().copied()).collect(),
            Weights::Table(table) => {
                count::ext_mul(product.len() * table.len());
                product.iter().flat_map(|&p| table.iter().map(move |&w| p * w)).collect()
            }
        };
        only_ones &= matches!(weights, Weights::Ones(_));
    }
    product
}
