//! A whole training: from settings and data to a model, in memory or in a directory; there it is stopped and taken up again at
//! any step.

use super::checkpoint::{Checkpoint, Standing};
use super::directory::{Directory, METRICS, RUN, read_whole};
use super::prepare::{Prepared, initial, options_for};
use super::saver::{Saver, Saving, account};
use super::sources::{Files, Origin};
use super::{
    Dataset, Ending, Epoch, Evaluation, Interval, Keep, Keeper, Model, Observer, Options, Recipe, Run, Schedule,
    Thresholds,
};
use super::{Trainer, TrainingData, model};
use crate::data::Channels;
use crate::doctor::check_network;
use crate::engine::Device;
use crate::error::{Error, Problem, Result, ensure};
use crate::network::{Config, Network, OptimiserState, Parameters};
use std::path::Path;
use std::time::{Duration, Instant};

/// A training that is under way.
pub struct Training {
    /// Runs the epochs.
    pub trainer: Trainer,
    /// What it gives, and writes into its directory where it has one; its weights are those of the best epoch, when there is one.
    pub model: Model,
    /// The data, ready for the network.
    pub data: TrainingData,
    /// Words of the vocabulary that begin with a vector of a file, if one was given.
    pub vectors: Option<usize>,
    /// Of sequences of numbers to train on, as they were when it began; `None` of one that was taken up.
    pub channels: Option<Channels>,
    /// How often it is saved within an epoch, beside after every epoch and at the end, where it has a directory.
    pub interval: Interval,
    /// What a training that was taken up finds otherwise than it was left, in words.
    pub notes: Vec<String>,
    /// Opens the device anew when it was lost; without this, or without a directory, losing it ends the training.
    pub reopen: Option<Reopen>,
    origin: Origin,
    /// `None` of one that is in memory alone.
    saver: Option<Saver>,
    /// The epoch whose weights are in the directory, 0 for those of a moment before any was finished; `None` if nothing of
    /// this training is there.
    saved: Option<usize>,
    /// Whether another model is in the directory.
    overwrites: bool,
}

/// Opens a device.
pub type Reopen = Box<dyn FnMut() -> Result<Device>>;

/// How often a device that was lost is opened, and how long is waited before it is tried again: a driver that was reset needs
/// a moment.
const ATTEMPTS: usize = 4;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(3);

fn opened_again(reopen: &mut Reopen) -> Result<Device> {
    for _ in 1..ATTEMPTS {
        match reopen() {
            Ok(device) => return Ok(device),
            Err(error) => log::warn!("{error}; trying again"),
        }
        std::thread::sleep(BETWEEN_ATTEMPTS);
    }
    reopen()
}

/// A device that is lost twice within this time is given up.
const BETWEEN_LOSSES: Duration = Duration::from_secs(600);

/// What a training came to.
pub struct Outcome {
    /// Why it ended.
    pub ending: Ending,
    /// The best epoch: the model has its weights, or was trained anew on all sequences. `None` if it was stopped in the first.
    pub best: Option<Epoch>,
    /// Sequences that the model was trained on anew, with those that were held out before.
    pub refitted: Option<usize>,
    /// Of the test data, if there is some and training was not stopped.
    pub test: Option<Evaluation>,
    /// Whether the moment at which it ended was saved: not if its last steps were skipped, as their gradients were not finite.
    pub saved: bool,
}

impl Training {
    /// Reads the data, learns from it how to encode it, and makes the network and its folder. Nothing is written before
    /// all is known to work, and no model before an epoch is done.
    ///
    /// # Errors
    /// As [`Recipe::check`] and [`model::check_folder`]; what the data and the device say.
    pub fn begin(recipe: &Recipe, folder: &Path, overwrite: bool, device: Device) -> Result<Training> {
        recipe.check()?;
        model::check_folder(folder, overwrite)?;
        // Read by the names that were given, which errors tell, and kept by those that are found from any folder.
        let mut recipe = recipe.clone();
        recipe.sources.reading.limits.memory = device.engine.limits().memory;
        let mut prepared = Prepared::of(&recipe, &recipe.sources.read()?)?;
        prepared.recipe.sources = prepared.recipe.sources.absolute()?;
        if let Some(from) = &mut prepared.recipe.from {
            *from = std::path::absolute(&*from).map_err(Error::io(&*from))?;
            let own = std::path::absolute(folder).map_err(Error::io(folder))?;
            ensure!(
                *from != own,
                Error::model(folder, "a model cannot go on from itself: give another directory for the new one")
            );
        }
        let mut training = Training::of(prepared, device)?;
        training.overwrites = overwrite && folder.is_dir();
        training.saver = Some(Saver::new(folder, model::make_folder(folder, overwrite)?));
        Ok(training)
    }

