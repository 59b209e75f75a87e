//! Views: the same cells at other addresses.

use p3_field::Field;
use serde::{Deserialize, Serialize};

use crate::shape::log2_ceil;
use crate::{Shape, TensorId, mle};

/// Most addresses that the verifier is willing to walk for all views of a program, once each.
pub(crate) const MAX_ADDRESSES: usize = 1 << 24;
/// Largest stride, dilation and offset.
const MAX_STEP: usize = 1 << 20;

/// `output[y] = input[address(y)]`, and 0 where the address lies outside the input.
///
/// The axes of both tensors are divided into groups; each group of output axes gives the indices of one group of input
/// axes. So the matrix of the view is a product of one small 0/1 matrix per group, which the verifier evaluates itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Where the relation comes from.
    pub scope: String,
    /// The defined or constrained tensor.
    pub output: TensorId,
    /// The tensor with the cells.
    pub input: TensorId,
    /// Every axis of the output, and every axis of the input, is in exactly one group.
    pub groups: Vec<AxisGroup>,
}

/// Some output axes, and the input axes whose indices they give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisGroup {
    /// Positions of axes of the output.
    pub output: Vec<usize>,
    /// Positions of axes of the input.
    pub input: Vec<usize>,
    /// How.
    pub map: AxisMap,
}

/// How a group of output axes addresses a group of input axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AxisMap {
    /// Both groups enumerate the same cells in row-major order. One axis on either side is the identity; identities
    /// in another order make a transposition.
    Reshape,
    /// A sliding window: output axes `(i)` or `(i, u)`, position and tap, and one input axis, at
    /// `stride·i + dilation·u + offset`. An offset of `-p` stands for `p` zeros in front.
    Window {
        /// Input indices from one position to the next; at least 1.
        stride: usize,
        /// Input indices from one tap to the next; at least 1.
        dilation: usize,
        /// Input index of the first tap at the first position.
        offset: i64,
    },
}

impl AxisGroup {
    /// The group of one axis that stays as it is.
    pub fn same(output: usize, input: usize) -> Self {
        Self { output: vec![output], input: vec![input], map: AxisMap::Reshape }
    }

    /// True if coordinates of the output group are, in order, coordinates of the input group: the axes that are longer
    /// than one are the same, or at most the first of them has a length that is not a power of two.
    pub fn is_free(&self, output: &Shape, input: &Shape) -> bool {
        let aligned = |dims: &[usize]| dims.iter().skip(1).all(|n| n.is_power_of_two());
        let longer = |dims: Vec<usize>| dims.into_iter().filter(|&n| n != 1).collect::<Vec<_>>();
        let (own, theirs) = (longer(lengths(output, &self.output)), longer(lengths(input, &self.input)));
        self.map == AxisMap::Reshape && (own == theirs || (aligned(&own) && aligned(&theirs)))
    }

    /// Row-major index within the input group of every row-major index within the output group.
    pub fn addresses(&self, output: &Shape, input: &Shape) -> impl Iterator<Item = Option<usize>> {
        let own = lengths(output, &self.output);
        let cells: usize = own.iter().product();
        let taps = own.get(1).copied().unwrap_or(1).max(1);
        let length = lengths(input, &self.input).iter().product::<usize>();
        let map = self.map;
        (0..cells).map(move |cell| match map {
            AxisMap::Reshape => Some(cell),
            AxisMap::Window { stride, dilation, offset } => {
                let index = (stride * (cell / taps) + dilation * (cell % taps)) as i64 + offset;
                usize::try_from(index).ok().filter(|&i| i < length)
            }
        })
    }

    /// The extension of the group's 0/1 matrix, at coordinates of its output and of its input axes.
    ///
    /// Costs a product per address, less for identities.
    pub fn evaluate<F: Field>(&self, output: &Shape, input: &Shape, out: &[F], inp: &[F]) -> F {
        if self.is_free(output, input) {
            return mle::eq_eval(out, inp);
        }
        let rows = weights(&lengths(output, &self.output), out);
        let columns = weights(&lengths(input, &self.input), inp);
        let pairs = rows.iter().zip(self.addresses(output, input));
        pairs.filter_map(|(&row, address)| Some(row * *columns.get(address?)?)).sum()
    }

