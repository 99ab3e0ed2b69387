//! The loop that the twins of all recurrences share: over tiles of rows and strands in parallel, and over the steps of a tile.

use super::activation::Activation;
use super::faded::nothing_below;
use super::prefetch::prefetch;
use super::product::{add, dense_product};
use super::recurrence::{BackwardSlices, ForwardSlices, Params, Recurrence, matrix_offset};
use super::threads;
use super::tiles::{Cut, Tile, tiles, with_scratch};
use crate::plan::{Binding, Dispatch};
use multiversion::multiversion;
use rayon::prelude::*;
use std::ops::Range;

/// What all tiles of a strand share.
struct Run<'a> {
    cell: &'static Recurrence,
    step: fn(&mut TileStep),
    hidden: usize,
    params: Params,
    /// The first of a step's outputs that is the strand's own.
    column: usize,
    /// Whether states and memories are given.
    first: bool,
    reverse: bool,
    stepwise: bool,
    activation: Activation,
    slots: Option<&'a [u32]>,
    gates: &'a [f32],
    /// U with its bias, or its transpose.
    weights: &'a [f32],
    outputs_gradient: &'a [f32],
}

impl<'a> Run<'a> {
    /// One for each strand, with its own of all weights.
    fn of_strands(
        cell: &'static Recurrence,
        step: fn(&mut TileStep),
        d: &Dispatch,
        weights: &'a [f32],
    ) -> impl Iterator<Item = Run<'a>> {
        let (hidden, params) = (d.constant("H"), Params::of(d));
        (0..d.constant("STRANDS")).map(move |strand| Run {
            cell,
            step,
            hidden,
            params,
            column: params.column + strand * hidden,
            first: d.constant("FIRST") == 1,
            reverse: strand >= d.constant("FORWARD"),
            stepwise: d.constant("STEPWISE") == 1,
            activation: Activation::from_constant(d.constant("ACTIVATION")),
            slots: None,
            gates: &[],
            weights: &weights[strand * params.weights_apart..],
            outputs_gradient: &[],
        })
    }

    /// Where a step's own output stands among those of all strands.
    #[inline(always)]
    fn own(&self, step: usize) -> Range<usize> {
        let begin = step * self.params.stride + self.column;
        begin..begin + self.hidden
    }
}

