//! The GRU's recurrence, backward, with the reset gate before the product.

use super::activation::{Activation, IDENTITY, RELU, TANH, by_activation, has_fused, slope};
use super::product::dense_product;
use super::recurrence::{BACKWARD, backward_bindings, candidate_offset, on_chip};
use super::unroll::{self, Cell, Step};
use super::{BindingSpec, Kernel};
use crate::compare::Tolerance;
use multiversion::multiversion;

pub static KERNEL: Kernel = Kernel {
    name: "gru_before_backward",
    preludes: BACKWARD,
    shader: include_str!("../../shaders/gru_before_backward.wgsl"),
    bindings: &BINDINGS,
    twin: unroll::backward::<Gru>,
    workgroup_memory: |d| on_chip(d, 4),
    tolerance: Tolerance::new(1e-9, 1e-5),
};

const BINDINGS: [BindingSpec; 5] = backward_bindings("[2H, H] and [H, H]", "[P, 5H]");

struct Gru;

impl Cell for Gru {
    const TAPE: usize = 5;
    const MEMORY: bool = false;
    /// ∂r and ∂z of the step; ∂n; ∂(r∘h).
    const SCRATCH: usize = 4;

    fn step(Step { alive, tape, state, scratch, .. }: Step) {
        let (hidden, activation) = (alive.level.hidden, alive.level.activation);
        let rows = state.len() / hidden;
        let (delta, rest) = scratch.split_at_mut(2 * rows * hidden);
        let (delta_n, of_reset) = rest.split_at_mut(rows * hidden);
        let each = delta.chunks_mut(2 * hidden).zip(delta_n.chunks_mut(hidden)).zip(state.chunks_mut(hidden));
        for (i, ((delta, delta_n), gradient)) in each.take(alive.count).enumerate() {
            alive.prefetch_tape(tape, i);
            let (z, rest) = alive.tape(tape, i)[hidden..].split_at_mut(hidden);
            let (n, rest) = rest.split_at_mut(hidden);
            update_and_candidate(activation, hidden, z, n, &rest[hidden..], gradient);
            delta[hidden..].copy_from_slice(z);
            delta_n.copy_from_slice(n);
        }
        let weights = alive.level.weights;
        dense_product((alive.count, hidden, hidden), of_reset, false, delta_n, &weights[candidate_offset(hidden)..]);
        let each = delta.chunks_mut(2 * hidden).zip(of_reset.chunks(hidden)).zip(state.chunks_mut(hidden));
        for (i, ((delta, of_reset), gradient)) in each.take(alive.count).enumerate() {
            let (r, rest) = alive.tape(tape, i).split_at_mut(hidden);
            reset(hidden, r, &rest[3 * hidden..], of_reset, gradient);
            delta[..hidden].copy_from_slice(r);
        }
        // Nothing is asked of the state before the first step: it is 0.
        if alive.t > 0 {
            dense_product((alive.count, hidden, 2 * hidden), state, true, delta, weights);
        }
    }
}

/// z and n on the tape become ∂z and ∂n, and ∂h' becomes z ∂h'.
#[multiversion(targets = "simd")]
fn update_and_candidate(
    activation: Activation,
    hidden: usize,
    z: &mut [f32],
    n: &mut [f32],
    h: &[f32],
    gradient: &mut [f32],
) {
    by_activation!(activation, units(hidden, z, n, h, gradient));
}

#[inline(always)]
fn units<const FUSED: bool, const KIND: u32>(
    hidden: usize,
    tape_z: &mut [f32],
    tape_n: &mut [f32],
    tape_h: &[f32],
    gradient: &mut [f32],
) {
    let (tape_z, tape_n) = (&mut tape_z[..hidden], &mut tape_n[..hidden]);
    let (tape_h, gradient) = (&tape_h[..hidden], &mut gradient[..hidden]);
    for j in 0..hidden {
        let (z, n, h, g) = (tape_z[j], tape_n[j], tape_h[j], gradient[j]);
        tape_n[j] = g * (1.0 - z) * slope::<KIND>(n);
        tape_z[j] = g * (h - n) * z * (1.0 - z);
        gradient[j] = g * z;
    }
}

/// r on the tape becomes ∂r, and r ∂(r∘h) is added to the gradient of the state.
#[multiversion(targets = "simd")]
fn reset(hidden: usize, tape_r: &mut [f32], tape_h: &[f32], of_reset: &[f32], gradient: &mut [f32]) {
    let (tape_r, tape_h) = (&mut tape_r[..hidden], &tape_h[..hidden]);
    let (of_reset, gradient) = (&of_reset[..hidden], &mut gradient[..hidden]);
    for j in 0..hidden {
        let (r, h, g) = (tape_r[j], tape_h[j], of_reset[j]);
        tape_r[j] = g * h * r * (1.0 - r);
        gradient[j] += g * r;
    }
}
