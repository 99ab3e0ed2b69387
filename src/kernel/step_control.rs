//! Decides about an optimiser step on the device: clipping by the global norm, or skipping a step that is not finite.

use super::prelude::*;

kernel! {
    /// The kernel: one thread decides whether a step is taken, and how far its gradient is scaled down.
    "step_control",
    reads: { parts: f32 "[count]" },
    writes: { control: f32 "[8]" },
    parameters: { count: usize, clip: f32, beta1: f32, beta2: f32 },
    // Tight, as the scale stands beside larger numbers.
    tolerance: [1e-6, 1e-6],
}

/// Numbers in the control buffer.
pub const CONTROL: usize = 8;
/// Steps taken.
pub const STEPS: usize = 0;
/// β₁ to the power of the steps taken.
pub const BETA1_POWER: usize = 1;
/// β₂ to the power of the steps taken.
pub const BETA2_POWER: usize = 2;
/// What the gradient is multiplied by.
pub const SCALE: usize = 3;
/// Steps skipped because the gradient's norm was not finite.
pub const SKIPPED: usize = 4;
/// The last step's norm, before clipping.
pub const NORM: usize = 5;
/// 1 if this step is to be taken.
pub const TAKE: usize = 6;
/// Steps skipped since the last one that was taken.
pub const SKIPPED_IN_A_ROW: usize = 7;

/// The control buffer before the first step.
pub const START: [f32; CONTROL] = [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0];

/// Adds the `count` parts of the squared norm up and writes the step's control numbers. `clip` is the largest norm
/// that is left alone (infinite for no clipping): scale = min(1, clip / norm).
pub fn dispatch(place: String, count: usize, clip: f32, [beta1, beta2]: [f32; 2], bindings: [View; 2]) -> Dispatch {
    let cost = Cost { operations: count as f64, bytes: 4.0 * count as f64 };
    let params = Params { count, clip: clip.min(f32::MAX), beta1, beta2 };
    KERNEL.dispatch(place, bindings, vec![], params, [1, 1, 1], cost)
}

fn twin(_: &Dispatch, params: Params, Slices { parts, control }: Slices) {
    let Params { count, clip, beta1, beta2 } = params;
    let norm = parts[..count].iter().sum::<f32>().sqrt();
    control[NORM] = norm;
    // Written so that NaN is skipped too.
    if norm <= f32::MAX {
        control[STEPS] += 1.0;
        control[BETA1_POWER] *= beta1;
        control[BETA2_POWER] *= beta2;
        control[SCALE] = if norm > clip { clip / norm } else { 1.0 };
        control[TAKE] = 1.0;
        control[SKIPPED_IN_A_ROW] = 0.0;
    } else {
        control[SKIPPED] += 1.0;
        control[SKIPPED_IN_A_ROW] += 1.0;
        control[TAKE] = 0.0;
    }
}
