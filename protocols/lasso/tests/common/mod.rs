//! Lookups to test with, and a plain reference prover of the grand products.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

pub mod fractions;

use p3_field::{Field, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{
    Bounds, Claim, Goldilocks, Instance, LayerProver, LayerVerifier, Lookup, Program, ProveError, ProverTranscript,
    Relation, Residence, Shape, Suite, Table, TensorId, VerifierTranscript, VerifyError, Witness, mle,
};
use zkml_device::{Column, Device};
use zkml_lasso::{Chunks, Lasso, MemoryCheck};

/// The bytes and the remaining claims.
pub type Proof<S> = (Vec<u8>, Vec<Claim<<S as Suite>::Challenge>>);

/// Rows as lists of entries.
pub type Rows = Vec<Vec<i64>>;

/// A lookup with its values, advice included.
#[derive(Clone)]
pub struct Case {
    pub protocol: Lasso,
    pub program: Program,
    pub witness: Witness,
    pub advice: Vec<TensorId>,
}

/// Grand products with so many chunks.
pub fn chunks(count: usize) -> Lasso {
    Lasso::new(Chunks::Exactly(count), MemoryCheck::GrandProduct)
}

/// Both checks with so many chunks.
pub fn both(count: usize) -> [Lasso; 2] {
    [MemoryCheck::GrandProduct, MemoryCheck::Logup].map(|check| Lasso::new(Chunks::Exactly(count), check))
}

/// `[-32, 32)` clamped to `[-8, 7]`, which is piecewise linear in runs of 8.
pub fn clamp() -> Table {
    let x: Vec<i64> = (-32..32).collect();
    let y = x.iter().map(|&x| x.clamp(-8, 7)).collect();
    Table::listed("clamp", vec![x, y]).unwrap()
}

/// A table without structure.
pub fn triple() -> Table {
    let columns = vec![vec![4, 4, 5, 4, -9], vec![1, 1, 0, 2, 1 << 40], vec![0, 0, 7, -7, 3]];
    Table::listed("triple", columns).unwrap()
}

impl Case {
    /// Tuples of the given shapes whose rows are drawn from the table.
    pub fn random(protocol: Lasso, table: &Table, shapes: &[&[usize]], seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let rows: Vec<Vec<usize>> = shapes
            .iter()
            .map(|dims| (0..dims.iter().product()).map(|_| rng.random_range(0..table.rows())).collect())
            .collect();
        Self::with_rows(protocol, table, shapes, &rows)
    }

    /// Tuples that read these rows.
    pub fn with_rows(protocol: Lasso, table: &Table, shapes: &[&[usize]], rows: &[Vec<usize>]) -> Self {
        let (mut program, mut witness, mut tuples) = (Program::default(), Witness::default(), Vec::new());
        for (t, (dims, rows)) in shapes.iter().zip(rows).enumerate() {
            let shape = Shape::new(dims.to_vec()).unwrap();
            let tuple = (0..table.width()).map(|c| {
                let (lo, hi) = table.bounds(c).unwrap();
                let name = format!("w{t}.{c}");
                let tensor = program.tensor(name, shape.clone(), Bounds::new(lo, hi), Residence::Committed);
                witness.set_i64(&program, tensor, rows.iter().map(|&row| table.get(c, row).unwrap()).collect());
                tensor
            });
            tuples.push(tuple.collect());
        }
        program.lookup("case", table.clone(), tuples);
        let mut case = Self { protocol, program, witness, advice: Vec::new() };
        let specs = LayerVerifier::<Goldilocks>::advice_specs(&protocol, &case.instance());
        let columns = case.honest_advice().unwrap();
        for (spec, column) in specs.into_iter().zip(columns) {
            let bounds = Bounds::new(i64::MIN, i64::MAX);
            let tensor = case.program.tensor(spec.name, spec.shape, bounds, Residence::Committed);
            case.witness.set(tensor, column);
            case.advice.push(tensor);
        }
        case
    }

    /// What the protocol would commit to for the values as they are.
    pub fn honest_advice(&self) -> Result<Vec<Column>, ProveError> {
        LayerProver::<Goldilocks>::advice(&self.protocol, &self.instance(), &self.witness)
    }

    pub fn instance(&self) -> Instance<'_> {
        Instance { program: &self.program, relation: &self.program.relations()[0], advice: &self.advice }
    }

    pub fn lookup(&self) -> &Lookup {
        let Relation::Lookup(lookup) = &self.program.relations()[0] else { panic!("not a lookup") };
        lookup
    }

    /// The advice tensor with this name.
    pub fn named(&self, name: &str) -> TensorId {
        let found = self.advice.iter().find(|&&t| self.program.get(t).is_some_and(|t| t.name == name));
        *found.unwrap_or_else(|| panic!("no advice `{name}`"))
    }

    pub fn values(&self, tensor: TensorId) -> Vec<i64> {
        self.witness.get(tensor).unwrap().to_i64()
    }

    pub fn set(&mut self, tensor: TensorId, values: Vec<i64>) {
        self.witness.set(tensor, Column::with_bounds(values, 0, 0));
    }

    /// The same with `change` applied to the values of one tensor.
    pub fn changed(&self, tensor: TensorId, change: impl FnOnce(&mut Vec<i64>)) -> Self {
        let mut values = self.values(tensor);
        change(&mut values);
        let mut case = self.clone();
        case.set(tensor, values);
        case
    }

    /// A transcript prefix that binds the committed values: an ideal commitment.
    pub fn commitment(&self) -> Vec<u8> {
        let tensors = 0..self.program.tensors().len();
        tensors.flat_map(|t| self.values(TensorId(t))).flat_map(i64::to_le_bytes).collect()
    }

    pub fn prove<S: Suite>(&self) -> Result<Proof<S>, ProveError> {
        let mut transcript = ProverTranscript::<S>::new();
        transcript.absorb("commitment", &self.commitment());
        let claims = self.protocol.prove(&self.instance(), &self.witness, None, &mut transcript, &Device::cpu())?;
        Ok((transcript.finish().0, claims))
    }

    /// What the verifier says of a proof against these commitments.
    pub fn verify<S: Suite>(&self, proof: &[u8]) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
        let mut transcript = VerifierTranscript::<S>::new(proof);
        transcript.absorb("commitment", &self.commitment());
        let claims = self.protocol.verify(&self.instance(), None, &mut transcript)?;
        transcript.finish()?;
        Ok(claims)
    }

    /// Whether a claim is true of the committed values.
    pub fn holds<S: Suite>(&self, claim: &Claim<S::Challenge>) -> bool {
        let values = self.values(claim.tensor);
        let shape = self.instance().shape(claim.tensor);
        mle::evaluate::<S::Base, S::Challenge>(&shape, &claim.point, |i| S::from_i64(values[i])) == claim.value
    }

    /// Accepted: the verifier accepts and every claim is true, as a sound opening would establish.
    pub fn accepts<S: Suite>(&self, proof: &[u8]) -> bool {
        self.verify::<S>(proof).is_ok_and(|claims| claims.iter().all(|claim| self.holds::<S>(claim)))
    }

    /// Whether a proof by the prover's own code, from whatever is committed, is accepted.
    pub fn convinces<S: Suite>(&self) -> bool {
        self.accepts::<S>(&self.prove::<S>().unwrap().0)
    }

    /// The values of a tuple column in leaf order: aligned blocks of all tuples, largest first.
    fn in_leaf_order(&self, column: usize) -> Vec<i64> {
        let mut blocks = self.blocks();
        blocks
            .iter_mut()
            .flat_map(|(t, cells)| {
                let values = self.values(self.lookup().tuples[*t][column]);
                cells.iter().map(|&i| values[i]).collect::<Vec<_>>()
            })
            .collect()
    }

    /// Tuple and cells of every block.
    fn blocks(&self) -> Vec<(usize, Vec<usize>)> {
        let mut blocks = Vec::new();
        for (t, tuple) in self.lookup().tuples.iter().enumerate() {
            let shape = self.instance().shape(tuple[0]);
            blocks.extend(shape.blocks().iter().map(|b| (t, b.indices(&shape))));
        }
        blocks.sort_by_key(|(_, cells)| core::cmp::Reverse(cells.len()));
        blocks
    }

    /// By memory: its rows, and what every lookup reads, both as entries.
    pub fn memories(&self) -> Vec<(Rows, Rows)> {
        let table = &self.lookup().table;
        let columns: Vec<Vec<i64>> = (0..table.width()).map(|c| self.in_leaf_order(c)).collect();
        let leaves = columns[0].len();
        let digits = self.advice.iter().filter(|&&t| !self.program.get(t).unwrap().name.contains("counters"));
        let digits: Vec<Vec<i64>> = digits.map(|&t| self.values(t)).collect();
        let sizes = self.advice[digits.len()..].chunks(2).map(|pair| self.values(pair[1]).len()).collect::<Vec<_>>();
        let whole = |row: usize| (0..table.width()).map(|c| table.get(c, row).unwrap()).collect();
        if sizes.len() == 1 {
            let read = (0..leaves).map(|j| columns.iter().map(|c| c[j]).collect()).collect();
            return vec![((0..table.rows()).map(whole).collect(), read)];
        }
        if table.width() == 2 {
            let (low, slope) = (&digits[0], &digits[1]);
            let run = |h: usize| {
                let (a, b): (Vec<i64>, Vec<i64>) = (whole(h * sizes[0]), whole(h * sizes[0] + 1));
                vec![a[0], a[1], b[1] - a[1]]
            };
            let high = |j: usize| {
                vec![columns[0][j] - low[j], columns[1][j].wrapping_sub(slope[j].wrapping_mul(low[j])), slope[j]]
            };
            return vec![
                ((0..sizes[0] as i64).map(|k| vec![k]).collect(), low.iter().map(|&v| vec![v]).collect()),
                ((0..sizes[1]).map(run).collect(), (0..leaves).map(high).collect()),
            ];
        }
        let base = table.get(0, 0).unwrap();
        let chunk = |(i, &size): (usize, &usize)| {
            let start = if i == 0 { base } else { 0 };
            let read = |j: usize| {
                if i > 0 {
                    return vec![digits[i - 1][j]];
                }
                let others =
                    digits.iter().enumerate().map(|(d, digit)| digit[j] * sizes[..=d].iter().product::<usize>() as i64);
                vec![columns[0][j] - others.sum::<i64>()]
            };
            ((0..size as i64).map(|k| vec![start + k]).collect(), (0..leaves).map(read).collect())
        };
        sizes.iter().enumerate().map(chunk).collect()
    }
}

