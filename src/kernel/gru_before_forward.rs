//! The GRU's recurrence, forward, with the reset gate before the product (the paper's own cell).

use super::activation::{Activation, IDENTITY, RELU, TANH, activate, by_activation, fused, has_fused, sigmoid};
use super::product::dense_product;
use super::recurrence::{FORWARD, candidate_offset, forward_bindings, on_chip};
use super::unroll::{self, Cell, Step};
use super::{BindingSpec, Kernel};
use crate::compare::Tolerance;
use multiversion::multiversion;

pub static KERNEL: Kernel = Kernel {
    name: "gru_before_forward",
    preludes: FORWARD,
    shader: include_str!("../../shaders/gru_before_forward.wgsl"),
    bindings: &BINDINGS,
    twin: unroll::forward::<Gru>,
    workgroup_memory: |d| on_chip(d, 3),
    // As of gru_forward.
    tolerance: Tolerance::new(2e-6, 2e-5),
};

const BINDINGS: [BindingSpec; 7] = forward_bindings("[N, 3H]", "[H, 2H] and [H, H]", "[P, 5H]");

struct Gru;

impl Cell for Gru {
    const TAPE: usize = 5;
    const MEMORY: bool = false;
    /// h·U of reset and update, then σ of both; r∘h; (r∘h)·U of the candidate.
    const SCRATCH: usize = 4;

    fn step(Step { alive, tape, state, scratch, .. }: Step) {
        let (hidden, activation) = (alive.level.hidden, alive.level.activation);
        let rows = state.len() / hidden;
        let (product, rest) = scratch.split_at_mut(2 * rows * hidden);
        let (reset, candidate) = rest.split_at_mut(rows * hidden);
        // The first step begins from h = 0, so that both products are 0.
        if alive.t > 0 {
            dense_product((alive.count, 2 * hidden, hidden), product, false, state, alive.level.weights);
        } else {
            product.fill(0.0);
        }
        let each = product.chunks_mut(2 * hidden).zip(reset.chunks_mut(hidden)).zip(state.chunks(hidden));
        for (i, ((product, reset), state)) in each.take(alive.count).enumerate() {
            let (r, z) = product.split_at_mut(hidden);
            gates(hidden, alive.gates(i, 3 * hidden), state, r, z, reset);
            if !tape.is_empty() {
                let tape = alive.tape(tape, i);
                tape[..2 * hidden].copy_from_slice(product);
                tape[3 * hidden..4 * hidden].copy_from_slice(reset);
                tape[4 * hidden..].copy_from_slice(state);
            }
        }
        if alive.t > 0 {
            let weights = &alive.level.weights[candidate_offset(hidden)..];
            dense_product((alive.count, hidden, hidden), candidate, false, reset, weights);
        } else {
            candidate.fill(0.0);
        }
        let each = product.chunks(2 * hidden).zip(candidate.chunks_mut(hidden)).zip(state.chunks_mut(hidden));
        for (i, ((product, candidate), state)) in each.take(alive.count).enumerate() {
            next_state(activation, hidden, alive.gates(i, 3 * hidden), &product[hidden..], candidate, state);
            if !tape.is_empty() {
                alive.tape(tape, i)[2 * hidden..3 * hidden].copy_from_slice(candidate);
            }
        }
    }
}

/// r and z in place of their products, and r∘h.
#[multiversion(targets = "simd")]
fn gates(hidden: usize, gates: &[f32], state: &[f32], r: &mut [f32], z: &mut [f32], reset: &mut [f32]) {
    const FUSED: bool = has_fused!();
    let (x_r, x_z, state) = (&gates[..hidden], &gates[hidden..2 * hidden], &state[..hidden]);
    let (r, z, reset) = (&mut r[..hidden], &mut z[..hidden], &mut reset[..hidden]);
    for j in 0..hidden {
        r[j] = sigmoid::<FUSED>(x_r[j] + r[j]);
        z[j] = sigmoid::<FUSED>(x_z[j] + z[j]);
        reset[j] = r[j] * state[j];
    }
}

/// The candidate in place of its product, and the next state.
#[multiversion(targets = "simd")]
fn next_state(
    activation: Activation,
    hidden: usize,
    gates: &[f32],
    z: &[f32],
    candidate: &mut [f32],
    state: &mut [f32],
) {
    by_activation!(activation, units(hidden, gates, z, candidate, state));
}

#[inline(always)]
fn units<const FUSED: bool, const KIND: u32>(
    hidden: usize,
    gates: &[f32],
    z: &[f32],
    candidate: &mut [f32],
    state: &mut [f32],
) {
    let (x_n, z) = (&gates[2 * hidden..3 * hidden], &z[..hidden]);
    let (candidate, state) = (&mut candidate[..hidden], &mut state[..hidden]);
    for j in 0..hidden {
        let n = activate::<FUSED, KIND>(x_n[j] + candidate[j]);
        candidate[j] = n;
        state[j] = fused::<FUSED>(z[j], state[j] - n, n);
    }
}
