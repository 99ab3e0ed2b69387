//! The recurrent cells: one step forward and one step back, and the reading of a row of steps. G gates of H units each
//! stand side by side in the order that PyTorch gives them.

use super::linear::{add, affine, affine_back, sigmoid, times, times_back};
use super::{Activation, Cell, Spec};

/// The weights of one recurrence (one direction of one layer of one level), or the gradients of such weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    /// D, the width of a step.
    pub inputs: usize,
    /// H, the width of the state.
    pub hidden: usize,
    /// `[D, G·H]`
    pub w: Vec<f64>,
    /// `[G·H]`
    pub b: Vec<f64>,
    /// `[H, G·H]`; empty for [`Cell::MinGru`], whose gates do not see the state.
    pub u: Vec<f64>,
    /// `[G·H]`; empty for [`Cell::GruBefore`] and [`Cell::MinGru`], which have one bias only.
    pub c: Vec<f64>,
}

/// What a recurrence carries from step to step, or the gradient of it.
#[derive(Clone, Debug)]
pub struct State {
    /// `[H]`
    pub h: Vec<f64>,
    /// The memory of an LSTM, `[H]`; zero in the other cells.
    pub memory: Vec<f64>,
}

/// One step of a recurrence, with all that its backward step needs.
pub struct Step {
    /// `[D]`
    pub x: Vec<f64>,
    pub before: State,
    pub after: State,
    /// `[G·H]`, each after its activation.
    pub gates: Vec<f64>,
    /// Reset after: h·U_n + c_n, `[H]`. Empty in the other cells.
    pub q: Vec<f64>,
}

impl State {
    pub fn zeros(hidden: usize) -> Self {
        Self { h: vec![0.0; hidden], memory: vec![0.0; hidden] }
    }
}

impl Cell {
    /// G
    pub fn gates(self) -> usize {
        match self {
            Cell::GruAfter | Cell::GruBefore => 3, // r, z, n
            Cell::Lstm => 4,                       // i, f, g, o
            Cell::Rnn => 1,
            Cell::MinGru => 2, // z, c
        }
    }
}

impl Activation {
    pub fn of(self, x: f64) -> f64 {
        match self {
            Activation::Tanh => x.tanh(),
            Activation::Relu => x.max(0.0),
            Activation::Identity => x,
        }
    }

    /// The derivative, from the result y of [`Activation::of`]. As in PyTorch, that of relu is 0 at 0.
    pub fn slope(self, y: f64) -> f64 {
        match self {
            Activation::Tanh => 1.0 - y * y,
            Activation::Relu if y > 0.0 => 1.0,
            Activation::Relu => 0.0,
            Activation::Identity => 1.0,
        }
    }
}

impl Recurrence {
    pub fn zeros(cell: Cell, inputs: usize, hidden: usize) -> Self {
        let gates = cell.gates() * hidden;
        Self {
            inputs,
            hidden,
            w: vec![0.0; inputs * gates],
            b: vec![0.0; gates],
            u: vec![0.0; if cell == Cell::MinGru { 0 } else { hidden * gates }],
            c: vec![0.0; if matches!(cell, Cell::GruBefore | Cell::MinGru) { 0 } else { gates }],
        }
    }

