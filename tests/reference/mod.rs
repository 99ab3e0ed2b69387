//! The whole family of sliced networks in plain float64: loops only, no mask trick, nothing from the crate.
//! It is the oracle that both engines are checked against; it is meant to be read, not to be fast.
//!
//! Shapes: B sequences, D inputs, H hidden units of one recurrence, W = H or, in both directions, 2·H units of a
//! state, G gates, C classes, V tokens, T = padded length, S = slices at a level, L = steps per slice. All matrices
//! are row-major, `[inputs, outputs]`; gates stand in PyTorch's order.

#![allow(dead_code, reason = "each test uses its own part")]

mod cell;
mod linear;
mod losses;
mod pooling;
mod random;
mod steps;
mod theorem;

#[allow(unused_imports, reason = "each test uses its own part")]
pub use cell::{Recurrence, State, Step};
#[allow(unused_imports, reason = "each test uses its own part")]
pub use losses::{binary_cross_entropy_with_logits, mean_squared_error, smoothed_cross_entropy, softmax_cross_entropy};
#[allow(unused_imports, reason = "each test uses its own part")]
pub use random::Random;
#[allow(unused_imports, reason = "each test uses its own part")]
pub use theorem::{merged_recurrence, power, sliced};

use linear::{add, affine, affine_back, row, transposed};
use pooling::{pool, pool_back};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Gates r, z, n; the reset gate after the product, as nn.GRU.
    GruAfter,
    /// Gates r, z, n; the reset gate before the product, and one bias only, on the side of the input.
    GruBefore,
    /// Gates i, f, g, o, as nn.LSTM.
    Lstm,
    /// As nn.RNN.
    Rnn,
    /// Gates z, c, both from the input alone (Feng et al. 2024); no U.
    MinGru,
}

/// Of the candidate of a GRU or minimal GRU and of an RNN. An LSTM has tanh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Tanh,
    Relu,
    Identity,
}

/// How every slice of every level is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    /// From the last step of a slice to its first.
    Backward,
    /// Two recurrences with weights of their own, results side by side: `[forward H | backward H]`.
    Both,
}

/// What a slice passes up, of the outputs at its real steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The state after the step that was read last; in both directions, each its own.
    Last,
    /// The largest of every unit; the gradient goes to the first of equals.
    Max,
    Mean,
    /// The sum of the outputs o_t by the softmax over the steps of Σ_j v_j · tanh(o_t[j]), with a vector v `[W]` of
    /// the level (Zhou et al. 2016).
    Attention,
}

/// Where a sequence that does not fill its slices lies in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At their end: the first ones are padding.
    End,
    /// At their beginning: slices are counted from the first step, and the top level reads as many as there are.
    Start,
}

/// What is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A sequence, by what the top level gives.
    Sequences,
    /// Every step, by the outputs of level 0, whose slices begin with what came before them: see `steps`.
    Steps,
    /// Every step, by the outputs of level 0, whose slices begin with 0. There is no other level.
    StepsOfSlices,
}

/// Which network of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    pub cell: Cell,
    pub activation: Activation,
    pub direction: Direction,
    /// Stacked recurrent layers of every level, as in PyTorch: a layer reads the outputs of the layer below at every
    /// step, as the step's own slice has them; only the last one's are pooled.
    pub layers: usize,
    /// Of the levels below the top.
    pub pool: Pool,
    /// Of the top level.
    pub head_pool: Pool,
    /// Real steps that a slice of level 0 reads before its own (after them, if backward) to warm up, in each of its
    /// layers. They are steps of the same sequence, fewer at its edge, and their outputs are not pooled.
    pub context: usize,
    pub align: Align,
    pub told: Told,
}

impl Default for Spec {
    /// The sliced network of nn.GRU.
    fn default() -> Self {
        Self {
            cell: Cell::GruAfter,
            activation: Activation::Tanh,
            direction: Direction::Forward,
            layers: 1,
            pool: Pool::Last,
            head_pool: Pool::Last,
            context: 0,
            align: Align::End,
            told: Told::Sequences,
        }
    }
}

/// The weights of one level, or the gradients of such weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// `[layers][directions]`: one recurrence, or, in both directions, the forward and the backward one.
    pub layers: Vec<Vec<Recurrence>>,
    /// `[W]`, or empty where the level does not pool by attention.
    pub attention: Vec<f64>,
}

