//! The paper's theorem: a sliced network with the identity as its activation can be a standard RNN.
//!
//! h_T = Σ_t a_t·U^(T−t), with a_t = x_t·W + b + c. A slice of level 0 gives this sum over its own steps, and the
//! slices after it only multiply it by U^(L_0) each. So the merges need no more than U_1 = U^(L_0); a slice of level 1
//! stands for L_0·n steps, U_2 = U^(L_0·n), and so on, with W_p = I and no bias for p ≥ 1.
//!
//! A right-aligned ragged sequence changes nothing: only the first slice of a level can be short, and the powers
//! count the steps of the slices *after* it, which are full. Read backward, the powers count the steps of the slices
//! before, of which the first may be short: then the theorem holds for full sequences only.

use super::linear::times;
use super::{Activation, Cell, Direction, Model, Pool, Spec};

/// U_p `[H, H]` of level p ≥ 1: U^(L_0·n^(p−1)), given U `[H, H]` and L_0 `first_steps`.
/// The same in both layouts, as the power of a transpose is the transpose of the power.
pub fn merged_recurrence(u: &[f64], first_steps: usize, n: usize, p: u32) -> Vec<f64> {
    assert!(p >= 1, "level 0 keeps U");
    power(u, first_steps * n.pow(p - 1))
}

/// A square matrix, `exponent` times with itself.
pub fn power(u: &[f64], exponent: usize) -> Vec<f64> {
    let hidden = u.len().isqrt();
    assert_eq!(u.len(), hidden * hidden, "[H, H]");
    let mut result = unit(hidden);
    for _ in 0..exponent {
        result = result.chunks(hidden).flat_map(|row| times(row, u, hidden)).collect();
    }
    result
}

/// SRNN(n, k) that gives the final states of `standard`, which is a linear RNN without a merge.
pub fn sliced(standard: &Model, n: usize, k: u32) -> Model {
    let Spec { cell, activation, direction, layers, head_pool, .. } = standard.spec;
    assert!(cell == Cell::Rnn && activation == Activation::Identity, "a linear RNN");
    assert!(direction == Direction::Forward && layers == 1, "in one direction, of one layer");
    assert!(standard.k == 0 && head_pool == Pool::Last, "whose last state is read");
    let Model { length, inputs, hidden, classes, .. } = *standard;
    let recurrence = &standard.levels[0].layers[0][0];

    let mut model = Model::zeros(standard.spec, n, k, length, inputs, hidden, classes);
    model.levels[0] = standard.levels[0].clone();
    for p in 1..=k {
        let merge = &mut model.levels[p as usize].layers[0][0]; // its biases stay zero
        merge.w = unit(hidden);
        merge.u = merged_recurrence(&recurrence.u, length / n.pow(k), n, p);
    }
    (model.v, model.d) = (standard.v.clone(), standard.d.clone());
    model
}

/// I `[H, H]`
fn unit(hidden: usize) -> Vec<f64> {
    (0..hidden * hidden).map(|i| if i / hidden == i % hidden { 1.0 } else { 0.0 }).collect()
}
