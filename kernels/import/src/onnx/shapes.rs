//! Shape inference: the shape of a node's first output from its inputs' shapes.

use super::constant::{Constant, axis, broadcast};
use super::fault::Fault;
use super::node::Node;
use super::proto::cells;
use super::window::{Window, kernel};

/// What is known of a node's inputs.
pub(super) struct Inputs<'a> {
    pub(super) shapes: Vec<Option<&'a [usize]>>,
    pub(super) constants: Vec<Option<&'a Constant>>,
    pub(super) opset: i64,
}

impl<'a> Inputs<'a> {
    fn shape(&self, i: usize) -> Result<&'a [usize], Fault> {
        self.shapes.get(i).copied().flatten().ok_or_else(|| format!("input {i} is absent").into())
    }

    fn constant(&self, i: usize) -> Option<&'a Constant> {
        self.constants.get(i).copied().flatten()
    }
}

/// The most inputs that an operator takes.
pub(super) fn most_inputs(operator: &str) -> usize {
    match operator {
        "Constant" => 0,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "MatMul" | "Gather" | "ReduceMean" | "Reshape" | "Squeeze"
        | "Unsqueeze" => 2,
        "Gemm" | "Conv" | "Clip" | "Dropout" | "LayerNormalization" => 3,
        "BatchNormalization" | "Slice" => 5,
        "Concat" => usize::MAX,
        _ => 1,
    }
}

/// The shape of the first output.
pub(super) fn infer(node: &Node, inputs: &Inputs) -> Result<Vec<usize>, Fault> {
    let x = inputs.shape(0)?;
    let shape = match node.operator.as_str() {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" => {
            let y = inputs.shape(1)?;
            broadcast(x, y).ok_or_else(|| format!("shapes {x:?} and {y:?} do not broadcast"))?
        }
        "Gemm" => gemm(node, x, inputs.shape(1)?)?,
        "MatMul" => matmul(x, inputs.shape(1)?)?,
        "Conv" => conv(node, x, inputs.shape(1)?)?,
        "MaxPool" | "AveragePool" => {
            let window = Window::new(node, x, kernel(node)?)?.touches_input()?;
            window.shape(x.first().copied().unwrap_or(1), x.get(1).copied().unwrap_or(1))
        }
        "GlobalAveragePool" => match *x {
            [batch, channels, _, _] => vec![batch, channels, 1, 1],
            _ => return Err(format!("its input has shape {x:?}; four axes are supported").into()),
        },
        "ReduceMean" => reduced(node, x, inputs.constant(1))?,
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            if inputs.shapes.get(1).is_some_and(Option::is_some) && inputs.constant(1).is_none() {
                return Err("its shape or axes depend on the input".into());
            }
            reshaped(node, x, inputs.constant(1), inputs.opset)?
        }
        "Transpose" => {
            let permutation = permutation(node, x.len())?;
            permutation.iter().filter_map(|&p| x.get(p).copied()).collect()
        }
        _ => x.to_vec(),
    };
    if shape.contains(&0) {
        return Err(format!("its output has shape {shape:?}, which is empty").into());
    }
    cells(&shape).map(|_| ()).ok_or_else(|| format!("its output has shape {shape:?}, which is too large"))?;
    Ok(shape)
}

fn gemm(node: &Node, x: &[usize], w: &[usize]) -> Result<Vec<usize>, Fault> {
    let flip = |shape: &[usize], name: &str| match (shape, node.flag(name)?) {
        (&[a, b], false) | (&[b, a], true) => Ok([a, b]),
        _ => Err(Fault::from(format!("an operand has shape {shape:?}; two axes are required"))),
    };
    let ([m, k], [inner, n]) = (flip(x, "transA")?, flip(w, "transB")?);
    if k != inner {
        return Err(format!("shapes {x:?} and {w:?} do not fit: {k} columns meet {inner} rows").into());
    }
    Ok(vec![m, n])
}

fn matmul(x: &[usize], w: &[usize]) -> Result<Vec<usize>, Fault> {
    let (Some((k, rows)), &[inner, n]) = (x.split_last(), w) else {
        return Err(format!("operands have shapes {x:?} and {w:?}; the second must be a matrix").into());
    };
    if *k != inner {
        return Err(format!("shapes {x:?} and {w:?} do not fit: {k} columns meet {inner} rows").into());
    }
    Ok([rows, &[n]].concat())
}

/// The number of groups of a `Conv`.
pub(super) fn groups(node: &Node) -> Result<usize, Fault> {
    usize::try_from(node.int("group", 1)?).ok().filter(|g| *g >= 1).ok_or_else(|| "`group` is not positive".into())
}

