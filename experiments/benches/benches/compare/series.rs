//! From a point of a matrix to a line of a plot: what is compared, and at which size.

/// Mark of the second measurement of the same cell.
pub(crate) const AGAIN: &str = "(again)";

/// Where a cell stands in a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    /// What is compared, e.g. the protocol.
    pub(crate) label: String,
    /// The size, if some axis is numeric.
    pub(crate) size: Option<String>,
}

/// The series of every point. The last axis whose values are numbers, several of them, is the size; the others are the label.
pub(crate) fn series(points: &[&[(String, String)]]) -> Vec<Series> {
    let axes = points.first().map_or(0, |point| point.len());
    let values = |axis: usize| points.iter().filter_map(move |p| p.get(axis)).map(|(_, value)| value.as_str());
    let varies = |axis: usize| values(axis).any(|v| Some(v) != values(axis).next());
    let numeric = |axis: &usize| varies(*axis) && values(*axis).all(|v| v.parse::<f64>().is_ok());
    let size = (0..axes).rev().find(numeric);
    points.iter().map(|point| of(point, size, &varies)).collect()
}

fn of(point: &[(String, String)], size: Option<usize>, varies: &impl Fn(usize) -> bool) -> Series {
    let named = |(axis, (path, value)): (usize, &(String, String))| {
        // A path says what a bare number is; protocols and suites need no word.
        let bare = value.parse::<f64>().is_ok();
        let last = path.rsplit('.').next().unwrap_or(path);
        (Some(axis) != size && varies(axis))
            .then(|| if bare { format!("{last}={value}") } else { value.replace(['{', '}', '"'], "") })
    };
    let parts: Vec<String> = point.iter().enumerate().filter_map(named).collect();
    let label = if parts.is_empty() { "cell".to_owned() } else { parts.join(", ") };
    Series { label, size: size.and_then(|axis| Some(point.get(axis)?.1.clone())) }
}
