//! Random networks and batches, and the same weights for the float64 reference.
#![allow(dead_code, reason = "each test uses its own part")]

#[path = "../reference/mod.rs"]
pub mod reference;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reference::{Model, Pool, Spec};
use srnn::compare::{Tolerance, compare};
use srnn::data::{Batch, Inputs, Rows, Targets};
use srnn::engine::Engine;
use srnn::engine::gpu::{self, Abilities, Gpu};
use srnn::network::{
    Activation, Cell, Config, Direction, Input, Network, Optimiser, Parameters, Pooling, Reset, Rule, Sgd, Task,
};
use srnn::slicing::Align;
use srnn::{Choice, Device, Slicing};
use std::sync::{Mutex, PoisonError};

/// A network, its weights (biases too are random) and a ragged batch.
pub struct Case {
    pub config: Config,
    pub parameters: Parameters,
    pub batch: Batch,
}

/// Sizes of a case.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub n: usize,
    pub k: u32,
    pub length: usize,
    pub embedding: usize,
    pub hidden: usize,
    pub classes: usize,
    pub vocabulary: usize,
    pub batch: usize,
}

pub fn case(sizes: Sizes, seed: u64) -> Case {
    case_of(config_of(sizes), sizes.batch, seed)
}

/// A plain GRU of these sizes, of which other networks are variants.
pub fn config_of(sizes: Sizes) -> Config {
    Config {
        slicing: if sizes.k == 0 { Slicing::plain() } else { Slicing::new(sizes.n, sizes.k).unwrap() },
        length: sizes.length,
        vocabulary: sizes.vocabulary,
        embedding: sizes.embedding,
        hidden: sizes.hidden,
        classes: sizes.classes,
        ..Config::default()
    }
}

/// Random weights and a ragged batch for a network.
pub fn case_of(config: Config, batch: usize, seed: u64) -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut parameters = Parameters::random(&config, seed);
    for value in &mut parameters.flat {
        *value += rng.random_range(-0.2..0.2);
    }
    for value in &mut parameters.embedding {
        *value *= 5.0;
    }
    // The gaps between the views hold no weight.
    let mut clean = Parameters { flat: vec![0.0; parameters.flat.len()], embedding: parameters.embedding.clone() };
    let tensors = parameters.tensors(&config);
    let find = |name: &str| tensors.iter().find(|t| t.name == name).map(|t| (t.shape.clone(), t.values.clone()));
    clean.flat = Parameters::from_tensors(&config, find).unwrap().flat;
    Case { batch: ragged(&config, batch, seed), config, parameters: clean }
}

/// A batch with at least one full and one single-step sequence, where there is room.
pub fn ragged(config: &Config, count: usize, seed: u64) -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let (mut tokens, mut lengths, mut classes) = (vec![], vec![], vec![]);
    for i in 0..count {
        let length = match i {
            0 => config.length,
            1 => 1,
            // From the start a sequence may go on beyond T.
            2 if config.align == Align::Start => 2 * config.length + 3,
            _ => rng.random_range(1..=config.length),
        };
        tokens.extend((0..length).map(|_| rng.random_range(0..config.vocabulary as u32)));
        lengths.push(length as u32);
        let told = if config.task.of_steps() { length } else { 1 };
        classes.extend((0..told).map(|_| rng.random_range(0..config.classes as u32)));
    }
    Batch { inputs: Inputs::Tokens(tokens), lengths, targets: Some(Targets::Classes(classes)) }
}

