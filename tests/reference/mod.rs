//! The whole SRNN in plain float64: loops only, no mask trick, nothing from the crate.
//! It is the oracle that both engines are checked against; it is meant to be read, not to be fast.
//!
//! Shapes: B sequences, D inputs, H hidden units, C classes, V tokens, T = padded length,
//! S = slices at a level, L = steps per slice. All matrices are row-major; gates stand in the order r, z, n.

#![allow(dead_code)]

use std::ops::Range;

/// The weights of one level, or the gradients of such weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Gru {
    /// D, the width of a step.
    pub inputs: usize,
    /// H, the width of the state.
    pub hidden: usize,
    /// `[D, 3H]`
    pub w: Vec<f64>,
    /// `[3H]`
    pub b: Vec<f64>,
    /// `[H, 3H]`
    pub u: Vec<f64>,
    /// `[3H]`
    pub c: Vec<f64>,
}

/// A sliced recurrent network with a linear head, or the gradients of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Fan-in of every merge.
    pub n: usize,
    /// Number of merges.
    pub k: u32,
    /// T, a multiple of n^k.
    pub length: usize,
    /// k + 1 levels; level 0 reads the input.
    pub levels: Vec<Gru>,
    /// C
    pub classes: usize,
    /// `[H, C]`
    pub v: Vec<f64>,
    /// `[C]`
    pub d: Vec<f64>,
}

/// What a training step computes.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// `[B, C]`
    pub logits: Vec<f64>,
    /// Mean cross-entropy over the batch.
    pub loss: f64,
    /// ∂loss/∂weights, in the shapes of the model.
    pub gradients: Model,
    /// ∂loss/∂x, one `[len, D]` per sequence.
    pub inputs: Vec<Vec<f64>>,
    /// The final state, one `[H]` per sequence.
    pub states: Vec<Vec<f64>>,
}

/// One real step of a recurrence, with all that its backward step needs.
struct Step {
    /// `[D]`
    x: Vec<f64>,
    /// The state before the step, `[H]`.
    h: Vec<f64>,
    /// Gates, `[H]` each.
    r: Vec<f64>,
    z: Vec<f64>,
    n: Vec<f64>,
    /// h·U_n + c_n, `[H]`.
    q: Vec<f64>,
}

/// The steps of one sequence at one level, `[S, L]`; `None` is a padded step.
type Trace = Vec<Option<Step>>;

impl Gru {
    pub fn zeros(inputs: usize, hidden: usize) -> Self {
        Self {
            inputs,
            hidden,
            w: vec![0.0; inputs * 3 * hidden],
            b: vec![0.0; 3 * hidden],
            u: vec![0.0; hidden * 3 * hidden],
            c: vec![0.0; 3 * hidden],
        }
    }

    /// x `[D]`, h `[H]` to the next state `[H]`, "reset after".
    fn step(&self, x: &[f64], h: &[f64]) -> (Step, Vec<f64>) {
        let hidden = self.hidden;
        let from_x = affine(x, &self.w, &self.b);
        let from_h = affine(h, &self.u, &self.c);
        let mut step = Step {
            x: x.to_vec(),
            h: h.to_vec(),
            r: vec![0.0; hidden],
            z: vec![0.0; hidden],
            n: vec![0.0; hidden],
            q: vec![0.0; hidden],
        };
        let mut next = vec![0.0; hidden];
        for j in 0..hidden {
            let r = sigmoid(from_x[j] + from_h[j]);
            let z = sigmoid(from_x[hidden + j] + from_h[hidden + j]);
            let q = from_h[2 * hidden + j];
            let n = (from_x[2 * hidden + j] + r * q).tanh();
            next[j] = (1.0 - z) * n + z * h[j];
            (step.r[j], step.z[j], step.n[j], step.q[j]) = (r, z, n, q);
        }
        (step, next)
    }

