//! The loss, its gradient into the logits, and the running totals of a training run.

use super::{Binding, BindingSpec, Kernel};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View};

pub static KERNEL: Kernel = Kernel {
    name: "softmax_cross_entropy",
    shader: include_str!("../../shaders/softmax_cross_entropy.wgsl"),
    bindings: &[
        BindingSpec::read("logits", "[B, C]"),
        BindingSpec::indices("labels", "[B]"),
        BindingSpec::write("gradient", "[B, C]"),
        BindingSpec::write("totals", "[4]"),
    ],
    twin,
    workgroup_memory: |_| 2 * 256 * 4,
    // A probability near 1 is rounded before the 1 is taken away from it.
    tolerance: Tolerance::new(5e-7, 5e-6),
};

/// Numbers in the totals: sum of losses, sequences classified correctly, sequences, and one spare.
pub const TOTALS: usize = 4;

/// `gradient = (softmax(logits) − one-hot(labels)) · scale`; adds loss, hits and sequences to `totals`. `scale` is
/// 1/B of the whole batch, so that the gradients of micro-batches add up.
pub fn dispatch(
    place: String,
    (rows, classes): (usize, usize),
    scale: f32,
    [logits, labels, gradient, totals]: [View; 4],
) -> Dispatch {
    let size = (rows * classes) as f64;
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![logits, labels, gradient, totals],
        constants: vec![],
        parameters: vec![rows as u32, classes as u32, scale.to_bits()],
        workgroups: [1, 1, 1],
        cost: Cost { operations: 6.0 * size, bytes: 8.0 * size },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [logits, labels, gradient, totals] = bindings else { unreachable!("checked by the plan") };
    let (rows, classes, scale) = (d.parameter(0), d.parameter(1), d.parameter_f32(2));
    let (logits, labels) = (logits.f32(), labels.u32());
    // In f64, as a batch may hold thousands of losses.
    let (mut loss, mut correct) = (0.0f64, 0.0);
    for (row, gradient) in gradient.f32_mut()[..rows * classes].chunks_mut(classes).enumerate() {
        let logits = &logits[row * classes..][..classes];
        let label = labels[row] as usize;
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|x| (x - largest).exp()).sum();
        // Nothing is added to `largest`: where it is large, the sum of logarithms would round the others away.
        for (class, (gradient, x)) in gradient.iter_mut().zip(logits).enumerate() {
            *gradient = ((x - largest).exp() / sum - if class == label { 1.0 } else { 0.0 }) * scale;
        }
        loss += f64::from(sum.ln() + (largest - logits[label]));
        correct += if first_largest(logits) == label { 1.0 } else { 0.0 };
    }
    let totals = totals.f32_mut();
    totals[0] += loss as f32;
    totals[1] += correct;
    totals[2] += rows as f32;
}

/// The class of the largest logit, the first of equals.
pub fn first_largest(logits: &[f32]) -> usize {
    logits.iter().enumerate().fold(0, |best, (class, x)| if *x > logits[best] { class } else { best })
}
