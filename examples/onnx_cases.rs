//! Writes networks as ONNX files, each with a batch and what srnn's CPU engine says of it, for `scripts/check-onnx`.
//!
//!     cargo run --release --example onnx_cases -- FOLDER
//!
//! For each: `NAME.onnx`, and `NAME.safetensors` with `tokens` or `numbers` [B, T', …], whose padding is rubbish, `lengths` [B],
//! `logits` and `probabilities`.

#[path = "../tests/golden/mod.rs"]
mod golden;
#[path = "../tests/network_cases/mod.rs"]
mod network_cases;

use golden::Golden;
use network_cases::{Case, Sizes, case_of, config_of, family};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use srnn::data::{Batch, Inputs, Padding, Truncate};
use srnn::network::{Activation, Cell, Config, Direction, Input, Network, Parameters, Pooling, Reset, Task};
use srnn::slicing::Align;
use srnn::{Device, Slicing};
use std::path::Path;

/// A tensor of the file: its name, its shape, and its numbers as bytes.
type Named = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn main() {
    let folder = std::env::args().nth(1).expect("give a folder to write into");
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).expect("a folder");
    for golden in Golden::networks().chain(Golden::with_heads()) {
        let (config, parameters) = golden.network();
        let batch = network_cases::ragged(&config, 5, 3);
        write(folder, &golden.name, &config, &parameters, &batch.lengths, 1);
    }
    for (at, Case { config, parameters, batch }) in family().into_iter().enumerate() {
        write(folder, &format!("family_{at:02}"), &config, &parameters, &batch.lengths, at as u64);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    for at in 0..60 {
        let config = random(&mut rng);
        let lengths: Vec<u32> = (0..6)
            .map(|_| match config.task.of_steps() {
                true => rng.random_range(
                    1..=config.most_steps().min(50).min(if config.align == Align::End { config.length } else { 50 }),
                ) as u32,
                // Some are longer than there is room for.
                false => rng.random_range(1..=2 * config.length) as u32,
            })
            .collect();
        // What is read does not change the other weights.
        let case = case_of(Config { align: Align::End, input: Input::Tokens, vocabulary: 13, ..config.clone() }, 2, at);
        let mut parameters = case.parameters;
        if config.input == Input::Numbers {
            parameters.embedding.clear();
        }
        write(folder, &format!("random_{at:02}"), &config, &parameters, &lengths, at);
    }
}

/// One of several.
fn any<T: Copy>(rng: &mut ChaCha8Rng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())]
}

fn random(rng: &mut ChaCha8Rng) -> Config {
    loop {
        let sizes = Sizes {
            n: rng.random_range(2..5),
            k: rng.random_range(0..4),
            length: rng.random_range(1..40),
            embedding: rng.random_range(1..6),
            hidden: 2 * rng.random_range(1..5),
            classes: rng.random_range(2..4),
            vocabulary: 13,
            batch: 1,
        };
        let numbers = rng.random_bool(0.3);
        let cell = any(rng, &[Cell::Gru, Cell::Gru, Cell::Lstm, Cell::Rnn, Cell::MinGru]);
        let activation = any(rng, &[Activation::Tanh, Activation::Relu, Activation::Identity]);
        let pools = [Pooling::Last, Pooling::Max, Pooling::Mean, Pooling::Attention];
        let task = any(rng, &[Task::Class, Task::Class, Task::Labels, Task::Regression, Task::Tags, Task::Series]);
        let config = Config {
            cell,
            activation: if cell == Cell::Lstm { Activation::Tanh } else { activation },
            reset: if cell == Cell::Gru { any(rng, &[Reset::After, Reset::Before]) } else { Reset::After },
            direction: any(rng, &[Direction::Forward, Direction::Backward, Direction::Both]),
            layers: rng.random_range(1..3),
            heads: any(rng, &[1, 1, 2]),
            pooling: any(rng, &pools),
            head_pooling: any(rng, &pools),
            context: any(rng, &[0, 0, 1, 3, 7]),
            align: any(rng, &[Align::End, Align::End, Align::Start]),
            truncate: any(rng, &[Truncate::Front, Truncate::Back]),
            padding: any(rng, &[Padding::Masked, Padding::Masked, Padding::Unmasked]),
            downward: rng.random_bool(0.7),
            input: if numbers { Input::Numbers } else { Input::Tokens },
            vocabulary: if numbers { 0 } else { sizes.vocabulary },
            task,
            ..config_of(sizes)
        };
        if config.check().is_ok() {
            return config;
        }
    }
}

