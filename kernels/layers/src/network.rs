//! From a graph of layers to a program.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zkml_core::{Bounds, Program, RelationId, Residence, Shape, Table, TensorId};

use crate::graph::Graph;
use crate::kernel::FloatTensor;
use crate::lowered::{LayerInfo, Lowered};
use crate::lowering::{Activation, Lowering};
use crate::{LayerError, LayerSpec, Quantisation};

/// Limb widths tried when no layer asks for one.
const LIMB_CANDIDATES: std::ops::RangeInclusive<u32> = 4..=16;
/// Limb widths that a layer may ask for.
const LIMB_WIDTHS: std::ops::RangeInclusive<u32> = 1..=20;
/// Lowered programs stay below this magnitude, whatever the suite.
const MAX_MAGNITUDE: i128 = 1 << 62;

/// The activations that enter a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// True shape. The first axis is the batch.
    pub shape: Shape,
    /// How real activations become integers.
    pub quantisation: Quantisation,
    /// The verifier gets a commitment to the input, whose cells are then range checked, in place of the input itself.
    #[serde(default)]
    pub committed: bool,
}

/// A layer and where its inputs come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The layer.
    pub layer: LayerSpec,
    /// Names of earlier layers, or `input` for the network's input, as many as the kernel takes. Empty: the layer
    /// before, or the network's input for the first layer.
    #[serde(default)]
    pub inputs: Vec<String>,
}

impl Node {
    /// A layer with named inputs.
    pub fn new(layer: LayerSpec, inputs: &[&str]) -> Self {
        Self { layer, inputs: inputs.iter().map(|&name| name.to_owned()).collect() }
    }
}

/// A layer that reads the layer before.
impl From<LayerSpec> for Node {
    fn from(layer: LayerSpec) -> Self {
        Self { layer, inputs: Vec::new() }
    }
}

/// A network: quantised input, and a graph of layers in an order in which inputs come before their uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// The network's input.
    pub input: InputSpec,
    /// The layers; the output of the last one is the network's. Several layers may read one output, and every
    /// output but the last is read by some layer.
    pub layers: Vec<Node>,
    /// Real activations, any number of rows, that set the scale of every layer's output by their largest
    /// magnitude. Without them, scales follow from the worst case, which costs precision.
    pub sample: Option<Vec<f64>>,
}

impl NetworkSpec {
    /// A network whose input and output scales are calibrated on `sample` (whole rows of the input's shape).
    ///
    /// `layers` are [`LayerSpec`]s for a chain, or [`Node`]s for a graph.
    pub fn calibrated<N: Into<Node>>(
        shape: impl Into<Vec<usize>>,
        bits: u32,
        sample: &[f64],
        layers: Vec<N>,
    ) -> Result<Self, LayerError> {
        let shape = Shape::new(shape).ok_or_else(|| LayerError::shape("input", "the shape is empty or too large"))?;
        let quantisation = Quantisation::calibrate("input", bits, sample)?;
        let layers = layers.into_iter().map(Into::into).collect();
        Ok(Self { input: InputSpec { shape, quantisation, committed: false }, layers, sample: Some(sample.to_vec()) })
    }
}

/// Lowers a network.
///
/// Layers that leave the width of their limbs open all get the same one: the width for which looked-up cells,
/// committed cells and table rows are fewest.
pub fn lower(spec: &NetworkSpec) -> Result<Lowered, LayerError> {
    let graph = &Arc::new(Graph::resolve(&spec.layers)?);
    check_layers(spec, graph)?;
    let largest = calibrate(spec, graph)?;
    let spec = &Arc::new(spec.clone());
    if spec.layers.iter().all(|node| node.layer.kernel().limb_bits().is_some()) {
        return lower_with(spec, graph, &largest, 1).and_then(checked);
    }
    let (mut best, mut failure): (Option<(usize, Lowered)>, _) = (None, None);
    for limb_bits in LIMB_CANDIDATES {
        match lower_with(spec, graph, &largest, limb_bits) {
            Ok(lowered) => {
                let cost = lowered.lookup_cost();
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, lowered));
                }
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match (best, failure) {
        (Some((_, lowered)), _) => checked(lowered),
        (None, Some(error)) => Err(error),
        (None, None) => Err(LayerError::shape("model", "there is no layer")),
    }
}

fn checked(lowered: Lowered) -> Result<Lowered, LayerError> {
    lowered.program.check(MAX_MAGNITUDE)?;
    Ok(lowered)
}

/// Limb widths and shapes fit.
fn check_layers(spec: &NetworkSpec, graph: &Graph) -> Result<(), LayerError> {
    let output = graph.walk(spec.input.shape.clone(), |i, inputs| {
        let kernel = spec.layers[i].layer.kernel();
        if let Some(bits) = kernel.limb_bits().filter(|bits| !LIMB_WIDTHS.contains(bits)) {
            let (lo, hi) = (LIMB_WIDTHS.start(), LIMB_WIDTHS.end());
            return Err(LayerError::parameter(kernel.name(), format!("limbs of {bits} bits; use {lo} to {hi}")));
        }
        kernel.output_shape(&inputs.iter().map(|&shape| shape.clone()).collect::<Vec<_>>())
    });
    output.map(|_| ())
}

