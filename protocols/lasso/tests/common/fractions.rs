//! A plain reference prover of the sums of fractions.

use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::{ProverTranscript, Suite, mle};

use super::{Case, bind, close, round};

/// All levels of numerators and of denominators, root first.
struct Tree<F> {
    n: Vec<Vec<F>>,
    d: Vec<Vec<F>>,
}

impl<F: Field> Tree<F> {
    fn new(mut n: Vec<F>, mut d: Vec<F>) -> Self {
        n.resize(n.len().next_power_of_two(), F::ZERO);
        d.resize(n.len(), F::ONE);
        let (mut ns, mut ds) = (vec![n], vec![d]);
        while ns[0].len() > 1 {
            let half = ns[0].len() / 2;
            let (n, d) = (&ns[0], &ds[0]);
            let sums = (0..half).map(|x| n[x] * d[x + half] + n[x + half] * d[x]).collect();
            let products = (0..half).map(|x| d[x] * d[x + half]).collect();
            ns.insert(0, sums);
            ds.insert(0, products);
        }
        Self { n: ns, d: ds }
    }
}

/// The reference prover: whole trees padded with 0/1, plain loops, gates as they are defined. `roots` may change the
/// four elements of every memory; the trees are built over what `pretence` reads, if it is given.
pub fn reference<S: Suite>(case: &Case, pretence: Option<&Case>, roots: impl Fn(&mut [[S::Challenge; 4]])) -> Vec<u8> {
    let (memories, pretended) = (case.memories(), pretence.unwrap_or(case).memories());
    let mut t = ProverTranscript::<S>::new();
    t.absorb("commitment", &case.commitment());
    t.absorb("lookup", b"case");
    let leaves = memories[0].1.len();
    let sizes: Vec<String> = memories.iter().map(|(rows, _)| format!("{}x{}", rows[0].len(), rows.len())).collect();
    t.absorb("logup", format!("{leaves} reads of {}", sizes.join(", ")).as_bytes());
    let (gamma, tau): (S::Challenge, S::Challenge) = (t.challenge(), t.challenge());
    let hash = |row: &[i64], counter: i64| {
        let all = row.iter().chain([&counter]).map(|&v| S::from_i64(v));
        gamma.powers().take(row.len() + 1).zip(all).map(|(p, v)| p * v).sum::<S::Challenge>() - tau
    };
    let counters = &case.advice[case.advice.len() - 2 * memories.len()..];
    let (mut trees, mut steps, mut reads, mut rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (((table, lookups), (_, shown)), pair) in memories.iter().zip(&pretended).zip(counters.chunks(2)) {
        let (times, counts) = (case.values(pair[0]), case.values(pair[1]));
        let step = hash(&table[0], 1) - hash(&table[0], 0);
        let read: Vec<_> = lookups.iter().zip(&times).map(|(row, &t)| hash(row, t)).collect();
        let init: Vec<_> = table.iter().map(|row| hash(row, 0)).collect();
        let last: Vec<_> = table.iter().zip(&counts).map(|(row, &f)| hash(row, f)).collect();
        let shown = shown.iter().zip(&times).map(|(row, &t)| hash(row, t));
        trees.push(Tree::new(vec![S::Challenge::ONE; leaves], shown.map(|r| r * (r + step)).collect()));
        let numerators = counts.iter().map(|&f| -S::Challenge::from(S::from_i64(f))).collect();
        trees.push(Tree::new(numerators, init.iter().zip(&last).map(|(&i, &f)| i * f).collect()));
        steps.push(step);
        reads.push(read);
        rows.push((init, last, counts));
    }
    t.enter("memory");
    let root = |pair: &[Tree<S::Challenge>]| [pair[0].n[0][0], pair[0].d[0][0], pair[1].n[0][0], pair[1].d[0][0]];
    let mut sent: Vec<[S::Challenge; 4]> = trees.chunks(2).map(root).collect();
    roots(&mut sent);
    for four in &sent {
        t.write(four);
    }
    let mut claims: Vec<[S::Challenge; 2]> = sent.iter().flat_map(|&[a, b, c, d]| [[a, b], [c, d]]).collect();
    let mut points = vec![Vec::new(); trees.len()];
    for k in 0..trees.iter().map(|tree| tree.n.len()).max().unwrap() - 1 {
        layer::<S>(k, leaves, &trees, &mut claims, &mut points, &mut t);
    }
    t.enter("reads");
    let point = read_leaves::<S>(&reads, &steps, (&claims, &points[0]), &mut t);
    t.leave();
    t.enter("rows");
    for (i, (init, last, counts)) in rows.into_iter().enumerate() {
        row_leaves::<S>(init, last, &counts, steps[i], (claims[2 * i + 1], &points[2 * i + 1]), &mut t);
    }
    t.leave();
    t.leave();
    t.enter("leaves");
    close::<S>(case, None, &point, &mut t);
    t.leave();
    t.finish().0
}

fn layer<S: Suite>(
    k: usize,
    leaves: usize,
    trees: &[Tree<S::Challenge>],
    claims: &mut [[S::Challenge; 2]],
    points: &mut [Vec<S::Challenge>],
    t: &mut ProverTranscript<S>,
) {
    let active: Vec<usize> = (0..trees.len()).filter(|&i| trees[i].n.len() > k + 1).collect();
    let lambda = t.challenge();
    let rho = if active.len() > 1 { t.challenge() } else { S::Challenge::ONE };
    let weights: Vec<S::Challenge> = rho.powers().take(active.len()).collect();
    let z = points[active[0]].clone();
    let known = |i: usize| i.is_multiple_of(2) && trees[i].n.len() == k + 2;
    // Of the lookup leaves' layer, the product of the known numerators is left out.
    let mut extra = S::Challenge::ZERO;
    let mut claim = S::Challenge::ZERO;
    for (&i, &w) in active.iter().zip(&weights) {
        claim += w * (claims[i][0] + lambda * claims[i][1]);
        if known(i) {
            extra += w * lambda.inverse();
        }
    }
    let mut inside: Vec<S::Challenge> = (0..1 << k).map(|x| S::Challenge::from_bool(x + (1 << k) < leaves)).collect();
    claim += extra * mle::prefix_indicator(&z, leaves.saturating_sub(1 << k));
    let mut tables: Vec<_> = active.iter().map(|&i| [trees[i].n[k + 1].clone(), trees[i].d[k + 1].clone()]).collect();
    let mut point = Vec::new();
    for i in 0..k {
        let eq = mle::eq_table(&z[i + 1..]);
        let r = round::<S>(z[i], &mut claim, t, |x| {
            let gates = tables.iter().zip(&weights).map(|(table, &w)| {
                let [[n0, n1], [d0, d1]] = table.each_ref().map(|side| {
                    let (low, high) = side.split_at(side.len() / 2);
                    [bind(low, x), bind(high, x)]
                });
                let gate = |j: usize| n0[j] * d1[j] + n1[j] * d0[j] + lambda * d0[j] * d1[j];
                w * eq.iter().enumerate().map(|(j, &e)| e * gate(j)).sum::<S::Challenge>()
            });
            let outside: S::Challenge = eq.iter().zip(bind(&inside, x)).map(|(&e, i)| e * i).sum();
            gates.sum::<S::Challenge>() + extra * outside
        });
        for side in tables.iter_mut().flatten() {
            let (low, high) = side.split_at(side.len() / 2);
            *side = [bind(low, r), bind(high, r)].concat();
        }
        inside = bind(&inside, r);
        point.push(r);
    }
    for (&i, [n, d]) in active.iter().zip(&tables) {
        if !known(i) {
            t.write(n);
        }
        t.write(d);
    }
    let c = t.challenge();
    for (&i, [n, d]) in active.iter().zip(&tables) {
        claims[i] = [n, d].map(|side| side[0] + c * (side[1] - side[0]));
        points[i] = core::iter::once(c).chain(point.iter().copied()).collect();
    }
}

/// The lookup leaves' denominators, as squares; returns the leaf point.
fn read_leaves<S: Suite>(
    reads: &[Vec<S::Challenge>],
    steps: &[S::Challenge],
    (claims, z): (&[[S::Challenge; 2]], &[S::Challenge]),
    t: &mut ProverTranscript<S>,
) -> Vec<S::Challenge> {
    let sigma = if reads.len() > 1 { t.challenge() } else { S::Challenge::ONE };
    let inside = mle::prefix_indicator(z, reads[0].len());
    let mut claim = S::Challenge::ZERO;
    let mut sides = Vec::new();
    let weights: Vec<S::Challenge> = sigma.powers().take(reads.len()).collect();
    for (i, read) in reads.iter().enumerate() {
        let half = steps[i].halve();
        claim += weights[i] * (claims[2 * i][1] + half * half * inside);
        let mut side: Vec<_> = read.iter().map(|&r| r + half).collect();
        side.resize(1 << z.len(), S::Challenge::ONE);
        sides.push(side);
    }
    let mut point = Vec::new();
    for (i, &z_i) in z.iter().enumerate() {
        let eq = mle::eq_table(&z[i + 1..]);
        let r = round::<S>(z_i, &mut claim, t, |x| {
            let squares = sides
                .iter()
                .zip(&weights)
                .map(|(side, &w)| w * eq.iter().zip(bind(side, x)).map(|(&e, s)| e * s * s).sum::<S::Challenge>());
            squares.sum()
        });
        for side in &mut sides {
            *side = bind(side, r);
        }
        point.push(r);
    }
    for side in &sides {
        t.write(side);
    }
    point
}

/// A memory's leaves.
fn row_leaves<S: Suite>(
    init: Vec<S::Challenge>,
    last: Vec<S::Challenge>,
    counts: &[i64],
    step: S::Challenge,
    ([numerator, denominator], z): ([S::Challenge; 2], &[S::Challenge]),
    t: &mut ProverTranscript<S>,
) {
    let mu = t.challenge();
    let shift = (mu * step).inverse();
    let mut claim = numerator + mu * denominator - mu * shift * shift;
    let (mut a, mut b): (Vec<_>, Vec<_>) =
        (init.into_iter().map(|v| v - shift).collect(), last.into_iter().map(|v| v + shift).collect());
    let mut count: Vec<S::Challenge> = counts.iter().map(|&f| S::Challenge::from(S::from_i64(f))).collect();
    for (i, &z_i) in z.iter().enumerate() {
        let eq = mle::eq_table(&z[i + 1..]);
        let r = round::<S>(z_i, &mut claim, t, |x| {
            mu * eq.iter().zip(bind(&a, x)).zip(bind(&b, x)).map(|((&e, a), b)| e * a * b).sum::<S::Challenge>()
        });
        (a, b, count) = (bind(&a, r), bind(&b, r), bind(&count, r));
    }
    t.write(&count);
}
