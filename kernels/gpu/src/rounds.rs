//! A running sumcheck: one submission and one small answer per round, factors in place.

use zkml_device::{Buffer, Contents, DeviceError, Expression, FieldKind, Round, Rounds, Sumcheck, expression::Node};

use crate::buffer::{Vector, window_entries};
use crate::context::{Args, Context, Dispatch, Window};
use crate::shader::rounds::{self as kernels, Layout};
use crate::shader::vectors as vector_kernels;
use crate::vectors::{one_element, parts, read_vector, request};

/// The state of a sumcheck.
pub(crate) struct Running<'a> {
    context: &'a Context,
    field: FieldKind,
    factors: Vec<Vector>,
    /// All factors in one vector, if there are too many for a binding each.
    together: Option<Vector>,
    /// Entries of a factor that are left.
    len: usize,
    expression: Expression,
    parameters: Vec<u64>,
    /// Where partial sums and sums go, for rounds with no more of them than the first.
    sums: Option<[Vector; 2]>,
}

/// Starts a sumcheck. Refuses one whose factors are so many and so large that no kernel can see them.
pub(crate) fn start(context: &Context, request: Sumcheck) -> Result<Running<'_>, DeviceError> {
    let Sumcheck { field, factors, expression, parameters, .. } = request;
    check(field, &factors, &expression, &parameters)?;
    let factors = factors.iter().map(|f| context.elements(f, field)).collect::<Result<Vec<_>, _>>()?;
    let len = factors.first().map_or(0, |f| f.len);
    let mut running = Running { context, field, factors, together: None, len, expression, parameters, sums: None };
    let (count, bindings) = (running.factors.len(), context.limits.bindings);
    let fits = window_entries(context, field.bytes());
    if len > fits && Layout::Halves.count(count) + 2 > bindings
        || Layout::Each.count(count) + 2 > bindings && len.saturating_mul(count) > fits
    {
        let step = format!("sumcheck over {count} factors of {len} elements");
        return Err(DeviceError::Unsupported { device: crate::ID.to_owned(), step });
    }
    if Layout::Each.count(count) + 2 > bindings {
        running.gather()?;
    }
    Ok(running)
}

fn check(field: FieldKind, factors: &[Buffer], expression: &Expression, parameters: &[u64]) -> Result<(), DeviceError> {
    let len = factors.first().map_or(0, Buffer::len);
    if factors.len() != expression.factors() || !len.is_power_of_two() || factors.iter().any(|f| f.len() != len) {
        return Err(request("the composition's factors must have the same power of two of entries"));
    }
    if parameters.len() != expression.parameters() * field.words() {
        return Err(request("the composition has other parameters"));
    }
    let known = |node: &Node| match *node {
        Node::Factor(i) => i < factors.len(),
        Node::Parameter(i) => i < expression.parameters(),
        _ => true,
    };
    if expression.nodes().iter().all(known) { Ok(()) } else { Err(request("the composition has unknown factors")) }
}

