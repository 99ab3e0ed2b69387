//! From the gradient of what slices pass up to the gradient of every step's output.

use super::activation::{has_fused, tanh};
use super::pool_forward::{Pool, Pooling, cut, sum_of};
use super::prelude::*;

kernel! {
    /// The kernel: the gradient of what slices pass up, spread over their steps.
    "pool_backward",
    /// What the backward pass reads and writes; the first six as in `pool_forward`.
    views: Views,
    reads: {
        /// `[R, 2]`: first step and number of steps of each slice.
        rows: u32 "[R, 2]",
        /// `[P, W]`: the output of every step.
        outputs: f32 "[P, W]",
        /// `[W]`: the vector v of attention; [`View::NONE`] for other poolings.
        attention: f32 "[W]",
        /// `[P]`: the share of every step, as attention left them; [`View::NONE`] for other poolings.
        shares: f32 "[P]",
        /// `[R, W]`: what the slices passed up.
        pooled: f32 "[R, W]",
        /// `[R, W]`: the gradient of `pooled`.
        gradient: f32 "[R, W]",
    },
    writes: {
        /// `[P, W]`: written, the gradient of `outputs`.
        outputs_gradient: f32 "[P, W]",
        /// `[R, W]`: written, the part of the gradient of `attention` that each slice gives, to be summed over R.
        attention_gradient: f32 "[R, W]",
    },
    parameters: { rows: usize, width: usize },
    workgroup_memory: 64 * 4,
    tolerance: [2e-6, 2e-5],
}

/// `outputs_gradient [P, W]`, and each row's part of the attention's gradient.
pub fn dispatch(place: String, pool: Pool, views: Views) -> Dispatch {
    pool.dispatch(&KERNEL, place, views.into(), 2.0)
}

fn twin(d: &Dispatch, Params { rows: count, width }: Params, slices: Slices) {
    let Slices { rows, outputs, attention, shares, pooled, gradient, outputs_gradient, attention_gradient } = slices;
    let rows = &rows[..2 * count];
    let of_slices = pooled.par_chunks(width).zip(gradient.par_chunks(width));
    let to_outputs = cut(rows, outputs_gradient, width);
    let slices = rows.par_chunks(2).zip(of_slices).zip(to_outputs).with_min_len(threads::at_least(16));
    let own = |row: &[u32]| row[0] as usize..(row[0] + row[1]) as usize;
    let outputs = |row: &[u32]| &outputs[row[0] as usize * width..][..row[1] as usize * width];
    match Pooling::of(d) {
        Pooling::Last => unreachable!("no state is pooled"),
        Pooling::Mean => slices.for_each(|((row, (_, gradient)), to_outputs)| {
            let share = 1.0 / row[1] as f32;
            for out in to_outputs.chunks_mut(width) {
                out.iter_mut().zip(gradient).for_each(|(out, g)| *out = share * g);
            }
        }),
        Pooling::Max => slices.for_each_init(
            || vec![0.0; width],
            |left, ((row, (pooled, gradient)), to_outputs)| {
                left.copy_from_slice(gradient);
                to_maxima(outputs(row), pooled, left, to_outputs);
            },
        ),
        Pooling::Attention => {
            slices.zip(attention_gradient.par_chunks_mut(width)).for_each(
                |(((row, (pooled, gradient)), to_outputs), to_attention)| {
                    attend(outputs(row), attention, &shares[own(row)], pooled, gradient, to_outputs, to_attention);
                },
            );
        }
    }
}

/// The gradient of a slice's outputs `[steps, W]`. Only the first of equal maxima gets what is `left` of the gradient.
#[multiversion(targets = "simd")]
fn to_maxima(outputs: &[f32], pooled: &[f32], left: &mut [f32], to_outputs: &mut [f32]) {
    let width = pooled.len();
    for (output, out) in outputs.chunks(width).zip(to_outputs.chunks_mut(width)) {
        for (((out, output), pooled), left) in out.iter_mut().zip(output).zip(pooled).zip(&mut *left) {
            *out = if output == pooled { *left } else { 0.0 };
            *left = if output == pooled { 0.0 } else { *left };
        }
    }
}

/// The gradient of a slice's outputs `[steps, W]`, and its part of the attention's.
#[multiversion(targets = "simd")]
fn attend(
    outputs: &[f32],
    attention: &[f32],
    shares: &[f32],
    pooled: &[f32],
    gradient: &[f32],
    to_outputs: &mut [f32],
    to_attention: &mut [f32],
) {
    let width = pooled.len();
    let (attention, gradient, to_attention) = (&attention[..width], &gradient[..width], &mut to_attention[..width]);
    to_attention.fill(0.0);
    let mean = sum_of(gradient, pooled, |g, p| g * p);
    for ((output, out), share) in outputs.chunks_exact(width).zip(to_outputs.chunks_exact_mut(width)).zip(shares) {
        let of_score = share * (sum_of(gradient, output, |g, o| g * o) - mean);
        for j in 0..width {
            let y = tanh::<{ has_fused!() }>(output[j]);
            out[j] = share * gradient[j] + of_score * attention[j] * (1.0 - y * y);
            to_attention[j] += of_score * y;
        }
    }
}
