//! `srnn predict`

use super::input::InputArgs;
use super::{DeviceArgs, print};
use clap::Args;
use srnn::Result;
use srnn::data::{Source, read_lines};
use srnn::kernel::softmax_cross_entropy::first_largest;
use srnn::network::Network;
use srnn::train::{InputEncoder, Model, TargetEncoder};
use std::path::PathBuf;
use std::process::ExitCode;

/// Tell classes, labels or numbers of texts, one per line, or of a file of numbers; prints one JSON object per line
#[derive(Args)]
#[command(after_help = "Example: echo 'free money' | srnn predict model\n\
    prints {\"label\":\"spam\",\"probabilities\":{\"ham\":0.02,\"spam\":0.98}}")]
pub struct Predict {
    /// Model directory
    model: PathBuf,
    /// Texts, one per line; - for standard input, which is answered line by line. Or a file of numbers
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
    pub fn run(self) -> Result<ExitCode> {
        let model = Model::load(&self.model)?;
        let mut network = model.network(self.device.open()?)?;
        if let InputEncoder::Numbers(_) = model.inputs {
            return self.predict_numbers(&model, &mut network);
        }
        self.input.check_for_lines()?;
        let together = if matches!(self.texts, Source::Stdin) { 1 } else { BATCH };
        let mut waiting = Vec::with_capacity(together);
        for line in read_lines(&self.texts)? {
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    // What was read before the fault is answered.
                    answer(&model, &mut network, &waiting)?;
                    return Err(error);
                }
            };
            waiting.push(line);
            if waiting.len() == together {
                answer(&model, &mut network, &waiting)?;
                waiting.clear();
            }
        }
        answer(&model, &mut network, &waiting)?;
        Ok(ExitCode::SUCCESS)
    }

    fn predict_numbers(&self, model: &Model, network: &mut Network) -> Result<ExitCode> {
        let examples = model.read(&self.input.without_labels()?, &self.texts, false)?;
        let data = model.inputs.encode(&examples)?;
        let rows: Vec<usize> = (0..data.len()).collect();
        for rows in rows.chunks(BATCH) {
            let told = network.probabilities(&data.batch(&model.config, rows, |_| false)?)?;
            print(&lines(model, told))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn answer(model: &Model, network: &mut Network, texts: &[String]) -> Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    let InputEncoder::Tokens(tokenizer) = &model.inputs else { unreachable!("lines are texts") };
    let tokens = tokenizer.encode_batch(texts);
    let sequences: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
    print(&lines(model, network.probabilities(&model.config.batch(&sequences, &[]))?))
}

/// A line of JSON for each sequence, from what is told of all of them.
fn lines(model: &Model, mut told: Vec<f32>) -> String {
    let names = model.targets.names();
    // Shares to a millionth: what lies beyond is rounding.
    let share = |p: f32| (f64::from(p) * 1e6).round() / 1e6;
    let mut lines = String::new();
    for row in told.chunks_mut(names.len()) {
        let shares = |row: &[f32]| -> serde_json::Map<String, serde_json::Value> {
            names.iter().zip(row).map(|(name, &p)| (name.clone(), share(p).into())).collect()
        };
        let line = match &model.targets {
            TargetEncoder::Classes(_) => {
                serde_json::json!({ "label": names[first_largest(row)], "probabilities": shares(row) })
            }
            TargetEncoder::Labels(_) => {
                let own: Vec<&String> =
                    names.iter().zip(&*row).filter(|(_, p)| **p > 0.5).map(|(name, _)| name).collect();
                serde_json::json!({ "labels": own, "probabilities": shares(row) })
            }
            TargetEncoder::Numbers(normalisation) => {
                normalisation.undo(row);
                serde_json::json!({ "values": row })
            }
        };
        lines += &line.to_string();
        lines.push('\n');
    }
    lines
}
