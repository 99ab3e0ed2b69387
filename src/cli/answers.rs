//! What `srnn predict` tells, as JSON Lines, as a table or as an array.

use super::print;
use serde_json::json;
use srnn::data::{Cells, npy_bytes};
use srnn::files::write_atomically;
use srnn::train::{Model, TargetEncoder, Thresholds};
use srnn::{Error, Result};
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

    fn labels(&self, row: &[f32]) -> Vec<String> {
        let told = |(label, _): &(usize, &String)| Thresholds::label(self.thresholds, *label, row[*label]);
        self.names.iter().enumerate().filter(told).map(|(_, name)| name.clone()).collect()
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
                Answers::Jsonl => self.bytes.extend(self.json_line(row).into_bytes()),
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
            TargetEncoder::Labels(_) => vec![self.labels(row).join(",")],
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

    fn json_line(&self, row: &[f32]) -> String {
        let shares = || {
            self.names
                .iter()
                .zip(row)
                .map(|(name, &p)| (name.clone(), share(p).into()))
                .collect::<serde_json::Map<_, _>>()
        };
        let line = match self.targets {
            TargetEncoder::Classes(_) | TargetEncoder::Tags(_) => {
                json!({ "label": self.class(row), "probabilities": shares() })
            }
            TargetEncoder::Labels(_) => json!({ "labels": self.labels(row), "probabilities": shares() }),
            TargetEncoder::Numbers(own) | TargetEncoder::Series(own) => {
                let values = own.undo(row).into_iter().zip(&own.deviation);
                json!({ "values": values.map(|(value, &deviation)| told_digits(value, deviation)).collect::<Vec<_>>() })
            }
        };
        format!("{line}\n")
    }
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
