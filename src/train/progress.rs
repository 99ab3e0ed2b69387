//! Where training stands: enough to stop after any step and go on with the same numbers.

use super::Epoch;
use super::metrics::Evaluation;
use crate::network::Totals;
use serde::{Deserialize, Deserializer, Serialize};

/// A number of a file of JSON, which writes all that is not finite as `null`: a run that diverged can be taken up too.
pub(super) fn number<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// Position, running totals and best epoch of a training run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs finished.
    pub epoch: usize,
    /// Steps done of the current epoch.
    pub step: usize,
    /// Sums over the sequences of the current epoch so far; the loss by class weights.
    #[serde(deserialize_with = "number")]
    pub loss_sum: f64,
    /// Sum of the sequences' class weights; their number where all count alike.
    pub weight: f64,
    /// Sequences told rightly.
    pub correct: f64,
    /// Sequences trained on.
    pub sequences: usize,
    /// The epoch with the best validation.
    pub best: Option<Epoch>,
}

impl Progress {
    /// Adds the totals of some steps.
    pub(super) fn add(&mut self, totals: &Totals) {
        let count = totals.sequences as f64;
        self.loss_sum += totals.loss * totals.weight;
        self.weight += totals.weight;
        self.correct += totals.accuracy * count;
        self.sequences += totals.sequences;
    }

    /// Mean loss of the current epoch so far.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.weight.max(f64::MIN_POSITIVE)
    }

    /// Accuracy of the current epoch so far.
    pub fn accuracy(&self) -> f64 {
        self.correct / self.sequences.max(1) as f64
    }

    /// Whether a validation beats the best so far: by its score, then by its loss.
    pub(super) fn is_best(&self, evaluation: &Evaluation) -> bool {
        self.best.as_ref().is_none_or(|best| {
            // Anything beats the score of a network that has diverged.
            let [own, best_so_far] =
                [evaluation.score(), best.valid_score].map(|it| if it.is_nan() { f64::NEG_INFINITY } else { it });
            own > best_so_far || (own == best_so_far && evaluation.loss < best.valid_loss)
        })
    }

    pub(super) fn next_epoch(&mut self, epoch: &Epoch) {
        let best = if epoch.best { Some(epoch.clone()) } else { self.best.take() };
        *self = Progress { epoch: self.epoch + 1, best, ..Progress::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_diverged_is_read_again() {
        let worst = Epoch { train_loss: f64::INFINITY, valid_loss: f64::NAN, valid_score: f64::NAN, ..epoch(0.0) };
        let progress = Progress { loss_sum: f64::NAN, best: Some(worst), ..Progress::default() };
        let read: Progress = serde_json::from_str(&serde_json::to_string(&progress).unwrap()).unwrap();
        assert!(read.loss_sum.is_nan() && read.best.as_ref().unwrap().valid_loss.is_nan());
        let progress = Progress { loss_sum: 0.1 + 0.2, best: Some(epoch(0.7)), ..Progress::default() };
        assert_eq!(serde_json::from_str::<Progress>(&serde_json::to_string(&progress).unwrap()).unwrap(), progress);
    }

    #[test]
    fn means_do_not_depend_on_when_totals_are_taken() {
        let totals = |loss, weight, accuracy, sequences| Totals { loss, weight, accuracy, sequences };
        let mut progress = Progress::default();
        progress.add(&totals(1.0, 30.0, 0.5, 10));
        progress.add(&totals(4.0, 10.0, 1.0, 30));
        assert_eq!((progress.loss(), progress.accuracy()), (1.75, 0.875));
    }

    fn epoch(valid_score: f64) -> Epoch {
        Epoch {
            epoch: 1,
            train_loss: 0.5,
            train_accuracy: 0.5,
            valid_loss: 0.5,
            valid_score,
            best: true,
            seconds: 1.0,
            tokens_per_second: 1.0,
            skipped_steps: 0,
        }
    }
}
