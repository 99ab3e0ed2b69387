//! How good a classifier is on a data set.

use super::dataset::Dataset;
use crate::error::Result;
use crate::kernel::element_loss::binary_cross_entropy;
use crate::kernel::softmax_cross_entropy::first_largest;
use crate::network::{Network, Task};
use serde::Serialize;

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

/// Loss, accuracy and confusion on a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Mean cross-entropy in nats, or squared error.
    pub loss: f64,
    /// Share of the sequences whose class, or all of whose labels, were told; 0 of numbers.
    pub accuracy: f64,
    pub sequences: usize,
    /// `[C, C]`: rows are true classes, columns predicted ones; empty for other tasks.
    pub confusion: Vec<Vec<usize>>,
    /// Of each label, `[C]`; empty for other tasks.
    #[serde(rename = "label_counts", skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelCounts>,
    /// Of each number, `[C]`; empty for other tasks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<NumberErrors>,
}

/// How often a label was told rightly and wrongly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LabelCounts {
    pub hits: usize,
    pub false_alarms: usize,
    pub misses: usize,
}

impl LabelCounts {
    /// 2 hits / (2 hits + false alarms + misses); 0 if there is none.
    pub fn f1(&self) -> f64 {
        2.0 * self.hits as f64 / (2 * self.hits + self.false_alarms + self.misses).max(1) as f64
    }
}

/// How far a number was off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct NumberErrors {
    /// Mean absolute error, and the root of the mean squared one.
    pub mae: f64,
    pub rmse: f64,
    /// The share of its variance that is explained; 0 if it does not vary.
    pub r2: f64,
}

impl Evaluation {
    /// Evaluates a network in batches of `batch` sequences.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn of(network: &mut Network, data: &Dataset, batch: usize) -> Result<Evaluation> {
        let config = network.config().clone();
        let width = config.classes;
        let (mut loss, mut correct) = (0.0, 0);
        let mut confusion = vec![vec![0; width]; if config.task == Task::Class { width } else { 0 }];
        let mut counts = vec![LabelCounts::default(); if config.task == Task::Labels { width } else { 0 }];
        let mut errors = vec![Errors::default(); if config.task == Task::Regression { width } else { 0 }];
        for rows in data.by_length(batch, config.length) {
            let batch = data.batch(&config, &rows, |_| false);
            config.check_batch(&batch, true)?;
            let logits = network.logits(&batch)?;
            for (row, logits) in logits.chunks(width).enumerate() {
                if config.task == Task::Class {
                    let label = batch.labels[row] as usize;
                    let guess = first_largest(logits);
                    loss += cross_entropy(logits, label);
                    confusion[label][guess] += 1;
                    correct += usize::from(label == guess);
                    continue;
                }
                let targets = &batch.targets[row * width..][..width];
                let mut all = config.task == Task::Labels;
                for (c, (&x, &y)) in logits.iter().zip(targets).enumerate() {
                    if config.task == Task::Labels {
                        loss += f64::from(binary_cross_entropy(x, y)) / width as f64;
                        let (told, truth) = (x > 0.0, y > 0.5);
                        counts[c].hits += usize::from(told && truth);
                        counts[c].false_alarms += usize::from(told && !truth);
                        counts[c].misses += usize::from(!told && truth);
                        all &= told == truth;
                    } else {
                        loss += f64::from(x - y).powi(2) / width as f64;
                        errors[c].add(x.into(), y.into());
                    }
                }
                correct += usize::from(all);
            }
        }
        let sequences = data.len();
        let (loss, accuracy) = (loss / sequences as f64, correct as f64 / sequences as f64);
        let numbers = errors.iter().map(Errors::of).collect();
        Ok(Evaluation { loss, accuracy, sequences, confusion, labels: counts, numbers })
    }

    /// The number that a validation is judged by: accuracy of classes, micro F1 of labels, mean R² of numbers.
    pub fn score(&self) -> f64 {
        if !self.numbers.is_empty() {
            return self.numbers.iter().map(|number| number.r2).sum::<f64>() / self.numbers.len() as f64;
        }
        if self.labels.is_empty() { self.accuracy } else { self.micro_f1() }
    }

    /// F1 over all labels together.
    pub fn micro_f1(&self) -> f64 {
        let sum = |of: fn(&LabelCounts) -> usize| self.labels.iter().map(of).sum();
        LabelCounts { hits: sum(|c| c.hits), false_alarms: sum(|c| c.false_alarms), misses: sum(|c| c.misses) }.f1()
    }

    /// Precision, recall and F1 of every class.
    pub fn classes(&self) -> Vec<ClassMetrics> {
        let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        (0..self.confusion.len())
            .map(|class| {
                let hits = self.confusion[class][class];
                let support = self.confusion[class].iter().sum();
                let called = self.confusion.iter().map(|row| row[class]).sum();
                let (precision, recall) = (share(hits, called), share(hits, support));
                let both = precision + recall;
                let f1 = if both == 0.0 { 0.0 } else { 2.0 * precision * recall / both };
                ClassMetrics { precision, recall, f1, support }
            })
            .collect()
    }
}

