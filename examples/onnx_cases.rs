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
use srnn::data::{Batch, Classes, Normalisation, Padding, Scale, Scaling, Truncate};
use srnn::network::{Activation, Cell, Config, Direction, Input, Parameters, Pooling, Reset, Task};
use srnn::slicing::Align;
use srnn::train::{InputEncoder, Model, TargetEncoder};
use srnn::{Device, onnx};
use std::path::Path;

/// A tensor of the file: its name, its shape, and its numbers as bytes.
type Named = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn main() {
    let folder = std::env::args().nth(1).expect("give a folder to write into");
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).expect("a folder");
    for golden in Golden::networks().chain(Golden::with_heads()) {
        let config = golden.config();
        let parameters = golden.parameters(&config);
        let lengths = network_cases::ragged(&config, 5, 3).lengths;
        write(folder, &golden.name, network(config, parameters), &lengths, 1);
    }
    for (at, Case { config, parameters, batch }) in (0..).zip(family()) {
        write(folder, &format!("family_{at:02}"), network(config, parameters), &batch.lengths, at);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    for at in 0..60 {
        let config = random(&mut rng);
        let (lengths, parameters) = (lengths(&config, &mut rng), parameters(&config, at));
        write(folder, &format!("random_{at:02}"), network(config, parameters), &lengths, at);
    }
    for at in 0..12 {
        let model = scaled(&mut rng, at);
        let lengths = lengths(&model.config, &mut rng);
        write(folder, &format!("model_{at:02}"), model, &lengths, at);
    }
}

/// A network alone, as a model that tells what it tells: with numbers that are normal already.
fn network(config: Config, parameters: Parameters) -> Model {
    let same = |width| Normalisation { mean: vec![0.0; width], deviation: vec![1.0; width] };
    let names: Vec<String> = (0..config.classes).map(|at| at.to_string()).collect();
    let targets = match config.task {
        Task::Class => TargetEncoder::Classes(Classes::try_from(names).expect("several")),
        Task::Labels => TargetEncoder::Labels(names),
        Task::Regression => TargetEncoder::Numbers(same(config.classes)),
        Task::Tags => TargetEncoder::Tags(Classes::try_from(names).expect("several")),
        Task::Series => TargetEncoder::Series(same(config.classes)),
    };
    let inputs = InputEncoder::Numbers(Scaling { channels: same(config.embedding), logs: None });
    Model { config, inputs, targets, parameters, thresholds: None }
}

/// One of several.
fn any<T: Copy>(rng: &mut ChaCha8Rng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())]
}

/// Of sequences, some of which are longer than there is room for; where steps are told of srnn itself cuts such into windows.
fn lengths(config: &Config, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let whole = config.task.of_steps() && config.align == Align::End;
    let most = if whole { config.length } else { 2 * config.length };
    (0..6).map(|_| rng.random_range(1..=most as u32)).collect()
}

/// Random weights.
fn parameters(config: &Config, seed: u64) -> Parameters {
    // Those of a network of tokens, but for the embedding.
    let tokens = Config { align: Align::End, input: Input::Tokens, vocabulary: 13, ..config.clone() };
    let mut parameters = case_of(tokens, 2, seed).parameters;
    if config.input == Input::Numbers {
        parameters.embedding.clear();
    }
    parameters
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
        let reset = any(rng, &[Reset::After, Reset::Before]);
        let pools = [Pooling::Last, Pooling::Max, Pooling::Mean, Pooling::Attention];
        let config = Config {
            cell,
            activation: if cell == Cell::Lstm { Activation::Tanh } else { activation },
            reset: if cell == Cell::Gru { reset } else { Reset::After },
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
            task: any(rng, &[Task::Class, Task::Class, Task::Labels, Task::Regression, Task::Tags, Task::Series]),
            ..config_of(sizes)
        };
        if config.check().is_ok() {
            return config;
        }
    }
}

