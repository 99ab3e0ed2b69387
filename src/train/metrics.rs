//! How well a network tells what is to be told of a data set.

use super::dataset::Dataset;
use super::metric::area;
use super::spans::Spans;
use super::thresholds::Thresholds;
use crate::data::batch::Targets;
use crate::error::{Error, Result, ensure};
use crate::kernel::element_loss::binary_cross_entropy;
use crate::kernel::softmax_cross_entropy::first_largest;
use crate::network::{Network, Task};
use serde::{Deserialize, Serialize};

/// Precision, recall and F1 of one class, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassMetrics {
    /// Of what was called this class, the share that is. 0 if nothing was called so.
    pub precision: f64,
    /// Of what is this class, the share that was called so. 0 if there is none.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Sequences of this class.
    pub support: usize,
}

/// Loss, accuracy and what the targets allow to be measured, on a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean cross-entropy in nats, or squared error.
    pub loss: f64,
    /// Share of the sequences whose class, or all of whose labels, were told, or of the steps whose tag; 0 of numbers.
    pub accuracy: f64,
    /// Of more than five classes: the share of the sequences or steps whose class is among the five that are told most surely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// Of up to 64 classes: the area under the receiver operating characteristic, of each class that occurs against all others,
    /// in the mean; of two it is the same for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// Sequences of the data set, N; of those that are read in windows, the windows.
    pub sequences: usize,
    /// Where steps were told of, how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Where tags mark spans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spans: Option<Spans>,
    /// By class, by label or by number, as the targets are.
    #[serde(flatten)]
    pub details: Details,
}

/// What is counted of each class, label or number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Details {
    /// `[C, C]`: rows are true classes, columns predicted ones.
    #[serde(rename = "confusion")]
    Classes(Vec<Vec<usize>>),
    /// `[C]`
    #[serde(rename = "label_counts")]
    Labels(Vec<LabelCounts>),
    /// `[C]`
    #[serde(rename = "numbers")]
    Numbers(Vec<NumberErrors>),
}

/// How often a label was told rightly and wrongly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelCounts {
    /// Sequences that have the label, and of which it was told.
    pub hits: usize,
    /// Sequences without the label, of which it was told.
    pub false_alarms: usize,
    /// Sequences that have the label, of which it was not told.
    pub misses: usize,
}

impl LabelCounts {
    /// Counts a sequence; whether it was told rightly.
    fn add(&mut self, told: bool, truth: bool) -> bool {
        self.hits += usize::from(told && truth);
        self.false_alarms += usize::from(told && !truth);
        self.misses += usize::from(!told && truth);
        told == truth
    }

    /// Of what was told, the share that is so; 0 if nothing was.
    pub fn precision(&self) -> f64 {
        self.hits as f64 / (self.hits + self.false_alarms).max(1) as f64
    }

    /// Of what is so, the share that was told; 0 if nothing is.
    pub fn recall(&self) -> f64 {
        self.hits as f64 / (self.hits + self.misses).max(1) as f64
    }

    /// 2 hits / (2 hits + false alarms + misses); 0 if there is none.
    pub fn f1(&self) -> f64 {
        2.0 * self.hits as f64 / (2 * self.hits + self.false_alarms + self.misses).max(1) as f64
    }
}

/// How far a number was off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NumberErrors {
    /// Mean absolute error.
    pub mae: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// The share of its variance that is explained; 0 if it does not vary.
    pub r2: f64,
}

impl NumberErrors {
    /// Of what was told of each sequence or step, and the truth.
    pub fn of(pairs: &[(f64, f64)]) -> NumberErrors {
        let mean = |of: &dyn Fn(f64, f64) -> f64| {
            pairs.iter().map(|&(told, truth)| of(told, truth)).sum::<f64>() / pairs.len() as f64
        };
        // Seen from one of them, numbers that are all the same have no rounding, and no variance.
        let first = pairs.first().map_or(0.0, |&(_, truth)| truth);
        let centre = mean(&|_, truth| truth - first);
        let squared = mean(&|told, truth| (told - truth).powi(2));
        let variance = mean(&|_, truth| (truth - first - centre).powi(2));
        let r2 = if variance > 0.0 { 1.0 - squared / variance } else { 0.0 };
        NumberErrors { mae: mean(&|told, truth| (told - truth).abs()), rmse: squared.sqrt(), r2 }
    }
}

impl Evaluation {
    /// Evaluates a network in batches of `batch` sequences.
    ///
    /// # Errors
    /// As [`Network::logits`]; [`Error::Config`] for a data set without sequences or targets.
    pub fn of(network: &mut Network, data: &Dataset, batch: usize) -> Result<Evaluation> {
        Evaluation::by(network, data, batch, None)
    }

