//! Random networks and batches, and the same weights for the float64 reference.
#![allow(dead_code)]

#[path = "../reference/mod.rs"]
pub mod reference;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reference::{Gru, Model};
use srnn::compare::{Tolerance, compare};
use srnn::data::Batch;
use srnn::engine::Engine;
use srnn::engine::gpu::{self, Abilities, Gpu};
use srnn::network::{Config, Network, Parameters};
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
    let config = Config {
        slicing: if sizes.k == 0 { Slicing::plain() } else { Slicing::new(sizes.n, sizes.k).unwrap() },
        length: sizes.length,
        vocabulary: sizes.vocabulary,
        embedding: sizes.embedding,
        hidden: sizes.hidden,
        classes: sizes.classes,
        ..Config::default()
    };
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
    Case { batch: ragged(&config, sizes.batch, seed), config, parameters: clean }
}

/// A batch with at least one full and one single-step sequence, where there is room.
pub fn ragged(config: &Config, count: usize, seed: u64) -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let mut batch = Batch::default();
    for i in 0..count {
        let length = match i {
            0 => config.length,
            1 => 1,
            _ => rng.random_range(1..=config.length),
        };
        batch.tokens.extend((0..length).map(|_| rng.random_range(0..config.vocabulary as u32)));
        batch.lengths.push(length as u32);
        batch.labels.push(rng.random_range(0..config.classes as u32));
    }
    batch
}

/// PyTorch's `[outputs, inputs]` as the reference's `[inputs, outputs]`; a bias stays as it is.
pub fn reference_layout(shape: &[usize], values: &[f64]) -> Vec<f64> {
    match *shape {
        [rows, columns] => (0..rows * columns).map(|i| values[(i % rows) * columns + i / rows]).collect(),
        _ => values.to_vec(),
    }
}

/// Weights (or gradients) in the reference's form.
pub fn model(config: &Config, parameters: &Parameters) -> Model {
    let tensors = parameters.tensors(config);
    model_of(config, |name| {
        let tensor = tensors.iter().find(|tensor| tensor.name == name).expect("a tensor of the network");
        let values: Vec<f64> = tensor.values.iter().map(|&value| f64::from(value)).collect();
        reference_layout(&tensor.shape, &values)
    })
}

/// The reference's form of weights that `get` gives by PyTorch's names, matrices as `[inputs, outputs]`.
pub fn model_of(config: &Config, get: impl Fn(&str) -> Vec<f64>) -> Model {
    let levels = (0..config.slicing.levels())
        .map(|p| Gru {
            inputs: config.inputs(p, 0),
            hidden: config.hidden,
            w: get(&format!("levels.{p}.weight_ih_l0")),
            b: get(&format!("levels.{p}.bias_ih_l0")),
            u: get(&format!("levels.{p}.weight_hh_l0")),
            c: get(&format!("levels.{p}.bias_hh_l0")),
        })
        .collect();
    Model {
        n: config.slicing.n(),
        k: config.slicing.k(),
        length: config.slicing.padded(config.length),
        levels,
        classes: config.classes,
        v: get("head.weight"),
        d: get("head.bias"),
    }
}

/// The embedding `[V, D]` in float64.
pub fn embedding(parameters: &Parameters) -> Vec<f64> {
    parameters.embedding.iter().map(|&v| f64::from(v)).collect()
}

/// The sequences of a batch.
pub fn sequences(batch: &Batch) -> Vec<Vec<usize>> {
    let mut tokens = batch.tokens.iter().map(|&t| t as usize);
    batch.lengths.iter().map(|&l| tokens.by_ref().take(l as usize).collect()).collect()
}

pub fn labels(batch: &Batch) -> Vec<usize> {
    batch.labels.iter().map(|&l| l as usize).collect()
}

/// Logits, loss and all gradients of an engine against the float64 reference.
pub fn agrees_with_the_reference(case: &Case, device: Device) {
    const CLOSE: Tolerance = Tolerance::new(1e-6, 1e-5);
    let Case { config, parameters, batch } = case;
    let mut network = Network::with_parameters(config.clone(), device, parameters).unwrap();
    let (expected, expected_embedding) =
        reference::run_tokens(&model(config, parameters), &embedding(parameters), &sequences(batch), &labels(batch));
    compare(&network.logits(batch).unwrap(), &expected.logits, CLOSE).expect("logits");
    let actual = network.gradients(batch).unwrap();
    compare(&[actual.loss], &[expected.loss], CLOSE).expect("loss");
    let gradients = model(config, &actual.gradients);
    for ((name, actual), (_, expected)) in gradients.named().into_iter().zip(expected.gradients.named()) {
        compare(actual, expected, CLOSE).unwrap_or_else(|error| panic!("gradient of {name}: {error}"));
    }
    compare(&embedding(&actual.gradients), &expected_embedding, CLOSE).expect("gradient of the embedding");
}

/// The GPU that the tests run on: `SRNN_TEST_DEVICE`, or the best adapter, software included.
pub fn gpu() -> Device {
    open(Device::open(test_device(), None))
}

/// The same GPU with no more than WebGPU's default limits.
pub fn smallest_gpu() -> Device {
    let engine = smallest_engine();
    let name = engine.limits().device.clone();
    Device { engine: Box::new(engine), name, reason: "for the tests".into(), is_gpu: true }
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
    work(device.get_or_insert_with(self::gpu).engine.as_mut())
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
