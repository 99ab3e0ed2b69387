//! Tiled matrix products, in the three forms that a layer needs: outputs, input gradients, weight gradients.

use super::product::{Strides, add, product};
use super::threads;
use super::{Binding, BindingSpec, Kernel, grid};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View, parameters};
use rayon::prelude::*;

parameters! {
    #[derive(Default)]
    struct Params {
        m: u32,
        n: u32,
        k: u32,
        a_stride: u32,
        a_column: u32,
        b_stride: u32,
        b_column: u32,
        per_split: u32,
        accumulate: u32,
        bias: u32,
    }
}

impl Params {
    /// Of a product over columns of both matrices, in one part.
    fn new([m, n, k]: [usize; 3], a: Columns, b: Columns) -> Params {
        let [m, n, k, a_stride, a_column, b_stride, b_column] =
            [m, n, k, a.stride, a.column, b.stride, b.column].map(|number| number as u32);
        Params { m, n, k, a_stride, a_column, b_stride, b_column, per_split: k, ..Params::default() }
    }
}

/// The kernel: matrix products in three forms, tiled.
pub static KERNEL: Kernel = Kernel {
    name: "matmul",
    shader: &[include_str!("../../shaders/matmul.wgsl")],
    bindings: &[
        BindingSpec::read("a", "[M, K], or [K, M] for a weight gradient"),
        BindingSpec::read("b", "[K+1, N] with a last row of biases, [N, K] or [K, N]"),
        BindingSpec::write("out", "[M, N], or [splits, M+1, N] for a weight gradient"),
    ],
    parameters: Params::FIELDS,
    twin,
    workgroup_memory: |_| 2 * SLAB * TILE * 4,
    tolerance: Tolerance::new(1e-7, 5e-6),
};

/// Rows and columns of the output that a workgroup owns, and steps of the sum that it holds on chip at a time.
const TILE: u32 = 64;
const SLAB: u32 = 16;

/// The form of a product, as the shader's constant `FORM`.
const PROJECT: u32 = 0;
const INPUT_GRADIENT: u32 = 1;
const WEIGHT_GRADIENT: u32 = 2;

/// A matrix whose rows are `stride` numbers apart, beginning with column `column`.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The numbers of the matrix, from its row 0 and its own column 0 on.
    pub view: View,
    /// Numbers from one row to the next, at least the columns that are used.
    pub stride: usize,
    /// The first column that is used, from 0.
    pub column: usize,
}

impl Columns {
    /// All columns of a matrix.
    pub fn all(view: View, stride: usize) -> Columns {
        Columns { view, stride, column: 0 }
    }
}

fn tiles_of(count: usize) -> u32 {
    count.div_ceil(TILE as usize) as u32
}

fn cost(m: usize, n: usize, k: usize) -> Cost {
    let (m, n, k) = (m as f64, n as f64, k as f64);
    Cost { operations: 2.0 * m * n * k, bytes: 4.0 * (m * k + k * n + m * n) }
}

/// `out [m, n] = a [m, k] · w [k, n] + bias`, where the bias is row `k` of `w [k+1, n]`.
pub fn project(place: String, (m, n, k): (usize, usize, usize), a: View, w: View, out: View) -> Dispatch {
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![a, w, out],
        constants: vec![("FORM", PROJECT)],
        parameters: Params::new([m, n, k], Columns::all(a, k), Columns::all(w, n)).words(),
        workgroups: grid_of(tiles_of(m), tiles_of(n), 1),
        cost: cost(m, n, k),
    }
}

/// `out [m, n] = delta [m, k] · wᵀ`, with `w [n, k]` (a bias below it is not read), added to what stands in `out` when
/// `accumulate`.
pub fn input_gradient(
    place: String,
    (m, n, k): (usize, usize, usize),
    delta: Columns,
    w: View,
    accumulate: bool,
    out: View,
) -> Dispatch {
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![delta.view, w, out],
        constants: vec![("FORM", INPUT_GRADIENT)],
        parameters: Params { accumulate: accumulate.into(), ..Params::new([m, n, k], delta, Columns::all(w, k)) }
            .words(),
        workgroups: grid_of(tiles_of(m), tiles_of(n), 1),
        cost: cost(m, n, k),
    }
}

/// Rows of a weight gradient's sum in one part; fixed, so that the order of the sum is.
const ROWS_PER_SPLIT: usize = 512;

/// Parts in which a weight gradient over `rows` rows is summed.
pub fn splits(rows: usize) -> usize {
    rows.div_ceil(ROWS_PER_SPLIT)
}

/// Partial weight gradients `out [splits, m+1, n]`: per part of the rows `[x | 1]ᵀ · delta`, the last row being the
/// bias gradient unless there is none (`m` rows then). With `accumulate` the parts are added to what stands in `out`.
pub fn weight_gradient(
    place: String,
    (m, n, rows): (usize, usize, usize),
    bias: bool,
    [x, delta]: [Columns; 2],
    accumulate: bool,
    out: View,
) -> Dispatch {
    let outputs = m + usize::from(bias);
    let params = Params {
        per_split: ROWS_PER_SPLIT as u32,
        accumulate: accumulate.into(),
        bias: bias.into(),
        ..Params::new([outputs, n, rows], x, delta)
    };
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![x.view, delta.view, out],
        constants: vec![("FORM", WEIGHT_GRADIENT)],
        parameters: params.words(),
        workgroups: grid_of(tiles_of(outputs), tiles_of(n), splits(rows) as u32),
        cost: cost(m, n, rows),
    }
}

