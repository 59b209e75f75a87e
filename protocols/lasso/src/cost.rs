//! Predicted cost. Operations are the prover's, so they are predicted in builds with the prover half only; bytes and
//! rounds always.

use zkml_core::{Cost, Suite};

use crate::MemoryCheck;
use crate::decompose::{Decomposition, Memory};

/// Operations, elements and rounds.
#[cfg_attr(
    not(feature = "prover"),
    expect(clippy::extra_unused_type_parameters, reason = "the prover's operations depend on the suite")
)]
pub(crate) fn cost<S: Suite>(check: MemoryCheck, decomposition: &Decomposition<'_>) -> Cost {
    let messages = messages(check, decomposition);
    #[cfg(feature = "prover")]
    let messages = messages.plus(operations::cost::<S>(check, decomposition));
    messages
}

fn messages(check: MemoryCheck, decomposition: &Decomposition<'_>) -> Cost {
    let layout = &decomposition.layout;
    let (n, leaves, memories) = (layout.variables(), layout.leaves(), decomposition.memories.len());
    let rows: Vec<usize> = decomposition.memories.iter().map(Memory::variables).collect();
    let depth = rows.iter().copied().max().unwrap_or(0).max(n);
    let rounds = depth * depth.saturating_sub(1) / 2;
    let values = layout.blocks().len() * layout.width() + decomposition.digits.len();
    let mut cost = Cost {
        proof_elements: 4 * memories + 2 * rounds + values,
        rounds,
        committed_cells: (decomposition.digits.len() + memories) * leaves + rows.iter().map(|b| 1 << b).sum::<usize>(),
        ..Cost::default()
    };
    // Each of the two trees over reads and of the two over rows sends two elements per layer; the leaves of reads
    // are one tree's alone.
    let children =
        memories * (4 * n).saturating_sub(if n > 0 { 2 } else { 0 }) + rows.iter().map(|b| 4 * b).sum::<usize>();
    cost.proof_elements += children;
    if check == MemoryCheck::Logup {
        cost.proof_elements += 2 * n + memories + rows.iter().map(|b| 2 * b + 1).sum::<usize>();
        cost.rounds += n + rows.iter().sum::<usize>();
    }
    if decomposition.has_product {
        cost.proof_elements += 1 + 2 * n + 2;
        cost.rounds += n;
    }
    cost
}

#[cfg(feature = "prover")]
mod operations {
    use p3_field::PrimeCharacteristicRing;
    use zkml_core::{Cost, Suite};
    use zkml_sumcheck::Weight;
    use zkml_sumcheck::engine::{self, Composition, Product};

    use crate::MemoryCheck;
    use crate::decompose::{Decomposition, Memory};
    use crate::prover::{SumOfProducts, WeightedSquares};

    fn products(ext: usize, base_ext: usize) -> Cost {
        Cost { ext_mul: ext as f64, base_ext_mul: base_ext as f64, ..Cost::default() }
    }

    /// The operations of a sumcheck under an eq weight.
    fn rounds<S: Suite, C: Composition<S::Challenge>>(composition: &C, factors: usize, variables: usize) -> Cost {
        let weights = vec![Weight::Eq(S::Challenge::ONE); variables];
        let Cost { ext_mul, base_ext_mul, .. } = engine::cost::<S, _>(composition, factors, &weights);
        Cost { ext_mul, base_ext_mul, ..Cost::default() }
    }

    /// Everything that depends on the check: passes over the leaves, products per parent in the trees.
    pub(super) fn cost<S: Suite>(check: MemoryCheck, decomposition: &Decomposition<'_>) -> Cost {
        let leaves = decomposition.layout.leaves();
        let passes = if check == MemoryCheck::Logup { 3 } else { 2 };
        let mut total = close::<S>(decomposition);
        for memory in &decomposition.memories {
            total = total.plus(products(0, passes * columns(memory) * leaves));
            total = total.plus(build(check, decomposition, memory));
        }
        let rows = decomposition.memories.iter().map(Memory::variables);
        let depth = rows.clone().max().unwrap_or(0).max(decomposition.layout.variables());
        for k in 0..depth {
            total = total.plus(layer::<S>(check, decomposition, k));
        }
        if check == MemoryCheck::Logup {
            let count = decomposition.memories.len();
            let squares = WeightedSquares { weights: vec![S::Challenge::ONE; count - 1] };
            total = total.plus(rounds::<S, _>(&squares, count, decomposition.layout.variables()));
            total = rows.fold(total, |sum, b| sum.plus(rounds::<S, _>(&SumOfProducts { products: 1 }, 2, b)));
        }
        total
    }

    /// Columns that enter the read fingerprint with a coefficient other than one and minus one, counter included.
    fn columns(memory: &Memory<'_>) -> usize {
        let entries = memory.entries.iter().enumerate();
        let scaled = entries.map(|(l, entry)| entry.iter().filter(|(factor, _)| l > 0 || factor.abs() != 1).count());
        scaled.sum::<usize>() + 1
    }

    /// Rows, and the trees above leaves.
    fn build(check: MemoryCheck, decomposition: &Decomposition<'_>, memory: &Memory<'_>) -> Cost {
        let rows = memory.table.rows();
        let half = (1 << decomposition.layout.variables()) / 2;
        let pairs = decomposition.layout.leaves().saturating_sub(half);
        let parents = usize::from(half > 0) * half.saturating_sub(1);
        let ext = match check {
            MemoryCheck::GrandProduct => 2 * pairs + 2 * parents + 2 * (rows - 1),
            MemoryCheck::Logup => half + 2 * pairs + 3 * parents + rows + 3 * (rows - 1),
        };
        products(ext, rows * memory.table.width())
    }

    /// Layer `k`: its rounds, and making its vectors.
    fn layer<S: Suite>(check: MemoryCheck, decomposition: &Decomposition<'_>, k: usize) -> Cost {
        let (n, leaves) = (decomposition.layout.variables(), decomposition.layout.leaves());
        let memories = decomposition.memories.len();
        let (gates, pairs) = (1_usize << k, leaves.saturating_sub(1 << k));
        let rows = decomposition.memories.iter().filter(|m| m.variables() > k).count();
        let reads = if n > k { memories } else { 0 };
        let at_leaves = n == k + 1;
        // Products under the sum, those with another weight than the first, and products to make the vectors.
        let (terms, scaled, made) = match check {
            MemoryCheck::GrandProduct => {
                let terms = if at_leaves { reads } else { 2 * reads } + 2 * rows;
                (terms, terms - 1, 0)
            }
            MemoryCheck::Logup if at_leaves => {
                let terms = reads + 2 * rows;
                (terms, terms - 1, reads * (gates + pairs) + rows * gates)
            }
            MemoryCheck::Logup => {
                let terms = 2 * (reads + rows);
                (terms, terms - 2, terms / 2 * gates)
            }
        };
        let rounds = rounds::<S, _>(&SumOfProducts { products: terms }, 2 * terms, k);
        rounds.plus(products(scaled * gates + made, 0))
    }

    /// The values of columns at the leaf point, and the primary sumcheck.
    fn close<S: Suite>(decomposition: &Decomposition<'_>) -> Cost {
        let (n, leaves) = (decomposition.layout.variables(), decomposition.layout.leaves());
        let mut total = products(0, decomposition.columns() * leaves);
        if decomposition.has_product {
            total = total.plus(rounds::<S, _>(&Product { factors: 2 }, 2, n));
        }
        total
    }
}