/// The reference's network of the same kind, of zeros.
pub fn reference_of(config: &Config) -> Model {
    let pool = |pooling: Pooling| match pooling {
        Pooling::Last => Pool::Last,
        Pooling::Max => Pool::Max,
        Pooling::Mean => Pool::Mean,
        Pooling::Attention => Pool::Attention,
    };
    let spec = Spec {
        cell: match (config.cell, config.reset) {
            (Cell::Gru, Reset::After) => reference::Cell::GruAfter,
            (Cell::Gru, Reset::Before) => reference::Cell::GruBefore,
            (Cell::Lstm, _) => reference::Cell::Lstm,
            (Cell::Rnn, _) => reference::Cell::Rnn,
            (Cell::MinGru, _) => reference::Cell::MinGru,
        },
        activation: match config.activation {
            Activation::Tanh => reference::Activation::Tanh,
            Activation::Relu => reference::Activation::Relu,
            Activation::Identity => reference::Activation::Identity,
        },
        direction: match config.direction {
            Direction::Forward => reference::Direction::Forward,
            Direction::Backward => reference::Direction::Backward,
            Direction::Both => reference::Direction::Both,
        },
        layers: config.layers,
        pool: pool(config.pooling),
        head_pool: pool(config.head_pooling),
        context: config.context,
        align: match config.align {
            Align::End => reference::Align::End,
            Align::Start => reference::Align::Start,
        },
        told: match (config.task.of_steps(), config.downward) {
            (false, _) => reference::Told::Sequences,
            (true, true) => reference::Told::Steps,
            (true, false) => reference::Told::StepsOfSlices,
        },
    };
    let (n, k, length) = (config.slicing.n(), config.slicing.k(), config.slicing.padded(config.length));
    Model::zeros(spec, n, k, length, config.embedding, config.hidden, config.classes)
}

/// Weights (or gradients) in the reference's form.
pub fn model(config: &Config, parameters: &Parameters) -> Model {
    let tensors = parameters.tensors(config);
    reference_of(config).filled(|name| {
        let tensor = tensors.iter().find(|tensor| tensor.name == name).expect("a tensor of the network");
        let values = tensor.values.iter().map(|&value| f64::from(value));
        if name.contains("weight_hh") && config.heads > 1 {
            return whole_matrices(config, &values.collect::<Vec<f64>>());
        }
        (tensor.shape.clone(), values.collect())
    })
}

/// The reference knows no heads: they are a whole U, `[G·H, H]` in PyTorch's layout, with zeros between the heads.
fn whole_matrices(config: &Config, blocks: &[f64]) -> (Vec<usize>, Vec<f64>) {
    let (hidden, units) = (config.hidden, config.units());
    let rows = blocks.chunks(units).enumerate().flat_map(|(row, block)| {
        let head = row % hidden / units;
        let mut whole = vec![0.0; hidden];
        whole[head * units..][..units].copy_from_slice(block);
        whole
    });
    (vec![blocks.len() / units, hidden], rows.collect())
}

/// The reference's gradients, without those between the heads, which are no weights of the network.
fn within_heads(config: &Config, mut gradients: Model) -> Model {
    let (hidden, units) = (config.hidden, config.units());
    for (name, values) in gradients.named_mut() {
        let wide = values.len() / hidden;
        for (at, value) in values.iter_mut().enumerate().filter(|_| name.contains("weight_hh")) {
            if at / wide / units != at % wide % hidden / units {
                *value = 0.0;
            }
        }
    }
    gradients
}

/// The embedding `[V, D]` in float64.
pub fn embedding(parameters: &Parameters) -> Vec<f64> {
    parameters.embedding.iter().map(|&v| f64::from(v)).collect()
}

/// The sequences of a batch.
pub fn sequences(batch: &Batch) -> Vec<Vec<usize>> {
    let mut tokens = batch.tokens().iter().map(|&t| t as usize);
    batch.lengths.iter().map(|&l| tokens.by_ref().take(l as usize).collect()).collect()
}

pub fn labels(batch: &Batch) -> Vec<usize> {
    classes(batch).iter().map(|&l| l as usize).collect()
}

/// The class of each sequence, or step.
pub fn classes(batch: &Batch) -> &[u32] {
    let Some(Targets::Classes(classes)) = &batch.targets else { unreachable!("a batch with classes") };
    classes
}

