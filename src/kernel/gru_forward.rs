//! The GRU's recurrence, forward, with the reset gate after the product (as PyTorch and cuDNN).

use super::activation::{Activation, IDENTITY, RELU, TANH, activate, by_activation, fused, has_fused, sigmoid};
use super::product::dense_product;
use super::recurrence::{FORWARD, forward_bindings, on_chip};
use super::unroll::{self, Cell, Step};
use super::{BindingSpec, Kernel};
use crate::compare::Tolerance;
use multiversion::multiversion;

pub static KERNEL: Kernel = Kernel {
    name: "gru_forward",
    preludes: FORWARD,
    shader: include_str!("../../shaders/gru_forward.wgsl"),
    bindings: &BINDINGS,
    twin: unroll::forward::<Gru>,
    workgroup_memory: |d| on_chip(d, 2),
    // WGSL lets exp(x) be off by 3 + 2|x| units in the last place.
    tolerance: Tolerance::new(2e-6, 2e-5),
};

const BINDINGS: [BindingSpec; 7] = forward_bindings("[N, 3H]", "[H+1, 3H]", "[P, 5H]");

struct Gru;

impl Cell for Gru {
    const TAPE: usize = 5;
    const MEMORY: bool = false;
    /// h·U of the three gates.
    const SCRATCH: usize = 3;

    fn step(Step { alive, tape, state, scratch: product, .. }: Step) {
        let (hidden, activation) = (alive.level.hidden, alive.level.activation);
        let (weights, biases) = alive.level.weights.split_at(3 * hidden * hidden);
        // The first step begins from h = 0, so that its product is 0.
        if alive.t > 0 {
            dense_product((alive.count, 3 * hidden, hidden), product, false, state, weights);
        }
        let rows = product.chunks(3 * hidden).zip(state.chunks_mut(hidden)).take(alive.count);
        for (i, (product, state)) in rows.enumerate() {
            let gates = alive.gates(i, 3 * hidden);
            if tape.is_empty() {
                step_only(activation, hidden, gates, product, biases, state);
            } else {
                let (r, rest) = alive.tape(tape, i).split_at_mut(hidden);
                let (z, rest) = rest.split_at_mut(hidden);
                let (n, rest) = rest.split_at_mut(hidden);
                let (q, h) = rest.split_at_mut(hidden);
                saved_step(activation, hidden, gates, product, biases, state, r, z, n, q, h);
            }
        }
    }
}

/// r, z, n, q and the next state of one unit.
#[inline(always)]
fn unit<const FUSED: bool, const KIND: u32>([x_r, x_z, x_n]: [f32; 3], [q_r, q_z, q_n]: [f32; 3], h: f32) -> [f32; 5] {
    let r = sigmoid::<FUSED>(x_r + q_r);
    let z = sigmoid::<FUSED>(x_z + q_z);
    let n = activate::<FUSED, KIND>(fused::<FUSED>(r, q_n, x_n));
    [r, z, n, q_n, fused::<FUSED>(z, h - n, n)]
}

/// Splits rows of three gates.
#[inline(always)]
fn gates_of(row: &[f32], hidden: usize) -> [&[f32]; 3] {
    [&row[..hidden], &row[hidden..2 * hidden], &row[2 * hidden..3 * hidden]]
}

/// One step of one row.
#[multiversion(targets = "simd")]
fn step_only(activation: Activation, hidden: usize, gates: &[f32], product: &[f32], biases: &[f32], state: &mut [f32]) {
    by_activation!(activation, units_only(hidden, gates, product, biases, state));
}

#[inline(always)]
fn units_only<const FUSED: bool, const KIND: u32>(
    hidden: usize,
    gates: &[f32],
    product: &[f32],
    biases: &[f32],
    state: &mut [f32],
) {
    let ([x_r, x_z, x_n], [p_r, p_z, p_n], [c_r, c_z, c_n]) =
        (gates_of(gates, hidden), gates_of(product, hidden), gates_of(biases, hidden));
    let state = &mut state[..hidden];
    for j in 0..hidden {
        let q = [p_r[j] + c_r[j], p_z[j] + c_z[j], p_n[j] + c_n[j]];
        [.., state[j]] = unit::<FUSED, KIND>([x_r[j], x_z[j], x_n[j]], q, state[j]);
    }
}

/// One step of one row, with the tape. Every slice that is written is a parameter of its own: so the compiler knows
/// that they do not overlap, and makes vector code.
#[multiversion(targets = "simd")]
#[expect(clippy::too_many_arguments, reason = "see above")]
fn saved_step(
    activation: Activation,
    hidden: usize,
    gates: &[f32],
    product: &[f32],
    biases: &[f32],
    state: &mut [f32],
    tape_r: &mut [f32],
    tape_z: &mut [f32],
    tape_n: &mut [f32],
    tape_q: &mut [f32],
    tape_h: &mut [f32],
) {
    by_activation!(
        activation,
        saved_units(hidden, gates, product, biases, state, tape_r, tape_z, tape_n, tape_q, tape_h)
    );
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "see saved_step")]
fn saved_units<const FUSED: bool, const KIND: u32>(
    hidden: usize,
    gates: &[f32],
    product: &[f32],
    biases: &[f32],
    state: &mut [f32],
    tape_r: &mut [f32],
    tape_z: &mut [f32],
    tape_n: &mut [f32],
    tape_q: &mut [f32],
    tape_h: &mut [f32],
) {
    let ([x_r, x_z, x_n], [p_r, p_z, p_n], [c_r, c_z, c_n]) =
        (gates_of(gates, hidden), gates_of(product, hidden), gates_of(biases, hidden));
    let (state, tape_r, tape_z) = (&mut state[..hidden], &mut tape_r[..hidden], &mut tape_z[..hidden]);
    let (tape_n, tape_q, tape_h) = (&mut tape_n[..hidden], &mut tape_q[..hidden], &mut tape_h[..hidden]);
    for j in 0..hidden {
        let q = [p_r[j] + c_r[j], p_z[j] + c_z[j], p_n[j] + c_n[j]];
        let h = state[j];
        let [r, z, n, q, after] = unit::<FUSED, KIND>([x_r[j], x_z[j], x_n[j]], q, h);
        tape_r[j] = r;
        tape_z[j] = z;
        tape_n[j] = n;
        tape_q[j] = q;
        tape_h[j] = h;
        state[j] = after;
    }
}
