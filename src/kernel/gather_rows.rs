//! Rows of a table by index: the embeddings of the distinct tokens of a batch, what slices with context read of one
//! another, and what they know before they begin on the way down.

use super::matmul::Columns;
use super::prelude::*;
use super::product::add;

kernel! {
    /// The kernel: rows of a table by index, or zeros.
    "gather_rows",
    reads: { ids: u32 "[N]", table: f32 "[V, from_stride]" },
    writes: { out: f32 "[N, to_stride]" },
    parameters: {
        count: usize, width: usize,
        from_stride: usize, from_column: usize,
        to_stride: usize, to_column: usize,
        accumulate: bool,
    },
    tolerance: [0.0, 0.0],
}

/// The index of a row of zeros.
pub const NO_ROW: u32 = u32::MAX;

/// `out [count, width]` = rows `ids` of `table [V, width]`, both columns of matrices.
pub fn dispatch(place: String, sizes: (usize, usize), ids: View, table: Columns, out: Columns) -> Dispatch {
    gather(place, sizes, false, ids, table, out)
}

/// The same, added to what is there.
pub fn add_dispatch(place: String, sizes: (usize, usize), ids: View, table: Columns, out: Columns) -> Dispatch {
    gather(place, sizes, true, ids, table, out)
}

fn gather(
    place: String,
    (count, width): (usize, usize),
    accumulate: bool,
    ids: View,
    table: Columns,
    out: Columns,
) -> Dispatch {
    let params = Params {
        count,
        width,
        from_stride: table.stride,
        from_column: table.column,
        to_stride: out.stride,
        to_column: out.column,
        accumulate,
    };
    let cost = Cost { operations: 0.0, bytes: 8.0 * (count * width) as f64 };
    KERNEL.dispatch(place, [ids, table.view, out.view], vec![], params, grid(count), cost)
}

fn twin(_: &Dispatch, params: Params, Slices { ids, table, out }: Slices) {
    let Params { count, width, from_stride: from, from_column, to_stride: to, to_column, accumulate } = params;
    out[..count * to].par_chunks_mut(to).zip(ids).with_min_len(threads::at_least(64)).for_each(|(out, &id)| {
        let out = &mut out[to_column..][..width];
        let row = |id: u32| &table[id as usize * from + from_column..][..width];
        match (id, accumulate) {
            (NO_ROW, true) => {}
            (NO_ROW, false) => out.fill(0.0),
            (id, true) => add(out, row(id)),
            (id, false) => out.copy_from_slice(row(id)),
        }
    });
}
