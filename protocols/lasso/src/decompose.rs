//! How a table splits into memories, and what a lookup reads from each.

use std::borrow::Cow;

use zkml_core::{AdviceSpec, Instance, Shape, Table, TensorId};
use zkml_sumcheck::lookup::{self, Layout};

use crate::options::{Chunks, MAX_CHUNKS};
use crate::piecewise::{Structure, runs};

/// Most variables of a memory that `chunks: auto` chooses if it has a choice.
const AUTO_VARIABLES: usize = 16;

/// What a lookup's value is made of: a column with one value per leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A column of the tuple.
    Column(usize),
    /// A committed digit: [`Decomposition::digits`].
    Digit(usize),
    /// The product of the first two digits.
    Product,
}

/// One entry of the row that a lookup reads: a linear combination of columns.
pub(crate) type Entry = Vec<(i64, Source)>;

/// A memory: a table that lookups read at some bits of their row number.
#[derive(Clone, Debug)]
pub(crate) struct Memory<'a> {
    /// Its rows.
    pub(crate) table: Cow<'a, Table>,
    /// Its address is the row number shifted by this, modulo its size.
    #[cfg_attr(not(feature = "prover"), expect(dead_code, reason = "only the prover computes addresses"))]
    pub(crate) shift: usize,
    /// What a lookup claims to read, one entry per column of `table`.
    pub(crate) entries: Vec<Entry>,
}

impl Memory<'_> {
    /// Base-two logarithm of the number of rows.
    pub(crate) fn variables(&self) -> usize {
        self.table.variables()
    }

    /// The address that a row of the whole table has here.
    #[cfg(feature = "prover")]
    pub(crate) fn address(&self, row: usize) -> usize {
        (row >> self.shift) & (self.table.rows() - 1)
    }
}

/// A committed column with one value per leaf: an entry of the memory row that the lookup reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digit {
    /// Position of the memory.
    pub(crate) memory: usize,
    /// Column of the memory's table.
    pub(crate) column: usize,
}

/// A lookup with its memories.
#[derive(Clone, Debug)]
pub(crate) struct Decomposition<'a> {
    /// Where each cell sits among the leaves.
    pub(crate) layout: Layout,
    /// At least one.
    pub(crate) memories: Vec<Memory<'a>>,
    /// Committed columns besides the counters.
    pub(crate) digits: Vec<Digit>,
    /// Whether an entry contains the product of the first two digits: the table is piecewise linear.
    pub(crate) has_product: bool,
}

/// A way to split.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Split {
    /// One memory: the table.
    Whole,
    /// Chunks of these widths, least significant first.
    Chunks(Vec<usize>),
    /// Runs of this length, and their anchors.
    Runs(usize),
}

impl<'a> Decomposition<'a> {
    /// Splits the instance's table, or says why it cannot be split so.
    pub(crate) fn new(instance: &Instance<'a>, chunks: Chunks, base_bits: f64) -> Result<Self, String> {
        let layout = Layout::new(instance)?;
        let table = &lookup::lookup(instance).ok_or("it is not a lookup")?.table;
        if !counters_cannot_wrap(layout.leaves() + table.rows(), base_bits) {
            return Err(format!("its {} reads could wrap a counter in this field", layout.leaves()));
        }
        let structure = Structure::of(table);
        let split = choose(table, structure, chunks, layout.leaves())?;
        let (memories, digits) = build(table, structure, &split);
        Ok(Self { layout, memories, digits, has_product: matches!(split, Split::Runs(_)) })
    }

    /// The advice: digits, then per memory the read counters (in leaf order) and the final counters.
    pub(crate) fn advice_specs(&self) -> Option<Vec<AdviceSpec>> {
        let reads = Shape::new([self.layout.leaves()])?;
        let mut specs = Vec::new();
        for (i, digit) in self.digits.iter().enumerate() {
            let name = match (self.has_product, i) {
                (false, _) => format!("chunk.{}", digit.memory),
                (true, 0) => "low".to_owned(),
                (true, _) => "slope".to_owned(),
            };
            specs.push(AdviceSpec { name, shape: reads.clone() });
        }
        for (i, memory) in self.memories.iter().enumerate() {
            let shape = Shape::new([memory.table.rows()])?;
            specs.push(AdviceSpec { name: format!("read-counters.{i}"), shape: reads.clone() });
            specs.push(AdviceSpec { name: format!("final-counters.{i}"), shape });
        }
        Some(specs)
    }

    /// The advice tensors by role; `None` unless they fit [`Self::advice_specs`].
    pub(crate) fn advice(&self, instance: &Instance<'_>) -> Option<Advice> {
        let specs = self.advice_specs()?;
        let fits = specs.len() == instance.advice.len()
            && specs.iter().zip(instance.advice).all(|(spec, &t)| instance.shape(t) == spec.shape);
        let (digits, counters) = instance.advice.split_at_checked(self.digits.len()).filter(|_| fits)?;
        let pairs = counters.chunks_exact(2);
        let (reads, finals) = pairs.filter_map(|pair| Some((*pair.first()?, *pair.last()?))).unzip();
        Some(Advice { digits: digits.to_vec(), reads, finals })
    }

