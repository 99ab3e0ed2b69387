//! The LSTM's recurrence, forward (gates i, f, g, o, as PyTorch and cuDNN).

use super::activation::{fused, has_fused, sigmoid, tanh};
use super::product::dense_product;
use super::recurrence::{FORWARD, forward_bindings, on_chip};
use super::unroll::{self, Cell, Step};
use super::{BindingSpec, Kernel};
use crate::compare::Tolerance;
use multiversion::multiversion;

pub static KERNEL: Kernel = Kernel {
    name: "lstm_forward",
    preludes: FORWARD,
    shader: include_str!("../../shaders/lstm_forward.wgsl"),
    bindings: &BINDINGS,
    twin: unroll::forward::<Lstm>,
    workgroup_memory: |d| on_chip(d, 3),
    // As of gru_forward.
    tolerance: Tolerance::new(2e-6, 2e-5),
};

const SHARED: [BindingSpec; 7] = forward_bindings("[N, 4H]", "[H+1, 4H]", "[P, 6H]");
const BINDINGS: [BindingSpec; 8] = {
    let [a, b, c, d, e, f, g] = SHARED;
    [a, b, c, d, e, f, g, BindingSpec::write("memory", "[R, H]")]
};

struct Lstm;

impl Cell for Lstm {
    const TAPE: usize = 6;
    const MEMORY: bool = true;
    /// h·U of the four gates.
    const SCRATCH: usize = 4;

    fn step(Step { alive, tape, state, memory, scratch: product }: Step) {
        let hidden = alive.level.hidden;
        let (weights, biases) = alive.level.weights.split_at(4 * hidden * hidden);
        // The first step begins from h = 0, so that its product is 0.
        if alive.t > 0 {
            dense_product((alive.count, 4 * hidden, hidden), product, false, state, weights);
        }
        let rows = product.chunks(4 * hidden).zip(state.chunks_mut(hidden)).zip(memory.chunks_mut(hidden));
        for (i, ((product, state), memory)) in rows.take(alive.count).enumerate() {
            let gates = alive.gates(i, 4 * hidden);
            if tape.is_empty() {
                step_only(hidden, gates, product, biases, state, memory);
            } else {
                let (i_, rest) = alive.tape(tape, i).split_at_mut(hidden);
                let (f, rest) = rest.split_at_mut(hidden);
                let (g, rest) = rest.split_at_mut(hidden);
                let (o, rest) = rest.split_at_mut(hidden);
                let (c, h) = rest.split_at_mut(hidden);
                saved_step(hidden, gates, product, biases, state, memory, i_, f, g, o, c, h);
            }
        }
    }
}

/// i, f, g, o and the next c and h of one unit.
#[inline(always)]
fn unit<const FUSED: bool>([a_i, a_f, a_g, a_o]: [f32; 4], c: f32) -> [f32; 6] {
    let (i, f) = (sigmoid::<FUSED>(a_i), sigmoid::<FUSED>(a_f));
    let (g, o) = (tanh::<FUSED>(a_g), sigmoid::<FUSED>(a_o));
    let next = fused::<FUSED>(f, c, i * g);
    [i, f, g, o, next, o * tanh::<FUSED>(next)]
}

/// Splits rows of four gates.
#[inline(always)]
fn gates_of(row: &[f32], hidden: usize) -> [&[f32]; 4] {
    [&row[..hidden], &row[hidden..2 * hidden], &row[2 * hidden..3 * hidden], &row[3 * hidden..4 * hidden]]
}

/// One step of one row.
#[multiversion(targets = "simd")]
fn step_only(hidden: usize, gates: &[f32], product: &[f32], biases: &[f32], state: &mut [f32], memory: &mut [f32]) {
    const FUSED: bool = has_fused!();
    let [x_i, x_f, x_g, x_o] = gates_of(gates, hidden);
    let [p_i, p_f, p_g, p_o] = gates_of(product, hidden);
    let [c_i, c_f, c_g, c_o] = gates_of(biases, hidden);
    let (state, memory) = (&mut state[..hidden], &mut memory[..hidden]);
    for j in 0..hidden {
        let a = [x_i[j] + (p_i[j] + c_i[j]), x_f[j] + (p_f[j] + c_f[j]), x_g[j] + (p_g[j] + c_g[j])];
        let [a_i, a_f, a_g] = a;
        [.., memory[j], state[j]] = unit::<FUSED>([a_i, a_f, a_g, x_o[j] + (p_o[j] + c_o[j])], memory[j]);
    }
}

/// One step of one row, with the tape. Every slice that is written is a parameter of its own, as in gru_forward.
#[multiversion(targets = "simd")]
#[expect(clippy::too_many_arguments, reason = "see above")]
fn saved_step(
    hidden: usize,
    gates: &[f32],
    product: &[f32],
    biases: &[f32],
    state: &mut [f32],
    memory: &mut [f32],
    tape_i: &mut [f32],
    tape_f: &mut [f32],
    tape_g: &mut [f32],
    tape_o: &mut [f32],
    tape_c: &mut [f32],
    tape_h: &mut [f32],
) {
    const FUSED: bool = has_fused!();
    let [x_i, x_f, x_g, x_o] = gates_of(gates, hidden);
    let [p_i, p_f, p_g, p_o] = gates_of(product, hidden);
    let [c_i, c_f, c_g, c_o] = gates_of(biases, hidden);
    let (state, memory) = (&mut state[..hidden], &mut memory[..hidden]);
    let (tape_i, tape_f, tape_g) = (&mut tape_i[..hidden], &mut tape_f[..hidden], &mut tape_g[..hidden]);
    let (tape_o, tape_c, tape_h) = (&mut tape_o[..hidden], &mut tape_c[..hidden], &mut tape_h[..hidden]);
    for j in 0..hidden {
        let a = [x_i[j] + (p_i[j] + c_i[j]), x_f[j] + (p_f[j] + c_f[j]), x_g[j] + (p_g[j] + c_g[j])];
        let [a_i, a_f, a_g] = a;
        let (c, h) = (memory[j], state[j]);
        let [i, f, g, o, next_c, next] = unit::<FUSED>([a_i, a_f, a_g, x_o[j] + (p_o[j] + c_o[j])], c);
        tape_i[j] = i;
        tape_f[j] = f;
        tape_g[j] = g;
        tape_o[j] = o;
        tape_c[j] = c;
        tape_h[j] = h;
        memory[j] = next_c;
        state[j] = next;
    }
}
