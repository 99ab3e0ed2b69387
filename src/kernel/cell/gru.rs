//! The GRU with the reset gate after the product, as PyTorch and cuDNN have it: h' = (1 − z)∘n + z∘h.

use super::prelude::*;

recurrence! {
    /// Gates of the input n, r, z; of the state r, z, n. The tape: n, r, z, q = h·U_n + c_n, h.
    GRU = "gru" + ONE_PHASE,
    tolerance_back: [1e-9, 1e-5],
    gates: &[2, 0, 1],
    matrices: &[Matrix { gates: &[0, 1, 2], delta: 1, state: 4 }],
    bias: true,
    tape: 5,
    memory: false,
    activation: Some(Activation::Tanh),
    opened: None,
    on_chip: [0, 0],
}

fn forward_step(step: &mut TileStep) {
    step.product();
    step.each(|row, tape| {
        let ([x_n, x_r, x_z], [p_r, p_z, p_n], [c_r, c_z, c_n]) = (row.gates, row.product, row.bias);
        next(row.units, [x_n, x_r, x_z, p_r, p_z, p_n, c_r, c_z, c_n], [row.state], tape);
    });
}

units! {
    fn next(read x_n x_r x_z p_r p_z p_n c_r c_z c_n; write h; keep t_n t_r t_z t_q t_h) {
        let r = sigmoid::<FUSED>(x_r + (p_r + c_r));
        let z = sigmoid::<FUSED>(x_z + (p_z + c_z));
        let q = p_n + c_n;
        let n = activate::<FUSED, KIND>(fused::<FUSED>(r, q, x_n));
        ((fused::<FUSED>(z, h - n, n),), (n, r, z, q, h))
    }
}

fn backward_step(step: &mut TileStep) {
    step.each_back(|row, [n, r, z, q, h]| {
        gradients(row.units, [h], [n, r, z, q, row.state], None);
    });
    step.product_back();
}

units! {
    fn gradients(read h; write n r z q g; keep) {
        let d_n = g * (1.0 - z) * slope::<KIND>(n);
        ((d_n, d_n * q * r * (1.0 - r), g * (h - n) * z * (1.0 - z), d_n * r, g * z), ())
    }
}