    /// `Σ_y eq(out, y) · matrix[y, x]` for every row-major index `x` of the input group, without padding.
    pub fn partial<F: Field>(&self, output: &Shape, input: &Shape, out: &[F]) -> Vec<F> {
        let rows = weights(&lengths(output, &self.output), out);
        let mut sums = vec![F::ZERO; lengths(input, &self.input).iter().product()];
        for (row, address) in rows.into_iter().zip(self.addresses(output, input)) {
            if let Some(sum) = address.and_then(|a| sums.get_mut(a)) {
                *sum += row;
            }
        }
        sums
    }

    fn fault(&self, output: &Shape, input: &Shape) -> Option<String> {
        let (own, theirs) = (lengths(output, &self.output), lengths(input, &self.input));
        match self.map {
            AxisMap::Reshape if own.iter().product::<usize>() != theirs.iter().product() => {
                return Some(format!("axes of lengths {own:?} and {theirs:?} have different numbers of cells"));
            }
            AxisMap::Reshape => {}
            AxisMap::Window { stride, dilation, offset } => {
                let steps = [stride, dilation];
                if !matches!(own.len(), 1 | 2) || theirs.len() != 1 {
                    return Some("a window has one or two output axes and one input axis".to_owned());
                }
                if steps.contains(&0) || steps.iter().any(|&s| s > MAX_STEP) || offset.unsigned_abs() > MAX_STEP as u64
                {
                    return Some(format!("stride {stride}, dilation {dilation} or offset {offset} is out of range"));
                }
            }
        }
        None
    }

    /// Addresses, or input indices if there are more, that the verifier walks to evaluate the matrix.
    fn work(&self, output: &Shape, input: &Shape) -> usize {
        let cells = |shape: &Shape, axes: &[usize]| lengths(shape, axes).iter().product::<usize>();
        if self.is_free(output, input) { 0 } else { cells(output, &self.output).max(cells(input, &self.input)) }
    }

    /// True if some address lies outside the input. Addresses grow with position and tap: the first and the last decide.
    fn fills(&self, output: &Shape, input: &Shape) -> bool {
        let AxisMap::Window { stride, dilation, offset } = self.map else { return false };
        let (own, theirs) = (lengths(output, &self.output), lengths(input, &self.input));
        let last = |axis: usize| own.get(axis).map_or(0, |n| n.saturating_sub(1) as i128);
        let reach = stride as i128 * last(0) + dilation as i128 * last(1) + i128::from(offset);
        offset < 0 || reach >= theirs.iter().product::<usize>() as i128
    }
}

impl View {
    /// Positions of the input axes in the order of the groups.
    fn axes(&self, side: impl Fn(&AxisGroup) -> &Vec<usize>) -> Vec<usize> {
        self.groups.iter().flat_map(|g| side(g).iter().copied()).collect()
    }

    /// What is wrong with the view, if anything.
    pub fn fault(&self, output: &Shape, input: &Shape) -> Option<String> {
        let covers = |mut axes: Vec<usize>, shape: &Shape| {
            axes.sort_unstable();
            axes == (0..shape.dims().len()).collect::<Vec<_>>()
        };
        if !covers(self.axes(|g| &g.output), output) || !covers(self.axes(|g| &g.input), input) {
            return Some("the groups of a view must name every axis of output and input once".to_owned());
        }
        self.groups.iter().find_map(|g| g.fault(output, input))
    }

    /// True if some cell of the output lies outside the input.
    pub fn fills(&self, output: &Shape, input: &Shape) -> bool {
        self.groups.iter().any(|group| group.fills(output, input))
    }

    /// Addresses that the verifier walks for one claim; nothing for groups that only rename coordinates.
    pub fn work(&self, output: &Shape, input: &Shape) -> usize {
        self.groups.iter().map(|group| group.work(output, input)).fold(0, usize::saturating_add)
    }

