//! How sequences of numbers become normal: by what is known of each channel, or each sequence for itself.

use super::Normalisation;
use crate::error::{Error, Result, ensure};
use serde::{Deserialize, Serialize};

/// What the numbers of a channel are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// All sequences of the training set.
    Channel,
    /// The other steps of the same sequence; its own deviation and mean become channels beside.
    Sequence,
}

/// Sequences `[T, D]` made normal.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// `[D]`: of the training set's steps.
    pub channels: Normalisation,
    /// `[D]`: of the logarithms of the sequences' own deviations, where each sequence is made normal for itself.
    pub logs: Option<Normalisation>,
}

/// What is told of a sequence's own scale lies within so many units.
pub(crate) const FARTHEST: f64 = 5.0;

impl Scaling {
    /// Learns from sequences `[T_i, width]`.
    ///
    /// # Errors
    /// As [`Normalisation::fit`].
    pub fn fit<S: ExactSizeIterator<Item = f64> + Clone>(
        sequences: impl Iterator<Item = S> + Clone,
        width: usize,
        scale: Scale,
    ) -> Result<Scaling> {
        let channels = Normalisation::fit(sequences.clone(), width)?;
        let logs = (scale == Scale::Sequence).then(|| logs(sequences, width)).transpose()?;
        Ok(Scaling { channels, logs })
    }

    /// Numbers of a step as a file has it, D.
    pub fn width(&self) -> usize {
        self.channels.mean.len()
    }

    /// Numbers of a step as a network reads it: D, or 3·D (each channel by its sequence's own mean and deviation, then the
    /// logarithm of that deviation, then that mean, both compared with the training set's).
    pub fn channels_read(&self) -> usize {
        if self.logs.is_some() { 3 * self.width() } else { self.width() }
    }

    /// Checks what came from a file, for a network whose steps have `read` numbers.
    ///
    /// # Errors
    /// [`Error::Config`] for another number of channels, and as [`Normalisation::check`].
    pub fn check(&self, read: usize) -> Result<()> {
        let own = self.channels_read();
        ensure!(own == read, Error::Config(format!("steps are made of {own} numbers, and the network reads {read}")));
        self.channels.check(self.width())?;
        self.logs.as_ref().map_or(Ok(()), |logs| logs.check(self.width()))
    }

    /// Appends a sequence `[T, D]` as a network reads it.
    pub fn apply(&self, sequence: impl ExactSizeIterator<Item = f64> + Clone, to: &mut Vec<f32>) {
        let Some(logs) = &self.logs else { return to.extend(self.channels.apply(sequence)) };
        let Ok((own, constant)) = Normalisation::fit_and_mark(std::iter::once(sequence.clone()), self.width()) else {
            return;
        };
        let near = |value: f64| value.clamp(-FARTHEST, FARTHEST) as f32;
        // A unit of the logarithm is a factor of e: a spread that is smaller is not blown up.
        let log = |column: usize| match own.deviation[column] {
            _ if constant[column] => -FARTHEST as f32,
            deviation => near((deviation.ln() - logs.mean[column]) / logs.deviation[column].max(1.0)),
        };
        let mean =
            |column: usize| near((own.mean[column] - self.channels.mean[column]) / self.channels.deviation[column]);
        let beside: Vec<f32> = (0..self.width()).map(log).chain((0..self.width()).map(mean)).collect();
        for (at, value) in own.apply(sequence).enumerate() {
            to.push(value);
            if (at + 1) % self.width() == 0 {
                to.extend(&beside);
            }
        }
    }
}

