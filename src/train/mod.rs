//! Training: epochs over a data set, validation, the best weights, early stopping, stopping and going on.

mod answers;
#[cfg(feature = "files")]
mod checkpoint;
#[cfg(feature = "files")]
pub mod choice;
pub mod dataset;
#[cfg(feature = "files")]
mod directory;
#[cfg(feature = "files")]
pub mod encoding;
#[cfg(feature = "files")]
pub mod import;
pub mod metric;
pub mod metrics;
#[cfg(feature = "files")]
pub mod model;
#[cfg(feature = "files")]
mod prepare;
pub mod progress;
#[cfg(feature = "files")]
pub mod recipe;
#[cfg(feature = "files")]
pub mod run;
#[cfg(feature = "files")]
pub mod saver;
pub mod schedule;
#[cfg(feature = "files")]
pub mod search;
#[cfg(feature = "files")]
pub mod setting;
#[cfg(feature = "files")]
pub mod sources;
pub mod spans;
#[cfg(feature = "files")]
mod state_dict;
#[cfg(feature = "files")]
pub mod survey;
#[cfg(feature = "files")]
pub(crate) mod tensors;
mod thresholds;
pub mod told;
#[cfg(feature = "files")]
pub mod training;
#[cfg(feature = "files")]
pub mod trial;
pub mod windows;

pub use answers::{answers, states};
pub use dataset::Dataset;
pub use metric::Metric;
pub use metrics::Evaluation;
pub use progress::Progress;
pub use schedule::Schedule;
pub use spans::Spans;
pub use thresholds::Thresholds;
pub use told::Told;
#[cfg(feature = "files")]
pub use {
    encoding::{InputEncoder, TargetEncoder},
    model::Model,
    recipe::Recipe,
    run::Run,
    saver::Interval,
    sources::{Sources, TrainingData},
    training::Training,
};

use crate::error::{Error, Result, ensure};
use crate::kernel::dropout::hash;
use crate::network::{Network, Optimiser, Parameters, PendingTotals};
use serde::{Deserialize, Serialize};
use web_time::Instant;

/// How to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Most passes over the training data, at least 1; 10 by default.
    pub epochs: usize,
    /// Sequences of a batch.
    pub batch: usize,
    /// Decides the order of the sequences, and what dropout and word dropout drop.
    pub seed: u64,
    /// How a step moves the weights.
    pub optimiser: Optimiser,
    /// What the optimiser's learning rate is multiplied by.
    #[serde(default)]
    pub schedule: Schedule,
    /// Share of the tokens of a training batch that become unknown.
    #[serde(default)]
    pub word_dropout: f32,
    /// Epochs without a better validation after which training stops; `None` for never.
    pub patience: Option<usize>,
    /// Which epoch's weights are kept.
    #[serde(default)]
    pub keep: Keep,
    /// What a validation is judged by; `None` for what is usual for the task.
    #[serde(default)]
    pub metric: Option<Metric>,
}

/// Which epoch's weights a training keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those with the best validation.
    #[default]
    Best,
    /// Those of the last; then there need be nothing to validate with.
    Last,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            epochs: 10,
            batch: 100,
            seed: 1,
            optimiser: Optimiser::default(),
            schedule: Schedule::default(),
            word_dropout: 0.0,
            patience: None,
            keep: Keep::Best,
            metric: None,
        }
    }
}

impl Options {
    /// What validations of this kind are judged by.
    pub fn metric_of(&self, evaluation: &Evaluation) -> Metric {
        self.metric.unwrap_or(Metric::of(evaluation.task()))
    }

    /// Checks what does not depend on a network; the optimiser is checked with it, at every step.
    ///
    /// # Errors
    /// [`Error::Setting`] for a size of 0, a share beyond its range or a learning rate that is not positive.
    pub fn check(&self) -> Result<()> {
        let sizes = [("epochs", self.epochs), ("batch", self.batch), ("patience", self.patience.unwrap_or(1))];
        for (name, size) in sizes {
            ensure!(size > 0, Error::setting(name, size, "at least 1"));
        }
        let share = self.word_dropout;
        ensure!((0.0..1.0).contains(&share), Error::setting("word_dropout", share, "at least 0 and less than 1"));
        let rate = self.optimiser.rule.learning_rate();
        let clip = self.optimiser.clip.unwrap_or(f32::INFINITY);
        for (name, value, most) in [("learning_rate", rate, f32::MAX), ("clip", clip, f32::INFINITY)] {
            ensure!(value > 0.0 && value <= most, Error::setting(name, value, "a positive number"));
        }
        Optimiser { class_weights: vec![], ..self.optimiser.clone() }.check(2)?;
        self.schedule.check()
    }
}

