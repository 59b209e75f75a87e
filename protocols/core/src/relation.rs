//! The relations that every kernel is lowered to.

use serde::{Deserialize, Serialize};

use crate::{Program, Table, TensorId, View};

/// Position of a relation in its [`crate::Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelationId(pub usize);

/// A relation between tensors, with the scope (`layer/part`) that errors and reports name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relation {
    /// `output = Σ op1 · op2 · …`.
    Einsum(Einsum),
    /// Every row of some columns occurs in a table.
    Lookup(Lookup),
    /// A fixed integer combination.
    Affine(Affine),
    /// The same cells at other addresses.
    View(View),
}

/// `output[out] = Σ Π_k operand_k[indices_k]`, the sum running over every index that is not in the output.
///
/// An index letter names one axis length throughout the relation. The same tensor may occur several times (`x·x`).
/// Transposition and broadcasting are expressed by the letters: `bi,oi->bo` is a dense layer, `bi,bi->b` a
/// sum of squares, `bi,b,i->bi` a scaling by rows and columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Einsum {
    /// Where the relation comes from, e.g. `norm/sum-of-squares`.
    pub scope: String,
    /// The defined or constrained tensor.
    pub output: TensorId,
    /// One index letter per axis of the output, without repetition.
    pub output_indices: Vec<char>,
    /// The factors, at least one. Every output index occurs in at least one of them.
    pub operands: Vec<Operand>,
}

/// One factor of an [`Einsum`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operand {
    /// The tensor.
    pub tensor: TensorId,
    /// One index letter per axis of the tensor, without repetition.
    pub indices: Vec<char>,
}

/// Every row of every tuple occurs in `table`: for each tuple `(c_1, …, c_k)` of equally shaped tensors and
/// each true cell `i`, `(c_1[i], …, c_k[i])` is a row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Where the relation comes from.
    pub scope: String,
    /// The table.
    pub table: Table,
    /// Tuples of tensors, each as wide as the table. The tensors of one tuple have one shape.
    pub tuples: Vec<Vec<TensorId>>,
}

/// `output = constant + Σ coefficient · tensor`, cell by cell, over tensors of one shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affine {
    /// Where the relation comes from.
    pub scope: String,
    /// The defined or constrained tensor.
    pub output: TensorId,
    /// Coefficients and tensors.
    pub terms: Vec<(i64, TensorId)>,
    /// Added to every true cell (the padding stays zero).
    pub constant: i64,
}

impl Einsum {
    /// An einsum from its index string, e.g. `Einsum::new("norm/square", "bi,bi->b", a, &[x, x])`.
    /// `None` if the string is malformed or the number of operands differs.
    pub fn new(scope: impl Into<String>, subscripts: &str, output: TensorId, operands: &[TensorId]) -> Option<Self> {
        let (inputs, out) = subscripts.split_once("->")?;
        let inputs: Vec<&str> = inputs.split(',').collect();
        if inputs.len() != operands.len() {
            return None;
        }
        let operands = inputs
            .iter()
            .zip(operands)
            .map(|(indices, &tensor)| Operand { tensor, indices: indices.chars().collect() })
            .collect();
        Some(Self { scope: scope.into(), output, output_indices: out.chars().collect(), operands })
    }

    /// The index string.
    pub fn subscripts(&self) -> String {
        let inputs: Vec<String> = self.operands.iter().map(|o| o.indices.iter().collect()).collect();
        format!("{}->{}", inputs.join(","), self.output_indices.iter().collect::<String>())
    }

    /// All index letters: the output's first, then the summed ones in order of appearance.
    pub fn all_indices(&self) -> Vec<char> {
        let mut all = self.output_indices.clone();
        for index in self.operands.iter().flat_map(|o| &o.indices) {
            if !all.contains(index) {
                all.push(*index);
            }
        }
        all
    }

    /// The axis length that each of [`Einsum::all_indices`] stands for, or what is wrong with the index letters.
    pub fn lengths(&self, program: &Program) -> Result<Vec<usize>, String> {
        let names = self.all_indices();
        let mut lengths: Vec<Option<usize>> = vec![None; names.len()];
        let sides = self.operands.iter().map(|o| (o.tensor, &o.indices));
        for (tensor, indices) in sides.chain([(self.output, &self.output_indices)]) {
            let tensor = program.get(tensor).ok_or("a tensor of it does not exist")?;
            let dims = tensor.shape.dims();
            if dims.len() != indices.len() {
                return Err(format!("`{}` has {} axes but {} letters", tensor.name, dims.len(), indices.len()));
            }
            for (position, (&n, name)) in dims.iter().zip(indices).enumerate() {
                if indices.iter().take(position).any(|other| other == name) {
                    return Err(format!("letter `{name}` repeats within one tensor; diagonals are not supported"));
                }
                let known = names.iter().position(|c| c == name).and_then(|i| lengths.get_mut(i));
                if known.is_some_and(|known| *known.get_or_insert(n) != n) {
                    return Err(format!("letter `{name}` stands for axes of different lengths"));
                }
            }
        }
        match self.output_indices.iter().find(|name| !self.operands.iter().any(|o| o.indices.contains(name))) {
            Some(name) => Err(format!("output letter `{name}` occurs in no operand")),
            None => Ok(lengths.into_iter().map(|length| length.unwrap_or(1)).collect()),
        }
    }
}

impl Relation {
    /// The relation's scope.
    pub fn scope(&self) -> &str {
        match self {
            Self::Einsum(r) => &r.scope,
            Self::Lookup(r) => &r.scope,
            Self::Affine(r) => &r.scope,
            Self::View(r) => &r.scope,
        }
    }

    /// `einsum`, `lookup`, `affine` or `view`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Einsum(_) => "einsum",
            Self::Lookup(_) => "lookup",
            Self::Affine(_) => "affine",
            Self::View(_) => "view",
        }
    }

    /// The tensor on the left-hand side; lookups have none.
    pub fn output(&self) -> Option<TensorId> {
        match self {
            Self::Einsum(r) => Some(r.output),
            Self::Affine(r) => Some(r.output),
            Self::View(r) => Some(r.output),
            Self::Lookup(_) => None,
        }
    }

    /// The tensors on the right-hand side, with repetitions.
    pub fn inputs(&self) -> Vec<TensorId> {
        match self {
            Self::Einsum(r) => r.operands.iter().map(|o| o.tensor).collect(),
            Self::Lookup(r) => r.tuples.iter().flatten().copied().collect(),
            Self::Affine(r) => r.terms.iter().map(|&(_, t)| t).collect(),
            Self::View(r) => vec![r.input],
        }
    }
}