/// The rows of a tile, and one step of those that have it.
pub struct TileStep<'s, 'a> {
    run: &'s Run<'a>,
    /// Rows of the tile in order of falling step counts; the first `count` have this step.
    order: &'s [usize],
    pub count: usize,
    rows: &'s [u32],
    /// How many steps of the row came before.
    t: usize,
    /// Whether there may be anything in the states: in the first step they are 0, unless they are given.
    pub moved: bool,
    /// The tile's part of the tape; empty when nothing is saved.
    tape: &'s mut [f32],
    /// `[m, H]`: states, or their gradients, in the order of the rows.
    state: &'s mut [f32],
    /// `[m, H]`: the second state of cells with a memory; empty for others.
    memory: &'s mut [f32],
    /// `[m, products·H]`
    product: &'s mut [f32],
    /// Two columns that are the cell's own, `[m, H]` each, if it has such.
    pub extra: [&'s mut [f32]; 2],
}

/// One step of one row: columns of G gates and P products with B biases, none of which there are backward, where state and
/// memory are their gradients.
pub struct Row<'r, const G: usize, const P: usize, const B: usize> {
    /// For a function that `units` makes.
    pub units: (Activation, usize),
    pub gates: [&'r [f32]; G],
    pub product: [&'r mut [f32]; P],
    pub bias: [&'r [f32]; B],
    pub state: &'r mut [f32],
    pub memory: &'r mut [f32],
    pub extra: [&'r mut [f32]; 2],
}

/// Columns of a row, H numbers each.
#[inline(always)]
fn cut<const N: usize>(row: &[f32], hidden: usize) -> [&[f32]; N] {
    std::array::from_fn(|at| &row[at * hidden..][..hidden])
}

#[inline(always)]
fn cut_mut<const N: usize>(row: &mut [f32], hidden: usize) -> [&mut [f32]; N] {
    let mut columns = row.chunks_exact_mut(hidden);
    std::array::from_fn(|_| columns.next().expect("as many columns as the cell declares"))
}

/// Row `i` of `[m, width]`, or nothing of nothing.
#[inline(always)]
fn row_of(rows: &mut [f32], i: usize, width: usize) -> &mut [f32] {
    if rows.is_empty() { rows } else { &mut rows[i * width..][..width] }
}

impl<'a> TileStep<'_, 'a> {
    /// H.
    pub fn hidden(&self) -> usize {
        self.run.hidden
    }

    /// A matrix of U with what follows it, or its transpose.
    pub fn matrix(&self, at: usize) -> &'a [f32] {
        &self.run.weights[matrix_offset(self.run.cell, at, self.run.hidden)..]
    }

    /// h·U of the first matrix, for all rows.
    pub fn product(&mut self) {
        let (hidden, wide) = (self.run.hidden, self.run.cell.products() * self.run.hidden);
        if self.moved {
            dense_product((self.count, wide, hidden), self.product, false, self.state, self.run.weights);
        } else {
            self.product.fill(0.0);
        }
    }

    /// The gradients of h·U, from the tape, through the first matrix into those of the states.
    pub fn product_back(&mut self) {
        let (hidden, cell) = (self.run.hidden, self.run.cell);
        let (wide, delta) = (cell.products() * hidden, cell.matrices[0].delta * hidden);
        // Nothing is asked of the states before the first step, unless they are given.
        if !self.moved {
            return;
        }
        for i in 0..self.count {
            let at = self.on_tape(i) + delta;
            self.product[i * wide..][..wide].copy_from_slice(&self.tape[at..][..wide]);
        }
        dense_product((self.count, hidden, wide), self.state, true, self.product, self.run.weights);
    }

    /// Hands every row to `of_row`, with its T columns of the tape if the step is saved. Where no gates are read, which is
    /// backward, asks for the tape of the row after it.
    #[inline(always)]
    pub fn each<const G: usize, const P: usize, const B: usize, const T: usize>(
        &mut self,
        of_row: impl Fn(Row<G, P, B>, Option<[&mut [f32]; T]>),
    ) {
        let hidden = self.run.hidden;
        let bias = cut(if B > 0 { &self.run.weights[hidden * P * hidden..] } else { &[] }, hidden);
        for i in 0..self.count {
            let gates = if G > 0 { self.gates(i, G * hidden) } else { &[] };
            if G == 0 && i + 1 < self.count {
                prefetch(&self.tape[self.on_tape(i + 1)..][..T * hidden]);
            }
            let at = if self.tape.is_empty() { None } else { Some(self.on_tape(i)) };
            let tape = at.map(|at| &mut self.tape[at..][..T * hidden]);
            let [a, b] = &mut self.extra;
            let row = Row {
                units: (self.run.activation, hidden),
                gates: cut(gates, hidden),
                product: cut_mut(row_of(self.product, i, P * hidden), hidden),
                bias,
                state: row_of(self.state, i, hidden),
                memory: row_of(self.memory, i, hidden),
                extra: [row_of(a, i, hidden), row_of(b, i, hidden)],
            };
            of_row(row, tape.map(|tape| cut_mut(tape, hidden)));
        }
    }

    /// The same backward, where every step was saved.
    #[inline(always)]
    pub fn each_back<const T: usize>(&mut self, of_row: impl Fn(Row<0, 0, 0>, [&mut [f32]; T])) {
        self.each(|row, tape| of_row(row, tape.expect("every step was saved")));
    }

    /// Where the t-th step to be read of row `i` stands.
    #[inline(always)]
    fn position(&self, i: usize, t: usize) -> usize {
        let within = if self.run.reverse { self.steps(i) - 1 - t } else { t };
        self.rows[2 * self.order[i]] as usize + within
    }

    /// Steps of row `i`.
    #[inline(always)]
    fn steps(&self, i: usize) -> usize {
        self.rows[2 * self.order[i] + 1] as usize
    }

    /// Where the step of row `i` stands on the tile's part of the tape.
    #[inline(always)]
    fn on_tape(&self, i: usize) -> usize {
        (self.position(i, self.t) - self.rows[0] as usize) * self.run.cell.tape * self.run.hidden
    }

    /// The gates of row `i`; asks for those that are read next: of the next row, or of the next step's first row.
    #[inline(always)]
    fn gates(&self, i: usize, width: usize) -> &'a [f32] {
        let run = self.run;
        let of = |position: usize| {
            let slot = run.slots.map_or(position, |slots| slots[position] as usize);
            &run.gates[slot * width..][..width]
        };
        if i + 1 < self.count {
            prefetch(of(self.position(i + 1, self.t)));
        } else if self.t + 1 < self.steps(0) {
            prefetch(of(self.position(0, self.t + 1)));
        }
        of(self.position(i, self.t))
    }

    /// Begins with the states and memories of all rows, as far as they are given.
    fn begin(&mut self, [state, memory]: [bool; 2], written: &Written) {
        let hidden = self.run.hidden;
        for (i, &row) in self.order.iter().enumerate() {
            if state {
                self.state[i * hidden..][..hidden].copy_from_slice(written.states[row]);
            }
            if memory && self.run.cell.memory {
                self.memory[i * hidden..][..hidden].copy_from_slice(written.memories[row]);
            }
        }
    }

    /// Writes the states and memories of the rows that have more than `steps` steps.
    fn end(&self, steps: usize, written: &mut Written) {
        let hidden = self.run.hidden;
        for (i, &row) in self.order.iter().enumerate().filter(|&(i, _)| self.steps(i) > steps) {
            written.states[row].copy_from_slice(&self.state[i * hidden..][..hidden]);
            if self.run.cell.memory {
                written.memories[row].copy_from_slice(&self.memory[i * hidden..][..hidden]);
            }
        }
    }
}

/// The twin of a forward recurrence, of which `step` computes one step.
pub fn run_forward(cell: &'static Recurrence, step: fn(&mut TileStep), d: &Dispatch, bindings: &mut [Binding]) {
    let ForwardSlices { rows, slots, gates, weights, tape, states, outputs, memories } = ForwardSlices::of(bindings);
    let slots = (d.constant("SLOTTED") == 1).then_some(slots);
    let runs = Run::of_strands(cell, step, d, weights).enumerate();
    let runs = runs.map(|(strand, run)| Run { slots, gates: &gates[strand * run.params.gates_apart..], ..run });
    let tape = if d.constant("SAVE") == 1 { tape } else { &mut [] };
    each_tile(&runs.collect::<Vec<Run>>(), rows, [tape, outputs, states, memories], tile_forward);
}

/// Hands every tile to `work`, with zeroed states, memory and scratch of its rows, and its outputs, states and memories.
fn each_tile(
    runs: &[Run],
    rows: &[u32],
    [tape, outputs, states, memories]: [&mut [f32]; 4],
    work: fn(TileStep, Written),
) {
    let [Run { cell, hidden, stepwise, params, .. }, ..] = *runs else { return };
    let Params { rows: count, stride, column, tape_apart, .. } = params;
    let outputs = if stepwise { outputs } else { &mut [] };
    let memories = if cell.memory { memories } else { &mut [] };
    let cut = Cut { strands: runs.len(), width: hidden, stride, column, tape: cell.tape * hidden, tape_apart };
    let tiles = tiles(cut, &rows[..2 * count], tape, outputs, [states, memories]);
    tiles.into_par_iter().with_min_len(threads::at_least(1)).for_each(|tile| {
        let numbers = tile.count() * hidden;
        let extra = usize::from(cell.on_chip != [0, 0]);
        let columns = [1, usize::from(cell.memory), cell.products(), extra, extra];
        with_scratch(numbers * columns.iter().sum::<usize>(), |mut scratch| {
            let [state, memory, product, a, b] =
                columns.map(|count| scratch.split_off_mut(..count * numbers).expect("all columns are counted"));
            let (order, extra) = (&tile.by_steps()[..], [a, b]);
            let Tile { strand, rows, tape, outputs, by_row: [states, memories] } = tile;
            let (run, t) = (&runs[strand], 0);
            let step = TileStep { run, order, count: 0, rows, t, moved: false, tape, state, memory, product, extra };
            work(step, Written { outputs, states, memories });
        });
    });
}

/// What a tile has of the bindings that are written by step or by row: the strand's own numbers of each; none where there is
/// nothing.
struct Written<'a> {
    outputs: Vec<&'a mut [f32]>,
    states: Vec<&'a mut [f32]>,
    memories: Vec<&'a mut [f32]>,
}

