//! Matrix products through the `gemm` crate, behind bounds that are checked, or row by row without it; sums of rows.

use super::activation::{fused, has_fused};
use multiversion::multiversion;

/// A matrix within a slice: element (r, c) stands at `offset + r·row + c·column`.
#[derive(Clone, Copy)]
pub struct Strides {
    pub offset: usize,
    pub row: usize,
    pub column: usize,
}

impl Strides {
    /// Rows of `stride` numbers, one after the other.
    pub fn rows(stride: usize) -> Strides {
        Strides { offset: 0, row: stride, column: 1 }
    }

    /// The transpose of rows of `stride` numbers.
    pub fn columns(stride: usize) -> Strides {
        Strides { offset: 0, row: 1, column: stride }
    }

    /// The same layout, beginning `offset` numbers later.
    pub fn from(self, offset: usize) -> Strides {
        Strides { offset: self.offset + offset, ..self }
    }

    fn at(&self, row: usize, column: usize) -> usize {
        self.offset + row * self.row + column * self.column
    }

    /// One past the last element of `rows` × `columns`.
    fn end(&self, rows: usize, columns: usize) -> usize {
        if rows * columns == 0 { 0 } else { self.at(rows - 1, columns - 1) + 1 }
    }
}

/// m, n and k of a product `[m, k] · [k, n]`.
pub type Sizes = (usize, usize, usize);

/// A matrix: the slice that it lies in, and where.
type Matrix<'a> = (&'a [f32], Strides);

/// `out [m, n] = a [m, k] · b [k, n]` on the calling thread, added to what stands in `out` when `accumulate`. `out` is
/// dense.
///
/// # Panics
/// If a layout reaches beyond its slice.
pub fn product((m, n, k): Sizes, out: &mut [f32], accumulate: bool, (a, from_a): Matrix, (b, from_b): Matrix) {
    assert!(m * n <= out.len() && from_a.end(m, k) <= a.len() && from_b.end(k, n) <= b.len());
    if m == 0 || n == 0 {
        return;
    }
    #[cfg(not(feature = "gemm"))]
    {
        let packed: Vec<f32> = (0..k * n).map(|i| b[from_b.at(i / n, i % n)]).collect();
        let mut own = vec![0.0; k];
        for (row, out) in out.chunks_mut(n).take(m).enumerate() {
            (0..k).for_each(|i| own[i] = a[from_a.at(row, i)]);
            vector_product(n, out, accumulate, &own, &packed);
        }
    }
    // SAFETY: `end` bounds every element that the layouts of `a` and `b` reach, the sizes were checked against the slices
    // just above, and `out` is borrowed mutably, so that it overlaps neither `a` nor `b`.
    #[cfg(feature = "gemm")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.as_ptr().add(from_a.offset.min(a.len())),
            from_a.column as isize,
            from_a.row as isize,
            b.as_ptr().add(from_b.offset.min(b.len())),
            from_b.column as isize,
            from_b.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Rows of a product up to which packing `b` for gemm would cost more than the product itself.
const FEW_ROWS: usize = 2;

/// `out [m, n] = a [m, k] · b [k, n]`, added to what stands in `out` when `accumulate`. All three are dense.
pub fn dense_product((m, n, k): Sizes, out: &mut [f32], accumulate: bool, a: &[f32], b: &[f32]) {
    if m > FEW_ROWS {
        return product((m, n, k), out, accumulate, (a, Strides::rows(k)), (b, Strides::rows(n)));
    }
    for (out, a) in out.chunks_mut(n).zip(a.chunks(k)).take(m) {
        vector_product(n, out, accumulate, a, b);
    }
}

/// `out [n] = a [k] · b [k, n]`, added to what stands in `out` when `accumulate`: block after block of columns, each as
/// wide as the registers hold.
#[multiversion(targets = "simd")]
fn vector_product(n: usize, out: &mut [f32], accumulate: bool, a: &[f32], b: &[f32]) {
    let mut done = 0;
    while done < n {
        done = match n - done {
            65.. if n >= 88 => columns::<88, { has_fused!() }>(n, done, out, accumulate, a, b),
            49.. if n >= 64 => columns::<64, { has_fused!() }>(n, done, out, accumulate, a, b),
            33.. if n >= 48 => columns::<48, { has_fused!() }>(n, done, out, accumulate, a, b),
            17.. if n >= 32 => columns::<32, { has_fused!() }>(n, done, out, accumulate, a, b),
            9.. if n >= 16 => columns::<16, { has_fused!() }>(n, done, out, accumulate, a, b),
            _ if n >= 8 => columns::<8, { has_fused!() }>(n, done, out, accumulate, a, b),
            _ => columns::<1, { has_fused!() }>(n, done, out, accumulate, a, b),
        };
    }
}

/// A block of a vector product from column `done` on, and where it ends. Beyond column `n` there is nothing: a last
/// block that is wider than what remains begins earlier, and keeps only the rest.
#[inline(always)]
fn columns<const WIDTH: usize, const FUSED: bool>(
    n: usize,
    done: usize,
    out: &mut [f32],
    accumulate: bool,
    a: &[f32],
    b: &[f32],
) -> usize {
    let begin = done.min(n - WIDTH);
    let mut sums = [0.0; WIDTH];
    for (a, row) in a.iter().zip(b.chunks_exact(n)) {
        for (sum, b) in sums.iter_mut().zip(&row[begin..begin + WIDTH]) {
            *sum = fused::<FUSED>(*a, *b, *sum);
        }
    }
    let (out, sums) = (&mut out[done..begin + WIDTH], &sums[done - begin..]);
    if accumulate {
        add_all(out, sums);
    } else {
        out.copy_from_slice(sums);
    }
    begin + WIDTH
}

#[inline(always)]
fn add_all(sum: &mut [f32], values: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += value;
    }
}

