//! T = 32,768 at batch 100 trains on the CPU engine: in one piece, and in micro-batches that come to the same.

mod network_cases;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use srnn::compare::{Tolerance, compare};
use srnn::data::{Batch, Inputs, Targets};
use srnn::network::{Config, Layout, Network, Optimiser, Parameters, Plans};
use srnn::{Choice, Device, Slicing};

const LENGTH: usize = 32_768;
const SEQUENCES: usize = 100;

fn config() -> Config {
    let slicing = Slicing::new(8, 4).unwrap();
    Config { slicing, length: LENGTH, vocabulary: 50, embedding: 4, hidden: 6, classes: 3, ..Config::default() }
}

/// Full sequences, in which the class decides how often token 0 stands.
fn batch() -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut tokens = Vec::new();
    for i in 0..SEQUENCES as u32 {
        tokens.extend(
            (0..LENGTH).map(|_| if rng.random_bool(f64::from(i % 3) * 0.3) { 0 } else { rng.random_range(1..50) }),
        );
    }
    let classes = (0..SEQUENCES as u32).map(|i| i % 3).collect();
    let lengths = vec![LENGTH as u32; SEQUENCES];
    Batch { inputs: Inputs::Tokens(tokens), lengths, targets: Some(Targets::Classes(classes)) }
}

/// The network after some steps, and the mean loss of each.
fn train(memory: Option<u64>) -> (Parameters, Vec<f64>) {
    let device = Device::open(Choice::Cpu, memory).unwrap();
    let mut network = Network::new(config(), device, 1).unwrap();
    let batch = batch();
    let losses = (0..3)
        .map(|_| {
            network.train_step(&batch, &Optimiser::default()).unwrap();
            network.totals().unwrap().loss
        })
        .collect();
    (network.parameters().unwrap(), losses)
}

#[test]
fn whole_and_in_micro_batches() {
    let (whole, losses) = train(None);
    assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{losses:?}");
    let (cut, cut_losses) = train(Some(150 << 20));
    let close = Tolerance::new(1e-5, 1e-5);
    compare(&cut_losses, &losses, close).unwrap();
    compare(&cut.flat, &whole.flat, Tolerance::new(1e-4, 0.0)).unwrap();

    let limits = |memory| Device::open(Choice::Cpu, Some(memory)).unwrap().engine.limits().clone();
    let batch = batch();
    let (config, layout) = (config(), Layout::new(&config()));
    let plan = |memory| {
        let plans = Plans { config: &config, layout: &layout, limits: &limits(memory) };
        plans.gradients(&batch, &Optimiser::default()).unwrap().0
    };
    assert!(plan(150 << 20).memory() <= 150 << 20 && plan(4 << 30).memory() > 150 << 20);
}
