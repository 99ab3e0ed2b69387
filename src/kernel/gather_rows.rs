//! Rows of a table by index: the embeddings of the distinct tokens of a batch, and what slices with context read of one
//! another.

use super::matmul::Columns;
use super::threads;
use super::{Binding, BindingSpec, Kernel, grid, no_workgroup_memory};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View, parameters};
use rayon::prelude::*;

parameters! {
    struct Params {
        count: u32,
        width: u32,
        from_stride: u32,
        from_column: u32,
        to_stride: u32,
        to_column: u32,
    }
}

/// The kernel: rows of a table by index, or zeros.
pub static KERNEL: Kernel = Kernel {
    name: "gather_rows",
    shader: &[include_str!("../../shaders/gather_rows.wgsl")],
    bindings: &[
        BindingSpec::indices("ids", "[N]"),
        BindingSpec::read("table", "[V, from_stride]"),
        BindingSpec::write("out", "[N, to_stride]"),
    ],
    parameters: Params::FIELDS,
    twin,
    workgroup_memory: no_workgroup_memory,
    tolerance: Tolerance::new(0.0, 0.0),
};

/// The index of a row of zeros.
pub const NO_ROW: u32 = u32::MAX;

/// `out [count, width]` = rows `ids` of `table [V, width]`, both columns of matrices.
pub fn dispatch(place: String, (count, width): (usize, usize), ids: View, table: Columns, out: Columns) -> Dispatch {
    let params = Params {
        count: count as u32,
        width: width as u32,
        from_stride: table.stride as u32,
        from_column: table.column as u32,
        to_stride: out.stride as u32,
        to_column: out.column as u32,
    };
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![ids, table.view, out.view],
        constants: vec![],
        parameters: params.words(),
        workgroups: grid(count),
        cost: Cost { operations: 0.0, bytes: 8.0 * (count * width) as f64 },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [ids, table, out] = bindings else { unreachable!("checked by the plan") };
    let Params { count, width, from_stride, from_column, to_stride, to_column } = d.parameters();
    let [count, width, from, from_column, to, to_column] =
        [count, width, from_stride, from_column, to_stride, to_column].map(|size| size as usize);
    let (ids, table) = (ids.u32(), table.f32());
    out.f32_mut()[..count * to].par_chunks_mut(to).zip(ids).with_min_len(threads::at_least(64)).for_each(
        |(out, &id)| {
            let out = &mut out[to_column..][..width];
            match id {
                NO_ROW => out.fill(0.0),
                id => out.copy_from_slice(&table[id as usize * from + from_column..][..width]),
            }
        },
    );
}
