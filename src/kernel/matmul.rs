//! Tiled matrix products, in the three forms that a layer needs: outputs, input gradients, weight gradients.

use super::prelude::*;
use super::product::{Sizes, Strides, add, product};
use super::strands::Strands;
use crate::plan::Product;

kernel! {
    /// The kernel: matrix products in three forms, tiled.
    "matmul",
    reads: {
        a: f32 "[strands][M, K], or [K, M] for a weight gradient",
        b: f32 "[strands][K+1, N] with a last row of biases, [N, K] or [K, N]",
    },
    writes: { out: f32 "[strands][M, N], or [splits, M+1, N] for a weight gradient; [M, N] for an input gradient" },
    parameters: {
        m: usize, n: usize, k: usize,
        a_stride: usize, a_column: usize,
        b_stride: usize, b_column: usize,
        out_first: usize, per_split: usize, accumulate: bool, bias: bool,
        strands: usize, a_apart: usize, b_apart: usize, out_apart: usize,
    },
    workgroup_memory: (2 * SLAB * TILE * 4) as u32,
    tolerance: [1e-7, 5e-6],
}

/// Rows and columns of the output that a workgroup owns, and steps of the sum that it holds on chip at a time.
const TILE: usize = 64;
const SLAB: usize = 16;

/// Threads of a workgroup.
const THREADS: usize = 64;

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

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// The numbers that are bound.
    pub view: View,
    /// The first of them that is a result: bound as a whole, a buffer that many gradients share is bound once.
    pub first: usize,
    /// Whether results are added to what stands there.
    pub accumulate: bool,
}

impl From<View> for Out {
    /// Results over all that stands there.
    fn from(view: View) -> Out {
        Out { view, first: 0, accumulate: false }
    }
}

/// How products are computed, and the strands of the operands and of the results.
pub type How = (Product, Strands<3>);

/// Products over columns of both matrices, in `splits` parts each.
fn dispatch(
    place: String,
    (product, strands): How,
    form: u32,
    params: Params,
    [a, b]: [Columns; 2],
    out: Out,
    splits: usize,
) -> Dispatch {
    let Params { m, n, k, bias, .. } = params;
    let Strands { count, apart: [a_apart, b_apart, out_apart] } = strands;
    let params = Params {
        a_stride: a.stride,
        a_column: a.column,
        b_stride: b.stride,
        b_column: b.column,
        out_first: out.first,
        accumulate: out.accumulate,
        strands: count,
        a_apart,
        b_apart,
        out_apart,
        ..params
    };
    let at_once = if product == Product::Paired { 1 } else { (SLAB * TILE / 4 / THREADS) as u32 };
    // Workgroups along the rows may exceed WebGPU's limit for one dimension; columns, splits and strands hardly do, and the plan's
    // check says so.
    let [x, y, _] = grid(m.div_ceil(TILE));
    let summed = form == INPUT_GRADIENT;
    let workgroups = [x, y, (n.div_ceil(TILE) * splits * if summed { 1 } else { count }) as u32];
    let (m, n, k, count) = ((m - usize::from(bias)) as f64, n as f64, k as f64, count as f64);
    let shared = |numbers: f64, apart: usize| if apart == 0 { numbers } else { count * numbers };
    let bytes = 4.0 * (shared(m * k, a_apart) + shared(k * n, b_apart) + shared(m * n, out_apart));
    let (bindings, cost) = ([a.view, b.view, out.view], Cost { operations: 2.0 * m * n * k * count, bytes });
    KERNEL.dispatch(place, bindings, vec![("FORM", form), ("AT_ONCE", at_once)], params, workgroups, cost)
}

/// `out [m, n] = a [m, k] · w [k, n] + bias`, where the bias is row `k` of `w [k+1, n]`.
pub fn project(place: String, how: How, (m, n, k): Sizes, a: View, w: View, out: View) -> Dispatch {
    let params = Params { m, n, k, per_split: k, ..Params::default() };
    dispatch(place, how, PROJECT, params, [Columns::all(a, k), Columns::all(w, n)], out.into(), 1)
}

/// `out [m, n] = delta [m, k] · wᵀ`, with `w [n, k]` (a bias below it is not read), summed over the strands, which share
/// `out`.
pub fn input_gradient(place: String, how: How, (m, n, k): Sizes, delta: Columns, w: View, out: Out) -> Dispatch {
    let params = Params { m, n, k, per_split: k, ..Params::default() };
    dispatch(place, how, INPUT_GRADIENT, params, [delta, Columns::all(w, k)], out, 1)
}

/// Rows of a weight gradient's sum in one part; fixed, so that the order of the sum is.
const ROWS_PER_SPLIT: usize = 512;

/// Parts in which a weight gradient over `rows` rows is summed.
pub fn splits(rows: usize) -> usize {
    rows.div_ceil(ROWS_PER_SPLIT)
}

