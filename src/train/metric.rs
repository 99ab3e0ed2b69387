//! The number that a validation is judged by.

use super::metrics::{Details, Evaluation, LabelCounts, class_metrics, micro_f1};
use crate::error::{Error, Result, ensure};
use crate::network::Task;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What decides which epoch is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The share of sequences whose class was told, or of steps whose tag.
    Accuracy,
    /// F1 of spans, where tags are those of spans.
    SpanF1,
    /// The mean of the F1 of all classes or labels: the rare ones count as much as the others.
    MacroF1,
    /// F1 over all labels together.
    MicroF1,
    /// Area under the receiver operating characteristic, of each class against all others, in the mean.
    Auc,
    /// Share of the variance that is explained, in the mean of all numbers.
    R2,
    /// Cross-entropy or squared error: the least is the best.
    Loss,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Metric::Accuracy => "accuracy",
            Metric::SpanF1 => "span-f1",
            Metric::MacroF1 => "macro-f1",
            Metric::MicroF1 => "micro-f1",
            Metric::Auc => "auc",
            Metric::R2 => "r2",
            Metric::Loss => "loss",
        })
    }
}

impl Metric {
    /// The one that is usual for what is told.
    pub fn of(task: Task) -> Metric {
        match task {
            Task::Class | Task::Tags => Metric::Accuracy,
            Task::Labels => Metric::MicroF1,
            Task::Regression | Task::Series => Metric::R2,
        }
    }

    /// Refuses a metric that is not of this task.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn check(self, task: Task) -> Result<()> {
        let fits = match self {
            Metric::Loss => true,
            Metric::Accuracy => task.is_one_of(),
            Metric::Auc => task == Task::Class,
            Metric::SpanF1 => task == Task::Tags,
            Metric::MacroF1 => task.is_one_of() || task == Task::Labels,
            Metric::MicroF1 => task == Task::Labels,
            Metric::R2 => matches!(task, Task::Regression | Task::Series),
        };
        let what = match task {
            Task::Class => "accuracy, macro-f1, auc or loss",
            Task::Labels => "micro-f1, macro-f1 or loss",
            Task::Tags => "accuracy, macro-f1, span-f1 or loss",
            Task::Regression | Task::Series => "r2 or loss",
        };
        ensure!(fits, Error::setting("metric", self, format!("{what}, for what is told")));
        Ok(())
    }

    /// The number, of which the largest is the best; of the loss, the least.
    pub fn value(self, evaluation: &Evaluation) -> f64 {
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
        match (self, &evaluation.details) {
            (Metric::Loss, _) => evaluation.loss,
            (Metric::Auc, _) => evaluation.auc.unwrap_or(f64::NAN),
            (Metric::SpanF1, _) => evaluation.spans.as_ref().map_or(f64::NAN, |spans| spans.micro().f1()),
            (Metric::MacroF1, Details::Classes(confusion)) => {
                // A class that does not occur is neither told nor missed.
                let classes = class_metrics(confusion);
                mean(classes.iter().filter(|own| own.support > 0).map(|own| own.f1).collect())
            }
            (Metric::MacroF1, Details::Labels(counts)) => mean(counts.iter().map(LabelCounts::f1).collect()),
            (Metric::MicroF1, Details::Labels(counts)) => micro_f1(counts),
            _ => evaluation.score(),
        }
    }

    /// Whether the first is the better one.
    pub fn is_better(self, value: f64, than: f64) -> bool {
        if self == Metric::Loss { value < than } else { value > than }
    }

    /// A value with its name.
    pub fn words(self, value: f64) -> String {
        let name = match self {
            Metric::Accuracy => "accuracy",
            Metric::SpanF1 => "span F1",
            Metric::MacroF1 => "macro F1",
            Metric::MicroF1 => "micro F1",
            Metric::Auc => "AUC",
            Metric::R2 => "R²",
            Metric::Loss => "loss",
        };
        format!("{name} {}", self.number(value))
    }

    /// A value, or a difference of values, by itself.
    pub fn number(self, value: f64) -> String {
        if self == Metric::Accuracy { format!("{:.2} %", 100.0 * value) } else { format!("{value:.4}") }
    }
}

/// Area under the receiver operating characteristic: the share of pairs, one of the class and one not, in which the first has
/// the larger score; equal ones count half (Mann & Whitney, 1947). `None` if there is no such pair.
pub(super) fn area(scores: &mut [(f32, bool)]) -> Option<f64> {
    scores.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let positive = scores.iter().filter(|(_, own)| *own).count() as f64;
    let negative = scores.len() as f64 - positive;
    let (mut below, mut pairs) = (0.0, 0.0);
    for equal in scores.chunk_by(|a, b| a.0 == b.0) {
        let own = equal.iter().filter(|(_, own)| *own).count() as f64;
        let others = equal.len() as f64 - own;
        pairs += own * (below + others / 2.0);
        below += others;
    }
    (positive > 0.0 && negative > 0.0).then(|| pairs / (positive * negative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs() {
        let of =
            |scores: &[(f32, u8)]| area(&mut scores.iter().map(|&(score, own)| (score, own == 1)).collect::<Vec<_>>());
        // As scikit-learn's roc_auc_score gives it.
        assert_eq!(of(&[(0.1, 0), (0.4, 0), (0.35, 1), (0.8, 1)]), Some(0.75));
        assert_eq!(of(&[(0.5, 0), (0.5, 1), (0.5, 1)]), Some(0.5));
        assert_eq!(of(&[(0.5, 1)]), None);
    }

    #[test]
    fn metrics_fit_their_task() {
        assert!(Metric::of(Task::Labels).check(Task::Labels).is_ok() && Metric::Loss.check(Task::Regression).is_ok());
        let error = Metric::Auc.check(Task::Regression).unwrap_err().to_string();
        assert_eq!(error, "metric auc: it must be r2 or loss, for what is told");
        assert!(Metric::Loss.is_better(1.0, 2.0) && Metric::Auc.is_better(2.0, 1.0));
    }
}
