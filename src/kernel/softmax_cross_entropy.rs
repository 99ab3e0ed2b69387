//! The loss of classes, its gradient into the logits, and the totals.

use super::loss::{ADD_UP, GROUP_MEMORY, each_row, groups};
use super::prelude::*;

kernel! {
    /// The kernel: the losses of classes, their gradient into the logits and the totals.
    "softmax_cross_entropy" + ADD_UP,
    reads: { logits: f32 "[B, C]", labels: u32 "[B]", class_weights: f32 "[C]" },
    writes: { gradient: f32 "[B, C]", totals: f32 "[groups, 4]" },
    parameters: { rows: usize, classes: usize, scale: f32, smoothing: f32, accumulate: bool },
    workgroup_memory: GROUP_MEMORY,
    // A probability near 1 is rounded before the 1 is taken away from it.
    tolerance: [5e-7, 5e-6],
}

/// The loss of a row of class y is −Σ a_c log softmax(logits)_c with a = (1 − `smoothing`) w_y one-hot(y) +
/// `smoothing`/C w, as PyTorch's; w are the class weights, all 1 for [`View::NONE`]. Writes the gradient of the losses' sum
/// times `scale`, which is 1/Σ w_y of the whole batch, so that the gradients of micro-batches add up; writes the totals of
/// each group of rows, or adds to them.
pub fn dispatch(
    place: String,
    (rows, classes): (usize, usize),
    (scale, smoothing): (f32, f32),
    accumulate: bool,
    bindings: [View; 5],
) -> Dispatch {
    let size = (rows * classes) as f64;
    let weighted = bindings[2] != View::NONE;
    let params = Params { rows, classes, scale, smoothing, accumulate };
    let cost = Cost { operations: 6.0 * size, bytes: 8.0 * size };
    KERNEL.dispatch(place, bindings, vec![("WEIGHTED", weighted.into())], params, grid(groups(rows)), cost)
}

fn twin(d: &Dispatch, params: Params, Slices { logits, labels, class_weights, gradient, totals }: Slices) {
    let Params { rows, classes, scale, smoothing, accumulate } = params;
    let weighted = d.constant("WEIGHTED") == 1;
    let weight = |class: usize| if weighted { class_weights[class] } else { 1.0 };
    let spread = smoothing / classes as f32;
    each_row(&mut gradient[..rows * classes], classes, totals, accumulate, |row, gradient| {
        let logits = &logits[row * classes..][..classes];
        let label = labels[row] as usize;
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|x| (x - largest).exp()).sum();
        let (own, log_sum) = ((1.0 - smoothing) * weight(label), sum.ln());
        let whole = own + spread * (0..classes).map(weight).sum::<f32>();
        let mut loss = 0.0f64;
        for (class, (gradient, x)) in gradient.iter_mut().zip(logits).enumerate() {
            let truth = spread * weight(class) + if class == label { own } else { 0.0 };
            *gradient = ((x - largest).exp() / sum * whole - truth) * scale;
            // Nothing is added to `largest`: where it is large, the sum of logarithms would round the others away.
            if truth != 0.0 {
                loss += f64::from(truth * (log_sum + (largest - x)));
            }
        }
        [loss, (first_largest(logits) == label).into(), weight(label).into()]
    });
}

/// The class of the largest logit, the first of equals.
pub fn first_largest(logits: &[f32]) -> usize {
    logits.iter().enumerate().fold(0, |best, (class, x)| if *x > logits[best] { class } else { best })
}
