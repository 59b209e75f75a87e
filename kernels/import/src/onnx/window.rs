//! Geometry of convolution and pooling windows: kernel, stride, padding, dilation.

use super::fault::Fault;
use super::node::Node;

/// Largest kernel, stride, padding or dilation; keeps the arithmetic far from overflow.
const LARGEST: usize = 1 << 20;

/// A sliding window over the two last axes of `[batch, channels, height, width]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Top, left, bottom, right.
    pub(super) padding: [usize; 4],
    pub(super) dilation: [usize; 2],
    /// Height and width of the output.
    pub(super) output: [usize; 2],
}

impl Window {
    /// The window of a `Conv`, `MaxPool` or `AveragePool` over `shape`.
    pub(super) fn new(node: &Node, shape: &[usize], kernel: [usize; 2]) -> Result<Self, Fault> {
        let &[_, _, height, width] = shape else {
            return Err(format!(
                "its input has shape {shape:?}; only two-dimensional windows over [batch, channels, height, width] are \
                 supported"
            )
            .into());
        };
        let stride = pair(node, "strides", 1)?;
        let dilation = pair(node, "dilations", 1)?;
        if [kernel, stride, dilation].iter().flatten().any(|n| *n == 0 || *n > LARGEST) {
            return Err("kernel, stride and dilation must be at least 1 and at most 2^20".into());
        }
        let extent = [0, 1].map(|i| (kernel[i] - 1) * dilation[i] + 1);
        let padding = padding(node, [height, width], extent, stride)?;
        let mut output = [0; 2];
        for (i, length) in [height, width].into_iter().enumerate() {
            let padded = length + padding[i] + padding[i + 2];
            let slack = padded.checked_sub(extent[i]).ok_or_else(|| {
                format!("the window spans {} cells of an axis that has {padded} with padding", extent[i])
            })?;
            output[i] = slack / stride[i] + 1;
            if node.flag("ceil_mode")? && !slack.is_multiple_of(stride[i]) {
                return Err(format!(
                    "ceil_mode adds a window to axis {} of length {length} that is partly outside; export with \
                     ceil_mode = 0",
                    i + 2
                )
                .into());
            }
        }
        Ok(Self { kernel, stride, padding, dilation, output })
    }

    /// Refuses windows that lie entirely in the padding.
    pub(super) fn touches_input(self) -> Result<Self, Fault> {
        let outside = |i: usize| {
            let extent = (self.kernel[i] - 1) * self.dilation[i] + 1;
            self.padding[i] >= extent || self.padding[i + 2] >= extent
        };
        if outside(0) || outside(1) {
            return Err("the padding is as large as the window".into());
        }
        Ok(self)
    }

    /// The output's shape.
    pub(super) fn shape(&self, batch: usize, channels: usize) -> Vec<usize> {
        vec![batch, channels, self.output[0], self.output[1]]
    }
}

/// The kernel of a pooling node.
pub(super) fn kernel(node: &Node) -> Result<[usize; 2], Fault> {
    pair(node, "kernel_shape", 0)
}

/// Two lengths, `default` each if the attribute is absent.
fn pair(node: &Node, name: &str, default: usize) -> Result<[usize; 2], Fault> {
    match node.ints(name)? {
        None => Ok([default; 2]),
        Some(&[a, b]) => match (usize::try_from(a), usize::try_from(b)) {
            (Ok(a), Ok(b)) => Ok([a, b]),
            _ => Err(format!("the attribute `{name}` is negative").into()),
        },
        Some(other) => Err(format!("the attribute `{name}` is {other:?}; two numbers are supported").into()),
    }
}

fn padding(node: &Node, input: [usize; 2], extent: [usize; 2], stride: [usize; 2]) -> Result<[usize; 4], Fault> {
    let automatic = node.text("auto_pad")?.unwrap_or("NOTSET");
    let upper = match automatic {
        "NOTSET" => return explicit(node),
        "VALID" => return Ok([0; 4]),
        "SAME_UPPER" => true,
        "SAME_LOWER" => false,
        other => return Err(format!("auto_pad `{other}` is unknown").into()),
    };
    let mut padding = [0; 4];
    for i in [0, 1] {
        let windows = input[i].div_ceil(stride[i]).max(1);
        let total = ((windows - 1) * stride[i] + extent[i]).saturating_sub(input[i]);
        let (small, large) = (total / 2, total.div_ceil(2));
        (padding[i], padding[i + 2]) = if upper { (small, large) } else { (large, small) };
    }
    Ok(padding)
}

fn explicit(node: &Node) -> Result<[usize; 4], Fault> {
    let Some(pads) = node.ints("pads")? else { return Ok([0; 4]) };
    let fits = |n: &i64| usize::try_from(*n).ok().filter(|n| *n <= LARGEST);
    match pads.iter().map(fits).collect::<Option<Vec<_>>>().as_deref() {
        Some(&[top, left, bottom, right]) => Ok([top, left, bottom, right]),
        _ => Err(format!("the attribute `pads` is {pads:?}; four numbers from 0 to 2^20 are supported").into()),
    }
}