    /// Number of columns in leaf order but the counters: the tuple's, the digits, the product.
    pub(crate) fn columns(&self) -> usize {
        self.layout.width() + self.digits.len() + usize::from(self.has_product)
    }

    /// Position of a column among them.
    pub(crate) fn position(&self, source: Source) -> usize {
        match source {
            Source::Column(c) => c,
            Source::Digit(d) => self.layout.width() + d,
            Source::Product => self.layout.width() + self.digits.len(),
        }
    }

    /// Most entries of a memory's row.
    pub(crate) fn entries(&self) -> usize {
        self.memories.iter().map(|m| m.entries.len()).max().unwrap_or(1)
    }

    /// What the transcript absorbs: it separates domains, while table and shapes are part of the statement's digest.
    pub(crate) fn describe(&self) -> String {
        let memories: Vec<String> =
            self.memories.iter().map(|m| format!("{}x{}", m.entries.len(), m.table.rows())).collect();
        format!("{} reads of {}", self.layout.leaves(), memories.join(", "))
    }
}

/// The advice tensors by role.
pub(crate) struct Advice {
    /// As [`Decomposition::digits`].
    pub(crate) digits: Vec<TensorId>,
    /// Read counters by memory.
    pub(crate) reads: Vec<TensorId>,
    /// Final counters by memory.
    pub(crate) finals: Vec<TensorId>,
}

/// Whether fewer reads are made than the characteristic, so that no cycle of counters closes. Rows are counted with
/// them, so that no multiplicity in a multiset is zero modulo the characteristic either.
pub(crate) fn counters_cannot_wrap(reads: usize, base_bits: f64) -> bool {
    (reads as f64).log2() < base_bits
}

fn choose(table: &Table, structure: Structure, chunks: Chunks, reads: usize) -> Result<Split, String> {
    let options = splits(table, structure);
    match chunks {
        Chunks::Exactly(count) => options
            .into_iter()
            .filter(|split| split.chunks() == count)
            .min_by_key(|split| split.work(table, reads))
            .ok_or_else(|| refusal(table, structure, count)),
        Chunks::Auto => options
            .into_iter()
            .min_by_key(|split| (split.largest(table).max(AUTO_VARIABLES), split.work(table, reads)))
            .ok_or_else(|| "it cannot be split".to_owned()),
    }
}

fn refusal(table: &Table, structure: Structure, count: usize) -> String {
    let name = table.name();
    match structure {
        Structure::Consecutive { .. } => format!(
            "the row numbers of `{name}` have {} bits, which do not split into {count} chunks; take fewer chunks, or \
             `chunks: auto`",
            table.variables()
        ),
        Structure::Piecewise { .. } => {
            format!("the piecewise linear table `{name}` splits into two chunks, not {count}; take `chunks: auto`")
        }
        Structure::None => format!(
            "the table `{name}` is not decomposable: it is neither a column of consecutive integers nor a function of \
             one; take `chunks: 1` or `chunks: auto`"
        ),
    }
}

/// All ways to split, fewest chunks first.
fn splits(table: &Table, structure: Structure) -> Vec<Split> {
    let bits = table.variables();
    let mut splits = vec![Split::Whole];
    match structure {
        Structure::Consecutive { .. } => {
            splits.extend((2..=MAX_CHUNKS.min(bits)).map(|count| Split::Chunks(widths(bits, count))));
        }
        Structure::Piecewise { max_log } => splits.extend((1..=max_log).map(Split::Runs)),
        Structure::None => {}
    }
    splits
}

/// `bits` as the sum of `count` widths that differ by at most one, the larger ones first.
fn widths(bits: usize, count: usize) -> Vec<usize> {
    (0..count).map(|i| bits / count + usize::from(i < bits % count)).collect()
}

impl Split {
    fn chunks(&self) -> usize {
        match self {
            Self::Whole => 1,
            Self::Chunks(widths) => widths.len(),
            Self::Runs(_) => 2,
        }
    }

    /// Variables of the memories.
    fn variables(&self, table: &Table) -> Vec<usize> {
        match self {
            Self::Whole => vec![table.variables()],
            Self::Chunks(widths) => widths.clone(),
            Self::Runs(log) => vec![*log, table.variables().saturating_sub(*log)],
        }
    }

    fn largest(&self, table: &Table) -> usize {
        self.variables(table).into_iter().max().unwrap_or(0)
    }

    /// Leaves of the trees of reads and rows, and committed cells.
    fn work(&self, table: &Table, reads: usize) -> usize {
        let columns = match self {
            Self::Whole => 0,
            Self::Chunks(widths) => widths.len() - 1,
            // The two digits, and the primary sumcheck.
            Self::Runs(_) => 3,
        };
        let memories = self.variables(table).into_iter().map(|b| 2 * (reads + (1 << b))).sum::<usize>();
        memories + columns * reads
    }
}