/// Networks of the whole family: every cell, direction, depth, pooling and context at least once, and mixed.
pub fn family() -> Vec<Case> {
    use {Activation::*, Direction::*, Pooling::*};
    let sizes = Sizes { n: 3, k: 2, length: 40, embedding: 6, hidden: 11, classes: 3, vocabulary: 17, batch: 7 };
    let gru = config_of(sizes);
    let lstm = Config { cell: Cell::Lstm, ..gru.clone() };
    let rnn = Config { cell: Cell::Rnn, ..gru.clone() };
    let minimal = Config { cell: Cell::MinGru, ..gru.clone() };
    let before = Config { reset: Reset::Before, ..gru.clone() };
    let plain = Config { slicing: Slicing::plain(), ..gru.clone() };
    let start = Config { cell: Cell::Lstm, ..gru.clone() };
    let tags = Config { task: Task::Tags, ..gru.clone() };
    let tags_of_lstm = Config { task: Task::Tags, ..lstm.clone() };
    let all = vec![
        lstm.clone(),
        rnn.clone(),
        before.clone(),
        Config { activation: Identity, ..before.clone() },
        Config { activation: Relu, ..rnn.clone() },
        Config { activation: Identity, ..gru.clone() },
        Config { direction: Backward, ..gru.clone() },
        Config { direction: Both, ..lstm.clone() },
        Config { direction: Both, layers: 2, ..before.clone() },
        Config { layers: 3, ..gru.clone() },
        Config { layers: 2, direction: Both, pooling: Max, head_pooling: Mean, ..lstm.clone() },
        Config { pooling: Max, head_pooling: Max, direction: Both, ..gru.clone() },
        Config { pooling: Mean, head_pooling: Attention, ..rnn },
        Config { pooling: Attention, head_pooling: Attention, direction: Both, ..gru.clone() },
        Config { head_pooling: Attention, direction: Both, layers: 2, ..plain.clone() },
        Config { head_pooling: Max, direction: Backward, cell: Cell::Lstm, ..plain },
        Config { context: 2, ..gru.clone() },
        Config { context: 5, direction: Both, ..lstm.clone() },
        Config { context: 3, direction: Both, pooling: Max, head_pooling: Mean, ..before.clone() },
        Config { context: 9, direction: Backward, pooling: Attention, ..lstm.clone() },
        Config { context: 5, layers: 2, direction: Backward, ..lstm.clone() },
        Config { context: 4, pooling: Attention, direction: Both, ..gru.clone() },
        Config { context: 2, layers: 2, ..gru.clone() },
        Config { context: 3, layers: 2, direction: Both, pooling: Attention, ..before.clone() },
        Config { context: 4, layers: 3, direction: Both, pooling: Max, ..gru.clone() },
        Config { activation: Identity, ..minimal.clone() },
        Config { activation: Relu, direction: Backward, ..minimal.clone() },
        Config { context: 3, layers: 2, direction: Both, pooling: Attention, head_pooling: Max, ..minimal },
        Config { hidden: 12, heads: 3, direction: Both, layers: 2, ..gru },
        Config { hidden: 12, heads: 4, direction: Backward, pooling: Max, ..lstm },
        Config { hidden: 10, heads: 2, direction: Both, context: 3, layers: 2, ..before },
        Config { align: Align::Start, ..start.clone() },
        Config { align: Align::Start, direction: Both, layers: 2, context: 3, pooling: Attention, ..start.clone() },
        Config { align: Align::Start, slicing: Slicing::plain(), head_pooling: Max, direction: Backward, ..start },
        tags.clone(),
        Config { direction: Both, ..tags.clone() },
        Config { direction: Both, layers: 2, pooling: Max, ..tags_of_lstm.clone() },
        Config { direction: Backward, slicing: Slicing::new(2, 4).unwrap(), context: 3, ..tags_of_lstm.clone() },
        Config { direction: Both, layers: 3, context: 4, hidden: 12, heads: 2, reset: Reset::Before, ..tags.clone() },
        Config { cell: Cell::Rnn, direction: Both, align: Align::Start, layers: 2, ..tags.clone() },
        Config { cell: Cell::MinGru, align: Align::Start, pooling: Attention, ..tags.clone() },
        Config { slicing: Slicing::plain(), direction: Both, layers: 2, ..tags_of_lstm.clone() },
        Config { downward: false, direction: Both, layers: 2, context: 5, ..tags.clone() },
        Config { downward: false, align: Align::Start, ..tags_of_lstm },
    ];
    all.into_iter().zip(1..).map(|(config, seed)| case_of(config, sizes.batch, seed)).collect()
}

