//! How good a classifier is on a data set.

use super::dataset::Dataset;
use crate::error::Result;
use crate::kernel::softmax_cross_entropy::first_largest;
use crate::network::Network;
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
    /// Mean cross-entropy in nats.
    pub loss: f64,
    pub accuracy: f64,
    pub sequences: usize,
    /// `[C, C]`: rows are true classes, columns predicted ones.
    pub confusion: Vec<Vec<usize>>,
}

impl Evaluation {
    /// Evaluates a network in batches of `batch` sequences.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn of(network: &mut Network, data: &Dataset, batch: usize) -> Result<Evaluation> {
        let config = network.config().clone();
        let mut confusion = vec![vec![0; config.classes]; config.classes];
        let mut loss = 0.0;
        for rows in data.by_length(batch, config.length) {
            let sequences: Vec<&[u32]> = rows.iter().map(|&row| data.sequences[row].as_slice()).collect();
            let labels: Vec<u32> = rows.iter().map(|&row| data.labels[row]).collect();
            let logits = network.logits(&config.batch(&sequences, &labels))?;
            for (logits, &label) in logits.chunks(config.classes).zip(&labels) {
                loss += cross_entropy(logits, label as usize);
                confusion[label as usize][first_largest(logits)] += 1;
            }
        }
        let correct: usize = (0..config.classes).map(|class| confusion[class][class]).sum();
        let sequences = data.len();
        let accuracy = correct as f64 / sequences as f64;
        Ok(Evaluation { loss: loss / sequences as f64, accuracy, sequences, confusion })
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
        let evaluation = Evaluation { loss: 0.0, accuracy: 11.0 / 15.0, sequences: 15, confusion };
        let classes = evaluation.classes();
        assert_eq!((classes[0].precision, classes[0].recall, classes[0].support), (0.8, 0.8, 10));
        assert!((classes[0].f1 - 0.8).abs() < 1e-12);
        assert_eq!((classes[1].precision, classes[1].recall), (0.6, 0.75));
        assert_eq!((classes[2].precision, classes[2].recall, classes[2].f1, classes[2].support), (0.0, 0.0, 0.0, 1));
    }

    #[test]
    fn cross_entropy_of_extreme_logits() {
        assert!((cross_entropy(&[1000.0, 0.0], 0)).abs() < 1e-12);
        assert!((cross_entropy(&[1000.0, 0.0], 1) - 1000.0).abs() < 1e-9);
        assert!((cross_entropy(&[0.5, 0.5], 1) - 2f64.ln()).abs() < 1e-12);
    }
}
