//! The CPU's grid for the recurrence: tiles of neighbouring rows, each with its own part of the tape.

use super::threads;
use std::cell::RefCell;

/// Neighbouring rows that one task owns.
pub struct Tile<'a> {
    /// `[m, 2]`: first step and number of steps of each row.
    pub rows: &'a [u32],
    /// What belongs to the rows' steps: `[steps of the tile, width]` each; empty where there is nothing.
    pub by_step: Vec<&'a mut [f32]>,
    /// What belongs to the rows: `[m, width]` each, alike.
    pub by_row: [&'a mut [f32]; 2],
}

/// What is cut into tiles, and its numbers by row or by step; it may be empty.
pub type Part<'a> = (&'a mut [f32], usize);

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

/// Cuts all rows of a level into tiles: as few as keep every thread busy.
///
/// # Panics
/// If the rows are not contiguous (`rows[i+1].first ≠ rows[i].first + rows[i].steps`) or beyond the tape.
pub fn tiles<'a>(rows: &'a [u32], mut by_step: Vec<Part<'a>>, mut by_row: [Part<'a>; 2]) -> Vec<Tile<'a>> {
    let count = rows.len() / 2;
    let threads = threads::count();
    let rounds = count.div_ceil(MOST_ROWS * threads);
    let size = count.div_ceil((rounds * threads).max(1)).max(1);
    let tile = |rows: &'a [u32]| {
        let last = rows.len() - 2;
        let steps = (rows[last] + rows[last + 1] - rows[0]) as usize;
        let by_step = by_step.iter_mut().map(|part| take(part, steps)).collect();
        Tile { rows, by_step, by_row: by_row.each_mut().map(|part| take(part, rows.len() / 2)) }
    };
    rows.chunks(2 * size).map(tile).collect()
}

/// The first `count` rows or steps, or none of an empty part.
fn take<'a>((rest, width): &mut Part<'a>, count: usize) -> &'a mut [f32] {
    let own = if rest.is_empty() { 0 } else { count * *width };
    rest.split_off_mut(..own).expect("rows and steps are within their part")
}
