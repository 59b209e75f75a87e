//! The values of a program's tensors, prover side.

use std::sync::Arc;

use zkml_device::Column;

use crate::{Program, ProveError, Shape, TensorId, View};

/// Values of all tensors of a program, public ones included.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    columns: Vec<Option<Arc<Column>>>,
}

impl Witness {
    /// Sets the values of a tensor (row-major, true shape).
    pub fn set(&mut self, tensor: TensorId, column: impl Into<Arc<Column>>) {
        if self.columns.len() <= tensor.0 {
            self.columns.resize(tensor.0 + 1, None);
        }
        self.columns[tensor.0] = Some(column.into());
    }

    /// Sets the values of a tensor from 64-bit integers, stored as narrowly as the tensor's bounds allow.
    pub fn set_i64(&mut self, program: &Program, tensor: TensorId, values: Vec<i64>) {
        let bounds = program.get(tensor).map_or((0, 0), |t| (t.bounds.lo, t.bounds.hi));
        self.set(tensor, Column::with_bounds(values, bounds.0, bounds.1));
    }

    /// The values of a tensor.
    pub fn get(&self, tensor: TensorId) -> Option<&Arc<Column>> {
        self.columns.get(tensor.0)?.as_ref()
    }

    /// The values of a tensor, or an error naming it; also checks the length against the shape.
    ///
    /// The cells of a view that the witness does not hold are gathered from the tensor behind it, and not kept.
    pub fn require(&self, program: &Program, tensor: TensorId) -> Result<Arc<Column>, ProveError> {
        let info = program.get(tensor);
        let name = info.map_or("?", |t| t.name.as_str());
        let error = |what: String| ProveError::Witness { scope: name.to_owned(), what };
        let Some(column) = self.get(tensor).cloned() else {
            let view = program.view_of(tensor).filter(|view| view.input != tensor);
            let view = view.ok_or_else(|| error("the witness has no values for it".to_owned()))?;
            return self.gather(program, view);
        };
        let cells = info.map_or(0, |t| t.shape.cells());
        if column.len() != cells {
            return Err(error(format!("the witness has {} values for {cells} cells", column.len())));
        }
        Ok(column)
    }

    fn gather(&self, program: &Program, view: &View) -> Result<Arc<Column>, ProveError> {
        let input = self.require(program, view.input)?;
        let shape = |t| program.get(t).map_or_else(Shape::scalar, |t| t.shape.clone());
        let cells = view.cells(&shape(view.output), &shape(view.input));
        Ok(Arc::new(input.gather(&cells)))
    }

    /// Forgets the values of a tensor.
    pub fn unset(&mut self, tensor: TensorId) {
        if let Some(column) = self.columns.get_mut(tensor.0) {
            *column = None;
        }
    }

    /// Total number of values held.
    pub fn cells(&self) -> usize {
        self.columns.iter().flatten().map(|c| c.len()).sum()
    }
}
