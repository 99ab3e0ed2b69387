//! The loss of labels and of numbers: each by itself, their gradient, and the running totals of a training run.

use super::{Binding, BindingSpec, Kernel};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View};

pub static KERNEL: Kernel = Kernel {
    name: "element_loss",
    preludes: &[],
    shader: include_str!("../../shaders/element_loss.wgsl"),
    bindings: &[
        BindingSpec::read("logits", "[B, C]"),
        BindingSpec::read("targets", "[B, C]"),
        BindingSpec::write("gradient", "[B, C]"),
        BindingSpec::write("totals", "[4]"),
    ],
    twin,
    workgroup_memory: |_| 2 * 256 * 4,
    tolerance: Tolerance::new(5e-7, 5e-6),
};

/// What a number's loss is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Of σ(logit) against 0 or 1.
    BinaryCrossEntropy = 0,
    SquaredError = 1,
}

/// `gradient [B, C]` of the losses' sum times `scale`; adds each sequence's mean loss, whether all of its labels were
/// told, and the sequences to `totals`. `scale` is 1/(B·C) of the whole batch.
pub fn dispatch(
    place: String,
    (rows, classes): (usize, usize),
    scale: f32,
    form: Form,
    [logits, targets, gradient, totals]: [View; 4],
) -> Dispatch {
    let size = (rows * classes) as f64;
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![logits, targets, gradient, totals],
        constants: vec![("FORM", form as u32)],
        parameters: vec![rows as u32, classes as u32, scale.to_bits()],
        workgroups: [1, 1, 1],
        cost: Cost { operations: 8.0 * size, bytes: 12.0 * size },
    }
}

/// −log of what σ(x) gives to the truth y, which is 0 or 1.
pub fn binary_cross_entropy(x: f32, y: f32) -> f32 {
    x.max(0.0) - x * y + (-x.abs()).exp().ln_1p()
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [logits, targets, gradient, totals] = bindings else { unreachable!("checked by the plan") };
    let (rows, classes, scale) = (d.parameter(0), d.parameter(1), d.parameter_f32(2));
    let binary = d.constant("FORM") == Form::BinaryCrossEntropy as usize;
    let count = rows * classes;
    let (logits, targets) = (&logits.f32()[..count], &targets.f32()[..count]);
    let (mut loss, mut hits) = (0.0f64, 0.0);
    let each = logits.chunks(classes).zip(targets.chunks(classes));
    for ((logits, targets), gradient) in each.zip(gradient.f32_mut().chunks_mut(classes)) {
        let (mut own, mut all) = (0.0f64, binary);
        for ((&x, &y), gradient) in logits.iter().zip(targets).zip(gradient) {
            if binary {
                own += f64::from(binary_cross_entropy(x, y));
                *gradient = (1.0 / (1.0 + (-x).exp()) - y) * scale;
                all &= (x > 0.0) == (y > 0.5);
            } else {
                own += f64::from((x - y) * (x - y));
                *gradient = 2.0 * (x - y) * scale;
            }
        }
        loss += own / classes as f64;
        hits += if all { 1.0 } else { 0.0 };
    }
    let totals = totals.f32_mut();
    totals[0] += loss as f32;
    totals[1] += hits;
    totals[2] += rows as f32;
    totals[3] += rows as f32;
}