/// A sliced recurrent network with a linear head, or the gradients of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub spec: Spec,
    /// Fan-in of every merge.
    pub n: usize,
    /// Number of merges.
    pub k: u32,
    /// T, a multiple of n^k.
    pub length: usize,
    /// D
    pub inputs: usize,
    /// H, of one direction.
    pub hidden: usize,
    /// C
    pub classes: usize,
    /// k + 1 levels, or one of [`Told::StepsOfSlices`]; level 0 reads the input.
    pub levels: Vec<Level>,
    /// `[W, C]`
    pub v: Vec<f64>,
    /// `[C]`
    pub d: Vec<f64>,
}

/// What a training step computes.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// `[B, C]`, or of every step `[P, C]`.
    pub logits: Vec<f64>,
    pub loss: f64,
    /// ∂loss/∂weights, in the shapes of the model.
    pub gradients: Model,
    /// ∂loss/∂x, one `[len, D]` per sequence.
    pub inputs: Vec<Vec<f64>>,
    /// What the head reads, one `[W]` per sequence or step.
    pub states: Vec<Vec<f64>>,
}

/// What the reading of one level leaves for its backward pass.
struct LevelTrace {
    /// Every slice's real steps among the steps of the level; empty if it has padding only.
    own: Vec<Range<usize>>,
    layers: Vec<LayerTrace>,
}

struct LayerTrace {
    /// For every slice and direction the positions of the steps and the steps, in the order of reading.
    slices: Vec<Vec<(Vec<usize>, Vec<Step>)>>,
    /// `[S·L, W]`: of every step in its own slice.
    outputs: Vec<Vec<f64>>,
}

impl Spec {
    /// For each recurrence of a layer, whether it reads from the last step to the first.
    pub fn backward(&self) -> &'static [bool] {
        match self.direction {
            Direction::Forward => &[false],
            Direction::Backward => &[true],
            Direction::Both => &[false, true],
        }
    }
}

impl Model {
    /// A model of zeros: D inputs at level 0, H hidden units in each recurrence of every level.
    pub fn zeros(spec: Spec, n: usize, k: u32, length: usize, inputs: usize, hidden: usize, classes: usize) -> Self {
        let directions = spec.backward().len();
        let width = directions * hidden;
        let top = if spec.told == Told::StepsOfSlices { 0 } else { k };
        let level = |p: u32| {
            let reads = |layer| if p == 0 && layer == 0 { inputs } else { width };
            let layer = |layer| vec![Recurrence::zeros(spec.cell, reads(layer), hidden); directions];
            let attends = if p == top { spec.head_pool } else { spec.pool } == Pool::Attention;
            let attention = vec![0.0; if attends { width } else { 0 }];
            Level { layers: (0..spec.layers).map(layer).collect(), attention }
        };
        Self {
            spec,
            n,
            k,
            length,
            inputs,
            hidden,
            classes,
            levels: (0..=top).map(level).collect(),
            v: vec![0.0; width * classes],
            d: vec![0.0; classes],
        }
    }

    /// The same shapes, with every weight drawn from (-size, size).
    pub fn randomized(mut self, size: f64, random: &mut Random) -> Self {
        for (_, values) in self.named_mut() {
            values.fill_with(|| random.within(size));
        }
        self
    }

    /// The same shapes, with the weights that `get` gives by PyTorch's names, as shape and values in PyTorch's layout.
    pub fn filled(mut self, get: impl Fn(&str) -> (Vec<usize>, Vec<f64>)) -> Self {
        for (name, values) in self.named_mut() {
            let (shape, tensor) = get(&name);
            let tensor = from_pytorch(&shape, &tensor);
            assert_eq!(tensor.len(), values.len(), "{name} {shape:?}");
            *values = tensor;
        }
        self
    }

    /// The same shapes, all zero.
    pub fn zeros_like(&self) -> Self {
        let mut zeros = self.clone();
        for (_, values) in zeros.named_mut() {
            values.fill(0.0);
        }
        zeros
    }

    /// W, the width of a state.
    pub fn width(&self) -> usize {
        self.spec.backward().len() * self.hidden
    }

