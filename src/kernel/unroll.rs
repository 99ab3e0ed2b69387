//! The loop that the twins of all recurrences share: over tiles of rows in parallel, and over the steps of a tile.

use super::Binding;
use super::activation::Activation;
use super::prefetch::prefetch;
use super::recurrence::memory;
use super::threads;
use super::tiles::{Parts, Tile, tiles, with_scratch};
use crate::plan::Dispatch;
use multiversion::multiversion;
use rayon::prelude::*;

/// What all tiles of a level share.
pub struct Level<'a> {
    pub hidden: usize,
    begin: usize,
    end: usize,
    stride: usize,
    column: usize,
    fresh: bool,
    reverse: bool,
    stepwise: bool,
    pub activation: Activation,
    slots: Option<&'a [u32]>,
    gates: &'a [f32],
    /// U with its bias, or its transpose.
    pub weights: &'a [f32],
    outputs_gradient: &'a [f32],
}

impl<'a> Level<'a> {
    fn new(d: &Dispatch, weights: &'a [f32]) -> Level<'a> {
        Level {
            hidden: d.constant("H"),
            begin: d.parameter(1),
            end: d.parameter(2),
            stride: d.parameter(3),
            column: d.parameter(4),
            fresh: d.parameter(5) == 1,
            reverse: d.constant("REVERSE") == 1,
            stepwise: d.constant("STEPWISE") == 1,
            activation: Activation::from_constant(d.constant("ACTIVATION")),
            slots: None,
            gates: &[],
            weights,
            outputs_gradient: &[],
        }
    }

    /// A row's own numbers among those of all directions.
    fn own<'b>(&self, rows: &'b [f32], row: usize) -> &'b [f32] {
        &rows[row * self.stride + self.column..][..self.hidden]
    }

    fn own_mut<'b>(&self, rows: &'b mut [f32], row: usize) -> &'b mut [f32] {
        &mut rows[row * self.stride + self.column..][..self.hidden]
    }

    /// Where the t-th step to be read stands within its row.
    fn at(&self, steps: usize, t: usize) -> usize {
        if self.reverse { steps - 1 - t } else { t }
    }
}

/// The rows of a tile that have a step, and where what belongs to it stands.
#[derive(Clone, Copy)]
pub struct Alive<'s, 'a> {
    pub level: &'s Level<'a>,
    /// Rows of the tile in order of falling step counts; the first `count` have this step.
    order: &'s [usize],
    pub count: usize,
    rows: &'s [u32],
    /// How many steps of the row came before.
    pub t: usize,
    tape_width: usize,
}

impl Alive<'_, '_> {
    fn position(&self, i: usize, t: usize) -> usize {
        let row = self.order[i];
        let [first, steps] = [self.rows[2 * row] as usize, self.rows[2 * row + 1] as usize];
        first + self.level.at(steps, t)
    }

    /// The gates of row `i`; asks for those that are read next: of the next row, or of the next step's first row.
    #[inline(always)]
    pub fn gates(&self, i: usize, width: usize) -> &[f32] {
        let of = |position: usize| {
            let slot = self.level.slots.map_or(position, |slots| slots[position] as usize);
            &self.level.gates[slot * width..][..width]
        };
        if i + 1 < self.count {
            prefetch(of(self.position(i + 1, self.t)));
        } else if self.t + 1 < self.rows[2 * self.order[0] + 1] as usize {
            prefetch(of(self.position(0, self.t + 1)));
        }
        of(self.position(i, self.t))
    }

    /// The step of row `i` on the tile's part of the tape.
    #[inline(always)]
    pub fn tape<'t>(&self, tape: &'t mut [f32], i: usize) -> &'t mut [f32] {
        let local = self.position(i, self.t) - self.rows[0] as usize;
        &mut tape[local * self.tape_width..][..self.tape_width]
    }

    /// Asks for the tape of the row after `i`.
    #[inline(always)]
    pub fn prefetch_tape(&self, tape: &[f32], i: usize) {
        if i + 1 < self.count {
            let local = self.position(i + 1, self.t) - self.rows[0] as usize;
            prefetch(&tape[local * self.tape_width..][..self.tape_width]);
        }
    }
}

