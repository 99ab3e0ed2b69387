//! Sums rows by groups: the gate gradients of all steps that read the same token, in a fixed order.

use super::prefetch::prefetch;
use super::prelude::*;
use super::product::add;
use super::strands::Strands;

kernel! {
    /// The kernel: sums of rows by group, in the order that the host listed.
    "sum_by_token",
    reads: { members: u32 "[P]", starts: u32 "[groups+1]", values: f32 "[strands][*, stride]" },
    writes: { out: f32 "[strands][groups, width]" },
    parameters: {
        groups: usize, width: usize, stride: usize, accumulate: bool,
        strands: usize, values_apart: usize, out_apart: usize,
    },
    tolerance: [1e-9, 2e-6],
}

/// Members of a group that one workgroup sums; frequent tokens are summed in pieces of this size, then the pieces.
pub const PIECE: usize = 64;

/// Groups, columns that are summed, and numbers from one row of values to the next.
type Sizes = (usize, usize, usize);

/// `out [groups, width]` of every strand: each group's sum of the first `width` columns of its rows of `values [*, stride]`,
/// `rows` in all, added to what stands in `out` when `accumulate`. A group's rows are `members[starts[g]..starts[g+1]]`, or,
/// where the members are [`View::NONE`], `starts[g]..starts[g+1]` themselves.
pub fn dispatch(
    place: String,
    (groups, width, stride): Sizes,
    Strands { count: strands, apart: [values_apart, out_apart] }: Strands<2>,
    rows: usize,
    accumulate: bool,
    bindings: [View; 4],
) -> Dispatch {
    let constants = vec![("LISTED", (bindings[0] != View::NONE).into())];
    let params = Params { groups, width, stride, accumulate, strands, values_apart, out_apart };
    let summed = (strands * width) as f64;
    let cost = Cost { operations: rows as f64 * summed, bytes: 4.0 * (rows + groups) as f64 * summed };
    KERNEL.dispatch(place, bindings, constants, params, grid(strands * groups), cost)
}

/// Rows that are asked for before their turn; groups follow one another in the list, so that these may be another's.
const AHEAD: usize = 3;

fn twin(d: &Dispatch, params: Params, Slices { members, starts, values, out }: Slices) {
    let Params { groups, width, stride, accumulate, strands, values_apart, out_apart } = params;
    let listed = d.constant("LISTED") == 1;
    let rows = starts[groups] as usize;
    for strand in 0..strands {
        let (values, out) = (&values[strand * values_apart..], &mut out[strand * out_apart..][..groups * width]);
        out.par_chunks_mut(width).enumerate().with_min_len(threads::at_least(64)).for_each(|(group, out)| {
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
        });
    }
}
