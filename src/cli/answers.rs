//! What `srnn predict` tells, as JSON Lines, as a table or as an array.

use super::print;
use crate::data::{Cells, npy_bytes};
use crate::files::write_atomically;
use crate::train::{Model, TargetEncoder, Thresholds};
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::PathBuf;

/// How answers are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answers {
    /// An object a line.
    Jsonl,
    /// A table with a header: the columns of the input, then the label and the probabilities, or the numbers.
    Csv,
    /// An array `[N, C]` of probabilities, or of numbers; of every step `[N, T, C]`.
    Npy,
    /// A token a line with its tag, and a blank line behind each sequence.
    Conll,
}

/// Takes answers in their order.
pub struct Writer<'a> {
    answers: Answers,
    targets: &'a TargetEncoder,
    thresholds: Option<&'a Thresholds>,
    names: Vec<String>,
    /// Of the input, for [`Answers::Csv`].
    cells: Option<Cells>,
    /// Answers so far.
    count: usize,
    /// `None` for standard output, to which lines go as they come.
    out: Option<PathBuf>,
    bytes: Vec<u8>,
    values: Vec<f32>,
}

impl<'a> Writer<'a> {
    /// For answers of this kind; `cells` are the columns of the input that are to be repeated.
    pub fn new(answers: Answers, model: &'a Model, cells: Option<Cells>, out: Option<PathBuf>) -> Writer<'a> {
        let (targets, thresholds, names) = (&model.targets, model.thresholds.as_ref(), model.targets.names());
        Writer { answers, targets, thresholds, names, cells, count: 0, out, bytes: vec![], values: vec![] }
    }

    fn class(&self, row: &[f32]) -> String {
        self.names[Thresholds::class(self.thresholds, row)].clone()
    }

    /// Takes what is told of some sequences, `[n, C]`.
    pub fn take(&mut self, told: &[f32]) -> Result<()> {
        let width = self.names.len();
        if self.answers == Answers::Csv && self.count == 0 {
            let header = self.header();
            self.bytes.extend(header.into_bytes());
        }
        for row in told.chunks(width) {
            match self.answers {
                Answers::Jsonl => {
                    let line = Value::Object(said(self.targets, self.thresholds, &self.names, row));
                    self.bytes.extend(format!("{line}\n").into_bytes());
                }
                Answers::Csv | Answers::Conll => self.bytes.extend(self.csv_row(row).into_bytes()),
                Answers::Npy => match self.targets {
                    TargetEncoder::Numbers(own) => {
                        self.values.extend(own.undo(row).into_iter().map(|value| value as f32));
                    }
                    _ => self.values.extend(row),
                },
            }
            self.count += 1;
        }
        if self.out.is_none() {
            // The bytes are text as long as no array is asked for.
            print(&String::from_utf8_lossy(&std::mem::take(&mut self.bytes)))?;
        }
        Ok(())
    }

    /// Writes the file, or the array.
    pub fn finish(mut self) -> Result<()> {
        if self.answers == Answers::Csv && self.count == 0 {
            self.bytes = self.header().into_bytes();
        }
        if self.answers == Answers::Npy {
            self.bytes = npy_bytes(&[self.count, self.names.len()], &self.values)?;
        }
        match &self.out {
            Some(path) => write_atomically(path, &self.bytes),
            None => std::io::stdout().lock().write_all(&self.bytes).map_err(Error::io("standard output")),
        }
    }

    fn header(&self) -> String {
        let own = self.cells.iter().flat_map(|cells| cells.header.clone());
        let told = match self.targets {
            TargetEncoder::Classes(_) | TargetEncoder::Tags(_) => vec!["predicted".to_string()],
            TargetEncoder::Labels(_) => vec!["predicted".to_string()],
            TargetEncoder::Numbers(_) | TargetEncoder::Series(_) => vec![],
        };
        let kind = if matches!(self.targets, TargetEncoder::Numbers(_)) { "value" } else { "probability" };
        let each = self.names.iter().map(|name| format!("{kind}:{name}"));
        csv_line(own.chain(told).chain(each))
    }

    fn csv_row(&self, row: &[f32]) -> String {
        let own = self.cells.iter().flat_map(|cells| cells.rows[self.count].clone());
        let told = match self.targets {
            TargetEncoder::Classes(_) | TargetEncoder::Tags(_) => vec![self.class(row)],
            TargetEncoder::Labels(_) => vec![labels(self.thresholds, &self.names, row).join(",")],
            TargetEncoder::Numbers(_) | TargetEncoder::Series(_) => vec![],
        };
        let each: Vec<String> = match self.targets {
            TargetEncoder::Numbers(own) => {
                let values = own.undo(row).into_iter().zip(&own.deviation);
                values.map(|(value, &deviation)| told_digits(value, deviation).to_string()).collect()
            }
            _ => row.iter().map(|&p| share(p).to_string()).collect(),
        };
        csv_line(own.chain(told).chain(each))
    }
}

/// What is told of a sequence, or of a step of a stream, by the model's probabilities or numbers `[C]`.
pub fn said(
    targets: &TargetEncoder,
    thresholds: Option<&Thresholds>,
    names: &[String],
    row: &[f32],
) -> Map<String, Value> {
    let shares = || -> Map<String, Value> { names.iter().cloned().zip(row.iter().map(|&p| share(p).into())).collect() };
    let fields = match targets {
        TargetEncoder::Classes(_) => {
            let class = Thresholds::class(thresholds, row);
            vec![("label", json!(names[class])), ("probabilities", json!(shares()))]
        }
        TargetEncoder::Tags(_) => {
            let tag = Thresholds::class(None, row);
            vec![("tag", json!(names[tag])), ("probability", json!(share(row[tag])))]
        }
        TargetEncoder::Labels(_) => {
            vec![("labels", json!(labels(thresholds, names, row))), ("probabilities", json!(shares()))]
        }
        TargetEncoder::Numbers(own) | TargetEncoder::Series(own) => {
            let values = own.undo(row).into_iter().zip(&own.deviation);
            vec![("values", values.map(|(value, &deviation)| told_digits(value, deviation)).collect())]
        }
    };
    fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// The labels that apply to a sequence.
fn labels<'a>(thresholds: Option<&Thresholds>, names: &'a [String], row: &[f32]) -> Vec<&'a str> {
    let told = |(label, _): &(usize, &String)| Thresholds::label(thresholds, *label, row[*label]);
    names.iter().enumerate().filter(told).map(|(_, name)| name.as_str()).collect()
}

