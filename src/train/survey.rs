//! What there is to learn from, told before training, and what the curves say after it.

use super::dataset::Cut;
use super::{Dataset, Epoch, Options, TargetEncoder, Told, TrainingData};
use crate::data::batch::UNKNOWN_ID;
use crate::data::{Channels, Inputs, Scale};
use crate::network::{Config, Task};

/// What a training set looks like to a network with these settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// Sequences to train on, to validate with, and for the test, if there is one.
    pub sequences: [usize; 3],
    /// How often each class or label occurs among those to train on, the rarest first.
    pub counts: Vec<(String, usize)>,
    /// Steps of the sequences to train on: of the middle one, of nine in ten at most, of the longest.
    pub steps: [usize; 3],
    /// What the network leaves out of them.
    pub cut: Option<Cut>,
    /// Shares of unknown tokens in the three sets; `None` of numbers.
    pub unknown: Option<[f64; 3]>,
    /// Of sequences of numbers.
    pub channels: Option<Channels>,
    /// What the numbers of a channel are compared with.
    pub scale: Scale,
    /// What is told.
    pub task: Task,
    /// Steps of the optimiser that all epochs make.
    pub updates: usize,
}

/// The share of sequences to validate with that the most frequent class to train on has; what a guess is worth.
pub fn guess(data: &TrainingData, classes: usize) -> f64 {
    let counts = |set: &Dataset| match &set.targets {
        Some(told @ Told::Classes(_)) => told.occurrences(classes),
        _ => vec![],
    };
    let (train, valid) = (counts(&data.train), counts(&data.valid));
    let most = (0..classes.min(train.len())).max_by_key(|&class| train[class]);
    most.map_or(0.0, |class| valid[class] as f64 / valid.iter().sum::<usize>().max(1) as f64)
}

/// What may stand in the way of a good model, and can be mended.
#[derive(Clone, Debug, PartialEq)]
pub enum Concern {
    /// Classes of so few sequences that little can be learnt of them, by their names.
    Rare(Vec<String>),
    /// So many classes, of so many sequences, that these look like no classes.
    ManyClasses(usize, usize),
    /// The most frequent class has so many times the sequences of the rarest.
    Uneven(f64),
    /// So many sequences lose some of their steps.
    Cut(Cut),
    /// Most words of a set are unknown: which set, and their share.
    Unknown(&'static str, f64),
    /// So few steps of the optimiser that training ends before it has begun.
    FewUpdates(usize),
    /// So many more numbers a step than steps that the two seem exchanged: steps, and numbers of a step.
    Transposed(usize, usize),
    /// A share of the sequences seems to be padded with zeros.
    Padded(f64),
    /// The sequences' scales or offsets differ so much that what varies within one is a small share of the whole, and they are
    /// not made normal each for itself.
    Scales(f64),
    /// So many values were missing, and were filled in.
    Filled(usize),
}

/// What the curves of a finished training say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// The last epoch was the best: more may be better.
    StillImproving,
    /// The training data is told far better than the validation data.
    Overfitted,
    /// The loss rose again and again: the rate is too high.
    Unsteady,
    /// Nothing was learnt that a guess does not know.
    NothingLearnt,
}

/// Sequences that a class needs for anything to be learnt of it.
const FEW: usize = 3;

/// How many times as many sequences a class may have as another before it is told.
pub(super) const UNEVEN: f64 = 5.0;

/// Share of the sequences that may be cut without a word.
const FEW_CUT: f64 = 0.05;

/// Share of unknown tokens beyond which it is told.
const MUCH_UNKNOWN: f64 = 0.3;

/// Steps of the optimiser below which a network of the usual rate has hardly moved.
const FEW_UPDATES: usize = 500;

/// Share of a channel's deviation within sequences below which these have scales of their own.
pub(super) const OWN_SCALES: f64 = 0.25;

/// Share of sequences that end in zeros beyond which these look like padding.
const MUCH_PADDED: f64 = 0.25;

