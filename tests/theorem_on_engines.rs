//! The paper's theorem on both engines: a linear sliced network with the right merges gives the final state of the
//! standard RNN, within what float32 can tell. `theorem.rs` has it in float64.

mod network_cases;

use network_cases::gpu;
use network_cases::reference::{self, Model, Random, Spec, sliced};
use srnn::compare::{Tolerance, compare};
use srnn::data::{Batch, Truncate};
use srnn::network::{Activation, Cell, Config, Input, Network, Parameters};
use srnn::{Device, Slicing};

/// A network of the crate with the weights of one of the reference.
fn network(model: &Model, device: Device) -> Network {
    let config = Config {
        cell: Cell::Rnn,
        activation: Activation::Identity,
        slicing: if model.k == 0 { Slicing::plain() } else { Slicing::new(model.n, model.k).unwrap() },
        length: model.length,
        input: Input::Numbers,
        vocabulary: 0,
        embedding: model.inputs,
        hidden: model.hidden,
        classes: model.classes,
        ..Config::default()
    };
    let tensors = model.tensors();
    let find = |name: &str| {
        let (_, shape, values) = tensors.iter().find(|(own, ..)| own == name)?;
        Some((shape.clone(), values.iter().map(|&value| value as f32).collect()))
    };
    let parameters = Parameters::from_tensors(&config, find).unwrap();
    Network::with_parameters(config, device, &parameters).unwrap()
}

fn check(device: fn() -> Device) {
    let spec = Spec { cell: reference::Cell::Rnn, activation: reference::Activation::Identity, ..Spec::default() };
    for (seed, (length, n, k)) in [(64, 8, 1), (64, 4, 2), (64, 2, 6), (54, 3, 2)].into_iter().enumerate() {
        let random = &mut Random(1 + seed as u64);
        let (inputs, hidden) = (3, 6);
        let mut standard = Model::zeros(spec, 1, 0, length, inputs, hidden, 2).randomized(1.0, random);
        // Sums of columns of at most 0.98, so that the powers of U stay tame.
        let u = &mut standard.levels[0].layers[0][0].u;
        let column = |j: usize| -> f64 { (0..hidden).map(|i| u[i * hidden + j].abs()).sum() };
        let largest = (0..hidden).map(column).fold(0.0, f64::max);
        u.iter_mut().for_each(|value| *value *= 0.98 / largest);

        let sequences = [length, length / 2, 1].map(|steps| random.values(steps * inputs, 1.0));
        let expected = standard.states(&sequences).concat();
        let rounded: Vec<Vec<f32>> =
            sequences.iter().map(|own| own.iter().map(|&value| value as f32).collect()).collect();
        let rounded: Vec<&[f32]> = rounded.iter().map(Vec::as_slice).collect();
        let batch = Batch::of_numbers(&rounded, inputs, length, Truncate::Front).unwrap();
        for model in [&standard, &sliced(&standard, n, k)] {
            let states = network(model, device()).states(&batch).unwrap();
            compare(&states, &expected, Tolerance::new(1e-6, 2e-5)).unwrap();
        }
    }
}

#[test]
fn the_cpu_engine_gives_the_same_states_sliced_and_not() {
    check(Device::cpu);
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn the_gpu_gives_the_same_states_sliced_and_not() {
    check(gpu);
}
