//! The plain (Elman) unit: h' = φ(x·W + b + h·U + c).

use super::prelude::*;

/// The tape: h', h.
pub static RNN: Recurrence = Recurrence {
    gates: &[0],
    matrices: &[Matrix { gates: &[0], delta: 0, state: 1 }],
    bias: true,
    tape: 2,
    memory: false,
    activation: Some(Activation::Tanh),
    opened: None,
    extra: 0,
    on_chip: [0, 0],
    forward: forward(
        "rnn_forward",
        &[ROWS, include_str!("../../../shaders/cell/rnn_forward.wgsl"), ONE_PHASE, FORWARD],
        |d, bindings| run_forward(&RNN, forward_step, d, bindings),
    ),
    backward: backward(
        "rnn_backward",
        &[ROWS, include_str!("../../../shaders/cell/rnn_backward.wgsl"), ONE_PHASE, BACKWARD],
        |d, bindings| run_backward(&RNN, backward_step, d, bindings),
        Tolerance::new(1e-9, 1e-5),
    ),
};

fn forward_step(step: &mut TileStep) {
    step.product();
    step.each(|row| {
        let ([x], [p], [c]) = (row.gates, row.product, row.bias);
        next(row.units, [x, p, c], [row.state], row.tape);
    });
}

units! {
    fn next(read x p c; write h; keep t_after t_h) {
        let after = activate::<FUSED, KIND>(x + (p + c));
        ((after,), (after, h))
    }
}

fn backward_step(step: &mut TileStep) {
    step.each_back(|row| {
        let [after, _] = row.tape;
        gradients(row.units, [], [after, row.state], None);
    });
    step.product_back();
}

units! {
    fn gradients(read; write after g; keep) {
        // All of the state's gradient goes through the activation.
        ((g * slope::<KIND>(after), 0.0), ())
    }
}
