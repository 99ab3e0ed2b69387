//! The GRU's recurrence over the slices of one level, forward (reset after, as PyTorch and cuDNN).

use super::activation::{fused, has_fused, sigmoid, tanh};
use super::prefetch::prefetch;
use super::product::dense_product;
use super::tiles::{Tile, tiles, with_scratch};
use super::{Binding, BindingSpec, Kernel, grid, gru_backward};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, Limits, View};
use multiversion::multiversion;
use rayon::prelude::*;

pub static KERNEL: Kernel = Kernel {
    name: "gru_forward",
    shader: include_str!("../../shaders/gru_forward.wgsl"),
    bindings: &[
        BindingSpec::indices("rows", "[R, 2]"),
        BindingSpec::indices("slots", "[P]"),
        BindingSpec::read("gates", "[N, 3H]"),
        BindingSpec::read("weights", "[H+1, 3H]"),
        BindingSpec::write("tape", "[P, 5H]"),
        BindingSpec::write("last", "[R, H]"),
    ],
    twin,
    workgroup_memory: |d| (2 * 4 * d.constant("LANES") * d.constant("H")) as u32,
    // WGSL lets exp(x) be off by 3 + 2|x| units in the last place.
    tolerance: Tolerance::new(2e-6, 2e-5),
};

/// Rows that one workgroup of the shaders can own, in the lanes of a number, a `vec2` or a `vec4`.
pub const LANES: [usize; 3] = [1, 2, 4];

/// The types of a shader with this constant `LANES`.
pub(super) fn lane_types(lanes: u32) -> &'static str {
    match lanes {
        1 => include_str!("../../shaders/lanes/1.wgsl"),
        2 => include_str!("../../shaders/lanes/2.wgsl"),
        4 => include_str!("../../shaders/lanes/4.wgsl"),
        _ => unreachable!("one of LANES"),
    }
}

/// Rows to a workgroup: with more rows every weight that is read serves more of them, with fewer there are more
/// workgroups. So as many as leave enough workgroups to fill the device, and as the backward recurrence, the larger of
/// both, has workgroup memory for.
pub fn lanes(rows: usize, hidden: usize, limits: &Limits) -> usize {
    let fits = |lanes: usize| gru_backward::lanes_memory(lanes, hidden) <= limits.workgroup_memory as usize;
    let fills = |lanes: usize| rows.div_ceil(lanes) >= limits.tuning.workgroups;
    LANES.into_iter().rev().find(|&lanes| fits(lanes) && fills(lanes)).unwrap_or(1)
}

/// The part of a level that one dispatch of the recurrence works on.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Rows of the level.
    pub rows: usize,
    /// Real steps of all rows.
    pub steps: usize,
    /// Steps `begin..end` of every row are run; a row's state is carried in the level's states.
    pub begin: usize,
    pub end: usize,
    pub hidden: usize,
    /// Rows step `t` of row `i` reads its gates from: `slots[first + t]`, otherwise `first + t` itself.
    pub slotted: bool,
    /// Rows to a workgroup: see [`lanes`].
    pub lanes: usize,
}

impl Span {
    /// Threads of a workgroup: one per hidden unit, in whole groups of 32, at most what every device has.
    pub fn threads(&self) -> u32 {
        self.hidden.next_multiple_of(32).min(256) as u32
    }

    /// Share of the level's steps that lie in `begin..end`, if rows were equally long.
    fn work(&self) -> f64 {
        let mean = self.steps as f64 / self.rows as f64;
        self.rows as f64 * ((self.end as f64).min(mean.ceil()) - self.begin as f64).max(0.0)
    }

    /// Operations of the recurrent products, forward; the backward pass has as many.
    pub fn operations(&self) -> f64 {
        self.work() * 6.0 * (self.hidden * self.hidden) as f64
    }
}

/// One level's recurrence: reads gates, writes each row's last state and, when `save`, what the backward pass needs:
/// `tape [P, 5H]` = r, z, n, q, h before the step, where `q = h·U_n + c_n`.
pub fn dispatch(
    place: String,
    span: Span,
    save: bool,
    [rows, slots, gates, weights, tape, last]: [View; 6],
) -> Dispatch {
    let moved = span.work() * (span.hidden * if save { 8 } else { 3 }) as f64;
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![rows, slots, gates, weights, tape, last],
        constants: vec![
            ("H", span.hidden as u32),
            ("THREADS", span.threads()),
            ("SLOTTED", span.slotted.into()),
            ("SAVE", save.into()),
            ("LANES", span.lanes as u32),
        ],
        parameters: vec![span.rows as u32, span.begin as u32, span.end as u32],
        workgroups: grid(span.rows.div_ceil(span.lanes)),
        cost: Cost { operations: span.operations(), bytes: 4.0 * moved },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [rows, slots, gates, weights, tape, last] = bindings else { unreachable!("checked by the plan") };
    let hidden = d.constant("H");
    let (save, slotted) = (d.constant("SAVE") == 1, d.constant("SLOTTED") == 1);
    let (begin, end) = (d.parameter(1), d.parameter(2));
    let rows = &rows.u32()[..2 * d.parameter(0)];
    let tape = if save { tape.f32_mut() } else { &mut [] };
    let level =
        Level { hidden, begin, end, slots: slotted.then(|| slots.u32()), gates: gates.f32(), weights: weights.f32() };
    tiles(rows, hidden, tape, last.f32_mut()).into_par_iter().for_each(|tile| level.run(tile, save));
}