    /// Begins a training on data that is in memory, and that keeps its model there: nothing is written.
    ///
    /// # Errors
    /// As [`Recipe::check`]; what the data and the device say.
    pub fn in_memory(recipe: &Recipe, data: &Files, device: Device) -> Result<Training> {
        recipe.check()?;
        Training::of(Prepared::of(recipe, data)?, device)
    }

    fn of(mut prepared: Prepared, mut device: Device) -> Result<Training> {
        prepared.fit_device(&mut device)?;
        let (parameters, vectors) = prepared.initial()?;
        let Prepared { recipe, config, options, inputs, targets, data, channels } = prepared;
        check_device(&mut device, &config, &parameters, &data, &options)?;
        let network = Network::with_parameters(config.clone(), device, &parameters)?;
        let origin = Origin { recipe, checksum: data.checksum(), validated: None, folds: vec![] };
        let model = Model { config, inputs, targets, parameters, thresholds: None };
        let (trainer, interval) = (Trainer::new(network, options), Interval::default());
        let (notes, reopen, saver, saved, overwrites) = (vec![], None, None, None, false);
        Ok(Training {
            trainer,
            model,
            data,
            vectors,
            channels,
            interval,
            notes,
            reopen,
            origin,
            saver,
            saved,
            overwrites,
        })
    }

    /// Takes up a training that was stopped, killed or finished, for `epochs` in all, or as many as it was to have.
    ///
    /// # Errors
    /// [`Error::Model`] for a folder without a checkpoint, with a damaged file, or that another process writes into;
    /// [`Error::Setting`] for `epochs` that it cannot have, [`Error::Data`] if the data has changed; what the data and the
    /// device say.
    pub fn resume(folder: &Path, epochs: Option<usize>, mut device: Device) -> Result<Training> {
        ensure!(folder.is_dir(), Error::model(folder, Problem::NoModel));
        let directory = Directory::hold(folder)?;
        let (mut model, checkpoint) = saved(folder)?;
        let Checkpoint { standing, parameters, state } = checkpoint;
        let Standing { mut options, progress, mut origin, device: before, memory } = standing;
        if origin.validated.is_none() {
            // Of other weights than those to come.
            model.thresholds = None;
        }
        let laid_out = options.epochs;
        let epochs = epochs.unwrap_or(laid_out);
        let wanted = format!("more than the {} that are done", progress.epoch);
        let is_left = origin.recipe.refit && origin.validated.is_none();
        ensure!(epochs > progress.epoch || is_left, Error::setting("epochs", epochs, wanted));
        let wanted = format!("{laid_out}, as those of the training on all sequences are known");
        ensure!(epochs == laid_out || origin.validated.is_none(), Error::setting("epochs", epochs, wanted));
        let fits = epochs == laid_out || !matches!(options.schedule, Schedule::Cosine { .. });
        let wanted = format!("{laid_out}, for which the cosine schedule was laid out");
        ensure!(fits, Error::setting("epochs", epochs, wanted));
        options.epochs = epochs;
        let mut notes = vec![];
        if before != device.name {
            let own = &device.name;
            notes.push(format!("the training began on {before}: on {own} its numbers may differ in their last bits"));
        }
        if !directory.is_whole(METRICS) {
            let metrics = folder.join(METRICS);
            notes.push(format!("{}: damaged or changed; it is written anew from the checkpoint", metrics.display()));
        }
        let sources = &mut origin.recipe.sources;
        sources.reading.limits.memory = device.engine.limits().memory;
        let mut data = sources.encode(&sources.read()?, &model.inputs, &model.targets)?;
        data.cut_into_windows(&model.config);
        if origin.validated.is_some() {
            data = data.all_to_train();
        }
        let other = "this is not the data that the training began with: it cannot go on, begin anew";
        ensure!(data.checksum() == origin.checksum, Error::data(&sources.train, other));
        device.engine.hold(data.bytes());
        if memory != device.engine.limits().memory {
            let [before, own] = [memory, device.engine.limits().memory].map(bytesize::ByteSize);
            notes.push(format!(
                "the training had {before} for the buffers of a step, and has {own} now: where batches are split otherwise, its \
                 numbers differ in their last bits"
            ));
        }
        check_device(&mut device, &model.config, &model.parameters, &data, &options)?;
        let network = restored(folder, &model.config, device, &parameters, &state)?;
        // The model in the directory is the one that was validated, until the one on all sequences is done.
        let weights = if origin.validated.is_some() { &parameters } else { &model.parameters };
        let best = progress.best().is_some().then(|| weights.clone());
        let saved = Some(progress.best().map_or(0, |best| best.epoch));
        let trainer = Trainer { network, options, progress, best };
        let (interval, saver) = (Interval::default(), Some(Saver::new(folder, directory)));
        let (vectors, channels, reopen, overwrites) = (None, None, None, false);
        Ok(Training {
            trainer,
            model,
            data,
            vectors,
            channels,
            interval,
            notes,
            reopen,
            origin,
            saver,
            saved,
            overwrites,
        })
    }