    /// The weights by PyTorch's names, without the ending that says layer and direction, and not in its layout. One that
    /// the cell does not have is empty.
    pub fn named(&self) -> [(&'static str, &Vec<f64>); 4] {
        [("weight_ih", &self.w), ("weight_hh", &self.u), ("bias_ih", &self.b), ("bias_hh", &self.c)]
    }

    /// As [`Recurrence::named`], to write to.
    pub fn named_mut(&mut self) -> [(&'static str, &mut Vec<f64>); 4] {
        [("weight_ih", &mut self.w), ("weight_hh", &mut self.u), ("bias_ih", &mut self.b), ("bias_hh", &mut self.c)]
    }

    /// Steps, each `[D]`, in the order of reading, and the state before the first to what every step gives.
    pub fn read<'a>(&self, spec: &Spec, steps: impl Iterator<Item = &'a [f64]>, first: &State) -> Vec<Step> {
        let mut state = first.clone();
        let read = |x| {
            let step = self.step(spec, x, &state);
            state = step.after.clone();
            step
        };
        steps.map(read).collect()
    }

    /// The gradients `of_states` `[H]` into the state after every step and `of_last` into the last one, which carries
    /// the memory's too, to those into the steps, each `[D]`, and into the first state; those of the weights are added
    /// to `gradients`.
    pub fn read_back(
        &self,
        spec: &Spec,
        steps: &[Step],
        of_states: &[Vec<f64>],
        of_last: State,
        gradients: &mut Recurrence,
    ) -> (Vec<Vec<f64>>, State) {
        let mut g = of_last;
        let mut of_steps = vec![Vec::new(); steps.len()];
        for (t, step) in steps.iter().enumerate().rev() {
            add(&mut g.h, &of_states[t]);
            (of_steps[t], g) = self.step_back(spec, step, &g, gradients);
        }
        (of_steps, g)
    }

    /// x `[D]` and the state before it to the step, which holds the state after it.
    pub fn step(&self, spec: &Spec, x: &[f64], before: &State) -> Step {
        let (after, gates, q) = match spec.cell {
            Cell::GruAfter => self.gru_after(spec.activation, x, before),
            Cell::GruBefore => self.gru_before(spec.activation, x, before),
            Cell::Lstm => self.lstm(x, before),
            Cell::Rnn => self.rnn(spec.activation, x, before),
            Cell::MinGru => self.min_gru(spec.activation, x, before),
        };
        Step { x: x.to_vec(), before: before.clone(), after, gates, q }
    }

    /// g = ∂loss/∂(state after) to (∂x `[D]`, ∂loss/∂(state before)); weight gradients are added to `gradients`.
    pub fn step_back(&self, spec: &Spec, step: &Step, g: &State, gradients: &mut Recurrence) -> (Vec<f64>, State) {
        match spec.cell {
            Cell::GruAfter => self.gru_after_back(spec.activation, step, g, gradients),
            Cell::GruBefore => self.gru_before_back(spec.activation, step, g, gradients),
            Cell::Lstm => self.lstm_back(step, g, gradients),
            Cell::Rnn => self.rnn_back(spec.activation, step, g, gradients),
            Cell::MinGru => self.min_gru_back(spec.activation, step, g, gradients),
        }
    }

    // r = σ(x·W_r + b_r + h·U_r + c_r)        z = σ(x·W_z + b_z + h·U_z + c_z)
    // n = φ(x·W_n + b_n + r∘(h·U_n + c_n))    h' = (1 − z)∘n + z∘h
    fn gru_after(&self, phi: Activation, x: &[f64], before: &State) -> (State, Vec<f64>, Vec<f64>) {
        let hidden = self.hidden;
        let from_x = affine(x, &self.w, &self.b);
        let from_h = affine(&before.h, &self.u, &self.c);
        let mut after = State::zeros(hidden);
        let mut gates = vec![0.0; 3 * hidden];
        let mut products = vec![0.0; hidden];
        for j in 0..hidden {
            let r = sigmoid(from_x[j] + from_h[j]);
            let z = sigmoid(from_x[hidden + j] + from_h[hidden + j]);
            let q = from_h[2 * hidden + j];
            let n = phi.of(from_x[2 * hidden + j] + r * q);
            after.h[j] = (1.0 - z) * n + z * before.h[j];
            (gates[j], gates[hidden + j], gates[2 * hidden + j], products[j]) = (r, z, n, q);
        }
        (after, gates, products)
    }

    fn gru_after_back(&self, phi: Activation, step: &Step, g: &State, grads: &mut Recurrence) -> (Vec<f64>, State) {
        let hidden = self.hidden;
        let mut of_x = vec![0.0; 3 * hidden]; // gradient into x·W + b
        let mut of_h = vec![0.0; 3 * hidden]; // gradient into h·U + c
        for j in 0..hidden {
            let (r, z, n, q) = (step.gates[j], step.gates[hidden + j], step.gates[2 * hidden + j], step.q[j]);
            let a_n = g.h[j] * (1.0 - z) * phi.slope(n);
            let a_r = a_n * q * r * (1.0 - r);
            let a_z = g.h[j] * (step.before.h[j] - n) * z * (1.0 - z);
            for (gate, to_x, to_h) in [(0, a_r, a_r), (1, a_z, a_z), (2, a_n, a_n * r)] {
                of_x[gate * hidden + j] = to_x;
                of_h[gate * hidden + j] = to_h;
            }
        }
        let dx = affine_back(&step.x, &self.w, &of_x, &mut grads.w, &mut grads.b);
        let mut before = State::zeros(hidden);
        before.h = affine_back(&step.before.h, &self.u, &of_h, &mut grads.u, &mut grads.c);
        for j in 0..hidden {
            before.h[j] += g.h[j] * step.gates[hidden + j];
        }
        (dx, before)
    }

    // r = σ(x·W_r + b_r + h·U_r)        z = σ(x·W_z + b_z + h·U_z)
    // n = φ(x·W_n + b_n + (r∘h)·U_n)    h' = (1 − z)∘n + z∘h
    fn gru_before(&self, phi: Activation, x: &[f64], before: &State) -> (State, Vec<f64>, Vec<f64>) {
        let hidden = self.hidden;
        let from_x = affine(x, &self.w, &self.b);
        let from_h = times(&before.h, &self.u, 3 * hidden); // of which r and z are used
        let mut gates = vec![0.0; 3 * hidden];
        for j in 0..2 * hidden {
            gates[j] = sigmoid(from_x[j] + from_h[j]);
        }
        let reset: Vec<f64> = (0..hidden).map(|j| gates[j] * before.h[j]).collect();
        let from_reset = times(&reset, &self.u, 3 * hidden); // of which n is used
        let mut after = State::zeros(hidden);
        for j in 0..hidden {
            let z = gates[hidden + j];
            let n = phi.of(from_x[2 * hidden + j] + from_reset[2 * hidden + j]);
            after.h[j] = (1.0 - z) * n + z * before.h[j];
            gates[2 * hidden + j] = n;
        }
        (after, gates, Vec::new())
    }

    fn gru_before_back(&self, phi: Activation, step: &Step, g: &State, grads: &mut Recurrence) -> (Vec<f64>, State) {
        let hidden = self.hidden;
        let h = &step.before.h;
        let mut of_x = vec![0.0; 3 * hidden]; // gradient into x·W + b
        let mut of_h = vec![0.0; 3 * hidden]; // gradient into h·U, that of n being zero
        let mut of_reset = vec![0.0; 3 * hidden]; // gradient into (r∘h)·U, those of r and z being zero

        // First the candidate, as the gradient of r comes through (r∘h)·U_n.
        for j in 0..hidden {
            let (z, n) = (step.gates[hidden + j], step.gates[2 * hidden + j]);
            of_reset[2 * hidden + j] = g.h[j] * (1.0 - z) * phi.slope(n);
            of_x[2 * hidden + j] = of_reset[2 * hidden + j];
        }
        let reset: Vec<f64> = (0..hidden).map(|j| step.gates[j] * h[j]).collect();
        let dreset = times_back(&reset, &self.u, &of_reset, &mut grads.u);

        for j in 0..hidden {
            let (r, z, n) = (step.gates[j], step.gates[hidden + j], step.gates[2 * hidden + j]);
            of_h[j] = dreset[j] * h[j] * r * (1.0 - r);
            of_h[hidden + j] = g.h[j] * (h[j] - n) * z * (1.0 - z);
            (of_x[j], of_x[hidden + j]) = (of_h[j], of_h[hidden + j]);
        }
        let dx = affine_back(&step.x, &self.w, &of_x, &mut grads.w, &mut grads.b);
        let mut before = State::zeros(hidden);
        before.h = times_back(h, &self.u, &of_h, &mut grads.u);
        for (j, of_reset) in dreset.iter().enumerate() {
            before.h[j] += g.h[j] * step.gates[hidden + j] + of_reset * step.gates[j];
        }
        (dx, before)
    }

    // i, f, o = σ(x·W + b + h·U + c)    g = tanh(x·W_g + b_g + h·U_g + c_g)
    // memory' = f∘memory + i∘g          h' = o∘tanh(memory')
    fn lstm(&self, x: &[f64], before: &State) -> (State, Vec<f64>, Vec<f64>) {
        let hidden = self.hidden;
        let mut gates = affine(x, &self.w, &self.b);
        add(&mut gates, &affine(&before.h, &self.u, &self.c));
        let mut after = State::zeros(hidden);
        for j in 0..hidden {
            let (i, f) = (sigmoid(gates[j]), sigmoid(gates[hidden + j]));
            let (g, o) = (gates[2 * hidden + j].tanh(), sigmoid(gates[3 * hidden + j]));
            after.memory[j] = f * before.memory[j] + i * g;
            after.h[j] = o * after.memory[j].tanh();
            for (gate, value) in [i, f, g, o].into_iter().enumerate() {
                gates[gate * hidden + j] = value;
            }
        }
        (after, gates, Vec::new())
    }

    fn lstm_back(&self, step: &Step, upstream: &State, grads: &mut Recurrence) -> (Vec<f64>, State) {
        let hidden = self.hidden;
        let mut before = State::zeros(hidden);
        let mut of_gates = vec![0.0; 4 * hidden]; // gradient into x·W + b and into h·U + c
        for j in 0..hidden {
            let [i, f, g, o] = [0, 1, 2, 3].map(|gate| step.gates[gate * hidden + j]);
            let tanh = step.after.memory[j].tanh();
            let of_memory = upstream.memory[j] + upstream.h[j] * o * (1.0 - tanh * tanh);
            of_gates[j] = of_memory * g * i * (1.0 - i);
            of_gates[hidden + j] = of_memory * step.before.memory[j] * f * (1.0 - f);
            of_gates[2 * hidden + j] = of_memory * i * (1.0 - g * g);
            of_gates[3 * hidden + j] = upstream.h[j] * tanh * o * (1.0 - o);
            before.memory[j] = of_memory * f;
        }
        let dx = affine_back(&step.x, &self.w, &of_gates, &mut grads.w, &mut grads.b);
        before.h = affine_back(&step.before.h, &self.u, &of_gates, &mut grads.u, &mut grads.c);
        (dx, before)
    }

    // h' = φ(x·W + b + h·U + c)
    fn rnn(&self, phi: Activation, x: &[f64], before: &State) -> (State, Vec<f64>, Vec<f64>) {
        let mut sums = affine(x, &self.w, &self.b);
        add(&mut sums, &affine(&before.h, &self.u, &self.c));
        let mut after = State::zeros(self.hidden);
        after.h = sums.into_iter().map(|sum| phi.of(sum)).collect();
        (after, Vec::new(), Vec::new())
    }

    fn rnn_back(&self, phi: Activation, step: &Step, g: &State, grads: &mut Recurrence) -> (Vec<f64>, State) {
        let of_sums: Vec<f64> = g.h.iter().zip(&step.after.h).map(|(g, y)| g * phi.slope(*y)).collect();
        let dx = affine_back(&step.x, &self.w, &of_sums, &mut grads.w, &mut grads.b);
        let mut before = State::zeros(self.hidden);
        before.h = affine_back(&step.before.h, &self.u, &of_sums, &mut grads.u, &mut grads.c);
        (dx, before)
    }

    // z = σ(x·W_z + b_z)    c = φ(x·W_c + b_c)    h' = (1 − z)∘h + z∘c
    fn min_gru(&self, phi: Activation, x: &[f64], before: &State) -> (State, Vec<f64>, Vec<f64>) {
        let hidden = self.hidden;
        let mut gates = affine(x, &self.w, &self.b);
        let mut after = State::zeros(hidden);
        for j in 0..hidden {
            let (z, c) = (sigmoid(gates[j]), phi.of(gates[hidden + j]));
            after.h[j] = (1.0 - z) * before.h[j] + z * c;
            (gates[j], gates[hidden + j]) = (z, c);
        }
        (after, gates, Vec::new())
    }

    fn min_gru_back(&self, phi: Activation, step: &Step, g: &State, grads: &mut Recurrence) -> (Vec<f64>, State) {
        let hidden = self.hidden;
        let mut of_x = vec![0.0; 2 * hidden];
        let mut before = State::zeros(hidden);
        for j in 0..hidden {
            let (z, c) = (step.gates[j], step.gates[hidden + j]);
            of_x[j] = g.h[j] * (c - step.before.h[j]) * z * (1.0 - z);
            of_x[hidden + j] = g.h[j] * z * phi.slope(c);
            before.h[j] = g.h[j] * (1.0 - z);
        }
        (affine_back(&step.x, &self.w, &of_x, &mut grads.w, &mut grads.b), before)
    }

    /// Fails unless every array has the size that the cell asks for; `at` says where it stands.
    pub fn check(&self, cell: Cell, at: &str) {
        assert!(self.inputs > 0 && self.hidden > 0, "{at} has a width");
        let asked = Recurrence::zeros(cell, self.inputs, self.hidden);
        for ((name, ours), (_, asked)) in self.named().into_iter().zip(asked.named()) {
            assert_eq!(ours.len(), asked.len(), "{at}: {name}");
        }
    }
}