/// Changes what the reference prover sends.
pub struct Hooks<'h, F> {
    /// The four products of every memory: reads, writes, init, final.
    pub roots: &'h dyn Fn(&mut [[F; 4]]),
    /// Layer, and the children of every tree in it.
    pub children: &'h dyn Fn(usize, &mut [[F; 2]]),
    /// The case whose values the lookups pretend to read; the sum of `slope · low` is claimed to explain the rest.
    pub pretence: Option<&'h Case>,
}

impl<F> Hooks<'_, F> {
    pub fn none() -> Self {
        Hooks { roots: &|_| (), children: &|_, _| (), pretence: None }
    }
}

/// The reference prover: whole trees padded with ones, plain loops, round polynomials from three evaluations of the
/// four products as they are defined.
pub fn reference<S: Suite>(case: &Case, hooks: &Hooks<'_, S::Challenge>) -> Vec<u8> {
    let memories = hooks.pretence.unwrap_or(case).memories();
    let mut t = ProverTranscript::<S>::new();
    t.absorb("commitment", &case.commitment());
    t.absorb("lookup", b"case");
    let leaves = memories[0].1.len();
    let sizes: Vec<String> = memories.iter().map(|(rows, _)| format!("{}x{}", rows[0].len(), rows.len())).collect();
    t.absorb("grand-product", format!("{leaves} reads of {}", sizes.join(", ")).as_bytes());
    let (gamma, tau): (S::Challenge, S::Challenge) = (t.challenge(), t.challenge());
    let hash = |row: &[i64], counter: i64| {
        let all = row.iter().chain([&counter]).map(|&v| S::from_i64(v));
        gamma.powers().take(row.len() + 1).zip(all).map(|(p, v)| p * v).sum::<S::Challenge>() - tau
    };
    let counters = &case.advice[case.advice.len() - 2 * memories.len()..];
    let mut trees: Vec<Vec<Vec<S::Challenge>>> = Vec::new();
    let mut steps = Vec::new();
    for ((rows, reads), pair) in memories.iter().zip(counters.chunks(2)) {
        let (times, counts) = (case.values(pair[0]), case.values(pair[1]));
        let operations = |by: i64| {
            let step = hash(&rows[0], by) - hash(&rows[0], 0);
            levels(reads.iter().zip(&times).map(|(row, &t)| hash(row, t) + step).collect())
        };
        trees.push(operations(0));
        trees.push(operations(1));
        trees.push(levels(rows.iter().map(|row| hash(row, 0)).collect()));
        trees.push(levels(rows.iter().zip(&counts).map(|(row, &f)| hash(row, f)).collect()));
        steps.push(hash(&rows[0], 1) - hash(&rows[0], 0));
    }
    t.enter("memory");
    let mut roots: Vec<[S::Challenge; 4]> = trees.chunks(4).map(|four| [0, 1, 2, 3].map(|i| four[i][0][0])).collect();
    (hooks.roots)(&mut roots);
    for four in &roots {
        t.write(four);
    }
    let mut claims: Vec<S::Challenge> = roots.concat();
    let mut points = vec![Vec::new(); trees.len()];
    for k in 0..trees.iter().map(Vec::len).max().unwrap() - 1 {
        layer::<S>(k, leaves, &trees, &steps, (&mut claims, &mut points), hooks, &mut t);
    }
    t.leave();
    t.enter("leaves");
    close::<S>(case, hooks.pretence, &points[0], &mut t);
    t.leave();
    t.finish().0
}

