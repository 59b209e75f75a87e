//! Constants, and the operators that are evaluated on import when all their inputs are constants.

use super::MAX_CELLS;
use super::fault::Fault;
use super::node::Node;
use super::proto::cells;
use crate::Array;

/// A tensor known on import.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    /// Where it came from: the file and the initializer or node.
    pub(super) source: String,
    pub(super) shape: Vec<usize>,
    pub(super) cells: Cells,
}

/// Weights are real, shapes and axes are integers; ONNX never mixes them without a `Cast`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cells {
    Real(Vec<f64>),
    Integer(Vec<i64>),
}

impl Constant {
    /// A list of integers.
    pub(super) fn list(source: String, values: Vec<i64>) -> Self {
        Self { source, shape: vec![values.len()], cells: Cells::Integer(values) }
    }

    pub(super) fn integers(&self) -> Result<&[i64], Fault> {
        match &self.cells {
            Cells::Integer(values) => Ok(values),
            Cells::Real(_) => Err(format!("`{}` should hold integers", self.source).into()),
        }
    }

    pub(super) fn reals(&self) -> Result<&[f64], Fault> {
        match &self.cells {
            Cells::Real(values) => Ok(values),
            Cells::Integer(_) => Err(format!("`{}` should hold real numbers", self.source).into()),
        }
    }

    /// The only number, if there is only one.
    pub(super) fn scalar(&self) -> Option<f64> {
        match &self.cells {
            Cells::Real(values) => {
                if let [only] = values.as_slice() {
                    Some(*only)
                } else {
                    None
                }
            }
            Cells::Integer(values) => {
                if let [only] = values.as_slice() {
                    Some(*only as f64)
                } else {
                    None
                }
            }
        }
    }

    pub(super) fn array(&self) -> Result<Array, Fault> {
        Ok(Array { source: self.source.clone(), shape: self.shape.clone(), values: self.reals()?.to_vec() })
    }

    /// The numbers along `axis` of a value of shape `onto`, to which this constant broadcasts: one for all, or one per
    /// index. None if the constant varies along another axis, or does not broadcast to the shape.
    pub(super) fn along(&self, onto: &[usize], axis: usize) -> Option<Vec<f64>> {
        let values = self.reals().ok()?;
        let offset = onto.len().checked_sub(self.shape.len())?;
        let fits =
            self.shape.iter().enumerate().all(|(i, &n)| n == 1 || (i + offset == axis && onto.get(axis) == Some(&n)));
        let n = *onto.get(axis)?;
        match values {
            [only] if fits => Some(vec![*only; n]),
            _ if fits => Some(values.to_vec()),
            _ => None,
        }
    }

    /// The same numbers in another shape.
    pub(super) fn reshaped(&self, shape: Vec<usize>) -> Result<Self, Fault> {
        if cells(&shape) != cells(&self.shape) {
            return Err(format!("`{}` of shape {:?} cannot become {shape:?}", self.source, self.shape).into());
        }
        Ok(Self { source: self.source.clone(), shape, cells: self.cells.clone() })
    }

    pub(super) fn transposed(&self, permutation: &[usize]) -> Self {
        let strides = strides(&self.shape);
        let shape: Vec<usize> = permutation.iter().filter_map(|&p| self.shape.get(p).copied()).collect();
        let steps: Vec<usize> = permutation.iter().filter_map(|&p| strides.get(p).copied()).collect();
        let order = walk(&shape, &steps);
        Self { source: self.source.clone(), shape, cells: self.cells.pick(&order) }
    }

    fn binary(&self, operator: &str, other: &Self) -> Result<Self, Fault> {
        let shape = broadcast(&self.shape, &other.shape)
            .filter(|shape| grows_little(shape))
            .ok_or_else(|| format!("shapes {:?} and {:?} do not broadcast", self.shape, other.shape))?;
        let left = self.cells.pick(&walk(&shape, &broadcast_strides(&self.shape, &shape)));
        let right = other.cells.pick(&walk(&shape, &broadcast_strides(&other.shape, &shape)));
        let cells = match (left, right) {
            (Cells::Real(a), Cells::Real(b)) => {
                Cells::Real(a.iter().zip(&b).map(|(a, b)| real(operator, *a, *b)).collect())
            }
            (Cells::Integer(a), Cells::Integer(b)) => {
                let values = a.iter().zip(&b).map(|(a, b)| integer(operator, *a, *b)).collect::<Option<_>>();
                Cells::Integer(values.ok_or("integer arithmetic on constants fails")?)
            }
            _ => return Err("one constant is real, the other integer".into()),
        };
        Ok(Self { source: self.source.clone(), shape, cells })
    }

