//! The timing plot: speed-up over length, double-logarithmic, with the bound that the step counts set.

use plotters::prelude::*;
use srnn::timing::Timing;
use srnn::{Error, Result, Slicing};

/// Colours that differ in print and for colour-blind readers (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// An SVG of all slicings' speed-ups (solid, with points) and step bounds (thin).
///
/// # Errors
/// [`Error::Config`] if no speed-up was measured, as the plain network was not timed.
pub fn speedup(title: &str, timings: &[Timing]) -> Result<String> {
    let mut slicings: Vec<Slicing> = Vec::new();
    for timing in timings {
        if timing.slicing.k() > 0 && !slicings.contains(&timing.slicing) {
            slicings.push(timing.slicing);
        }
    }
    let lengths = timings.iter().map(|timing| timing.length as f64);
    let (shortest, longest) = (lengths.clone().fold(f64::INFINITY, f64::min), lengths.fold(1.0, f64::max));
    let speedups = timings.iter().filter_map(|timing| timing.speedup);
    let bounds = timings.iter().map(|timing| timing.bound);
    let top = bounds.chain(speedups.clone()).fold(1.0, f64::max);
    let bottom = speedups.fold(1.0, f64::min);
    if slicings.is_empty() || timings.iter().all(|timing| timing.speedup.is_none()) {
        return Err(Error::Config(
            "a plot of speed-ups needs the plain network (rnn) and a slicing among --slices".into(),
        ));
    }
    let mut svg = String::new();
    draw(&mut svg, title, timings, &slicings, (shortest * 0.9, longest * 1.1), (bottom * 0.8, top * 1.5))
        .map_err(|error| Error::Config(format!("the plot could not be drawn: {error}")))?;
    Ok(svg)
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(
    svg: &mut String,
    title: &str,
    timings: &[Timing],
    slicings: &[Slicing],
    (left, right): (f64, f64),
    (bottom, top): (f64, f64),
) -> Drawn {
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
        .y_desc("times as fast as the plain GRU")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y}×"))
        .label_style(("sans-serif", 14))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    for (slicing, colour) in slicings.iter().zip(COLOURS.iter().cycle()) {
        let of = |value: fn(&Timing) -> Option<f64>| -> Vec<(f64, f64)> {
            let own = timings.iter().filter(|timing| timing.slicing == *slicing);
            own.filter_map(|timing| value(timing).map(|y| (timing.length as f64, y))).collect()
        };
        let measured = of(|timing| timing.speedup);
        chart
            .draw_series(LineSeries::new(measured.clone(), colour.stroke_width(2)))?
            .label(format!("SRNN({},{})", slicing.n(), slicing.k()))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2)));
        chart.draw_series(measured.into_iter().map(|point| Circle::new(point, 4, colour.filled())))?;
        chart
            .draw_series(DashedLineSeries::new(of(|timing| Some(timing.bound)), 5, 5, colour.mix(0.7).stroke_width(1)))?
            .label(format!("step bound of SRNN({},{})", slicing.n(), slicing.k()))
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