/// Workgroups along the rows may exceed WebGPU's limit for one dimension; columns and splits do not.
fn grid_of(rows: u32, columns: u32, splits: u32) -> [u32; 3] {
    let [x, y, _] = grid(rows as usize);
    [x, y, columns * splits]
}

/// Operations below which a block of rows is not handed to another thread: some ten microseconds of work.
const WORTH_A_THREAD: usize = 500_000;

/// The results in blocks of `numbers`, shared among the threads.
fn blocks(out: &mut [f32], numbers: usize) -> impl IndexedParallelIterator<Item = (usize, &mut [f32])> {
    out.par_chunks_mut(numbers).enumerate().with_min_len(threads::at_least(1))
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [a, b, out] = bindings else { unreachable!("checked by the plan") };
    let params: Params = d.parameters();
    let Params { m, n, k, a_stride, a_column, b_stride, b_column, per_split, .. } = params;
    let [m, n, k, a_stride, a_column, b_stride, b_column, per_split] =
        [m, n, k, a_stride, a_column, b_stride, b_column, per_split].map(|number| number as usize);
    let (keep, bias) = (params.accumulate as f32, params.bias as usize);
    let (a, b, out) = (a.f32(), b.f32(), out.f32_mut());
    let rows_of_a = Strides::rows(a_stride).from(a_column);
    // Blocks of rows that keep every thread busy, the packing of `b` cheap, and each worth handing to a thread.
    let worth = WORTH_A_THREAD.div_ceil(2 * n * k).max(1);
    let block = m.div_ceil(threads::count()).clamp(worth, worth.max(512));
    match d.constant("FORM") as u32 {
        PROJECT => blocks(&mut out[..m * n], block * n).for_each(|(i, out)| {
            for row in out.chunks_mut(n) {
                row.copy_from_slice(&b[k * n..][..n]);
            }
            let rows = rows_of_a.from(i * block * a_stride);
            product((out.len() / n, n, k), out, Strides::rows(n), 1.0, a, rows, b, Strides::rows(n));
        }),
        INPUT_GRADIENT => blocks(&mut out[..m * n], block * n).for_each(|(i, out)| {
            let rows = rows_of_a.from(i * block * a_stride);
            product((out.len() / n, n, k), out, Strides::rows(n), keep, a, rows, b, Strides::columns(k));
        }),
        _ => {
            let splits = k.div_ceil(per_split);
            // Parts of the sum are handed out; where there are too few of them, they are cut along the inputs, too.
            let worth = WORTH_A_THREAD.div_ceil(2 * n * per_split).max(1);
            let block = m.div_ceil(threads::count().div_ceil(splits)).max(worth);
            blocks(&mut out[..splits * m * n], m * n).for_each(|(split, out)| {
                let first = split * per_split;
                let rows = per_split.min(k - first);
                let delta = Strides::rows(b_stride).from(b_column + first * b_stride);
                blocks(out, block * n).for_each(|(part, out)| {
                    let inputs = (m - bias).saturating_sub(part * block).min(out.len() / n);
                    let x = Strides::columns(a_stride).from(a_column + first * a_stride + part * block);
                    product((inputs, n, rows), out, Strides::rows(n), keep, a, x, b, delta);
                    let of_bias = &mut out[inputs * n..];
                    if of_bias.is_empty() {
                        return;
                    }
                    if keep == 0.0 {
                        of_bias.fill(0.0);
                    }
                    for row in b[delta.offset..].chunks(b_stride).take(rows) {
                        add(of_bias, row);
                    }
                });
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::compare;
    use crate::plan::BufferId;
    use rayon::ThreadPoolBuilder;

    /// What the twin makes of numbers that follow from their places, on so many threads.
    fn on(threads: usize, dispatch: &Dispatch) -> Vec<f32> {
        let numbers = |view: &View| (0..view.len).map(|at| (at as f32 * 0.37).sin()).collect::<Vec<f32>>();
        let [a, b, mut out] = [0, 1, 2].map(|at| numbers(&dispatch.bindings[at]));
        let [a, b] = [&a, &b].map(|values| Binding::Read(bytemuck::cast_slice(values)));
        let own = Binding::Write(bytemuck::cast_slice_mut(&mut out));
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| twin(dispatch, &mut [a, b, own]));
        out
    }

    /// How results are handed out does not change them; small plans, as most tests have, are not cut at all.
    #[test]
    fn any_number_of_threads_gives_the_same_products() {
        let view = |len| View { buffer: BufferId(0), offset: 0, len };
        let place = String::new;
        let (m, n) = (61, 90);
        for rows in [7, 300, 700] {
            let mut dispatches = vec![
                project(place(), (rows, n, m), view(rows * m), view((m + 1) * n), view(rows * n)),
                input_gradient(
                    place(),
                    (rows, m, n),
                    Columns::all(view(rows * n), n),
                    view(m * n),
                    false,
                    view(rows * m),
                ),
            ];
            for (bias, accumulate, column) in [(true, false, 0), (true, true, 5), (false, true, 2), (false, false, 0)] {
                let x = Columns::all(view(rows * m), m);
                let delta = Columns { column, ..Columns::all(view(rows * (n + 5)), n + 5) };
                let out = view(splits(rows) * (m + usize::from(bias)) * n);
                dispatches.push(weight_gradient(place(), (m, n, rows), bias, [x, delta], accumulate, out));
            }
            for (at, dispatch) in dispatches.iter().enumerate() {
                let expected = on(1, dispatch);
                for threads in [2, 3, 64] {
                    compare(&on(threads, dispatch), &expected, Tolerance::new(1e-6, 1e-5))
                        .unwrap_or_else(|error| panic!("{rows} rows, product {at}, {threads} threads: {error}"));
                }
            }
        }
    }
}