/// One step of all rows of a tile that have it.
pub struct Step<'s, 'a> {
    pub alive: Alive<'s, 'a>,
    /// The tile's part of the tape, see [`Alive::tape`]; empty when nothing is saved.
    pub tape: &'s mut [f32],
    /// `[m, H]`: states, or gradients of states, of the rows alive and behind them of the others.
    pub state: &'s mut [f32],
    /// `[m, H]`: the second state of cells with a memory.
    pub memory: &'s mut [f32],
    pub scratch: &'s mut [f32],
}

/// The numbers of a cell in units of H, and one step of it.
pub trait Cell {
    const TAPE: usize;
    /// Whether it has a second state.
    const MEMORY: bool;
    /// Scratch of a row; zero before the first step.
    const SCRATCH: usize;
    fn step(step: Step);
}

/// The twin of a forward recurrence.
pub fn forward<C: Cell>(d: &Dispatch, bindings: &mut [Binding]) {
    let [rows, slots, gates, weights, tape, last, outputs, rest @ ..] = bindings else {
        unreachable!("checked by the plan")
    };
    let mut level = Level::new(d, weights.f32());
    level.slots = (d.constant("SLOTTED") == 1).then(|| slots.u32());
    level.gates = gates.f32();
    let save = d.constant("SAVE") == 1;
    let parts = Parts {
        tape: if save { tape.f32_mut() } else { &mut [] },
        tape_width: C::TAPE * level.hidden,
        outputs: if level.stepwise { outputs.f32_mut() } else { &mut [] },
        state: last.f32_mut(),
        stride: level.stride,
        memory: memory(rest),
        hidden: level.hidden,
    };
    each_tile::<C>(&level, &rows.u32()[..2 * d.parameter(0)], parts, run_forward::<C>);
}

/// Hands every tile to `run`, with zeroed states, memory and scratch of its rows.
fn each_tile<C: Cell>(
    level: &Level,
    rows: &[u32],
    parts: Parts,
    run: fn(&Level, Tile, &mut [f32], &mut [f32], &mut [f32]),
) {
    tiles(rows, parts).into_par_iter().with_min_len(threads::at_least(1)).for_each(|tile| {
        let numbers = tile.count() * level.hidden;
        with_scratch(numbers * (1 + usize::from(C::MEMORY) + C::SCRATCH), |scratch| {
            let (state, scratch) = scratch.split_at_mut(numbers);
            let (memory, scratch) = scratch.split_at_mut(if C::MEMORY { numbers } else { 0 });
            run(level, tile, state, memory, scratch);
        });
    });
}

fn run_forward<C: Cell>(level: &Level, tile: Tile, state: &mut [f32], memory: &mut [f32], scratch: &mut [f32]) {
    let hidden = level.hidden;
    let order = tile.by_steps();
    if level.begin > 0 {
        for (i, &row) in order.iter().enumerate() {
            state[i * hidden..][..hidden].copy_from_slice(level.own(tile.state, row));
            if C::MEMORY {
                memory[i * hidden..][..hidden].copy_from_slice(&tile.memory[row * hidden..][..hidden]);
            }
        }
    }
    let mut count = order.len();
    for t in level.begin..level.end.min(tile.steps(order[0])) {
        while tile.steps(order[count - 1]) <= t {
            count -= 1;
        }
        let alive = Alive { level, order: &order, count, rows: tile.rows, t, tape_width: C::TAPE * hidden };
        C::step(Step { alive, tape: tile.tape, state, memory, scratch });
        if level.stepwise {
            for (i, &row) in order[..count].iter().enumerate() {
                let position = tile.local(row) + level.at(tile.steps(row), t);
                level.own_mut(tile.outputs, position).copy_from_slice(&state[i * hidden..][..hidden]);
            }
        }
    }
    let ran = |row: usize| tile.rows[2 * row + 1] as usize > level.begin;
    for (i, row) in order.iter().copied().enumerate().filter(|&(_, row)| ran(row)) {
        level.own_mut(tile.state, row).copy_from_slice(&state[i * hidden..][..hidden]);
        if C::MEMORY {
            tile.memory[row * hidden..][..hidden].copy_from_slice(&memory[i * hidden..][..hidden]);
        }
    }
}

