//! The second pass of weight gradients and totals: sums their parts in a fixed order.

use super::prelude::*;
use super::product::add;

kernel! {
    /// The kernel: several sums of parts, in their order.
    "sum_partials",
    reads: {
        sums: u32 "[A+1, 4] first of all numbers, parts, first in partials, first in out; at last the number of all",
        partials: f32 "of each sum [parts, len]",
    },
    writes: { out: f32 "of each sum [len]" },
    parameters: { sums: usize, accumulate: bool },
    tolerance: [1e-9, 2e-6],
}

/// One sum: `out [len] = Σ partials [parts, len]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Numbers of the sum.
    pub len: usize,
    /// How many of them are added up.
    pub parts: usize,
    /// Where its parts begin among the partials.
    pub from: usize,
    /// Where its numbers begin in the output.
    pub to: usize,
}

/// The list of sums that the kernel reads.
pub fn list(sums: &[Sum]) -> Vec<u32> {
    let mut first = 0;
    let mut list = Vec::new();
    for &Sum { len, parts, from, to } in sums {
        list.extend([first, parts, from, to].map(|number| number as u32));
        first += len;
    }
    list.extend([first as u32, 0, 0, 0]);
    list
}

/// All `sums`, whose [`list`] is the first binding, added to what stands in the output when `accumulate`.
pub fn dispatch(place: String, sums: &[Sum], accumulate: bool, bindings: [View; 3]) -> Dispatch {
    let numbers: usize = sums.iter().map(|sum| sum.len).sum();
    let read: usize = sums.iter().map(|sum| sum.parts * sum.len).sum();
    let cost = Cost { operations: read as f64, bytes: 4.0 * (read + numbers) as f64 };
    let params = Params { sums: sums.len(), accumulate };
    KERNEL.dispatch(place, bindings, vec![], params, grid(numbers.div_ceil(256)), cost)
}

fn twin(_: &Dispatch, Params { sums: count, accumulate }: Params, Slices { sums, partials, out }: Slices) {
    const COLUMNS: usize = 4096;
    for pair in sums.windows(8).step_by(4).take(count) {
        let [first, parts, from, to, end] = [0, 1, 2, 3, 4].map(|at| pair[at] as usize);
        let len = end - first;
        let out = &mut out[to..][..len];
        if !accumulate {
            out.fill(0.0);
        }
        out.par_chunks_mut(COLUMNS).enumerate().with_min_len(threads::at_least(1)).for_each(|(at, out)| {
            for partial in partials[from..].chunks(len).take(parts) {
                add(out, &partial[at * COLUMNS..]);
            }
        });
    }
}
