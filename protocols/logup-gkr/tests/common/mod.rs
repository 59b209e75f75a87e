//! Lookups to test with, and a plain reference prover.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use p3_field::{Field, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{
    Bounds, Claim, Instance, LayerProver, LayerVerifier, Lookup, Program, ProverTranscript, Relation, Residence, Shape,
    Suite, Table, TensorId, VerifierTranscript, VerifyError, Witness, mle,
};
use zkml_device::{Column, Device};
use zkml_logup_gkr::LogupGkr;

/// The bytes and the remaining claims.
pub type Proof<S> = (Vec<u8>, Vec<Claim<<S as Suite>::Challenge>>);

/// A lookup with its values, advice included.
#[derive(Clone)]
pub struct Case {
    pub program: Program,
    pub witness: Witness,
    pub advice: Vec<TensorId>,
}

impl Case {
    /// Tuples of the given shapes whose rows are drawn from the table.
    pub fn random(table: &Table, shapes: &[&[usize]], seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut program, mut witness, mut tuples) = (Program::default(), Witness::default(), Vec::new());
        for (t, dims) in shapes.iter().enumerate() {
            let shape = Shape::new(dims.to_vec()).unwrap();
            let rows: Vec<usize> = (0..shape.cells()).map(|_| rng.random_range(0..table.rows())).collect();
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
        let shape = Shape::new([table.rows()]).unwrap();
        let advice = vec![program.tensor("multiplicities", shape, Bounds::new(0, 1 << 40), Residence::Committed)];
        let mut case = Self { program, witness, advice };
        let counts = LayerProver::<zkml_core::Goldilocks>::advice(&LogupGkr, &case.instance(), &case.witness);
        case.set(case.advice[0], counts.unwrap().remove(0).to_i64());
        case
    }

    pub fn instance(&self) -> Instance<'_> {
        Instance { program: &self.program, relation: &self.program.relations()[0], advice: &self.advice }
    }

    pub fn lookup(&self) -> &Lookup {
        let Relation::Lookup(lookup) = &self.program.relations()[0] else { panic!("not a lookup") };
        lookup
    }

    pub fn values(&self, tensor: TensorId) -> Vec<i64> {
        self.witness.get(tensor).unwrap().to_i64()
    }

    pub fn set(&mut self, tensor: TensorId, values: Vec<i64>) {
        self.witness.set(tensor, Column::with_bounds(values, 0, 0));
    }

    pub fn multiplicities(&self) -> Vec<i64> {
        self.values(self.advice[0])
    }

    /// A transcript prefix that binds the committed values: an ideal commitment.
    pub fn commitment(&self) -> Vec<u8> {
        let tensors = 0..self.program.tensors().len();
        tensors.flat_map(|t| self.values(TensorId(t))).flat_map(i64::to_le_bytes).collect()
    }

    pub fn prove<S: Suite>(&self) -> Result<Proof<S>, zkml_core::ProveError> {
        self.prove_on::<S>(&Device::cpu())
    }

    pub fn prove_on<S: Suite>(&self, device: &Device) -> Result<Proof<S>, zkml_core::ProveError> {
        let mut transcript = ProverTranscript::<S>::new();
        transcript.absorb("commitment", &self.commitment());
        let claims = LogupGkr.prove(&self.instance(), &self.witness, None, &mut transcript, device)?;
        Ok((transcript.finish().0, claims))
    }

    /// What the verifier says of a proof against these commitments.
    pub fn verify<S: Suite>(&self, proof: &[u8]) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
        let mut transcript = VerifierTranscript::<S>::new(proof);
        transcript.absorb("commitment", &self.commitment());
        let claims = LogupGkr.verify(&self.instance(), None, &mut transcript)?;
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
}

/// What the reference prover sends in a layer, before it is sent: layer, challenges so far (λ and the bound point),
/// the running claim, a copy of the transcript, and the children `(n0, n1, d0, d1)` per tree.
pub struct LayerView<'a, S: Suite> {
    pub k: usize,
    pub lambda: S::Challenge,
    pub claim: S::Challenge,
    pub transcript: &'a ProverTranscript<S>,
    pub children: &'a mut Vec<[S::Challenge; 4]>,
}

