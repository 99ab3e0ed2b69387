//! Transposes the recurrent weights once a step, so that the backward recurrences read them along their threads.

use super::prelude::*;

kernel! {
    /// The kernel: the transposes of small matrices.
    "transpose",
    reads: { matrices: u32 "[A, 4] first in out, first in weights, M, N", weights: f32 "of each matrix [M, N]" },
    writes: { out: f32 "of each matrix [N, M]" },
    parameters: { matrices: usize, end: usize },
    tolerance: [0.0, 0.0],
}

/// One matrix `[m, n]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Where its transpose begins in the output.
    pub to: usize,
    /// Where it begins among the weights.
    pub from: usize,
    /// Rows.
    pub m: usize,
    /// Columns.
    pub n: usize,
}

/// The list of matrices that the kernel reads.
pub fn list(matrices: &[Matrix]) -> Vec<u32> {
    matrices
        .iter()
        .flat_map(|matrix| [matrix.to, matrix.from, matrix.m, matrix.n].map(|number| number as u32))
        .collect()
}

/// The transposes of all `matrices`, of which there is at least one, and whose [`list`] is the first binding. They stand in the
/// output one behind the other, with or without gaps.
pub fn dispatch(place: String, matrices: &[Matrix], bindings: [View; 3]) -> Dispatch {
    let numbers: usize = matrices.iter().map(|matrix| matrix.m * matrix.n).sum();
    let end = matrices.iter().map(|matrix| matrix.to + matrix.m * matrix.n).max().unwrap_or(0);
    let cost = Cost { operations: 0.0, bytes: 8.0 * numbers as f64 };
    let params = Params { matrices: matrices.len(), end };
    KERNEL.dispatch(place, bindings, vec![], params, grid(end.div_ceil(256)), cost)
}

fn twin(_: &Dispatch, Params { matrices: count, .. }: Params, Slices { matrices, weights, out }: Slices) {
    for matrix in matrices.chunks(4).take(count) {
        let [to, from, m, n] = [0, 1, 2, 3].map(|at| matrix[at] as usize);
        for (column, out) in out[to..][..m * n].chunks_mut(m).enumerate() {
            for (row, out) in out.iter_mut().enumerate() {
                *out = weights[from + row * n + column];
            }
        }
    }
}