/// One layer of the reference prover.
fn layer<S: Suite>(
    k: usize,
    leaves: usize,
    trees: &[Vec<Vec<S::Challenge>>],
    steps: &[S::Challenge],
    (claims, points): (&mut [S::Challenge], &mut [Vec<S::Challenge>]),
    hooks: &Hooks<'_, S::Challenge>,
    t: &mut ProverTranscript<S>,
) {
    let active: Vec<usize> = (0..trees.len()).filter(|&i| trees[i].len() > k + 1).collect();
    let rho = if active.len() > 1 { t.challenge() } else { S::Challenge::ONE };
    let weights: Vec<S::Challenge> = rho.powers().take(active.len()).collect();
    let mut tables: Vec<Vec<S::Challenge>> = active.iter().map(|&i| trees[i][k + 1].clone()).collect();
    let z = points[active[0]].clone();
    let mut claim: S::Challenge = active.iter().zip(&weights).map(|(&i, &w)| w * claims[i]).sum();
    // At the leaves of reads and writes, a multilinear part is left out of the sum.
    let at_leaves = trees[0].len() == k + 2;
    let mut offset = S::Challenge::ZERO;
    for (position, &i) in active.iter().enumerate().filter(|(_, i)| at_leaves && *i % 4 == 0) {
        let (a, b, step) = (weights[position], weights[position + 1], steps[i / 4]);
        offset += a * b * step * step * (a + b).inverse();
    }
    let mut inside: Vec<S::Challenge> = (0..1 << k).map(|x| S::Challenge::from_bool(x + (1 << k) < leaves)).collect();
    claim -= offset * mle::prefix_indicator(&z, leaves.saturating_sub(1 << k));
    let mut point = Vec::new();
    for i in 0..k {
        let eq = mle::eq_table(&z[i + 1..]);
        let r = round::<S>(z[i], &mut claim, t, |x| {
            let products = tables.iter().zip(&weights).map(|(nodes, &w)| {
                let (low, high) = nodes.split_at(nodes.len() / 2);
                let (low, high) = (bind(low, x), bind(high, x));
                w * eq.iter().zip(low).zip(high).map(|((&e, l), h)| e * l * h).sum::<S::Challenge>()
            });
            let outside: S::Challenge = eq.iter().zip(bind(&inside, x)).map(|(&e, i)| e * i).sum();
            products.sum::<S::Challenge>() - offset * outside
        });
        for nodes in &mut tables {
            let (low, high) = nodes.split_at(nodes.len() / 2);
            *nodes = [bind(low, r), bind(high, r)].concat();
        }
        inside = bind(&inside, r);
        point.push(r);
    }
    let mut children: Vec<[S::Challenge; 2]> = tables.iter().map(|n| [n[0], n[1]]).collect();
    (hooks.children)(k, &mut children);
    for (&i, values) in active.iter().zip(&children) {
        if !(at_leaves && i % 4 == 1) {
            t.write(values);
        }
    }
    let c = t.challenge();
    for (&i, [low, high]) in active.iter().zip(children) {
        claims[i] = low + c * (high - low);
        points[i] = core::iter::once(c).chain(point.iter().copied()).collect();
    }
}

