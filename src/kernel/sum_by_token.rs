//! Sums rows by groups: the gate gradients of all steps that read the same token, in a fixed order.

use super::prefetch::prefetch;
use super::product::add;
use super::threads;
use super::{Binding, BindingSpec, Kernel, grid, no_workgroup_memory};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View, parameters};
use rayon::prelude::*;

parameters! {
    struct Params {
        groups: u32,
        width: u32,
        stride: u32,
        accumulate: u32,
    }
}

/// The kernel: sums of rows by group, in the order that the host listed.
pub static KERNEL: Kernel = Kernel {
    name: "sum_by_token",
    shader: &[include_str!("../../shaders/sum_by_token.wgsl")],
    bindings: &[
        BindingSpec::indices("members", "[P]"),
        BindingSpec::indices("starts", "[groups+1]"),
        BindingSpec::read("values", "[*, stride]"),
        BindingSpec::write("out", "[groups, width]"),
    ],
    parameters: Params::FIELDS,
    twin,
    workgroup_memory: no_workgroup_memory,
    tolerance: Tolerance::new(1e-9, 2e-6),
};

/// Members of a group that one workgroup sums; frequent tokens are summed in pieces of this size, then the pieces.
pub const PIECE: usize = 64;

/// Which rows a group sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// Rows `members[starts[g]..starts[g+1]]`.
    Listed,
    /// Rows `starts[g]..starts[g+1]` themselves; `members` is not read.
    Consecutive,
}

/// `out [groups, width]`: each group's sum of the first `width` columns of its rows of `values [*, stride]`, added to
/// what stands in `out` when `accumulate`.
pub fn dispatch(
    place: String,
    (groups, width, stride): (usize, usize, usize),
    rows: usize,
    members_are: Members,
    accumulate: bool,
    [members, starts, values, out]: [View; 4],
) -> Dispatch {
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![members, starts, values, out],
        constants: vec![("LISTED", (members_are == Members::Listed).into())],
        parameters: Params {
            groups: groups as u32,
            width: width as u32,
            stride: stride as u32,
            accumulate: accumulate.into(),
        }
        .words(),
        workgroups: grid(groups),
        cost: Cost { operations: (rows * width) as f64, bytes: 4.0 * ((rows + groups) * width) as f64 },
    }
}

/// Rows that are asked for before their turn; groups follow one another in the list, so that these may be another's.
const AHEAD: usize = 3;

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [members, starts, values, out] = bindings else { unreachable!("checked by the plan") };
    let Params { groups, width, stride, accumulate } = d.parameters();
    let [groups, width, stride] = [groups, width, stride].map(|size| size as usize);
    let (listed, accumulate) = (d.constant("LISTED") == 1, accumulate == 1);
    let (members, starts, values) = (members.u32(), starts.u32(), values.f32());
    let rows = starts[groups] as usize;
    out.f32_mut()[..groups * width].par_chunks_mut(width).enumerate().with_min_len(threads::at_least(64)).for_each(
        |(group, out)| {
            let row = |member: u32| {
                let row = if listed { members[member as usize] } else { member } as usize;
                &values[row * stride..][..width]
            };
            let mut own = starts[group]..starts[group + 1];
            if !accumulate {
                match own.next() {
                    Some(first) => out.copy_from_slice(row(first)),
                    None => out.fill(0.0),
                }
            }
            own.for_each(|member| {
                if (member as usize) + AHEAD < rows {
                    prefetch(row(member + AHEAD as u32));
                }
                add(out, row(member));
            });
        },
    );
}
