//! The sum of squares of a gradient, in parts; `step_control` adds the parts up.

use super::prelude::*;

kernel! {
    /// The kernel: the sum of squares of a gradient, in parts.
    "squared_norm",
    reads: { gradient: f32 "[count]" },
    writes: { parts: f32 "[64]" },
    parameters: { count: usize, stretch: usize },
    workgroup_memory: 256 * 4,
    tolerance: [1e-12, 1e-5],
}

/// Parts of the sum: fixed, so that its order is.
pub const PARTS: usize = 64;

/// `parts[g]` = sum of squares of the g-th of 64 stretches of `gradient [count]`.
pub fn dispatch(place: String, count: usize, bindings: [View; 2]) -> Dispatch {
    let cost = Cost { operations: 2.0 * count as f64, bytes: 4.0 * count as f64 };
    let params = Params { count, stretch: count.div_ceil(PARTS) };
    KERNEL.dispatch(place, bindings, vec![], params, [PARTS as u32, 1, 1], cost)
}

fn twin(_: &Dispatch, Params { count, stretch }: Params, Slices { gradient, parts }: Slices) {
    let gradient = &gradient[..count];
    parts[..PARTS].par_iter_mut().enumerate().with_min_len(threads::at_least(1)).for_each(|(part, sum)| {
        let from = (part * stretch).min(count);
        let own = &gradient[from..(from + stretch).min(count)];
        *sum = sum_of_squares(own);
    });
}

/// Sums of 32 columns in f32 over short runs, these in f64: vector code, and no worse than the shader's tree.
#[multiversion(targets = "simd")]
fn sum_of_squares(values: &[f32]) -> f32 {
    let mut total = 0.0f64;
    for run in values.chunks(1024) {
        let (rows, rest) = run.as_chunks::<32>();
        let mut columns = [0.0f32; 32];
        for row in rows {
            for (sum, value) in columns.iter_mut().zip(row) {
                *sum += value * value;
            }
        }
        total += columns.iter().map(|&sum| f64::from(sum)).sum::<f64>();
        total += rest.iter().map(|&value| f64::from(value * value)).sum::<f64>();
    }
    total as f32
}
