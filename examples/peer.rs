//! srnn as a contender of `benches/peers/compare.py`: a command as JSON per line of standard input, its answer as JSON
//! per line of standard output.
//!
//!     echo '{"command": "draw", "table": "data/emails/train.tsv.gz", "vocabulary": 1000, "rows": 2, "seed": 1}' |
//!         cargo run --release --example peer -- cpu

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize_to_file};
use serde::Deserialize;
use serde_json::{Value, json};
use srnn::data::{Batch, Classes, ReadOptions, Source, Tokenizer};
use srnn::network::{Input, Optimiser, Parameters};
use srnn::{Choice, Config, Device, Network};
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
enum Command {
    /// Token ids and labels of `rows` rows of a table, drawn by the seed; the vocabulary is that of the whole table.
    Draw { table: PathBuf, vocabulary: usize, rows: usize, seed: u64 },
    /// Takes weights (PyTorch's names) and batches (`tokens.I` or `values.I`, `lengths.I`, `labels.I`) from a
    /// safetensors file.
    Load { config: Config, file: PathBuf },
    /// Logits of a batch; with a file also the loss, and all gradients into the file.
    Check { batch: usize, gradients: Option<PathBuf> },
    /// Times `count` training steps, each on the next batch, after `lead` seconds of them.
    Step {
        batch: usize,
        count: usize,
        #[serde(default)]
        lead: f64,
    },
    /// Times `count` inferences, each of the next batch, after `lead` seconds of them.
    Infer {
        batch: usize,
        count: usize,
        #[serde(default)]
        lead: f64,
    },
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Peer {
    choice: Choice,
    loaded: Option<(Network, Vec<Batch>)>,
}

fn main() -> Result<()> {
    srnn::engine::cpu::join_pool();
    let choice = std::env::args().nth(1).unwrap_or("cpu".into()).parse()?;
    let mut peer = Peer { choice, loaded: None };
    let mut output = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let answer = serde_json::from_str(&line?).map_err(Into::into).and_then(|command| peer.answer(command));
        let answer = answer.unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

impl Peer {
    fn answer(&mut self, command: Command) -> Result<Value> {
        match command {
            Command::Draw { table, vocabulary, rows, seed } => draw(table, vocabulary, rows, seed),
            Command::Load { config, file } => {
                let bytes = std::fs::read(file)?;
                let file = SafeTensors::deserialize(&bytes)?;
                let parameters = Parameters::from_tensors(&config, |name| {
                    let tensor = file.tensor(name).ok()?;
                    Some((tensor.shape().to_vec(), bytemuck::pod_collect_to_vec(tensor.data())))
                })?;
                let batches = batches(&config, &file)?;
                let device = Device::open(self.choice, None)?;
                let name = device.name.clone();
                self.loaded = None; // its memory goes before the next network comes
                self.loaded = Some((Network::with_parameters(config, device, &parameters)?, batches));
                Ok(json!({ "device": name, "version": env!("CARGO_PKG_VERSION") }))
            }
            Command::Check { batch, gradients } => {
                let (network, batches) = self.loaded()?;
                let logits = network.logits(&batches[batch])?;
                let Some(file) = gradients else { return Ok(json!({ "logits": logits })) };
                let found = network.gradients(&batches[batch], &Optimiser::default())?;
                let tensors = found.dense(network.config().vocabulary).tensors(network.config());
                let views = tensors.iter().map(|tensor| {
                    let bytes = bytemuck::cast_slice(&tensor.values);
                    Ok((&tensor.name, TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?))
                });
                serialize_to_file(views.collect::<Result<Vec<_>>>()?, None, &file)?;
                Ok(json!({ "logits": logits, "loss": found.loss }))
            }
            Command::Step { batch, count, lead } => self.time(batch, count, lead, |network, batch| {
                network.train_step(batch, &Optimiser::default())?;
                network.engine().wait()
            }),
            Command::Infer { batch, count, lead } => {
                self.time(batch, count, lead, |network, batch| network.logits(batch).map(drop))
            }
        }
    }

    fn loaded(&mut self) -> Result<(&mut Network, &[Batch])> {
        let (network, batches) = self.loaded.as_mut().ok_or("nothing is loaded")?;
        Ok((network, batches))
    }

    /// Seconds of each of `count` calls, after `lead` seconds of them: planning, running, and waiting for the device.
    fn time(
        &mut self,
        first: usize,
        count: usize,
        lead: f64,
        work: impl Fn(&mut Network, &Batch) -> srnn::Result<()>,
    ) -> Result<Value> {
        let (network, batches) = self.loaded()?;
        let mut seconds = Vec::new();
        let began = Instant::now();
        while began.elapsed().as_secs_f64() < lead {
            work(network, &batches[first % batches.len()])?;
        }
        for i in 0..count {
            let start = Instant::now();
            work(network, &batches[(first + i) % batches.len()])?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(json!({ "seconds": seconds }))
    }
}

fn draw(table: PathBuf, vocabulary: usize, count: usize, seed: u64) -> Result<Value> {
    let examples = ReadOptions::default().read(&Source::from(table.as_path()), true)?;
    let classes = Classes::fit(&examples)?.encode(&examples)?;
    let texts = examples.texts().unwrap_or_default();
    let tokenizer = Tokenizer::fit(texts, vocabulary, 1)?;
    let mut rows: Vec<usize> = (0..texts.len()).collect();
    rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    rows.truncate(count);
    let own: Vec<&str> = rows.iter().map(|&row| texts[row].as_str()).collect();
    Ok(json!({
        "sequences": tokenizer.encode_batch(&own),
        "labels": rows.iter().map(|&row| classes[row]).collect::<Vec<u32>>(),
    }))
}

/// The batches of a file. With unmasked padding their sequences are padded to the full length, as in PyTorch's users'
/// code.
fn batches(config: &Config, file: &SafeTensors) -> Result<Vec<Batch>> {
    let mut batches = Vec::new();
    while let Ok(labels) = file.tensor(&format!("labels.{}", batches.len())) {
        let named = |name: &str| file.tensor(&format!("{name}.{}", batches.len()));
        let labels = numbers(&labels);
        let lengths: Vec<u32> = numbers(&named("lengths")?);
        batches.push(match config.input {
            Input::Tokens => {
                let tokens = numbers(&named("tokens")?);
                config.batch(&parts(&tokens, lengths.iter().map(|&steps| steps as usize)), &labels)
            }
            Input::Numbers => {
                let values = numbers(&named("values")?);
                let own = parts(&values, lengths.iter().map(|&steps| steps as usize * config.embedding));
                Batch::of_numbers(&own, config.embedding, config.length, config.truncate)?.with_classes(&labels)
            }
        });
    }
    Ok(batches)
}

fn numbers<T: bytemuck::Pod>(tensor: &TensorView) -> Vec<T> {
    bytemuck::pod_collect_to_vec(tensor.data())
}

/// The sequences that stand in a row.
fn parts<T>(mut rest: &[T], lengths: impl Iterator<Item = usize>) -> Vec<&[T]> {
    let cut = |length| {
        let (own, others) = rest.split_at(length);
        rest = others;
        own
    };
    lengths.map(cut).collect()
}