/// As [`agrees_with_the_reference`], of a network that reads numbers in place of the tokens of a case.
pub fn numbers_agree_with_the_reference(case: &Case, device: Device) {
    const CLOSE: Tolerance = Tolerance::new(1e-6, 1e-5);
    let config = Config { input: Input::Numbers, vocabulary: 0, ..case.config.clone() };
    let mut parameters = case.parameters.clone();
    parameters.embedding.clear();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let width = config.embedding;
    let values: Vec<f32> = (0..case.batch.steps() * width).map(|_| rng.random_range(-1.0..1.0)).collect();
    let batch = Batch { inputs: Inputs::Numbers(Rows { width, values: values.clone() }), ..case.batch.clone() };
    let mut values = values.iter().map(|&value| f64::from(value));
    let sequences: Vec<Vec<f64>> =
        batch.lengths.iter().map(|&length| values.by_ref().take(length as usize * width).collect()).collect();
    let expected = model(&config, &parameters).run(&sequences, &labels(&batch));
    let mut network = Network::with_parameters(config.clone(), device, &parameters).unwrap();
    compare(&network.logits(&batch).unwrap(), &expected.logits, CLOSE).expect("logits");
    let read = if config.task.of_steps() { network.outputs(&batch) } else { network.states(&batch) };
    compare(&read.unwrap(), &expected.states.concat(), CLOSE).expect("what the head reads");
    let actual = network.gradients(&batch, &Optimiser::default()).unwrap();
    compare(&[actual.loss], &[expected.loss], CLOSE).expect("loss");
    let gradients = model(&config, &actual.dense(config.vocabulary));
    let expected = within_heads(&config, expected.gradients);
    for ((name, actual), (_, expected)) in gradients.named().into_iter().zip(expected.named()) {
        compare(actual, expected, CLOSE).unwrap_or_else(|error| panic!("gradient of {name}: {error}"));
    }
}

/// The slope of the loss along the step that a network takes, with dropout, is the length of its gradient.
pub fn dropout_has_its_gradient(case: &Case, device: fn() -> Device) {
    let dropping = |learning_rate: f32| Optimiser {
        rule: Rule::Sgd(Sgd { learning_rate, momentum: 0.0, weight_decay: 0.0 }),
        clip: None,
        dropout: 0.4,
        embedding_dropout: 0.3,
        seed: 5,
        ..Optimiser::default()
    };
    let step = |parameters: &Parameters, rate: f32| {
        let mut network = Network::with_parameters(case.config.clone(), device(), parameters).unwrap();
        network.train_step(&case.batch, &dropping(rate)).unwrap();
        (network.totals().unwrap().loss, network.parameters().unwrap())
    };
    let (_, after) = step(&case.parameters, 1.0);
    let along = |size: f32| {
        let shift = |before: &[f32], after: &[f32]| -> Vec<f32> {
            before.iter().zip(after).map(|(b, a)| b + size * (b - a)).collect()
        };
        let Parameters { flat, embedding } = &case.parameters;
        Parameters { flat: shift(flat, &after.flat), embedding: shift(embedding, &after.embedding) }
    };
    let squares = |before: &[f32], after: &[f32]| -> f64 {
        before.iter().zip(after).map(|(b, a)| f64::from(b - a).powi(2)).sum()
    };
    let expected = squares(&case.parameters.flat, &after.flat) + squares(&case.parameters.embedding, &after.embedding);
    let size = 0.001 / expected.sqrt() as f32;
    let slope = (step(&along(size), 0.0).0 - step(&along(-size), 0.0).0) / (2.0 * f64::from(size));
    assert!((slope / expected - 1.0).abs() < 0.01, "{:?}: slope {slope}, gradient {expected}", case.config);
}

