//! What the losses of all targets do alike: rows in groups, and the totals of each group.

use super::threads;
use rayon::prelude::*;

/// Numbers in the totals: sum of losses, rows that were told correctly, rows, and the sum of their weights.
pub const TOTALS: usize = 4;

/// Rows of one workgroup.
const GROUP: usize = 256;

/// The end of the shaders.
pub(super) const ADD_UP: &str = include_str!("../../shaders/loss/totals.wgsl");
/// Bytes of workgroup memory that this end declares: the totals of every row of a group.
pub(super) const GROUP_MEMORY: u32 = (GROUP * TOTALS * 4) as u32;

/// Workgroups, each of which adds up the totals of its own rows.
pub fn groups(rows: usize) -> usize {
    rows.div_ceil(GROUP)
}

/// Hands every row with its gradient `[C]` to `loss`, which gives its loss, 1 if it was told correctly, and its weight;
/// writes the `totals [groups, 4]`, or adds to them.
pub(super) fn each_row(
    gradient: &mut [f32],
    classes: usize,
    totals: &mut [f32],
    accumulate: bool,
    loss: impl Fn(usize, &mut [f32]) -> [f64; 3] + Sync,
) {
    let groups = gradient.par_chunks_mut(GROUP * classes).zip(totals.par_chunks_mut(TOTALS)).enumerate();
    groups.with_min_len(threads::at_least(1)).for_each(|(group, (gradient, totals))| {
        // In f64, as a group may hold hundreds of losses.
        let mut sums = [0.0f64; TOTALS];
        for (at, gradient) in gradient.chunks_mut(classes).enumerate() {
            let [loss, hit, weight] = loss(group * GROUP + at, gradient);
            sums.iter_mut().zip([loss, hit, 1.0, weight]).for_each(|(sum, own)| *sum += own);
        }
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total = sum as f32 + if accumulate { *total } else { 0.0 };
        }
    });
}
