//! Adam (Kingma & Ba, 2015) over a flat buffer, or over a table of which only some rows have a gradient.

use super::step_control::{BETA1_POWER, BETA2_POWER, SCALE, TAKE};
use super::threads;
use super::{Binding, BindingSpec, Kernel, grid, no_workgroup_memory};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View};
use multiversion::multiversion;
use rayon::prelude::*;

pub static KERNEL: Kernel = Kernel {
    name: "adam",
    preludes: &[],
    shader: include_str!("../../shaders/adam.wgsl"),
    bindings: &[
        BindingSpec::read("gradient", "[count], or [N, width] by row"),
        BindingSpec::indices("slots", "[count / width]"),
        BindingSpec::read("control", "[8]"),
        BindingSpec::write("weights", "[count]"),
        BindingSpec::write("first_moments", "[count]"),
        BindingSpec::write("second_moments", "[count]"),
    ],
    twin,
    workgroup_memory: no_workgroup_memory,
    // A root and two quotients, each within a few units in the last place.
    tolerance: Tolerance::new(1e-7, 2e-6),
};

/// The slot of a row without a gradient.
pub const NO_SLOT: u32 = u32::MAX;

/// Step size and decays.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Adam {
    pub learning_rate: f32,
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    /// Share of every weight that a step of rate 1 would take away (decoupled, as AdamW: Loshchilov & Hutter, 2019).
    #[serde(default)]
    pub weight_decay: f32,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// What the gradient's numbers belong to.
#[derive(Clone, Copy, Debug)]
pub enum Rows {
    /// Number i to weight i; `slots` is not read.
    Flat,
    /// Row `slots[v]` to row v of weights of this width; rows with [`NO_SLOT`] have gradient 0, and Adam's moments
    /// still move their weights.
    BySlot { width: usize },
}

/// One Adam step over `count` weights, as `control` decided.
pub fn dispatch(
    place: String,
    count: usize,
    rows: Rows,
    adam: Adam,
    [gradient, slots, control, weights, first_moments, second_moments]: [View; 6],
) -> Dispatch {
    let (by_slot, width) = match rows {
        Rows::Flat => (0, count),
        Rows::BySlot { width } => (1, width),
    };
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![gradient, slots, control, weights, first_moments, second_moments],
        constants: vec![("BY_SLOT", by_slot)],
        parameters: vec![
            count as u32,
            width as u32,
            adam.learning_rate.to_bits(),
            adam.beta1.to_bits(),
            adam.beta2.to_bits(),
            adam.epsilon.to_bits(),
            (adam.learning_rate * adam.weight_decay).to_bits(),
        ],
        workgroups: grid(count.div_ceil(256)),
        cost: Cost { operations: 12.0 * count as f64, bytes: 24.0 * count as f64 },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [gradient, slots, control, weights, first, second] = bindings else { unreachable!("checked by the plan") };
    let (count, width) = (d.parameter(0), d.parameter(1));
    let (gradient, slots, control) = (gradient.f32(), slots.u32(), control.f32());
    if control[TAKE] == 0.0 {
        return;
    }
    let update = Update {
        scale: control[SCALE],
        rate: d.parameter_f32(2) / (1.0 - control[BETA1_POWER]),
        beta1: d.parameter_f32(3),
        beta2: d.parameter_f32(4),
        epsilon: d.parameter_f32(5),
        decay: d.parameter_f32(6),
        correction: 1.0 / (1.0 - control[BETA2_POWER]).sqrt(),
    };
    let by_slot = d.constant("BY_SLOT") == 1;
    // Whole rows to a task, and enough of them to be worth one.
    let chunk = if by_slot { width } else { 4096 };
    let zeros = vec![0.0; if by_slot { width } else { 0 }];
    weights.f32_mut()[..count]
        .par_chunks_mut(chunk)
        .zip(first.f32_mut()[..count].par_chunks_mut(chunk))
        .zip(second.f32_mut()[..count].par_chunks_mut(chunk))
        .enumerate()
        .with_min_len(threads::at_least(4096usize.div_ceil(chunk)))
        .for_each(|(i, ((weights, first), second))| {
            let gradient = match by_slot {
                false => &gradient[i * chunk..][..weights.len()],
                true if slots[i] == NO_SLOT => &zeros,
                true => &gradient[slots[i] as usize * width..][..width],
            };
            apply(&update, gradient, weights, first, second);
        });
}

struct Update {
    scale: f32,
    /// Learning rate over 1 − β₁ᵗ.
    rate: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    decay: f32,
    /// 1 over √(1 − β₂ᵗ).
    correction: f32,
}

#[multiversion(targets = "simd")]
fn apply(update: &Update, gradient: &[f32], weights: &mut [f32], first: &mut [f32], second: &mut [f32]) {
    let Update { scale, rate, beta1, beta2, epsilon, decay, correction } = *update;
    for (((w, m), v), g) in weights.iter_mut().zip(first).zip(second).zip(gradient) {
        let g = g * scale;
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *w = *w - decay * *w - rate * *m / (v.sqrt() * correction + epsilon);
    }
}
