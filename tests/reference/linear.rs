//! Products, sums and the sigmoid, as plain loops. All matrices are row-major.

use std::ops::Range;

/// x `[I]`, weights `[I, O]` to x·weights `[O]`.
pub fn times(x: &[f64], weights: &[f64], outputs: usize) -> Vec<f64> {
    let mut y = vec![0.0; outputs];
    for (i, value) in x.iter().enumerate() {
        for (o, sum) in y.iter_mut().enumerate() {
            *sum += value * weights[i * outputs + o];
        }
    }
    y
}

/// The gradient g `[O]` into the result of [`times`] to ∂x `[I]`; that of the weights is added to `dw`.
pub fn times_back(x: &[f64], weights: &[f64], g: &[f64], dw: &mut [f64]) -> Vec<f64> {
    let mut dx = vec![0.0; x.len()];
    for (o, value) in g.iter().enumerate() {
        for i in 0..x.len() {
            dw[i * g.len() + o] += x[i] * value;
            dx[i] += weights[i * g.len() + o] * value;
        }
    }
    dx
}

/// x `[I]`, weights `[I, O]`, bias `[O]` to x·weights + bias `[O]`.
pub fn affine(x: &[f64], weights: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut y = times(x, weights, bias.len());
    add(&mut y, bias);
    y
}

/// The gradient g `[O]` into the result of [`affine`] to ∂x `[I]`; the others are added to `dw` and `db`.
pub fn affine_back(x: &[f64], weights: &[f64], g: &[f64], dw: &mut [f64], db: &mut [f64]) -> Vec<f64> {
    add(db, g);
    times_back(x, weights, g, dw)
}

pub fn add(to: &mut [f64], values: &[f64]) {
    assert_eq!(to.len(), values.len(), "sums of equal lengths");
    for (sum, value) in to.iter_mut().zip(values) {
        *sum += value;
    }
}

pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Where row `index` of a matrix with rows of `width` lies.
pub fn row(index: usize, width: usize) -> Range<usize> {
    index * width..(index + 1) * width
}

/// `[rows, columns]` to `[columns, rows]`.
pub fn transposed(values: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    assert_eq!(values.len(), rows * columns, "[rows, columns]");
    (0..rows * columns).map(|i| values[(i % rows) * columns + i / rows]).collect()
}