    /// The same where classes or labels are told by these thresholds.
    ///
    /// # Errors
    /// As [`Evaluation::of`].
    pub fn by(
        network: &mut Network,
        data: &Dataset,
        batch: usize,
        thresholds: Option<&Thresholds>,
    ) -> Result<Evaluation> {
        ensure!(!data.is_empty(), Error::Config("there is no sequence to evaluate with".into()));
        let config = network.config().clone();
        let width = config.classes;
        thresholds.map_or(Ok(()), |own| own.check(config.task, width))?;
        let (mut loss, mut correct, mut near) = (0.0, 0, 0);
        let mut surely = Vec::new();
        let mut pairs = vec![Vec::new(); width];
        let mut details = match config.task {
            Task::Class | Task::Tags => Details::Classes(vec![vec![0; width]; width]),
            Task::Labels => Details::Labels(vec![LabelCounts::default(); width]),
            Task::Regression | Task::Series => Details::Numbers(vec![]),
        };
        let of_steps = config.task.of_steps();
        let marks = data.marks();
        let mut tags = vec![vec![]; if marks.is_some() { data.len() } else { 0 }];
        let mut counted = 0;
        for rows in data.by_length(batch, config.most_steps()) {
            let batch = data.batch(&config, &rows, |_| false)?;
            config.check_batch(&batch, true)?;
            let counts = data.counted(&rows, of_steps);
            for (row, logits) in network.logits(&batch)?.chunks(width).enumerate() {
                let Some(sequence) = counts[row] else { continue };
                counted += 1;
                match (&mut details, &batch.targets) {
                    (Details::Classes(confusion), Some(Targets::Classes(classes))) => {
                        let class = classes[row] as usize;
                        let guess = match thresholds {
                            Some(_) => Thresholds::class(thresholds, &softmax(logits)),
                            None => first_largest(logits),
                        };
                        loss += cross_entropy(logits, class);
                        confusion[class][guess] += 1;
                        near += usize::from(logits.iter().filter(|own| **own > logits[class]).count() < TOP);
                        if width <= MOST_AREAS && !of_steps {
                            surely.push((softmax(logits), class));
                        }
                        correct += usize::from(class == guess);
                        if marks.is_some() {
                            tags[sequence].push([guess, class]);
                        }
                    }
                    (Details::Labels(counts), Some(Targets::Labels(labels))) => {
                        let mut all = true;
                        for (label, ((count, &x), &y)) in counts.iter_mut().zip(logits).zip(labels.row(row)).enumerate()
                        {
                            loss += f64::from(binary_cross_entropy(x, y)) / width as f64;
                            let told = match thresholds {
                                Some(_) => Thresholds::label(thresholds, label, 1.0 / (1.0 + (-x).exp())),
                                None => x > 0.0,
                            };
                            all &= count.add(told, y > 0.5);
                        }
                        correct += usize::from(all);
                    }
                    (_, Some(Targets::Numbers(numbers))) => {
                        for ((pairs, &x), &y) in pairs.iter_mut().zip(logits).zip(numbers.row(row)) {
                            loss += f64::from(x - y).powi(2) / width as f64;
                            pairs.push((x.into(), y.into()));
                        }
                    }
                    _ => {}
                }
            }
        }
        if let Details::Numbers(numbers) = &mut details {
            *numbers = pairs.iter().map(|pairs| NumberErrors::of(pairs)).collect();
        }
        let (loss, accuracy) = (loss / counted as f64, correct as f64 / counted as f64);
        let classes = matches!(details, Details::Classes(_));
        let top5 = (classes && width > TOP).then(|| near as f64 / counted as f64);
        let auc = (classes && width <= MOST_AREAS && !of_steps).then(|| mean_area(&surely, width)).flatten();
        let (sequences, steps) = (data.len(), of_steps.then_some(counted));
        let spans = marks.map(|names| spans_of(data, &tags, names));
        Ok(Evaluation { loss, accuracy, top5, auc, sequences, steps, spans, details })
    }

    /// What was told.
    pub fn task(&self) -> Task {
        match self.details {
            Details::Classes(_) => {
                if self.steps.is_some() {
                    Task::Tags
                } else {
                    Task::Class
                }
            }
            Details::Labels(_) => Task::Labels,
            Details::Numbers(_) => {
                if self.steps.is_some() {
                    Task::Series
                } else {
                    Task::Regression
                }
            }
        }
    }