/// Writes a network with random sequences of such lengths.
fn write(folder: &Path, name: &str, config: &Config, parameters: &Parameters, lengths: &[u32], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (count, width) = (lengths.len(), config.embedding);
    let longest = lengths.iter().copied().max().unwrap_or(1) as usize + rng.random_range(0..4);
    let mut tensors: Vec<Named> = vec![];
    let batch = match config.input {
        Input::Tokens => {
            let of = |rng: &mut ChaCha8Rng, length: u32| -> Vec<u32> {
                (0..length).map(|_| rng.random_range(0..config.vocabulary as u32)).collect()
            };
            let sequences: Vec<Vec<u32>> = lengths.iter().map(|&length| of(&mut rng, length)).collect();
            let padded = sequences.iter().flat_map(|own| {
                let rubbish = (own.len()..longest).map(|at| [-7, i64::MAX, 1 << 40][at % 3]);
                own.iter().map(|&id| i64::from(id)).chain(rubbish)
            });
            let bytes = padded.flat_map(i64::to_le_bytes).collect();
            tensors.push(("tokens", Dtype::I64, vec![count, longest], bytes));
            let own: Vec<&[u32]> = sequences.iter().map(|own| &own[..]).collect();
            config.batch(&own, &[])
        }
        Input::Numbers => {
            let of = |rng: &mut ChaCha8Rng, length: u32| -> Vec<f32> {
                (0..length as usize * width).map(|_| rng.random_range(-1.0..1.0)).collect()
            };
            let sequences: Vec<Vec<f32>> = lengths.iter().map(|&length| of(&mut rng, length)).collect();
            let padded = sequences.iter().flat_map(|own| {
                let rubbish = (own.len()..longest * width).map(|at| [f32::NAN, f32::INFINITY, 1e30][at % 3]);
                own.iter().copied().chain(rubbish)
            });
            let bytes = padded.flat_map(f32::to_le_bytes).collect();
            tensors.push(("numbers", Dtype::F32, vec![count, longest, width], bytes));
            let own: Vec<&[f32]> = sequences.iter().map(|own| &own[..]).collect();
            Batch::of_numbers(&own, width, config.most_steps(), config.truncate).expect("whole steps")
        }
    };
    let own = lengths.iter().flat_map(|&length| i64::from(length).to_le_bytes()).collect();
    tensors.push(("lengths", Dtype::I64, vec![count], own));
    debug_assert!(matches!(batch.inputs, Inputs::Tokens(_)) == (config.input == Input::Tokens));
    let mut network = Network::with_parameters(config.clone(), Device::cpu(), parameters).expect("a network");
    let told = [("logits", network.logits(&batch)), ("probabilities", network.probabilities(&batch))];
    for (name, values) in told {
        let values = values.expect("an answer");
        let (shape, values) = match config.task.of_steps() {
            false => (vec![count, config.classes], values),
            true => (vec![count, longest, config.classes], behind(&values, &batch.lengths, longest * config.classes)),
        };
        tensors.push((name, Dtype::F32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
    }
    let bytes = srnn::onnx::export_network(config, parameters).unwrap_or_else(|error| panic!("{name}: {error}"));
    std::fs::write(folder.join(format!("{name}.onnx")), bytes).expect("a file");
    let views = tensors.iter().map(|(name, kind, shape, bytes)| {
        (*name, TensorView::new(*kind, shape.clone(), bytes).expect("as many numbers as its shape says"))
    });
    let settings = std::collections::HashMap::from([("config".to_string(), format!("{config:?}"))]);
    let bytes = safetensors::serialize(views, Some(settings)).expect("tensors");
    std::fs::write(folder.join(format!("{name}.safetensors")), bytes).expect("a file");
}

/// What is told of the steps of each sequence, with zeros behind them.
fn behind(values: &[f32], lengths: &[u32], size: usize) -> Vec<f32> {
    let steps: u32 = lengths.iter().sum();
    let width = values.len() / steps as usize;
    let mut rest = values;
    let rows = lengths.iter().map(|&length| {
        let (own, other) = rest.split_at(length as usize * width);
        rest = other;
        let mut row = own.to_vec();
        row.resize(size, 0.0);
        row
    });
    rows.collect::<Vec<_>>().concat()
}

// What the golden files hold, as tests read it.
impl Golden {
    /// Its network.
    fn network(&self) -> (Config, Parameters) {
        let settings = self.settings();
        let parse = |name: &str, or: &str| {
            let text = settings.text(name);
            serde_json::Value::from(if text.is_empty() { or } else { text })
        };
        let [n, k, length] = ["n", "k", "T"].map(|name| settings.number(name));
        let [shape, head] = ["embedding.weight", "head.weight"].map(|name| self.find(name).0);
        let config = Config {
            cell: serde_json::from_value(parse("cell", "")).unwrap(),
            reset: serde_json::from_value(parse("reset", "after")).unwrap(),
            activation: serde_json::from_value(parse("activation", "tanh")).unwrap(),
            direction: serde_json::from_value(parse("direction", "")).unwrap(),
            pooling: serde_json::from_value(parse("pool", "")).unwrap(),
            head_pooling: serde_json::from_value(parse("head_pool", "")).unwrap(),
            heads: settings.number_or("heads", 1),
            layers: settings.number("layers"),
            context: settings.number("context"),
            slicing: if k == 0 { Slicing::plain() } else { Slicing::new(n, k as u32).unwrap() },
            length,
            vocabulary: shape[0],
            embedding: shape[1],
            hidden: settings.number("hidden"),
            classes: head[0],
            task: if settings.text("told").is_empty() { Task::Class } else { Task::Tags },
            downward: settings.text("told") != "steps of slices",
            ..Config::default()
        };
        let rounded = |name: &str| {
            let (shape, values) = self.find(name);
            Some((shape, values.into_iter().map(|value| value as f32).collect()))
        };
        let parameters = Parameters::from_tensors(&config, rounded).unwrap();
        (config, parameters)
    }
}
