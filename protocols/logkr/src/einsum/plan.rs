//! Which layers prove an einsum: a recursion on sets of factors, the same for prover, verifier and prediction.
//!
//! Equal operands are one *factor* with a power. A node of the recursion is a claim `v = Σ_l Π weight_l(l) Π_f f(l)^e`
//! over index letters `l`, each weighted by `eq` of a point or summed.
//!
//! 1. A letter that only one factor of power one has is bound without a message: at its point, or, if summed, at
//!    `(½, …, ½)`, because `Σ_x f(x) = 2^k f̃(½, …, ½)`.
//! 2. A single factor is a power layer: `k` rounds of degree `e`, one value `y` with `y^e = running claim`.
//! 3. Otherwise the factor with the fewest variables is split off. Over its letters `L`, the node is a sum of
//!    products of children: that factor, and what the rest falls into once letters outside of `L` are summed out.
//!    Products are taken two at a time, each by one layer; every child's claim is a node again.
//!
//! No table is wider than an operand: a set of factors is summed out only if one of them has all of its letters.

use std::collections::BTreeMap;

use p3_field::Field;
use zkml_core::{Einsum, Instance, TensorId};
use zkml_sumcheck::Weight;

/// Largest power of one operand.
const MAX_POWER: usize = 8;

/// Equal operands, taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Factor {
    pub(super) tensor: TensorId,
    /// One letter per axis.
    pub(super) letters: Vec<char>,
    pub(super) power: usize,
}

/// An einsum ready to be walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(super) factors: Vec<Factor>,
    /// Axis length and variables by letter.
    pub(super) axes: BTreeMap<char, (usize, usize)>,
    output: Vec<char>,
}

/// How the values of a letter are weighted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Axis<F> {
    /// By `eq` of a point.
    Eq(Vec<F>),
    /// Not at all.
    Sum,
}

/// A claim on a weighted sum of products.
#[derive(Clone, Debug)]
pub(super) struct Node<F> {
    /// Positions in [`Plan::factors`], ascending.
    pub(super) factors: Vec<usize>,
    /// The letters that are not bound, in the order of their variables.
    pub(super) axes: Vec<(char, Axis<F>)>,
    /// Coordinates of bound letters, by factor.
    pub(super) bound: BTreeMap<(usize, char), Vec<F>>,
    pub(super) value: F,
}

/// A node split along the letters of its smallest factor.
#[derive(Clone, Debug)]
pub(super) struct Split<F> {
    /// `L`, with weights.
    pub(super) along: Vec<(char, Axis<F>)>,
    /// Disjoint sets of factors.
    pub(super) children: Vec<Vec<usize>>,
}

/// One layer as a side of the proof, or a prediction, sees it.
pub(super) trait Layers<F> {
    /// What stands for the values of a child over `L`.
    type Table;
    type Error;

    /// The children's tables.
    fn tables(&mut self, plan: &Plan, node: &Node<F>, split: &Split<F>) -> Result<Vec<Self::Table>, Self::Error>;

    /// A layer for the product of the first table, which is taken out, and all others: the point and both values there.
    fn product(
        &mut self,
        tables: &mut Vec<Self::Table>,
        weights: &[Weight<F>],
        value: F,
    ) -> Result<(Vec<F>, [F; 2]), Self::Error>;

    /// A layer for the power of a node's only factor: the point and the value there.
    fn power(&mut self, plan: &Plan, node: &Node<F>) -> Result<(Vec<F>, F), Self::Error>;
}

/// What remains to be proven of a factor: coordinates by letter, and a value.
pub(super) type FactorClaim<F> = (usize, Vec<(char, Vec<F>)>, F);

