//! A lowered network: the statement, the integer forward pass, and how far it is from the float model.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use zkml_core::{Program, Relation, RelationId, Residence, Shape, Table, TensorId, Witness};
use zkml_device::{Column, Device};

use crate::graph::Graph;
use crate::kernel::Step;
use crate::lowering::Recorder;
use crate::network::{NetworkSpec, float, real_rows};
use crate::{Accuracy, LayerError, Quantisation, evaluate};

/// One layer of a lowered network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerInfo {
    /// The layer's name, the first segment of its scopes.
    pub name: String,
    /// The kernel.
    pub kernel: &'static str,
    /// Names of the layers it reads, or `input`.
    pub inputs: Vec<String>,
    /// Shape of its output.
    pub shape: Shape,
    /// What its output integers stand for.
    pub quantisation: Quantisation,
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
    pub(crate) spec: Arc<NetworkSpec>,
    pub(crate) graph: Arc<Graph>,
    pub(crate) steps: Vec<Box<dyn Step>>,
    pub(crate) fixed: Vec<(TensorId, Arc<Column>)>,
}

impl Lowered {
    /// The integer forward pass, recording every tensor of the program. `input` is row-major.
    pub fn forward(&self, input: &[i64]) -> Result<Witness, LayerError> {
        self.forward_on(input, &Device::cpu())
    }

    /// [`Lowered::forward`] with a device that computes the large sums of products. The values are the same.
    pub fn forward_on(&self, input: &[i64], device: &Device) -> Result<Witness, LayerError> {
        self.check_input(input)?;
        let mut recorder = Recorder::new(&self.program, device);
        recorder.set(self.input, input.to_vec());
        for (tensor, values) in &self.fixed {
            recorder.share(*tensor, values);
        }
        self.graph.walk(input.to_vec(), |i, inputs| Ok(self.steps[i].record(&slices(inputs), &mut recorder)))?;
        let mut witness = recorder.into_witness();
        evaluate::fill_virtual(&self.program, &mut witness)?;
        Ok(witness)
    }

    /// Plain integer inference: the output integers, nothing recorded.
    pub fn infer(&self, input: &[i64]) -> Result<Vec<i64>, LayerError> {
        self.check_input(input)?;
        self.graph.walk(input.to_vec(), |i, inputs| Ok(self.steps[i].infer(&slices(inputs))))
    }

    /// The float model on real activations (whole rows of the input's shape).
    pub fn float(&self, input: &[f64]) -> Result<Vec<f64>, LayerError> {
        let input = real_rows("input", &self.spec.input.shape, input)?;
        float(&self.spec, &self.graph, input, |_, _| ())
    }

    /// Deviation of the quantised network from the float model on real activations, the quantisation of the input
    /// and of the weights included.
    pub fn accuracy(&self, input: &[f64]) -> Result<Accuracy, LayerError> {
        let output = self.infer(&self.input_quantisation.quantise(input))?;
        Ok(Accuracy::measure(&self.float(input)?, &output, self.output_quantisation))
    }

    /// The same for the output of every layer, in the order of [`Lowered::layers`]. Deviations accumulate: each
    /// layer is compared with the float network, not with the float layer on quantised inputs.
    pub fn layer_accuracy(&self, input: &[f64]) -> Result<Vec<Accuracy>, LayerError> {
        let quantised = self.input_quantisation.quantise(input);
        self.check_input(&quantised)?;
        let mut references = Vec::with_capacity(self.layers.len());
        let real = real_rows("input", &self.spec.input.shape, input)?;
        float(&self.spec, &self.graph, real, |_, values| references.push(values.to_vec()))?;
        let mut accuracies = Vec::with_capacity(self.layers.len());
        self.graph.walk(quantised, |i, inputs| {
            let output = self.steps[i].infer(&slices(inputs));
            accuracies.push(Accuracy::measure(&references[i], &output, self.layers[i].quantisation));
            Ok(output)
        })?;
        Ok(accuracies)
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
    pub(crate) fn lookup_cost(&self) -> usize {
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

fn slices<'a>(values: &[&'a Vec<i64>]) -> Vec<&'a [i64]> {
    values.iter().map(|v| v.as_slice()).collect()
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
