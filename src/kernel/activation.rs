//! σ and tanh in forms that compilers turn into vector code: no branch, no table, no call. Callers are compiled once per
//! instruction set (`multiversion`), so that one binary runs well on any x86-64 and on aarch64; they say with `FUSED`
//! whether that set multiplies and adds in one instruction (see [`fused`]).

use serde::{Deserialize, Serialize};

/// Whether the instruction set that a `multiversion` function is compiled for multiplies and adds at once.
macro_rules! has_fused {
    () => {
        multiversion::target::target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"))
    };
}
pub(crate) use has_fused;

/// a·b + c: rounded once where the instruction set can, twice elsewhere (where a single rounding would be a slow call).
#[inline(always)]
pub fn fused<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// e^x for x in [−87, 88], clamped outside; NaN stays NaN. Relative error below 2e-7.
#[inline(always)]
pub fn exp<const FUSED: bool>(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, so that x − k·ln 2 is exact to rounding.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5·2^23 rounds to the nearest integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.0, 88.0);
    let shifted = fused::<FUSED>(clamped, LOG2_E, ROUND);
    let power = shifted - ROUND;
    let rest = fused::<FUSED>(power, -LN2_LOW, fused::<FUSED>(power, -LN2_HIGH, clamped));
    // Taylor's series to the 6th power: |rest| ≤ ln 2 / 2, remainder below 1.3e-7.
    let mut sum = 1.0 / 720.0;
    sum = fused::<FUSED>(sum, rest, 1.0 / 120.0);
    sum = fused::<FUSED>(sum, rest, 1.0 / 24.0);
    sum = fused::<FUSED>(sum, rest, 1.0 / 6.0);
    sum = fused::<FUSED>(sum, rest, 0.5);
    sum = fused::<FUSED>(sum, rest, 1.0);
    sum = fused::<FUSED>(sum, rest, 1.0);
    let scale = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    sum * scale
}

/// The logistic function 1 / (1 + e^−x).
#[inline(always)]
pub fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FUSED>(-x))
}

/// Hyperbolic tangent; absolute error near zero about 1e-7.
#[inline(always)]
pub fn tanh<const FUSED: bool>(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp::<FUSED>(2.0 * x))
}

/// The activation that a cell leaves open: of a GRU's candidate, or of a plain RNN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// The hyperbolic tangent, from -1 to 1.
    #[default]
    Tanh = 0,
    /// None at all, as in the paper's code.
    Identity = 1,
    /// max(x, 0).
    Relu = 2,
}

impl Activation {
    /// By the constant of a shader.
    pub(super) fn from_constant(constant: usize) -> Activation {
        [Activation::Tanh, Activation::Identity, Activation::Relu][constant]
    }
}

/// [`Activation::Tanh`] as the shader's constant.
pub const TANH: u32 = Activation::Tanh as u32;
/// [`Activation::Identity`] alike.
pub const IDENTITY: u32 = Activation::Identity as u32;
/// [`Activation::Relu`] alike.
pub const RELU: u32 = Activation::Relu as u32;

/// The activation `KIND` of x.
#[inline(always)]
pub fn activate<const FUSED: bool, const KIND: u32>(x: f32) -> f32 {
    match KIND {
        TANH => tanh::<FUSED>(x),
        // Written so that NaN stays NaN.
        RELU if x < 0.0 => 0.0,
        _ => x,
    }
}

/// Its derivative, from its result.
#[inline(always)]
pub fn slope<const KIND: u32>(y: f32) -> f32 {
    match KIND {
        TANH => 1.0 - y * y,
        RELU if y > 0.0 => 1.0,
        RELU => 0.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_the_exact_functions_everywhere() {
        accuracy::<false>();
        accuracy::<true>();
    }

    fn accuracy<const FUSED: bool>() {
        for i in -200_000..=200_000 {
            let x = i as f32 * 1e-3;
            let exact = f64::from(x);
            if exact.abs() < 87.0 {
                let relative = (f64::from(exp::<FUSED>(x)) / exact.exp() - 1.0).abs();
                assert!(relative < 4e-7, "exp({x}) is off by {relative:e}");
            }
            let off = (f64::from(sigmoid::<FUSED>(x)) - 1.0 / (1.0 + (-exact).exp())).abs();
            assert!(off < 2e-7, "sigmoid({x}) is off by {off:e}");
            let off = (f64::from(tanh::<FUSED>(x)) - exact.tanh()).abs();
            assert!(off < 3e-7, "tanh({x}) is off by {off:e}");
        }
    }

    #[test]
    fn extremes_and_nan() {
        beyond::<false>();
        beyond::<true>();
    }

    fn beyond<const FUSED: bool>() {
        assert_eq!(sigmoid::<FUSED>(f32::INFINITY), 1.0);
        assert!(sigmoid::<FUSED>(f32::NEG_INFINITY) < 1e-37);
        assert_eq!(tanh::<FUSED>(f32::INFINITY), 1.0);
        assert_eq!(tanh::<FUSED>(f32::NEG_INFINITY), -1.0);
        assert!([exp::<FUSED>, sigmoid::<FUSED>, tanh::<FUSED>].iter().all(|f| f(f32::NAN).is_nan()));
    }
}
