//! Saves of a training while it goes on: one at a time, on a thread of its own.

use super::checkpoint::Checkpoint;
use super::directory::{CHECKPOINT, Directory, LISTED, METRICS, RUN, TOKENIZER, WEIGHTS};
use super::model::{ConfigFile, encode_weights};
use super::sources::Origin;
use super::{Keeper, Model, Run, Trainer};
use crate::error::{Error, Result};
use crate::network::Input;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a training is saved within an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// After so much time, when the save before is written.
    Time(Duration),
    /// After so many steps, waiting for the save before; at least 1.
    Steps(usize),
}

impl Default for Interval {
    /// Five minutes.
    fn default() -> Interval {
        Interval::Time(Duration::from_secs(300))
    }
}

impl FromStr for Interval {
    type Err = Error;

    /// Reads `30s`, `5m` or `2h`, or a number of steps.
    fn from_str(text: &str) -> Result<Interval> {
        let wrong = || Error::setting("checkpoint_every", text, "a time, such as 30s, 5m or 2h, or a number of steps");
        let number = |digits: &str| digits.parse().ok().filter(|&number: &u32| number > 0).ok_or_else(wrong);
        for (unit, seconds) in [('s', 1), ('m', 60), ('h', 3600)] {
            if let Some(digits) = text.strip_suffix(unit) {
                return Ok(Interval::Time(Duration::from_secs(seconds * u64::from(number(digits)?))));
            }
        }
        Ok(Interval::Steps(number(text)? as usize))
    }
}

/// Writes into a model directory, one save at a time.
pub(super) struct Saver {
    folder: PathBuf,
    /// `None` while a save is being written, or if the thread that wrote one has failed.
    directory: Option<Directory>,
    writing: Option<JoinHandle<(Directory, Result<()>)>>,
    /// Whether a save has failed since this was last asked.
    failed: bool,
}

impl Saver {
    pub fn new(folder: &Path, directory: Directory) -> Saver {
        Saver { folder: folder.into(), directory: Some(directory), writing: None, failed: false }
    }

    /// The directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a save is being written.
    fn is_busy(&self) -> bool {
        self.writing.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Waits for the save that is being written.
    ///
    /// # Errors
    /// What it came to, the first time that it is asked for.
    pub fn wait(&mut self) -> Result<()> {
        let Some(thread) = self.writing.take() else { return Ok(()) };
        let (directory, outcome) = thread.join().map_err(|_| self.lost())?;
        self.directory = Some(directory);
        self.failed |= outcome.is_err();
        outcome
    }

    fn lost(&self) -> Error {
        Error::model(&self.folder, "the thread that writes it has failed")
    }

    /// Begins a save that changes one file and leaves all others as they are.
    ///
    /// # Errors
    /// What the save before came to.
    pub fn add(&mut self, name: &'static str, contents: Vec<u8>, config: ConfigFile) -> Result<()> {
        self.begin(move |directory| {
            let others = LISTED.into_iter().filter(|own| *own != name).map(|own| (own, None));
            let files: Vec<_> = others.chain([(name, Some(contents))]).collect();
            directory.save(&files, |sums| config.text(sums))
        })
    }

    /// Begins a save, when the one before has been written.
    ///
    /// # Errors
    /// What the save before came to.
    fn begin(&mut self, save: impl FnOnce(&mut Directory) -> Result<()> + Send + 'static) -> Result<()> {
        self.wait()?;
        let mut directory = self.directory.take().ok_or_else(|| self.lost())?;
        let thread = std::thread::Builder::new().name("saving".into()).spawn(move || {
            let outcome = save(&mut directory);
            (directory, outcome)
        });
        let none = |error| Error::model(&self.folder, format!("there is no thread to write it: {error}"));
        self.writing = Some(thread.map_err(none)?);
        Ok(())
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        // What has begun is finished, also when something else has failed.
        if let Err(error) = self.wait() {
            log::warn!("{error}");
        }
    }
}

/// Keeps a training in its model directory, or its model in memory alone.
pub(super) struct Saving<'a> {
    pub model: &'a mut Model,
    pub origin: &'a Origin,
    /// To train on, to validate with, for the test.
    pub sequences: [usize; 3],
    pub saver: Option<&'a mut Saver>,
    pub interval: Interval,
    /// The epoch whose weights are in the directory, 0 for those of a moment before any was finished; `None` if nothing of
    /// this training is there.
    pub saved: &'a mut Option<usize>,
    /// When the last save began, or training.
    pub last: Instant,
    /// Steps since then.
    pub steps: usize,
    /// Whether it was said that a moment was not worth saving.
    pub warned: bool,
    /// Whether another model is there, which is given up for one that was validated, not before.
    pub overwrites: bool,
    /// Whether the moment that was to be kept last has been.
    pub kept: &'a mut bool,
}

