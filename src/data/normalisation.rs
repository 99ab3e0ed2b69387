//! Numbers of zero mean and unit deviation, column by column.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, ensure};

/// Relative error that the mean of very many numbers may have in double precision.
pub(crate) const ROUNDING: f64 = 1e-12;

/// Mean and standard deviation of each of D columns, from a training set.
///
/// Numbers are flat arrays `[T, D]`, row-major: the columns of one step, then those of the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// `[D]`
    pub mean: Vec<f64>,
    /// `[D]`, each above 0. A column that never changes has 1, so that it becomes 0.
    pub deviation: Vec<f64>,
}

impl Normalisation {
    /// Measures all steps of `sequences`, each `[T_i, width]`; every step counts the same, and the sums are in double
    /// precision. The deviation is that of the numbers themselves (divided by their count, not by one less).
    ///
    /// # Errors
    /// [`Error::Config`] if there is no step, the width is 0 or does not divide a sequence, or a number is not finite.
    pub fn fit<S: ExactSizeIterator<Item = f64>>(
        sequences: impl Iterator<Item = S> + Clone,
        width: usize,
    ) -> Result<Normalisation> {
        Normalisation::fit_and_mark(sequences, width).map(|(fitted, _)| fitted)
    }

    /// [`Normalisation::fit`], and of each column whether it never changes.
    pub(super) fn fit_and_mark<S: ExactSizeIterator<Item = f64>>(
        sequences: impl Iterator<Item = S> + Clone,
        width: usize,
    ) -> Result<(Normalisation, Vec<bool>)> {
        ensure!(width > 0, Error::Config("numbers of width 0 cannot be normalised".into()));
        let mut count = 0;
        for length in sequences.clone().map(|sequence| sequence.len()) {
            let ragged = || Error::Config(format!("{length} numbers are no steps of {width} numbers each"));
            ensure!(length % width == 0, ragged());
            count += length / width;
        }
        ensure!(count > 0, Error::Config("there is no step from which to learn mean and deviation".into()));
        let means = |of: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            let mut sums = vec![0.0; width];
            for sequence in sequences.clone() {
                let columns = (0..width).cycle();
                columns.zip(sequence).for_each(|(column, value)| sums[column] += of(column, value));
            }
            sums.into_iter().map(|sum| sum / count as f64).collect()
        };
        // Seen from the first of them, numbers that are all the same have no rounding.
        let first: Vec<f64> = sequences.clone().flatten().take(width).collect();
        let offsets = means(&|column, value| value - first[column]);
        let mean: Vec<f64> = first.iter().zip(offsets).map(|(first, offset)| first + offset).collect();
        let variance = means(&|column, value| (value - mean[column]).powi(2));
        let deviation = variance.into_iter().map(f64::sqrt);
        // What remains of a column that never changes is the rounding of its mean.
        let is_constant = |(mean, deviation): (&f64, f64)| {
            deviation <= ROUNDING * mean.abs() || deviation < f64::from(f32::MIN_POSITIVE)
        };
        let constant: Vec<bool> = mean.iter().zip(deviation.clone()).map(is_constant).collect();
        let deviation = deviation.zip(&constant).map(|(own, &constant)| if constant { 1.0 } else { own }).collect();
        let fitted = Normalisation { mean, deviation };
        fitted.check(width)?;
        Ok((fitted, constant))
    }

    /// Numbers `[T, D]` made normal: less the mean, divided by the deviation, and rounded last.
    pub fn apply(&self, values: impl Iterator<Item = f64>) -> impl Iterator<Item = f32> {
        self.columns().zip(values).map(|((mean, deviation), value)| ((value - mean) / deviation) as f32)
    }

    /// Takes [`apply`](Normalisation::apply) back: a network's outputs `[N, D]` become targets in their own units.
    pub fn undo(&self, values: &[f32]) -> Vec<f64> {
        self.columns().zip(values).map(|((mean, deviation), &value)| f64::from(value) * deviation + mean).collect()
    }

    /// The columns in which numbers that differ, one after the other, have become the same for every hundredth pair or more:
    /// what varies in them is lost beside larger numbers.
    pub fn blurred<S: Iterator<Item = f64> + Clone>(&self, sequences: impl Iterator<Item = S>) -> Vec<usize> {
        let width = self.mean.len();
        let (mut differ, mut lost) = (vec![0usize; width], vec![0usize; width]);
        for sequence in sequences {
            let both = || sequence.clone().zip(self.apply(sequence.clone()));
            for (at, ((before, own_before), (value, own))) in both().zip(both().skip(width)).enumerate() {
                let differs = value != before;
                differ[at % width] += usize::from(differs);
                lost[at % width] += usize::from(differs && own == own_before);
            }
        }
        (0..width).filter(|&column| lost[column] > 0 && 100 * lost[column] >= differ[column]).collect()
    }

    /// With numbers as a model of format `srnn-2` has them, which were rounded to f32.
    pub fn rounded(mut self) -> Normalisation {
        self.mean.iter_mut().chain(&mut self.deviation).for_each(|number| *number = f64::from(*number as f32));
        self
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
        self.mean.iter().zip(&self.deviation).cycle().map(|(&mean, &deviation)| (mean, deviation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f64]) -> impl ExactSizeIterator<Item = f64> + Clone {
        values.iter().copied()
    }

    fn fit(sequences: &[impl AsRef<[f64]>], width: usize) -> Result<Normalisation> {
        Normalisation::fit(sequences.iter().map(|own| numbers(own.as_ref())), width)
    }

    fn apply(fitted: &Normalisation, values: &[f64]) -> Vec<f32> {
        fitted.apply(numbers(values)).collect()
    }

    fn blurred(fitted: &Normalisation, sequences: &[Vec<f64>]) -> Vec<usize> {
        fitted.blurred(sequences.iter().map(|own| numbers(own)))
    }

    #[test]
    fn columns_become_normal_and_come_back() {
        let sequences = [vec![1.0, 10.0, 3.0, 10.0], vec![5.0, 40.0]];
        let fitted = fit(&sequences, 2).unwrap();
        assert_eq!(fitted.mean, [3.0, 20.0]);
        assert_eq!(fitted.deviation, [(8.0f64 / 3.0).sqrt(), 200f64.sqrt()]);
        let values = apply(&fitted, &sequences[0]);
        assert_eq!(values[2], 0.0);
        assert!((values[0] + 1.2247449).abs() < 1e-6 && (values[1] + 0.70710677).abs() < 1e-6);
        let back = fitted.undo(&values);
        assert!(back.iter().zip(&sequences[0]).all(|(own, first)| (own - first).abs() < 1e-6 * first), "{back:?}");
    }

    #[test]
    fn a_column_that_never_changes_becomes_0() {
        let fitted = fit(&[vec![0.1f64; 1000]], 1).unwrap();
        assert_eq!((fitted.mean[0], fitted.deviation[0]), (0.1, 1.0));
        assert_eq!(apply(&fitted, &[0.1, 1.1]), [0.0, 1.0]);
        assert_eq!(fit(&[[0.0, 1e-45]], 1).unwrap().deviation, [1.0]);
    }

    #[test]
    fn a_column_that_hardly_changes_keeps_its_deviation() {
        let mut values = vec![1.0f64; 10_000];
        values[7] += f64::from(f32::EPSILON);
        let deviation = fit(&[values], 1).unwrap().deviation[0];
        assert!((deviation / (f64::from(f32::EPSILON) / 100.0) - 1.0).abs() < 1e-3, "{deviation}");
    }

    #[test]
    fn large_numbers_keep_their_deviation() {
        let years: Vec<f64> = (0..4096).map(|i| 16_000_000.0 + f64::from(i % 2)).collect();
        assert_eq!(fit(&[years], 1).unwrap().deviation, [0.5]);
        let ends = [-3e38f64, 3e38];
        let fitted = fit(&[ends], 1).unwrap();
        assert_eq!(apply(&fitted, &ends), [-1.0, 1.0]);
    }

    #[test]
    fn numbers_that_cannot_be_normalised() {
        let error = |sequences: &[Vec<f64>], width| fit(sequences, width).unwrap_err().to_string();
        assert_eq!(error(&[vec![1.0; 3]], 2), "3 numbers are no steps of 2 numbers each");
        assert_eq!(error(&[vec![]], 2), "there is no step from which to learn mean and deviation");
        assert_eq!(error(&[vec![1.0]], 0), "numbers of width 0 cannot be normalised");
        assert_eq!(error(&[vec![1.0, f64::NAN]], 1), "the normalisation of column 0 has mean NaN and deviation NaN");
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
        assert!(apply(&none, &[1.0]).is_empty());
    }

    /// Seconds since 1970 with a cycle of half a minute in them: in f32 all of a minute are one number.
    #[test]
    fn what_varies_in_large_numbers_is_kept() {
        let times: Vec<f64> = (0..600).map(|i| 1.7e9 + f64::from(i % 30)).collect();
        let fitted = fit(&[&times], 1).unwrap();
        let own = apply(&fitted, &times);
        assert!((fitted.deviation[0] - 8.655).abs() < 1e-3, "{}", fitted.deviation[0]);
        assert!((own[29] - own[0] - 29.0 / 8.655).abs() < 1e-3);
        assert_eq!(fitted.undo(&own)[7].round(), times[7]);
        assert!(blurred(&fitted, std::slice::from_ref(&times)).is_empty());
        // Beside a number a billion times as large it is lost, which is told.
        let mut far = times.clone();
        far[0] = 1e22;
        let far = [far, times];
        assert_eq!(blurred(&fit(&far, 1).unwrap(), &far), [0]);
    }
}
