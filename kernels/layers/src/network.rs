//! From a list of layers to a program, and the program's integer forward pass.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zkml_core::{Program, Relation, RelationId, Residence, Shape, Table, TensorId, Witness};
use zkml_device::Column;

use crate::kernel::Step;
use crate::lowering::{Activation, Lowering, Recorder};
use crate::{Accuracy, LayerError, LayerSpec, Quantisation, evaluate};

/// Limb widths tried when no layer asks for one.
const LIMB_CANDIDATES: std::ops::RangeInclusive<u32> = 4..=16;
/// Limb widths that a layer may ask for.
const LIMB_WIDTHS: std::ops::RangeInclusive<u32> = 1..=20;
/// Lowered programs stay below this magnitude, whatever the suite.
const MAX_MAGNITUDE: i128 = 1 << 62;

/// The activations that enter a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// True shape.
    pub shape: Shape,
    /// How real activations become integers.
    pub quantisation: Quantisation,
}

/// A network: quantised input and layers, first to last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// What enters the first layer.
    pub input: InputSpec,
    /// The layers.
    pub layers: Vec<LayerSpec>,
    /// Real activations, any number of rows, that set the scale of every layer's output by their largest
    /// magnitude. Without them, scales follow from the worst case, which costs precision.
    pub sample: Option<Vec<f64>>,
}

impl NetworkSpec {
    /// A network whose input and output scales are calibrated on `sample` (whole rows of the input's shape).
    pub fn calibrated(
        shape: impl Into<Vec<usize>>,
        bits: u32,
        sample: &[f64],
        layers: Vec<LayerSpec>,
    ) -> Result<Self, LayerError> {
        let shape = Shape::new(shape).ok_or_else(|| LayerError::shape("input", "the shape is empty or too large"))?;
        let quantisation = Quantisation::calibrate("input", bits, sample)?;
        Ok(Self { input: InputSpec { shape, quantisation }, layers, sample: Some(sample.to_vec()) })
    }
}

/// One layer of a lowered network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerInfo {
    /// The layer's name, the first segment of its scopes.
    pub name: String,
    /// The kernel.
    pub kernel: &'static str,
    /// Its relations, in order.
    pub relations: Vec<RelationId>,
    /// Bits of its range-checked limbs.
    pub limb_bits: u32,
    /// Derived parameters, e.g. `shift`.
    pub parameters: Vec<(&'static str, String)>,
}

/// How much one table is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableUse {
    /// The table's name.
    pub table: String,
    /// Its number of rows.
    pub rows: usize,
    /// Rows of columns looked up in it.
    pub lookups: usize,
}

/// A lowered network: the statement, and how to compute a witness for it.
#[derive(Debug)]
pub struct Lowered {
    /// The statement.
    pub program: Program,
    /// The network's input, public.
    pub input: TensorId,
    /// The network's output, public.
    pub output: TensorId,
    /// What the input integers stand for.
    pub input_quantisation: Quantisation,
    /// What the output integers stand for.
    pub output_quantisation: Quantisation,
    /// The layers.
    pub layers: Vec<LayerInfo>,
    spec: Arc<NetworkSpec>,
    steps: Vec<Box<dyn Step>>,
    fixed: Vec<(TensorId, Arc<Column>)>,
}