/// What all tiles of a level share.
struct Level<'a> {
    hidden: usize,
    begin: usize,
    end: usize,
    slots: Option<&'a [u32]>,
    gates: &'a [f32],
    weights: &'a [f32],
}

impl Level<'_> {
    fn run(&self, tile: Tile, save: bool) {
        with_scratch(tile.count() * 4 * self.hidden, |scratch| self.run_with(scratch, tile, save));
    }

    fn run_with(&self, scratch: &mut [f32], tile: Tile, save: bool) {
        let hidden = self.hidden;
        let order = tile.by_steps();
        let (weights, biases) = self.weights.split_at(3 * hidden * hidden);
        // State and product of the rows, in the order of `order`.
        let (state, product_of) = scratch.split_at_mut(order.len() * hidden);
        if self.begin > 0 {
            for (own, &row) in state.chunks_mut(hidden).zip(&order) {
                own.copy_from_slice(&tile.state[row * hidden..][..hidden]);
            }
        }
        let end = self.end.min(tile.steps(order[0]));
        let mut alive = order.len();
        for t in self.begin..end {
            while tile.steps(order[alive - 1]) <= t {
                alive -= 1;
            }
            // The first step begins from h = 0, so that its product is 0.
            if t > 0 {
                dense_product((alive, 3 * hidden, hidden), product_of, false, state, weights);
            }
            let rows = tile.rows;
            let gates_of = |row: usize| {
                let step = rows[2 * row] as usize + t;
                let slot = self.slots.map_or(step, |slots| slots[step] as usize);
                &self.gates[slot * 3 * hidden..][..3 * hidden]
            };
            for (i, &row) in order[..alive].iter().enumerate() {
                if let Some(&next) = order[..alive].get(i + 1) {
                    prefetch(gates_of(next));
                }
                let gates = gates_of(row);
                let product = &product_of[i * 3 * hidden..][..3 * hidden];
                let state = &mut state[i * hidden..][..hidden];
                if save {
                    let at = (tile.local(row) + t) * 5 * hidden;
                    let (tape_r, rest) = tile.tape[at..][..5 * hidden].split_at_mut(hidden);
                    let (tape_z, rest) = rest.split_at_mut(hidden);
                    let (tape_n, rest) = rest.split_at_mut(hidden);
                    let (tape_q, tape_h) = rest.split_at_mut(hidden);
                    saved_step(hidden, gates, product, biases, state, tape_r, tape_z, tape_n, tape_q, tape_h);
                } else {
                    step_only(hidden, gates, product, biases, state);
                }
            }
        }
        for (own, &row) in state.chunks(hidden).zip(&order) {
            if tile.steps(row) > self.begin {
                tile.state[row * hidden..][..hidden].copy_from_slice(own);
            }
        }
    }
}

/// r, z, n, q and the next state of one unit.
#[inline(always)]
fn unit<const FUSED: bool>([x_r, x_z, x_n]: [f32; 3], [q_r, q_z, q_n]: [f32; 3], h: f32) -> [f32; 5] {
    let r = sigmoid::<FUSED>(x_r + q_r);
    let z = sigmoid::<FUSED>(x_z + q_z);
    let n = tanh::<FUSED>(fused::<FUSED>(r, q_n, x_n));
    [r, z, n, q_n, fused::<FUSED>(z, h - n, n)]
}

/// Splits rows of three gates.
#[inline(always)]
fn gates_of(row: &[f32], hidden: usize) -> [&[f32]; 3] {
    [&row[..hidden], &row[hidden..2 * hidden], &row[2 * hidden..3 * hidden]]
}

/// One step of one row.
#[multiversion(targets = "simd")]
fn step_only(hidden: usize, gates: &[f32], product: &[f32], biases: &[f32], state: &mut [f32]) {
    let ([x_r, x_z, x_n], [p_r, p_z, p_n], [c_r, c_z, c_n]) =
        (gates_of(gates, hidden), gates_of(product, hidden), gates_of(biases, hidden));
    let state = &mut state[..hidden];
    for j in 0..hidden {
        let q = [p_r[j] + c_r[j], p_z[j] + c_z[j], p_n[j] + c_n[j]];
        [.., state[j]] = unit::<{ has_fused!() }>([x_r[j], x_z[j], x_n[j]], q, state[j]);
    }
}

/// One step of one row, with the tape. Every slice that is written is a parameter of its own: so the compiler knows
/// that they do not overlap, and makes vector code.
#[multiversion(targets = "simd")]
#[expect(clippy::too_many_arguments, reason = "see above")]
fn saved_step(
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
        let [r, z, n, q, after] = unit::<{ has_fused!() }>([x_r[j], x_z[j], x_n[j]], q, h);
        tape_r[j] = r;
        tape_z[j] = z;
        tape_n[j] = n;
        tape_q[j] = q;
        tape_h[j] = h;
        state[j] = after;
    }
}
