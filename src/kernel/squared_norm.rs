//! The sums of squares of gradients, in parts; `step_control` adds the parts up.

use super::prelude::*;

kernel! {
    /// The kernel: the sums of squares of one or two gradients, in parts.
    "squared_norm",
    reads: { gradient: f32 "[count]", second: f32 "[second_count]" },
    writes: { parts: f32 "[64], or [128] of both" },
    parameters: { count: usize, stretch: usize, second_count: usize, second_stretch: usize },
    workgroup_memory: 256 * 4,
    tolerance: [1e-12, 1e-5],
}

/// Parts of a gradient's sum: fixed, so that its order is.
pub const PARTS: usize = 64;

/// `parts[g]` = sum of squares of the g-th of 64 stretches of `gradient [count]`, then of the second one, if there is one: a
/// gradient and its numbers each.
pub fn dispatch(place: String, first: (View, usize), second: Option<(View, usize)>, parts: View) -> Dispatch {
    let (gradient, count) = first;
    let (second, second_count) = second.unwrap_or((View::NONE, 0));
    let all = (count + second_count) as f64;
    let cost = Cost { operations: 2.0 * all, bytes: 4.0 * all };
    let [stretch, second_stretch] = [count, second_count].map(|count| count.div_ceil(PARTS));
    let params = Params { count, stretch, second_count, second_stretch };
    let gradients = 1 + usize::from(second != View::NONE);
    KERNEL.dispatch(place, [gradient, second, parts], vec![], params, [(gradients * PARTS) as u32, 1, 1], cost)
}

fn twin(d: &Dispatch, params: Params, Slices { gradient, second, parts }: Slices) {
    let Params { count, stretch, second_count, second_stretch } = params;
    let all = parts[..d.workgroups[0] as usize].par_iter_mut().enumerate().with_min_len(threads::at_least(1));
    all.for_each(|(part, sum)| {
        let (gradient, stretch) =
            if part < PARTS { (&gradient[..count], stretch) } else { (&second[..second_count], second_stretch) };
        let from = (part % PARTS * stretch).min(gradient.len());
        *sum = sum_of_squares(&gradient[from..(from + stretch).min(gradient.len())]);
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
