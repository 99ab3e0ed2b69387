//! Transposes the recurrent weights once a step, so that the backward recurrence reads them along its threads.

use super::prelude::*;

kernel! {
    /// The kernel: the transpose of a small matrix.
    "transpose",
    reads: { matrix: f32 "[M, N]" },
    writes: { out: f32 "[N, M]" },
    parameters: { m: usize, n: usize },
    tolerance: [0.0, 0.0],
}

/// `out [n, m]` = transpose of `matrix [m, n]`.
pub fn dispatch(place: String, (m, n): (usize, usize), bindings: [View; 2]) -> Dispatch {
    let cost = Cost { operations: 0.0, bytes: 8.0 * (m * n) as f64 };
    KERNEL.dispatch(place, bindings, vec![], Params { m, n }, grid((m * n).div_ceil(256)), cost)
}

fn twin(_: &Dispatch, Params { m, n }: Params, Slices { matrix, out }: Slices) {
    for (column, out) in out[..m * n].chunks_mut(m).enumerate() {
        for (row, out) in out.iter_mut().enumerate() {
            *out = matrix[row * n + column];
        }
    }
}