impl Plan {
    /// The plan, or why there is none: indices and shapes that do not fit, or a sum wider than every operand.
    pub(crate) fn new(instance: &Instance<'_>, einsum: &Einsum) -> Result<Self, String> {
        let mut factors: Vec<Factor> = Vec::new();
        let mut axes = BTreeMap::new();
        let mut fit = |letters: &[char], tensor: TensorId| {
            let shape = instance.shape(tensor);
            let distinct = letters.iter().enumerate().all(|(i, l)| !letters[..i].contains(l));
            let lengths = shape.dims().iter().copied().zip(shape.axis_variables());
            distinct
                && letters.len() == shape.dims().len()
                && letters.iter().zip(lengths).all(|(&l, length)| *axes.entry(l).or_insert(length) == length)
        };
        for operand in &einsum.operands {
            if !fit(&operand.indices, operand.tensor) {
                return Err(format!("the indices of `{}` do not fit the shapes", einsum.subscripts()));
            }
            match factors.iter_mut().find(|f| f.tensor == operand.tensor && f.letters == operand.indices) {
                Some(factor) => factor.power += 1,
                None => {
                    factors.push(Factor { tensor: operand.tensor, letters: operand.indices.clone(), power: 1 });
                }
            }
        }
        let covered = einsum.output_indices.iter().all(|l| factors.iter().any(|f| f.letters.contains(l)));
        if !fit(&einsum.output_indices, einsum.output) || !covered || factors.is_empty() {
            return Err(format!("the output indices of `{}` do not fit the shapes", einsum.subscripts()));
        }
        if factors.iter().any(|f| f.power > MAX_POWER) {
            return Err(format!("an operand is raised to a power above {MAX_POWER}"));
        }
        Ok(Self { factors, axes, output: einsum.output_indices.clone() })
    }

    /// Variables of a letter.
    pub(super) fn variables(&self, letter: char) -> usize {
        self.axes.get(&letter).map_or(0, |a| a.1)
    }

    /// The node that a claim on the output stands for; `None` if the point has another number of coordinates.
    pub(super) fn root<F: Field>(&self, point: &[F], value: F) -> Option<Node<F>> {
        let (mut rest, mut axes) = (point, Vec::new());
        for &letter in &self.output {
            let (own, tail) = rest.split_at_checked(self.variables(letter))?;
            axes.push((letter, Axis::Eq(own.to_vec())));
            rest = tail;
        }
        for &letter in self.factors.iter().flat_map(|f| &f.letters) {
            if axes.iter().all(|(l, _)| *l != letter) {
                axes.push((letter, Axis::Sum));
            }
        }
        rest.is_empty().then(|| Node {
            factors: (0..self.factors.len()).collect(),
            axes,
            bound: BTreeMap::new(),
            value,
        })
    }

    /// Splits a node of several factors (step 3). Errors if a child would be wider than its operands.
    pub(super) fn split<F: Clone>(&self, node: &Node<F>) -> Result<Split<F>, String> {
        let open = |f: usize| node.open_letters(self, f);
        let size = |f: &usize| open(*f).iter().map(|&l| self.variables(l)).sum::<usize>();
        let smallest = node.factors.iter().copied().min_by_key(size).unwrap_or(0);
        let own = open(smallest);
        let along: Vec<_> = node.axes.iter().filter(|(l, _)| own.contains(l)).cloned().collect();
        let mut children: Vec<(Vec<usize>, Vec<char>)> = Vec::new();
        for &f in &node.factors {
            let outside: Vec<char> = open(f).into_iter().filter(|l| !own.contains(l)).collect();
            let (linked, apart): (Vec<_>, Vec<_>) =
                children.into_iter().partition(|(_, letters)| letters.iter().any(|l| outside.contains(l)));
            let mut merged = (vec![f], outside);
            for (factors, letters) in linked {
                merged.0.extend(factors);
                merged.1.extend(letters);
            }
            merged.0.sort_unstable();
            children = apart;
            children.push(merged);
        }
        let mut children: Vec<Vec<usize>> = children.into_iter().map(|(factors, _)| factors).collect();
        children.sort_unstable();
        for child in &children {
            let carried = |&f: &usize| child.iter().all(|&g| open(g).iter().all(|l| open(f).contains(l)));
            if !child.iter().any(carried) {
                return Err(format!("`{}` needs a layer wider than every operand", self.subscripts()));
            }
        }
        Ok(Split { along, children })
    }

    fn subscripts(&self) -> String {
        let inputs: Vec<String> = self.factors.iter().map(|f| f.letters.iter().collect()).collect();
        format!("{}->{}", inputs.join(","), self.output.iter().collect::<String>())
    }

