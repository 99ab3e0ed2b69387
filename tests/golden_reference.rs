//! The float64 reference against the golden values from PyTorch (`tests/golden/make_golden.py`): logits, loss, every
//! gradient and ten training steps of the whole family of networks, recurrences that begin with a given state, and the
//! losses.

mod golden;
mod reference;

use golden::{Golden, HEADS, NETWORKS, STATES, Settings};
use reference::{
    Activation, Cell, Direction, Model, Outcome, Pool, Recurrence, Spec, State, Told, binary_cross_entropy_with_logits,
    from_pytorch, mean_squared_error, run_tokens, smoothed_cross_entropy,
};
use std::collections::BTreeSet;

/// Allowed error of an entry: RELATIVE · its size + ABSOLUTE, which is for those that rounding alone makes.
const RELATIVE: f64 = 1e-10;
const ABSOLUTE: f64 = 1e-15;

fn agree(actual: &[f64], expected: &[f64], name: &str) {
    agree_within(actual, expected, ABSOLUTE, name);
}

fn agree_within(actual: &[f64], expected: &[f64], absolute: f64, name: &str) {
    assert!(!expected.is_empty(), "{name}: nothing to compare");
    assert_eq!(actual.len(), expected.len(), "{name}");
    for (index, (a, e)) in actual.iter().zip(expected).enumerate() {
        let close = (a - e).abs() <= RELATIVE * e.abs() + absolute; // false for NaN
        assert!(a.is_finite() && close, "{name}[{index}]: {a:e} against {e:e}");
    }
}

fn cell(settings: &Settings) -> Cell {
    match (settings.text("cell"), settings.text("reset")) {
        ("gru", "after") => Cell::GruAfter,
        ("gru", "before") => Cell::GruBefore,
        ("lstm", "") => Cell::Lstm,
        ("rnn", "") => Cell::Rnn,
        ("mingru", "") => Cell::MinGru,
        other => panic!("cell {other:?}"),
    }
}

fn activation(settings: &Settings) -> Activation {
    match settings.text("activation") {
        "tanh" => Activation::Tanh,
        "relu" => Activation::Relu,
        "identity" => Activation::Identity,
        other => panic!("activation `{other}`"),
    }
}

fn pool(name: &str) -> Pool {
    match name {
        "last" => Pool::Last,
        "max" => Pool::Max,
        "mean" => Pool::Mean,
        "attention" => Pool::Attention,
        other => panic!("pooling `{other}`"),
    }
}

/// The network of a file, of zeros.
fn network(golden: &Golden) -> Model {
    let settings = golden.settings();
    let spec = Spec {
        cell: cell(&settings),
        activation: activation(&settings),
        direction: match settings.text("direction") {
            "forward" => Direction::Forward,
            "backward" => Direction::Backward,
            "both" => Direction::Both,
            other => panic!("direction `{other}`"),
        },
        layers: settings.number("layers"),
        pool: pool(settings.text("pool")),
        head_pool: pool(settings.text("head_pool")),
        context: settings.number("context"),
        align: reference::Align::End,
        told: match settings.text("told") {
            "" => Told::Sequences,
            "steps" => Told::Steps,
            "steps of slices" => Told::StepsOfSlices,
            other => panic!("told `{other}`"),
        },
    };
    let [n, k, length, inputs, hidden, classes] =
        ["n", "k", "T", "inputs", "hidden", "classes"].map(|name| settings.number(name));
    Model::zeros(spec, n, k as u32, length, inputs, hidden, classes)
}

/// The arrays of a file behind `prefix`: of the network, and the embedding.
fn weights(golden: &Golden, prefix: &str) -> (Model, Vec<f64>) {
    let model = network(golden).filled(|name| golden.find(&format!("{prefix}{name}")));
    (model, golden.values(&format!("{prefix}embedding.weight")))
}

fn step(golden: &Golden, model: &Model, embedding: &[f64]) -> (Outcome, Vec<f64>) {
    run_tokens(model, embedding, &golden.sequences(), &golden.indices("labels"))
}