/// One finished epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counts from 1.
    pub epoch: usize,
    /// Mean loss of the training batches, each with the weights of its moment.
    #[serde(deserialize_with = "progress::number")]
    pub train_loss: f64,
    /// Share of the training sequences told rightly, alike; 0 of numbers.
    pub train_accuracy: f64,
    /// Mean loss on the validation data, after the epoch; not a number where there are none.
    #[serde(deserialize_with = "progress::number")]
    pub valid_loss: f64,
    /// The metric that the training goes by: as by default accuracy of classes, micro F1 of labels, R² of numbers.
    #[serde(deserialize_with = "progress::number")]
    pub valid_score: f64,
    /// Whether the validation is the best so far.
    pub best: bool,
    /// Seconds of training, without validation.
    pub seconds: f64,
    /// Real steps trained on per second.
    pub tokens_per_second: f64,
    /// Steps skipped so far because their gradient was not finite.
    pub skipped_steps: usize,
}

/// Where training stands within an epoch.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Counts from 1.
    pub epoch: usize,
    /// Steps done of this epoch.
    pub step: usize,
    /// Steps of this epoch that were done before this stretch began.
    pub before: usize,
    /// All steps of this epoch.
    pub steps: usize,
    /// All epochs.
    pub epochs: usize,
    /// Tokens read in this stretch of the epoch.
    pub tokens: usize,
    /// Seconds that this stretch of the epoch took.
    pub seconds: f64,
    /// Mean loss and accuracy of the epoch as far as they were read; `None` before the first reading.
    pub totals: Option<(f64, f64)>,
}

/// Watches training, and may stop it.
pub trait Observer {
    /// After every step.
    fn step(&mut self, _step: &StepReport) {}

    /// After every epoch, with the trainer, so that weights and progress can be saved.
    ///
    /// # Errors
    /// What saving says; it ends the training.
    fn epoch(&mut self, _epoch: &Epoch, _trainer: &mut Trainer) -> Result<()> {
        Ok(())
    }

    /// When, after a training that was validated, another one on all `sequences` begins, for so many epochs.
    fn refit(&mut self, _sequences: usize, _epochs: usize) {}

    /// Whether to stop after this step.
    fn stop(&self) -> bool {
        false
    }
}

/// Watches nothing.
impl Observer for () {}

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs were run.
    Finished,
    /// The validation did not improve for `patience` epochs.
    NoImprovement,
    /// The observer stopped it; [`Progress`] tells how to go on.
    Stopped,
}

/// Trains a network: from the beginning, or on from where `progress` stands. Then the network must hold the weights and
/// the optimiser's state of that moment.
pub struct Trainer {
    /// The network that is trained, with the weights of the last step.
    pub network: Network,
    /// How it is trained.
    pub options: Options,
    /// Where training stands.
    pub progress: Progress,
    /// The weights of the best epoch so far, if one has been finished.
    pub best: Option<Parameters>,
}

/// Steps after which loss and accuracy are read from the device.
const READ_EVERY: usize = 10;

/// Steps in a row that may be skipped, as their gradient is not finite, before training ends with [`Error::Diverged`].
pub const MOST_SKIPPED: usize = 50;

/// Keeps a training as it goes, so that it can go on later.
trait Keeper {
    /// Whether it is to be kept now, between two epochs or in one.
    fn is_due(&mut self, between_epochs: bool) -> Result<bool>;

    /// Keeps it, if it is worth going on from, or if it is the `last` time.
    fn keep(&mut self, trainer: &mut Trainer, last: bool) -> Result<()>;
}

/// Keeps nothing.
impl Keeper for () {
    fn is_due(&mut self, _: bool) -> Result<bool> {
        Ok(false)
    }

    fn keep(&mut self, _: &mut Trainer, _: bool) -> Result<()> {
        Ok(())
    }
}

impl Trainer {
    /// Training from the beginning.
    pub fn new(network: Network, options: Options) -> Trainer {
        Trainer { network, options, progress: Progress::default(), best: None }
    }

    /// Trains until all epochs are run, the validation stops improving, or the observer says so. Afterwards the
    /// network holds the best weights, unless it was stopped.
    ///
    /// # Errors
    /// As [`Options::check`] and [`Network::train_step`], and what the observer says; [`Error::Config`] if there is
    /// nothing to train or to validate with; [`Error::Diverged`] if [`MOST_SKIPPED`] steps in a row were skipped, or no epoch
    /// ended with a finite loss.
    pub fn fit(&mut self, train: &Dataset, valid: &Dataset, observer: &mut dyn Observer) -> Result<Ending> {
        self.fit_and_keep(train, valid, observer, &mut ())
    }

