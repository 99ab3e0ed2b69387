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
    outputs: &'a mut [f32],
    by_row: [&'a mut [f32]; 2],
) -> Vec<Tile<'a>> {
    let (count, threads) = (cut.strands * rows.len() / 2, threads::count());
    let rounds = count.div_ceil(MOST_ROWS * threads);
    let size = count.div_ceil((rounds * threads).max(1)).clamp(1, MOST_ROWS);
    let mut tapes = of_strands(tape, cut.strands, cut.tape_apart);
    let mut outputs = side_by_side(outputs, cut);
    let mut by_row = by_row.map(|values| side_by_side(values, cut));
    let mut tiles = Vec::new();
    for rows in rows.chunks(2 * size) {
        let last = rows.len() - 2;
        let steps = (rows[last] + rows[last + 1] - rows[0]) as usize;
        tiles.extend((0..cut.strands).map(|strand| Tile {
            strand,
            rows,
            tape: {
                let tape = &mut tapes[strand];
                let own = if tape.is_empty() { 0 } else { steps * cut.tape };
                tape.split_off_mut(..own).expect("steps are within their tape")
            },
            outputs: outputs[strand].by_ref().take(steps).collect(),
            by_row: by_row.each_mut().map(|values| values[strand].by_ref().take(rows.len() / 2).collect()),
        }));
    }
    tiles
}

/// A binding cut into what belongs to each strand; nothing for each of nothing.
fn of_strands(mut rest: &mut [f32], strands: usize, apart: usize) -> Vec<&mut [f32]> {
    let own = |strand: usize| match strand + 1 == strands {
        true => std::mem::take(&mut rest),
        false => rest.split_off_mut(..apart.min(rest.len())).expect("it is no longer than the rest"),
    };
    (0..strands).map(own).collect()
}

/// Rows in which strands stand side by side, cut into each strand's own numbers.
fn side_by_side(values: &mut [f32], cut: Cut) -> Vec<std::vec::IntoIter<&mut [f32]>> {
    let mut strands: Vec<Vec<&mut [f32]>> = (0..cut.strands).map(|_| Vec::new()).collect();
    for row in values.chunks_exact_mut(cut.stride) {
        for (strand, own) in strands.iter_mut().zip(row[cut.column..].chunks_exact_mut(cut.width)) {
            strand.push(own);
        }
    }
    strands.into_iter().map(Vec::into_iter).collect()
}