fn conv(node: &Node, x: &[usize], w: &[usize]) -> Result<Vec<usize>, Fault> {
    let (&[batch, channels, _, _], &[out, per_group, kh, kw]) = (x, w) else {
        return Err(format!("input and kernel have shapes {x:?} and {w:?}; four axes each are supported").into());
    };
    let groups = groups(node)?;
    if per_group.checked_mul(groups) != Some(channels) || out % groups != 0 {
        return Err(format!("{channels} input channels do not fit a kernel of shape {w:?} in {groups} groups").into());
    }
    if node.ints("kernel_shape")?.is_some_and(|k| k != [kh as i64, kw as i64]) {
        return Err(format!("`kernel_shape` contradicts a kernel of shape {w:?}").into());
    }
    Ok(Window::new(node, x, [kh, kw])?.shape(batch, out))
}

/// The axes of a `ReduceMean`, sorted, from the attribute (before operator set 18) or the input.
pub(super) fn axes(node: &Node, rank: usize, constant: Option<&Constant>) -> Result<Vec<usize>, Fault> {
    let given = match (node.ints("axes")?, constant) {
        (Some(axes), _) => axes,
        (None, Some(constant)) => constant.integers()?,
        (None, None) => return Ok((0..rank).collect()),
    };
    let mut axes = given.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

fn reduced(node: &Node, x: &[usize], constant: Option<&Constant>) -> Result<Vec<usize>, Fault> {
    let axes = axes(node, x.len(), constant)?;
    let keep = node.int("keepdims", 1)? != 0;
    let kept = x.iter().enumerate().map(|(i, &n)| if axes.contains(&i) { keep.then_some(1) } else { Some(n) });
    Ok(kept.flatten().collect())
}

/// The permutation of a `Transpose`; the default reverses all axes.
pub(super) fn permutation(node: &Node, rank: usize) -> Result<Vec<usize>, Fault> {
    let Some(given) = node.ints("perm")? else { return Ok((0..rank).rev().collect()) };
    let permutation = given.iter().map(|&p| axis(p, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut sorted = permutation.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return Err(format!("`perm` is {given:?}, not a permutation of {rank} axes").into());
    }
    Ok(permutation)
}

/// The new shape of a `Reshape`, `Flatten`, `Squeeze` or `Unsqueeze`; `list` is the second input.
pub(super) fn reshaped(node: &Node, x: &[usize], list: Option<&Constant>, opset: i64) -> Result<Vec<usize>, Fault> {
    let axes = || match (node.ints("axes")?, list) {
        (Some(axes), _) if opset < 13 => Ok(Some(axes)),
        (_, Some(list)) => list.integers().map(Some),
        _ => Ok::<_, Fault>(None),
    };
    match node.operator.as_str() {
        "Flatten" => {
            let rank = x.len();
            let at = match node.int("axis", 1)? {
                end if end == rank as i64 => rank,
                at => axis(at, rank)?,
            };
            let (front, back) = x.split_at_checked(at).ok_or("`axis` is out of range")?;
            Ok(vec![front.iter().product(), back.iter().product()])
        }
        "Squeeze" => {
            let axes = match axes()? {
                Some(axes) => axes.iter().map(|&a| axis(a, x.len())).collect::<Result<Vec<_>, _>>()?,
                None => (0..x.len()).filter(|&i| x.get(i) == Some(&1)).collect(),
            };
            if axes.iter().any(|&a| x.get(a) != Some(&1)) {
                return Err(format!("an axis to remove from shape {x:?} is longer than 1").into());
            }
            Ok(x.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &n)| n).collect())
        }
        "Unsqueeze" => {
            let axes = axes()?.ok_or("it has no axes")?;
            let rank = x.len() + axes.len();
            let axes = axes.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
            let mut rest = x.iter().copied();
            let shape: Vec<_> =
                (0..rank).filter_map(|i| if axes.contains(&i) { Some(1) } else { rest.next() }).collect();
            if shape.len() != rank {
                return Err("its axes repeat".into());
            }
            Ok(shape)
        }
        _ => reshape(node, x, list.ok_or("it has no shape")?.integers()?),
    }
}

/// `Reshape`: 0 keeps a length (unless `allowzero`), one -1 takes what is left.
fn reshape(node: &Node, x: &[usize], wanted: &[i64]) -> Result<Vec<usize>, Fault> {
    let fail = || Fault::from(format!("shape {x:?} cannot become {wanted:?}"));
    let keep = !node.flag("allowzero")?;
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (i, &n) in wanted.iter().enumerate() {
        shape.push(match n {
            0 if keep => x.get(i).copied().ok_or_else(fail)?,
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            n => usize::try_from(n).map_err(|_| fail())?,
        });
    }
    let (total, known) = (cells(x).ok_or_else(fail)?, cells(&shape).ok_or_else(fail)?);
    if let Some(length) = open.and_then(|i| shape.get_mut(i)) {
        *length = total.checked_div(known).ok_or_else(fail)?;
    }
    if cells(&shape) == Some(total) { Ok(shape) } else { Err(fail()) }
}