/// A model of numbers that are made normal by channel or by sequence, and that tells numbers in their own units.
fn scaled(rng: &mut ChaCha8Rng, seed: u64) -> Model {
    let scale = if seed.is_multiple_of(2) { Scale::Channel } else { Scale::Sequence };
    let width = rng.random_range(1..4);
    let sequence = |_| -> Vec<f64> { (0..20 * width).map(|_| rng.random_range(5.0..9.0)).collect() };
    let sequences: Vec<Vec<f64>> = (0..4).map(sequence).collect();
    let scaling = Scaling::fit(sequences.iter().map(|own| own.iter().copied()), width, scale).expect("numbers");
    let task = [Task::Regression, Task::Series, Task::Class][seed as usize / 2 % 3];
    let config = Config {
        input: Input::Numbers,
        vocabulary: 0,
        embedding: scaling.channels_read(),
        hidden: 6,
        length: 24,
        slicing: "3x2".parse().expect("a slicing"),
        task,
        ..Config::default()
    };
    let own = Normalisation { mean: vec![3.0, -40.0], deviation: vec![0.5, 20.0] };
    let model = network(config.clone(), parameters(&config, seed));
    let targets = match task {
        Task::Regression => TargetEncoder::Numbers(own),
        Task::Series => TargetEncoder::Series(own),
        _ => model.targets,
    };
    Model { inputs: InputEncoder::Numbers(scaling), targets, ..model }
}

/// Writes a model with random sequences of such lengths.
fn write(folder: &Path, name: &str, model: Model, lengths: &[u32], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let Model { config, inputs, targets, parameters, .. } = &model;
    let count = lengths.len();
    let longest = lengths.iter().copied().max().unwrap_or(1) as usize + rng.random_range(0..4);
    let mut tensors: Vec<Named> = vec![];
    let batch = match (config.input, inputs) {
        (Input::Numbers, InputEncoder::Numbers(scaling)) => {
            let width = scaling.width();
            let (mut padded, mut read) = (vec![], vec![]);
            for (row, &length) in lengths.iter().enumerate() {
                let own: Vec<f32> = match row {
                    // A channel that never changes is made normal in its own way.
                    1 => vec![7.25; length as usize * width],
                    _ => (0..length as usize * width).map(|_| rng.random_range(-1.0..1.0)).collect(),
                };
                let mut normal = vec![];
                scaling.apply(own.iter().map(|&number| f64::from(number)), &mut normal);
                read.push(normal);
                let rubbish = (own.len()..longest * width).map(|at| [f32::NAN, f32::INFINITY, 1e30][at % 3]);
                padded.extend(own.iter().copied().chain(rubbish));
            }
            tensors.push(("numbers", Dtype::F32, vec![count, longest, width], bytes(&padded)));
            let read: Vec<&[f32]> = read.iter().map(|own| &own[..]).collect();
            Batch::of_numbers(&read, config.embedding, config.most_steps(), config.truncate).expect("whole steps")
        }
        _ => {
            let (mut padded, mut read) = (vec![], vec![]);
            for &length in lengths {
                let own: Vec<u32> = (0..length).map(|_| rng.random_range(0..config.vocabulary as u32)).collect();
                let rubbish = (own.len()..longest).map(|at| [-7, i64::MAX, 1 << 40][at % 3]);
                padded.extend(own.iter().map(|&id| i64::from(id)).chain(rubbish));
                read.push(own);
            }
            let whole = padded.iter().flat_map(|id| id.to_le_bytes()).collect();
            tensors.push(("tokens", Dtype::I64, vec![count, longest], whole));
            config.batch(&read.iter().map(|own| &own[..]).collect::<Vec<_>>(), &[])
        }
    };
    let own = lengths.iter().flat_map(|&length| i64::from(length).to_le_bytes()).collect();
    tensors.push(("lengths", Dtype::I64, vec![count], own));
    let mut network = model.network(Device::cpu()).expect("a network");
    let [logits, told] = [network.logits(&batch), network.probabilities(&batch)].map(|told| told.expect("an answer"));
    let told = match targets.normalisation() {
        Some(own) => own.undo(&told).into_iter().map(|number| number as f32).collect(),
        None => told,
    };
    for (name, values) in [("logits", logits), ("probabilities", told)] {
        let (shape, values) = match config.task.of_steps() {
            false => (vec![count, config.classes], values),
            true => (vec![count, longest, config.classes], behind(&values, &batch.lengths, longest * config.classes)),
        };
        tensors.push((name, Dtype::F32, shape, bytes(&values)));
    }
    let graph = match name.starts_with("model") {
        true => onnx::export(&model),
        false => onnx::export_network(config, parameters),
    };
    let graph = graph.unwrap_or_else(|error| panic!("{name}: {error}"));
    std::fs::write(folder.join(format!("{name}.onnx")), graph).expect("a file");
    let views = tensors.iter().map(|(name, kind, shape, bytes)| {
        (*name, TensorView::new(*kind, shape.clone(), bytes).expect("as many numbers as its shape says"))
    });
    let file = safetensors::serialize(views, None).expect("tensors");
    std::fs::write(folder.join(format!("{name}.safetensors")), file).expect("a file");
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
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
