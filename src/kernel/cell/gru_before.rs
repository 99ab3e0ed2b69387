//! The GRU with the reset gate before the product, the paper's own cell: n = φ(x·W_n + b_n + (r∘h)·U_n).

use super::prelude::*;
use crate::kernel::product::dense_product;

recurrence! {
    /// Gates of the input n, r, z; of the state r and z by one matrix, n by another. The tape: n, r, z, r∘h, h.
    GRU_BEFORE = "gru_before",
    tolerance_back: [1e-9, 1e-5],
    gates: &[2, 0, 1],
    matrices: &[Matrix { gates: &[0, 1], delta: 1, state: 4 }, Matrix { gates: &[2], delta: 0, state: 3 }],
    bias: false,
    tape: 5,
    memory: false,
    activation: Some(Activation::Tanh),
    opened: None,
    on_chip: [2, 1],
}

fn forward_step(step: &mut TileStep) {
    let hidden = step.hidden();
    step.product();
    step.each(|row, tape| {
        let ([_, x_r, x_z], [r, z], []) = (row.gates, row.product, row.bias);
        let kept = tape.map(|[_, t_r, t_z, t_reset, _]| [t_r, t_z, t_reset]);
        gates(row.units, [x_r, x_z, row.state], [r, z, row.extra[0]], kept);
    });
    // (r∘h)·U_n, which is 0 in the first step.
    let weights = step.matrix(1);
    let [reset, candidate] = &mut step.extra;
    if step.moved {
        dense_product((step.count, hidden, hidden), candidate, false, reset, weights);
    } else {
        candidate.fill(0.0);
    }
    step.each(|row, tape| {
        let ([x_n, _, _], [_, z], []) = (row.gates, row.product, row.bias);
        let kept = tape.map(|[t_n, _, _, _, t_h]| [t_n, t_h]);
        next(row.units, [x_n, z, row.extra[1]], [row.state], kept);
    });
}

units! {
    /// r and z in place of their products, and r∘h.
    fn gates(read x_r x_z h; write r z reset; keep t_r t_z t_reset) {
        let (r, z) = (sigmoid::<FUSED>(x_r + r), sigmoid::<FUSED>(x_z + z));
        ((r, z, r * h), (r, z, r * h))
    }
}

units! {
    fn next(read x_n z p_n; write h; keep t_n t_h) {
        let n = activate::<FUSED, KIND>(x_n + p_n);
        ((fused::<FUSED>(z, h - n, n),), (n, h))
    }
}

fn backward_step(step: &mut TileStep) {
    let hidden = step.hidden();
    step.each_back(|row, [n, _, z, _, h]| {
        update_and_candidate(row.units, [h], [n, z, row.state, row.extra[0]], None);
    });
    let weights = step.matrix(1);
    let [delta_n, of_reset] = &mut step.extra;
    dense_product((step.count, hidden, hidden), of_reset, false, delta_n, weights);
    step.each_back(|row, [_, r, _, _, h]| {
        reset(row.units, [h, row.extra[1]], [r, row.state], None);
    });
    step.product_back();
}

units! {
    fn update_and_candidate(read h; write n z g delta_n; keep) {
        let d_n = g * (1.0 - z) * slope::<KIND>(n);
        ((d_n, g * (h - n) * z * (1.0 - z), g * z, d_n), ())
    }
}

units! {
    /// r becomes ∂r, and r∘∂(r∘h) is added to the gradient of the state.
    fn reset(read h of_reset; write r g; keep) {
        ((of_reset * h * r * (1.0 - r), g + of_reset * r), ())
    }
}
