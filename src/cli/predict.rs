//! `srnn predict`

use super::{DeviceArgs, InputArgs, print};
use clap::Args;
use serde_json::json;
use srnn::Result;
use srnn::data::batch::Batch;
use srnn::data::{Source, read_lines};
use srnn::kernel::softmax_cross_entropy::first_largest;
use srnn::train::{InputEncoder, Model, TargetEncoder};
use std::path::PathBuf;

/// Tell classes, labels or numbers of texts or of sequences of numbers; prints one JSON object per line
///
/// Texts stand one per line, or in a column of a table (.tsv, .csv, .jsonl, or --text COLUMN); numbers in a file of any format
/// that train reads. Labels are not looked at.
#[derive(Args)]
#[command(after_help = "Example: echo 'free money' | srnn predict model\n\
    prints {\"label\":\"spam\",\"probabilities\":{\"ham\":0.02,\"spam\":0.98}}")]
pub struct Predict {
    /// Model directory
    model: PathBuf,
    /// Texts, one per line; - for standard input, which is answered line by line. Or a table, or a file of numbers
    #[arg(default_value = "-")]
    texts: Source,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Lines of a file that are classified together.
const BATCH: usize = 64;

impl Predict {
    pub fn run(self) -> Result<()> {
        let model = Model::load(&self.model)?;
        let mut network = model.network(self.device.open()?)?;
        let mut tell = |batch: Batch| print(&lines(&model, network.probabilities(&batch)?));
        let tokenizer = match &model.inputs {
            InputEncoder::Tokens(tokenizer) if self.input.are_lines(&self.texts)? => tokenizer,
            _ => {
                let options = self.input.without_labels(&self.texts, self.device.memory)?;
                let data = model.read(&options, &self.texts, false)?;
                let rows: Vec<usize> = (0..data.len()).collect();
                return rows.chunks(BATCH).try_for_each(|rows| tell(data.batch(&model.config, rows, |_| false)?));
            }
        };
        let mut answer = |texts: &[String]| {
            let tokens = tokenizer.encode_batch(texts);
            let sequences: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
            tell(model.config.batch(&sequences, &[]))
        };
        let together = if matches!(self.texts, Source::Stdin) { 1 } else { BATCH };
        let mut texts = read_lines(&self.texts)?;
        loop {
            // What was read before a fault is answered.
            let mut fault = Ok(());
            let read = texts.by_ref().map_while(|text| text.map_err(|error| fault = Err(error)).ok());
            let waiting: Vec<String> = read.take(together).collect();
            if !waiting.is_empty() {
                answer(&waiting)?;
            }
            fault?;
            if waiting.len() < together {
                return Ok(());
            }
        }
    }
}

/// A number as exactly as a network's f32, scaled by a deviation, tells it: what lies beyond is rounding.
fn told_digits(value: f64, deviation: f64) -> f64 {
    let decimals = (-(1e-7 * deviation).log10().floor()).clamp(0.0, 300.0) as usize;
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

/// A line of JSON for each sequence, from what is told of all of them.
fn lines(model: &Model, mut told: Vec<f32>) -> String {
    let names = model.targets.names();
    let line = |row: &mut [f32]| {
        // Shares to a millionth: what lies beyond is rounding.
        let share = |(name, &p): (&String, &f32)| (name.clone(), ((f64::from(p) * 1e6).round() / 1e6).into());
        let shares = |row: &[f32]| names.iter().zip(row).map(share).collect::<serde_json::Map<_, _>>();
        let line = match &model.targets {
            TargetEncoder::Classes(_) => json!({ "label": names[first_largest(row)], "probabilities": shares(row) }),
            TargetEncoder::Labels(_) => {
                let own = names.iter().zip(&*row).filter(|(_, p)| **p > 0.5).map(|(name, _)| name);
                json!({ "labels": own.collect::<Vec<_>>(), "probabilities": shares(row) })
            }
            TargetEncoder::Numbers(normalisation) => {
                let values = normalisation.undo(row).into_iter().zip(&normalisation.deviation);
                json!({ "values": values.map(|(value, &deviation)| told_digits(value, deviation)).collect::<Vec<_>>() })
            }
        };
        format!("{line}\n")
    };
    told.chunks_mut(names.len()).map(line).collect()
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
}
