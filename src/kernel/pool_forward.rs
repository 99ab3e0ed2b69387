//! What a slice passes up when it is not its last state: maximum, mean, or attention (Zhou et al., 2016: shares are the
//! softmax over the slice's steps of v · tanh(output)).

use super::activation::{has_fused, tanh};
use super::prelude::*;
use crate::plan::Kernel;
use serde::{Deserialize, Serialize};

kernel! {
    /// The kernel: the maximum, the mean or an attention-weighted sum over the outputs of each slice.
    "pool_forward",
    reads: { rows: u32 "[R, 2]", outputs: f32 "[P, W]", attention: f32 "[W]" },
    writes: { shares: f32 "[P]", pooled: f32 "[R, W]" },
    parameters: { rows: usize, width: usize },
    workgroup_memory: 64 * 4,
    tolerance: [2e-6, 2e-5],
}

/// What a slice passes up; all but the last state as the shader's constant `MODE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The state after its last step, as in the paper: nothing is pooled.
    #[default]
    Last = 3,
    /// The largest output of every unit over its steps.
    Max = 0,
    /// Their mean.
    Mean = 1,
    /// A sum weighted by learnt attention (Zhou et al., 2016).
    Attention = 2,
}

impl Pooling {
    pub(super) fn of(dispatch: &Dispatch) -> Pooling {
        [Pooling::Max, Pooling::Mean, Pooling::Attention][dispatch.constant("MODE")]
    }
}

/// Which numbers are pooled.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// How they are pooled.
    pub pooling: Pooling,
    /// R: slices.
    pub rows: usize,
    /// P: steps of all slices together.
    pub steps: usize,
    /// W: numbers of an output.
    pub width: usize,
}

impl Pool {
    /// A dispatch of either kernel, whose work is that of so many passes over the outputs.
    pub(super) fn dispatch(&self, kernel: &'static Kernel, place: String, views: Vec<View>, passes: f64) -> Dispatch {
        let Pool { pooling, rows, steps, width } = *self;
        let numbers = passes * (steps * width) as f64;
        let cost = Cost { operations: numbers, bytes: 4.0 * numbers };
        kernel.dispatch(place, views, vec![("MODE", pooling as u32)], Params { rows, width }, grid(rows), cost)
    }
}

/// `pooled [R, W]` of `outputs [P, W]`, slice by slice; `shares [P]` are kept for the backward pass.
pub fn dispatch(place: String, pool: Pool, bindings: [View; 5]) -> Dispatch {
    pool.dispatch(&KERNEL, place, bindings.into(), 1.0)
}

fn twin(d: &Dispatch, Params { rows: count, width }: Params, slices: Slices) {
    let Slices { rows, outputs, attention, shares, pooled } = slices;
    let mode = Pooling::of(d);
    let rows = &rows[..2 * count];
    let shares = cut(rows, shares, usize::from(mode == Pooling::Attention));
    let pooled = pooled[..count * width].par_chunks_mut(width);
    rows.par_chunks(2).zip(shares).zip(pooled).with_min_len(threads::at_least(16)).for_each(
        |((row, shares), pooled)| {
            let outputs = &outputs[row[0] as usize * width..][..row[1] as usize * width];
            match mode {
                Pooling::Attention => attend(outputs, attention, shares, pooled),
                _ => pool(outputs, mode, pooled),
            }
        },
    );
}

/// A buffer `[P, width]` cut into the parts of the slices, which follow one another.
pub(super) fn cut<'a>(rows: &[u32], mut buffer: &'a mut [f32], width: usize) -> Vec<&'a mut [f32]> {
    let part = |row: &[u32]| buffer.split_off_mut(..row[1] as usize * width).expect("slices are within the steps");
    rows.chunks(2).map(part).collect()
}

/// The maximum or mean of a slice's outputs `[steps, W]`.
#[multiversion(targets = "simd")]
fn pool(outputs: &[f32], mode: Pooling, pooled: &mut [f32]) {
    let width = pooled.len();
    pooled.copy_from_slice(&outputs[..width]);
    for output in outputs[width..].chunks(width) {
        let each = pooled.iter_mut().zip(output);
        match mode {
            // Written so that NaN stays NaN.
            Pooling::Max => {
                each.for_each(|(value, own)| *value = if *own > *value || own.is_nan() { *own } else { *value });
            }
            _ => each.for_each(|(value, own)| *value += own),
        }
    }
    if mode == Pooling::Mean {
        let steps = (outputs.len() / width) as f32;
        pooled.iter_mut().for_each(|value| *value /= steps);
    }
}

/// The shares `[steps]` of a slice's outputs `[steps, W]`, and their sum by shares.
#[multiversion(targets = "simd")]
fn attend(outputs: &[f32], attention: &[f32], shares: &mut [f32], pooled: &mut [f32]) {
    let outputs = outputs.chunks(pooled.len());
    for (share, output) in shares.iter_mut().zip(outputs.clone()) {
        *share = sum_of(output, attention, |o, v| v * tanh::<{ has_fused!() }>(o));
    }
    let largest = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    shares.iter_mut().for_each(|share| *share = (*share - largest).exp());
    let sum: f32 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= sum);
    pooled.fill(0.0);
    for (share, output) in shares.iter().zip(outputs) {
        pooled.iter_mut().zip(output).for_each(|(value, own)| *value += share * own);
    }
}

/// The sum of a function of two vectors, in parts that compilers can add up at once.
#[inline(always)]
pub(super) fn sum_of(a: &[f32], b: &[f32], function: impl Fn(f32, f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [0.0; LANES];
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for lane in 0..LANES {
            lanes[lane] += function(a[lane], b[lane]);
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(&a, &b)| function(a, b)).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_keeps_nan() {
        let mut pooled = [0.0; 3];
        pool(&[f32::NAN, 1.0, 2.0, 0.5, f32::NAN, 3.0, 0.7, 2.0, 1.0], Pooling::Max, &mut pooled);
        assert!(pooled[0].is_nan() && pooled[1].is_nan() && pooled[2] == 3.0, "{pooled:?}");
    }
}
