//! Where a factor's cells come from, and how its closed letters are contracted.
//!
//! A factor that is a sliding window is read from the tensor behind it. With positions `i` closed at weights `w_i`, and
//! taps `u`, `Σ_i w_i · x[s·i + d·u + o]` is one sum over the tensor's own axis per tap: the window's cells, which are
//! as many times more as there are taps, never exist. Axes that a view splits or joins besides, such as the channels of a
//! grouped convolution, cost nothing: the cells keep their row-major order.

use std::sync::Arc;

use p3_field::PrimeCharacteristicRing;
use zkml_core::{AxisGroup, AxisMap, Instance, Shape, Suite, TensorId};
use zkml_device::{Column, Device, DeviceError};

use super::plan::{Factor, Plan};
use crate::vector::{Tensor, longest};

/// One axis of the tensor that is read.
#[derive(Clone, Debug)]
enum Axis<'a> {
    Letter(usize),
    Window { group: &'a AxisGroup, position: usize, tap: Option<usize> },
}

/// The tensor that a factor is read from: itself, or the one behind a window.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    pub(super) tensor: TensorId,
    /// Shape of the tensor that is read.
    input: Shape,
    /// The same cells with the axes that `axes` names.
    shape: Shape,
    axes: Vec<Axis<'a>>,
    /// Shape of the window.
    window: Shape,
}

/// One step of a contraction: which axis, with how many weight vectors.
enum Step {
    Contract(usize),
    Transform(usize),
}

impl<'a> Source<'a> {
    pub(super) fn new(plan: &Plan, factor: &Factor, instance: &Instance<'a>) -> Self {
        Self::behind(plan, factor, instance).unwrap_or_else(|| {
            let shape = instance.shape(factor.tensor);
            let axes = factor.letters.iter().map(|&l| Axis::Letter(l)).collect();
            Self { tensor: factor.tensor, window: shape.clone(), input: shape.clone(), shape, axes }
        })
    }

    /// The tensor behind a view with at least one window, all of them at closed positions; the other groups may split and
    /// join axes that follow each other.
    fn behind(plan: &Plan, factor: &Factor, instance: &Instance<'a>) -> Option<Self> {
        let view = instance.program.view_of(factor.tensor)?;
        let (window, input) = (instance.shape(factor.tensor), instance.shape(view.input));
        // What stands in the place of each input axis: axes with their lengths.
        let mut places: Vec<Option<Vec<(Axis, usize)>>> = vec![None; input.dims().len()];
        for group in &view.groups {
            let letters: Vec<usize> =
                group.output.iter().map(|&a| factor.letters.get(a).copied()).collect::<Option<_>>()?;
            let &first = group.input.first()?;
            let axes = match group.map {
                AxisMap::Reshape if group.input.windows(2).all(|pair| pair[0] + 1 == pair[1]) => {
                    let lengths = group.output.iter().map(|&a| window.dims().get(a).copied().unwrap_or(1));
                    letters.into_iter().map(Axis::Letter).zip(lengths).collect()
                }
                AxisMap::Window { .. } if plan.letters.get(*letters.first()?)?.closed => {
                    let axis = Axis::Window { group, position: letters[0], tap: letters.get(1).copied() };
                    vec![(axis, *input.dims().get(first)?)]
                }
                _ => return None,
            };
            for &axis in &group.input {
                *places.get_mut(axis)? = Some(Vec::new());
            }
            *places.get_mut(first)? = Some(axes);
        }
        let places: Vec<(Axis, usize)> = places.into_iter().collect::<Option<Vec<_>>>()?.concat();
        let (axes, dims): (Vec<Axis>, Vec<usize>) = places.into_iter().unzip();
        let windows = axes.iter().any(|axis| matches!(axis, Axis::Window { .. }));
        let shape = Shape::new(dims)?;
        windows.then_some(Self { tensor: view.input, input, shape, axes, window })
    }