    /// [`Trainer::fit`], kept as it goes, and when it ends or is stopped.
    fn fit_and_keep(
        &mut self,
        train: &Dataset,
        valid: &Dataset,
        observer: &mut dyn Observer,
        keeper: &mut dyn Keeper,
    ) -> Result<Ending> {
        self.options.check()?;
        let needed = [(train, "train", true), (valid, "validate", self.options.keep == Keep::Best)];
        for (data, verb, needed) in needed {
            ensure!(!data.is_empty() || !needed, Error::Config(format!("there is no sequence to {verb} with")));
        }
        let mut ending = Ending::Finished;
        while self.progress.epoch < self.options.epochs {
            // Also of a training that is taken up after it had ended so.
            if self.progress.step == 0 && self.is_out_of_patience() {
                ending = Ending::NoImprovement;
                break;
            }
            if !self.run_epoch(train, observer, keeper)? {
                return Ok(Ending::Stopped);
            }
            let epoch = self.finish_epoch(valid)?;
            observer.epoch(&epoch, self)?;
            if self.progress.epoch == self.options.epochs || self.is_out_of_patience() {
                continue;
            }
            if observer.stop() {
                keeper.keep(self, false)?;
                return Ok(Ending::Stopped);
            }
            if keeper.is_due(true)? {
                keeper.keep(self, false)?;
            }
        }
        let never = "no epoch ended with a finite loss and a finite gradient";
        ensure!(self.best.is_some(), Error::Diverged(never.into()));
        keeper.keep(self, true)?;
        if let Some(best) = &self.best {
            self.network.set_parameters(best)?;
        }
        Ok(ending)
    }

    fn is_out_of_patience(&self) -> bool {
        if self.options.keep == Keep::Last {
            return false;
        }
        let since_best = self.progress.epoch - self.progress.best().map_or(0, |best| best.epoch);
        self.options.patience.is_some_and(|patience| since_best >= patience)
    }