    /// The number that is usual for what is told: accuracy of classes, micro F1 of labels, mean R² of numbers.
    pub fn score(&self) -> f64 {
        match &self.details {
            Details::Classes(_) => self.accuracy,
            Details::Labels(counts) => micro_f1(counts),
            Details::Numbers(errors) => errors.iter().map(|number| number.r2).sum::<f64>() / errors.len() as f64,
        }
    }
}

/// F1 over all labels together.
pub fn micro_f1(counts: &[LabelCounts]) -> f64 {
    let sum = |of: fn(&LabelCounts) -> usize| counts.iter().map(of).sum();
    LabelCounts { hits: sum(|c| c.hits), false_alarms: sum(|c| c.false_alarms), misses: sum(|c| c.misses) }.f1()
}

/// Precision, recall and F1 of every class of a confusion matrix `[C, C]`.
pub fn class_metrics(confusion: &[Vec<usize>]) -> Vec<ClassMetrics> {
    let metrics = |class: usize| {
        let hits = confusion[class][class];
        let (called, support) = (confusion.iter().map(|row| row[class]).sum(), confusion[class].iter().sum());
        let share_of = |whole: usize| hits as f64 / whole.max(1) as f64;
        let f1 = LabelCounts { hits, false_alarms: called - hits, misses: support - hits }.f1();
        ClassMetrics { precision: share_of(called), recall: share_of(support), f1, support }
    };
    (0..confusion.len()).map(metrics).collect()
}

/// Classes told most surely, among which the right one may be.
const TOP: usize = 5;

/// Classes of which the areas are told.
pub(super) const MOST_AREAS: usize = 64;

/// The spans of sequences, by the tags, told and true, of the steps of each row.
fn spans_of(data: &Dataset, tags: &[Vec<[usize; 2]>], names: &[String]) -> Spans {
    let mut spans = Spans::default();
    let rows: Vec<usize> = (0..tags.len()).collect();
    for windows in rows.chunk_by(|a, b| data.sequence_of(*a) == data.sequence_of(*b)) {
        let own = |of: usize| windows.iter().flat_map(|&row| &tags[row]).map(|own| names[own[of]].as_str()).collect();
        let [told, truth]: [Vec<&str>; 2] = [own(0), own(1)];
        spans.add(&told, &truth);
    }
    spans
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let all: Vec<f32> = logits.iter().map(|&x| (x - largest).exp()).collect();
    let sum: f32 = all.iter().sum();
    all.into_iter().map(|x| x / sum).collect()
}

/// The areas of all classes that occur, in the mean, from the probabilities of each sequence and its class.
fn mean_area(told: &[(Vec<f32>, usize)], classes: usize) -> Option<f64> {
    let of =
        |class: usize| area(&mut told.iter().map(|(own, truth)| (own[class], *truth == class)).collect::<Vec<_>>());
    let areas: Vec<f64> = (0..classes).filter_map(of).collect();
    (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64)
}

fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&x| f64::from(x - largest).exp()).sum();
    sum.ln() + f64::from(largest - logits[label])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_recall_f1() {
        let confusion = vec![vec![8, 2, 0], vec![1, 3, 0], vec![1, 0, 0]];
        let classes = class_metrics(&confusion);
        assert_eq!((classes[0].precision, classes[0].recall, classes[0].support), (0.8, 0.8, 10));
        assert!((classes[0].f1 - 0.8).abs() < 1e-12);
        assert_eq!((classes[1].precision, classes[1].recall), (0.6, 0.75));
        assert_eq!((classes[2].precision, classes[2].recall, classes[2].f1, classes[2].support), (0.0, 0.0, 0.0, 1));
    }

    #[test]
    fn labels_and_numbers() {
        let counts = LabelCounts { hits: 3, false_alarms: 1, misses: 2 };
        assert!((counts.f1() - 2.0 / 3.0).abs() < 1e-12 && LabelCounts::default().f1() == 0.0);
        let NumberErrors { mae, rmse, r2 } = NumberErrors::of(&[(1.0, 2.0), (3.0, 2.0), (5.0, 6.0), (6.0, 6.0)]);
        assert!((mae - 0.75).abs() < 1e-12 && (rmse - 0.75f64.sqrt()).abs() < 1e-12 && (r2 - 0.8125).abs() < 1e-12);
        assert_eq!(NumberErrors::of(&[(0.5, 0.1); 10]).r2, 0.0);
    }

    #[test]
    fn cross_entropy_of_extreme_logits() {
        assert!((cross_entropy(&[1000.0, 0.0], 0)).abs() < 1e-12);
        assert!((cross_entropy(&[1000.0, 0.0], 1) - 1000.0).abs() < 1e-9);
        assert!((cross_entropy(&[0.5, 0.5], 1) - 2f64.ln()).abs() < 1e-12);
    }
}
