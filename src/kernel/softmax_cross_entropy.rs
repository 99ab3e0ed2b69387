//! The loss, its gradient into the logits, and the running totals of a training run.

use super::{Binding, BindingSpec, Kernel};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View};

pub static KERNEL: Kernel = Kernel {
    name: "softmax_cross_entropy",
    preludes: &[],
    shader: include_str!("../../shaders/softmax_cross_entropy.wgsl"),
    bindings: &[
        BindingSpec::read("logits", "[B, C]"),
        BindingSpec::indices("labels", "[B]"),
        BindingSpec::read("class_weights", "[C]"),
        BindingSpec::write("gradient", "[B, C]"),
        BindingSpec::write("totals", "[4]"),
    ],
    twin,
    workgroup_memory: |_| 3 * 256 * 4,
    // A probability near 1 is rounded before the 1 is taken away from it.
    tolerance: Tolerance::new(5e-7, 5e-6),
};

/// Numbers in the totals: sum of losses, sequences classified correctly, sequences, and the sum of their weights.
pub const TOTALS: usize = 4;

/// The loss of a sequence of class y is −Σ a_c log softmax(logits)_c with a = (1 − `smoothing`) w_y one-hot(y) +
/// `smoothing`/C w, as PyTorch's; w are the class weights, all 1 unless `weighted`. Writes the gradient of the losses' sum
/// times `scale`, which is 1/Σ w_y of the whole batch, so that the gradients of micro-batches add up; adds losses, hits,
/// sequences and their weights to `totals`.
pub fn dispatch(
    place: String,
    (rows, classes): (usize, usize),
    scale: f32,
    smoothing: f32,
    weighted: bool,
    [logits, labels, class_weights, gradient, totals]: [View; 5],
) -> Dispatch {
    let size = (rows * classes) as f64;
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![logits, labels, class_weights, gradient, totals],
        constants: vec![("WEIGHTED", weighted.into())],
        parameters: vec![rows as u32, classes as u32, scale.to_bits(), smoothing.to_bits()],
        workgroups: [1, 1, 1],
        cost: Cost { operations: 6.0 * size, bytes: 8.0 * size },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [logits, labels, class_weights, gradient, totals] = bindings else { unreachable!("checked by the plan") };
    let (rows, classes) = (d.parameter(0), d.parameter(1));
    let (scale, smoothing) = (d.parameter_f32(2), d.parameter_f32(3));
    let (logits, labels, class_weights) = (logits.f32(), labels.u32(), class_weights.f32());
    let weighted = d.constant("WEIGHTED") == 1;
    let weight = |class: usize| if weighted { class_weights[class] } else { 1.0 };
    let spread = smoothing / classes as f32;
    // In f64, as a batch may hold thousands of losses.
    let (mut loss, mut correct, mut weights) = (0.0f64, 0.0, 0.0f64);
    for (row, gradient) in gradient.f32_mut()[..rows * classes].chunks_mut(classes).enumerate() {
        let logits = &logits[row * classes..][..classes];
        let label = labels[row] as usize;
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|x| (x - largest).exp()).sum();
        let (own, log_sum) = ((1.0 - smoothing) * weight(label), sum.ln());
        let whole = own + spread * (0..classes).map(weight).sum::<f32>();
        for (class, (gradient, x)) in gradient.iter_mut().zip(logits).enumerate() {
            let truth = spread * weight(class) + if class == label { own } else { 0.0 };
            *gradient = ((x - largest).exp() / sum * whole - truth) * scale;
            // Nothing is added to `largest`: where it is large, the sum of logarithms would round the others away.
            if truth != 0.0 {
                loss += f64::from(truth * (log_sum + (largest - x)));
            }
        }
        correct += if first_largest(logits) == label { 1.0 } else { 0.0 };
        weights += f64::from(weight(label));
    }
    let totals = totals.f32_mut();
    totals[0] += loss as f32;
    totals[1] += correct;
    totals[2] += rows as f32;
    totals[3] += weights as f32;
}

/// The class of the largest logit, the first of equals.
pub fn first_largest(logits: &[f32]) -> usize {
    logits.iter().enumerate().fold(0, |best, (class, x)| if *x > logits[best] { class } else { best })
}
