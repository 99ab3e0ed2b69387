//! The second pass of a weight gradient: sums its parts in a fixed order.

use super::prelude::*;
use super::product::add;

kernel! {
    /// The kernel: the sum of parts, in their order.
    "sum_partials",
    reads: { partials: f32 "[splits, len]" },
    writes: { out: f32 "[len]" },
    parameters: { splits: usize, len: usize, accumulate: bool },
    tolerance: [1e-9, 2e-6],
}

/// `out [len] = Σ partials [splits, len]`, added to what stands in `out` when `accumulate`.
pub fn dispatch(place: String, (splits, len): (usize, usize), accumulate: bool, bindings: [View; 2]) -> Dispatch {
    let cost = Cost { operations: (splits * len) as f64, bytes: 4.0 * (splits + 1) as f64 * len as f64 };
    let params = Params { splits, len, accumulate };
    KERNEL.dispatch(place, bindings, vec![], params, grid(len.div_ceil(256)), cost)
}

fn twin(_: &Dispatch, Params { splits, len, accumulate }: Params, Slices { partials, out }: Slices) {
    let out = &mut out[..len];
    if !accumulate {
        out.fill(0.0);
    }
    const COLUMNS: usize = 4096;
    out.par_chunks_mut(COLUMNS).enumerate().with_min_len(threads::at_least(1)).for_each(|(at, out)| {
        for partial in partials.chunks(len).take(splits) {
            add(out, &partial[at * COLUMNS..]);
        }
    });
}
