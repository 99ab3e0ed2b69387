//! The sum of squares of a gradient, in parts; `step_control` adds the parts up.

use super::threads;
use super::{Binding, BindingSpec, Kernel};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View, parameters};
use multiversion::multiversion;
use rayon::prelude::*;

parameters! {
    struct Params {
        count: u32,
        stretch: u32,
    }
}

/// The kernel: the sum of squares of a gradient, in parts.
pub static KERNEL: Kernel = Kernel {
    name: "squared_norm",
    shader: &[include_str!("../../shaders/squared_norm.wgsl")],
    bindings: &[BindingSpec::read("gradient", "[count]"), BindingSpec::write("parts", "[64]")],
    parameters: Params::FIELDS,
    twin,
    workgroup_memory: |_| 256 * 4,
    tolerance: Tolerance::new(1e-12, 1e-5),
};

/// Parts of the sum: fixed, so that its order is.
pub const PARTS: usize = 64;

/// `parts[g]` = sum of squares of the g-th of 64 stretches of `gradient [count]`.
pub fn dispatch(place: String, count: usize, [gradient, parts]: [View; 2]) -> Dispatch {
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![gradient, parts],
        constants: vec![],
        parameters: Params { count: count as u32, stretch: count.div_ceil(PARTS) as u32 }.words(),
        workgroups: [PARTS as u32, 1, 1],
        cost: Cost { operations: 2.0 * count as f64, bytes: 4.0 * count as f64 },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [gradient, parts] = bindings else { unreachable!("checked by the plan") };
    let Params { count, stretch } = d.parameters();
    let (count, stretch) = (count as usize, stretch as usize);
    let gradient = &gradient.f32()[..count];
    parts.f32_mut()[..PARTS].par_iter_mut().enumerate().with_min_len(threads::at_least(1)).for_each(|(part, sum)| {
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
