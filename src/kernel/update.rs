//! The optimiser's step over a flat buffer, or over a table of which only some rows have a gradient: Adam (Kingma & Ba,
//! 2015) with decoupled weight decay (AdamW: Loshchilov & Hutter, 2019), or gradient descent with momentum.

use super::faded::nothing_below;
use super::prelude::*;
use super::step_control::{BETA1_POWER, BETA2_POWER, SCALE, TAKE};
use serde::{Deserialize, Serialize};

kernel! {
    /// The kernel: one step of the optimiser's rule over a buffer of weights and its moments.
    "update",
    reads: { gradient: f32 "[count], or [N, width] by row", slots: u32 "[count / width]", control: f32 "[8]" },
    writes: { weights: f32 "[count]", first_moments: f32 "[count]", second_moments: f32 "[count]" },
    parameters: {
        count: usize, width: usize,
        learning_rate: f32, beta1: f32, beta2: f32, epsilon: f32, decay: f32,
    },
    // A root and two quotients, each within a few units in the last place.
    tolerance: [1e-7, 2e-6],
}

/// The slot of a row without a gradient.
pub const NO_SLOT: u32 = u32::MAX;

/// The rule by which gradients move weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Adam, with decoupled weight decay.
    Adam(Adam),
    /// Gradient descent, with momentum.
    Sgd(Sgd),
}

/// Step size and decays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// Step size, more than 0; 0.001 by default.
    pub learning_rate: f32,
    /// Decay of the mean of gradients, β₁; 0.9 by default.
    pub beta1: f32,
    /// Decay of the mean of their squares, β₂; 0.999 by default.
    pub beta2: f32,
    /// Added to the root of that mean, so that it never divides by 0; 1e-8 by default.
    pub epsilon: f32,
    /// Share of every weight that a step of rate 1 would take away.
    #[serde(default)]
    pub weight_decay: f32,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// v = momentum · v + gradient; w −= rate · (v + decay · w).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// Step size, more than 0.
    pub learning_rate: f32,
    /// Share of the last step's v that is kept; 0 for plain gradient descent.
    pub momentum: f32,
    /// Share of every weight that a step of rate 1 would take away.
    pub weight_decay: f32,
}

/// One step over `rows` rows of weights, `width` each, as `control` decided. Row v has row `slots[v]` of the gradient; rows
/// with [`NO_SLOT`] have gradient 0, and the moments still move their weights. Where the slots are [`View::NONE`], each row
/// has its own. Gradient descent has no second moments.
pub fn dispatch(place: String, (rows, width): (usize, usize), rule: Rule, mut bindings: [View; 6]) -> Dispatch {
    let (count, by_slot) = (rows * width, (bindings[1] != View::NONE).into());
    let (rule, [learning_rate, beta1, beta2, epsilon, weight_decay]) = match rule {
        Rule::Adam(adam) => (ADAM, [adam.learning_rate, adam.beta1, adam.beta2, adam.epsilon, adam.weight_decay]),
        Rule::Sgd(sgd) => (SGD, [sgd.learning_rate, sgd.momentum, 0.0, 0.0, sgd.weight_decay]),
    };
    if rule == SGD {
        bindings[5] = View::NONE;
    }
    let decay = learning_rate * weight_decay;
    let params = Params { count, width, learning_rate, beta1, beta2, epsilon, decay };
    let cost = Cost { operations: 12.0 * count as f64, bytes: (28 - 8 * rule) as f64 * count as f64 };
    let constants = vec![("RULE", rule), ("BY_SLOT", by_slot)];
    KERNEL.dispatch(place, bindings, constants, params, grid(count.div_ceil(256)), cost)
}

/// A gradient below this size counts as 0: what it squares to is next to nothing to any ε. Gradients fade into such over the
/// steps of a long slice.
const SQUARED: f32 = 1e-16;

/// And so does a moment below this, which no weight feels: moments of rows without a gradient fade at every step.
const MOVED: f32 = 1e-28;

/// A weight that would overflow stays as it is.
#[inline(always)]
fn finite_or(before: f32, moved: f32) -> f32 {
    if moved.abs() <= f32::MAX { moved } else { before }
}

const ADAM: u32 = 0;
const SGD: u32 = 1;

fn twin(d: &Dispatch, params: Params, slices: Slices) {
    let Slices { gradient, slots, control, weights, first_moments: first, second_moments: second } = slices;
    let Params { count, width, .. } = params;
    if control[TAKE] == 0.0 {
        return;
    }
    let (by_slot, sgd) = (d.constant("BY_SLOT") == 1, d.constant("RULE") == SGD as usize);
    // Whole rows to a task, and enough of them to be worth one.
    let chunk = if by_slot { width } else { 4096 };
    let gradient = |i: usize, len: usize| match by_slot {
        false => Some(&gradient[i * chunk..][..len]),
        true if slots[i] == NO_SLOT => None,
        true => Some(&gradient[slots[i] as usize * width..][..width]),
    };
    let least = threads::at_least(4096usize.div_ceil(chunk));
    let own = weights[..count].par_chunks_mut(chunk).zip(first[..count].par_chunks_mut(chunk));
    let own = own.enumerate().with_min_len(least);
    if sgd {
        own.for_each(|(i, (w, v))| descend(&params, control[SCALE], gradient(i, w.len()), w, v));
    } else {
        let correction = 1.0 / (1.0 - control[BETA2_POWER]).sqrt();
        let rates = [control[SCALE], params.learning_rate / (1.0 - control[BETA1_POWER]), correction];
        own.zip(second[..count].par_chunks_mut(chunk))
            .for_each(|((i, (w, m)), v)| adapt(&params, rates, gradient(i, w.len()), w, m, v));
    }
}

