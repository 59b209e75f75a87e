//! The break-even plot: seconds by size, on the adapter and on the host, step by step.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use zkml_device::{DeviceInfo, Step};

/// One step at one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) step: Step,
    pub(crate) bits: u32,
    pub(crate) device: f64,
    pub(crate) host: f64,
}

const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(120, 120, 120),
];

/// Draws all points to an SVG file. Lines with dots are the adapter's, plain lines the host's.
pub(crate) fn draw(path: &Path, info: &DeviceInfo, threads: usize, points: &[Point]) -> Result<(), Box<dyn Error>> {
    let times = || points.iter().flat_map(|p| [p.device, p.host]).filter(|t| *t > 0.0);
    let (low, high) = (times().fold(f64::INFINITY, f64::min), times().fold(0.0, f64::max));
    let sizes = points.iter().map(|p| p.bits);
    let (Some(first), Some(last)) = (sizes.clone().min(), sizes.max()) else {
        return Err("nothing was measured".into());
    };
    let area = SVGBackend::new(path, (900, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let software = if info.software { " (software adapter: no measure of a GPU)" } else { "" };
    let title = format!("{}{software}, against {threads} threads of the host", info.adapter);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(first..last.max(first + 1), (low / 2.0..high * 2.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("base-two logarithm of the size (dots: the adapter; thin lines: the host)")
        .y_desc("seconds")
        .y_label_formatter(&|seconds| format!("{seconds:.0e}"))
        .draw()?;
    for (step, colour) in Step::ALL.into_iter().zip(COLOURS) {
        let own = || points.iter().filter(move |p| p.step == step);
        chart
            .draw_series(LineSeries::new(own().map(|p| (p.bits, p.device)), colour.stroke_width(2)).point_size(3))?
            .label(step.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(LineSeries::new(own().map(|p| (p.bits, p.host)), colour.stroke_width(1)))?;
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}