    /// Runs the rest of the current epoch; `false` if it was stopped.
    fn run_epoch(&mut self, train: &Dataset, observer: &mut dyn Observer, keeper: &mut dyn Keeper) -> Result<bool> {
        let Options { epochs, batch, seed, mut optimiser, schedule, word_dropout, .. } = self.options.clone();
        let (rule, rate) = (optimiser.rule, optimiser.rule.learning_rate());
        let config = self.network.config().clone();
        let length = config.most_steps();
        let batches = train.epoch(batch, length, seed, self.progress.epoch);
        let (before, mut reading) = (self.progress.step, None::<PendingTotals>);
        let (mut tokens, mut seconds) = (0, 0.0);
        for (at, rows) in batches.iter().enumerate().skip(before) {
            let start = Instant::now();
            // Every step draws numbers of its own, the same ones again when training goes on.
            optimiser.seed = hash(seed_of(seed) ^ (self.progress.epoch * batches.len() + at) as u32);
            let factor = schedule.factor((self.progress.epoch, epochs), (at, batches.len()));
            optimiser.rule = rule.with_learning_rate(rate * factor);
            let (key, threshold) = (hash(!optimiser.seed), (f64::from(word_dropout) * 2f64.powi(32)) as u32);
            let batch = train.batch(&config, rows, |place| hash(place as u32 ^ key) < threshold)?;
            self.network.train_step(&batch, &optimiser)?;
            self.progress.step = at + 1;
            // What was asked for after the step before arrives while this one is under way.
            self.take(&mut reading)?;
            let last = at + 1 == batches.len();
            if last || (at + 1) % READ_EVERY == 0 {
                reading = Some(self.network.begin_totals()?);
            }
            if last {
                self.take(&mut reading)?;
            }
            let took = start.elapsed().as_secs_f64();
            (tokens, seconds) = (tokens + batch.steps(), seconds + took);
            self.progress.tokens += batch.steps();
            self.progress.seconds += took;
            let (epoch, steps, progress) = (self.progress.epoch + 1, batches.len(), &self.progress);
            let totals = (progress.sequences > 0).then(|| (progress.loss(), progress.accuracy()));
            observer.step(&StepReport { epoch, step: at + 1, before, steps, epochs, tokens, seconds, totals });
            if last {
                break;
            }
            let stop = observer.stop();
            if stop || keeper.is_due(false)? {
                self.take(&mut reading)?;
                keeper.keep(self, false)?;
            }
            if stop {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds totals that were asked for, if there are any.
    fn take(&mut self, reading: &mut Option<PendingTotals>) -> Result<()> {
        let Some(totals) = reading.take() else { return Ok(()) };
        let totals = totals.finish()?;
        self.progress.add(&totals);
        let (skipped, epoch, step) = (totals.skipped_in_a_row, self.progress.epoch + 1, self.progress.step);
        let words =
            format!("the gradients of {skipped} steps in a row, up to step {step} of epoch {epoch}, are not finite");
        ensure!(skipped < MOST_SKIPPED, Error::Diverged(words));
        Ok(())
    }

    fn finish_epoch(&mut self, valid: &Dataset) -> Result<Epoch> {
        let evaluate = |network: &mut Network| Evaluation::of(network, valid, self.options.batch);
        let evaluation = (!valid.is_empty()).then(|| evaluate(&mut self.network)).transpose()?;
        let skipped_steps = self.network.skipped_steps()?;
        let mut best = self.progress.is_best(evaluation.as_ref(), &self.options);
        if best {
            let parameters = self.network.parameters()?;
            best = parameters.is_finite();
            self.best = if best { Some(parameters) } else { self.best.take() };
        }
        let Progress { seconds, tokens, .. } = self.progress;
        let epoch = Epoch {
            epoch: self.progress.epoch + 1,
            train_loss: self.progress.loss(),
            train_accuracy: self.progress.accuracy(),
            valid_loss: evaluation.as_ref().map_or(f64::NAN, |own| own.loss),
            valid_score: evaluation.as_ref().map_or(f64::NAN, |own| self.options.metric_of(own).value(own)),
            best,
            seconds,
            tokens_per_second: tokens as f64 / seconds.max(1e-9),
            skipped_steps,
        };
        self.progress.next_epoch(&epoch);
        Ok(epoch)
    }
}

/// All bits of a training's seed in one word.
fn seed_of(seed: u64) -> u32 {
    hash(hash((seed >> 32) as u32) ^ seed as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Device};

    fn trainer(options: Options) -> Trainer {
        let config = Config { vocabulary: 9, embedding: 2, hidden: 2, length: 64, ..Config::default() };
        Trainer::new(Network::new(config, Device::cpu(), 1).unwrap(), options)
    }

    #[test]
    fn nothing_to_train_or_to_validate_with_is_refused() {
        let data = Dataset::new(&[[3, 4], [5, 6]], vec![0, 1]).unwrap();
        let (none, mut trainer) = (data.select(&[]), trainer(Options::default()));
        let mut error = |train, valid| trainer.fit(train, valid, &mut ()).unwrap_err().to_string();
        assert_eq!(error(&data, &none), "there is no sequence to validate with");
        assert_eq!(error(&none, &data), "there is no sequence to train with");
        assert!(Evaluation::of(&mut trainer.network, &none, 5).is_err());
    }

    #[test]
    fn options_are_checked_by_the_trainer() {
        let data = Dataset::new(&[[3, 4], [5, 6]], vec![0, 1]).unwrap();
        let good = Options::default();
        for (bad, words) in [
            (Options { epochs: 0, ..good.clone() }, "epochs 0: it must be at least 1"),
            (Options { batch: 0, ..good.clone() }, "batch 0: it must be at least 1"),
            (Options { patience: Some(0), ..good.clone() }, "patience 0: it must be at least 1"),
            (Options { word_dropout: 1.0, ..good.clone() }, "word_dropout 1: it must be at least 0 and less than 1"),
            (Options { optimiser: Optimiser::adam(0.0), ..good.clone() }, "learning_rate 0: it must be a positive"),
            (Options { optimiser: Optimiser { dropout: 1.0, ..Optimiser::default() }, ..good.clone() }, "dropout 1: "),
            (Options { schedule: Schedule::Step { epochs: 0, factor: 0.1 }, ..good.clone() }, "schedule "),
            (Options { schedule: Schedule::Cosine { warmup: 1.0 }, ..good }, "schedule "),
        ] {
            let error = trainer(bad).fit(&data, &data, &mut ()).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
    }

    #[test]
    fn every_bit_of_a_seed_counts() {
        let seeds: std::collections::BTreeSet<u32> = (0..64).map(|bit| seed_of(1 << bit)).chain([seed_of(0)]).collect();
        assert_eq!(seeds.len(), 65);
    }
}
