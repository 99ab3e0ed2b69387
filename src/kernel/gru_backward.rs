//! The GRU's recurrence over the slices of one level, backward: from the gradient of each row's last state to the
//! gradients of all gates.

use super::gru_forward::Span;
use super::prefetch::prefetch;
use super::product::dense_product;
use super::tiles::{Tile, tiles, with_scratch};
use super::{Binding, BindingSpec, Kernel, grid};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View};
use multiversion::multiversion;
use rayon::prelude::*;

pub static KERNEL: Kernel = Kernel {
    name: "gru_backward",
    shader: include_str!("../../shaders/gru_backward.wgsl"),
    bindings: &[
        BindingSpec::indices("rows", "[R, 2]"),
        BindingSpec::read("weights_transposed", "[3H, H]"),
        BindingSpec::write("tape", "[P, 5H]"),
        BindingSpec::write("gradient", "[R, H]"),
    ],
    twin,
    workgroup_memory: |d| lanes_memory(d.constant("LANES"), d.constant("H")) as u32,
    tolerance: Tolerance::new(1e-9, 1e-5),
};

/// Bytes of workgroup memory for so many rows: the gradient of their states, and ∂r, ∂z, ∂q.
pub(super) fn lanes_memory(lanes: usize, hidden: usize) -> usize {
    4 * 4 * lanes * hidden
}

/// One level's backward recurrence. The tape's r, z, n, q become ∂r, ∂z, ∂n (gradients of the gates before their
/// activation) and ∂q; its h stays. `gradient [R, H]` holds ∂loss/∂state, of each row's last state at the beginning
/// and, between the spans of a level, of the state before step `begin`.
pub fn dispatch(place: String, span: Span, [rows, weights_transposed, tape, gradient]: [View; 4]) -> Dispatch {
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![rows, weights_transposed, tape, gradient],
        constants: vec![("H", span.hidden as u32), ("THREADS", span.threads()), ("LANES", span.lanes as u32)],
        parameters: vec![span.rows as u32, span.begin as u32, span.end as u32],
        workgroups: grid(span.rows.div_ceil(span.lanes)),
        cost: Cost { operations: span.operations(), bytes: 4.0 * span.operations() / (6 * span.hidden) as f64 * 9.0 },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [rows, weights_transposed, tape, gradient] = bindings else { unreachable!("checked by the plan") };
    let hidden = d.constant("H");
    let (begin, end) = (d.parameter(1), d.parameter(2));
    let rows = &rows.u32()[..2 * d.parameter(0)];
    let weights = weights_transposed.f32();
    tiles(rows, hidden, tape.f32_mut(), gradient.f32_mut())
        .into_par_iter()
        .for_each(|tile| run(tile, hidden, begin, end, weights));
}

fn run(tile: Tile, hidden: usize, begin: usize, end: usize, weights_transposed: &[f32]) {
    with_scratch(tile.count() * 4 * hidden, |scratch| run_with(scratch, tile, hidden, begin, end, weights_transposed));
}

fn run_with(scratch: &mut [f32], tile: Tile, hidden: usize, begin: usize, end: usize, weights_transposed: &[f32]) {
    let order = tile.by_steps();
    // ∂state, and ∂r ∂z ∂q of the step, in the order of `order`.
    let (gradient, delta) = scratch.split_at_mut(order.len() * hidden);
    for (own, &row) in gradient.chunks_mut(hidden).zip(&order) {
        own.copy_from_slice(&tile.state[row * hidden..][..hidden]);
    }
    let mut alive = 0;
    for t in (begin..end.min(tile.steps(order[0]))).rev() {
        while alive < order.len() && tile.steps(order[alive]) > t {
            alive += 1;
        }
        for (i, &row) in order[..alive].iter().enumerate() {
            if let Some(&next) = order[..alive].get(i + 1) {
                prefetch(&tile.tape[(tile.local(next) + t) * 5 * hidden..][..5 * hidden]);
            }
            let at = (tile.local(row) + t) * 5 * hidden;
            let (tape_r, rest) = tile.tape[at..][..5 * hidden].split_at_mut(hidden);
            let (tape_z, rest) = rest.split_at_mut(hidden);
            let (tape_n, rest) = rest.split_at_mut(hidden);
            let (tape_q, tape_h) = rest.split_at_mut(hidden);
            let (delta_r, rest) = delta[i * 3 * hidden..][..3 * hidden].split_at_mut(hidden);
            let (delta_z, delta_q) = rest.split_at_mut(hidden);
            let gradient = &mut gradient[i * hidden..][..hidden];
            step(hidden, tape_r, tape_z, tape_n, tape_q, tape_h, gradient, delta_r, delta_z, delta_q);
        }
        // Nothing is asked of the state before the first step: it is 0.
        if t > 0 {
            dense_product((alive, hidden, 3 * hidden), gradient, true, delta, weights_transposed);
        }
    }
    for (own, &row) in gradient.chunks(hidden).zip(&order) {
        tile.state[row * hidden..][..hidden].copy_from_slice(own);
    }
}

/// One step of one row: turns its tape into gradients, and ∂h' into the part z ∂h' of ∂h. Every slice that is written is
/// a parameter of its own, as in the forward step.
#[multiversion(targets = "simd")]
#[expect(clippy::too_many_arguments, reason = "see above")]
fn step(
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
        let d_n = g * (1.0 - z) * (1.0 - n * n);
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