impl Running<'_> {
    /// Copies all factors into one vector.
    fn gather(&mut self) -> Result<(), DeviceError> {
        let all = self.collected("all factors of a sumcheck")?;
        self.factors = (0..self.factors.len()).map(|i| all.part(i * self.len, self.len)).collect();
        self.together = Some(all);
        Ok(())
    }

    /// What is left of the factors, one after the other.
    fn collected(&self, what: &str) -> Result<Vector, DeviceError> {
        let (_, all) = self.context.vector(what, Contents::Elements(self.field), self.factors.len() * self.len)?;
        let bytes = (self.len * self.field.bytes()) as u64;
        let copy = |(i, factor): (usize, &Vector)| (factor.clone(), i as u64 * bytes);
        let copies: Vec<(Vector, u64)> = self.factors.iter().enumerate().map(copy).collect();
        let copies: Vec<_> = copies
            .iter()
            .map(|(factor, to)| {
                let (buffer, offset, _) = factor.bytes();
                (buffer, offset, all.bytes().0, *to, bytes)
            })
            .collect();
        self.context.copy(&copies)?;
        Ok(all)
    }

    /// How the next kernel sees the factors.
    fn layout(&self) -> Layout {
        if self.together.is_some() {
            Layout::Together
        } else if self.len <= window_entries(self.context, self.field.bytes()) {
            Layout::Each
        } else {
            Layout::Halves
        }
    }

    /// Dispatches that bind the first variable, and nothing else.
    fn bind(&mut self, challenge: &[u64], dispatches: &mut Vec<Dispatch>) -> Result<(), DeviceError> {
        one_element(self.field, challenge)?;
        let kernel = vector_kernels::bind(self.context.dialect(self.field));
        let half = self.len / 2;
        for factor in &self.factors {
            for (first, count) in parts(half, factor.fits(self.context)) {
                let (low, low_base) = factor.window(self.context, first, count);
                let (high, high_base) = factor.window(self.context, first + half, count);
                let args = Args::new(&[count, low_base, high_base])?.with(challenge);
                let groups = self.context.groups(count);
                dispatches.push(self.context.dispatch(&kernel, args, vec![low, high], groups)?);
            }
        }
        self.len = half;
        Ok(())
    }

    /// The windows of the factors' pairs, and the bases of their halves; `len` entries are left.
    fn windows(&self, layout: Layout, first: usize, count: usize) -> (Vec<Window>, Vec<usize>) {
        let (context, words, half) = (self.context, self.field.words(), self.len / 2);
        let (mut windows, mut bases) = (Vec::new(), Vec::new());
        if let Some(all) = &self.together {
            let (window, base) = all.window(context, 0, all.len);
            windows.push(window);
            let stride = all.len / self.factors.len();
            bases.extend((0..self.factors.len()).flat_map(|i| {
                let start = base + (i * stride + first) * words;
                [start, start + half * words]
            }));
            return (windows, bases);
        }
        for factor in &self.factors {
            if layout == Layout::Halves {
                for start in [first, first + half] {
                    let (window, base) = factor.window(context, start, count);
                    windows.push(window);
                    bases.push(base);
                }
            } else {
                let (window, base) = factor.window(context, 0, self.len);
                windows.push(window);
                bases.extend([base + first * words, base + (first + half) * words]);
            }
        }
        (windows, bases)
    }

    /// Vectors for so many partial sums and sums.
    fn room(&mut self, partials: usize, sums: usize) -> Result<[Vector; 2], DeviceError> {
        if let Some([p, s]) = &self.sums
            && p.len >= partials
            && s.len >= sums
        {
            return Ok([p.part(0, partials), s.part(0, sums)]);
        }
        let contents = Contents::Elements(self.field);
        let (_, partials) = self.context.vector("partial sums", contents, partials)?;
        let (_, sums) = self.context.vector("sums", contents, sums)?;
        Ok(self.sums.insert([partials, sums]).clone())
    }

    /// The pairs in parts that fit their windows: first pair, number of pairs, number of workgroups before.
    fn chunks(&self, layout: Layout, pairs: usize) -> Vec<(usize, usize, usize)> {
        let fits = window_entries(self.context, self.field.bytes());
        let mut before = 0;
        let mut chunk = |(first, count)| {
            let groups = before;
            before += self.context.groups(count) as usize;
            (first, count, groups)
        };
        parts(pairs, if layout == Layout::Halves { fits } else { pairs }).map(&mut chunk).collect()
    }

    /// Evaluates, binding first in the same kernel if there is a challenge, and reads the sums.
    fn evaluate(
        &mut self,
        round: &Round<'_>,
        challenge: Option<&[u64]>,
        mut dispatches: Vec<Dispatch>,
    ) -> Result<Vec<u64>, DeviceError> {
        let (context, words, layout) = (self.context, self.field.words(), self.layout());
        let pairs = self.len / if challenge.is_some() { 4 } else { 2 };
        let sums = round.points.len() * self.expression.outputs().len();
        let weights = Weights::new(self.field, round, pairs)?;
        let chunks = self.chunks(layout, pairs);
        let total: usize = chunks.iter().map(|&(_, count, _)| context.groups(count) as usize).sum();
        let [partials, out] = self.room(total * sums, sums)?;
        let (all_partials, base) = partials.window(context, 0, total * sums);
        let kernel =
            kernels::round(context.dialect(self.field), &self.expression, round.points, layout, challenge.is_some());
        let elements = kernels::elements(self.factors.len());
        let outer_at = elements + (1 + self.expression.parameters()) * words;
        for (first, count, groups) in chunks {
            let (factors, bases) = self.windows(layout, first, count);
            let mut numbers = vec![count, first, weights.block, weights.outer, outer_at, weights.inner];
            numbers.extend([outer_at + round.outer.len(), pairs * words, base + groups * sums * words]);
            numbers.extend(bases);
            let args = Args::new(&numbers)?
                .with(challenge.unwrap_or(&[0; 3][..words]))
                .with(&self.parameters)
                .with(round.outer)
                .with(round.inner);
            let windows = core::iter::once(all_partials.clone()).chain(factors).collect();
            dispatches.push(context.dispatch(&kernel, args, windows, context.groups(count))?);
        }
        if challenge.is_some() {
            self.len /= 2;
        }
        let (window, _) = out.window(context, 0, sums);
        let reduce = vector_kernels::sums(context.dialect(self.field));
        let args = Args::new(&[total, sums])?;
        dispatches.push(context.dispatch(&reduce, args, vec![all_partials, window], sums as u32)?);
        let (from, offset, bytes) = out.bytes();
        let data = context.read(&dispatches, from, offset, bytes)?;
        Ok(data.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_le_bytes)).collect())
    }
}

