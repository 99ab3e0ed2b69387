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
const FARTHEST: f64 = 5.0;

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