/// `sum += values`, as far as the shorter one reaches.
#[multiversion(targets = "simd")]
pub fn add(sum: &mut [f32], values: &[f32]) {
    add_all(sum, values);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_layouts_against_plain_loops() {
        let (m, n, k) = (5, 7, 3);
        let a: Vec<f32> = (0..m * k).map(|i| (i as f32 * 0.7).sin()).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i as f32 * 0.3).cos()).collect();
        let expected: Vec<f32> =
            (0..m * n).map(|i| 2.0 + (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum::<f32>()).collect();
        let a_transposed: Vec<f32> = (0..m * k).map(|i| a[i % m * k + i / m]).collect();
        for (a, from_a) in [(&a, Strides::rows(k)), (&a_transposed, Strides::columns(m))] {
            let mut out = vec![2.0; m * n];
            product((m, n, k), &mut out, true, (a, from_a), (&b, Strides::rows(n)));
            assert!(out.iter().zip(&expected).all(|(o, e)| (o - e).abs() < 1e-5));
        }
    }

    #[test]
    fn dense_products_of_few_and_of_many_rows() {
        for (m, n, k) in [
            (1, 7, 3),
            (2, 5, 9),
            (3, 5, 8),
            (1, 1, 1),
            (2, 33, 4),
            (1, 150, 50),
            (2, 90, 5),
            (1, 50, 7),
            (1, 23, 2),
            (2, 12, 3),
        ] {
            let a: Vec<f32> = (0..m * k).map(|i| (i as f32 * 0.7).sin()).collect();
            let b: Vec<f32> = (0..k * n).map(|i| (i as f32 * 0.3).cos()).collect();
            for (accumulate, before) in [(false, 0.0), (true, 2.0)] {
                let mut out = vec![2.0; m * n];
                dense_product((m, n, k), &mut out, accumulate, &a, &b);
                for (i, out) in out.iter().enumerate() {
                    let expected: f32 = before + (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum::<f32>();
                    assert!((out - expected).abs() < 1e-5, "{m}x{n}x{k} {accumulate}: {out} for {expected}");
                }
            }
        }
    }

    #[test]
    #[should_panic]
    fn reaching_beyond_a_slice_panics() {
        let rows = Strides::rows(2);
        product((2, 2, 2), &mut [0.0; 4], false, (&[0.0; 3], rows), (&[0.0; 4], rows));
    }
}