/// Real values with their shape.
pub(crate) type Real = (Shape, Vec<f64>);

/// The float model on `input`; `observe` sees every layer's output.
pub(crate) fn float(
    spec: &NetworkSpec,
    graph: &Graph,
    input: Real,
    mut observe: impl FnMut(usize, &[f64]),
) -> Result<Vec<f64>, LayerError> {
    let output = graph.walk(input, |i, inputs: &[&Real]| {
        let kernel = spec.layers[i].layer.kernel();
        let tensors: Vec<FloatTensor> = inputs.iter().map(|(shape, values)| FloatTensor { shape, values }).collect();
        let values = kernel.float(&tensors);
        observe(i, &values);
        let shapes: Vec<Shape> = inputs.iter().map(|(shape, _)| shape.clone()).collect();
        Ok((kernel.output_shape(&shapes)?, values))
    });
    output.map(|(_, values)| values)
}

/// Largest magnitude of every layer's real-valued output on the sample.
fn calibrate(spec: &NetworkSpec, graph: &Graph) -> Result<Vec<Option<f64>>, LayerError> {
    let Some(sample) = &spec.sample else { return Ok(vec![None; spec.layers.len()]) };
    let input = real_rows("calibration sample", &spec.input.shape, sample)?;
    if let Some(index) = sample.iter().position(|v| !v.is_finite()) {
        return Err(LayerError::parameter("calibration sample", format!("value {index} is not finite")));
    }
    let mut largest = Vec::with_capacity(spec.layers.len());
    float(spec, graph, input, |_, values| largest.push(Some(values.iter().fold(0.0, |m: f64, v| m.max(v.abs())))))?;
    Ok(largest)
}

/// `values` as whole rows of `shape`, whose first axis may be of any length; `what` is named in the error.
pub(crate) fn real_rows(what: &str, shape: &Shape, values: &[f64]) -> Result<Real, LayerError> {
    match with_rows(shape, values.len()) {
        Some(shape) => Ok((shape, values.to_vec())),
        None => Err(LayerError::shape(what, format!("{} values are not whole rows of {shape}", values.len()))),
    }
}

/// `shape` with the first axis as long as `cells` values need; `None` if they are not whole rows.
fn with_rows(shape: &Shape, cells: usize) -> Option<Shape> {
    let (_, rest) = shape.dims().split_first()?;
    let row: usize = rest.iter().product();
    if row == 0 || cells == 0 || !cells.is_multiple_of(row) {
        return None;
    }
    let mut dims = vec![cells / row];
    dims.extend_from_slice(rest);
    Shape::new(dims)
}

/// Every cell of a committed input is one of the integers that it is declared to be.
fn check_range(program: &mut Program, input: TensorId, quantisation: Quantisation) -> Result<(), LayerError> {
    let Bounds { lo, hi } = quantisation.bounds();
    let table = Table::listed(format!("integers[{lo},{hi}]"), vec![(lo..=hi).collect()])
        .ok_or_else(|| LayerError::parameter("input", "its range has too many integers"))?;
    program.lookup("input/range", table, vec![vec![input]]);
    Ok(())
}

fn lower_with(
    spec: &Arc<NetworkSpec>,
    graph: &Arc<Graph>,
    largest: &[Option<f64>],
    limb_bits: u32,
) -> Result<Lowered, LayerError> {
    let mut program = Program::default();
    let InputSpec { shape, quantisation, committed } = spec.input.clone();
    let residence = if committed { Residence::Committed } else { Residence::Public };
    let input = program.tensor("input", shape.clone(), quantisation.bounds(), residence);
    let (mut layers, mut steps, mut fixed) = (Vec::new(), Vec::new(), Vec::new());
    let output = graph.walk(Activation { tensor: input, shape, quantisation }, |i, inputs| {
        let kernel = spec.layers[i].layer.kernel();
        let residence = if i + 1 == spec.layers.len() { Residence::Public } else { Residence::Committed };
        let limb_bits = kernel.limb_bits().unwrap_or(limb_bits);
        let first = program.relations().len();
        if i == 0 && committed {
            // It counts as a part of the first layer, and is proven by that layer's protocol.
            check_range(&mut program, input, quantisation)?;
        }
        let largest = largest.get(i).copied().flatten();
        let mut builder = Lowering::new(&mut program, kernel.name(), limb_bits, largest, residence);
        let (output, step) = kernel.lower(&mut builder, inputs)?;
        let finished = builder.finish();
        layers.push(LayerInfo {
            name: kernel.name().to_owned(),
            kernel: kernel.info().id,
            inputs: graph.inputs(i),
            shape: output.shape.clone(),
            quantisation: output.quantisation,
            relations: (first..program.relations().len()).map(RelationId).collect(),
            limb_bits,
            parameters: finished.parameters,
        });
        fixed.extend(finished.fixed);
        steps.push(step);
        Ok(output)
    })?;
    Ok(Lowered {
        program,
        input,
        output: output.tensor,
        input_quantisation: quantisation,
        output_quantisation: output.quantisation,
        layers,
        spec: Arc::clone(spec),
        graph: Arc::clone(graph),
        steps,
        fixed,
    })
}
