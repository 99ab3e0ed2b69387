//! What a slice passes up: its outputs `[steps, W]`, in the order of the sequence, to one `[W]`.

use super::linear::add;
use super::{Direction, Pool};

/// `attention` `[W]` is used by [`Pool::Attention`] only.
pub fn pool(pool: Pool, direction: Direction, outputs: &[Vec<f64>], attention: &[f64]) -> Vec<f64> {
    let width = outputs[0].len();
    let mut result = vec![0.0; width];
    match pool {
        Pool::Last => {
            for j in 0..width {
                result[j] = outputs[last(direction, outputs.len(), j, width)][j];
            }
        }
        Pool::Max => {
            for j in 0..width {
                result[j] = outputs[first_maximum(outputs, j)][j];
            }
        }
        Pool::Mean => {
            for output in outputs {
                for j in 0..width {
                    result[j] += output[j] / outputs.len() as f64;
                }
            }
        }
        Pool::Attention => {
            for (output, share) in outputs.iter().zip(shares(outputs, attention)) {
                for j in 0..width {
                    result[j] += share * output[j];
                }
            }
        }
    }
    result
}

/// The gradient g `[W]` into the result of [`pool`] to that into the outputs `[steps, W]`; that of the attention is
/// added to `of_attention`.
pub fn pool_back(
    pool: Pool,
    direction: Direction,
    outputs: &[Vec<f64>],
    attention: &[f64],
    g: &[f64],
    of_attention: &mut [f64],
) -> Vec<Vec<f64>> {
    let (steps, width) = (outputs.len(), g.len());
    let mut of_outputs = vec![vec![0.0; width]; steps];
    match pool {
        Pool::Last => {
            for j in 0..width {
                of_outputs[last(direction, steps, j, width)][j] = g[j];
            }
        }
        Pool::Max => {
            for j in 0..width {
                of_outputs[first_maximum(outputs, j)][j] = g[j];
            }
        }
        Pool::Mean => {
            for of_output in &mut of_outputs {
                for j in 0..width {
                    of_output[j] = g[j] / steps as f64;
                }
            }
        }
        Pool::Attention => {
            let shares = shares(outputs, attention);
            let of_shares: Vec<f64> = outputs.iter().map(|output| dot(output, g)).collect();
            let mean = dot(&shares, &of_shares);
            for t in 0..steps {
                let of_score = shares[t] * (of_shares[t] - mean);
                let mut of_vector = vec![0.0; width];
                for j in 0..width {
                    let tanh = outputs[t][j].tanh();
                    of_outputs[t][j] = shares[t] * g[j] + of_score * attention[j] * (1.0 - tanh * tanh);
                    of_vector[j] = of_score * tanh;
                }
                add(of_attention, &of_vector);
            }
        }
    }
    of_outputs
}

/// The position of the step that unit j of W reads last.
fn last(direction: Direction, steps: usize, j: usize, width: usize) -> usize {
    let backward = match direction {
        Direction::Forward => false,
        Direction::Backward => true,
        Direction::Both => j >= width / 2,
    };
    if backward { 0 } else { steps - 1 }
}

/// The position of the first of the largest outputs of unit j.
fn first_maximum(outputs: &[Vec<f64>], j: usize) -> usize {
    let mut best = 0;
    for t in 1..outputs.len() {
        if outputs[t][j] > outputs[best][j] {
            best = t;
        }
    }
    best
}

/// α: softmax over the steps of s_t = Σ_j v_j · tanh(o_t[j]).
fn shares(outputs: &[Vec<f64>], attention: &[f64]) -> Vec<f64> {
    let score = |output: &Vec<f64>| -> f64 { output.iter().zip(attention).map(|(o, v)| v * o.tanh()).sum() };
    let scores: Vec<f64> = outputs.iter().map(score).collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
    scores.iter().map(|score| (score - largest).exp() / sum).collect()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}
