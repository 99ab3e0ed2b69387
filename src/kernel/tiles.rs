//! The CPU's grid for the recurrence: tiles of neighbouring rows, each with its own part of the tape.

use super::threads;
use std::cell::RefCell;

/// Neighbouring rows of a strand, which one task owns.
pub struct Tile<'a> {
    pub strand: usize,
    /// `[m, 2]`: first step and number of steps of each row.
    pub rows: &'a [u32],
    /// What the strand keeps of the rows' steps; empty where there is nothing.
    pub tape: &'a mut [f32],
    /// The strand's own numbers of every step; none where they do not count.
    pub outputs: Vec<&'a mut [f32]>,
    /// The same of every row: states and memories.
    pub by_row: [Vec<&'a mut [f32]>; 2],
}

/// The strands of what is cut into tiles.
#[derive(Clone, Copy)]
pub struct Cut {
    pub strands: usize,
    /// Numbers of a strand in a row or a step, and of all that stand side by side there, of which the first strand's begin at
    /// `column`.
    pub width: usize,
    pub stride: usize,
    pub column: usize,
    /// Numbers of a step on a tape, and from a strand's tape to the next one's.
    pub tape: usize,
    pub tape_apart: usize,
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Hands `work` a piece of zeroed memory of this thread, which is kept for the next tile.
pub fn with_scratch(len: usize, work: impl FnOnce(&mut [f32])) {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.resize(len, 0.0);
        work(scratch);
    });
}

impl Tile<'_> {
    /// Rows of the tile.
    pub fn count(&self) -> usize {
        self.rows.len() / 2
    }

    /// Rows in order of falling step counts, so that the rows alive at any step stand in front.
    pub fn by_steps(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.count()).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(self.rows[2 * row + 1]));
        order
    }
}

/// Most rows of a tile: the state, gates and products of 64 rows at H = 50 stay within a core's second-level cache,
/// and larger products run no faster.
const MOST_ROWS: usize = 64;

/// Cuts all rows of a level, of all strands, into tiles: as few as keep every thread busy. What is written by step, outputs, and
/// by row, states and memories, may be empty.
///
/// # Panics
/// If the rows are not contiguous (`rows[i+1].first ≠ rows[i].first + rows[i].steps`) or beyond the tape.
pub fn tiles<'a>(
    cut: Cut,
    rows: &'a [u32],
    tape: &'a mut [f32],
    mut outputs: &'a mut [f32],
    mut by_row: [&'a mut [f32]; 2],
) -> Vec<Tile<'a>> {
    let (count, threads) = (cut.strands * rows.len() / 2, threads::count());
    let rounds = count.div_ceil(MOST_ROWS * threads);
    let size = count.div_ceil((rounds * threads).max(1)).max(1);
    let mut tapes = of_strands(tape, cut.strands, cut.tape_apart);
    let mut tiles = Vec::new();
    for rows in rows.chunks(2 * size) {
        let last = rows.len() - 2;
        let steps = (rows[last] + rows[last + 1] - rows[0]) as usize;
        let mut outputs = cut.columns(&mut outputs, steps);
        let [mut states, mut memories] = by_row.each_mut().map(|values| cut.columns(values, rows.len() / 2));
        for (strand, tape) in tapes.iter_mut().enumerate() {
            let tape = first(tape, steps * cut.tape);
            let outputs = std::mem::take(&mut outputs[strand]);
            let by_row = [&mut states, &mut memories].map(|values| std::mem::take(&mut values[strand]));
            tiles.push(Tile { strand, rows, tape, outputs, by_row });
        }
    }
    tiles
}

/// The first `count` numbers, or none of nothing.
fn first<'a>(rest: &mut &'a mut [f32], count: usize) -> &'a mut [f32] {
    let own = if rest.is_empty() { 0 } else { count };
    rest.split_off_mut(..own).expect("rows and steps are within their part")
}

/// A binding cut into what belongs to each strand; nothing for each of nothing.
fn of_strands(mut rest: &mut [f32], strands: usize, apart: usize) -> Vec<&mut [f32]> {
    let own = |strand: usize| {
        let own = if strand + 1 == strands { rest.len() } else { apart.min(rest.len()) };
        rest.split_off_mut(..own).expect("it is no longer than the rest")
    };
    (0..strands).map(own).collect()
}

impl Cut {
    /// The next `count` rows or steps, in which strands stand side by side, cut into each strand's own numbers.
    fn columns<'a>(&self, rest: &mut &'a mut [f32], count: usize) -> Vec<Vec<&'a mut [f32]>> {
        let own = first(rest, count * self.stride);
        let count = if own.is_empty() { 0 } else { count };
        let mut strands: Vec<Vec<&mut [f32]>> = (0..self.strands).map(|_| Vec::with_capacity(count)).collect();
        for row in own.chunks_exact_mut(self.stride) {
            for (strand, own) in strands.iter_mut().zip(row[self.column..].chunks_exact_mut(self.width)) {
                strand.push(own);
            }
        }
        strands
    }
}
