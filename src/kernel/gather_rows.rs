//! Rows of a table by index: the embeddings of the distinct tokens of a batch.

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
        BindingSpec::read("table", "[V, D]"),
        BindingSpec::write("out", "[N, D]"),
    ],
    twin,
    workgroup_memory: no_workgroup_memory,
    tolerance: Tolerance::new(0.0, 0.0),
};

/// `out [count, width]` = rows `ids` of `table [V, width]`.
pub fn dispatch(place: String, (count, width): (usize, usize), [ids, table, out]: [View; 3]) -> Dispatch {
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![ids, table, out],
        constants: vec![],
        parameters: vec![count as u32, width as u32],
        workgroups: grid(count),
        cost: Cost { operations: 0.0, bytes: 8.0 * (count * width) as f64 },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [ids, table, out] = bindings else { unreachable!("checked by the plan") };
    let (count, width) = (d.parameter(0), d.parameter(1));
    let (ids, table) = (ids.u32(), table.f32());
    out.f32_mut()[..count * width]
        .par_chunks_mut(width)
        .zip(ids)
        .with_min_len(64)
        .for_each(|(out, &id)| out.copy_from_slice(&table[id as usize * width..][..width]));
}
