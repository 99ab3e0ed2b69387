//! The recurrences of a layer: ONNX's own operators `GRU`, `LSTM` and `RNN`, and of the minimal GRU a `Scan`, as no operator's gates
//! see the input alone.

use super::graph::{Graph, Set, Value};
use super::proto::{self, Numbers};
use super::slices::Reading;
use crate::kernel::activation::Activation;
use crate::kernel::cell::{Cell, Reset};
use crate::network::{Config, Tensor};
use std::collections::HashMap;
use std::ops::Range;

/// The weights of a network by their names in PyTorch.
pub(super) struct Weights<'w> {
    pub config: &'w Config,
    tensors: HashMap<String, Tensor>,
}

/// Which recurrences of the network: those of some directions of a layer of a level, and the width of what they read.
#[derive(Clone)]
pub(super) struct Place {
    pub level: usize,
    pub layer: usize,
    pub directions: Range<usize>,
}

/// What recurrences give.
pub(super) struct Outputs {
    /// `[S, R, W]`, directions side by side, where it was wanted: of every step, behind a row's own ones anything.
    pub steps: Value,
    /// `[R, W]`: the state after the step that was read last.
    pub last: Value,
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

    /// A part of a layer, as `weight_ih`, of one direction: as many rows as it has gates and units. There may be none.
    fn part(&self, place: &Place, part: &str, direction: usize) -> Option<&[f32]> {
        let reverse = if direction > 0 { "_reverse" } else { "" };
        let name = format!("levels.{}.{part}_l{}{reverse}", place.level, place.layer);
        self.tensors.get(&name).map(|tensor| &tensor.values[..])
    }

    /// The same, its gates in another order.
    fn gates(&self, place: &Place, part: &str, direction: usize, order: &[usize]) -> Vec<f32> {
        let config = self.config;
        let Some(values) = self.part(place, part, direction) else { return vec![0.0; order.len() * config.hidden] };
        let size = values.len() / order.len();
        let block = |gate: usize| &values[gate * size..][..size];
        match part == "weight_hh" && config.heads > 1 {
            true => order.iter().flat_map(|&gate| whole(block(gate), config.hidden, config.units())).collect(),
            false => order.iter().flat_map(|&gate| block(gate)).copied().collect(),
        }
    }

    /// Runs the recurrences of a place over the rows `[S, R, D]` that were read, from the states `first [R, W]` or from 0.
    pub fn run(
        &self,
        g: &mut Graph,
        place: &Place,
        rows: &Value,
        reading: &Reading,
        first: Option<&Value>,
        stepwise: bool,
    ) -> Outputs {
        g.at(format!("levels.{}.layers.{}", place.level, place.layer));
        match self.config.cell {
            Cell::MinGru => self.scan(g, place, rows, reading, first),
            _ => self.operator(g, place, rows, reading, first, stepwise),
        }
    }

    fn operator(
        &self,
        g: &mut Graph,
        place: &Place,
        rows: &Value,
        reading: &Reading,
        first: Option<&Value>,
        stepwise: bool,
    ) -> Outputs {
        let Config { cell, activation, hidden, .. } = *self.config;
        // By their places in PyTorch's order: r, z, n become z, r, h; i, f, g, o become i, o, f, c.
        let (kind, order): (&str, &[usize]) = match cell {
            Cell::Gru => ("GRU", &[1, 0, 2]),
            Cell::Lstm => ("LSTM", &[0, 3, 1, 2]),
            _ => ("RNN", &[0]),
        };
        let (count, tall) = (place.directions.len(), order.len() * hidden);
        let all = |part: &str| -> Vec<f32> {
            place.directions.clone().flat_map(|direction| self.gates(place, part, direction, order)).collect()
        };
        let biases = place.directions.clone().flat_map(|direction| {
            let both = ["bias_ih", "bias_hh"].map(|part| self.gates(place, part, direction, order));
            both.into_iter().flatten()
        });
        let (of_input, of_state, bias) = (all("weight_ih"), all("weight_hh"), biases.collect::<Vec<f32>>());
        let name = |part: &str| {
            let side = if place.directions.start > 0 { ".reverse" } else { "" };
            format!("levels.{}.layers.{}.{part}{side}", place.level, place.layer)
        };
        let width = of_input.len() / (count * tall);
        let w = g.weights(name("W"), &[count, tall, width], &of_input);
        let u = g.weights(name("R"), &[count, tall, hidden], &of_state);
        let b = g.weights(name("B"), &[count, 2 * tall], &bias);

        let mut inputs = vec![rows, &w, &u, &b, &reading.lengths];
        let units = hidden as i64;
        let first = first.map(|first| {
            let first = g.reshape(first, &[-1, count as i64, units]);
            g.transpose(&first, &[1, 0, 2])
        });
        inputs.extend(&first);
        let way = match (count, self.config.directions()[place.directions.start]) {
            (2, _) => "bidirectional",
            (_, true) => "reverse",
            _ => "forward",
        };
        let mut set = vec![("hidden_size", Set::Int(units)), ("direction", Set::Text(way))];
        if cell == Cell::Gru {
            set.push(("linear_before_reset", Set::Int((self.config.reset == Reset::After).into())));
        }
        let phi = match activation {
            Activation::Tanh => "Tanh",
            Activation::Relu => "Relu",
            Activation::Identity => "Affine",
        };
        let own: &[&str] = if cell == Cell::Gru { &["Sigmoid", phi] } else { &[phi] };
        let (names, alpha, beta) = (own.repeat(count), vec![1.0; count], vec![0.0; count]);
        if activation != Activation::Tanh {
            set.push(("activations", Set::Texts(&names)));
        }
        if activation == Activation::Identity {
            set.extend([("activation_alpha", Set::Floats(&alpha)), ("activation_beta", Set::Floats(&beta))]);
        }
        let [steps, last] = g.all(kind, &inputs, [stepwise, true], &set);
        let last = g.transpose(&last, &[1, 0, 2]);
        let last = g.reshape(&last, &[-1, count as i64 * units]);
        if !stepwise {
            return Outputs { steps, last };
        }
        let steps = g.transpose(&steps, &[0, 2, 1, 3]);
        Outputs { steps: g.reshape(&steps, &[0, 0, count as i64 * units]), last }
    }