impl Survey {
    /// Looks at all the data once.
    pub fn of(
        data: &TrainingData,
        config: &Config,
        options: &Options,
        targets: &TargetEncoder,
        (channels, scale): (Option<&Channels>, Scale),
    ) -> Survey {
        let TrainingData { train, valid, test } = data;
        let unknown = |set: &Dataset| set.share_of(UNKNOWN_ID);
        let mut steps: Vec<usize> = (0..train.len()).map(|row| train.steps(row)).collect();
        steps.sort_unstable();
        let at = |share: f64| steps[((steps.len() - 1) as f64 * share).round() as usize];
        let names = targets.names();
        let counts = train.targets.as_ref().map_or(vec![], |told| told.occurrences(names.len()));
        let mut counts: Vec<(String, usize)> = names.into_iter().zip(counts).collect();
        counts.sort_by_key(|(_, count)| *count);
        Survey {
            sequences: [train.len(), valid.len(), test.as_ref().map_or(0, Dataset::len)],
            counts,
            steps: [at(0.5), at(0.9), at(1.0)],
            cut: train.cut(config.most_steps()),
            unknown: matches!(train.inputs, Inputs::Tokens(_))
                .then(|| [unknown(train), unknown(valid), test.as_ref().map_or(0.0, unknown)]),
            channels: channels.cloned(),
            scale,
            task: config.task,
            updates: options.epochs * train.len().div_ceil(options.batch.max(1)),
        }
    }

    /// What may stand in the way, the gravest first.
    pub fn concerns(&self) -> Vec<Concern> {
        let mut concerns = vec![];
        let [_, _, longest] = self.steps;
        if let Some(channels) = &self.channels {
            let (width, within) = (channels.each.len(), channels.within());
            if width > 8 && width > 4 * longest {
                concerns.push(Concern::Transposed(longest, width));
            }
            if channels.padded > MUCH_PADDED {
                concerns.push(Concern::Padded(channels.padded));
            }
            if within < OWN_SCALES && self.scale == Scale::Channel {
                concerns.push(Concern::Scales(within));
            }
            if channels.filled > 0 {
                concerns.push(Concern::Filled(channels.filled));
            }
        }
        let [train, ..] = self.sequences;
        if self.counts.len() > 10 && 3 * self.counts.len() > train && self.task == Task::Class {
            concerns.push(Concern::ManyClasses(self.counts.len(), train));
        }
        let rare: Vec<String> =
            self.counts.iter().filter(|(_, count)| *count < FEW).map(|(name, _)| name.clone()).collect();
        if !rare.is_empty() {
            concerns.push(Concern::Rare(rare));
        }
        if let (Some((_, least)), Some((_, most))) = (self.counts.first(), self.counts.last()) {
            let ratio = *most as f64 / (*least).max(1) as f64;
            if ratio > UNEVEN {
                concerns.push(Concern::Uneven(ratio));
            }
        }
        concerns.extend(self.cut.filter(|cut| cut.sequences as f64 > FEW_CUT * cut.of as f64).map(Concern::Cut));
        for (set, share) in ["train on", "validate with", "test with"].into_iter().zip(self.unknown.unwrap_or_default())
        {
            if share > MUCH_UNKNOWN {
                concerns.push(Concern::Unknown(set, share));
            }
        }
        if self.updates < FEW_UPDATES {
            concerns.push(Concern::FewUpdates(self.updates));
        }
        concerns
    }
}