    /// Every weight array with its name in PyTorch, but not in its layout: matrices are `[inputs, outputs]`.
    /// Of the recurrences of a layer, the second one's names end in `_reverse`. A network that reads backward only has
    /// one, so that its names are those of nn.GRU on reversed steps.
    pub fn named(&self) -> Vec<(String, &Vec<f64>)> {
        let mut all = Vec::new();
        for (p, level) in self.levels.iter().enumerate() {
            for (l, layer) in level.layers.iter().enumerate() {
                for (of, suffix) in layer.iter().zip(["", "_reverse"]) {
                    let named = of.named().into_iter();
                    all.extend(named.map(|(name, values)| (format!("levels.{p}.{name}_l{l}{suffix}"), values)));
                }
            }
            all.push((format!("levels.{p}.attention"), &level.attention));
        }
        all.push(("head.weight".into(), &self.v));
        all.push(("head.bias".into(), &self.d));
        all.retain(|(_, values)| !values.is_empty()); // what the cell does not have, a level without attention
        all
    }

    /// As [`Model::named`], to write to.
    pub fn named_mut(&mut self) -> Vec<(String, &mut Vec<f64>)> {
        let mut all = Vec::new();
        for (p, level) in self.levels.iter_mut().enumerate() {
            for (l, layer) in level.layers.iter_mut().enumerate() {
                for (of, suffix) in layer.iter_mut().zip(["", "_reverse"]) {
                    let named = of.named_mut().into_iter();
                    all.extend(named.map(|(name, values)| (format!("levels.{p}.{name}_l{l}{suffix}"), values)));
                }
            }
            all.push((format!("levels.{p}.attention"), &mut level.attention));
        }
        all.push(("head.weight".into(), &mut self.v));
        all.push(("head.bias".into(), &mut self.d));
        all.retain(|(_, values)| !values.is_empty());
        all
    }

