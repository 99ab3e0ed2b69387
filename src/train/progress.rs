//! Where training stands: enough to stop after any step and go on with the same numbers.

use super::Epoch;
use super::metrics::Evaluation;
use super::{Keep, Options};
use crate::network::Totals;
use serde::{Deserialize, Deserializer, Serialize};

/// A number of a file of JSON, which writes all that is not finite as `null`: a run that diverged can be taken up too.
pub(super) fn number<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// Position, running totals and finished epochs of a training run.
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
    /// Sequences told rightly; steps, where every step has a target.
    pub correct: f64,
    /// Sequences trained on; steps, where every step has a target.
    pub sequences: usize,
    /// Real steps trained on.
    pub tokens: usize,
    /// Seconds of training, without validation and saving.
    pub seconds: f64,
    /// Steps that were skipped one after the other up to the last reading.
    pub skipped_in_a_row: usize,
    /// The epochs that are finished, in their order.
    pub history: Vec<Epoch>,
}

impl Progress {
    /// Adds the totals of some steps.
    pub(super) fn add(&mut self, totals: &Totals) {
        let count = totals.sequences as f64;
        self.loss_sum += totals.loss * totals.weight;
        self.weight += totals.weight;
        self.correct += totals.accuracy * count;
        self.sequences += totals.sequences;
        self.skipped_in_a_row = totals.skipped_in_a_row;
    }

    /// Mean loss of the current epoch so far.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.weight.max(f64::MIN_POSITIVE)
    }

    /// Accuracy of the current epoch so far.
    pub fn accuracy(&self) -> f64 {
        self.correct / self.sequences.max(1) as f64
    }

    /// The epoch with the best validation so far.
    pub fn best(&self) -> Option<&Epoch> {
        self.history.iter().rfind(|epoch| epoch.best)
    }

    /// Whether the epoch that ends is the best so far: the last one, or by the metric of its validation, then by its loss. One
    /// that is not finite beats nothing, nor does one of weights whose gradient is not.
    pub(super) fn is_best(&self, evaluation: Option<&Evaluation>, options: &Options) -> bool {
        if self.skipped_in_a_row > 0 {
            return false;
        }
        let Some(evaluation) = evaluation else { return options.keep == Keep::Last && self.loss().is_finite() };
        let metric = options.metric_of(evaluation);
        let (value, loss) = (metric.value(evaluation), evaluation.loss);
        let better = |best: &Epoch| {
            metric.is_better(value, best.valid_score) || (value == best.valid_score && loss < best.valid_loss)
        };
        if options.keep == Keep::Last {
            return loss.is_finite();
        }
        value.is_finite() && loss.is_finite() && self.best().is_none_or(better)
    }

    pub(super) fn next_epoch(&mut self, epoch: &Epoch) {
        let mut history = std::mem::take(&mut self.history);
        history.push(epoch.clone());
        let (epoch, skipped_in_a_row) = (self.epoch + 1, self.skipped_in_a_row);
        *self = Progress { epoch, history, skipped_in_a_row, ..Progress::default() };
    }

    /// The text of `metrics.jsonl`: a line for each finished epoch.
    #[cfg(feature = "files")]
    pub(super) fn metrics(&self) -> String {
        let line = |epoch| serde_json::to_string(epoch).expect("metrics are plain numbers") + "\n";
        self.history.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metric;
    use super::super::metrics::Details;
    use super::*;

    #[test]
    fn a_run_that_diverged_is_read_again() {
        let worst = Epoch { train_loss: f64::INFINITY, valid_loss: f64::NAN, valid_score: f64::NAN, ..epoch(0.0) };
        let progress = Progress { loss_sum: f64::NAN, history: vec![worst], ..Progress::default() };
        let read: Progress = serde_json::from_str(&serde_json::to_string(&progress).unwrap()).unwrap();
        assert!(read.loss_sum.is_nan() && read.history[0].valid_loss.is_nan());
        let progress = Progress { loss_sum: 0.1 + 0.2, history: vec![epoch(0.7)], ..Progress::default() };
        assert_eq!(serde_json::from_str::<Progress>(&serde_json::to_string(&progress).unwrap()).unwrap(), progress);
    }

    #[test]
    fn nothing_that_is_not_finite_is_best() {
        let evaluation = |loss, accuracy: f64| {
            let details = Details::Classes(vec![]);
            Evaluation { loss, accuracy, top5: None, auc: Some(loss), sequences: 4, steps: None, spans: None, details }
        };
        let is_best = |progress: &Progress, loss, accuracy, options: &Options| {
            progress.is_best(Some(&evaluation(loss, accuracy)), options)
        };
        let (mut progress, usual) = (Progress::default(), Options::default());
        for loss in [f64::NAN, f64::INFINITY] {
            assert!(!is_best(&progress, loss, 1.0, &usual));
        }
        assert!(is_best(&progress, 9.0, 0.0, &usual));
        progress.next_epoch(&epoch(0.5));
        progress.next_epoch(&Epoch { best: false, ..epoch(0.4) });
        assert_eq!(progress.best(), Some(&epoch(0.5)));
        assert!(is_best(&progress, 0.4, 0.5, &usual) && is_best(&progress, 9.0, 0.6, &usual));
        assert!(!is_best(&progress, 0.5, 0.5, &usual) && !is_best(&progress, f64::NAN, 0.6, &usual));
        // By another metric, or the last one in any case.
        let by = |metric| Options { metric: Some(metric), ..Options::default() };
        let least = Progress { history: vec![Epoch { valid_score: 0.5, ..epoch(0.5) }], ..Progress::default() };
        assert!(is_best(&least, 0.4, 0.0, &by(Metric::Loss)) && !is_best(&least, 0.6, 1.0, &by(Metric::Loss)));
        assert!(is_best(&least, 0.6, 0.0, &by(Metric::Auc)) && !is_best(&least, 0.4, 1.0, &by(Metric::Auc)));
        let last = Options { keep: Keep::Last, ..Options::default() };
        assert!(is_best(&progress, 9.0, 0.0, &last) && !is_best(&progress, f64::NAN, 0.0, &last));
        assert!(progress.is_best(None, &last) && !progress.is_best(None, &usual));
        let skipped = Progress { skipped_in_a_row: 1, ..Progress::default() };
        assert!(!skipped.is_best(None, &last) && !is_best(&skipped, 0.1, 1.0, &usual));
    }

    #[test]
    fn means_do_not_depend_on_when_totals_are_taken() {
        let totals =
            |loss, weight, accuracy, sequences| Totals { loss, weight, accuracy, sequences, skipped_in_a_row: 0 };
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
