//! The recurrences of a layer: ONNX's own operators `GRU`, `LSTM` and `RNN`, and of the minimal GRU a `Scan`, as no operator's gates
//! see the input alone.

use super::graph::{Graph, Set, Value};
use super::proto::{self, Numbers};
use super::slices::Reading;
use crate::kernel::activation::Activation;
use crate::kernel::cell::{Cell, Reset};
use crate::network::{Config, Tensor};
use std::collections::HashMap;

/// The weights of a network by their names in PyTorch.
pub(super) struct Weights<'w> {
    pub config: &'w Config,
    tensors: HashMap<String, Tensor>,
}

/// Which recurrence of the network: that of a direction of a layer of a level.
pub(super) struct Place {
    pub level: usize,
    pub layer: usize,
    pub direction: usize,
}

impl<'w> Weights<'w> {
    pub fn new(config: &'w Config, tensors: Vec<Tensor>) -> Weights<'w> {
        Weights { config, tensors: tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect() }
    }

    /// A tensor that the network has.
    pub fn get(&self, name: &str) -> &Tensor {
        &self.tensors[name]
    }

    /// It as a constant of the graph, as it is.
    pub fn constant(&self, g: &mut Graph, name: &str) -> Value {
        let Tensor { shape, values, .. } = self.get(name);
        g.weights(name, shape, values)
    }

    /// A part of a layer, as `weight_ih`, its gates in another order: as many rows as there are gates and units, and those of W and R in one
    /// piece. There may be none, which is 0.
    fn gates(&self, place: &Place, part: &str, order: &[usize]) -> Vec<f32> {
        let config = self.config;
        let reverse = if place.direction > 0 { "_reverse" } else { "" };
        let name = format!("levels.{}.{part}_l{}{reverse}", place.level, place.layer);
        let Some(Tensor { values, .. }) = self.tensors.get(&name) else {
            return vec![0.0; order.len() * config.hidden];
        };
        let size = values.len() / order.len();
        let block = |gate: usize| &values[gate * size..][..size];
        match part == "weight_hh" && config.heads > 1 {
            true => order.iter().flat_map(|&gate| whole(block(gate), config.hidden, config.units())).collect(),
            false => order.iter().flat_map(|&gate| block(gate)).copied().collect(),
        }
    }

    /// Runs a recurrence over rows `[S, R, D]`, all S steps of each, from the states `first [R, H]` or from 0: the states `[S·R, H]` after
    /// every step.
    pub fn run(&self, g: &mut Graph, place: &Place, rows: &Value, reading: &Reading, first: Option<&Value>) -> Value {
        let side = if place.direction > 0 { ".reverse" } else { "" };
        let at = format!("levels.{}.layers.{}{side}", place.level, place.layer);
        g.at(&at);
        let states = match self.config.cell {
            Cell::MinGru => self.scan(g, place, &at, rows, first),
            Cell::Gru | Cell::Lstm | Cell::Rnn => self.operator(g, place, &at, rows, reading, first),
        };
        g.reshape(&states, &[-1, self.config.hidden as i64])
    }

    /// `[S, 1, R, H]`
    fn operator(
        &self,
        g: &mut Graph,
        place: &Place,
        at: &str,
        rows: &Value,
        reading: &Reading,
        first: Option<&Value>,
    ) -> Value {
        let Config { cell, activation, hidden, .. } = *self.config;
        // By their places in PyTorch's order: r, z, n become z, r, h; i, f, g, o become i, o, f, c.
        let (kind, order): (&str, &[usize]) = match cell {
            Cell::Gru => ("GRU", &[1, 0, 2]),
            Cell::Lstm => ("LSTM", &[0, 3, 1, 2]),
            Cell::Rnn | Cell::MinGru => ("RNN", &[0]),
        };
        let tall = order.len() * hidden;
        let part = |part: &str| self.gates(place, part, order);
        let (of_input, of_state) = (part("weight_ih"), part("weight_hh"));
        let bias = ["bias_ih", "bias_hh"].map(part).concat();
        let w = g.weights(format!("{at}.W"), &[1, tall, of_input.len() / tall], &of_input);
        let u = g.weights(format!("{at}.R"), &[1, tall, hidden], &of_state);
        let b = g.weights(format!("{at}.B"), &[1, 2 * tall], &bias);

        let mut set = vec![("hidden_size", Set::Int(hidden as i64))];
        if cell == Cell::Gru {
            set.push(("linear_before_reset", Set::Int((self.config.reset == Reset::After).into())));
        }
        let phi = match activation {
            Activation::Tanh => "Tanh",
            Activation::Relu => "Relu",
            Activation::Identity => "Affine",
        };
        let names: &[&str] = if cell == Cell::Gru { &["Sigmoid", phi] } else { &[phi] };
        let mut lengths = Value::none();
        if activation != Activation::Tanh {
            set.push(("activations", Set::Texts(names)));
            // tract takes every activation for tanh and says nothing, but refuses lengths that are computed: better that than wrong numbers.
            lengths = reading.lengths.clone();
        }
        let (alpha, beta) = (vec![1.0; names.len()], vec![0.0; names.len()]);
        if activation == Activation::Identity {
            set.extend([("activation_alpha", Set::Floats(&alpha)), ("activation_beta", Set::Floats(&beta))]);
        }
        let axis = g.int(0);
        let first = first.map_or(Value::none(), |first| g.op("Unsqueeze", [first, &axis]));
        let [states] = g.all(kind, &[rows, &w, &u, &b, &lengths, &first], [true], &set);
        states
    }

    /// h' = (1 − z)∘h + z∘c, `[S, R, H]`: gates of all steps at once, then a loop over steps.
    fn scan(&self, g: &mut Graph, place: &Place, at: &str, rows: &Value, first: Option<&Value>) -> Value {
        let hidden = self.config.hidden;
        let [weights, bias] = ["weight_ih", "bias_ih"].map(|part| self.gates(place, part, &[0, 1]));
        let width = weights.len() / (2 * hidden);
        let turned: Vec<f32> =
            (0..weights.len()).map(|at| weights[at % (2 * hidden) * width + at / (2 * hidden)]).collect();
        let w = g.weights(format!("{at}.W"), &[width, 2 * hidden], &turned);
        let b = g.weights(format!("{at}.B"), &[2 * hidden], &bias);
        let gates = g.op("MatMul", [rows, &w]);
        let gates = g.op("Add", [&gates, &b]);
        let sizes = g.ints(&[hidden as i64; 2]);
        let [z, c] = g.all("Split", &[&gates, &sizes], [true; 2], &[("axis", Set::Int(-1))]);
        let z = g.op("Sigmoid", [&z]);
        let c = match self.config.activation {
            Activation::Tanh => g.op("Tanh", [&c]),
            Activation::Relu => g.op("Relu", [&c]),
            Activation::Identity => c,
        };
        let one = g.float(1.0);
        let (kept, new) = (g.op("Sub", [&one, &z]), g.op("Mul", [&z, &c]));
        let first = first.cloned().unwrap_or_else(|| {
            let (count, units) = (g.size(rows, 1), g.int(hidden));
            let shape = g.concat([&count, &units], 0);
            let zero = g.float(0.0);
            g.op("Expand", [&zero, &shape])
        });
        let body = step(&g.name("step"));
        let set = [("body", Set::Graph(body)), ("num_scan_inputs", Set::Int(2))];
        let [_last, states] = g.all("Scan", &[&first, &kept, &new], [true; 2], &set);
        states
    }
}

/// One step of the minimal GRU.
fn step(name: &str) -> proto::Graph {
    let mut g = Graph::new(name);
    let mut given = |part: &str| g.input(&format!("{name}/{part}"), Numbers::Float, None, "");
    let [state, kept, new] = ["state", "kept", "new"].map(&mut given);
    let state = g.op("Mul", [&state, &kept]);
    let state = g.op("Add", [&state, &new]);
    for told in ["next", "told"] {
        g.output(&state, &format!("{name}/{told}"), Numbers::Float, None, "");
    }
    g.finish()
}

/// The columns `[R, H]` of one of so many directions.
pub(super) fn columns(g: &mut Graph, values: &Value, hidden: usize, direction: usize, directions: usize) -> Value {
    if directions == 1 {
        return values.clone();
    }
    let [begin, end, axis] = [direction * hidden, (direction + 1) * hidden, 1].map(|value| g.int(value));
    g.op("Slice", [values, &begin, &end, &axis])
}

/// U `[H, H]` of a gate, whose rows `[H, H/heads]` read the units of their own head alone.
fn whole(block: &[f32], hidden: usize, units: usize) -> Vec<f32> {
    let mut all = vec![0.0; hidden * hidden];
    for (row, values) in block.chunks(units).enumerate() {
        all[row * hidden + row / units * units..][..units].copy_from_slice(values);
    }
    all
}