    /// Every weight array with its name, shape and values in PyTorch's layout.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, Vec<f64>)> {
        let gates = self.spec.cell.gates() * self.hidden;
        let mut all = Vec::new();
        for (name, values) in self.named() {
            let outputs = if name.starts_with("head") { self.classes } else { gates };
            if name.contains("weight") {
                let inputs = values.len() / outputs;
                all.push((name, vec![outputs, inputs], transposed(values, inputs, outputs)));
            } else {
                all.push((name, vec![values.len()], values.clone()));
            }
        }
        all
    }

    /// Sequences, each `[len, D]` of real steps only (1 <= len <= T), to what the head reads, each `[W]`.
    pub fn states(&self, sequences: &[Vec<f64>]) -> Vec<Vec<f64>> {
        if self.spec.told != Told::Sequences {
            return sequences.iter().flat_map(|sequence| self.outputs(sequence)).collect();
        }
        let state = |sequence: &Vec<f64>| self.forward(sequence).1;
        sequences.iter().map(state).collect()
    }

    /// Final states, each `[W]`, to logits `[B, C]`.
    pub fn logits(&self, states: &[Vec<f64>]) -> Vec<f64> {
        states.iter().flat_map(|state| affine(state, &self.v, &self.d)).collect()
    }

    /// The mean cross-entropy alone.
    pub fn loss(&self, sequences: &[Vec<f64>], labels: &[usize]) -> f64 {
        let logits = self.logits(&self.states(sequences));
        softmax_cross_entropy(&logits, labels, self.classes).0
    }

    /// The forward and the backward pass of one batch, with the mean cross-entropy as loss. `sequences` as in
    /// [`Model::states`], `labels` `[B]`.
    pub fn run(&self, sequences: &[Vec<f64>], labels: &[usize]) -> Outcome {
        self.run_with(sequences, |logits| softmax_cross_entropy(logits, labels, self.classes))
    }

    /// As [`Model::run`], with any loss: `[B, C]` logits to the loss and its gradient `[B, C]`.
    pub fn run_with(&self, sequences: &[Vec<f64>], loss: impl Fn(&[f64]) -> (f64, Vec<f64>)) -> Outcome {
        let states = self.states(sequences);
        let logits = self.logits(&states);
        let (loss, of_logits) = loss(&logits);

        let mut head = self.zeros_like();
        let mut upstream = Vec::new();
        for (state, g) in states.iter().zip(of_logits.chunks(self.classes)) {
            upstream.extend(affine_back(state, &self.v, g, &mut head.v, &mut head.d));
        }
        let (mut gradients, inputs) = self.backward_from(sequences, &upstream);
        (gradients.v, gradients.d) = (head.v, head.d);

        Outcome { logits, loss, gradients, inputs, states }
    }

    /// The backward pass from any gradient into what the head reads, `upstream` `[B, W]` or `[P, W]`, summed over the batch.
    /// Gives the gradients of the levels (those of the head are left zero) and of the inputs, each `[len, D]`.
    pub fn backward_from(&self, sequences: &[Vec<f64>], upstream: &[f64]) -> (Model, Vec<Vec<f64>>) {
        let width = self.width();
        let mut gradients = self.zeros_like();
        let mut inputs = Vec::new();
        if self.spec.told != Told::Sequences {
            let mut rest = upstream;
            for sequence in sequences {
                let own;
                (own, rest) = rest.split_at(sequence.len() / self.inputs * width);
                inputs.push(self.outputs_back(sequence, own, &mut gradients));
            }
            assert!(rest.is_empty(), "upstream [P, W]");
            return (gradients, inputs);
        }
        assert_eq!(upstream.len(), sequences.len() * width, "upstream [B, W]");
        for (sequence, g) in sequences.iter().zip(upstream.chunks(width)) {
            let (traces, _) = self.forward(sequence);
            let of_padded = self.backward(&traces, g, &mut gradients);
            inputs.push(of_padded[of_padded.len() - sequence.len() / self.inputs..].concat());
        }
        (gradients, inputs)
    }

    /// One sequence `[len, D]` to the traces of every level and the final state `[W]`.
    fn forward(&self, sequence: &[f64]) -> (Vec<LevelTrace>, Vec<f64>) {
        let (mut x, mut real) = self.padded(sequence);
        let mut traces = Vec::new();
        for p in 0..self.levels.len() {
            let trace = self.read_level(p, &x, &real);
            (x, real) = self.passed_up(p, &trace);
            traces.push(trace);
        }
        (traces, x.concat())
    }

    /// The steps of a sequence `[len, D]` among their padding, and which of them are real.
    fn padded(&self, sequence: &[f64]) -> (Vec<Vec<f64>>, Range<usize>) {
        let len = sequence.len() / self.inputs;
        self.check();
        assert_eq!(sequence.len(), len * self.inputs, "whole steps of width D");
        assert!(len >= 1 && (len <= self.length || self.spec.align == Align::Start), "1 <= len <= T");

        // At the end of T the real steps are the last ones. Padding is NaN, so that a read of it would show.
        let padding = if self.spec.align == Align::End { self.length - len } else { 0 };
        let real = padding..padding + len;
        let mut x = vec![vec![f64::NAN; self.inputs]; real.start];
        x.extend(sequence.chunks(self.inputs).map(<[f64]>::to_vec));
        (x, real)
    }

    /// What the slices of level p pass up: the steps of the next level `[S, W]`, and which of them are real.
    fn passed_up(&self, p: usize, trace: &LevelTrace) -> (Vec<Vec<f64>>, Range<usize>) {
        let outputs = &trace.layers[self.spec.layers - 1].outputs;
        let passed_up = |own: &Range<usize>| match own.is_empty() {
            true => vec![f64::NAN; self.width()],
            false => pool(self.pool(p), self.spec.direction, &outputs[own.clone()], &self.levels[p].attention),
        };
        let real = trace.own.iter().filter(|own| own.is_empty()).count()..trace.own.len();
        (trace.own.iter().map(passed_up).collect(), real)
    }

    /// Runs the layers of level p, one after the other, over the slices of a sequence of which the steps `real` exist.
    fn read_level(&self, p: usize, x: &[Vec<f64>], real: &Range<usize>) -> LevelTrace {
        let context = if p == 0 { self.spec.context } else { 0 };
        self.read_level_from(p, x, real, context, |_, _, _| vec![0.0; self.hidden])
    }

    /// The same, where slice s begins with the state `[H]` that `first` has for a layer, a direction and s, and reads so much
    /// context before its own steps.
    fn read_level_from(
        &self,
        p: usize,
        x: &[Vec<f64>],
        real: &Range<usize>,
        context: usize,
        first: impl Fn(usize, usize, usize) -> Vec<f64>,
    ) -> LevelTrace {
        let slices = self.slices(p, x.len()).into_iter();
        let own: Vec<_> = slices.map(|slice| slice.start.max(real.start)..slice.end).collect();
        let mut layers: Vec<LayerTrace> = Vec::new();
        for (l, layer) in self.levels[p].layers.iter().enumerate() {
            let below = layers.last().map_or(x, |below| &below.outputs);
            let mut outputs = vec![vec![f64::NAN; self.width()]; x.len()];
            let mut slices = Vec::new();
            for (s, own) in own.iter().enumerate() {
                let mut directions = Vec::new();
                for (d, (recurrence, backward)) in layer.iter().zip(self.spec.backward()).enumerate() {
                    let order = self.order(context, *backward, own, real);
                    let read = order.iter().map(|&t| below[t].as_slice());
                    let begin = State { h: first(l, d, s), ..State::zeros(self.hidden) };
                    let steps = recurrence.read(&self.spec, read, &begin);
                    for (&t, step) in order.iter().zip(&steps).filter(|(t, _)| own.contains(t)) {
                        outputs[t][row(d, self.hidden)].copy_from_slice(&step.after.h);
                    }
                    directions.push((order, steps));
                }
                slices.push(directions);
            }
            layers.push(LayerTrace { slices, outputs });
        }
        LevelTrace { own, layers }
    }

    /// The steps that a recurrence reads for one slice, in the order of reading: the context, then its own.
    fn order(&self, context: usize, backward: bool, own: &Range<usize>, real: &Range<usize>) -> Vec<usize> {
        if own.is_empty() {
            vec![]
        } else if backward {
            (own.start..real.end.min(own.end + context)).rev().collect()
        } else {
            (real.start.max(own.start.saturating_sub(context))..own.end).collect()
        }
    }

    /// The traces of one sequence and the gradient into its final state `[W]` to ∂x of the padded sequence, `[T, D]`.
    fn backward(&self, traces: &[LevelTrace], upstream: &[f64], gradients: &mut Model) -> Vec<Vec<f64>> {
        let mut of_results = vec![upstream.to_vec()]; // [S, W]
        for (p, trace) in traces.iter().enumerate().rev() {
            of_results = self.level_back(p, trace, &of_results, &mut gradients.levels[p]);
        }
        of_results
    }

    /// The backward pass of one level, from the gradients `[S, W]` into what its slices pass up to those into its
    /// inputs, `[S·L, D]`: a step may be read by several slices.
    fn level_back(
        &self,
        p: usize,
        trace: &LevelTrace,
        of_results: &[Vec<f64>],
        gradients: &mut Level,
    ) -> Vec<Vec<f64>> {
        let (level, direction) = (&self.levels[p], self.spec.direction);
        let outputs = &trace.layers[self.spec.layers - 1].outputs;
        let mut of_outputs = vec![vec![0.0; self.width()]; outputs.len()];
        for (own, g) in trace.own.iter().zip(of_results).filter(|(own, _)| !own.is_empty()) {
            let outputs = &outputs[own.clone()];
            let of_own = pool_back(self.pool(p), direction, outputs, &level.attention, g, &mut gradients.attention);
            of_outputs[own.clone()].clone_from_slice(&of_own);
        }
        let mut of_layers = vec![vec![vec![0.0; self.width()]; outputs.len()]; self.spec.layers];
        of_layers[self.spec.layers - 1] = of_outputs;
        self.layers_back(p, trace, of_layers, gradients, |_, _, _, _| {})
    }

    /// From the gradients into the outputs of every layer `[layers][S·L, W]`, beside those of the layer above, to those into
    /// the inputs `[S·L, D]`; `of_first` is handed layer, direction, slice and the gradient `[H]` into its first state.
    fn layers_back(
        &self,
        p: usize,
        trace: &LevelTrace,
        of_layers: Vec<Vec<Vec<f64>>>,
        gradients: &mut Level,
        mut of_first: impl FnMut(usize, usize, usize, &[f64]),
    ) -> Vec<Vec<f64>> {
        let level = &self.levels[p];
        let steps = trace.layers[0].outputs.len();
        let mut of_outputs = vec![vec![0.0; self.width()]; steps];
        for (l, layer) in trace.layers.iter().enumerate().rev() {
            of_outputs.iter_mut().zip(&of_layers[l]).for_each(|(sum, own)| add(sum, own));
            let mut of_inputs = vec![vec![0.0; level.layers[l][0].inputs]; steps];
            for (s, (own, directions)) in trace.own.iter().zip(&layer.slices).enumerate() {
                for (d, (order, steps)) in directions.iter().enumerate() {
                    let of_states: Vec<Vec<f64>> = order
                        .iter()
                        .map(|t| match own.contains(t) {
                            true => of_outputs[*t][row(d, self.hidden)].to_vec(),
                            false => vec![0.0; self.hidden], // a warm-up, which is not passed on
                        })
                        .collect();
                    let (recurrence, sums) = (&level.layers[l][d], &mut gradients.layers[l][d]);
                    let last = State::zeros(self.hidden);
                    let (of_steps, first) = recurrence.read_back(&self.spec, steps, &of_states, last, sums);
                    of_first(l, d, s, &first.h);
                    for (&t, dx) in order.iter().zip(&of_steps) {
                        add(&mut of_inputs[t], dx);
                    }
                }
            }
            of_outputs = of_inputs;
        }
        of_outputs
    }

    /// The S slices of level p as ranges of that level's steps, of which a sequence aligned at its start has `count`.
    fn slices(&self, p: usize, count: usize) -> Vec<Range<usize>> {
        let slices = self.n.pow(self.k - p as u32);
        let steps = if p == 0 { self.length / slices } else { self.n };
        match self.spec.align {
            Align::End => (0..slices).map(|s| row(s, steps)).collect(),
            Align::Start if p == self.k as usize => std::iter::once(0..count).collect(),
            Align::Start => (0..count.div_ceil(steps)).map(|s| s * steps..count.min((s + 1) * steps)).collect(),
        }
    }

    fn pool(&self, p: usize) -> Pool {
        if p + 1 == self.levels.len() { self.spec.head_pool } else { self.spec.pool }
    }

    fn check(&self) {
        let Spec { cell, activation, layers, .. } = self.spec;
        assert!(self.n >= 1 && self.length >= 1, "n and T are positive");
        assert_eq!(self.length % self.n.pow(self.k), 0, "n^k divides T");
        assert!(layers >= 1, "at least one layer");
        assert!(cell != Cell::Lstm || activation == Activation::Tanh, "an LSTM has tanh");
        let levels = if self.spec.told == Told::StepsOfSlices { 1 } else { self.k as usize + 1 };
        assert_eq!(self.levels.len(), levels, "k + 1 levels");
        for (p, level) in self.levels.iter().enumerate() {
            assert_eq!(level.layers.len(), layers, "layers of level {p}");
            for (l, layer) in level.layers.iter().enumerate() {
                assert_eq!(layer.len(), self.spec.backward().len(), "directions of level {p}");
                for recurrence in layer {
                    let at = format!("level {p}, layer {l}");
                    recurrence.check(cell, &at);
                    let inputs = if p == 0 && l == 0 { self.inputs } else { self.width() };
                    assert_eq!((recurrence.inputs, recurrence.hidden), (inputs, self.hidden), "{at}");
                }
            }
            let attends = self.pool(p) == Pool::Attention;
            assert_eq!(level.attention.len(), if attends { self.width() } else { 0 }, "attention of level {p}");
        }
        assert_eq!(self.v.len(), self.width() * self.classes, "v [W, C]");
        assert_eq!(self.d.len(), self.classes, "d [C]");
    }
}

