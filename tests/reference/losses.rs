//! Losses of a batch, each with its gradient into the logits. All are means, as PyTorch's functions of the same names.

/// Logits `[B, C]` and labels `[B]` to the mean cross-entropy and its gradient `[B, C]`.
pub fn softmax_cross_entropy(logits: &[f64], labels: &[usize], classes: usize) -> (f64, Vec<f64>) {
    smoothed_cross_entropy(logits, labels, &vec![1.0; classes], 0.0)
}

/// Cross-entropy against (1 − ε)·onehot + ε/C, with `weights` `[C]` of the classes, as PyTorch's `cross_entropy` with
/// `weight` and `label_smoothing`: the weight of class c multiplies the term of c in every sum over the classes, and
/// the mean divides by the sum of the weights of the batch's labels, not by B.
pub fn smoothed_cross_entropy(logits: &[f64], labels: &[usize], weights: &[f64], epsilon: f64) -> (f64, Vec<f64>) {
    let classes = weights.len();
    assert_eq!(logits.len(), labels.len() * classes, "one label per sequence");
    let total: f64 = labels.iter().map(|&label| weights[label]).sum();
    let mut loss = 0.0;
    let mut gradient = Vec::new();
    for (values, &label) in logits.chunks(classes).zip(labels) {
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = values.iter().map(|value| (value - largest).exp()).sum();
        let log_sum = largest + sum.ln();
        let onehot = |class| if class == label { 1.0 } else { 0.0 };
        let share = |class: usize| weights[class] * ((1.0 - epsilon) * onehot(class) + epsilon / classes as f64);
        let shares: f64 = (0..classes).map(share).sum();
        for (class, value) in values.iter().enumerate() {
            loss += share(class) * (log_sum - value) / total;
            gradient.push((shares * (value - log_sum).exp() - share(class)) / total);
        }
    }
    (loss, gradient)
}

/// Logits and targets (0 to 1) `[B, C]` to the mean over all of them of −t·ln σ(x) − (1 − t)·ln(1 − σ(x)), and its
/// gradient.
pub fn binary_cross_entropy_with_logits(logits: &[f64], targets: &[f64]) -> (f64, Vec<f64>) {
    assert_eq!(logits.len(), targets.len(), "one target per logit");
    let count = logits.len() as f64;
    let mut loss = 0.0;
    let mut gradient = Vec::new();
    for (x, t) in logits.iter().zip(targets) {
        // −ln σ(x) = ln(1 + e^−x), in a form that bears a large |x|.
        let log = (-x.abs()).exp().ln_1p() + (-x).max(0.0);
        loss += (log + (1.0 - t) * x) / count;
        gradient.push((super::linear::sigmoid(*x) - t) / count);
    }
    (loss, gradient)
}

/// Outputs and targets `[B, C]` to the mean over all of them of (y − t)², and its gradient.
pub fn mean_squared_error(outputs: &[f64], targets: &[f64]) -> (f64, Vec<f64>) {
    assert_eq!(outputs.len(), targets.len(), "one target per output");
    let count = outputs.len() as f64;
    let mut loss = 0.0;
    let mut gradient = Vec::new();
    for (y, t) in outputs.iter().zip(targets) {
        loss += (y - t) * (y - t) / count;
        gradient.push(2.0 * (y - t) / count);
    }
    (loss, gradient)
}