/// The memories and the digits of a split.
fn build<'a>(table: &'a Table, structure: Structure, split: &Split) -> (Vec<Memory<'a>>, Vec<Digit>) {
    match (split, structure, table) {
        (Split::Chunks(widths), Structure::Consecutive { base }, _) => chunks(base, widths),
        (Split::Runs(log), _, Table::Listed { columns, name }) => {
            let [x, y] = columns.as_slice() else { return (vec![whole(table)], Vec::new()) };
            piecewise(name, runs(x, y, *log), *log)
        }
        _ => (vec![whole(table)], Vec::new()),
    }
}

/// The table itself; its columns are what is read.
fn whole(table: &Table) -> Memory<'_> {
    let entries = (0..table.width()).map(|c| vec![(1, Source::Column(c))]).collect();
    Memory { table: Cow::Borrowed(table), shift: 0, entries }
}

/// Chunk 0 is what the others, which are committed, leave of the value.
fn chunks<'a>(base: i64, widths: &[usize]) -> (Vec<Memory<'a>>, Vec<Digit>) {
    let (mut memories, mut digits, mut shift) = (Vec::new(), Vec::new(), 0);
    let mut first = vec![(1, Source::Column(0))];
    for (i, &bits) in widths.iter().enumerate() {
        let entry = if i == 0 {
            Vec::new()
        } else {
            first.push((-(1_i64 << shift), Source::Digit(i - 1)));
            digits.push(Digit { memory: i, column: 0 });
            vec![(1, Source::Digit(i - 1))]
        };
        let table = if i == 0 && base != 0 {
            Table::Listed { name: "chunk".to_owned(), columns: vec![(0..1 << bits).map(|k| base + k).collect()] }
        } else {
            Table::Range { bits: bits as u32 }
        };
        memories.push(Memory { table: Cow::Owned(table), shift, entries: vec![entry] });
        shift += bits;
    }
    if let Some(memory) = memories.first_mut() {
        memory.entries = vec![first];
    }
    (memories, digits)
}

/// `x = anchor + low` and `y = offset + slope · low`; the digits are `low` and `slope`.
fn piecewise<'a>(name: &str, rows: Vec<Vec<i64>>, log: usize) -> (Vec<Memory<'a>>, Vec<Digit>) {
    let low = Memory {
        table: Cow::Owned(Table::Range { bits: log as u32 }),
        shift: 0,
        entries: vec![vec![(1, Source::Digit(0))]],
    };
    let high = Memory {
        table: Cow::Owned(Table::Listed { name: format!("{name}/runs"), columns: rows }),
        shift: log,
        entries: vec![
            vec![(1, Source::Column(0)), (-1, Source::Digit(0))],
            vec![(1, Source::Column(1)), (-1, Source::Product)],
            vec![(1, Source::Digit(1))],
        ],
    };
    (vec![low, high], vec![Digit { memory: 0, column: 0 }, Digit { memory: 1, column: 2 }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_differ_by_at_most_one_and_add_up() {
        for bits in 1..=20 {
            for count in 1..=MAX_CHUNKS.min(bits) {
                let widths = widths(bits, count);
                assert_eq!((widths.len(), widths.iter().sum::<usize>()), (count, bits));
                assert!(widths.iter().max().unwrap() - widths.iter().min().unwrap() <= 1);
                assert!(widths.iter().all(|&w| w > 0));
            }
        }
    }

    #[test]
    fn auto_weighs_reads_against_rows() {
        let pick = |bits, reads| {
            let table = Table::Range { bits };
            choose(&table, Structure::of(&table), Chunks::Auto, reads).unwrap().variables(&table)
        };
        assert_eq!(pick(16, 1 << 20), [16]);
        assert_eq!(pick(20, 1 << 20), [10, 10]);
        assert_eq!(pick(16, 64), [6, 5, 5]);
        assert_eq!(pick(0, 5), [0]);
    }

    /// Over 97 elements, 97 reads of one row outside the table close a cycle of counters: reads and writes agree as
    /// multisets although nothing was ever written. The guard refuses exactly such numbers of reads.
    #[test]
    fn counters_wrap_in_a_small_field_and_the_guard_says_so() {
        let p = 97_usize;
        let cycle = |reads: usize| {
            let mut read: Vec<usize> = (0..reads).map(|t| t % p).collect();
            let mut written: Vec<usize> = read.iter().map(|t| (t + 1) % p).collect();
            read.sort_unstable();
            written.sort_unstable();
            read == written
        };
        for reads in 1..=100 {
            assert_eq!(cycle(reads), reads == p);
            assert_eq!(counters_cannot_wrap(reads, (p as f64).log2()), reads < p, "{reads} reads");
        }
        assert!(counters_cannot_wrap(1 << 40, 63.9));
    }
}