#[test]
fn every_file_is_read_and_holds_the_weights_of_its_network() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = files.filter(|name| name.ends_with(".safetensors")).collect();
    let names = NETWORKS.iter().chain(&HEADS).chain(&STATES).chain(&["losses"]);
    let known: BTreeSet<String> = names.map(|name| format!("{name}.safetensors")).collect();
    assert_eq!(found, known);

    for golden in Golden::networks() {
        let model = weights(&golden, "").0;
        let in_file =
            golden.names().into_iter().filter(|name| name.starts_with("levels.") || name.starts_with("head."));
        let in_model = model.named().into_iter().map(|(name, _)| name);
        assert_eq!(in_file.collect::<BTreeSet<_>>(), in_model.collect::<BTreeSet<_>>(), "{}", golden.name);

        // Back in PyTorch's layout they are as they were.
        for (name, shape, values) in model.tensors() {
            assert_eq!((shape, values), golden.find(&name), "{}: {name}", golden.name);
        }
        assert_eq!(golden.indices("config"), [model.n, model.k as usize, model.length], "{}", golden.name);
    }

    for golden in Golden::states() {
        let in_file = golden.names().into_iter().filter(|name| name.starts_with("weight") || name.starts_with("bias"));
        let recurrence = recurrence(&golden, "");
        let in_cell = recurrence.named().into_iter().filter(|(_, values)| !values.is_empty());
        let in_cell = in_cell.map(|(name, _)| format!("{name}_l0"));
        assert_eq!(in_file.collect::<BTreeSet<_>>(), in_cell.collect::<BTreeSet<_>>(), "{}", golden.name);
    }
}

#[test]
fn logits_loss_and_gradients() {
    for golden in Golden::networks() {
        let at = |name: &str| format!("{}: {name}", golden.name);
        let (model, embedding) = weights(&golden, "");
        let (outcome, of_embedding) = step(&golden, &model, &embedding);
        agree(&outcome.logits, &golden.values("logits"), &at("logits"));
        agree(&[outcome.loss], &golden.values("loss"), &at("loss"));

        let (gradients, expected) = weights(&golden, "grad.");
        agree(&of_embedding, &expected, &at("embedding"));
        for ((name, actual), (_, expected)) in outcome.gradients.named().into_iter().zip(gradients.named()) {
            agree(actual, expected, &at(&name));
        }
    }
}

/// The arrays of a single recurrence's file behind `prefix`.
fn recurrence(golden: &Golden, prefix: &str) -> Recurrence {
    let settings = golden.settings();
    let cell = cell(&settings);
    let mut recurrence = Recurrence::zeros(cell, settings.number("inputs"), settings.number("hidden"));
    for (name, values) in recurrence.named_mut().into_iter().filter(|(_, values)| !values.is_empty()) {
        let (shape, tensor) = golden.find(&format!("{prefix}{name}_l0"));
        *values = from_pytorch(&shape, &tensor);
    }
    recurrence.check(cell, &golden.name);
    recurrence
}

#[test]
fn a_recurrence_begins_with_the_state_it_is_given_and_gives_its_gradient() {
    for golden in Golden::states() {
        let at = |name: &str| format!("{}: {name}", golden.name);
        let settings = golden.settings();
        let spec = Spec { cell: cell(&settings), activation: activation(&settings), ..Spec::default() };
        let backward = settings.text("direction") == "backward";
        let recurrence = recurrence(&golden, "");
        let (inputs, hidden) = (recurrence.inputs, recurrence.hidden);
        let [x, of_outputs] = ["inputs", "upstream.outputs"].map(|name| golden.values(name));
        let (steps, rows) = (x.len() / inputs, golden.indices("rows"));

        // Row r of arrays [R, H]; only an LSTM has a memory.
        let memory = spec.cell == Cell::Lstm;
        let state = |h: &str, c: &str, r: usize| State {
            h: golden.values(h)[r * hidden..][..hidden].to_vec(),
            memory: if memory { golden.values(c)[r * hidden..][..hidden].to_vec() } else { vec![0.0; hidden] },
        };
        let mut gradients = Recurrence::zeros(spec.cell, inputs, hidden);
        let (mut outputs, mut of_x) = (vec![Vec::new(); steps], vec![Vec::new(); steps]);
        let (mut last, mut of_first) = (Vec::new(), Vec::new());
        for (r, row) in rows.chunks(2).enumerate() {
            let mut order: Vec<usize> = (row[0]..row[0] + row[1]).collect();
            if backward {
                order.reverse();
            }
            let read = order.iter().map(|&t| &x[t * inputs..][..inputs]);
            let read = recurrence.read(&spec, read, &state("h_0", "c_0", r));
            let upstream: Vec<_> = order.iter().map(|&t| of_outputs[t * hidden..][..hidden].to_vec()).collect();
            let of_last = state("upstream.h_n", "upstream.c_n", r);
            let (of_steps, of_state) = recurrence.read_back(&spec, &read, &upstream, of_last, &mut gradients);
            last.push(read.last().expect("a row has steps").after.clone());
            of_first.push(of_state);
            for ((t, step), of_step) in order.into_iter().zip(read).zip(of_steps) {
                (outputs[t], of_x[t]) = (step.after.h, of_step);
            }
        }

        agree(&outputs.concat(), &golden.values("outputs"), &at("outputs"));
        agree(&of_x.concat(), &golden.values("grad.inputs"), &at("gradient of inputs"));
        for (states, h, c) in [(&last, "h_n", "c_n"), (&of_first, "grad.h_0", "grad.c_0")] {
            let all = |part: fn(&State) -> &Vec<f64>| states.iter().flat_map(part).copied().collect::<Vec<f64>>();
            agree(&all(|state| &state.h), &golden.values(h), &at(h));
            if memory {
                agree(&all(|state| &state.memory), &golden.values(c), &at(c));
            }
        }
        let expected = self::recurrence(&golden, "grad.");
        let of_weights = gradients.named().into_iter().zip(expected.named()).filter(|(of, _)| !of.1.is_empty());
        for ((name, actual), (_, expected)) in of_weights {
            agree(actual, expected, &at(name));
        }
    }
}

