//! The plain (Elman) unit: h' = φ(x·W + b + h·U + c).

use super::prelude::*;

recurrence! {
    /// The tape: h', h.
    RNN = "rnn" + ONE_PHASE,
    tolerance_back: [1e-9, 1e-5],
    gates: &[0],
    matrices: &[Matrix { gates: &[0], delta: 0, state: 1 }],
    bias: true,
    tape: 2,
    memory: false,
    activation: Some(Activation::Tanh),
    opened: None,
    on_chip: [0, 0],
}

fn forward_step(step: &mut TileStep) {
    step.product();
    step.each(|row, tape| {
        let ([x], [p], [c]) = (row.gates, row.product, row.bias);
        next(row.units, [x, p, c], [row.state], tape);
    });
}

units! {
    fn next(read x p c; write h; keep t_after t_h) {
        let after = activate::<FUSED, KIND>(x + (p + c));
        ((after,), (after, h))
    }
}

fn backward_step(step: &mut TileStep) {
    step.each_back(|row, [after, _]| {
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
