//! Training: epochs over a data set, validation, the best weights, early stopping, stopping and going on.

pub mod dataset;
#[cfg(feature = "files")]
pub mod files;
pub mod metrics;
#[cfg(feature = "files")]
pub mod model;
pub mod progress;
#[cfg(feature = "files")]
pub mod reading;
pub mod schedule;

pub use dataset::{Dataset, Sequences, Told};
pub use metrics::Evaluation;
#[cfg(feature = "files")]
pub use model::Model;
pub use progress::Progress;
#[cfg(feature = "files")]
pub use reading::{Raw, Steps, Telling};
pub use schedule::Schedule;

use crate::error::Result;
use crate::kernel::dropout::hash;
use crate::network::{Network, Optimiser, Parameters};
use serde::{Deserialize, Serialize};
use web_time::Instant;

/// How to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    pub epochs: usize,
    /// Sequences of a batch.
    pub batch: usize,
    /// Decides the order of the sequences.
    pub seed: u64,
    pub optimiser: Optimiser,
    /// What the optimiser's learning rate is multiplied by.
    #[serde(default)]
    pub schedule: Schedule,
    /// Share of the tokens of a training batch that become unknown.
    #[serde(default)]
    pub word_dropout: f32,
    /// Epochs without a better validation after which training stops; `None` for never.
    pub patience: Option<usize>,
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
        }
    }
}

/// One finished epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counts from 1.
    pub epoch: usize,
    #[serde(deserialize_with = "progress::number")]
    pub train_loss: f64,
    pub train_accuracy: f64,
    #[serde(deserialize_with = "progress::number")]
    pub valid_loss: f64,
    /// Accuracy of classes, micro F1 of labels, R² of numbers.
    #[serde(deserialize_with = "progress::number")]
    pub valid_score: f64,
    /// Whether the validation is the best so far.
    pub best: bool,
    /// Seconds of training, without validation; of the last stretch if training was stopped in between.
    pub seconds: f64,
    pub tokens_per_second: f64,
    /// Steps skipped so far because their gradient was not finite.
    pub skipped_steps: usize,
}

/// Where training stands within an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Counts from 1.
    pub epoch: usize,
    /// Steps done of this epoch, of which some before this stretch began, and all its steps.
    pub step: usize,
    pub before: usize,
    pub steps: usize,
    /// Tokens read in this epoch and stretch, and the seconds that it took.
    pub tokens: usize,
    pub seconds: f64,
    /// Mean loss and accuracy of the epoch so far, when they have just been read.
    pub totals: Option<(f64, f64)>,
}

/// Watches training, and may stop it.
pub trait Observer {
    /// After every step.
    fn step(&mut self, _step: &Step) {}

    /// After every epoch, with the trainer, so that weights and progress can be saved.
    ///
    /// # Errors
    /// What saving says; it ends the training.
    fn epoch(&mut self, _epoch: &Epoch, _trainer: &mut Trainer) -> Result<()> {
        Ok(())
    }

    /// Whether to stop after this step.
    fn stop(&self) -> bool {
        false
    }
}

/// Watches nothing.
pub struct Silent;

impl Observer for Silent {}

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

/// Trains a network.
pub struct Trainer {
    pub network: Network,
    pub options: Options,
    progress: Progress,
    best: Option<Parameters>,
}

/// Steps after which loss and accuracy are read from the device.
const READ_EVERY: usize = 10;

impl Trainer {
    /// Training from the beginning.
    pub fn new(network: Network, options: Options) -> Trainer {
        Trainer { network, options, progress: Progress::default(), best: None }
    }

    /// Goes on where `progress` stands; `best` are the weights of the best epoch so far. The network must hold the
    /// weights and the optimiser's state of that moment.
    pub fn resume(network: Network, options: Options, progress: Progress, best: Option<Parameters>) -> Trainer {
        Trainer { network, options, progress, best }
    }

    /// Where training stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The weights of the best epoch, if one has been finished.
    pub fn best(&self) -> Option<&Parameters> {
        self.best.as_ref()
    }