    /// Keeps what cross-validation gave with the account of this training.
    pub fn keep_folds(&mut self, folds: Vec<Evaluation>) {
        self.origin.folds = folds;
    }

    /// All settings, with what was chosen for those that were open.
    pub fn recipe(&self) -> &Recipe {
        &self.origin.recipe
    }

    /// The epochs that were validated, if any were.
    pub fn validated(&self) -> &[Epoch] {
        self.origin.validated.as_ref().unwrap_or(&self.trainer.progress.history)
    }

    /// Trains to the end or until the observer stops it, and then, if the recipe says so, anew on all sequences. The model with the best weights so far and a checkpoint are saved
    /// within the epochs, after each, and at the end, while training goes on. A device that is lost is opened anew by
    /// [`Training::reopen`], and training goes on from the last checkpoint, once in ten minutes.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`Error::Io`] for a file that cannot be written. What was saved before is whole.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let mut outcome = self.run_stage(observer)?;
        if outcome.ending != Ending::Stopped && self.is_refit_left() {
            if observer.stop() {
                return Ok(Outcome { ending: Ending::Stopped, ..outcome });
            }
            self.begin_refit()?;
            let (sequences, epochs) = (self.data.train.len(), self.trainer.options.epochs);
            observer.refit(sequences, epochs);
            outcome = self.run_stage(observer)?;
        }
        if let Some(epochs) = &self.origin.validated {
            outcome.best = epochs.iter().rfind(|epoch| epoch.best).cloned();
            outcome.refitted = Some(self.data.train.len());
        }
        if outcome.ending != Ending::Stopped {
            self.record(outcome.test.clone())?;
        }
        Ok(outcome)
    }

    fn is_refit_left(&self) -> bool {
        self.origin.recipe.refit && self.origin.validated.is_none()
    }

    /// Goes back to the first weights, with all sequences to train on. The number of epochs is that of the best, or, where the
    /// learning rate was laid out for all, of all.
    fn begin_refit(&mut self) -> Result<()> {
        let Training { trainer, model, data, origin, .. } = self;
        let (parameters, _) = initial(&origin.recipe, &model.config, &model.inputs)?;
        let none = || TrainingData { train: data.train.select(&[]), valid: data.valid.select(&[]), test: None };
        let empty = none();
        *data = std::mem::replace(data, empty).all_to_train();
        let options = options_for(&origin.recipe, &data.train, model.config.classes);
        let best = trainer.progress.best().map_or(options.epochs, |best| best.epoch);
        let laid_out = matches!(options.schedule, Schedule::Cosine { .. });
        let epochs = if laid_out { trainer.options.epochs } else { best };
        trainer.options = Options { epochs, keep: Keep::Last, patience: None, ..options };
        origin.validated = Some(std::mem::take(&mut trainer.progress).history);
        origin.checksum = data.checksum();
        trainer.best = None;
        trainer.network.set_parameters(&parameters)?;
        trainer.network.reset_optimiser()?;
        // The model that was validated stays until this one is done; from here on it is this one that is gone on with.
        let mut kept = false;
        let (mut saving, trainer, _) = self.saving(&mut kept);
        saving.keep(trainer, false)
    }

    /// Keeps what the test gave.
    fn record(&mut self, test: Option<Evaluation>) -> Result<()> {
        let run = Run { test, ..account(&self.origin, &self.trainer, self.sequences()) };
        let Some(saver) = &mut self.saver else { return Ok(()) };
        saver.add(RUN, run.text().into_bytes(), self.model.config_file())?;
        saver.wait()
    }

    fn sequences(&self) -> [usize; 3] {
        let TrainingData { train, valid, test } = &self.data;
        [train.len(), valid.len(), test.as_ref().map_or(0, Dataset::len)]
    }

    fn run_stage(&mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let mut lost: Option<Instant> = None;
        let mut kept = false;
        loop {
            let outcome = self.run_on_device(observer, &mut kept);
            let first = self.saver.is_some() && lost.is_none_or(|at| at.elapsed() >= BETWEEN_LOSSES);
            match (outcome, &mut self.reopen) {
                (Err(error @ Error::DeviceLost { .. }), Some(reopen)) if first => {
                    log::warn!("{error}; opening it again");
                    lost = Some(Instant::now());
                    let device = opened_again(reopen)?;
                    self.go_on_with(device)?;
                    let progress = &self.trainer.progress;
                    log::warn!("going on at epoch {}, step {}", progress.epoch + 1, progress.step + 1);
                }
                (outcome, _) => return outcome,
            }
        }
    }

    /// [`Training::run`] for as long as the device is there. `kept` tells whether the moment at which it ended was saved.
    fn run_on_device(&mut self, observer: &mut dyn Observer, kept: &mut bool) -> Result<Outcome> {
        let refit_is_left = self.is_refit_left();
        let (mut saving, trainer, data) = self.saving(kept);
        let ending = trainer.fit_and_keep(&data.train, &data.valid, observer, &mut saving)?;
        let saved = *saving.kept;
        self.saver.as_mut().map_or(Ok(()), Saver::wait)?;
        let best = self.trainer.progress.best().cloned();
        let (network, batch) = (&mut self.trainer.network, self.trainer.options.batch);
        if ending != Ending::Stopped && self.origin.recipe.thresholds && self.origin.validated.is_none() {
            self.model.thresholds = Some(Thresholds::fit(network, &self.data.valid, batch)?);
            self.record(None)?;
        }
        if ending == Ending::Stopped || refit_is_left {
            return Ok(Outcome { ending, best, refitted: None, test: None, saved });
        }
        let (network, batch) = (&mut self.trainer.network, self.trainer.options.batch);
        let thresholds = self.model.thresholds.as_ref();
        let test = self.data.test.as_ref().map(|test| Evaluation::by(network, test, batch, thresholds)).transpose()?;
        Ok(Outcome { ending, best, refitted: None, test, saved })
    }

    /// Keeps the training as it goes, with what it keeps.
    fn saving<'a>(&'a mut self, kept: &'a mut bool) -> (Saving<'a>, &'a mut Trainer, &'a TrainingData) {
        let (overwrites, sequences) = (self.overwrites, self.sequences());
        let Training { trainer, model, data, origin, saver, interval, saved, .. } = self;
        let (interval, last) = (*interval, Instant::now());
        let (steps, warned) = (0, false);
        let saver = saver.as_mut();
        let saving = Saving { model, origin, sequences, saver, interval, saved, last, steps, warned, overwrites, kept };
        (saving, trainer, data)
    }

    /// Takes the training back to what was saved last, or to its beginning, on another device.
    fn go_on_with(&mut self, mut device: Device) -> Result<()> {
        let Training { trainer, model, data, saver, .. } = self;
        let saver = saver.as_mut().expect("only what is saved is gone on with");
        saver.wait()?;
        device.engine.hold(data.bytes());
        check_device(&mut device, &model.config, &model.parameters, data, &trainer.options)?;
        if self.saved.is_none() {
            trainer.network = Network::with_parameters(model.config.clone(), device, &model.parameters)?;
            (trainer.progress, trainer.best) = Default::default();
            return Ok(());
        }
        let folder = saver.folder();
        let (saved, Checkpoint { standing, parameters, state }) = saved(folder)?;
        trainer.network = restored(folder, &model.config, device, &parameters, &state)?;
        trainer.progress = standing.progress;
        let weights = if self.origin.validated.is_some() { parameters } else { saved.parameters };
        trainer.best = trainer.progress.best().is_some().then_some(weights);
        self.saved = Some(trainer.progress.best().map_or(0, |best| best.epoch));
        Ok(())
    }

    /// Whether part of the data came from standard input, and is asked for again when the training is taken up.
    pub fn read_stdin(&self) -> bool {
        self.origin.recipe.sources.on_stdin() > 0
    }
}

