//! The paper's theorem: without an activation, the sliced network with the right merges *is* the standard RNN.
//!
//!     cargo run --release --example theorem
//!
//! h' = h·U + x·W + b over T steps equals SRNN(n, k) with the same weights at level 0 and, at level p ≥ 1, with W = 1,
//! b = 0 and U raised to the power of the steps that a slice of the level below stands for.

use srnn::data::{Batch, Truncate};
use srnn::network::{Activation, Cell, Config, Input, Parameters};
use srnn::{Device, Network, Result, Slicing};

/// One hidden unit, so that U is a number.
const U: f32 = 0.97;

fn linear(slicing: Slicing, length: usize) -> Result<Network> {
    let config = Config {
        cell: Cell::Rnn,
        activation: Activation::Identity,
        slicing,
        length,
        input: Input::Numbers,
        vocabulary: 0,
        embedding: 1,
        hidden: 1,
        ..Config::default()
    };
    let power = |level: i32| match level {
        0 => U,
        // Steps of a slice of the level below: L_0 · n^(p-1).
        _ => U.powi((slicing.steps(length, 0) * slicing.n().pow(level as u32 - 1)) as i32),
    };
    let weights = |name: &str| {
        let level = name.split('.').nth(1).and_then(|level| level.parse().ok()).unwrap_or(0);
        match name.rsplit('.').next()? {
            "weight_ih_l0" => Some((vec![1, 1], vec![if level == 0 { 0.5 } else { 1.0 }])),
            "weight_hh_l0" => Some((vec![1, 1], vec![power(level)])),
            "bias_ih_l0" => Some((vec![1], vec![if level == 0 { 0.1 } else { 0.0 }])),
            "bias_hh_l0" => Some((vec![1], vec![0.0])),
            "weight" => Some((vec![2, 1], vec![1.0, -1.0])),
            _ => Some((vec![2], vec![0.0; 2])),
        }
    };
    let parameters = Parameters::from_tensors(&config, weights)?;
    Network::with_parameters(config, Device::auto()?, &parameters)
}

fn main() -> Result<()> {
    let length = 512;
    let signal: Vec<f32> = (0..length).map(|t| (t as f32 * 0.1).sin()).collect();
    let batch = Batch::of_numbers(&[&signal], 1, length, Truncate::Front)?;
    for slicing in ["rnn", "8x2", "2x8"] {
        let slicing: Slicing = slicing.parse()?;
        let state = linear(slicing, length)?.states(&batch)?[0];
        println!("{slicing:>4}: final state {state:.6} after {} steps in a row", slicing.sequential_steps(length));
    }
    Ok(())
}