    fn unary(&self, f: impl Fn(f64) -> f64) -> Result<Self, Fault> {
        let values = self.reals()?.iter().map(|v| f(*v)).collect();
        Ok(Self { source: self.source.clone(), shape: self.shape.clone(), cells: Cells::Real(values) })
    }
}

impl Cells {
    fn pick(&self, order: &[usize]) -> Self {
        match self {
            Self::Real(values) => Self::Real(order.iter().filter_map(|&i| values.get(i).copied()).collect()),
            Self::Integer(values) => Self::Integer(order.iter().filter_map(|&i| values.get(i).copied()).collect()),
        }
    }
}

fn real(operator: &str, a: f64, b: f64) -> f64 {
    match operator {
        "Add" => a + b,
        "Sub" => a - b,
        "Mul" => a * b,
        "Div" => a / b,
        _ => a.powf(b),
    }
}

fn integer(operator: &str, a: i64, b: i64) -> Option<i64> {
    match operator {
        "Add" => a.checked_add(b),
        "Sub" => a.checked_sub(b),
        "Mul" => a.checked_mul(b),
        "Div" => a.checked_div(b),
        _ => a.checked_pow(u32::try_from(b).ok()?),
    }
}

/// Steps between neighbours along every axis of a row-major tensor.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    let mut step = 1_usize;
    for (stride, &n) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.saturating_mul(n);
    }
    strides
}

fn broadcast_strides(shape: &[usize], onto: &[usize]) -> Vec<usize> {
    let own = strides(shape).into_iter().zip(shape).map(|(step, &n)| if n == 1 { 0 } else { step });
    std::iter::repeat_n(0, onto.len().saturating_sub(shape.len())).chain(own).collect()
}

/// Flat source indices of a tensor of `shape` in row-major order, `steps` apart along each axis.
fn walk(shape: &[usize], steps: &[usize]) -> Vec<usize> {
    let mut order = vec![0_usize];
    if shape.contains(&0) {
        return Vec::new();
    }
    for (&n, &step) in shape.iter().zip(steps) {
        order = order.iter().flat_map(|&base| (0..n).map(move |i| base + i * step)).collect();
    }
    order
}

/// The shape of an elementwise operation, by ONNX's (NumPy's) rules.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| {
        (i + shape.len()).checked_sub(rank).and_then(|i| shape.get(i)).copied().unwrap_or(1)
    };
    let shape = (0..rank).map(|i| match (at(a, i), at(b, i)) {
        (1, n) | (n, 1) => Some(n),
        (m, n) => (m == n).then_some(n),
    });
    shape.collect::<Option<Vec<_>>>().filter(|shape| cells(shape).is_some())
}

/// The value of a node whose inputs are all constants.
pub(super) fn fold(node: &Node, inputs: &[Option<&Constant>], opset: i64) -> Result<Constant, Fault> {
    let get = |i: usize| inputs.get(i).copied().flatten();
    let first = get(0).ok_or("input 0 is absent")?;
    let second = || get(1).ok_or("input 1 is absent");
    let folded = match node.operator.as_str() {
        "Identity" => first.clone(),
        "Cast" => cast(first, node.int("to", 0)?)?,
        operator @ ("Add" | "Sub" | "Mul" | "Div" | "Pow") => first.binary(operator, second()?)?,
        "Sqrt" => first.unary(f64::sqrt)?,
        "Reciprocal" => first.unary(f64::recip)?,
        "Transpose" => first.transposed(&super::shapes::permutation(node, first.shape.len())?),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let shape = super::shapes::reshaped(node, &first.shape, get(1), opset)?;
            first.reshaped(shape)?
        }
        "Gather" => gather(node, first, second()?)?,
        "Concat" => concat(node, inputs)?,
        "Slice" => slice(inputs)?,
        "ConstantOfShape" => filled(node, first)?,
        _ => return Err("all its inputs are constants, and it is not among the operators evaluated on import".into()),
    };
    if let Cells::Real(values) = &folded.cells
        && values.iter().any(|v| !v.is_finite())
    {
        return Err("evaluating it on constants gives a value that is not finite".into());
    }
    Ok(folded)
}

fn cast(constant: &Constant, to: i64) -> Result<Constant, Fault> {
    let cells = match (&constant.cells, to) {
        (Cells::Real(_), 1 | 10 | 11 | 16) | (Cells::Integer(_), 6 | 7) => constant.cells.clone(),
        (Cells::Integer(values), 1 | 11) => Cells::Real(values.iter().map(|&v| v as f64).collect()),
        (Cells::Real(values), 6 | 7) => Cells::Integer(values.iter().map(|&v| v as i64).collect()),
        _ => return Err(format!("a cast to element type {to} is not supported").into()),
    };
    Ok(Constant { source: constant.source.clone(), shape: constant.shape.clone(), cells })
}

