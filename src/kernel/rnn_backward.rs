//! The plain (Elman) recurrence, backward.

use super::activation::{Activation, IDENTITY, RELU, TANH, by_activation, has_fused, slope};
use super::product::dense_product;
use super::recurrence::{BACKWARD, backward_bindings, on_chip};
use super::unroll::{self, Cell, Step};
use super::{BindingSpec, Kernel};
use crate::compare::Tolerance;
use multiversion::multiversion;

pub static KERNEL: Kernel = Kernel {
    name: "rnn_backward",
    preludes: BACKWARD,
    shader: include_str!("../../shaders/rnn_backward.wgsl"),
    bindings: &BINDINGS,
    twin: unroll::backward::<Rnn>,
    workgroup_memory: |d| on_chip(d, 2),
    tolerance: Tolerance::new(1e-9, 1e-5),
};

const BINDINGS: [BindingSpec; 5] = backward_bindings("[H, H]", "[P, 2H]");

struct Rnn;

impl Cell for Rnn {
    const TAPE: usize = 2;
    const MEMORY: bool = false;
    /// ∂a of the step.
    const SCRATCH: usize = 1;

    fn step(Step { alive, tape, state, scratch: delta, .. }: Step) {
        let (hidden, activation) = (alive.level.hidden, alive.level.activation);
        for (i, (delta, gradient)) in
            delta.chunks_mut(hidden).zip(state.chunks_mut(hidden)).take(alive.count).enumerate()
        {
            alive.prefetch_tape(tape, i);
            let tape = &mut alive.tape(tape, i)[..hidden];
            row(activation, hidden, tape, gradient);
            delta.copy_from_slice(tape);
            // All of the state's gradient goes through the activation.
            gradient.fill(0.0);
        }
        // Nothing is asked of the state before the first step: it is 0.
        if alive.t > 0 {
            dense_product((alive.count, hidden, hidden), state, true, delta, alive.level.weights);
        }
    }
}

/// h' on the tape becomes ∂a.
#[multiversion(targets = "simd")]
fn row(activation: Activation, hidden: usize, tape: &mut [f32], gradient: &[f32]) {
    by_activation!(activation, units(hidden, tape, gradient));
}

#[inline(always)]
fn units<const FUSED: bool, const KIND: u32>(hidden: usize, tape: &mut [f32], gradient: &[f32]) {
    let (tape, gradient) = (&mut tape[..hidden], &gradient[..hidden]);
    for j in 0..hidden {
        tape[j] = gradient[j] * slope::<KIND>(tape[j]);
    }
}
