//! `srnn predict`

use super::input::InputArgs;
use super::{DeviceArgs, print};
use clap::Args;
use srnn::Result;
use srnn::data::{Source, read_lines};
use srnn::kernel::softmax_cross_entropy::first_largest;
use srnn::network::Network;
use srnn::train::{Dataset, Model, Steps, Telling, Told};
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
        if let Steps::Numbers(_) = model.steps {
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
        let raw = self.input.read_for(&model.steps, &self.texts, None, false)?;
        let sequences = model.steps.sequences(&raw)?;
        let data = Dataset::of(sequences, Told::Classes(vec![0; raw.examples.len()]))?;
        let rows: Vec<usize> = (0..data.len()).collect();
        for rows in rows.chunks(BATCH) {
            let told = network.probabilities(&data.unlabelled(&model.config, rows))?;
            print(&lines(model, told))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn answer(model: &Model, network: &mut Network, texts: &[String]) -> Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    let Steps::Tokens(tokenizer) = &model.steps else { unreachable!("lines are texts") };
    let tokens = tokenizer.encode_batch(texts);
    let sequences: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
    print(&lines(model, network.probabilities(&model.config.batch(&sequences, &[]))?))
}

/// A line of JSON for each sequence, from what is told of all of them.
fn lines(model: &Model, mut told: Vec<f32>) -> String {
    let names = model.telling.names();
    // Shares to a millionth: what lies beyond is rounding.
    let share = |p: f32| (f64::from(p) * 1e6).round() / 1e6;
    let mut lines = String::new();
    for row in told.chunks_mut(names.len()) {
        let shares = |row: &[f32]| -> serde_json::Map<String, serde_json::Value> {
            names.iter().zip(row).map(|(name, &p)| (name.clone(), share(p).into())).collect()
        };
        let line = match &model.telling {
            Telling::Class(_) => {
                serde_json::json!({ "label": names[first_largest(row)], "probabilities": shares(row) })
            }
            Telling::Labels(_) => {
                let own: Vec<&String> =
                    names.iter().zip(&*row).filter(|(_, p)| **p > 0.5).map(|(name, _)| name).collect();
                serde_json::json!({ "labels": own, "probabilities": shares(row) })
            }
            Telling::Regression(normalisation) => {
                normalisation.undo(row);
                serde_json::json!({ "values": row })
            }
        };
        lines += &line.to_string();
        lines.push('\n');
    }
    lines
}