/// The values of columns and digits at the leaf point, and the primary sumcheck.
pub fn close<S: Suite>(case: &Case, pretence: Option<&Case>, point: &[S::Challenge], t: &mut ProverTranscript<S>) {
    for (tuple, cells) in case.blocks() {
        let eq = mle::eq_table(&point[point.len() - cells.len().ilog2() as usize..]);
        for &tensor in &case.lookup().tuples[tuple] {
            let values = case.values(tensor);
            t.write(&[eq.iter().zip(&cells).map(|(&e, &i)| e * S::from_i64(values[i])).sum()]);
        }
    }
    let eq = mle::eq_table(point);
    let digits = case.advice.iter().filter(|&&t| !case.program.get(t).unwrap().name.contains("counters"));
    let mut digits: Vec<Vec<S::Challenge>> =
        digits.map(|&t| case.values(t).into_iter().map(|v| S::Challenge::from(S::from_i64(v))).collect()).collect();
    let value = |digit: &[S::Challenge]| eq.iter().zip(digit).map(|(&e, &v)| e * v).sum::<S::Challenge>();
    for digit in &digits {
        t.write(&[value(digit)]);
    }
    if case.lookup().table.width() != 2 || digits.is_empty() {
        return;
    }
    let product: Vec<_> = digits[0].iter().zip(&digits[1]).map(|(&l, &s)| l * s).collect();
    let mut claim = value(&product);
    if let Some(honest) = pretence {
        let difference = case.in_leaf_order(1).into_iter().zip(honest.in_leaf_order(1)).map(|(y, honest)| y - honest);
        let difference: Vec<_> = difference.map(|v| S::Challenge::from(S::from_i64(v))).collect();
        claim += value(&difference);
    }
    t.write(&[claim]);
    for digit in &mut digits {
        digit.resize(eq.len(), S::Challenge::ZERO);
    }
    for (i, &z) in point.iter().enumerate() {
        let eq = mle::eq_table(&point[i + 1..]);
        let r = round::<S>(z, &mut claim, t, |x| {
            let bound = [bind(&digits[0], x), bind(&digits[1], x)];
            eq.iter().enumerate().map(|(j, &e)| e * bound[0][j] * bound[1][j]).sum()
        });
        for digit in &mut digits {
            *digit = bind(digit, r);
        }
    }
    t.write(&[digits[0][0], digits[1][0]]);
}

