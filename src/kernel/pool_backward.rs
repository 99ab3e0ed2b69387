//! From the gradient of what slices pass up to the gradient of every step's output.

use super::activation::{has_fused, tanh};
use super::pool_forward::{Params, Pool, Pooled, cut, sum_of};
use super::threads;
use super::{Binding, BindingSpec, Kernel, grid};
use crate::compare::Tolerance;
use crate::plan::{Dispatch, View};
use multiversion::multiversion;
use rayon::prelude::*;

/// The kernel: the gradient of what slices pass up, spread over their steps.
pub static KERNEL: Kernel = Kernel {
    name: "pool_backward",
    shader: &[include_str!("../../shaders/pool_backward.wgsl")],
    bindings: &[
        BindingSpec::indices("rows", "[R, 2]"),
        BindingSpec::read("outputs", "[P, W]"),
        BindingSpec::read("attention", "[W]"),
        BindingSpec::read("shares", "[P]"),
        BindingSpec::read("pooled", "[R, W]"),
        BindingSpec::read("gradient", "[R, W]"),
        BindingSpec::write("outputs_gradient", "[P, W]"),
        BindingSpec::write("attention_gradient", "[R, W]"),
    ],
    parameters: Params::FIELDS,
    twin,
    workgroup_memory: |_| 64 * 4,
    tolerance: Tolerance::new(2e-6, 2e-5),
};

/// What the backward pass reads and writes; the first six as in `pool_forward`.
#[derive(Clone, Copy, Debug)]
pub struct Views {
    /// `[R, 2]`: first step and number of steps of each slice.
    pub rows: View,
    /// `[P, W]`: the output of every step.
    pub outputs: View,
    /// `[W]`: the vector v of attention; [`View::NONE`] for other poolings.
    pub attention: View,
    /// `[P]`: the share of every step, as attention left them; [`View::NONE`] for other poolings.
    pub shares: View,
    /// `[R, W]`: what the slices passed up.
    pub pooled: View,
    /// `[R, W]`: the gradient of `pooled`.
    pub gradient: View,
    /// `[P, W]`: written, the gradient of `outputs`.
    pub outputs_gradient: View,
    /// `[R, W]`: written, the part of the gradient of `attention` that each slice gives, to be summed over R.
    pub attention_gradient: View,
}

/// `outputs_gradient [P, W]`, and each row's part of the attention's gradient.
pub fn dispatch(place: String, pool: Pool, views: Views) -> Dispatch {
    let Views { rows, outputs, attention, shares, pooled, gradient, outputs_gradient, attention_gradient } = views;
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![rows, outputs, attention, shares, pooled, gradient, outputs_gradient, attention_gradient],
        constants: vec![("MODE", pool.pooled as u32)],
        parameters: pool.parameters(),
        workgroups: grid(pool.rows),
        cost: pool.cost(2.0),
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [rows, outputs, attention, shares, pooled, gradient, to_outputs, to_attention] = bindings else {
        unreachable!("checked by the plan")
    };
    let Params { rows: count, width } = d.parameters();
    let (count, width) = (count as usize, width as usize);
    let mode = Pooled::from_constant(d.constant("MODE"));
    let (rows, outputs, attention, shares) = (&rows.u32()[..2 * count], outputs.f32(), attention.f32(), shares.f32());
    let (pooled, gradient) = (pooled.f32().par_chunks(width), gradient.f32().par_chunks(width));
    let to_outputs = cut(rows, to_outputs.f32_mut(), width);
    let slices = rows.par_chunks(2).zip(pooled.zip(gradient)).zip(to_outputs).with_min_len(threads::at_least(16));
    let own = |row: &[u32]| row[0] as usize..(row[0] + row[1]) as usize;
    let outputs = |row: &[u32]| &outputs[row[0] as usize * width..][..row[1] as usize * width];
    match mode {
        Pooled::Mean => slices.for_each(|((row, (_, gradient)), to_outputs)| {
            let share = 1.0 / row[1] as f32;
            for out in to_outputs.chunks_mut(width) {
                out.iter_mut().zip(gradient).for_each(|(out, g)| *out = share * g);
            }
        }),
        Pooled::Max => slices.for_each_init(
            || vec![0.0; width],
            |left, ((row, (pooled, gradient)), to_outputs)| {
                left.copy_from_slice(gradient);
                to_maxima(outputs(row), pooled, left, to_outputs);
            },
        ),
        Pooled::Attention => {
            slices.zip(to_attention.f32_mut().par_chunks_mut(width)).for_each(
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
