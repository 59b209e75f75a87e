//! The builder that kernels emit tensors and relations through, and the recorder of their integer values.

use std::collections::BTreeMap;
use std::sync::Arc;

use zkml_core::{AxisGroup, AxisMap, Bounds, BoundsError, Program, Residence, Shape, Table, TensorId, View, Witness};
use zkml_device::{Column, Device};

use crate::Quantisation;

/// One index letter per axis of a tensor of at most 16 axes: batch, then output channel, then the rest.
pub(crate) fn letters(axes: usize) -> String {
    "bohwdefgijklmnpq".chars().take(axes).collect()
}

/// A tensor that flows from one layer to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// The tensor.
    pub tensor: TensorId,
    /// Its true shape.
    pub shape: Shape,
    /// What its integers stand for.
    pub quantisation: Quantisation,
}

/// Emits the tensors and relations of one layer into a program.
///
/// Names and scopes get the layer's name as prefix. Range-checked tensors are collected and become one lookup per
/// layer and table.
#[derive(Debug)]
pub struct Lowering<'a> {
    program: &'a mut Program,
    layer: &'a str,
    limb_bits: u32,
    output_largest: Option<f64>,
    output_residence: Residence,
    fixed: Vec<(TensorId, Arc<Column>)>,
    ranges: BTreeMap<u32, Vec<Vec<TensorId>>>,
    parameters: Vec<(&'static str, String)>,
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(
        program: &'a mut Program,
        layer: &'a str,
        limb_bits: u32,
        output_largest: Option<f64>,
        output_residence: Residence,
    ) -> Self {
        Self {
            program,
            layer,
            limb_bits,
            output_largest,
            output_residence,
            fixed: Vec::new(),
            ranges: BTreeMap::new(),
            parameters: Vec::new(),
        }
    }

    /// The layer's name.
    pub fn layer(&self) -> &str {
        self.layer
    }

    /// Bits of one range-checked limb.
    pub fn limb_bits(&self) -> u32 {
        self.limb_bits
    }

    /// Largest magnitude of the layer's real-valued output on the calibration sample, if there is one.
    pub fn output_largest(&self) -> Option<f64> {
        self.output_largest
    }

    /// Residence of the layer's output: public for the last layer, committed for the others.
    pub fn output_residence(&self) -> Residence {
        self.output_residence
    }

    /// The tensor whose cells, in row-major order, are those of `input`, and its shape: what stands behind
    /// reshapes, or `input` itself. The batch axis is the same.
    pub fn unshaped(&self, input: &Activation) -> (TensorId, Shape) {
        let (mut tensor, mut shape) = (input.tensor, input.shape.clone());
        while let Some(view) = self.program.view_of(tensor).filter(|view| is_reshape(view)) {
            let Some(behind) = self.program.get(view.input) else { break };
            if behind.shape.dims().first() != shape.dims().first() || behind.shape.dims().len() < 2 {
                break;
            }
            (tensor, shape) = (view.input, behind.shape.clone());
        }
        (tensor, shape)
    }

    /// Adds a tensor named `layer/name`.
    pub fn tensor(&mut self, name: &str, shape: &Shape, bounds: Bounds, residence: Residence) -> TensorId {
        self.program.tensor(self.scoped(name), shape.clone(), bounds, residence)
    }

    /// Adds a virtual tensor.
    pub fn value(&mut self, name: &str, shape: &Shape, lo: i64, hi: i64) -> TensorId {
        self.tensor(name, shape, Bounds::new(lo, hi), Residence::Virtual)
    }

    /// Adds weights.
    pub fn fixed(&mut self, name: &str, shape: &Shape, bounds: Bounds, values: Vec<i64>) -> TensorId {
        let tensor = self.tensor(name, shape, bounds, Residence::Fixed);
        self.fixed.push((tensor, Arc::new(Column::with_bounds(values, bounds.lo, bounds.hi))));
        tensor
    }

    /// Adds `output = Σ Π operands`.
    pub fn einsum(
        &mut self,
        part: &str,
        subscripts: &str,
        output: TensorId,
        operands: &[TensorId],
    ) -> Result<(), BoundsError> {
        self.program.einsum(self.scoped(part), subscripts, output, operands).map(|_| ())
    }

    /// Adds `output = constant + Σ coefficient · tensor`.
    pub fn affine(&mut self, part: &str, output: TensorId, terms: Vec<(i64, TensorId)>, constant: i64) {
        self.program.affine(self.scoped(part), output, terms, constant);
    }

    /// Adds `output[y] = input[address(y)]`.
    pub fn view(&mut self, part: &str, output: TensorId, input: TensorId, groups: Vec<AxisGroup>) {
        self.program.view(self.scoped(part), output, input, groups);
    }

    /// Adds a lookup.
    pub fn lookup(&mut self, part: &str, table: Table, tuples: Vec<Vec<TensorId>>) {
        self.program.lookup(self.scoped(part), table, tuples);
    }

    /// Adds a committed tensor with values in `[0, 2^bits)`.
    pub fn range_checked(&mut self, name: &str, shape: &Shape, bits: u32) -> TensorId {
        let tensor = self.tensor(name, shape, Bounds::new(0, (1 << bits) - 1), Residence::Committed);
        self.ranges.entry(bits).or_default().push(vec![tensor]);
        tensor
    }

    /// Notes a derived parameter for reports.
    pub fn parameter(&mut self, name: &'static str, value: &impl ToString) {
        self.parameters.push((name, value.to_string()));
    }

    /// Emits the collected range checks; returns the weights and the noted parameters.
    pub(crate) fn finish(mut self) -> Finished {
        for (bits, tuples) in std::mem::take(&mut self.ranges) {
            self.program.lookup(self.scoped("range"), Table::Range { bits }, tuples);
        }
        Finished { fixed: self.fixed, parameters: self.parameters }
    }

    fn scoped(&self, part: &str) -> String {
        format!("{}/{part}", self.layer)
    }
}

