//! The minimal GRU, whose gates see the input alone (Feng et al., "Were RNNs all we needed?", 2024):
//! h' = (1 − z)∘h + z∘c with z = σ(x·W_z + b_z) and c = φ(x·W_c + b_c). It has no U.

use super::prelude::*;

recurrence! {
    /// Gates z, c. The tape: z, c, h.
    MINGRU = "mingru" + ONE_PHASE,
    tolerance_back: [1e-9, 1e-5],
    gates: &[0, 1],
    matrices: &[],
    bias: false,
    tape: 3,
    memory: false,
    activation: Some(Activation::Identity),
    opened: None,
    on_chip: [0, 0],
}

fn forward_step(step: &mut TileStep) {
    step.each(|row, tape| {
        let ([x_z, x_c], [], []) = (row.gates, row.product, row.bias);
        next(row.units, [x_z, x_c], [row.state], tape);
    });
}

units! {
    fn next(read x_z x_c; write h; keep t_z t_c t_h) {
        let z = sigmoid::<FUSED>(x_z);
        let c = activate::<FUSED, KIND>(x_c);
        ((fused::<FUSED>(z, c - h, h),), (z, c, h))
    }
}

fn backward_step(step: &mut TileStep) {
    step.each_back(|row, [z, c, h]| {
        gradients(row.units, [h], [z, c, row.state], None);
    });
}

units! {
    fn gradients(read h; write z c g; keep) {
        ((g * (c - h) * z * (1.0 - z), g * z * slope::<KIND>(c), g * (1.0 - z)), ())
    }
}
