//! `srnn predict`

use super::{DeviceArgs, print};
use clap::Args;
use srnn::Result;
use srnn::data::{Source, read_lines};
use srnn::kernel::softmax_cross_entropy::first_largest;
use srnn::network::Network;
use srnn::train::Model;
use std::path::PathBuf;
use std::process::ExitCode;

/// Classify texts, one per line; prints one JSON object per line
#[derive(Args)]
#[command(after_help = "Example: echo 'free money' | srnn predict model\n\
    prints {\"label\":\"spam\",\"probabilities\":{\"ham\":0.02,\"spam\":0.98}}")]
pub struct Predict {
    /// Model directory
    model: PathBuf,
    /// Texts, one per line; - for standard input, which is answered line by line
    #[arg(default_value = "-")]
    texts: Source,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Lines of a file that are classified together.
const BATCH: usize = 64;

impl Predict {
    pub fn run(self) -> Result<ExitCode> {
        let model = Model::load(&self.model)?;
        let mut network = model.network(self.device.open()?)?;
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
}

fn answer(model: &Model, network: &mut Network, texts: &[String]) -> Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    let tokens = model.tokenizer.encode_batch(texts);
    let sequences: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
    let probabilities = network.probabilities(&model.config.batch(&sequences, &[]))?;
    let names = model.labels.names();
    let mut lines = String::new();
    for row in probabilities.chunks(names.len()) {
        // Shares to a millionth: what lies beyond is rounding.
        let share = |p: f32| (f64::from(p) * 1e6).round() / 1e6;
        let shares: serde_json::Map<String, serde_json::Value> =
            names.iter().zip(row).map(|(name, &p)| (name.clone(), share(p).into())).collect();
        lines += &serde_json::json!({ "label": names[first_largest(row)], "probabilities": shares }).to_string();
        lines.push('\n');
    }
    print(&lines)
}