    /// g = ∂loss/∂(next state) `[H]` to (∂x `[D]`, ∂h `[H]`); weight gradients are added to `gradients`.
    fn step_back(&self, step: &Step, g: &[f64], gradients: &mut Gru) -> (Vec<f64>, Vec<f64>) {
        let hidden = self.hidden;
        let mut of_x = vec![0.0; 3 * hidden]; // gradient into x·W + b
        let mut of_h = vec![0.0; 3 * hidden]; // gradient into h·U + c
        for j in 0..hidden {
            let (r, z, n, q) = (step.r[j], step.z[j], step.n[j], step.q[j]);
            let a_n = g[j] * (1.0 - z) * (1.0 - n * n);
            let a_r = a_n * q * r * (1.0 - r);
            let a_z = g[j] * (step.h[j] - n) * z * (1.0 - z);
            for (gate, to_x, to_h) in [(0, a_r, a_r), (1, a_z, a_z), (2, a_n, a_n * r)] {
                of_x[gate * hidden + j] = to_x;
                of_h[gate * hidden + j] = to_h;
            }
        }
        let dx = affine_back(&step.x, &self.w, &of_x, &mut gradients.w, &mut gradients.b);
        let mut dh = affine_back(&step.h, &self.u, &of_h, &mut gradients.u, &mut gradients.c);
        for j in 0..hidden {
            dh[j] += g[j] * step.z[j];
        }
        (dx, dh)
    }
}

