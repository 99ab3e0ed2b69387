//! From which probability on the second of two classes, or a label, is told. Half is right where errors of both kinds count alike;
//! where a class is rare, another threshold may tell it far better, by F1.

use super::{Dataset, Told};
use crate::error::{Result, ensure};
use crate::kernel::softmax_cross_entropy::first_largest;
use crate::network::{Network, Task};
use serde::{Deserialize, Serialize};

/// A threshold for each of C labels; of two classes that of the second alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds(Vec<f32>);

impl Thresholds {
    /// How many there are of a task, if it has some.
    fn count(task: Task, classes: usize) -> Option<usize> {
        match (task, classes) {
            (Task::Class, 2) => Some(1),
            (Task::Labels, labels) => Some(labels),
            _ => None,
        }
    }

    /// Refuses a task without thresholds, or other thresholds than it has.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config).
    pub fn check_task(task: Task, classes: usize) -> Result<()> {
        let known = Thresholds::count(task, classes).is_some();
        ensure!(known, "thresholds are for two classes, or for labels, and there are {classes} classes or numbers");
        Ok(())
    }

    /// Refuses other thresholds than the task has, or such as are no probabilities.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config).
    pub fn check(&self, task: Task, classes: usize) -> Result<()> {
        let fits = Thresholds::count(task, classes) == Some(self.0.len());
        let known = self.0.iter().all(|threshold| (0.0..=1.0).contains(threshold));
        ensure!(fits && known, "the thresholds do not fit what is told");
        Ok(())
    }

    /// Finds those with the best F1 on these sequences: of two classes the mean of both, of each label its own. Where several are
    /// as good the one nearest to half is taken.
    ///
    /// # Errors
    /// As [`Network::probabilities`]; [`Error::Config`](crate::Error::Config) for another task.
    pub fn fit(network: &mut Network, data: &Dataset, batch: usize) -> Result<Thresholds> {
        let config = network.config().clone();
        let width = config.classes;
        Thresholds::check_task(config.task, width)?;
        let mut told: Vec<Vec<(f32, bool)>> = vec![vec![]; if config.task == Task::Class { 1 } else { width }];
        for rows in data.by_length(batch, config.most_steps()) {
            let probabilities = network.probabilities(&data.batch(&config, &rows, |_| false)?)?;
            for (&row, own) in rows.iter().zip(probabilities.chunks(width)) {
                match &data.targets {
                    Some(Told::Classes(classes)) => told[0].push((own[1], classes[row] == 1)),
                    Some(labels @ Told::Labels(_)) => {
                        let marks = labels.has(row);
                        (0..width).for_each(|label| told[label].push((own[label], marks.contains(&(label as u32)))));
                    }
                    _ => {}
                }
            }
        }
        Ok(Thresholds(told.into_iter().map(|own| best(own, config.task == Task::Class)).collect()))
    }

    /// The class that is told.
    pub fn class(thresholds: Option<&Thresholds>, probabilities: &[f32]) -> usize {
        match thresholds {
            Some(Thresholds(own)) => usize::from(probabilities[1] > own[0]),
            None => first_largest(probabilities),
        }
    }

    /// Whether a label is told.
    pub fn label(thresholds: Option<&Thresholds>, label: usize, probability: f32) -> bool {
        probability > thresholds.map_or(0.5, |own| own.0[label])
    }

    /// What to call them, with the name of what each is of.
    pub fn named<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = (&'a str, f32)> {
        let own = if names.len() == self.0.len() { names } else { &names[1..] };
        own.iter().map(String::as_str).zip(self.0.iter().copied())
    }
}

/// The threshold with the best F1, of what lies above it or, with `both`, in the mean with what lies below.
fn best(mut told: Vec<(f32, bool)>, both: bool) -> f32 {
    told.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let positive = told.iter().filter(|(_, own)| *own).count();
    let all = told.len();
    let f1 = |hits: usize, told: usize, there: usize| 2.0 * hits as f64 / (told + there).max(1) as f64;
    let (mut below, mut missed) = (0, 0);
    let mut found = (f64::NEG_INFINITY, 0.5f32);
    let mut last = 0.0f32;
    let mut consider = |below: usize, missed: usize, threshold: f32| {
        let own = f1(positive - missed, all - below, positive);
        let other = f1(below - missed, below, all - positive);
        let score = if both { own + other } else { own };
        let nearer = (threshold - 0.5).abs() < (found.1 - 0.5).abs();
        if score > found.0 + 1e-12 || (score > found.0 - 1e-12 && nearer) {
            found = (score, threshold);
        }
    };
    for equal in told.chunk_by(|a, b| a.0 == b.0) {
        let next = equal[0].0;
        // Any threshold between two probabilities tells the same.
        consider(below, missed, if (last..next).contains(&0.5) { 0.5 } else { last + (next - last) / 2.0 });
        below += equal.len();
        missed += equal.iter().filter(|(_, own)| *own).count();
        last = next;
    }
    consider(below, missed, if last <= 0.5 { 0.5 } else { last });
    found.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(told: &[(f32, u8)], both: bool) -> f32 {
        best(told.iter().map(|&(probability, own)| (probability, own == 1)).collect(), both)
    }

    #[test]
    fn the_best_threshold_lies_between_two_probabilities() {
        // A rare class that is never told by half.
        let rare = [(0.05, 0), (0.1, 0), (0.1, 0), (0.2, 1), (0.15, 0), (0.3, 1)];
        assert!((of(&rare, true) - 0.175).abs() < 1e-6 && (of(&rare, false) - 0.175).abs() < 1e-6);
        assert_eq!(of(&[(0.1, 0), (0.4, 0), (0.6, 1), (0.9, 1)], true), 0.5, "half is as good as any");
        assert_eq!(of(&[(0.1, 0), (0.4, 0)], false), 0.5, "nothing is to be told");
        assert_eq!(of(&[(0.7, 0), (0.8, 0), (0.9, 0)], true), 0.9, "all lie below");
        assert_eq!(of(&[], true), 0.5);
        let tied = [(0.2, 0), (0.3, 1), (0.3, 0), (0.4, 1)];
        assert!((of(&tied, false) - 0.25).abs() < 1e-6);
    }

    #[test]
    fn decisions() {
        let low = Thresholds(vec![0.2]);
        assert_eq!((Thresholds::class(Some(&low), &[0.7, 0.3]), Thresholds::class(None, &[0.7, 0.3])), (1, 0));
        assert_eq!(Thresholds::class(Some(&Thresholds(vec![0.4])), &[0.7, 0.3]), 0);
        let own = Thresholds(vec![0.9, 0.1]);
        assert!(!Thresholds::label(Some(&own), 0, 0.8) && Thresholds::label(Some(&own), 1, 0.2));
        assert!(Thresholds::label(None, 0, 0.8) && !Thresholds::label(None, 0, 0.5));
        assert!(own.check(Task::Labels, 2).is_ok() && own.check(Task::Class, 2).is_err());
        assert!(Thresholds(vec![1.5]).check(Task::Class, 2).is_err() && low.check(Task::Class, 2).is_ok());
        assert!(Thresholds::check_task(Task::Class, 3).is_err());
    }
}