/// Lowers a network.
///
/// Layers that leave the width of their limbs open all get the same one: the width for which looked-up cells,
/// committed cells and table rows are fewest.
pub fn lower(spec: &NetworkSpec) -> Result<Lowered, LayerError> {
    check_spec(spec)?;
    let largest = calibrate(spec)?;
    let spec = &Arc::new(spec.clone());
    if spec.layers.iter().all(|layer| layer.kernel().limb_bits().is_some()) {
        return lower_with(spec, &largest, 1).and_then(checked);
    }
    let (mut best, mut failure): (Option<(usize, Lowered)>, _) = (None, None);
    for limb_bits in LIMB_CANDIDATES {
        match lower_with(spec, &largest, limb_bits) {
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

fn check_spec(spec: &NetworkSpec) -> Result<(), LayerError> {
    if spec.layers.is_empty() {
        return Err(LayerError::shape("model", "there is no layer"));
    }
    let mut names = BTreeSet::new();
    let mut shape = spec.input.shape.clone();
    for kernel in spec.layers.iter().map(LayerSpec::kernel) {
        let name = kernel.name();
        if name.is_empty() || name == "input" || name.contains(['/', '+']) || !names.insert(name) {
            let what = "layer names must be distinct, not empty, not `input`, and without `/` and `+`";
            return Err(LayerError::parameter(name, what));
        }
        if let Some(bits) = kernel.limb_bits().filter(|bits| !LIMB_WIDTHS.contains(bits)) {
            let (lo, hi) = (LIMB_WIDTHS.start(), LIMB_WIDTHS.end());
            return Err(LayerError::parameter(name, format!("limbs of {bits} bits; use {lo} to {hi}")));
        }
        shape = kernel.output_shape(&shape)?;
    }
    Ok(())
}

/// Largest magnitude of every layer's real-valued output on the sample.
fn calibrate(spec: &NetworkSpec) -> Result<Vec<Option<f64>>, LayerError> {
    let Some(sample) = &spec.sample else { return Ok(vec![None; spec.layers.len()]) };
    let mut shape = with_rows(&spec.input.shape, sample.len()).ok_or_else(|| {
        let what = format!("{} values are not whole rows of {}", sample.len(), spec.input.shape);
        LayerError::shape("calibration sample", what)
    })?;
    if let Some(index) = sample.iter().position(|v| !v.is_finite()) {
        return Err(LayerError::parameter("calibration sample", format!("value {index} is not finite")));
    }
    let mut values = sample.clone();
    let mut largest = Vec::with_capacity(spec.layers.len());
    for kernel in spec.layers.iter().map(LayerSpec::kernel) {
        values = kernel.float(&shape, &values);
        shape = kernel.output_shape(&shape)?;
        largest.push(Some(values.iter().fold(0.0, |m: f64, v| m.max(v.abs()))));
    }
    Ok(largest)
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

fn lower_with(spec: &Arc<NetworkSpec>, largest: &[Option<f64>], limb_bits: u32) -> Result<Lowered, LayerError> {
    let mut program = Program::default();
    let InputSpec { shape, quantisation } = spec.input.clone();
    let input = program.tensor("input", shape.clone(), quantisation.bounds(), Residence::Public);
    let mut activation = Activation { tensor: input, shape, quantisation };
    let (mut layers, mut steps, mut fixed) = (Vec::new(), Vec::new(), Vec::new());
    for (i, (layer, &largest)) in spec.layers.iter().zip(largest).enumerate() {
        let kernel = layer.kernel();
        let residence = if i + 1 == spec.layers.len() { Residence::Public } else { Residence::Committed };
        let limb_bits = kernel.limb_bits().unwrap_or(limb_bits);
        let first = program.relations().len();
        let mut builder = Lowering::new(&mut program, kernel.name(), limb_bits, largest, residence);
        let (next, step) = kernel.lower(&mut builder, &activation)?;
        let finished = builder.finish();
        layers.push(LayerInfo {
            name: kernel.name().to_owned(),
            kernel: kernel.info().id,
            relations: (first..program.relations().len()).map(RelationId).collect(),
            limb_bits,
            parameters: finished.parameters,
        });
        fixed.extend(finished.fixed);
        steps.push(step);
        activation = next;
    }
    let (output, output_quantisation) = (activation.tensor, activation.quantisation);
    let (input_quantisation, spec) = (quantisation, Arc::clone(spec));
    Ok(Lowered { program, input, output, input_quantisation, output_quantisation, layers, spec, steps, fixed })
}

impl Lowered {
    /// The integer forward pass, recording every tensor of the program. `input` is row-major.
    pub fn forward(&self, input: &[i64]) -> Result<Witness, LayerError> {
        self.check_input(input)?;
        let mut recorder = Recorder::new(&self.program);
        recorder.set(self.input, input.to_vec());
        for (tensor, values) in &self.fixed {
            recorder.share(*tensor, values);
        }
        let mut values = input.to_vec();
        for step in &self.steps {
            values = step.record(&values, &mut recorder);
        }
        let mut witness = recorder.into_witness();
        evaluate::fill_virtual(&self.program, &mut witness)?;
        Ok(witness)
    }

    /// Plain integer inference: the output integers, nothing recorded.
    pub fn infer(&self, input: &[i64]) -> Result<Vec<i64>, LayerError> {
        self.check_input(input)?;
        let mut values = input.to_vec();
        for step in &self.steps {
            values = step.infer(&values);
        }
        Ok(values)
    }

    /// The float model on real activations (whole rows of the input's shape).
    pub fn float(&self, input: &[f64]) -> Result<Vec<f64>, LayerError> {
        let mut shape = with_rows(&self.spec.input.shape, input.len()).ok_or_else(|| {
            let what = format!("{} values are not whole rows of {}", input.len(), self.spec.input.shape);
            LayerError::shape("input", what)
        })?;
        let mut values = input.to_vec();
        for kernel in self.spec.layers.iter().map(LayerSpec::kernel) {
            values = kernel.float(&shape, &values);
            shape = kernel.output_shape(&shape)?;
        }
        Ok(values)
    }

    /// Deviation of the quantised network from the float model on real activations, the quantisation of the input
    /// and of the weights included.
    pub fn accuracy(&self, input: &[f64]) -> Result<Accuracy, LayerError> {
        let output = self.infer(&self.input_quantisation.quantise(input))?;
        Ok(Accuracy::measure(&self.float(input)?, &output, self.output_quantisation))
    }

    /// How much every distinct table is used, in order of first use.
    pub fn tables(&self) -> Vec<TableUse> {
        let mut uses: Vec<(&Table, TableUse)> = Vec::new();
        for relation in self.program.relations() {
            let Relation::Lookup(lookup) = relation else { continue };
            let lookups = lookup.tuples.iter().filter_map(|t| t.first()).map(|t| self.cells(*t)).sum();
            match uses.iter_mut().find(|(table, _)| *table == &lookup.table) {
                Some((_, known)) => known.lookups += lookups,
                None => uses
                    .push((&lookup.table, TableUse { table: lookup.table.name(), rows: lookup.table.rows(), lookups })),
            }
        }
        uses.into_iter().map(|(_, known)| known).collect()
    }

    /// Cells of all committed tensors, padding and advice not counted.
    pub fn committed_cells(&self) -> usize {
        self.program.with_residence(Residence::Committed).into_iter().map(|t| self.cells(t)).sum()
    }

    /// Looked-up cells and committed cells, and twice the table rows (their leaves, and their committed
    /// multiplicities).
    fn lookup_cost(&self) -> usize {
        self.tables().iter().map(|t| t.lookups + 2 * t.rows).sum::<usize>() + self.committed_cells()
    }

    fn cells(&self, tensor: TensorId) -> usize {
        self.program.get(tensor).map_or(0, |t| t.shape.cells())
    }

    fn check_input(&self, input: &[i64]) -> Result<(), LayerError> {
        let cells = self.cells(self.input);
        if input.len() != cells {
            let what = format!("{} values for {cells} cells of {}", input.len(), self.spec.input.shape);
            return Err(LayerError::shape("input", what));
        }
        let bounds = self.input_quantisation.bounds();
        let (lo, hi) = (bounds.lo, bounds.hi);
        match input.iter().position(|v| !(lo..=hi).contains(v)) {
            None => Ok(()),
            Some(index) => {
                let value = input[index];
                Err(LayerError::OutOfBounds { layer: "input".to_owned(), index, value, lo, hi })
            }
        }
    }
}

impl fmt::Display for Lowered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for layer in &self.layers {
            write!(f, "{} ({}), limbs of {} bits", layer.name, layer.kernel, layer.limb_bits)?;
            layer.parameters.iter().try_for_each(|(name, value)| write!(f, ", {name} {value}"))?;
            writeln!(f)?;
        }
        for TableUse { table, rows, lookups } in self.tables() {
            writeln!(f, "table {table}: {rows} rows, {lookups} lookups")?;
        }
        write!(f, "{} committed cells", self.committed_cells())
    }
}