    /// h' = (1 − z)∘h + z∘c: of each direction, gates of all steps at once, then a loop over steps. Where nothing is read z is 0.
    fn scan(&self, g: &mut Graph, place: &Place, rows: &Value, reading: &Reading, first: Option<&Value>) -> Outputs {
        let hidden = self.config.hidden;
        let mut sides = place.directions.clone().map(|direction| {
            let side = if direction > 0 { ".reverse" } else { "" };
            let name = |part: &str| format!("levels.{}.layers.{}.{part}{side}", place.level, place.layer);
            let [weights, bias] = ["weight_ih", "bias_ih"].map(|part| self.gates(place, part, direction, &[0, 1]));
            let width = weights.len() / (2 * hidden);
            let turned: Vec<f32> =
                (0..weights.len()).map(|at| weights[at % (2 * hidden) * width + at / (2 * hidden)]).collect();
            let w = g.weights(name("W"), &[width, 2 * hidden], &turned);
            let b = g.weights(name("B"), &[2 * hidden], &bias);
            let gates = g.op("MatMul", [rows, &w]);
            let gates = g.op("Add", [&gates, &b]);
            let sizes = g.ints(&[hidden as i64; 2]);
            let [z, c] = g.all("Split", &[&gates, &sizes], [true; 2], &[("axis", Set::Int(-1))]);
            let mask = g.cast(&reading.mask, Numbers::Float);
            let z = g.op("Sigmoid", [&z]);
            let z = g.op("Mul", [&z, &mask]);
            let c = match self.config.activation {
                Activation::Tanh => g.op("Tanh", [&c]),
                Activation::Relu => g.op("Relu", [&c]),
                Activation::Identity => c,
            };
            let one = g.float(1.0);
            let (kept, new) = (g.op("Sub", [&one, &z]), g.op("Mul", [&z, &c]));
            let first = match first {
                Some(first) => columns(g, first, hidden, direction - place.directions.start, place.directions.len()),
                None => {
                    let (count, units) = (g.size(rows, 1), g.int(hidden));
                    let shape = g.concat([&count, &units], 0);
                    let zero = g.float(0.0);
                    g.op("Expand", [&zero, &shape])
                }
            };
            let reverse = i64::from(self.config.directions()[direction]);
            let body = step(&g.name("step"));
            let ways = [("scan_input_directions", &[reverse; 2][..]), ("scan_output_directions", &[reverse])];
            let mut set = vec![("body", Set::Graph(body)), ("num_scan_inputs", Set::Int(2))];
            set.extend(ways.map(|(name, ways)| (name, Set::Ints(ways))));
            let [last, steps] = g.all("Scan", &[&first, &kept, &new], [true; 2], &set);
            Outputs { steps, last }
        });
        let side = sides.next().expect("a place has a direction");
        let Some(other) = sides.next() else { return side };
        drop(sides);
        let steps = g.concat([&side.steps, &other.steps], 2);
        Outputs { steps, last: g.concat([&side.last, &other.last], 1) }
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