/// Partial weight gradients `out [splits, m+1, n]`: per part of the rows `[x | 1]ᵀ · delta`, the last row being the bias
/// gradient unless there is none (`m` rows then).
pub fn weight_gradient(
    place: String,
    how: How,
    (m, n, rows): Sizes,
    bias: bool,
    operands: [Columns; 2],
    out: Out,
) -> Dispatch {
    let (m, per_split) = (m + usize::from(bias), ROWS_PER_SPLIT);
    let params = Params { m, n, k: rows, per_split, bias, ..Params::default() };
    dispatch(place, how, WEIGHT_GRADIENT, params, operands, out, splits(rows))
}

/// Operations below which a block of rows is not handed to another thread: some ten microseconds of work.
const WORTH_A_THREAD: usize = 500_000;

/// The results in blocks of `numbers`, shared among the threads.
fn blocks(out: &mut [f32], numbers: usize) -> impl IndexedParallelIterator<Item = (usize, &mut [f32])> {
    out.par_chunks_mut(numbers).enumerate().with_min_len(threads::at_least(1))
}

fn twin(d: &Dispatch, params: Params, Slices { a, b, out }: Slices) {
    let Params { strands, a_apart, b_apart, out_apart, out_first, .. } = params;
    let form = d.constant("FORM") as u32;
    for strand in 0..strands {
        // The input gradients of strands are added up.
        let (first, added) = if form == INPUT_GRADIENT { (0, strand > 0) } else { (strand * out_apart, false) };
        let params = Params { accumulate: params.accumulate || added, ..params };
        strand_twin(form, params, [&a[strand * a_apart..], &b[strand * b_apart..]], &mut out[out_first + first..]);
    }
}

fn strand_twin(form: u32, params: Params, [a, b]: [&[f32]; 2], out: &mut [f32]) {
    let Params { m, n, k, a_stride, a_column, b_stride, b_column, per_split, accumulate, bias, .. } = params;
    let rows_of_a = Strides::rows(a_stride).from(a_column);
    // Blocks of rows that keep every thread busy, the packing of `b` cheap, and each worth handing to a thread.
    let worth = WORTH_A_THREAD.div_ceil(2 * n * k).max(1);
    let block = m.div_ceil(threads::count()).clamp(worth, worth.max(512));
    match form {
        PROJECT => blocks(&mut out[..m * n], block * n).for_each(|(i, out)| {
            for row in out.chunks_mut(n) {
                row.copy_from_slice(&b[k * n..][..n]);
            }
            let rows = rows_of_a.from(i * block * a_stride);
            product((out.len() / n, n, k), out, true, (a, rows), (b, Strides::rows(n)));
        }),
        INPUT_GRADIENT => blocks(&mut out[..m * n], block * n).for_each(|(i, out)| {
            let rows = rows_of_a.from(i * block * a_stride);
            product((out.len() / n, n, k), out, accumulate, (a, rows), (b, Strides::columns(k)));
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
                    let inputs = (m - usize::from(bias)).saturating_sub(part * block).min(out.len() / n);
                    let x = Strides::columns(a_stride).from(a_column + first * a_stride + part * block);
                    product((inputs, n, rows), out, accumulate, (a, x), (b, delta));
                    let of_bias = &mut out[inputs * n..];
                    if of_bias.is_empty() {
                        return;
                    }
                    if !accumulate {
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
    use crate::compare::{Tolerance, compare};
    use crate::plan::{Binding, BufferId};
    use rayon::ThreadPoolBuilder;

    /// What the twin makes of numbers that follow from their places, on so many threads.
    fn on(threads: usize, dispatch: &Dispatch) -> Vec<f32> {
        let numbers = |view: &View| (0..view.len).map(|at| (at as f32 * 0.37).sin()).collect::<Vec<f32>>();
        let [a, b, mut out] = [0, 1, 2].map(|at| numbers(&dispatch.bindings[at]));
        let [a, b] = [&a, &b].map(|values| Binding::Read(bytemuck::cast_slice(values)));
        let own = Binding::Write(bytemuck::cast_slice_mut(&mut out));
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (KERNEL.twin)(dispatch, &mut [a, b, own]));
        out
    }

    /// How results are handed out does not change them; small plans, as most tests have, are not cut at all.
    #[test]
    fn any_number_of_threads_gives_the_same_products() {
        let view = |len| View { buffer: BufferId(0), offset: 0, len };
        let place = String::new;
        let (m, n) = (61, 90);
        for rows in [7, 300, 700] {
            let how = (Product::Paired, Strands::ONE);
            let (sizes, delta) = ((rows, m, n), Columns::all(view(rows * n), n));
            let mut dispatches = vec![
                project(place(), how, (rows, n, m), view(rows * m), view((m + 1) * n), view(rows * n)),
                input_gradient(place(), how, sizes, delta, view(m * n), view(rows * m).into()),
            ];
            for (bias, accumulate, column) in [(true, false, 0), (true, true, 5), (false, true, 2), (false, false, 0)] {
                let x = Columns::all(view(rows * m), m);
                let delta = Columns { column, ..Columns::all(view(rows * (n + 5)), n + 5) };
                let out = Out { view: view(splits(rows) * (m + usize::from(bias)) * n), first: 0, accumulate };
                dispatches.push(weight_gradient(place(), how, (m, n, rows), bias, [x, delta], out));
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
