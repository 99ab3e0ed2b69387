//! The loss of labels and of numbers: each by itself, their gradient, and the totals.

use super::loss::{ADD_UP, GROUP_MEMORY, each_row, groups};
use super::prelude::*;

kernel! {
    /// The kernel: the losses of labels or numbers, their gradient and the totals.
    "element_loss" + ADD_UP,
    reads: { logits: f32 "[B, C]", targets: f32 "[B, C]" },
    writes: { gradient: f32 "[B, C]", totals: f32 "[groups, 4]" },
    parameters: { rows: usize, classes: usize, scale: f32, accumulate: bool },
    workgroup_memory: GROUP_MEMORY,
    tolerance: [5e-7, 5e-6],
}

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
    bindings: [View; 4],
) -> Dispatch {
    let size = (rows * classes) as f64;
    let cost = Cost { operations: 8.0 * size, bytes: 12.0 * size };
    let params = Params { rows, classes, scale, accumulate };
    KERNEL.dispatch(place, bindings, vec![("FORM", form as u32)], params, grid(groups(rows)), cost)
}

/// −log of what σ(x) gives to the truth y, which is 0 or 1.
pub fn binary_cross_entropy(x: f32, y: f32) -> f32 {
    x.max(0.0) - x * y + (-x.abs()).exp().ln_1p()
}

fn twin(d: &Dispatch, params: Params, Slices { logits, targets, gradient, totals }: Slices) {
    let Params { rows, classes, scale, accumulate } = params;
    let binary = d.constant("FORM") == Form::BinaryCrossEntropy as usize;
    each_row(&mut gradient[..rows * classes], classes, totals, accumulate, |row, gradient| {
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