/// The twin of a backward recurrence.
pub fn backward<C: Cell>(d: &Dispatch, bindings: &mut [Binding]) {
    let [rows, weights, outputs_gradient, tape, gradient, rest @ ..] = bindings else {
        unreachable!("checked by the plan")
    };
    let mut level = Level::new(d, weights.f32());
    level.outputs_gradient = outputs_gradient.f32();
    let parts = Parts {
        tape: tape.f32_mut(),
        tape_width: C::TAPE * level.hidden,
        outputs: &mut [],
        state: gradient.f32_mut(),
        stride: level.stride,
        memory: memory(rest),
        hidden: level.hidden,
    };
    each_tile::<C>(&level, &rows.u32()[..2 * d.parameter(0)], parts, run_backward::<C>);
}

fn run_backward<C: Cell>(level: &Level, tile: Tile, gradient: &mut [f32], memory: &mut [f32], scratch: &mut [f32]) {
    let hidden = level.hidden;
    let order = tile.by_steps();
    for (i, &row) in order.iter().enumerate() {
        if !level.fresh {
            gradient[i * hidden..][..hidden].copy_from_slice(level.own(tile.state, row));
        }
        // Nothing is asked of the memory after the last step.
        if C::MEMORY && tile.steps(row) > level.end {
            memory[i * hidden..][..hidden].copy_from_slice(&tile.memory[row * hidden..][..hidden]);
        }
    }
    let mut count = 0;
    for t in (level.begin..level.end.min(tile.steps(order[0]))).rev() {
        while count < order.len() && tile.steps(order[count]) > t {
            count += 1;
        }
        if level.stepwise {
            for (i, &row) in order[..count].iter().enumerate() {
                let position = tile.rows[2 * row] as usize + level.at(tile.steps(row), t);
                super::product::add(&mut gradient[i * hidden..][..hidden], level.own(level.outputs_gradient, position));
            }
        }
        vanish(&mut gradient[..count * hidden]);
        if C::MEMORY {
            vanish(&mut memory[..count * hidden]);
        }
        let alive = Alive { level, order: &order, count, rows: tile.rows, t, tape_width: C::TAPE * hidden };
        C::step(Step { alive, tape: tile.tape, state: gradient, memory, scratch });
    }
    for (i, &row) in order.iter().enumerate() {
        level.own_mut(tile.state, row).copy_from_slice(&gradient[i * hidden..][..hidden]);
        if C::MEMORY {
            tile.memory[row * hidden..][..hidden].copy_from_slice(&memory[i * hidden..][..hidden]);
        }
    }
}

/// Below this size a gradient counts as 0. Over the steps of a long slice gradients fade into numbers too small for
/// float32's usual form, with which some processors reckon a hundred times slower, here and in ∂U.
const VANISHED: f32 = 1e-28;

#[multiversion(targets = "simd")]
fn vanish(gradient: &mut [f32]) {
    for x in gradient {
        *x = if x.abs() < VANISHED { 0.0 } else { *x };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps the gradients that a step begins with.
    struct Keeping;

    impl Cell for Keeping {
        const TAPE: usize = 2;
        const MEMORY: bool = true;
        const SCRATCH: usize = 0;

        fn step(Step { alive, tape, state, memory, .. }: Step) {
            alive.tape(tape, 0).copy_from_slice(&[state, memory].concat());
        }
    }

    #[test]
    fn gradients_that_vanish() {
        let before = [1e-27, -1e-27, 9e-29, -1e-40, f32::NEG_INFINITY, 0.0, 2.0, f32::NAN];
        let hidden = before.len();
        let (mut tape, mut memory) = ([1.0; 16], before);
        let [mut state, mut kept] = [before, [0.0; 8]];
        let level = Level {
            hidden,
            begin: 0,
            end: 1,
            stride: hidden,
            column: 0,
            fresh: false,
            reverse: false,
            stepwise: false,
            activation: Activation::Tanh,
            slots: None,
            gates: &[],
            weights: &[],
            outputs_gradient: &[],
        };
        let parts = Parts {
            tape: &mut tape,
            tape_width: 2 * hidden,
            outputs: &mut [],
            state: &mut state,
            stride: hidden,
            memory: &mut kept,
            hidden,
        };
        let tile = tiles(&[0, 1], parts).remove(0);
        run_backward::<Keeping>(&level, tile, &mut [0.0; 8], &mut memory, &mut []);
        for half in tape.chunks(hidden) {
            assert_eq!(half[..7], [1e-27, -1e-27, 0.0, 0.0, f32::NEG_INFINITY, 0.0, 2.0]);
            assert!(half[7].is_nan());
        }
    }
}