/// `Gather` from a list, as it appears in computed shapes.
fn gather(node: &Node, data: &Constant, indices: &Constant) -> Result<Constant, Fault> {
    let ([n], 0) = (data.shape.as_slice(), node.int("axis", 0)?) else {
        return Err("constants are gathered from lists only".into());
    };
    let order = indices.integers()?.iter().map(|&i| axis(i, *n)).collect::<Result<Vec<_>, _>>()?;
    Ok(Constant { source: data.source.clone(), shape: indices.shape.clone(), cells: data.cells.pick(&order) })
}

fn concat(node: &Node, inputs: &[Option<&Constant>]) -> Result<Constant, Fault> {
    if !matches!(node.int("axis", 1)?, 0 | -1) {
        return Err("constants are concatenated along axis 0 only".into());
    }
    let mut values = Vec::new();
    for constant in inputs.iter().flatten() {
        if constant.shape.len() != 1 {
            return Err("constants are concatenated as lists only".into());
        }
        values.extend_from_slice(constant.integers()?);
    }
    let source = inputs.iter().flatten().next().map_or_else(String::new, |c| c.source.clone());
    Ok(Constant::list(source, values))
}

/// `Slice` of a list, with step 1.
fn slice(inputs: &[Option<&Constant>]) -> Result<Constant, Fault> {
    let list = |i: usize| inputs.get(i).copied().flatten().map(Constant::integers).transpose();
    let (Some(data), Some(&[start]), Some(&[end])) = (list(0)?, list(1)?, list(2)?) else {
        return Err("constants are sliced as lists only".into());
    };
    if !matches!(list(3)?, None | Some(&[0 | -1])) || !matches!(list(4)?, None | Some(&[1])) {
        return Err("constants are sliced as lists with step 1 only".into());
    }
    let n = data.len() as i64;
    let clamp = |i: i64| (if i < 0 { i.saturating_add(n) } else { i }).clamp(0, n) as usize;
    let source = inputs.iter().flatten().next().map_or_else(String::new, |c| c.source.clone());
    Ok(Constant::list(source, data.get(clamp(start)..clamp(end)).unwrap_or(&[]).to_vec()))
}

fn filled(node: &Node, shape: &Constant) -> Result<Constant, Fault> {
    let shape = shape.integers()?.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<Vec<_>>>();
    let shape = shape.filter(|s| grows_little(s)).ok_or("the shape is negative or too large")?;
    let n = cells(&shape).unwrap_or(0);
    let value = match node.tensor("value")? {
        Some(proto) => super::proto::tensor("value", &node.name, proto)?.cells,
        None => Cells::Real(vec![0.0]),
    };
    let cells = match value {
        Cells::Real(v) => Cells::Real(vec![v.first().copied().unwrap_or(0.0); n]),
        Cells::Integer(v) => Cells::Integer(vec![v.first().copied().unwrap_or(0); n]),
    };
    Ok(Constant { source: node.name.clone(), shape, cells })
}

/// Whether a constant that the file describes without holding its cells is of a size worth evaluating.
fn grows_little(shape: &[usize]) -> bool {
    cells(shape).is_some_and(|cells| cells <= MAX_CELLS >> 4)
}

/// A node of the operator `Constant`.
pub(super) fn literal(file: &str, node: &Node) -> Result<Constant, Fault> {
    let source = format!("{file}:{}", node.output());
    if let Some(proto) = node.tensor("value")? {
        return Ok(super::proto::tensor(file, node.output(), proto)?);
    }
    if let Some(value) = node.float("value_float")? {
        return Ok(Constant { source, shape: Vec::new(), cells: Cells::Real(vec![value]) });
    }
    if let Some(values) = node.floats("value_floats")? {
        let cells: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
        if cells.iter().any(|v| !v.is_finite()) {
            return Err("it holds a value that is not finite".into());
        }
        return Ok(Constant { source, shape: vec![cells.len()], cells: Cells::Real(cells) });
    }
    if let Some(values) = node.ints("value_ints")? {
        return Ok(Constant::list(source, values.to_vec()));
    }
    match node.int("value_int", i64::MIN)? {
        i64::MIN => Err("it has no numeric value".into()),
        value => Ok(Constant { source, shape: Vec::new(), cells: Cells::Integer(vec![value]) }),
    }
}

/// An axis or index, where negative ones count from the end.
pub(super) fn axis(index: i64, n: usize) -> Result<usize, Fault> {
    let from_end = if index < 0 { index.checked_add(n as i64) } else { Some(index) };
    let found = from_end.and_then(|i| usize::try_from(i).ok()).filter(|i| *i < n);
    found.ok_or_else(|| format!("axis {index} is out of range for {n}").into())
}
