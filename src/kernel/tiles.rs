//! The CPU's grid for the recurrence: tiles of neighbouring rows, each with its own part of the tape.

use super::threads;
use std::cell::RefCell;

/// Neighbouring rows that one task owns.
pub struct Tile<'a> {
    /// `[m, 2]`: first step and number of steps of each row.
    pub rows: &'a [u32],
    /// The rows' steps of the tape; empty when nothing is saved.
    pub tape: &'a mut [f32],
    /// The rows' steps of the outputs, `[steps of the tile, W]`; empty when only last states count.
    pub outputs: &'a mut [f32],
    /// The rows' states or gradients, `[m, W]`.
    pub state: &'a mut [f32],
    /// The rows' second states or their gradients, `[m, H]`; empty for cells that have none.
    pub memory: &'a mut [f32],
}

/// What is cut into tiles, by row or by step; each may be empty.
pub struct Parts<'a> {
    /// `[P, tape_width]`
    pub tape: &'a mut [f32],
    pub tape_width: usize,
    /// `[P, stride]`
    pub outputs: &'a mut [f32],
    /// `[R, stride]`
    pub state: &'a mut [f32],
    pub stride: usize,
    /// `[R, hidden]`
    pub memory: &'a mut [f32],
    pub hidden: usize,
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

/// Cuts all rows of a level into tiles: as few as keep every thread busy.
///
/// # Panics
/// If the rows are not contiguous (`rows[i+1].first ≠ rows[i].first + rows[i].steps`) or beyond the tape.
pub fn tiles<'a>(rows: &'a [u32], parts: Parts<'a>) -> Vec<Tile<'a>> {
    let Parts { mut tape, tape_width, mut outputs, mut state, stride, mut memory, hidden } = parts;
    let count = rows.len() / 2;
    let threads = threads::count();
    let rounds = count.div_ceil(MOST_ROWS * threads);
    let size = count.div_ceil((rounds * threads).max(1)).max(1);
    let mut tiles = Vec::with_capacity(count.div_ceil(size));
    for rows in rows.chunks(2 * size) {
        let (own, last) = (rows.len() / 2, rows.len() - 2);
        let steps = (rows[last] + rows[last + 1] - rows[0]) as usize;
        tiles.push(Tile {
            rows,
            tape: take(&mut tape, steps * tape_width),
            outputs: take(&mut outputs, steps * stride),
            state: take(&mut state, own * stride),
            memory: take(&mut memory, own * hidden),
        });
    }
    tiles
}

/// The first `count` numbers, or none of an empty slice.
fn take<'a>(rest: &mut &'a mut [f32], count: usize) -> &'a mut [f32] {
    if rest.is_empty() {
        return &mut [];
    }
    let (own, others) = std::mem::take(rest).split_at_mut(count);
    *rest = others;
    own
}
