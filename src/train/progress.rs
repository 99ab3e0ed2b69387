//! Where training stands: enough to stop after any step and go on with the same numbers.

use super::Epoch;
use super::metrics::Evaluation;
use crate::network::Totals;
use serde::{Deserialize, Serialize};

/// Position, running totals and best epoch of a training run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs finished.
    pub epoch: usize,
    /// Steps done of the current epoch.
    pub step: usize,
    /// Sums over the sequences of the current epoch so far.
    pub loss_sum: f64,
    pub correct: f64,
    pub sequences: usize,
    /// The epoch with the best validation.
    pub best: Option<Epoch>,
}

impl Progress {
    /// Adds the totals of some steps.
    pub(super) fn add(&mut self, totals: &Totals) {
        let count = totals.sequences as f64;
        self.loss_sum += totals.loss * count;
        self.correct += totals.accuracy * count;
        self.sequences += totals.sequences;
    }

    /// Mean loss of the current epoch so far.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.sequences.max(1) as f64
    }

    /// Accuracy of the current epoch so far.
    pub fn accuracy(&self) -> f64 {
        self.correct / self.sequences.max(1) as f64
    }

    /// Whether a validation beats the best so far: by accuracy, then by loss.
    pub(super) fn is_best(&self, evaluation: &Evaluation) -> bool {
        self.best.as_ref().is_none_or(|best| {
            let (accuracy, loss) = (best.valid_accuracy, best.valid_loss);
            evaluation.score() > accuracy || (evaluation.score() == accuracy && evaluation.loss < loss)
        })
    }

    pub(super) fn next_epoch(&mut self, epoch: &Epoch) {
        let best = if epoch.best { Some(epoch.clone()) } else { self.best.take() };
        *self = Progress { epoch: self.epoch + 1, best, ..Progress::default() };
    }
}
