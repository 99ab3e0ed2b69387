//! Transposes the recurrent weights once a step, so that the backward recurrence reads them along its threads.

use super::{Binding, BindingSpec, Kernel, grid, no_workgroup_memory};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View, parameters};

parameters! {
    struct Params {
        m: u32,
        n: u32,
    }
}

/// The kernel: the transpose of a small matrix.
pub static KERNEL: Kernel = Kernel {
    name: "transpose",
    shader: &[include_str!("../../shaders/transpose.wgsl")],
    bindings: &[BindingSpec::read("matrix", "[M, N]"), BindingSpec::write("out", "[N, M]")],
    parameters: Params::FIELDS,
    twin,
    workgroup_memory: no_workgroup_memory,
    tolerance: Tolerance::new(0.0, 0.0),
};

/// `out [n, m]` = transpose of `matrix [m, n]`.
pub fn dispatch(place: String, (m, n): (usize, usize), [matrix, out]: [View; 2]) -> Dispatch {
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![matrix, out],
        constants: vec![],
        parameters: Params { m: m as u32, n: n as u32 }.words(),
        workgroups: grid((m * n).div_ceil(256)),
        cost: Cost { operations: 0.0, bytes: 8.0 * (m * n) as f64 },
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [matrix, out] = bindings else { unreachable!("checked by the plan") };
    let Params { m, n } = d.parameters();
    let (m, n) = (m as usize, n as usize);
    let matrix = matrix.f32();
    for (column, out) in out.f32_mut()[..m * n].chunks_mut(m).enumerate() {
        for (row, out) in out.iter_mut().enumerate() {
            *out = matrix[row * n + column];
        }
    }
}