    /// The coordinates of a group's output axes, from a point of the output.
    pub fn output_coordinates<F: Copy>(&self, group: &AxisGroup, output: &Shape, point: &[F]) -> Vec<F> {
        gather(output, &group.output, point)
    }

    /// A point of the input, from the coordinates of every group's input axes.
    pub fn input_point<F: Copy + Default>(&self, input: &Shape, coordinates: &[Vec<F>]) -> Vec<F> {
        let variables = input.axis_variables();
        let mut axes: Vec<&[F]> = vec![&[]; variables.len()];
        for (group, own) in self.groups.iter().zip(coordinates) {
            let mut rest = own.as_slice();
            for &axis in &group.input {
                let (head, tail) = rest.split_at(variables.get(axis).copied().unwrap_or(0).min(rest.len()));
                if let Some(slot) = axes.get_mut(axis) {
                    *slot = head;
                }
                rest = tail;
            }
        }
        axes.concat()
    }

    /// Input cell of every output cell, row-major.
    pub fn cells(&self, output: &Shape, input: &Shape) -> Vec<Option<usize>> {
        let tables: Vec<Vec<Option<usize>>> = self.groups.iter().map(|g| offsets(g, output, input)).collect();
        let mut counters: Vec<(usize, usize)> = vec![(0, 0); output.dims().len()];
        for (g, group) in self.groups.iter().enumerate() {
            let own = strides(&lengths(output, &group.output));
            for (&axis, stride) in group.output.iter().zip(own) {
                counters[axis] = (g, stride);
            }
        }
        let dims = output.dims();
        let mut at = vec![0; tables.len()];
        let mut index = vec![0; dims.len()];
        let mut cells = Vec::with_capacity(output.cells());
        for _ in 0..output.cells() {
            let parts = at.iter().zip(&tables).map(|(&i, table): (&usize, _)| table[i]);
            cells.push(parts.sum::<Option<usize>>());
            for axis in (0..dims.len()).rev() {
                let (group, stride) = counters[axis];
                index[axis] += 1;
                at[group] += stride;
                if index[axis] < dims[axis] {
                    break;
                }
                at[group] -= stride * dims[axis];
                index[axis] = 0;
            }
        }
        cells
    }
}

/// What each address of a group adds to the flat index of an input cell.
fn offsets(group: &AxisGroup, output: &Shape, input: &Shape) -> Vec<Option<usize>> {
    let all = strides(input.dims());
    let theirs = lengths(input, &group.input);
    let flat = |address: usize| {
        let own = strides(&theirs);
        let axes = group.input.iter().zip(&theirs).zip(own);
        axes.map(|((&axis, &n), stride)| address / stride % n * all[axis]).sum()
    };
    group.addresses(output, input).map(|address| address.map(flat)).collect()
}

fn strides(dims: &[usize]) -> Vec<usize> {
    (0..dims.len()).map(|axis| dims[axis + 1..].iter().product()).collect()
}

fn lengths(shape: &Shape, axes: &[usize]) -> Vec<usize> {
    axes.iter().map(|&axis| shape.dims().get(axis).copied().unwrap_or(1)).collect()
}

fn gather<F: Copy>(shape: &Shape, axes: &[usize], point: &[F]) -> Vec<F> {
    let variables = shape.axis_variables();
    let own = axes.iter().flat_map(|&axis| {
        let start: usize = variables.iter().take(axis).sum();
        let length = variables.get(axis).copied().unwrap_or(0);
        point.get(start..start + length).unwrap_or(&[]).iter().copied()
    });
    own.collect()
}

/// The eq weights of all row-major indices of axes with these lengths, padding left out.
fn weights<F: Field>(dims: &[usize], point: &[F]) -> Vec<F> {
    let mut all = vec![F::ONE];
    let mut rest = point;
    for &n in dims {
        let (own, tail) = rest.split_at(log2_ceil(n).min(rest.len()));
        let table = mle::eq_table(own);
        all = all.iter().flat_map(|&w| table.iter().take(n).map(move |&e| w * e)).collect();
        rest = tail;
    }
    all
}
