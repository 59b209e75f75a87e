//! The same cells at other addresses: `reshape`, `flatten`, `transpose`.
//!
//! | kernel | relation | proven for every accepted witness |
//! |---|---|---|
//! | `reshape`, `flatten` | View: axes regrouped in row-major order | the same cells in the same order |
//! | `transpose` | View: axes in another order | `y[i_p(0), i_p(1), …] = x[i_0, i_1, …]` |
//!
//! The output is virtual: nobody commits to it, and a claim on it becomes a claim on the input. Only as the network's
//! output is it a public tensor, and the view a constraint. The quantisation stays. The batch axis stays in front,
//! so that a batch of another size means the same.
//!
//! Axes are divided into the smallest groups with equally many cells: those that do not change cost nothing. A group
//! does cost nothing either if its lengths are powers of two, as coordinates of one side are then those of the other.
//! Between a tensor and a `dense` layer a reshape costs nothing in any case: the layer looks through it.

use serde::{Deserialize, Serialize};
use zkml_core::{AxisGroup, AxisMap, Residence, Shape, TensorId, View};

use crate::LayerError;
use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, accessors, first, sole};
use crate::lowering::{Activation, Lowering, Recorder};

/// Gives every row another shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reshape {
    /// The layer's name.
    pub name: String,
    /// Axes of a row, without the batch axis.
    pub shape: Vec<usize>,
}

/// Gives every row a single axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flatten {
    /// The layer's name.
    pub name: String,
}

/// Puts the axes in another order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transpose {
    /// The layer's name.
    pub name: String,
    /// For every axis of the output, the axis of the input that it is. Starts with 0: the batch axis stays.
    pub permutation: Vec<usize>,
}

impl Reshape {
    /// What the kernel is.
    pub const INFO: KernelInfo =
        KernelInfo { id: "reshape", about: "another shape for every row, the cells in the same order" };
}

impl Flatten {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo { id: "flatten", about: "a single axis for every row" };
}

impl Transpose {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo { id: "transpose", about: "axes in another order; the batch stays first" };
}

fn batch(layer: &str, input: &Shape) -> Result<usize, LayerError> {
    let missing = || LayerError::shape(layer, "the input has no axes");
    input.dims().first().copied().ok_or_else(missing)
}

fn reshaped(layer: &str, input: &Shape, row: &[usize]) -> Result<Shape, LayerError> {
    let dims: Vec<usize> = std::iter::once(batch(layer, input)?).chain(row.iter().copied()).collect();
    match Shape::new(dims.clone()) {
        Some(shape) if shape.cells() == input.cells() => Ok(shape),
        _ => Err(LayerError::shape(layer, format!("the input is {input}; it does not have the cells of {dims:?}"))),
    }
}

/// The smallest groups of consecutive axes with equally many cells; axes of length 1 join a neighbour.
fn groups(output: &Shape, input: &Shape) -> Vec<AxisGroup> {
    let (own, theirs) = (output.dims(), input.dims());
    let mut groups: Vec<AxisGroup> = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < own.len() || j < theirs.len() {
        let mut group = AxisGroup { output: Vec::new(), input: Vec::new(), map: AxisMap::Reshape };
        let (mut a, mut b) = (1, 1);
        loop {
            let balanced = group.output.is_empty() || a <= b && !group.input.is_empty();
            if i < own.len() && (balanced || j == theirs.len()) {
                a *= own[i];
                group.output.push(i);
                i += 1;
            } else if j < theirs.len() {
                b *= theirs[j];
                group.input.push(j);
                j += 1;
            }
            if a == b && !group.output.is_empty() && !group.input.is_empty() || i == own.len() && j == theirs.len() {
                break;
            }
        }
        match groups.last_mut() {
            // Left over axes of length 1 on one side only.
            Some(last) if group.output.is_empty() || group.input.is_empty() => {
                last.output.extend(group.output);
                last.input.extend(group.input);
            }
            _ => groups.push(group),
        }
    }
    groups
}

/// Emits the view, virtual or as a constraint on the network's output.
fn lower_view(
    builder: &mut Lowering,
    input: &Activation,
    shape: Shape,
    groups: Vec<AxisGroup>,
) -> (Activation, Box<dyn Step>) {
    let quantisation = input.quantisation;
    let public = builder.output_residence() == Residence::Public;
    let residence = if public { Residence::Public } else { Residence::Virtual };
    let tensor = builder.tensor("output", &shape, quantisation.bounds(), residence);
    builder.view("view", tensor, input.tensor, groups.clone());
    let keeps_order = groups.iter().flat_map(|g| &g.input).is_sorted();
    let view = View { scope: String::new(), output: tensor, input: input.tensor, groups };
    let cells = (!keeps_order).then(|| view.cells(&shape, &input.shape));
    let step = LoweredView { public: public.then_some(tensor), cells };
    (Activation { tensor, shape, quantisation }, Box::new(step))
}