/// Mean and deviation of the logarithms of the sequences' own deviations, by column; those that never change have none.
fn logs<S: ExactSizeIterator<Item = f64> + Clone>(
    sequences: impl Iterator<Item = S>,
    width: usize,
) -> Result<Normalisation> {
    let mut columns = vec![Vec::new(); width];
    for sequence in sequences.filter(|own| own.len() > 0) {
        let (own, constant) = Normalisation::fit_and_mark(std::iter::once(sequence), width)?;
        for (column, logs) in columns.iter_mut().enumerate().filter(|(column, _)| !constant[*column]) {
            logs.push(own.deviation[column].ln());
        }
    }
    let of = |logs: &Vec<f64>| match logs[..] {
        [] => Ok((0.0, 1.0)),
        _ => Normalisation::fit(std::iter::once(logs.iter().copied()), 1).map(|own| (own.mean[0], own.deviation[0])),
    };
    let (mean, deviation) = columns.iter().map(of).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    Ok(Normalisation { mean, deviation })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaling(sequences: &[Vec<f64>], width: usize, scale: Scale) -> Scaling {
        Scaling::fit(sequences.iter().map(|own| own.iter().copied()), width, scale).unwrap()
    }

    fn apply(scaling: &Scaling, sequence: &[f64]) -> Vec<f32> {
        let mut to = vec![];
        scaling.apply(sequence.iter().copied(), &mut to);
        to
    }

    #[test]
    fn channels_are_compared_with_all_sequences() {
        let own = scaling(&[vec![0.0, 10.0], vec![2.0, 10.0]], 2, Scale::Channel);
        assert_eq!((own.width(), own.channels_read()), (2, 2));
        assert_eq!(apply(&own, &[0.0, 11.0, 2.0, 10.0]), [-1.0, 1.0, 1.0, 0.0]);
        own.check(2).unwrap();
        assert_eq!(own.check(6).unwrap_err().to_string(), "steps are made of 2 numbers, and the network reads 6");
    }

    #[test]
    fn a_sequence_by_itself_with_its_scale_beside_it() {
        let e = std::f64::consts::E;
        // Deviations 1 and e², of whose logarithms 1 is the mean and the deviation; means 0 and 10, each 5 from their mean.
        let sequences = [vec![-1.0, 1.0], vec![10.0 - e * e, 10.0 + e * e]];
        let own = scaling(&sequences, 1, Scale::Sequence);
        assert_eq!((own.width(), own.channels_read()), (1, 3));
        let all = sequences.concat();
        let deviation = (all.iter().map(|value| (value - 5.0f64).powi(2)).sum::<f64>() / 4.0).sqrt();
        let near = |told: Vec<f32>, expected: [f64; 6]| {
            let close = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 1e-6;
            assert!(told.len() == 6 && told.iter().zip(&expected).all(close), "{told:?} {expected:?}");
        };
        let mean = 5.0 / deviation;
        near(apply(&own, &sequences[0]), [-1.0, -1.0, -mean, 1.0, -1.0, -mean]);
        near(apply(&own, &sequences[1]), [-1.0, 1.0, mean, 1.0, 1.0, mean]);
        // Another scale and offset change what is beside alone, and what is far stays within bounds.
        let far = apply(&own, &[1e9, 3e9]);
        assert_eq!(far, [-1.0, 5.0, 5.0, 1.0, 5.0, 5.0]);
        assert_eq!(apply(&own, &[7.0, 7.0])[..2], [0.0, -5.0]);
    }

    #[test]
    fn sequences_that_never_change_have_no_logarithm() {
        let own = scaling(&[vec![3.0, 3.0], vec![4.0, 4.0]], 1, Scale::Sequence);
        let logs = own.logs.as_ref().unwrap();
        assert_eq!((logs.mean[0], logs.deviation[0]), (0.0, 1.0));
        assert!(apply(&own, &[1.0, 2.0]).iter().all(|value| value.is_finite()));
        // Equal scales are not blown up: a unit of the logarithm is a factor of e.
        let alike = scaling(&[vec![0.0, 2.0], vec![0.0, 2.000001]], 1, Scale::Sequence);
        assert!(apply(&alike, &[0.0, 2.0])[1].abs() < 1e-5);
    }
}
