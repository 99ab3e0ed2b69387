//! The GRU's recurrence, backward: from the gradients of its states to the gradients of all gates.

use super::activation::{Activation, IDENTITY, RELU, TANH, by_activation, has_fused, slope};
use super::product::dense_product;
use super::recurrence::{BACKWARD, backward_bindings, on_chip};
use super::unroll::{self, Cell, Step};
use super::{BindingSpec, Kernel};
use crate::compare::Tolerance;
use multiversion::multiversion;

pub static KERNEL: Kernel = Kernel {
    name: "gru_backward",
    preludes: BACKWARD,
    shader: include_str!("../../shaders/gru_backward.wgsl"),
    bindings: &BINDINGS,
    twin: unroll::backward::<Gru>,
    workgroup_memory: |d| on_chip(d, 4),
    tolerance: Tolerance::new(1e-9, 1e-5),
};

const BINDINGS: [BindingSpec; 5] = backward_bindings("[3H, H]", "[P, 5H]");

struct Gru;

impl Cell for Gru {
    const TAPE: usize = 5;
    const MEMORY: bool = false;
    /// ∂r, ∂z and ∂q of the step.
    const SCRATCH: usize = 3;

    fn step(Step { alive, tape, state, scratch: delta, .. }: Step) {
        let (hidden, activation) = (alive.level.hidden, alive.level.activation);
        let rows = delta.chunks_mut(3 * hidden).zip(state.chunks_mut(hidden)).take(alive.count);
        for (i, (delta, gradient)) in rows.enumerate() {
            alive.prefetch_tape(tape, i);
            let (tape_r, rest) = alive.tape(tape, i).split_at_mut(hidden);
            let (tape_z, rest) = rest.split_at_mut(hidden);
            let (tape_n, rest) = rest.split_at_mut(hidden);
            let (tape_q, tape_h) = rest.split_at_mut(hidden);
            let (delta_r, rest) = delta.split_at_mut(hidden);
            let (delta_z, delta_q) = rest.split_at_mut(hidden);
            row(activation, hidden, tape_r, tape_z, tape_n, tape_q, tape_h, gradient, delta_r, delta_z, delta_q);
        }
        // Nothing is asked of the state before the first step: it is 0.
        if alive.t > 0 {
            dense_product((alive.count, hidden, 3 * hidden), state, true, delta, alive.level.weights);
        }
    }
}

/// One step of one row: turns its tape into gradients, and ∂h' into the part z ∂h' of ∂h. Every slice that is written is
/// a parameter of its own, as in the forward step.
#[multiversion(targets = "simd")]
#[expect(clippy::too_many_arguments, reason = "see above")]
fn row(
    activation: Activation,
    hidden: usize,
    tape_r: &mut [f32],
    tape_z: &mut [f32],
    tape_n: &mut [f32],
    tape_q: &mut [f32],
    tape_h: &[f32],
    gradient: &mut [f32],
    delta_r: &mut [f32],
    delta_z: &mut [f32],
    delta_q: &mut [f32],
) {
    by_activation!(
        activation,
        units(hidden, tape_r, tape_z, tape_n, tape_q, tape_h, gradient, delta_r, delta_z, delta_q)
    );
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "see row")]
fn units<const FUSED: bool, const KIND: u32>(
    hidden: usize,
    tape_r: &mut [f32],
    tape_z: &mut [f32],
    tape_n: &mut [f32],
    tape_q: &mut [f32],
    tape_h: &[f32],
    gradient: &mut [f32],
    delta_r: &mut [f32],
    delta_z: &mut [f32],
    delta_q: &mut [f32],
) {
    let (tape_r, tape_z, tape_n) = (&mut tape_r[..hidden], &mut tape_z[..hidden], &mut tape_n[..hidden]);
    let (tape_q, tape_h, gradient) = (&mut tape_q[..hidden], &tape_h[..hidden], &mut gradient[..hidden]);
    let (delta_r, delta_z, delta_q) = (&mut delta_r[..hidden], &mut delta_z[..hidden], &mut delta_q[..hidden]);
    for j in 0..hidden {
        let (r, z, n, q, h, g) = (tape_r[j], tape_z[j], tape_n[j], tape_q[j], tape_h[j], gradient[j]);
        let d_n = g * (1.0 - z) * slope::<KIND>(n);
        let d_r = d_n * q * r * (1.0 - r);
        let d_z = g * (h - n) * z * (1.0 - z);
        let d_q = d_n * r;
        tape_r[j] = d_r;
        tape_z[j] = d_z;
        tape_n[j] = d_n;
        tape_q[j] = d_q;
        delta_r[j] = d_r;
        delta_z[j] = d_z;
        delta_q[j] = d_q;
        gradient[j] = g * z;
    }
}