impl Keeper for Saving<'_> {
    fn is_due(&mut self, between_epochs: bool) -> Result<bool> {
        self.steps += usize::from(!between_epochs);
        let is_within = match self.interval {
            Interval::Time(time) => self.last.elapsed() >= time,
            Interval::Steps(steps) => self.steps >= steps,
        };
        let is_time = between_epochs || (is_within && (self.saved.is_some() || !self.overwrites));
        let Some(saver) = &mut self.saver else { return Ok(false) };
        if saver.is_busy() {
            // A save that is not written yet is not waited for: the next one holds all that it would.
            return Ok(is_time && matches!(self.interval, Interval::Steps(_)));
        }
        // What went wrong ends the training at once.
        saver.wait()?;
        Ok(is_time)
    }

    fn keep(&mut self, trainer: &mut Trainer, last: bool) -> Result<()> {
        (self.last, self.steps, *self.kept) = (Instant::now(), 0, false);
        // Those of a training on all sequences take the place of what was validated when it is done.
        let refits = self.origin.validated.is_some();
        let is_early = refits && !last;
        let Some(saver) = &mut self.saver else {
            if !is_early {
                // Before an epoch is finished, the model is what was learnt so far.
                self.model.parameters = trainer.best.clone().map_or_else(|| trainer.network.parameters(), Ok)?;
                *self.kept = true;
            }
            return Ok(());
        };
        if std::mem::take(&mut saver.failed) {
            // What should be there may not be.
            *self.saved = None;
        }
        let checkpoint = Checkpoint::of(trainer, self.origin)?;
        let best = trainer.progress.best().map_or(0, |best| best.epoch);
        let unsaved = *self.saved != Some(best);
        let validated = trainer.progress.history.last().is_none_or(|epoch| epoch.best || epoch.valid_loss.is_finite());
        let is_good = validated && checkpoint.is_good();
        if !is_good {
            if !std::mem::replace(&mut self.warned, true) {
                log::warn!("not saved while steps are skipped, or a weight or a loss is not finite");
            }
            // At the end the best weights and all metrics are saved, and an older checkpoint stays.
            if best == 0 || !last {
                return Ok(());
            }
        }
        let weights = ((refits && last) || (!refits && (best == 0 || unsaved))).then(|| {
            // Before an epoch is finished, the model is what was learnt so far.
            self.model.parameters = trainer.best.as_ref().unwrap_or(&checkpoint.parameters).clone();
            self.model.parameters.clone()
        });
        let tokenizer = match self.saved {
            None => self.model.tokenizer_json()?.map(|text| (TOKENIZER, Some(text.into_bytes()))),
            Some(_) => (self.model.config.input == Input::Tokens).then_some((TOKENIZER, None)),
        };
        // An older checkpoint stays only if it is one of this training.
        let is_first = self.saved.is_none();
        let (config, folder) = (self.model.config_file(), saver.folder.clone());
        let (network, metrics) = (self.model.config.clone(), trainer.progress.metrics());
        let run = account(self.origin, trainer, self.sequences).text();
        if !is_early {
            *self.saved = Some(best);
        }
        *self.kept = is_good;
        saver.begin(move |directory| {
            let weights = weights.map(|weights| encode_weights(&network, &weights, &folder)).transpose()?;
            let encoded = is_good.then(|| checkpoint.encode(&folder)).transpose()?;
            drop(checkpoint);
            let checkpoint = (encoded.is_some() || !is_first).then_some((CHECKPOINT, encoded));
            let own = [(WEIGHTS, weights), (METRICS, Some(metrics.into_bytes())), (RUN, Some(run.into_bytes()))];
            let files: Vec<_> = own.into_iter().chain(checkpoint).chain(tokenizer).collect();
            directory.save(&files, |sums| config.text(sums))
        })
    }
}

/// What is told of a training that stands so.
pub(super) fn account(origin: &Origin, trainer: &Trainer, sequences: [usize; 3]) -> Run {
    Run {
        version: env!("CARGO_PKG_VERSION").into(),
        device: trainer.network.device().name.clone(),
        recipe: origin.recipe.clone(),
        sequences,
        checksum: origin.checksum,
        validated: origin.validated.clone(),
        history: trainer.progress.history.clone(),
        test: None,
        folds: origin.folds.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        let seconds = |seconds| Interval::Time(Duration::from_secs(seconds));
        for (text, interval) in
            [("30s", seconds(30)), ("5m", Interval::default()), ("2h", seconds(7200)), ("1", Interval::Steps(1))]
        {
            assert_eq!(text.parse::<Interval>().unwrap(), interval);
        }
        for text in ["", "m", "0", "0s", "-1", "5 m", "1.5h", "5d"] {
            let error = text.parse::<Interval>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("checkpoint_every {text}: it must be a time")), "{error}");
        }
    }
}
