//! Stochastic gradient descent with momentum, as PyTorch's, and decoupled weight decay.

use super::adam::{NO_SLOT, Rows};
use super::step_control::{SCALE, TAKE};
use super::threads;
use super::{Binding, BindingSpec, Kernel, grid, no_workgroup_memory};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View};
use multiversion::multiversion;
use rayon::prelude::*;

pub static KERNEL: Kernel = Kernel {
    name: "sgd",
    preludes: &[],
    shader: include_str!("../../shaders/sgd.wgsl"),
    bindings: &[
        BindingSpec::read("gradient", "[count], or [N, width] by row"),
        BindingSpec::indices("slots", "[count / width]"),
        BindingSpec::read("control", "[8]"),
        BindingSpec::write("weights", "[count]"),
        BindingSpec::write("velocity", "[count]"),
    ],
    twin,
    workgroup_memory: no_workgroup_memory,
    tolerance: Tolerance::new(1e-7, 2e-6),
};

/// Step size, momentum and decay.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sgd {
    pub learning_rate: f32,
    pub momentum: f32,
    /// Share of every weight that a step of rate 1 would take away.
    pub weight_decay: f32,
}

/// v = momentum · v + gradient; w −= rate · (v + decay · w), over `count` weights, as `control` decided.
pub fn dispatch(
    place: String,
    count: usize,
    rows: Rows,
    sgd: Sgd,
    [gradient, slots, control, weights, velocity]: [View; 5],
) -> Dispatch {
    let (by_slot, width) = match rows {
        Rows::Flat => (0, count),
        Rows::BySlot { width } => (1, width),
    };
    let Sgd { learning_rate, momentum, weight_decay } = sgd;
    let numbers = [learning_rate, momentum, learning_rate * weight_decay].map(f32::to_bits);
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![gradient, slots, control, weights, velocity],
        constants: vec![("BY_SLOT", by_slot)],
        parameters: [count as u32, width as u32].into_iter().chain(numbers).collect(),
        workgroups: grid(count.div_ceil(256)),
        cost: Cost { operations: 6.0 * count as f64, bytes: 20.0 * count as f64 },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [gradient, slots, control, weights, velocity] = bindings else { unreachable!("checked by the plan") };
    let (count, width) = (d.parameter(0), d.parameter(1));
    let (gradient, slots, control) = (gradient.f32(), slots.u32(), control.f32());
    if control[TAKE] == 0.0 {
        return;
    }
    let numbers = [control[SCALE], d.parameter_f32(2), d.parameter_f32(3), d.parameter_f32(4)];
    let by_slot = d.constant("BY_SLOT") == 1;
    let chunk = if by_slot { width } else { 4096 };
    let zeros = vec![0.0; if by_slot { width } else { 0 }];
    weights.f32_mut()[..count]
        .par_chunks_mut(chunk)
        .zip(velocity.f32_mut()[..count].par_chunks_mut(chunk))
        .enumerate()
        .with_min_len(threads::at_least(4096usize.div_ceil(chunk)))
        .for_each(|(i, (weights, velocity))| {
            let gradient = match by_slot {
                false => &gradient[i * chunk..][..weights.len()],
                true if slots[i] == NO_SLOT => &zeros,
                true => &gradient[slots[i] as usize * width..][..width],
            };
            apply(numbers, gradient, weights, velocity);
        });
}

#[multiversion(targets = "simd")]
fn apply([scale, rate, momentum, decay]: [f32; 4], gradient: &[f32], weights: &mut [f32], velocity: &mut [f32]) {
    for ((w, v), g) in weights.iter_mut().zip(velocity).zip(gradient) {
        *v = momentum * *v + g * scale;
        *w = *w - decay * *w - rate * *v;
    }
}