    /// Closed letters first, the longest first; then windows, the last first.
    fn next(plan: &Plan, axes: &[Axis<'_>], dims: &[usize]) -> Option<Step> {
        let closed: Vec<usize> =
            (0..axes.len()).filter(|&a| matches!(axes[a], Axis::Letter(l) if plan.letters[l].closed)).collect();
        if let Some(position) = longest(dims, closed.iter().copied()) {
            return Some(Step::Contract(closed[position]));
        }
        axes.iter().rposition(|axis| matches!(axis, Axis::Window { .. })).map(Step::Transform)
    }

    /// The factor without its closed letters, and the letters of its axes. `weights` are a closed letter's.
    pub(super) fn contract<'t, S: Suite>(
        &self,
        plan: &Plan,
        column: &'t Arc<Column>,
        weights: impl Fn(usize) -> Vec<S::Challenge>,
        device: &'t Device,
    ) -> Result<(Vec<usize>, Tensor<'t, S>), DeviceError> {
        let mut tensor = Tensor::on_device(column, &self.shape, device);
        let mut axes = self.axes.clone();
        while let Some(step) = Self::next(plan, &axes, tensor.dims()) {
            match step {
                Step::Contract(axis) => {
                    if let Axis::Letter(letter) = axes.remove(axis) {
                        tensor.contract(axis, &weights(letter))?;
                    }
                }
                Step::Transform(axis) => {
                    let Axis::Window { group, position, tap } = axes[axis].clone() else { continue };
                    let table = self.window_weights::<S>(group, &weights(position));
                    let closed = tap.filter(|&tap| plan.letters[tap].closed).map(&weights);
                    match (tap, closed) {
                        (Some(tap), None) => {
                            tensor.transform(axis, &table)?;
                            axes[axis] = Axis::Letter(tap);
                        }
                        (_, taps) => {
                            tensor.contract(axis, &combined::<S>(&table, &taps.unwrap_or(vec![S::Challenge::ONE])))?;
                            axes.remove(axis);
                        }
                    }
                }
            }
        }
        let letters = axes.into_iter().filter_map(|axis| match axis {
            Axis::Letter(letter) => Some(letter),
            Axis::Window { .. } => None,
        });
        Ok((letters.collect(), tensor))
    }

    /// For every tap, the weight of every index of the input axis.
    fn window_weights<S: Suite>(&self, group: &AxisGroup, positions: &[S::Challenge]) -> Vec<Vec<S::Challenge>> {
        let (taps, length) = self.window_lengths(group);
        let mut weights = vec![vec![S::Challenge::ZERO; length]; taps];
        for (cell, address) in group.addresses(&self.window, &self.input).enumerate() {
            if let Some(address) = address {
                weights[cell % taps][address] += positions.get(cell / taps).copied().unwrap_or_default();
            }
        }
        weights
    }

    /// Number of taps, and length of the input axis.
    fn window_lengths(&self, group: &AxisGroup) -> (usize, usize) {
        let axis = |shape: &Shape, axes: &[usize], i: usize| {
            axes.get(i).and_then(|&a| shape.dims().get(a)).copied().unwrap_or(1)
        };
        (axis(&self.window, &group.output, 1), axis(&self.input, &group.input, 0))
    }

    /// The letters left by [`Source::contract`], whether the cells are still integers, and its products: of a cell with
    /// a weight, first while cells are integers, then afterwards.
    pub(super) fn operations(&self, plan: &Plan) -> (Vec<usize>, bool, [f64; 2]) {
        let (mut axes, mut dims) = (self.axes.clone(), self.shape.dims().to_vec());
        let (mut small, mut products) = (true, [0.0; 2]);
        while let Some(step) = Self::next(plan, &axes, &dims) {
            let cells: f64 = dims.iter().map(|&n| n as f64).product();
            let mut taken = 1;
            match step {
                Step::Contract(axis) => {
                    axes.remove(axis);
                    taken = usize::from(dims.remove(axis) > 1);
                }
                Step::Transform(axis) => {
                    let Axis::Window { group, tap, .. } = axes[axis].clone() else { continue };
                    let (taps, _) = self.window_lengths(group);
                    if let Some(tap) = tap.filter(|&tap| !plan.letters[tap].closed) {
                        (axes[axis], dims[axis], taken) = (Axis::Letter(tap), taps, taps);
                    } else {
                        axes.remove(axis);
                        dims.remove(axis);
                    }
                }
            }
            products[usize::from(!small)] += cells * taken as f64;
            small &= taken == 0;
        }
        let letters = axes.into_iter().filter_map(|axis| if let Axis::Letter(l) = axis { Some(l) } else { None });
        (letters.collect(), small, products)
    }
}

/// `Σ_u taps[u] · weights[u]`.
fn combined<S: Suite>(weights: &[Vec<S::Challenge>], taps: &[S::Challenge]) -> Vec<S::Challenge> {
    let length = weights.first().map_or(0, Vec::len);
    let mut sum = vec![S::Challenge::ZERO; length];
    for (weights, &tap) in weights.iter().zip(taps) {
        sum.iter_mut().zip(weights).for_each(|(sum, &w)| *sum += tap * w);
    }
    sum
}