#[derive(Debug)]
struct LoweredView {
    /// The output, if it is the network's.
    public: Option<TensorId>,
    /// Input cell of every output cell, unless they are the same.
    cells: Option<Vec<Option<usize>>>,
}

impl Step for LoweredView {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let input = first(inputs);
        match &self.cells {
            None => input.to_vec(),
            Some(cells) => cells.iter().map(|&at| at.and_then(|at| input.get(at)).copied().unwrap_or(0)).collect(),
        }
    }

    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let output = self.infer(inputs);
        if let Some(tensor) = self.public {
            recorder.set(tensor, output.clone());
        }
        output
    }
}

impl Kernel for Reshape {
    accessors!(no limbs);

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        reshaped(&self.name, sole(&self.name, inputs)?, &self.shape)
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        inputs.first().map_or_else(Vec::new, |input| input.values.to_vec())
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let shape = reshaped(&self.name, &input.shape, &self.shape)?;
        let groups = groups(&shape, &input.shape);
        Ok(lower_view(builder, input, shape, groups))
    }
}

impl Kernel for Flatten {
    accessors!(no limbs);

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        let input = sole(&self.name, inputs)?;
        reshaped(&self.name, input, &[input.dims().iter().skip(1).product()])
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        inputs.first().map_or_else(Vec::new, |input| input.values.to_vec())
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let shape = self.output_shape(std::slice::from_ref(&input.shape))?;
        let groups = groups(&shape, &input.shape);
        Ok(lower_view(builder, input, shape, groups))
    }
}

impl Transpose {
    fn groups(&self) -> Vec<AxisGroup> {
        self.permutation.iter().enumerate().map(|(output, &input)| AxisGroup::same(output, input)).collect()
    }
}

impl Kernel for Transpose {
    accessors!(no limbs);

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        let input = sole(&self.name, inputs)?;
        let mut sorted = self.permutation.clone();
        sorted.sort_unstable();
        if sorted != (0..input.dims().len()).collect::<Vec<_>>() || self.permutation.first() != Some(&0) {
            let what = format!(
                "{:?} is not an order of the axes of {input} that keeps the batch axis 0 in front",
                self.permutation
            );
            return Err(LayerError::shape(&self.name, what));
        }
        let dims: Vec<usize> = self.permutation.iter().filter_map(|&axis| input.dims().get(axis).copied()).collect();
        Shape::new(dims).ok_or_else(|| LayerError::shape(&self.name, "the output is too large"))
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let Some(&FloatTensor { shape, values }) = inputs.first() else { return Vec::new() };
        let Ok(output) = self.output_shape(std::slice::from_ref(shape)) else { return Vec::new() };
        let (scope, groups) = (String::new(), self.groups());
        let view = View { scope, output: TensorId(0), input: TensorId(0), groups };
        view.cells(&output, shape).iter().filter_map(|&at| values.get(at?).copied()).collect()
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let shape = self.output_shape(std::slice::from_ref(&input.shape))?;
        Ok(lower_view(builder, input, shape, self.groups()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(output: &[usize], input: &[usize]) -> Vec<(Vec<usize>, Vec<usize>)> {
        let shapes = [output, input].map(|dims| Shape::new(dims.to_vec()).unwrap());
        groups(&shapes[0], &shapes[1]).into_iter().map(|g| (g.output, g.input)).collect()
    }

    #[test]
    fn groups_are_as_small_as_possible() {
        assert_eq!(grouped(&[2, 60], &[2, 3, 4, 5]), [(vec![0], vec![0]), (vec![1], vec![1, 2, 3])]);
        assert_eq!(grouped(&[2, 3, 4, 5], &[2, 60]), [(vec![0], vec![0]), (vec![1, 2, 3], vec![1])]);
        assert_eq!(grouped(&[2, 6, 5], &[2, 6, 5]), [(vec![0], vec![0]), (vec![1], vec![1]), (vec![2], vec![2])]);
        assert_eq!(grouped(&[2, 4, 9], &[2, 6, 6]), [(vec![0], vec![0]), (vec![1, 2], vec![1, 2])]);
        assert_eq!(grouped(&[2, 3, 1, 1], &[2, 3]), [(vec![0], vec![0]), (vec![1, 2, 3], vec![1])]);
        assert_eq!(grouped(&[2, 3], &[2, 1, 3, 1]), [(vec![0], vec![0]), (vec![1], vec![1, 2, 3])]);
        assert_eq!(grouped(&[1, 5], &[1, 5]), [(vec![0], vec![0]), (vec![1], vec![1])]);
    }
}
