//! Numbers of zero mean and unit deviation, column by column.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, ensure};

/// Relative error that the mean of very many numbers may have in double precision.
const ROUNDING: f64 = 1e-12;

/// Mean and standard deviation of each of D columns, from a training set.
///
/// Numbers are flat arrays `[T, D]`, row-major: the columns of one step, then those of the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// `[D]`
    pub mean: Vec<f32>,
    /// `[D]`, each above 0. A column that never changes has 1, so that it becomes 0.
    pub deviation: Vec<f32>,
}

impl Normalisation {
    /// Measures all steps of `sequences`, each `[T_i, width]`; every step counts the same, and the sums are in double
    /// precision. The deviation is that of the numbers themselves (divided by their count, not by one less).
    ///
    /// # Errors
    /// [`Error::Config`] if there is no step, the width is 0 or does not divide a sequence, or a number is not finite.
    pub fn fit(sequences: &[impl AsRef<[f32]>], width: usize) -> Result<Normalisation> {
        ensure!(width > 0, Error::Config("numbers of width 0 cannot be normalised".into()));
        for length in sequences.iter().map(|sequence| sequence.as_ref().len()) {
            let ragged = || Error::Config(format!("{length} numbers are no steps of {width} numbers each"));
            ensure!(length % width == 0, ragged());
        }
        let steps = || sequences.iter().flat_map(|sequence| sequence.as_ref().chunks_exact(width));
        let count = steps().count() as f64;
        ensure!(count > 0.0, Error::Config("there is no step from which to learn mean and deviation".into()));
        let means = |of: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            let mut sums = vec![0.0; width];
            for step in steps() {
                (0..width).for_each(|column| sums[column] += of(column, step[column].into()));
            }
            sums.into_iter().map(|sum| sum / count).collect()
        };
        let mean = means(&|_, value| value);
        let variance = means(&|column, value| (value - mean[column]).powi(2));
        let deviation = |(mean, variance): (&f64, f64)| {
            let deviation = variance.sqrt();
            // What remains of a column that never changes is the rounding of its mean.
            let constant = deviation <= ROUNDING * mean.abs() || deviation < f64::from(f32::MIN_POSITIVE);
            if constant { 1.0 } else { deviation as f32 }
        };
        let deviation = mean.iter().zip(variance).map(deviation).collect();
        let fitted = Normalisation { mean: mean.iter().map(|&mean| mean as f32).collect(), deviation };
        fitted.check(width)?;
        Ok(fitted)
    }

    /// Makes numbers `[T, D]` normal: less the mean, divided by the deviation.
    pub fn apply(&self, values: &mut [f32]) {
        for ((mean, deviation), value) in self.columns().zip(values) {
            *value = ((f64::from(*value) - mean) / deviation) as f32;
        }
    }

    /// Takes [`apply`](Normalisation::apply) back: a network's outputs `[N, D]` become targets in their own units.
    pub fn undo(&self, values: &mut [f32]) {
        for ((mean, deviation), value) in self.columns().zip(values) {
            *value = (f64::from(*value) * deviation + mean) as f32;
        }
    }

    /// Checks what came from a file: `width` columns (D), finite, each deviation above 0.
    ///
    /// # Errors
    /// [`Error::Config`] otherwise.
    pub fn check(&self, width: usize) -> Result<()> {
        let (means, deviations) = (self.mean.len(), self.deviation.len());
        let other = format!("the normalisation has {means} means and {deviations} deviations, not {width} of each");
        ensure!(means == width && deviations == width, Error::Config(other));
        for (column, (mean, deviation)) in self.mean.iter().zip(&self.deviation).enumerate() {
            let problem = format!("the normalisation of column {column} has mean {mean} and deviation {deviation}");
            let good = mean.is_finite() && deviation.is_finite() && *deviation > 0.0;
            ensure!(good, Error::Config(problem));
        }
        Ok(())
    }

    /// Mean and deviation of the columns, over and over.
    fn columns(&self) -> impl Iterator<Item = (f64, f64)> {
        self.mean.iter().zip(&self.deviation).cycle().map(|(&mean, &deviation)| (mean.into(), deviation.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_normal_and_come_back() {
        let sequences = [vec![1.0, 10.0, 3.0, 10.0], vec![5.0, 40.0]];
        let fitted = Normalisation::fit(&sequences, 2).unwrap();
        assert_eq!(fitted.mean, [3.0, 20.0]);
        assert_eq!(fitted.deviation, [(8.0f32 / 3.0).sqrt(), 200f32.sqrt()]);
        let mut values = sequences[0].clone();
        fitted.apply(&mut values);
        assert_eq!(values[2], 0.0);
        assert!((values[0] + 1.2247449).abs() < 1e-6 && (values[1] + 0.70710677).abs() < 1e-6);
        fitted.undo(&mut values);
        assert_eq!(values, sequences[0]);
    }

    #[test]
    fn a_column_that_never_changes_becomes_0() {
        let fitted = Normalisation::fit(&[vec![0.1f32; 1000]], 1).unwrap();
        assert_eq!((fitted.mean[0], fitted.deviation[0]), (0.1, 1.0));
        let mut values = [0.1, 1.1];
        fitted.apply(&mut values);
        assert_eq!(values, [0.0, 1.0]);
        assert_eq!(Normalisation::fit(&[[0.0, 1e-45]], 1).unwrap().deviation, [1.0]);
    }

    #[test]
    fn a_column_that_hardly_changes_keeps_its_deviation() {
        let mut values = vec![1.0f32; 10_000];
        values[7] += f32::EPSILON;
        let deviation = Normalisation::fit(&[values], 1).unwrap().deviation[0];
        assert!((deviation / (f32::EPSILON / 100.0) - 1.0).abs() < 1e-3, "{deviation}");
    }

    #[test]
    fn large_numbers_keep_their_deviation() {
        let years: Vec<f32> = (0..4096).map(|i| 16_000_000.0 + (i % 2) as f32).collect();
        assert_eq!(Normalisation::fit(&[years], 1).unwrap().deviation, [0.5]);
        let ends = [-3e38f32, 3e38];
        let fitted = Normalisation::fit(&[ends], 1).unwrap();
        let mut values = ends;
        fitted.apply(&mut values);
        assert_eq!(values, [-1.0, 1.0]);
    }

    #[test]
    fn numbers_that_cannot_be_normalised() {
        let error = |sequences: &[Vec<f32>], width| Normalisation::fit(sequences, width).unwrap_err().to_string();
        assert_eq!(error(&[vec![1.0; 3]], 2), "3 numbers are no steps of 2 numbers each");
        assert_eq!(error(&[vec![]], 2), "there is no step from which to learn mean and deviation");
        assert_eq!(error(&[vec![1.0]], 0), "numbers of width 0 cannot be normalised");
        assert_eq!(error(&[vec![1.0, f32::NAN]], 1), "the normalisation of column 0 has mean NaN and deviation NaN");
    }

    #[test]
    fn survives_json_and_is_checked() {
        let fitted = Normalisation { mean: vec![0.1, -2.0], deviation: vec![1.0, 3.3] };
        let json = serde_json::to_string(&fitted).unwrap();
        assert_eq!(json, r#"{"mean":[0.1,-2.0],"deviation":[1.0,3.3]}"#);
        assert_eq!(serde_json::from_str::<Normalisation>(&json).unwrap(), fitted);
        assert!(serde_json::from_str::<Normalisation>(r#"{"mean":[],"deviation":[],"std":[]}"#).is_err());
        fitted.check(2).unwrap();
        let error = fitted.check(3).unwrap_err().to_string();
        assert_eq!(error, "the normalisation has 2 means and 2 deviations, not 3 of each");
        let zero = Normalisation { mean: vec![0.0], deviation: vec![0.0] };
        assert_eq!(zero.check(1).unwrap_err().to_string(), "the normalisation of column 0 has mean 0 and deviation 0");
        let none = Normalisation { mean: vec![], deviation: vec![] };
        none.apply(&mut [1.0]);
    }
}
