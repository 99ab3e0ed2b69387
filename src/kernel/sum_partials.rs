//! The second pass of a weight gradient: sums its parts in a fixed order.

use super::product::add;
use super::threads;
use super::{Binding, BindingSpec, Kernel, grid, no_workgroup_memory};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View, parameters};
use rayon::prelude::*;

parameters! {
    struct Params {
        splits: u32,
        len: u32,
        accumulate: u32,
    }
}

/// The kernel: the sum of parts, in their order.
pub static KERNEL: Kernel = Kernel {
    name: "sum_partials",
    shader: &[include_str!("../../shaders/sum_partials.wgsl")],
    bindings: &[BindingSpec::read("partials", "[splits, len]"), BindingSpec::write("out", "[len]")],
    parameters: Params::FIELDS,
    twin,
    workgroup_memory: no_workgroup_memory,
    tolerance: Tolerance::new(1e-9, 2e-6),
};

/// `out [len] = Σ partials [splits, len]`, added to what stands in `out` when `accumulate`.
pub fn dispatch(
    place: String,
    (splits, len): (usize, usize),
    accumulate: bool,
    [partials, out]: [View; 2],
) -> Dispatch {
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![partials, out],
        constants: vec![],
        parameters: Params { splits: splits as u32, len: len as u32, accumulate: accumulate.into() }.words(),
        workgroups: grid(len.div_ceil(256)),
        cost: Cost { operations: (splits * len) as f64, bytes: 4.0 * (splits + 1) as f64 * len as f64 },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [partials, out] = bindings else { unreachable!("checked by the plan") };
    let Params { splits, len, accumulate } = d.parameters();
    let (splits, len) = (splits as usize, len as usize);
    let (partials, out) = (partials.f32(), &mut out.f32_mut()[..len]);
    if accumulate == 0 {
        out.fill(0.0);
    }
    const COLUMNS: usize = 4096;
    out.par_chunks_mut(COLUMNS).enumerate().with_min_len(threads::at_least(1)).for_each(|(at, out)| {
        for partial in partials.chunks(len).take(splits) {
            add(out, &partial[at * COLUMNS..]);
        }
    });
}
