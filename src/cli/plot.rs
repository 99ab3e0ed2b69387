//! The timing plot: speed-up over length, double-logarithmic, with the bound that the step counts set.

use plotters::prelude::*;
use srnn::timing::Timing;
use srnn::{Error, Result, Slicing};
use std::collections::HashSet;

/// Colours that differ in print and for colour-blind readers (Okabe and Ito).
const COLOURS: [u32; 6] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9];

/// One line of the plot, and the bound that goes with it: points of (T, times as fast as the plain network).
pub struct Line {
    pub name: String,
    pub measured: Vec<(f64, f64)>,
    pub bound: Vec<(f64, f64)>,
}

impl Line {
    fn of<'a>(name: String, timings: impl Iterator<Item = &'a Timing> + Clone) -> Line {
        let measured = timings.clone().filter_map(|t| t.speedup.map(|speedup| (t.length as f64, speedup)));
        Line { name, measured: measured.collect(), bound: timings.map(|t| (t.length as f64, t.bound)).collect() }
    }

    /// One line per slicing.
    pub fn by_slicing(what: &str, timings: &[Timing]) -> Vec<Line> {
        let mut seen = HashSet::new();
        let slicings = timings.iter().map(|own| own.slicing).filter(|own| own.k() > 0 && seen.insert(*own));
        let line = |slicing: Slicing| {
            let own = timings.iter().filter(move |timing| timing.slicing == slicing);
            Line::of(format!("{what}, {}", title(slicing)), own)
        };
        slicings.map(line).collect()
    }

    /// One line for the fastest slicing of every length.
    pub fn best(what: &str, timings: &[Timing]) -> Line {
        Line::of(format!("{what}, the best slicing"), best(timings).into_iter())
    }
}

/// The paper's name of a sliced network.
pub fn title(slicing: Slicing) -> String {
    format!("SRNN({},{})", slicing.n(), slicing.k())
}

/// The fastest slicing of every length at which the plain network was timed too.
pub fn best(timings: &[Timing]) -> Vec<&Timing> {
    let sliced = |own: &&Timing| own.slicing.k() > 0 && own.speedup.is_some();
    let lengths = timings.chunk_by(|a, b| a.length == b.length);
    lengths.filter_map(|own| own.iter().filter(sliced).min_by(|a, b| a.median.total_cmp(&b.median))).collect()
}

/// An SVG of speed-ups (solid, with points) and step bounds (dashed).
///
/// # Errors
/// [`Error::Config`] if it cannot be drawn.
pub fn speedup(title: &str, series: &[Line]) -> Result<String> {
    let all = || series.iter().flat_map(|line| line.measured.iter().chain(&line.bound));
    let (shortest, longest) = all().fold((f64::INFINITY, 1.0f64), |(low, high), (x, _)| (low.min(*x), high.max(*x)));
    let (bottom, top) = all().fold((1.0f64, 1.0f64), |(low, high), (_, y)| (low.min(*y), high.max(*y)));
    let mut svg = String::new();
    draw(&mut svg, title, series, (shortest * 0.9, longest * 1.1), (bottom * 0.8, top * 1.5))
        .map_err(|error| Error::Config(format!("the plot could not be drawn: {error}")))?;
    Ok(svg)
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, title: &str, series: &[Line], (left, right): (f64, f64), (bottom, top): (f64, f64)) -> Drawn {
    let area = SVGBackend::with_string(svg, (860, 540)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 15))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d((left..right).log_scale(), (bottom..top).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("sequence length T")
        .y_desc("times as fast as the plain network")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y}×"))
        .label_style(("sans-serif", 14))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    for (line, colour) in series.iter().zip(COLOURS.into_iter().cycle()) {
        let [_, red, green, blue] = colour.to_be_bytes();
        let colour = RGBColor(red, green, blue);
        chart
            .draw_series(LineSeries::new(line.measured.clone(), colour.stroke_width(2)))?
            .label(line.name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2)));
        chart.draw_series(line.measured.iter().map(|&point| Circle::new(point, 4, colour.filled())))?;
        chart
            .draw_series(DashedLineSeries::new(line.bound.clone(), 5, 5, colour.mix(0.7).stroke_width(1)))?
            .label("its step bound")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.mix(0.7).stroke_width(1)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 14))
        .draw()?;
    area.present()?;
    Ok(())
}