    /// Trains until all epochs are run, the validation stops improving, or the observer says so. Afterwards the
    /// network holds the best weights, unless it was stopped.
    ///
    /// # Errors
    /// As [`Network::train_step`], and what the observer says.
    pub fn fit(&mut self, train: &Dataset, valid: &Dataset, observer: &mut dyn Observer) -> Result<Ending> {
        while self.progress.epoch < self.options.epochs {
            let Some(seconds_and_tokens) = self.run_epoch(train, observer)? else {
                return Ok(Ending::Stopped);
            };
            let epoch = self.finish_epoch(valid, seconds_and_tokens)?;
            observer.epoch(&epoch, self)?;
            if self.out_of_patience() {
                self.restore_best()?;
                return Ok(Ending::NoImprovement);
            }
            if observer.stop() && self.progress.epoch < self.options.epochs {
                return Ok(Ending::Stopped);
            }
        }
        self.restore_best()?;
        Ok(Ending::Finished)
    }

    fn out_of_patience(&self) -> bool {
        let since_best = self.progress.epoch - self.progress.best.as_ref().map_or(0, |best| best.epoch);
        self.options.patience.is_some_and(|patience| since_best >= patience)
    }

    fn restore_best(&mut self) -> Result<()> {
        match &self.best {
            Some(best) => self.network.set_parameters(best),
            None => Ok(()),
        }
    }

    /// Runs the rest of the current epoch; `None` if it was stopped. Gives its seconds and tokens.
    fn run_epoch(&mut self, train: &Dataset, observer: &mut dyn Observer) -> Result<Option<(f64, usize)>> {
        let Options { epochs, batch, seed, mut optimiser, schedule, word_dropout, .. } = self.options.clone();
        let (rule, rate) = (optimiser.rule, optimiser.rule.learning_rate());
        let config = self.network.config().clone();
        let length = config.length;
        let batches = train.epoch(batch, length, seed, self.progress.epoch);
        let (start, mut tokens) = (Instant::now(), 0);
        let (before, mut pending) = (self.progress.step, None);
        for (at, rows) in batches.iter().enumerate().skip(before) {
            // Every step draws numbers of its own, the same ones again when training goes on.
            optimiser.seed = hash(hash(seed as u32) ^ (self.progress.epoch * batches.len() + at) as u32);
            let factor = schedule.factor((self.progress.epoch, epochs), (at, batches.len()));
            optimiser.rule = rule.with_learning_rate(rate * factor);
            let (key, threshold) = (hash(!optimiser.seed), (f64::from(word_dropout) * 2f64.powi(32)) as u32);
            let batch = train.batch(&config, rows, |place| hash(place as u32 ^ key) < threshold);
            self.network.train_step(&batch, &optimiser)?;
            tokens += batch.steps();
            self.progress.step = at + 1;
            let last = at + 1 == batches.len();
            let stop = observer.stop() && !last;
            // What was asked for after the step before is fetched now, with this step under way.
            let mut arrived = Vec::from_iter(pending.take());
            if (at + 1) % READ_EVERY == 0 || last || stop {
                pending = Some(self.network.begin_totals()?);
            }
            if last || stop {
                arrived.extend(pending.take());
            }
            let mut totals = None;
            for steps in arrived {
                self.progress.add(&steps.finish()?);
                totals = Some((self.progress.loss(), self.progress.accuracy()));
            }
            let seconds = start.elapsed().as_secs_f64();
            let (epoch, steps) = (self.progress.epoch + 1, batches.len());
            observer.step(&Step { epoch, step: at + 1, before, steps, tokens, seconds, totals });
            if stop {
                return Ok(None);
            }
        }
        Ok(Some((start.elapsed().as_secs_f64(), tokens)))
    }

    fn finish_epoch(&mut self, valid: &Dataset, (seconds, tokens): (f64, usize)) -> Result<Epoch> {
        let evaluation = Evaluation::of(&mut self.network, valid, self.options.batch)?;
        let skipped_steps = self.network.skipped_steps()?;
        let best = self.progress.is_best(&evaluation);
        if best {
            self.best = Some(self.network.parameters()?);
        }
        let epoch = Epoch {
            epoch: self.progress.epoch + 1,
            train_loss: self.progress.loss(),
            train_accuracy: self.progress.accuracy(),
            valid_loss: evaluation.loss,
            valid_score: evaluation.score(),
            best,
            seconds,
            tokens_per_second: tokens as f64 / seconds.max(1e-9),
            skipped_steps,
        };
        self.progress.next_epoch(&epoch);
        Ok(epoch)
    }
}