/// One round over a variable of weight `eq(z, x)`, from the values of its polynomial at 0 and 2.
pub fn round<S: Suite>(
    z: S::Challenge,
    claim: &mut S::Challenge,
    t: &mut ProverTranscript<S>,
    at: impl Fn(S::Challenge) -> S::Challenge,
) -> S::Challenge {
    let (q0, q2) = (at(S::Challenge::ZERO), at(S::Challenge::TWO));
    let q1 = (*claim - (S::Challenge::ONE - z) * q0) * z.inverse();
    let leading = (q2 - q1.double() + q0).halve();
    let linear = q1 - q0 - leading;
    t.write(&[linear, leading]);
    let r = t.challenge();
    *claim = q0 + r * (linear + r * leading);
    r
}

/// All levels of a tree of products, root first; leaves are padded with ones.
fn levels<F: Field>(mut leaves: Vec<F>) -> Vec<Vec<F>> {
    leaves.resize(leaves.len().next_power_of_two(), F::ONE);
    let mut levels = vec![leaves];
    while levels[0].len() > 1 {
        let (low, high) = levels[0].split_at(levels[0].len() / 2);
        levels.insert(0, low.iter().zip(high).map(|(&l, &h)| l * h).collect());
    }
    levels
}

/// Binds the first variable.
pub fn bind<F: Field>(values: &[F], r: F) -> Vec<F> {
    let (low, high) = values.split_at(values.len() / 2);
    low.iter().zip(high).map(|(&l, &h)| l + r * (h - l)).collect()
}