impl Model {
    /// A model of zeros: D inputs at level 0, H hidden units at every level.
    pub fn zeros(n: usize, k: u32, length: usize, inputs: usize, hidden: usize, classes: usize) -> Self {
        let width = |level| if level == 0 { inputs } else { hidden };
        Self {
            n,
            k,
            length,
            levels: (0..=k).map(|p| Gru::zeros(width(p), hidden)).collect(),
            classes,
            v: vec![0.0; hidden * classes],
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

    /// The same shapes, all zero.
    pub fn zeros_like(&self) -> Self {
        let mut zeros = self.clone();
        for (_, values) in zeros.named_mut() {
            values.fill(0.0);
        }
        zeros
    }

    /// D, the width of a step of the input.
    pub fn inputs(&self) -> usize {
        self.levels[0].inputs
    }

    /// H of the last level, the width of the final state.
    pub fn hidden(&self) -> usize {
        self.levels[self.k as usize].hidden
    }

    /// Every weight array with its name: "0.w", "0.b", "0.u", "0.c", "1.w", …, "v", "d".
    pub fn named(&self) -> Vec<(String, &Vec<f64>)> {
        let mut all = Vec::new();
        for (p, gru) in self.levels.iter().enumerate() {
            all.push((format!("{p}.w"), &gru.w));
            all.push((format!("{p}.b"), &gru.b));
            all.push((format!("{p}.u"), &gru.u));
            all.push((format!("{p}.c"), &gru.c));
        }
        all.push(("v".into(), &self.v));
        all.push(("d".into(), &self.d));
        all
    }

    /// As [`Model::named`], to write to.
    pub fn named_mut(&mut self) -> Vec<(String, &mut Vec<f64>)> {
        let mut all = Vec::new();
        for (p, gru) in self.levels.iter_mut().enumerate() {
            all.push((format!("{p}.w"), &mut gru.w));
            all.push((format!("{p}.b"), &mut gru.b));
            all.push((format!("{p}.u"), &mut gru.u));
            all.push((format!("{p}.c"), &mut gru.c));
        }
        all.push(("v".into(), &mut self.v));
        all.push(("d".into(), &mut self.d));
        all
    }

    /// Sequences, each `[len, D]` of real steps only (1 <= len <= T), to final states, each `[H]`.
    pub fn states(&self, sequences: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let state = |sequence: &Vec<f64>| self.forward(sequence).1;
        sequences.iter().map(state).collect()
    }

    /// Final states, each `[H]`, to logits `[B, C]`.
    pub fn logits(&self, states: &[Vec<f64>]) -> Vec<f64> {
        states.iter().flat_map(|state| affine(state, &self.v, &self.d)).collect()
    }

    /// The mean cross-entropy alone.
    pub fn loss(&self, sequences: &[Vec<f64>], labels: &[usize]) -> f64 {
        let logits = self.logits(&self.states(sequences));
        softmax_cross_entropy(&logits, labels, self.classes).0
    }

    /// The forward and the backward pass of one batch. `sequences` as in [`Model::states`], `labels` `[B]`.
    pub fn run(&self, sequences: &[Vec<f64>], labels: &[usize]) -> Outcome {
        let states = self.states(sequences);
        let logits = self.logits(&states);
        let (loss, of_logits) = softmax_cross_entropy(&logits, labels, self.classes);

        let mut head = self.zeros_like();
        let mut upstream = Vec::new();
        for (state, g) in states.iter().zip(of_logits.chunks(self.classes)) {
            upstream.extend(affine_back(state, &self.v, g, &mut head.v, &mut head.d));
        }
        let (mut gradients, inputs) = self.backward_from(sequences, &upstream);
        (gradients.v, gradients.d) = (head.v, head.d);

        Outcome { logits, loss, gradients, inputs, states }
    }

    /// The backward pass from any gradient into the final states, `upstream` `[B, H]`, summed over the batch.
    /// Gives the gradients of the levels (those of the head are left zero) and of the inputs, each `[len, D]`.
    pub fn backward_from(&self, sequences: &[Vec<f64>], upstream: &[f64]) -> (Model, Vec<Vec<f64>>) {
        let hidden = self.hidden();
        assert_eq!(upstream.len(), sequences.len() * hidden, "upstream [B, H]");
        let mut gradients = self.zeros_like();
        let mut inputs = Vec::new();
        for (sequence, g) in sequences.iter().zip(upstream.chunks(hidden)) {
            let (traces, _) = self.forward(sequence);
            let of_padded = self.backward(&traces, g, &mut gradients);
            inputs.push(of_padded[of_padded.len() - sequence.len()..].to_vec());
        }
        (gradients, inputs)
    }

    /// One sequence `[len, D]` to the trace of every level and the final state `[H]`.
    fn forward(&self, sequence: &[f64]) -> (Vec<Trace>, Vec<f64>) {
        let width = self.inputs();
        let len = sequence.len() / width;
        self.check();
        assert_eq!(sequence.len(), len * width, "whole steps of width D");
        assert!((1..=self.length).contains(&len), "1 <= len <= T");

        // Right-aligned in T. Padding is NaN, so that a read of it would show.
        let padding = self.length - len;
        let mut x = vec![f64::NAN; padding * width];
        x.extend(sequence);
        let mut real: Vec<bool> = (0..self.length).map(|t| t >= padding).collect();

        let mut traces = Vec::new();
        for (p, gru) in self.levels.iter().enumerate() {
            let mut trace = Vec::new();
            let mut states = Vec::new(); // [S, H], the next level's x
            let mut any_real = Vec::new(); // [S], the next level's mask
            for slice in self.slices(p) {
                let mut h = vec![0.0; gru.hidden];
                any_real.push(real[slice.clone()].contains(&true));
                for t in slice {
                    if real[t] {
                        let (step, next) = gru.step(&x[row(t, gru.inputs)], &h);
                        trace.push(Some(step));
                        h = next;
                    } else {
                        trace.push(None);
                    }
                }
                states.extend(h);
            }
            traces.push(trace);
            (x, real) = (states, any_real);
        }
        (traces, x)
    }

    /// The traces of one sequence and the gradient into its final state `[H]` to ∂x of the padded sequence `[T, D]`.
    fn backward(&self, traces: &[Trace], upstream: &[f64], gradients: &mut Model) -> Vec<f64> {
        let mut of_states = upstream.to_vec(); // [S, H]
        for p in (0..self.levels.len()).rev() {
            let gru = &self.levels[p];
            let mut of_x = vec![0.0; traces[p].len() * gru.inputs];
            for (s, slice) in self.slices(p).into_iter().enumerate() {
                let mut g = of_states[row(s, gru.hidden)].to_vec();
                for t in slice.rev() {
                    if let Some(step) = &traces[p][t] {
                        let (dx, dh) = gru.step_back(step, &g, &mut gradients.levels[p]);
                        of_x[row(t, gru.inputs)].copy_from_slice(&dx);
                        g = dh;
                    }
                }
            }
            of_states = of_x;
        }
        of_states
    }

    /// The S slices of level p as ranges of that level's steps.
    fn slices(&self, p: usize) -> Vec<Range<usize>> {
        let count = self.n.pow(self.k - p as u32);
        let steps = if p == 0 { self.length / count } else { self.n };
        (0..count).map(|s| row(s, steps)).collect()
    }

    fn check(&self) {
        assert!(self.n >= 1 && self.length >= 1, "n and T are positive");
        assert_eq!(self.length % self.n.pow(self.k), 0, "n^k divides T");
        assert_eq!(self.levels.len(), self.k as usize + 1, "k + 1 levels");
        for (p, gru) in self.levels.iter().enumerate() {
            assert!(gru.inputs > 0 && gru.hidden > 0, "level {p} has a width");
            assert!(p == 0 || gru.inputs == self.levels[p - 1].hidden, "level {p} reads the level below");
            assert_eq!(gru.w.len(), gru.inputs * 3 * gru.hidden, "{p}.w [D, 3H]");
            assert_eq!(gru.b.len(), 3 * gru.hidden, "{p}.b [3H]");
            assert_eq!(gru.u.len(), gru.hidden * 3 * gru.hidden, "{p}.u [H, 3H]");
            assert_eq!(gru.c.len(), 3 * gru.hidden, "{p}.c [3H]");
        }
        assert_eq!(self.v.len(), self.hidden() * self.classes, "v [H, C]");
        assert_eq!(self.d.len(), self.classes, "d [C]");
    }
}

/// Each sequence of tokens `[len]` looked up in `embedding` `[V, D]`: `[len, D]`.
pub fn embed(embedding: &[f64], width: usize, tokens: &[Vec<usize>]) -> Vec<Vec<f64>> {
    let look_up = |&token: &usize| embedding[row(token, width)].iter().copied();
    tokens.iter().map(|sequence| sequence.iter().flat_map(look_up).collect()).collect()
}

/// [`Model::run`] on embedded tokens; gives also ∂loss/∂embedding `[V, D]`.
pub fn run_tokens(model: &Model, embedding: &[f64], tokens: &[Vec<usize>], labels: &[usize]) -> (Outcome, Vec<f64>) {
    let width = model.inputs();
    let outcome = model.run(&embed(embedding, width, tokens), labels);
    let mut gradient = vec![0.0; embedding.len()];
    for (sequence, dx) in tokens.iter().zip(&outcome.inputs) {
        for (&token, step) in sequence.iter().zip(dx.chunks(width)) {
            for (sum, value) in gradient[row(token, width)].iter_mut().zip(step) {
                *sum += value;
            }
        }
    }
    (outcome, gradient)
}

/// Logits `[B, C]` and labels `[B]` to the mean cross-entropy and its gradient `[B, C]`.
pub fn softmax_cross_entropy(logits: &[f64], labels: &[usize], classes: usize) -> (f64, Vec<f64>) {
    let batch = labels.len();
    assert_eq!(logits.len(), batch * classes, "one label per sequence");
    let mut loss = 0.0;
    let mut gradient = Vec::new();
    for (values, &label) in logits.chunks(classes).zip(labels) {
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = values.iter().map(|value| (value - largest).exp()).sum();
        let log_sum = largest + sum.ln();
        loss += (log_sum - values[label]) / batch as f64;
        for (class, value) in values.iter().enumerate() {
            let target = if class == label { 1.0 } else { 0.0 };
            gradient.push(((value - log_sum).exp() - target) / batch as f64);
        }
    }
    (loss, gradient)
}

/// x `[I]`, weights `[I, O]`, bias `[O]` to x·weights + bias `[O]`.
fn affine(x: &[f64], weights: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut y = bias.to_vec();
    for (i, value) in x.iter().enumerate() {
        for (o, sum) in y.iter_mut().enumerate() {
            *sum += value * weights[i * bias.len() + o];
        }
    }
    y
}

/// The gradient g `[O]` into the result of [`affine`] to ∂x `[I]`; the others are added to `dw` and `db`.
fn affine_back(x: &[f64], weights: &[f64], g: &[f64], dw: &mut [f64], db: &mut [f64]) -> Vec<f64> {
    let mut dx = vec![0.0; x.len()];
    for (o, value) in g.iter().enumerate() {
        db[o] += value;
        for i in 0..x.len() {
            dw[i * g.len() + o] += x[i] * value;
            dx[i] += weights[i * g.len() + o] * value;
        }
    }
    dx
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Where row `index` of a matrix with rows of `width` lies.
fn row(index: usize, width: usize) -> Range<usize> {
    index * width..(index + 1) * width
}

/// A small generator (SplitMix64), so that the reference needs no crate.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in (-size, size).
    pub fn within(&mut self, size: f64) -> f64 {
        let unit = ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        size * (2.0 * unit - 1.0)
    }

    /// `count` values uniform in (-size, size).
    pub fn values(&mut self, count: usize, size: f64) -> Vec<f64> {
        (0..count).map(|_| self.within(size)).collect()
    }

    /// Uniform in 0..end.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }
}