    /// Walks the layers and returns the claims on the factors that remain. `refuse` turns a reason into an error.
    pub(super) fn reduce<F: Field, L: Layers<F>>(
        &self,
        mut node: Node<F>,
        layers: &mut L,
        refuse: &impl Fn(String) -> L::Error,
    ) -> Result<Vec<FactorClaim<F>>, L::Error> {
        node.bind_single_uses(self);
        if let [factor] = *node.factors {
            if self.factors.get(factor).is_some_and(|f| f.power > 1) {
                let (point, value) = layers.power(self, &node)?;
                node.bind(self, factor, &point);
                node.value = value;
            }
            let bound = node.bound.iter().filter(|((f, _), _)| *f == factor);
            return Ok(vec![(factor, bound.map(|((_, l), p)| (*l, p.clone())).collect(), node.value)]);
        }
        let split = self.split(&node).map_err(refuse)?;
        let mut tables = layers.tables(self, &node, &split)?;
        let (mut weights, mut value) = (weights(self, &split.along), node.value);
        let mut point = Vec::new();
        let mut claims = Vec::new();
        for (i, child) in split.children.iter().enumerate() {
            let mut own = value;
            if i + 1 < split.children.len() {
                (point, [own, value]) = layers.product(&mut tables, &weights, value)?;
                weights = point.iter().map(|&r| Weight::Eq(r)).collect();
            }
            claims.extend(self.reduce(node.child(self, child, &split.along, &point, own), layers, refuse)?);
        }
        Ok(claims)
    }
}

/// One weight per variable.
pub(super) fn weights<F: Copy>(plan: &Plan, axes: &[(char, Axis<F>)]) -> Vec<Weight<F>> {
    let one = |(letter, axis): &(char, Axis<F>)| match axis {
        Axis::Eq(point) => point.iter().map(|&r| Weight::Eq(r)).collect(),
        Axis::Sum => vec![Weight::Sum; plan.variables(*letter)],
    };
    axes.iter().flat_map(one).collect()
}

impl<F: Field> Node<F> {
    /// Step 1.
    fn bind_single_uses(&mut self, plan: &Plan) {
        for (letter, axis) in core::mem::take(&mut self.axes) {
            let has = |f: &&usize| plan.factors.get(**f).is_some_and(|factor| factor.letters.contains(&letter));
            let users: Vec<usize> = self.factors.iter().filter(has).copied().collect();
            match users.as_slice() {
                [] => {}
                [only] if plan.factors.get(*only).is_some_and(|f| f.power == 1) => {
                    let point = match axis {
                        Axis::Eq(point) => point,
                        Axis::Sum => {
                            let variables = plan.variables(letter);
                            self.value = (0..variables).fold(self.value, |value, _| value.halve());
                            vec![F::ONE.halve(); variables]
                        }
                    };
                    self.bound.insert((*only, letter), point);
                }
                _ => self.axes.push((letter, axis)),
            }
        }
    }

    /// Power of the node's only factor.
    pub(super) fn power(&self, plan: &Plan) -> usize {
        self.factors.first().and_then(|&f| plan.factors.get(f)).map_or(1, |f| f.power)
    }

    /// Binds all open letters of a factor, in the order of their variables.
    fn bind(&mut self, plan: &Plan, factor: usize, point: &[F]) {
        let mut rest = point;
        for (letter, _) in core::mem::take(&mut self.axes) {
            let (own, tail) = rest.split_at(plan.variables(letter).min(rest.len()));
            self.bound.insert((factor, letter), own.to_vec());
            rest = tail;
        }
    }

    /// The node of some of the factors after a layer along `along` ended at `point`.
    fn child(&self, plan: &Plan, factors: &[usize], along: &[(char, Axis<F>)], point: &[F], value: F) -> Self {
        let (mut rest, mut axes) = (point, Vec::new());
        for (letter, _) in along {
            let (own, tail) = rest.split_at(plan.variables(*letter).min(rest.len()));
            axes.push((*letter, Axis::Eq(own.to_vec())));
            rest = tail;
        }
        axes.extend(self.axes.iter().filter(|(l, _)| along.iter().all(|(a, _)| a != l)).cloned());
        Self { factors: factors.to_vec(), axes, bound: self.bound.clone(), value }
    }
}

impl<F> Node<F> {
    /// Letters of a factor that are not bound, in the factor's order.
    pub(super) fn open_letters(&self, plan: &Plan, factor: usize) -> Vec<char> {
        let letters = plan.factors.get(factor).map_or(&[][..], |f| f.letters.as_slice());
        letters.iter().copied().filter(|&l| !self.bound.contains_key(&(factor, l))).collect()
    }
}