fn tile_forward(mut step: TileStep, mut written: Written) {
    let run = step.run;
    step.begin([run.first, run.first && run.params.memory_given], &written);
    step.count = step.order.len();
    for t in run.params.begin..run.params.end.min(step.steps(0)) {
        while step.steps(step.count - 1) <= t {
            step.count -= 1;
        }
        (step.t, step.moved) = (t, t > 0 || run.first);
        (run.step)(&mut step);
        if run.stepwise {
            for i in 0..step.count {
                let position = step.position(i, t) - step.rows[0] as usize;
                written.outputs[position].copy_from_slice(&step.state[i * run.hidden..][..run.hidden]);
            }
        }
    }
    step.end(run.params.begin, &mut written);
}

/// The twin of a backward recurrence, of which `step` computes one step.
pub fn run_backward(cell: &'static Recurrence, step: fn(&mut TileStep), d: &Dispatch, bindings: &mut [Binding]) {
    let BackwardSlices { rows, weights_transposed, outputs_gradient, tape, states_gradient, memories_gradient } =
        BackwardSlices::of(bindings);
    let runs = Run::of_strands(cell, step, d, weights_transposed).map(|run| Run { outputs_gradient, ..run });
    let written = [tape, &mut [], states_gradient, memories_gradient];
    each_tile(&runs.collect::<Vec<Run>>(), rows, written, tile_backward);
}