/// What the epochs of a training that came to its end say, if they say something; `guess` is the score of one who always tells
/// the most frequent class, where it is known and is comparable with the training's own.
pub fn lesson(history: &[Epoch], epochs: usize, guess: Option<f64>) -> Option<Lesson> {
    let best = history.iter().rfind(|epoch| epoch.best)?;
    let last = history.last()?;
    let first = history[0].train_loss;
    // What little is left of the loss may rise without harm.
    let rises = |pair: &&[Epoch]| pair[1].train_loss > pair[0].train_loss.max(0.25 * first);
    let rises = history.windows(2).filter(rises).count();
    if !best.valid_loss.is_finite() {
        return None;
    }
    if guess.is_some_and(|guess| best.valid_score <= guess + 0.01) {
        return Some(Lesson::NothingLearnt);
    }
    if history.len() >= 4 && 3 * rises >= history.len() {
        return Some(Lesson::Unsteady);
    }
    if best.epoch == last.epoch && last.epoch == epochs {
        return Some(Lesson::StillImproving);
    }
    let gap = best.train_accuracy - best.valid_score;
    (guess.is_some() && best.train_accuracy > 0.0 && gap > 0.15).then_some(Lesson::Overfitted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Channel, Classes};

    fn epoch(epoch: usize, train: (f64, f64), valid_score: f64, best: bool) -> Epoch {
        let (train_loss, train_accuracy) = train;
        Epoch {
            epoch,
            train_loss,
            train_accuracy,
            valid_loss: 1.0,
            valid_score,
            best,
            seconds: 1.0,
            tokens_per_second: 1.0,
            skipped_steps: 0,
        }
    }

    #[test]
    fn curves() {
        let of = |scores: &[(f64, f64, f64)]| {
            let best = scores.iter().map(|own| own.2).fold(f64::MIN, f64::max);
            let history: Vec<Epoch> = (1..)
                .zip(scores)
                .map(|(at, &(loss, own, valid))| epoch(at, (loss, own), valid, valid == best))
                .collect();
            lesson(&history, 4, Some(0.5))
        };
        let good = [(0.6, 0.6, 0.6), (0.5, 0.7, 0.7), (0.4, 0.75, 0.74), (0.3, 0.8, 0.73)];
        assert_eq!(of(&good), None);
        assert_eq!(of(&[good[0], good[1], good[2], (0.3, 0.8, 0.9)]), Some(Lesson::StillImproving));
        assert_eq!(of(&[good[0], good[1], (0.1, 0.99, 0.75), (0.05, 1.0, 0.7)]), Some(Lesson::Overfitted));
        assert_eq!(of(&[good[0], (0.9, 0.5, 0.7), (0.4, 0.7, 0.75), (0.8, 0.5, 0.6)]), Some(Lesson::Unsteady));
        assert_eq!(of(&[(0.7, 0.5, 0.5), (0.7, 0.5, 0.5)]), Some(Lesson::NothingLearnt));
        assert_eq!(lesson(&[], 4, Some(0.5)), None);
    }

    fn channels(width: usize, padded: f64, within: f64) -> Channels {
        let own = [within / 2.0, within, 2.0 * within];
        let one = Channel { least: 0.0, largest: 15.0, deviation: 1.0, own };
        Channels { each: vec![one; width], padded, filled: 0 }
    }

    #[test]
    fn what_may_stand_in_the_way() {
        let sequences: Vec<Vec<f32>> = vec![vec![0.5; 20]; 4];
        let train = Dataset::of_numbers(&sequences, 2).unwrap().with_targets(Told::Classes(vec![0, 0, 0, 1])).unwrap();
        let data = TrainingData { valid: train.clone(), test: None, train };
        let classes: Classes = vec!["a".to_string(), "b".to_string()].try_into().unwrap();
        let targets = TargetEncoder::Classes(classes);
        let config = Config { length: 8, ..Config::default() };
        let options = Options { batch: 3, epochs: 2, ..Options::default() };
        let of = |channels: Channels, scale| Survey::of(&data, &config, &options, &targets, (Some(&channels), scale));
        let found = of(channels(2, 0.75, 1.0), Scale::Channel);
        assert_eq!((found.sequences, found.steps, found.updates), ([4, 4, 0], [10; 3], 4));
        assert_eq!(found.counts, [("b".to_string(), 1), ("a".to_string(), 3)]);
        let cut = found.cut.unwrap();
        let usual = [Concern::Rare(vec!["b".into()]), Concern::Cut(cut), Concern::FewUpdates(4)];
        assert_eq!(found.concerns(), [&[Concern::Padded(0.75)], &usual[..]].concat());
        let scaled = of(channels(2, 0.0, 0.1), Scale::Channel);
        assert_eq!(scaled.concerns(), [&[Concern::Scales(0.1)], &usual[..]].concat());
        assert_eq!(of(channels(2, 0.0, 0.1), Scale::Sequence).concerns(), usual);
        let filled = Channels { filled: 3, ..channels(2, 0.0, 1.0) };
        assert_eq!(of(filled, Scale::Channel).concerns(), [&[Concern::Filled(3)], &usual[..]].concat());
        assert_eq!(of(channels(50, 0.0, 1.0), Scale::Channel).concerns()[0], Concern::Transposed(10, 50));
    }
}
