//! The loss of labels and of numbers: each by itself, their gradient, and the totals.

use super::loss::{ADD_UP, each_row, groups};
use super::{Binding, BindingSpec, Kernel, grid};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View, parameters};

parameters! {
    struct Params {
        rows: u32,
        classes: u32,
        scale: f32,
        accumulate: u32,
    }
}

/// The kernel: the losses of labels or numbers, their gradient and the totals.
pub static KERNEL: Kernel = Kernel {
    name: "element_loss",
    shader: &[include_str!("../../shaders/element_loss.wgsl"), ADD_UP],
    bindings: &[
        BindingSpec::read("logits", "[B, C]"),
        BindingSpec::read("targets", "[B, C]"),
        BindingSpec::write("gradient", "[B, C]"),
        BindingSpec::write("totals", "[groups, 4]"),
    ],
    parameters: Params::FIELDS,
    twin,
    workgroup_memory: |_| 256 * 16,
    tolerance: Tolerance::new(5e-7, 5e-6),
};

/// What a number's loss is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Of σ(logit) against 0 or 1.
    BinaryCrossEntropy = 0,
    /// The square of what the output is off by.
    SquaredError = 1,
}

/// `gradient [B, C]` of the losses' sum times `scale`, which is 1/(B·C) of the whole batch; writes the totals of each group
/// of rows, or adds to them: mean losses, rows of which all labels were told, and rows.
pub fn dispatch(
    place: String,
    (rows, classes): (usize, usize),
    scale: f32,
    form: Form,
    accumulate: bool,
    [logits, targets, gradient, totals]: [View; 4],
) -> Dispatch {
    let size = (rows * classes) as f64;
    let accumulate = accumulate.into();
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![logits, targets, gradient, totals],
        constants: vec![("FORM", form as u32)],
        parameters: Params { rows: rows as u32, classes: classes as u32, scale, accumulate }.words(),
        workgroups: grid(groups(rows)),
        cost: Cost { operations: 8.0 * size, bytes: 12.0 * size },
    }
}

/// −log of what σ(x) gives to the truth y, which is 0 or 1.
pub fn binary_cross_entropy(x: f32, y: f32) -> f32 {
    x.max(0.0) - x * y + (-x.abs()).exp().ln_1p()
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [logits, targets, gradient, totals] = bindings else { unreachable!("checked by the plan") };
    let Params { rows, classes, scale, accumulate } = d.parameters();
    let (rows, classes) = (rows as usize, classes as usize);
    let binary = d.constant("FORM") == Form::BinaryCrossEntropy as usize;
    let (logits, targets) = (logits.f32(), targets.f32());
    each_row(&mut gradient.f32_mut()[..rows * classes], classes, totals.f32_mut(), accumulate, |row, gradient| {
        let (mut loss, mut all) = (0.0f64, binary);
        let own = row * classes..(row + 1) * classes;
        for ((&x, &y), gradient) in logits[own.clone()].iter().zip(&targets[own]).zip(gradient) {
            if binary {
                loss += f64::from(binary_cross_entropy(x, y));
                *gradient = (1.0 / (1.0 + (-x).exp()) - y) * scale;
                all &= (x > 0.0) == (y > 0.5);
            } else {
                loss += f64::from((x - y) * (x - y));
                *gradient = 2.0 * (x - y) * scale;
            }
        }
        [loss / classes as f64, all.into(), 1.0]
    });
}
