//! The LSTM: c' = f∘c + i∘g, h' = o∘tanh(c').

use super::prelude::*;

recurrence! {
    /// Gates i, f, g, o of input and state. The tape: i, f, g, o, c, h.
    LSTM = "lstm" + ONE_PHASE,
    // tanh(c') is computed anew.
    tolerance_back: [1e-7, 2e-5],
    gates: &[0, 1, 2, 3],
    matrices: &[Matrix { gates: &[0, 1, 2, 3], delta: 0, state: 5 }],
    bias: true,
    tape: 6,
    memory: true,
    activation: None,
    // So that at the beginning the memory is kept (Jozefowicz et al., 2015).
    opened: Some(1),
    on_chip: [0, 0],
}

fn forward_step(step: &mut TileStep) {
    step.product();
    step.each(|row, tape| {
        let ([x_i, x_f, x_g, x_o], [p_i, p_f, p_g, p_o], [c_i, c_f, c_g, c_o]) = (row.gates, row.product, row.bias);
        let read = [x_i, x_f, x_g, x_o, p_i, p_f, p_g, p_o, c_i, c_f, c_g, c_o];
        next(row.units, read, [row.state, row.memory], tape);
    });
}

units! {
    fn next(
        read x_i x_f x_g x_o p_i p_f p_g p_o c_i c_f c_g c_o; write h c; keep t_i t_f t_g t_o t_c t_h
    ) {
        let i = sigmoid::<FUSED>(x_i + (p_i + c_i));
        let f = sigmoid::<FUSED>(x_f + (p_f + c_f));
        let g = tanh::<FUSED>(x_g + (p_g + c_g));
        let o = sigmoid::<FUSED>(x_o + (p_o + c_o));
        let after = fused::<FUSED>(f, c, i * g);
        ((o * tanh::<FUSED>(after), after), (i, f, g, o, c, h))
    }
}

fn backward_step(step: &mut TileStep) {
    step.each_back(|row, [i, f, g, o, c, _]| {
        gradients(row.units, [c], [i, f, g, o, row.state, row.memory], None);
    });
    step.product_back();
}

units! {
    fn gradients(read c; write i f g o d_h d_memory; keep) {
        let y = tanh::<FUSED>(fused::<FUSED>(f, c, i * g));
        let d_c = d_memory + d_h * o * (1.0 - y * y);
        let gates = (d_c * g * i * (1.0 - i), d_c * c * f * (1.0 - f), d_c * i * (1.0 - g * g), d_h * y * o * (1.0 - o));
        // All of the state's gradient goes through the gates.
        ((gates.0, gates.1, gates.2, gates.3, 0.0, d_c * f), ())
    }
}