/// The reference prover: full layers padded with 0/1, plain loops, round polynomials from three evaluations.
/// `roots` and `layer` may change what is sent.
pub fn reference<S: Suite>(
    case: &Case,
    roots: impl Fn(&mut [S::Challenge; 4]),
    mut layer: impl FnMut(LayerView<'_, S>),
) -> Vec<u8> {
    let instance = case.instance();
    let lookup = case.lookup();
    let mut transcript = ProverTranscript::<S>::new();
    transcript.absorb("commitment", &case.commitment());
    transcript.absorb("lookup", b"case");
    let beta = if lookup.table.width() > 1 { transcript.challenge() } else { S::Challenge::ONE };
    let alpha = transcript.challenge();
    let denominator = |row: &[i64]| {
        alpha - beta.powers().take(row.len()).zip(row).map(|(p, &v)| p * S::from_i64(v)).sum::<S::Challenge>()
    };
    let (witness, blocks) = witness_leaves::<S>(case, &denominator);
    let counts = case.multiplicities();
    let table = (0..lookup.table.rows()).map(|row| {
        let values: Vec<i64> = (0..lookup.table.width()).map(|c| lookup.table.get(c, row).unwrap()).collect();
        [-S::Challenge::from(S::from_i64(counts[row])), denominator(&values)]
    });
    let trees = [layers(witness), layers(table.collect())];
    transcript.enter("tree");
    let mut sent = [trees[0][0][0][0], trees[0][0][0][1], trees[1][0][0][0], trees[1][0][0][1]];
    roots(&mut sent);
    transcript.write(&sent);
    let mut claims = [(sent[0], sent[1]), (sent[2], sent[3])];
    let mut points = [Vec::new(), Vec::new()];
    let depths = [trees[0].len() - 1, trees[1].len() - 1];
    for k in 0..depths[0].max(depths[1]) {
        let active: Vec<usize> = (0..2).filter(|&t| depths[t] > k).collect();
        let lambda = transcript.challenge();
        let rho = if active.len() > 1 { transcript.challenge() } else { S::Challenge::ONE };
        let z = points[active[0]].clone();
        let mut claim = S::Challenge::ZERO;
        for (&t, power) in active.iter().zip(rho.powers()) {
            claim += power * (claims[t].0 + lambda * claims[t].1);
        }
        let mut tables: Vec<_> = active.iter().map(|&t| trees[t][k + 1].clone()).collect();
        let mut point = Vec::new();
        for i in 0..k {
            let eq = mle::eq_table(&z[i + 1..]);
            let at = |x: S::Challenge| -> S::Challenge {
                let gates = tables.iter().map(|nodes| bound_gates(nodes, &eq, lambda, x));
                gates.zip(rho.powers()).map(|(g, power)| power * g).sum()
            };
            let (q0, q2) = (at(S::Challenge::ZERO), at(S::Challenge::TWO));
            let q1 = (claim - (S::Challenge::ONE - z[i]) * q0) * z[i].inverse();
            let leading = (q2 - q1.double() + q0).halve();
            let linear = q1 - q0 - leading;
            transcript.write(&[linear, leading]);
            let r = transcript.challenge();
            claim = q0 + r * (linear + r * leading);
            for nodes in &mut tables {
                *nodes = bind(nodes, r);
            }
            point.push(r);
        }
        let mut children: Vec<_> = tables.iter().map(|n| [n[0][0], n[1][0], n[0][1], n[1][1]]).collect();
        layer(LayerView { k, lambda, claim, transcript: &transcript, children: &mut children });
        for (&t, values) in active.iter().zip(&children) {
            transcript.write(&values[if t == 0 && depths[0] == k + 1 { 2 } else { 0 }..]);
        }
        let c = transcript.challenge();
        for (&t, [n0, n1, d0, d1]) in active.iter().zip(children) {
            claims[t] = (n0 + c * (n1 - n0), d0 + c * (d1 - d0));
            points[t] = core::iter::once(c).chain(point.iter().copied()).collect();
        }
    }
    transcript.leave();
    transcript.enter("leaves");
    for (tuple, indices) in blocks {
        let eq = mle::eq_table(&points[0][points[0].len() - indices.len().ilog2() as usize..]);
        for &tensor in &lookup.tuples[tuple] {
            assert!(instance.program.get(tensor).is_some());
            let values = case.values(tensor);
            transcript.write(&[eq.iter().zip(&indices).map(|(&e, &i)| e * S::from_i64(values[i])).sum()]);
        }
    }
    transcript.leave();
    transcript.finish().0
}

/// A block: its tuple and its cells in the tensor.
type Cells = (usize, Vec<usize>);

/// The witness leaves, padded to a power of two with 0/1, and each block's tuple and cells.
fn witness_leaves<S: Suite>(
    case: &Case,
    denominator: &dyn Fn(&[i64]) -> S::Challenge,
) -> (Vec<[S::Challenge; 2]>, Vec<Cells>) {
    let tuples = &case.lookup().tuples;
    let mut blocks = Vec::new();
    for (t, tuple) in tuples.iter().enumerate() {
        let shape = case.instance().shape(tuple[0]);
        blocks.extend(shape.blocks().iter().map(|b| (t, b.indices(&shape))));
    }
    blocks.sort_by_key(|(_, indices)| core::cmp::Reverse(indices.len()));
    let mut leaves = Vec::new();
    for (t, indices) in &blocks {
        let columns: Vec<Vec<i64>> = tuples[*t].iter().map(|&c| case.values(c)).collect();
        leaves.extend(indices.iter().map(|&i| {
            let row: Vec<i64> = columns.iter().map(|c| c[i]).collect();
            [S::Challenge::ONE, denominator(&row)]
        }));
    }
    leaves.resize(leaves.len().next_power_of_two(), [S::Challenge::ZERO, S::Challenge::ONE]);
    (leaves, blocks)
}

/// All layers, root first.
fn layers<F: Field>(leaves: Vec<[F; 2]>) -> Vec<Vec<[F; 2]>> {
    let mut layers = vec![leaves];
    while layers[0].len() > 1 {
        let half = layers[0].len() / 2;
        let below = &layers[0];
        let sum = |x: usize| {
            let ([n0, d0], [n1, d1]) = (below[x], below[x + half]);
            [n0 * d1 + n1 * d0, d0 * d1]
        };
        layers.insert(0, (0..half).map(sum).collect());
    }
    layers
}

/// Binds the leading gate variable: nodes are `[left gates' children | right ones]`.
fn bind<F: Field>(nodes: &[[F; 2]], r: F) -> Vec<[F; 2]> {
    let quarter = nodes.len() / 4;
    let value = |x: usize| {
        let (low, high) = (nodes[x], nodes[x + quarter]);
        [low[0] + r * (high[0] - low[0]), low[1] + r * (high[1] - low[1])]
    };
    (0..quarter).chain(2 * quarter..3 * quarter).map(value).collect()
}

/// `Σ eq(x) gate(x)` with the leading variable at `x`.
fn bound_gates<F: Field>(nodes: &[[F; 2]], eq: &[F], lambda: F, x: F) -> F {
    let bound = bind(nodes, x);
    let half = bound.len() / 2;
    let gate = |(j, &e): (usize, &F)| {
        let ([n0, d0], [n1, d1]) = (bound[j], bound[j + half]);
        e * (n0 * d1 + n1 * d0 + lambda * d0 * d1)
    };
    eq.iter().enumerate().map(gate).sum()
}

/// Tables of one to three columns.
pub fn tables() -> Vec<Table> {
    let signed: Vec<i64> = (-8..8).collect();
    let relu = signed.iter().map(|&x| x.max(0)).collect();
    let triple = vec![vec![4, 4, 5, 4, -9], vec![1, 1, 0, 2, 1 << 40], vec![0, 0, 7, -7, 3]];
    vec![
        Table::Range { bits: 0 },
        Table::Range { bits: 1 },
        Table::Range { bits: 7 },
        Table::listed("relu", vec![signed, relu]).unwrap(),
        Table::listed("triple", triple).unwrap(),
    ]
}