/// One array's Adam, as PyTorch's.
struct Adam {
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl Adam {
    /// `time` counts from 1.
    fn update(&mut self, values: &mut [f64], gradient: &[f64], time: i32) {
        for (i, g) in gradient.iter().enumerate() {
            self.mean[i] = 0.9 * self.mean[i] + 0.1 * g;
            self.square[i] = 0.999 * self.square[i] + 0.001 * g * g;
            let mean = self.mean[i] / (1.0 - 0.9_f64.powi(time));
            let square = self.square[i] / (1.0 - 0.999_f64.powi(time));
            values[i] -= 1e-2 * mean / (square.sqrt() + 1e-8);
        }
    }
}

#[test]
fn ten_training_steps() {
    for golden in Golden::networks() {
        let at = |name: &str| format!("{}: {name}", golden.name);
        let (mut model, mut embedding) = weights(&golden, "");
        let zeros = |values: &[f64]| Adam { mean: vec![0.0; values.len()], square: vec![0.0; values.len()] };
        let mut moments: Vec<Adam> = model.named().into_iter().map(|(_, values)| zeros(values)).collect();
        moments.push(zeros(&embedding));

        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for time in 1..=10 {
            let (mut outcome, of_embedding) = step(&golden, &model, &embedding);
            let mut arrays: Vec<&mut Vec<f64>> = model.named_mut().into_iter().map(|(_, values)| values).collect();
            arrays.push(&mut embedding);
            let mut gradients: Vec<Vec<f64>> =
                outcome.gradients.named_mut().into_iter().map(|(_, values)| std::mem::take(values)).collect();
            gradients.push(of_embedding);

            let norm = gradients.iter().flatten().map(|g| g * g).sum::<f64>().sqrt();
            let scale = (1.0 / norm).min(1.0);
            for ((values, gradient), adam) in arrays.into_iter().zip(gradients).zip(&mut moments) {
                let clipped: Vec<f64> = gradient.iter().map(|g| g * scale).collect();
                adam.update(values, &clipped, time);
            }
            losses.push(outcome.loss);
            norms.push(norm);
        }
        agree(&losses, &golden.values("trajectory"), &at("trajectory"));
        agree(&norms, &golden.values("gradient_norms"), &at("gradient_norms"));

        // Adam divides by the size of a gradient: of one near 0, the rounding errors count in full.
        let (after, expected) = weights(&golden, "trajectory_after.");
        agree_within(&embedding, &expected, 1e-10, &at("embedding after"));
        for ((name, actual), (_, expected)) in model.named().into_iter().zip(after.named()) {
            agree_within(actual, expected, 1e-10, &at(&format!("{name} after")));
        }
    }
}

#[test]
fn losses() {
    let golden = Golden::open("losses");
    let logits = |name: &str| golden.values(&format!("{name}.logits"));
    let check = |name: &str, (loss, gradient): (f64, Vec<f64>)| {
        agree(&[loss], &golden.values(&format!("{name}.loss")), name);
        agree(&gradient, &golden.values(&format!("{name}.grad")), name);
    };
    let (weights, epsilon) = (golden.values("smoothed.weights"), golden.values("smoothed.epsilon")[0]);
    let labels = golden.indices("smoothed.targets");
    check("smoothed", smoothed_cross_entropy(&logits("smoothed"), &labels, &weights, epsilon));
    check("binary", binary_cross_entropy_with_logits(&logits("binary"), &golden.values("binary.targets")));
    check("squared", mean_squared_error(&logits("squared"), &golden.values("squared.targets")));
}

#[test]
fn pytorchs_matrices_are_transposed_and_its_vectors_are_not() {
    assert_eq!(from_pytorch(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(from_pytorch(&[3], &[1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]);
}