/// Logits, loss and all gradients of an engine against the float64 reference.
pub fn agrees_with_the_reference(case: &Case, device: Device) {
    const CLOSE: Tolerance = Tolerance::new(1e-6, 1e-5);
    let Case { config, parameters, batch } = case;
    let mut network = Network::with_parameters(config.clone(), device, parameters).unwrap();
    let (expected, expected_embedding) =
        reference::run_tokens(&model(config, parameters), &embedding(parameters), &sequences(batch), &labels(batch));
    compare(&network.logits(batch).unwrap(), &expected.logits, CLOSE).expect("logits");
    let actual = network.gradients(batch, &Optimiser::default()).unwrap();
    compare(&[actual.loss], &[expected.loss], CLOSE).expect("loss");
    let dense = actual.dense(config.vocabulary);
    // Those of a batch are its own, whatever was computed before.
    assert_eq!(network.gradients(batch, &Optimiser::default()).unwrap().dense(config.vocabulary), dense, "{config:?}");
    let gradients = model(config, &dense);
    let expected = within_heads(config, expected.gradients);
    for ((name, actual), (_, expected)) in gradients.named().into_iter().zip(expected.named()) {
        compare(actual, expected, CLOSE).unwrap_or_else(|error| panic!("gradient of {name}: {error}"));
    }
    compare(&embedding(&dense), &expected_embedding, CLOSE).expect("gradient of the embedding");
}

/// The GPU that the tests run on: `SRNN_TEST_DEVICE`, or the best adapter, software included.
pub fn gpu() -> Device {
    open(Device::open(test_device(), None))
}

/// The same GPU with no more than WebGPU's default limits.
pub fn smallest_gpu() -> Device {
    let engine = smallest_engine();
    let name = engine.limits().device.clone();
    Device::new(engine, name, "for the tests")
}

/// The engine of that device.
pub fn smallest_engine() -> Gpu {
    let Choice::Gpu(at) = test_device() else { unreachable!("gpu or gpu:N") };
    open(Gpu::open(&open(gpu::adapter::adapter(at)), Abilities::WebGpuDefault, gpu::DEFAULT_MEMORY))
}

/// Works on the GPU of the tests, which is opened once, so that its pipelines stay.
pub fn on_gpu<R>(work: impl FnOnce(&mut dyn Engine) -> R) -> R {
    static GPU: Mutex<Option<Device>> = Mutex::new(None);
    // A test that failed leaves the device as good as it was.
    let mut device = GPU.lock().unwrap_or_else(PoisonError::into_inner);
    work(device.get_or_insert_with(gpu).engine.as_mut())
}

fn test_device() -> Choice {
    let name = std::env::var("SRNN_TEST_DEVICE").unwrap_or("gpu".into());
    // A GPU test on the CPU engine would compare it with itself.
    assert!(name.starts_with("gpu"), "SRNN_TEST_DEVICE={name}: GPU tests run on gpu or gpu:N");
    name.parse().expect("SRNN_TEST_DEVICE")
}

fn open<T>(device: srnn::Result<T>) -> T {
    device.unwrap_or_else(|error| panic!("{error}\nset SRNN_SKIP_GPU_TESTS=1 to have the GPU tests ignored"))
}