/// A tensor in PyTorch's layout in that of the reference: `[outputs, inputs]` as `[inputs, outputs]`, any other as it
/// is.
pub fn from_pytorch(shape: &[usize], values: &[f64]) -> Vec<f64> {
    match *shape {
        [outputs, inputs] => transposed(values, outputs, inputs),
        _ => values.to_vec(),
    }
}

/// Each sequence of tokens `[len]` looked up in `embedding` `[V, D]`: `[len, D]`.
pub fn embed(embedding: &[f64], width: usize, tokens: &[Vec<usize>]) -> Vec<Vec<f64>> {
    let look_up = |&token: &usize| embedding[row(token, width)].iter().copied();
    tokens.iter().map(|sequence| sequence.iter().flat_map(look_up).collect()).collect()
}

/// [`Model::run`] on embedded tokens; gives also ∂loss/∂embedding `[V, D]`.
pub fn run_tokens(model: &Model, embedding: &[f64], tokens: &[Vec<usize>], labels: &[usize]) -> (Outcome, Vec<f64>) {
    run_tokens_with(model, embedding, tokens, |logits| softmax_cross_entropy(logits, labels, model.classes))
}

/// [`Model::run_with`] on embedded tokens; gives also ∂loss/∂embedding `[V, D]`.
pub fn run_tokens_with(
    model: &Model,
    embedding: &[f64],
    tokens: &[Vec<usize>],
    loss: impl Fn(&[f64]) -> (f64, Vec<f64>),
) -> (Outcome, Vec<f64>) {
    let width = model.inputs;
    let outcome = model.run_with(&embed(embedding, width, tokens), loss);
    let mut gradient = vec![0.0; embedding.len()];
    for (sequence, dx) in tokens.iter().zip(&outcome.inputs) {
        for (&token, step) in sequence.iter().zip(dx.chunks(width)) {
            add(&mut gradient[row(token, width)], step);
        }
    }
    (outcome, gradient)
}
