//! The LSTM's recurrence, backward.

use super::activation::{fused, has_fused, tanh};
use super::product::dense_product;
use super::recurrence::{BACKWARD, backward_bindings, on_chip};
use super::unroll::{self, Cell, Step};
use super::{BindingSpec, Kernel};
use crate::compare::Tolerance;
use multiversion::multiversion;

pub static KERNEL: Kernel = Kernel {
    name: "lstm_backward",
    preludes: BACKWARD,
    shader: include_str!("../../shaders/lstm_backward.wgsl"),
    bindings: &BINDINGS,
    twin: unroll::backward::<Lstm>,
    workgroup_memory: |d| on_chip(d, 6),
    // tanh(c) is computed anew.
    tolerance: Tolerance::new(1e-7, 2e-5),
};

const SHARED: [BindingSpec; 5] = backward_bindings("[4H, H]", "[P, 6H]");
const BINDINGS: [BindingSpec; 6] = {
    let [a, b, c, d, e] = SHARED;
    [a, b, c, d, e, BindingSpec::write("memory_gradient", "[R, H]")]
};

struct Lstm;

impl Cell for Lstm {
    const TAPE: usize = 6;
    const MEMORY: bool = true;
    /// ∂i, ∂f, ∂g and ∂o of the step.
    const SCRATCH: usize = 4;

    fn step(Step { alive, tape, state, memory, scratch: delta }: Step) {
        let hidden = alive.level.hidden;
        let rows = delta.chunks_mut(4 * hidden).zip(state.chunks_mut(hidden)).zip(memory.chunks_mut(hidden));
        for (i, ((delta, gradient), memory)) in rows.take(alive.count).enumerate() {
            alive.prefetch_tape(tape, i);
            let tape = alive.tape(tape, i);
            let (gates, rest) = tape.split_at_mut(4 * hidden);
            let (tape_i, others) = gates.split_at_mut(hidden);
            let (tape_f, others) = others.split_at_mut(hidden);
            let (tape_g, tape_o) = others.split_at_mut(hidden);
            row(hidden, tape_i, tape_f, tape_g, tape_o, &rest[..hidden], gradient, memory);
            delta.copy_from_slice(gates);
            // All of the state's gradient goes through the gates.
            gradient.fill(0.0);
        }
        // Nothing is asked of the state before the first step: it is 0.
        if alive.t > 0 {
            dense_product((alive.count, hidden, 4 * hidden), state, true, delta, alive.level.weights);
        }
    }
}

/// The gates on the tape become their gradients, and ∂c' becomes ∂c.
#[multiversion(targets = "simd")]
#[expect(clippy::too_many_arguments, reason = "every slice that is written is a parameter of its own")]
fn row(
    hidden: usize,
    tape_i: &mut [f32],
    tape_f: &mut [f32],
    tape_g: &mut [f32],
    tape_o: &mut [f32],
    tape_c: &[f32],
    gradient: &[f32],
    memory: &mut [f32],
) {
    const FUSED: bool = has_fused!();
    let (tape_i, tape_f, tape_g) = (&mut tape_i[..hidden], &mut tape_f[..hidden], &mut tape_g[..hidden]);
    let (tape_o, tape_c) = (&mut tape_o[..hidden], &tape_c[..hidden]);
    let (gradient, memory) = (&gradient[..hidden], &mut memory[..hidden]);
    for k in 0..hidden {
        let (i, f, g, o, c, d_h) = (tape_i[k], tape_f[k], tape_g[k], tape_o[k], tape_c[k], gradient[k]);
        let y = tanh::<FUSED>(fused::<FUSED>(f, c, i * g));
        let d_c = memory[k] + d_h * o * (1.0 - y * y);
        tape_i[k] = d_c * g * i * (1.0 - i);
        tape_f[k] = d_c * c * f * (1.0 - f);
        tape_g[k] = d_c * i * (1.0 - g * g);
        tape_o[k] = d_h * y * o * (1.0 - o);
        memory[k] = d_c * f;
    }
}