/// The lengths of a round's weights, checked.
struct Weights {
    outer: usize,
    inner: usize,
    block: usize,
}

impl Weights {
    fn new(field: FieldKind, round: &Round<'_>, pairs: usize) -> Result<Self, DeviceError> {
        let (outer, inner) = (round.outer.len() / field.words(), round.inner.len() / field.words());
        let block = pairs / outer.max(1);
        if block * outer.max(1) != pairs || inner != 0 && !block.is_multiple_of(inner) {
            return Err(request("the weights do not have the lengths of the pairs"));
        }
        Ok(Self { outer, inner, block })
    }
}

impl Rounds for Running<'_> {
    fn round(&mut self, round: Round<'_>) -> Result<Vec<u64>, DeviceError> {
        let after = if round.bind.is_some() { self.len / 2 } else { self.len };
        let sums = round.points.len() * self.expression.outputs().len();
        if let Some(challenge) = round.bind {
            one_element(self.field, challenge)?;
        }
        let nothing = after < 2 || sums == 0;
        let mut dispatches = Vec::new();
        let challenge = match round.bind {
            Some(challenge) if nothing || self.layout() == Layout::Halves => {
                self.bind(challenge, &mut dispatches)?;
                None
            }
            other => other,
        };
        if nothing {
            self.context.run(&dispatches)?;
            return Ok(vec![0; sums * self.field.words()]);
        }
        self.evaluate(&round, challenge, dispatches)
    }

    fn finish(mut self: Box<Self>, bind: Option<&[u64]>) -> Result<Vec<Vec<u64>>, DeviceError> {
        if let Some(challenge) = bind {
            let mut dispatches = Vec::new();
            self.bind(challenge, &mut dispatches)?;
            self.context.run(&dispatches)?;
        }
        let each = self.len * self.field.words();
        if each == 0 {
            return Ok(vec![Vec::new(); self.factors.len()]);
        }
        let words = read_vector(self.context, &self.collected("what is left of the factors")?)?;
        Ok(words.chunks(each).map(<[u64]>::to_vec).collect())
    }
}