/// The model of a directory, and its checkpoint.
fn saved(folder: &Path) -> Result<(Model, Checkpoint)> {
    read_whole(folder, |files| {
        let (model, sums) = Model::read_from(files)?;
        Ok((model, Checkpoint::read_from(files, sums.as_ref())?))
    })
}

/// The network of a checkpoint, on a device.
fn restored(
    folder: &Path,
    config: &Config,
    device: Device,
    parameters: &Parameters,
    state: &OptimiserState,
) -> Result<Network> {
    let foreign = |error: Error| Error::model(folder, format!("the checkpoint is not of this model: {error}"));
    let mut network = Network::with_parameters(config.clone(), device, parameters).map_err(foreign)?;
    network.set_optimiser_state(state).map_err(foreign)?;
    Ok(network)
}

/// Steps that the kernels of a device are compared on.
const CHECKED_STEPS: usize = 4000;

/// Compares the kernels of a network with the CPU engine's, if the device asks for it, on some of the data.
///
/// # Errors
/// [`Error::WrongKernels`], and what the device says.
fn check_device(
    device: &mut Device,
    config: &Config,
    parameters: &Parameters,
    data: &TrainingData,
    options: &Options,
) -> Result<()> {
    if !device.self_check {
        return Ok(());
    }
    let train = &data.train;
    let mut steps = 0;
    let few = |&row: &usize| {
        steps += train.steps(row).min(config.most_steps());
        row == 0 || steps <= CHECKED_STEPS
    };
    let rows: Vec<usize> = (0..train.len().min(options.batch)).take_while(few).collect();
    let batch = train.batch(config, &rows, |_| false)?;
    let findings = check_network(device.engine.as_mut(), config, parameters, &batch, &options.optimiser)?;
    let off = findings.iter().filter_map(|finding| {
        let mismatch = finding.outcome.as_ref().err()?;
        Some(format!("{} at {}: {}: {mismatch}", finding.kernel, finding.place, finding.binding))
    });
    let off: Vec<String> = off.collect();
    let problem = || format!("{} of {} results are off, first {}", off.len(), findings.len(), off[0]);
    ensure!(off.is_empty(), Error::WrongKernels { device: device.name.clone(), problem: problem() });
    log::debug!("self-check: {} results of {} are within tolerance", findings.len(), device.name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::super::StepReport;
    use super::super::recipe::Tokens;
    use super::*;
    use crate::data::Source;
    use crate::slicing::Slicing;

    /// Stops after so many steps.
    struct After(usize);

    impl Observer for After {
        fn step(&mut self, _: &StepReport) {
            self.0 -= 1;
        }

        fn stop(&self) -> bool {
            self.0 == 1
        }
    }

    fn recipe(folder: &Path) -> Recipe {
        let table = folder.join("reviews.tsv");
        let rows = (0..40).map(|row| ["a great film\tgood\n", "an awful film\tbad\n"][row % 2]).collect::<String>();
        std::fs::write(&table, format!("text\tlabel\n{rows}")).unwrap();
        let network =
            Config { slicing: Slicing::new(2, 2).unwrap(), length: 8, embedding: 4, hidden: 4, ..Config::default() };
        Recipe {
            network,
            tokens: Tokens::Words { min_count: 1 },
            balanced: true,
            options: Options { epochs: 3, batch: 6, ..Options::default() },
            ..Recipe::of(Sources::of(Source::File(table)))
        }
    }

    /// The model that was validated stays until the one on all sequences is done; that one is taken up as any other.
    #[test]
    fn a_training_on_all_sequences_follows_and_is_taken_up() {
        let room = tempfile::tempdir().unwrap();
        let recipe = Recipe { refit: true, ..recipe(room.path()) };
        let folder = |name: &str| room.path().join(name);
        let weights = |name: &str| Model::load(&folder(name)).unwrap().parameters.flat;
        let begin = |name: &str, refit| {
            let recipe = Recipe { refit, ..recipe.clone() };
            Training::begin(&recipe, &folder(name), false, Device::cpu()).unwrap()
        };
        begin("first", false).run(&mut After(1000)).unwrap();
        let outcome = begin("whole", true).run(&mut After(1000)).unwrap();
        assert_eq!((outcome.ending, outcome.refitted, outcome.best.is_some()), (Ending::Finished, Some(40), true));
        assert_ne!(weights("whole"), weights("first"));
        // In memory alone it is the same, and nothing is written.
        let whole = Recipe { refit: true, ..recipe.clone() };
        let files = recipe.sources.read().unwrap();
        let mut own = Training::in_memory(&whole, &files, Device::cpu()).unwrap();
        assert_eq!(own.run(&mut After(1000)).unwrap().refitted, Some(40));
        assert_eq!(own.model.parameters.flat, weights("whole"));
        let mut own = Training::in_memory(&whole, &files, Device::cpu()).unwrap();
        assert_eq!(own.run(&mut After(22)).unwrap().ending, Ending::Stopped);
        assert_eq!(own.model.parameters.flat, weights("first"));
        let run = Run::load(&folder("whole")).unwrap().unwrap();
        let epochs = run.validated.as_ref().unwrap();
        let best = epochs.iter().rfind(|epoch| epoch.best).unwrap().epoch;
        assert_eq!((run.sequences, epochs.len(), run.history.len()), ([40, 0, 0], 3, best));
        assert!(run.history.iter().all(|epoch| epoch.valid_loss.is_nan() && epoch.best));
        // 18 steps with 36 sequences, then some with 40.
        let outcome = begin("cut", true).run(&mut After(22)).unwrap();
        assert_eq!((outcome.ending, outcome.saved), (Ending::Stopped, true));
        assert_eq!(weights("cut"), weights("first"));
        let mut training = Training::resume(&folder("cut"), None, Device::cpu()).unwrap();
        assert_eq!(training.data.train.len(), 40);
        assert_eq!(training.run(&mut After(1000)).unwrap().refitted, Some(40));
        assert_eq!(weights("cut"), weights("whole"));
        // Stopped between both.
        let outcome = begin("between", true).run(&mut After(19)).unwrap();
        assert_eq!(outcome.ending, Ending::Stopped);
        let mut training = Training::resume(&folder("between"), None, Device::cpu()).unwrap();
        training.run(&mut After(1000)).unwrap();
        drop(training);
        assert_eq!(weights("between"), weights("whole"));
        let more = Training::resume(&folder("between"), Some(9), Device::cpu()).err().unwrap().to_string();
        assert!(more.ends_with("as those of the training on all sequences are known"), "{more}");
    }

    #[test]
    fn a_training_is_stopped_and_taken_up_to_the_same_weights() {
        let room = tempfile::tempdir().unwrap();
        let recipe = recipe(room.path());
        let train = |name: &str, stop| {
            let mut training = Training::begin(&recipe, &room.path().join(name), false, Device::cpu()).unwrap();
            training.run(&mut After(stop)).unwrap().ending
        };
        assert_eq!(train("whole", 1000), Ending::Finished);
        assert_eq!(train("cut", 9), Ending::Stopped);
        let cut = room.path().join("cut");
        let refused = |epochs| Training::resume(&cut, Some(epochs), Device::cpu()).err().unwrap().to_string();
        assert_eq!(refused(1), "epochs 1: it must be more than the 1 that are done");
        let mut training = Training::resume(&cut, None, Device::cpu()).unwrap();
        let outcome = training.run(&mut After(1000)).unwrap();
        assert!(outcome.ending == Ending::Finished && outcome.best.is_some() && outcome.test.is_none());
        let weights = ["whole", "cut"].map(|name| Model::load(&room.path().join(name)).unwrap().parameters);
        assert_eq!(weights[0].flat, weights[1].flat);
        let again = Training::begin(&recipe, &cut, false, Device::cpu()).err().unwrap();
        assert!(matches!(again, Error::Model { problem: Problem::Occupied, .. }), "{again}");
        drop(training);
        // A training that is finished can have more epochs.
        let finished = Training::resume(&cut, None, Device::cpu()).err().unwrap().to_string();
        assert_eq!(finished, "epochs 3: it must be more than the 3 that are done");
        for folder in ["whole", "cut"] {
            let folder = room.path().join(folder);
            let mut training = Training::resume(&folder, Some(4), Device::cpu()).unwrap();
            let held = Training::resume(&folder, Some(4), Device::cpu()).err().unwrap();
            assert!(matches!(held, Error::Model { problem: Problem::InUse, .. }), "{held}");
            assert_eq!(training.run(&mut After(1000)).unwrap().ending, Ending::Finished);
        }
        let metrics = ["whole", "cut"].map(|name| {
            let text = std::fs::read_to_string(room.path().join(name).join(METRICS)).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<Epoch>(line).unwrap());
            lines.map(|epoch| Epoch { seconds: 0.0, tokens_per_second: 0.0, ..epoch }).collect::<Vec<_>>()
        });
        assert_eq!((metrics[0].len(), &metrics[0]), (4, &metrics[1]));
    }
}