/// Sums over the sequences of one number.
#[derive(Clone, Copy, Default)]
struct Errors {
    count: f64,
    absolute: f64,
    squared: f64,
    /// Mean of the true numbers, and the sum of their squared distances from it, by Welford's method: a difference of
    /// large sums would leave a variance to numbers that are all the same.
    centre: f64,
    spread: f64,
}

impl Errors {
    fn add(&mut self, told: f64, truth: f64) {
        self.count += 1.0;
        self.absolute += (told - truth).abs();
        self.squared += (told - truth).powi(2);
        let from_old = truth - self.centre;
        self.centre += from_old / self.count;
        self.spread += from_old * (truth - self.centre);
    }

    fn of(&self) -> NumberErrors {
        let r2 = if self.spread > 0.0 { 1.0 - self.squared / self.spread } else { 0.0 };
        NumberErrors { mae: self.absolute / self.count, rmse: (self.squared / self.count).sqrt(), r2 }
    }
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
        let (labels, numbers) = (vec![], vec![]);
        let evaluation = Evaluation { loss: 0.0, accuracy: 11.0 / 15.0, sequences: 15, confusion, labels, numbers };
        let classes = evaluation.classes();
        assert_eq!((classes[0].precision, classes[0].recall, classes[0].support), (0.8, 0.8, 10));
        assert!((classes[0].f1 - 0.8).abs() < 1e-12);
        assert_eq!((classes[1].precision, classes[1].recall), (0.6, 0.75));
        assert_eq!((classes[2].precision, classes[2].recall, classes[2].f1, classes[2].support), (0.0, 0.0, 0.0, 1));
    }

    #[test]
    fn labels_and_numbers() {
        let counts = LabelCounts { hits: 3, false_alarms: 1, misses: 2 };
        assert!((counts.f1() - 2.0 / 3.0).abs() < 1e-12 && LabelCounts::default().f1() == 0.0);
        let mut errors = Errors::default();
        [(1.0, 2.0), (3.0, 2.0), (5.0, 6.0), (6.0, 6.0)].into_iter().for_each(|(told, truth)| errors.add(told, truth));
        let NumberErrors { mae, rmse, r2 } = errors.of();
        assert!((mae - 0.75).abs() < 1e-12 && (rmse - 0.75f64.sqrt()).abs() < 1e-12 && (r2 - 0.8125).abs() < 1e-12);
        let mut errors = Errors::default();
        (0..10).for_each(|_| errors.add(0.5, 0.1));
        assert_eq!(errors.of().r2, 0.0);
    }

    #[test]
    fn cross_entropy_of_extreme_logits() {
        assert!((cross_entropy(&[1000.0, 0.0], 0)).abs() < 1e-12);
        assert!((cross_entropy(&[1000.0, 0.0], 1) - 1000.0).abs() < 1e-9);
        assert!((cross_entropy(&[0.5, 0.5], 1) - 2f64.ln()).abs() < 1e-12);
    }
}
