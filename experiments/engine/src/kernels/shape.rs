//! The same cells in another shape: `flatten`, `reshape`, `transpose`. Proven for next to nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zkml_layers::LayerSpec;

use super::{Entry, Site};
use crate::spec::Fault;

/// One axis per row: the batch axis stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Entry for Flatten {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        Ok(LayerSpec::Flatten(zkml_layers::Flatten { name: site.name.clone() }))
    }
}

/// Another shape per row, the cells in the same order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// Axis lengths without the batch axis; one of them may be -1, which stands for what is left.
    #[schemars(length(min = 1))]
    shape: Vec<i64>,
}

impl Entry for Reshape {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        let row: usize = site.inputs.first().into_iter().flat_map(|shape| shape.iter().skip(1)).product();
        let known = self.shape.iter().filter_map(|&n| usize::try_from(n).ok());
        let cells = known.clone().try_fold(1_usize, usize::checked_mul).filter(|&n| n > 0);
        let open = self.shape.iter().filter(|&&n| n == -1).count();
        let fits = known.count() + open == self.shape.len() && open <= 1;
        let left = cells.filter(|&n| fits && row.is_multiple_of(n) && (open == 1 || row == n)).map(|n| row / n);
        let Some(left) = left else {
            let problem = format!("`shape` does not hold rows of {row} cells");
            let allowed = format!("lengths whose product is {row}, without the batch axis; one of them may be -1");
            return Err(site.fault("shape", problem, format!("{:?}", self.shape), allowed));
        };
        let shape = self.shape.iter().map(|&n| usize::try_from(n).unwrap_or(left)).collect();
        Ok(LayerSpec::Reshape(zkml_layers::Reshape { name: site.name.clone(), shape }))
    }
}

/// Axes in another order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transpose {
    /// For every axis of the output, the axis of the input that it is; starts with 0, the batch axis.
    #[schemars(length(min = 1))]
    permutation: Vec<usize>,
}

impl Entry for Transpose {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        let permutation = self.permutation.clone();
        Ok(LayerSpec::Transpose(zkml_layers::Transpose { name: site.name.clone(), permutation }))
    }
}
