//! Rows of a table by index: the embeddings of the distinct tokens of a batch, and what slices with context read of one
//! another.

use super::matmul::Columns;
use super::prelude::*;

kernel! {
    /// The kernel: rows of a table by index, or zeros.
    "gather_rows",
    reads: { ids: u32 "[N]", table: f32 "[V, from_stride]" },
    writes: { out: f32 "[N, to_stride]" },
    parameters: {
        count: usize, width: usize,
        from_stride: usize, from_column: usize,
        to_stride: usize, to_column: usize,
    },
    tolerance: [0.0, 0.0],
}

/// The index of a row of zeros.
pub const NO_ROW: u32 = u32::MAX;

/// `out [count, width]` = rows `ids` of `table [V, width]`, both columns of matrices.
pub fn dispatch(place: String, (count, width): (usize, usize), ids: View, table: Columns, out: Columns) -> Dispatch {
    let params = Params {
        count,
        width,
        from_stride: table.stride,
        from_column: table.column,
        to_stride: out.stride,
        to_column: out.column,
    };
    let cost = Cost { operations: 0.0, bytes: 8.0 * (count * width) as f64 };
    KERNEL.dispatch(place, [ids, table.view, out.view], vec![], params, grid(count), cost)
}

fn twin(_: &Dispatch, params: Params, Slices { ids, table, out }: Slices) {
    let Params { count, width, from_stride: from, from_column, to_stride: to, to_column } = params;
    out[..count * to].par_chunks_mut(to).zip(ids).with_min_len(threads::at_least(64)).for_each(|(out, &id)| {
        let out = &mut out[to_column..][..width];
        match id {
            NO_ROW => out.fill(0.0),
            id => out.copy_from_slice(&table[id as usize * from + from_column..][..width]),
        }
    });
}