/// Adam; `rates` are the gradient's scale, learning rate over 1 − β₁ᵗ, and 1 over √(1 − β₂ᵗ). Without a gradient, which is
/// how most tokens of a table stand at most steps, moments fade.
#[multiversion(targets = "simd")]
fn adapt(
    params: &Params,
    rates: [f32; 3],
    gradient: Option<&[f32]>,
    weights: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let Params { beta1, beta2, epsilon, decay, .. } = *params;
    let [scale, rate, correction] = rates;
    let step = |w: &mut f32, m: f32, v: f32| {
        let (m, v) = (nothing_below(MOVED, m), nothing_below(SQUARED * SQUARED, v));
        *w = finite_or(*w, *w - decay * *w - rate * m / (v.sqrt() * correction + epsilon));
        (m, v)
    };
    let own = weights.iter_mut().zip(first).zip(second);
    let Some(gradient) = gradient else {
        own.for_each(|((w, m), v)| (*m, *v) = step(w, beta1 * *m, beta2 * *v));
        return;
    };
    for (((w, m), v), g) in own.zip(gradient) {
        let g = nothing_below(SQUARED, g * scale);
        (*m, *v) = step(w, beta1 * *m + (1.0 - beta1) * g, beta2 * *v + (1.0 - beta2) * g * g);
    }
}

/// Gradient descent.
#[multiversion(targets = "simd")]
fn descend(params: &Params, scale: f32, gradient: Option<&[f32]>, weights: &mut [f32], velocity: &mut [f32]) {
    let Params { learning_rate, beta1: momentum, decay, .. } = *params;
    let step = |w: &mut f32, v: f32| {
        let v = nothing_below(MOVED, v);
        *w = finite_or(*w, *w - decay * *w - learning_rate * v);
        v
    };
    let own = weights.iter_mut().zip(velocity);
    let Some(gradient) = gradient else {
        own.for_each(|(w, v)| *v = step(w, momentum * *v));
        return;
    };
    for ((w, v), g) in own.zip(gradient) {
        *v = step(w, momentum * *v + g * scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_that_fade() {
        let params = Params { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, ..Params::default() };
        let of = |gradient: Option<f32>, first: f32, second: f32| {
            let (gradient, mut w, mut m, mut v) = (gradient.map(|g| [g; 9]), [1.0; 9], [first; 9], [second; 9]);
            adapt(&params, [1.0; 3], gradient.as_ref().map(|g| &g[..]), &mut w, &mut m, &mut v);
            assert!([w, m, v].iter().all(|own| own.iter().all(|x| x.to_bits() == own[0].to_bits())));
            (w[0], m[0], v[0])
        };
        assert_eq!(of(None, 1e-28, 1e-32), (1.0, 0.0, 0.0));
        assert_eq!(of(Some(-9e-17), 0.0, 1e-40), (1.0, 0.0, 0.0));
        assert_eq!(of(Some(0.0), 0.5, 0.25), of(None, 0.5, 0.25));
        let (w, m, v) = of(Some(2.0), 0.0, 0.0);
        assert!((m - 0.2).abs() < 1e-7 && (v - 0.004).abs() < 1e-6 && w < 1.0);
        assert!(of(Some(f32::NAN), 0.0, 0.0).1.is_nan());

        let (mut w, mut velocity) = ([1.0; 9], [-1e-28; 9]);
        descend(&params, 1.0, None, &mut w, &mut velocity);
        assert_eq!((w, velocity), ([1.0; 9], [0.0; 9]));
        descend(&params, 0.5, Some(&[2.0; 9]), &mut w, &mut velocity);
        assert_eq!((w, velocity), ([0.999; 9], [1.0; 9]));
    }

    #[test]
    fn weights_do_not_overflow() {
        let params = Params { learning_rate: 3e38, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, ..Params::default() };
        let (mut w, mut m, mut v) = ([-1e38; 9], [0.0; 9], [0.0; 9]);
        adapt(&params, [1.0, f32::MAX, 1.0], Some(&[1.0; 9]), &mut w, &mut m, &mut v);
        assert_eq!(w, [-1e38; 9]);
        descend(&params, 1.0, Some(&[1.0; 9]), &mut w, &mut m);
        assert_eq!(w, [-1e38; 9]);
        descend(&params, 1.0, Some(&[-1.0; 9]), &mut w, &mut [0.0; 9]);
        assert!(w[0] > 1.9e38 && w[0].is_finite());
    }
}
