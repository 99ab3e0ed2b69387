//! The plain (Elman) recurrence, forward.

use super::activation::{Activation, IDENTITY, RELU, TANH, activate, by_activation, has_fused};
use super::product::dense_product;
use super::recurrence::{FORWARD, forward_bindings, on_chip};
use super::unroll::{self, Cell, Step};
use super::{BindingSpec, Kernel};
use crate::compare::Tolerance;
use multiversion::multiversion;

pub static KERNEL: Kernel = Kernel {
    name: "rnn_forward",
    preludes: FORWARD,
    shader: include_str!("../../shaders/rnn_forward.wgsl"),
    bindings: &BINDINGS,
    twin: unroll::forward::<Rnn>,
    workgroup_memory: |d| on_chip(d, 2),
    // As of gru_forward; without an activation, states grow beyond 1 and errors with them.
    tolerance: Tolerance::new(2e-6, 2e-5),
};

const BINDINGS: [BindingSpec; 7] = forward_bindings("[N, H]", "[H+1, H]", "[P, 2H]");

struct Rnn;

impl Cell for Rnn {
    const TAPE: usize = 2;
    const MEMORY: bool = false;
    /// h·U.
    const SCRATCH: usize = 1;

    fn step(Step { alive, tape, state, scratch: product, .. }: Step) {
        let (hidden, activation) = (alive.level.hidden, alive.level.activation);
        let (weights, biases) = alive.level.weights.split_at(hidden * hidden);
        // The first step begins from h = 0, so that its product is 0.
        if alive.t > 0 {
            dense_product((alive.count, hidden, hidden), product, false, state, weights);
        }
        for (i, (product, state)) in product.chunks(hidden).zip(state.chunks_mut(hidden)).take(alive.count).enumerate()
        {
            if !tape.is_empty() {
                alive.tape(tape, i)[hidden..].copy_from_slice(state);
            }
            row(activation, hidden, alive.gates(i, hidden), product, biases, state);
            if !tape.is_empty() {
                alive.tape(tape, i)[..hidden].copy_from_slice(state);
            }
        }
    }
}

/// One step of one row.
#[multiversion(targets = "simd")]
fn row(activation: Activation, hidden: usize, gates: &[f32], product: &[f32], biases: &[f32], state: &mut [f32]) {
    by_activation!(activation, units(hidden, gates, product, biases, state));
}

#[inline(always)]
fn units<const FUSED: bool, const KIND: u32>(
    hidden: usize,
    gates: &[f32],
    product: &[f32],
    biases: &[f32],
    state: &mut [f32],
) {
    let (gates, product, biases) = (&gates[..hidden], &product[..hidden], &biases[..hidden]);
    let state = &mut state[..hidden];
    for j in 0..hidden {
        state[j] = activate::<FUSED, KIND>(gates[j] + (product[j] + biases[j]));
    }
}
