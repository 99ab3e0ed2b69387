//! The plots: speed-up over length, double-logarithmic, with the bound that the step counts set; a training's curves; what was
//! confused.

use crate::timing::Timing;
use crate::train::Epoch;
use crate::{Error, Result, Slicing};
use plotters::prelude::*;
use std::collections::HashSet;

/// Colours that differ in print and for colour-blind readers (Okabe and Ito).
const COLOURS: [u32; 6] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9];

fn rgb(colour: u32) -> RGBColor {
    let [_, red, green, blue] = colour.to_be_bytes();
    RGBColor(red, green, blue)
}

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
        let colour = rgb(colour);
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

/// An SVG of the losses of all epochs, and of the number that validations are judged by.
///
/// # Errors
/// [`Error::Config`] if it cannot be drawn.
pub fn curves(epochs: &[Epoch], metric: &str) -> Result<String> {
    let points = |of: fn(&Epoch) -> f64| -> Vec<(f64, f64)> {
        epochs.iter().map(|own| (own.epoch as f64, of(own))).filter(|(_, value)| value.is_finite()).collect()
    };
    let losses = [("training loss", points(|own| own.train_loss)), ("validation loss", points(|own| own.valid_loss))];
    let scores = [(metric, points(|own| own.valid_score))];
    let mut svg = String::new();
    draw_curves(&mut svg, &losses, &scores)
        .map_err(|error| Error::Config(format!("the plot could not be drawn: {error}")))?;
    Ok(svg)
}

fn draw_curves(svg: &mut String, losses: &[(&str, Vec<(f64, f64)>)], scores: &[(&str, Vec<(f64, f64)>)]) -> Drawn {
    let area = SVGBackend::with_string(svg, (860, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    // Losses fall and scores rise: each leaves room for its legend.
    let sides = [(losses, SeriesLabelPosition::UpperRight), (scores, SeriesLabelPosition::LowerRight)];
    for (half, (lines, legend)) in area.split_evenly((1, 2)).iter().zip(sides) {
        let all = || lines.iter().flat_map(|(_, points)| points);
        let (low, high) =
            all().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, y)| (low.min(*y), high.max(*y)));
        if low > high {
            continue;
        }
        let last = all().fold(1.0f64, |last, (x, _)| last.max(*x));
        let room = (0.05 * (high - low)).max(1e-6);
        let mut chart = ChartBuilder::on(half)
            .margin(14)
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d(1.0..last.max(2.0), low - room..high + room)?;
        chart
            .configure_mesh()
            .x_desc("epoch")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .label_style(("sans-serif", 13))
            .light_line_style(WHITE)
            .bold_line_style(BLACK.mix(0.12))
            .draw()?;
        for ((name, points), colour) in lines.iter().zip(COLOURS) {
            let colour = rgb(colour);
            chart
                .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(legend)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 13))
            .draw()?;
    }
    area.present()?;
    Ok(())
}

/// Classes beyond which counts and names are not written into a confusion matrix.
const WRITTEN: usize = 24;

/// An SVG of a confusion matrix `[C, C]`: rows are true classes, columns predicted ones; the darker, the larger the share of
/// its row.
///
/// # Errors
/// [`Error::Config`] if it cannot be drawn.
pub fn heat(confusion: &[Vec<usize>], names: &[String]) -> Result<String> {
    let mut svg = String::new();
    draw_heat(&mut svg, confusion, names)
        .map_err(|error| Error::Config(format!("the plot could not be drawn: {error}")))?;
    Ok(svg)
}

fn draw_heat(svg: &mut String, confusion: &[Vec<usize>], names: &[String]) -> Drawn {
    let (classes, left, top) = (confusion.len(), 130, 60);
    let cell = (600 / classes.max(1)).clamp(2, 60) as i32;
    let side = cell * classes as i32;
    let area = SVGBackend::with_string(svg, ((side + left + 20) as u32, (side + top + 20) as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let font = |size: i32| ("sans-serif", size).into_font();
    area.draw_text("rows: true class, columns: predicted class", &font(13).into_text_style(&area), (10, 10))?;
    for (truth, row) in confusion.iter().enumerate() {
        let sum = row.iter().sum::<usize>().max(1);
        for (told, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let share = count as f64 / sum as f64;
            let (x, y) = (left + told as i32 * cell, top + truth as i32 * cell);
            let shade = |full: u8| (255.0 - share * f64::from(255 - full)) as u8;
            let colour = RGBColor(shade(0x00), shade(0x72), shade(0xb2));
            area.draw(&Rectangle::new([(x, y), (x + cell, y + cell)], colour.filled()))?;
            if classes <= WRITTEN && count > 0 {
                let ink = if share > 0.5 { WHITE } else { BLACK };
                let style = font(cell.min(36) / 3).into_text_style(&area).color(&ink);
                area.draw_text(&count.to_string(), &style, (x + cell / 5, y + cell / 3))?;
            }
        }
        if classes <= WRITTEN {
            let name: String = names[truth].chars().take(16).collect();
            let style = font(cell.min(36) / 3).into_text_style(&area);
            area.draw_text(&name, &style, (8, top + truth as i32 * cell + cell / 3))?;
            let short: String = names[truth].chars().take(8).collect();
            area.draw_text(&short, &style, (left + truth as i32 * cell + 2, top - 18))?;
        }
    }
    area.present()?;
    Ok(())
}
