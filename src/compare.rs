//! Comparing two arrays of numbers so that a wrong one cannot pass.

use crate::error::ensure;

/// How far an actual number may lie from the expected one: `absolute + relative · scale`, where the scale is the
/// largest expected magnitude. Rounding errors of sums follow the largest terms, not each result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Allowed whatever the scale is, in the units of the numbers.
    pub absolute: f64,
    /// Allowed as a share of the scale.
    pub relative: f64,
}

impl Tolerance {
    /// A tolerance of `absolute + relative · scale`.
    pub const fn new(absolute: f64, relative: f64) -> Tolerance {
        Tolerance { absolute, relative }
    }
}

/// Why two arrays do not agree.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// The arrays have different lengths.
    #[error("{actual} numbers where {expected} are expected")]
    Length {
        /// Length of the array under test.
        actual: usize,
        /// Length that it should have.
        expected: usize,
    },
    /// Both arrays are empty, so that an agreement would prove nothing.
    #[error("nothing to compare")]
    Empty,
    /// A number of either array is NaN or infinite.
    #[error("element {index} is {actual}, expected {expected}: neither may be NaN or infinite")]
    NotFinite {
        /// Place of the first such number, from 0.
        index: usize,
        /// The number under test.
        actual: f64,
        /// The number that it should be.
        expected: f64,
    },
    /// A number is further off than the tolerance allows.
    #[error("element {index} is {actual}, expected {expected}: off by {error:.3e}, allowed {allowed:.3e}")]
    Off {
        /// Place of the number, from 0.
        index: usize,
        /// The number under test.
        actual: f64,
        /// The number that it should be.
        expected: f64,
        /// Distance between the two.
        error: f64,
        /// The largest distance that the tolerance allows here.
        allowed: f64,
    },
}

/// The worst difference of two arrays that agree.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Largest absolute difference.
    pub error: f64,
    /// What the tolerance allowed.
    pub allowed: f64,
}

/// Compares two arrays element by element.
///
/// # Errors
/// [`Mismatch`] on another length, on nothing to compare, on any number that is not finite, and on the element that
/// is farthest off when that is beyond `tolerance`.
pub fn compare<A, E>(actual: &[A], expected: &[E], tolerance: Tolerance) -> Result<Agreement, Mismatch>
where
    A: Copy + Into<f64>,
    E: Copy + Into<f64>,
{
    let lens = (actual.len(), expected.len());
    ensure!(lens.0 == lens.1, Mismatch::Length { actual: lens.0, expected: lens.1 });
    ensure!(!actual.is_empty(), Mismatch::Empty);
    let mut scale = 0.0f64;
    let mut worst = (0, 0.0f64);
    for (index, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let (actual, expected) = (a.into(), e.into());
        ensure!(actual.is_finite() && expected.is_finite(), Mismatch::NotFinite { index, actual, expected });
        scale = scale.max(expected.abs());
        let error = (actual - expected).abs();
        if error > worst.1 {
            worst = (index, error);
        }
    }
    let allowed = tolerance.absolute + tolerance.relative * scale;
    let (index, error) = worst;
    let (actual, expected) = (actual[index].into(), expected[index].into());
    ensure!(error <= allowed, Mismatch::Off { index, actual, expected, error, allowed });
    Ok(Agreement { error, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIGHT: Tolerance = Tolerance::new(1e-6, 1e-6);

    #[test]
    fn equal_arrays_agree() {
        assert_eq!(compare(&[1.0f32, -2.0], &[1.0f64, -2.0], TIGHT).unwrap().error, 0.0);
    }

    #[test]
    fn it_fails_on_nan_on_either_side_and_on_infinity() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(matches!(compare(&[1.0, bad], &[1.0f32, 1.0], TIGHT), Err(Mismatch::NotFinite { index: 1, .. })));
            assert!(matches!(compare(&[1.0f32, 1.0], &[bad, 1.0], TIGHT), Err(Mismatch::NotFinite { index: 0, .. })));
            assert!(compare(&[bad], &[bad], TIGHT).is_err(), "both {bad}");
        }
    }

    #[test]
    fn it_fails_on_wrong_lengths_and_on_nothing() {
        assert_eq!(compare(&[1.0f32], &[1.0f32, 2.0], TIGHT), Err(Mismatch::Length { actual: 1, expected: 2 }));
        assert_eq!(compare::<f32, f32>(&[], &[], TIGHT), Err(Mismatch::Empty));
    }

    #[test]
    fn it_fails_on_one_element_and_on_a_row_shifted_by_one() {
        let expected: Vec<f32> = (0..50).map(|i| (i as f32).sin()).collect();
        let mut actual = expected.clone();
        actual[17] += 1e-4;
        assert!(matches!(compare(&actual, &expected, TIGHT), Err(Mismatch::Off { index: 17, .. })));
        let mut shifted = expected.clone();
        shifted.rotate_left(1);
        assert!(compare(&shifted, &expected, TIGHT).is_err());
    }

    #[test]
    fn it_fails_when_a_small_array_is_wrong_as_a_whole() {
        let expected = [1e-5f32; 8];
        assert!(compare(&[2e-5f32; 8], &expected, Tolerance::new(1e-7, 1e-4)).is_err());
    }
}