/// A line of a table, with quotes around what would be taken for several fields.
pub fn csv_line(fields: impl Iterator<Item = String>) -> String {
    let quoted = |field: String| match field.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    };
    fields.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

/// A share to a millionth: what lies beyond is rounding.
pub fn share(p: f32) -> f64 {
    (f64::from(p) * 1e6).round() / 1e6
}

/// A number as exactly as a network's f32, scaled by a deviation, tells it: what lies beyond is rounding.
pub fn told_digits(value: f64, deviation: f64) -> f64 {
    let decimals = (-(1e-7 * deviation).log10().floor()).clamp(0.0, 300.0) as usize;
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        assert_eq!(told_digits(3.200_000_047_683_7, 1.0), 3.2000000);
        assert_eq!(told_digits(1_700_000_012.345_678, 8.0), 1_700_000_012.345_678);
        assert_eq!(told_digits(-0.000_012_345_678_9, 1e-5), -0.000_012_345_679);
        assert_eq!(told_digits(123_456_789.4, 1e9), 123_456_789.0);
    }

    #[test]
    fn fields_that_need_quotes() {
        let line = csv_line(["a", "b, c", "say \"d\"", ""].map(String::from).into_iter());
        assert_eq!(line, "a,\"b, c\",\"say \"\"d\"\"\",\n");
    }
}
