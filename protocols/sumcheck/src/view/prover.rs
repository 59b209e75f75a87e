//! The proving half.

use std::sync::Arc;

use p3_field::PrimeCharacteristicRing;
use zkml_core::{AxisGroup, Claim, Cost, ProveError, ProverTranscript, Shape, Suite, View};
use zkml_device::{Column, Device, DeviceError, count};

use super::{malformed, only_renames, renamed, variables};
use crate::Weight;
use crate::engine::{self, Product, prove_scaled_rounds};
use crate::vector::{self, Tensor, Vector, longest};

/// Proves the reduction of `claim`, on a view of shape `output`, to one on its input `column` of shape `input`.
pub fn prove<S: Suite>(
    view: &View,
    output: &Shape,
    input: &Shape,
    column: &Arc<Column>,
    claim: &Claim<S::Challenge>,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Claim<S::Challenge>, ProveError> {
    if let Some(what) = malformed(view, output, claim) {
        return Err(ProveError::Witness { scope: transcript.scope(), what });
    }
    let mut coordinates = renamed(view, output, claim);
    if only_renames(view, output, input) {
        return Ok(Claim::new(view.input, view.input_point(input, &coordinates), claim.value));
    }
    transcript.absorb_elements(&claim.point);
    transcript.absorb_elements(&[claim.value]);
    let open: Vec<usize> = (0..view.groups.len()).filter(|&g| !view.groups[g].is_free(output, input)).collect();
    let groups: Vec<&AxisGroup> = open.iter().map(|&g| &view.groups[g]).collect();
    let mut cells = Cells::<S>::new(view, &groups, output, input, &coordinates, (column, device))?;
    let matrices: Vec<Vec<S::Challenge>> =
        open.iter().map(|&g| view.groups[g].partial(output, input, &coordinates[g])).collect();
    let (mut last, mut scale) = (claim.value, S::Challenge::ONE);
    for (k, &g) in open.iter().enumerate() {
        let lengths = lengths(groups[k], input);
        let factors = vec![padded::<S>(&lengths, cells.sums(k, &matrices)), padded::<S>(&lengths, matrices[k].clone())];
        let weights = vec![Weight::Sum; variables(groups[k], input)];
        let proven = prove_scaled_rounds(&Product { factors: 2 }, factors, &weights, scale, last, transcript, device)?;
        scale *= proven.values.get(1).copied().unwrap_or_default();
        last = proven.claim;
        cells.bind(k, &lengths, &proven.point);
        coordinates[g] = proven.point;
    }
    let value = cells.values.into_iter().sum();
    transcript.write(&[value]);
    Ok(Claim::new(view.input, view.input_point(input, &coordinates), value))
}

fn lengths(group: &AxisGroup, input: &Shape) -> Vec<usize> {
    group.input.iter().map(|&axis| input.dims().get(axis).copied().unwrap_or(1)).collect()
}

/// Row-major cells over the cube of their axes' variables.
fn padded<S: Suite>(lengths: &[usize], values: Vec<S::Challenge>) -> Vector<S> {
    let mut places = vec![0];
    for &n in lengths {
        let size = n.next_power_of_two();
        places = places.iter().flat_map(|&p| (0..n).map(move |i| p * size + i)).collect();
    }
    let mut cube = vec![S::Challenge::ZERO; lengths.iter().map(|n| n.next_power_of_two()).product()];
    for (place, value) in places.into_iter().zip(values) {
        cube[place] = value;
    }
    cube.into()
}

/// The input, its renamed axes bound, and for every group that is left the row-major index of every cell within it.
struct Cells<S: Suite> {
    values: Vec<S::Challenge>,
    indices: Vec<Vec<usize>>,
}

impl<S: Suite> Cells<S> {
    fn new(
        view: &View,
        open: &[&AxisGroup],
        output: &Shape,
        input: &Shape,
        coordinates: &[Vec<S::Challenge>],
        (column, device): (&Arc<Column>, &Device),
    ) -> Result<Self, DeviceError> {
        let mut tensor = Tensor::<S>::on_device(column, input, device);
        let axes = input.axis_variables();
        let mut closed = Vec::new();
        for (group, own) in view.groups.iter().zip(coordinates).filter(|(g, _)| g.is_free(output, input)) {
            let mut rest = own.as_slice();
            for &axis in &group.input {
                let (head, tail) = rest.split_at(axes[axis].min(rest.len()));
                let mut table = vector::eq_scalars::<S>(head);
                table.truncate(input.dims()[axis]);
                closed.push((axis, table));
                rest = tail;
            }
        }
        tensor.contract_all(closed)?;
        let dims = tensor.dims().to_vec();
        let positions: Vec<Option<usize>> = (0..dims.len()).map(Some).collect();
        let mut left: Vec<usize> = open.iter().flat_map(|g| g.input.iter().copied()).collect();
        left.sort_unstable();
        let indices = open.iter().map(|group| group_indices(group, &left, input)).collect();
        Ok(Self { values: tensor.spread(&dims, &positions), indices })
    }

    /// `Σ X(x) · Π_{h > k} M_h(x_h)` by index of group `k`.
    fn sums(&self, k: usize, matrices: &[Vec<S::Challenge>]) -> Vec<S::Challenge> {
        let mut sums = vec![S::Challenge::ZERO; matrices[k].len()];
        count::ext_mul(self.values.len() * (matrices.len() - 1 - k));
        for (cell, &value) in self.values.iter().enumerate() {
            let later = self.indices.iter().zip(matrices).skip(k + 1);
            sums[self.indices[k][cell]] += later.fold(value, |v, (index, matrix)| v * matrix[index[cell]]);
        }
        sums
    }

    /// Binds group `k`.
    fn bind(&mut self, k: usize, lengths: &[usize], point: &[S::Challenge]) {
        let mut weights = vec![S::Challenge::ONE];
        let mut rest = point;
        for &n in lengths {
            let (head, tail) = rest.split_at(zkml_core::shape::log2_ceil(n).min(rest.len()));
            let table = vector::eq_scalars::<S>(head);
            weights = weights.iter().flat_map(|&w| table.iter().take(n).map(move |&e| w * e)).collect();
            rest = tail;
        }
        count::ext_mul(self.values.len());
        self.values.iter_mut().zip(&self.indices[k]).for_each(|(value, &index)| *value *= weights[index]);
    }
}

/// Index within the group of every cell over the axes `left`, row-major.
fn group_indices(group: &AxisGroup, left: &[usize], input: &Shape) -> Vec<usize> {
    let own = lengths(group, input);
    let mut indices = vec![0];
    for &axis in left {
        let stride = match group.input.iter().position(|&a| a == axis) {
            Some(at) => own[at + 1..].iter().product(),
            None => 0,
        };
        indices = indices.iter().flat_map(|&i| (0..input.dims()[axis]).map(move |j| i + j * stride)).collect();
    }
    indices
}

/// Operations of [`prove`]: binding what is renamed, then per group its sums, its rounds and its binding. The short tables
/// of each group are left out.
pub(super) fn operations<S: Suite>(view: &View, output: &Shape, input: &Shape) -> Cost {
    let mut cost = Cost::default();
    let mut dims = input.dims().to_vec();
    let (free, open): (Vec<&AxisGroup>, Vec<_>) = view.groups.iter().partition(|g| g.is_free(output, input));
    let mut closed: Vec<usize> = free.iter().flat_map(|g| g.input.iter().copied()).collect();
    cost.ext_mul += closed.iter().map(|&a| (dims[a].next_power_of_two() - 1) as f64).sum::<f64>();
    let mut small = true;
    while let Some(next) = longest(&dims, closed.iter().copied()) {
        let axis = closed.remove(next);
        if dims[axis] > 1 {
            let counter = if small { &mut cost.base_ext_mul } else { &mut cost.ext_mul };
            *counter += dims.iter().product::<usize>() as f64;
            (small, dims[axis]) = (false, 1);
        }
    }
    let cells: usize = dims.iter().product();
    for (k, group) in open.iter().enumerate() {
        cost.ext_mul += (cells * (open.len() - k)) as f64;
        let weights = vec![Weight::Sum; variables(group, input)];
        cost = cost.plus(engine::cost::<S, _>(&Product { factors: 2 }, 2, &weights));
        cost.ext_mul += lengths(group, input).iter().map(|n| (n.next_power_of_two() - 1) as f64).sum::<f64>();
    }
    Cost { proof_elements: 0, rounds: 0, ..cost }
}
