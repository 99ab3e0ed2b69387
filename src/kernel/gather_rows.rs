//! Rows of a table by index: the embeddings of the distinct tokens of a batch, and what slices with context read of one
//! another.

use super::matmul::Columns;
use super::threads;
use super::{Binding, BindingSpec, Kernel, grid, no_workgroup_memory};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View};
use rayon::prelude::*;

pub static KERNEL: Kernel = Kernel {
    name: "gather_rows",
    preludes: &[],
    shader: include_str!("../../shaders/gather_rows.wgsl"),
    bindings: &[
        BindingSpec::indices("ids", "[N]"),
        BindingSpec::read("table", "[V, from_stride]"),
        BindingSpec::write("out", "[N, to_stride]"),
    ],
    twin,
    workgroup_memory: no_workgroup_memory,
    tolerance: Tolerance::new(0.0, 0.0),
};

/// The index of a row of zeros.
pub const NO_ROW: u32 = u32::MAX;

/// `out [count, width]` = rows `ids` of `table [V, width]`, both columns of matrices.
pub fn dispatch(place: String, (count, width): (usize, usize), ids: View, table: Columns, out: Columns) -> Dispatch {
    let sizes = [count, width, table.stride, table.column, out.stride, out.column];
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![ids, table.view, out.view],
        constants: vec![],
        parameters: sizes.map(|size| size as u32).to_vec(),
        workgroups: grid(count),
        cost: Cost { operations: 0.0, bytes: 8.0 * (count * width) as f64 },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [ids, table, out] = bindings else { unreachable!("checked by the plan") };
    let [count, width, from, from_column, to, to_column] = std::array::from_fn(|at| d.parameter(at));
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