/// True if the view keeps the row-major order of the cells.
fn is_reshape(view: &View) -> bool {
    let in_order = |axes: Vec<usize>| axes.iter().enumerate().all(|(i, &axis)| i == axis);
    view.groups.iter().all(|g| g.map == AxisMap::Reshape)
        && in_order(view.groups.iter().flat_map(|g| g.output.iter().copied()).collect())
        && in_order(view.groups.iter().flat_map(|g| g.input.iter().copied()).collect())
}

/// Weights, and the derived parameters of a layer.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) fixed: Vec<(TensorId, Arc<Column>)>,
    pub(crate) parameters: Vec<(&'static str, String)>,
}

/// Collects the integer values of a forward pass.
#[derive(Debug)]
pub struct Recorder<'a> {
    program: &'a Program,
    witness: Witness,
    device: &'a Device,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(program: &'a Program, device: &'a Device) -> Self {
        Self { program, witness: Witness::default(), device }
    }

    /// The device of the forward pass.
    pub(crate) fn device(&self) -> &'a Device {
        self.device
    }

    /// What is recorded so far.
    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Records the values of a tensor, row-major.
    pub fn set(&mut self, tensor: TensorId, values: Vec<i64>) {
        self.witness.set_i64(self.program, tensor, values);
    }

    /// Records values that are shared with other witnesses.
    pub(crate) fn share(&mut self, tensor: TensorId, values: &Arc<Column>) {
        self.witness.set(tensor, Arc::clone(values));
    }

    /// Records for `tensor` the values of `other`, which has the same cells in the same order.
    pub(crate) fn same(&mut self, tensor: TensorId, other: TensorId) {
        if let Some(values) = self.witness.get(other).cloned() {
            self.witness.set(tensor, values);
        }
    }

    pub(crate) fn into_witness(self) -> Witness {
        self.witness
    }
}