fn tile_backward(mut step: TileStep, mut written: Written) {
    let (run, hidden) = (step.run, step.run.hidden);
    step.begin([run.params.state_given, run.params.memory_given], &written);
    for t in (run.params.begin..run.params.end.min(step.steps(0))).rev() {
        while step.count < step.order.len() && step.steps(step.count) > t {
            step.count += 1;
        }
        step.t = t;
        if run.stepwise {
            for i in 0..step.count {
                let output = &run.outputs_gradient[run.own(step.position(i, t))];
                add(&mut step.state[i * hidden..][..hidden], output);
            }
        }
        for own in [&mut *step.state, &mut *step.memory] {
            fade(row_of(own, 0, step.count * hidden));
        }
        step.moved = t > 0 || run.first;
        (run.step)(&mut step);
    }
    step.end(0, &mut written);
}

/// Below this size a gradient counts as 0: so fade those over the steps of a long slice, here and in ∂U.
const FADED: f32 = 1e-28;

#[multiversion(targets = "simd")]
fn fade(gradient: &mut [f32]) {
    for x in gradient {
        *x = nothing_below(FADED, *x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::cell::{Cell, Reset};

    /// Keeps the gradients that a step begins with.
    fn keeping(step: &mut TileStep) {
        step.each_back(|row, [state, memory, _, _, _, _]| {
            state.copy_from_slice(row.state);
            memory.copy_from_slice(row.memory);
        });
    }

    #[test]
    fn gradients_that_vanish() {
        let before = [1e-27, -1e-27, 9e-29, -1e-40, f32::NEG_INFINITY, 0.0, 2.0, f32::NAN];
        let hidden = before.len();
        let (mut tape, mut memory) = ([1.0; 48], before);
        let mut state = before;
        let run = Run {
            cell: Cell::Lstm.recurrence(Reset::After).unwrap(),
            step: keeping,
            hidden,
            params: Params {
                rows: 1,
                end: 1,
                stride: hidden,
                state_given: true,
                memory_given: true,
                ..Params::default()
            },
            column: 0,
            first: false,
            reverse: false,
            stepwise: false,
            activation: Activation::Tanh,
            slots: None,
            gates: &[],
            weights: &[],
            outputs_gradient: &[],
        };
        each_tile(&[run], &[0, 1], [&mut tape, &mut [], &mut state, &mut memory], tile_backward);
        for half in tape[..2 * hidden].chunks(hidden) {
            assert_eq!(half[..7], [1e-27, -1e-27, 0.0, 0.0, f32::NEG_INFINITY, 0.0, 2.0]);
            assert!(half[7].is_nan());
        }
    }
}
