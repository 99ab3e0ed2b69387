//! From a recipe and what files hold to what can be trained: encoded data, a decided recipe, a network's shape.

use super::choice::Open;
use super::metrics::MOST_AREAS;
use super::recipe::Tokens;
use super::sources::Files;
use super::{Dataset, InputEncoder, Metric, Model, Options, Recipe, TargetEncoder, Thresholds, TrainingData};
use crate::data::{Channels, Pieces, RawInputs, Scale, Tokenizer, read_vectors};
use crate::engine::Device;
use crate::error::{Error, Result, ensure};
use crate::network::{Config, Input, Parameters, Task};
use crate::slicing::Slicing;

/// What a training needs beside a device.
pub(super) struct Prepared {
    /// With what was chosen for the settings that were open.
    pub recipe: Recipe,
    /// The network, with the sizes of the data.
    pub config: Config,
    /// The recipe's, with the weights of the classes.
    pub options: Options,
    pub inputs: InputEncoder,
    pub targets: TargetEncoder,
    pub data: TrainingData,
    /// Of sequences of numbers to train on.
    pub channels: Option<Channels>,
}

impl Prepared {
    /// Learns from the files how to encode them, encodes them, and chooses what is open.
    ///
    /// # Errors
    /// What the data says, and [`Config::check`].
    pub fn of(recipe: &Recipe, files: &Files) -> Result<Prepared> {
        let mut recipe = recipe.clone();
        if let Some(from) = recipe.from.clone() {
            return Prepared::of_model(recipe, Model::load(&from)?, files);
        }
        let sources = recipe.sources.clone();
        let (examples, task) = (&files.train, recipe.network.task);
        // The classes decide which rows are held out, and of numbers only the other rows are learnt from.
        let rows = if task == Task::Class { vec![] } else { sources.split(files, None, 0)?.train };
        let targets = TargetEncoder::fit(task, files, &rows)?;
        let classes = targets.names().len();
        // Too many classes are refused before anything is made for each.
        Config { classes, slicing: Slicing::plain(), context: 0, ..recipe.network.clone() }.check()?;
        let rows = sources.split(files, Some(&targets.encode(examples)?), classes)?.train;
        let channels = match &examples.inputs {
            RawInputs::Numbers(sequences) => Some(Channels::of(sequences, &rows)),
            RawInputs::Texts(_) => None,
        };
        channels.iter().for_each(|channels| recipe.choose_scale(channels));
        recipe.choose_tokens(examples.texts().unwrap_or_default());
        let inputs = match &examples.inputs {
            RawInputs::Numbers(sequences) => InputEncoder::of_numbers(sequences, &rows, recipe.scale)?,
            RawInputs::Texts(texts) => InputEncoder::Tokens(tokenizer(&recipe, texts, &rows)?),
        };
        let data = sources.encode(files, &inputs, &targets)?;
        if let InputEncoder::Numbers(own) = &inputs {
            let network = &mut recipe.network;
            (network.input, network.vocabulary, network.embedding) = (Input::Numbers, 0, own.channels_read());
        }
        recipe.choose(&data.train);
        let mut config = Config { classes, ..recipe.network.clone() };
        if let InputEncoder::Tokens(tokenizer) = &inputs {
            config.vocabulary = tokenizer.vocabulary_size();
        }
        config.check()?;
        check_judged(&recipe, &data.valid, &config)?;
        let options = options_for(&recipe, &data.train, classes);
        Ok(Prepared { recipe, config, options, inputs, targets, data, channels })
    }

    /// With the network of a model, and its ways to read and to tell.
    fn of_model(mut recipe: Recipe, model: Model, files: &Files) -> Result<Prepared> {
        let Model { config, inputs, targets, .. } = model;
        let data = recipe.sources.encode(files, &inputs, &targets)?;
        let of_network = [Open::Tokens, Open::Normalise, Open::Length, Open::Slices, Open::Direction, Open::Pool];
        let more = [Open::Context, Open::Hidden, Open::Embedding];
        recipe.open.retain(|open| !of_network.contains(open) && !more.contains(open));
        recipe.network = config.clone();
        recipe.choose(&data.train);
        let channels = match &files.train.inputs {
            RawInputs::Numbers(sequences) => Some(Channels::of(sequences, &(0..sequences.len()).collect::<Vec<_>>())),
            RawInputs::Texts(_) => None,
        };
        if let InputEncoder::Numbers(own) = &inputs {
            recipe.scale = if own.logs.is_some() { Scale::Sequence } else { Scale::Channel };
        }
        check_judged(&recipe, &data.valid, &config)?;
        let options = options_for(&recipe, &data.train, config.classes);
        Ok(Prepared { recipe, config, options, inputs, targets, data, channels })
    }

    /// Makes sure that the device can train on it; an open length is halved until it can.
    ///
    /// # Errors
    /// As [`TrainingData::check_fits`].
    pub fn fit_device(&mut self, device: &mut Device) -> Result<()> {
        self.data.cut_into_windows(&self.config);
        device.engine.hold(self.data.bytes());
        loop {
            match self.data.check_fits(&self.config, &self.options, device) {
                // What is in windows stays as it is.
                Err(Error::Limit { .. }) if !self.config.task.of_steps() && self.recipe.shorten() => {
                    let Config { length, slicing, context, .. } = self.recipe.network;
                    self.config = Config { length, slicing, context, ..self.config.clone() };
                }
                outcome => return outcome,
            }
        }
    }

    /// The weights to begin with, and how many words have a vector of a file, if one was given.
    ///
    /// # Errors
    /// As [`read_vectors`].
    pub fn initial(&self) -> Result<(Parameters, Option<usize>)> {
        initial(&self.recipe, &self.config, &self.inputs)
    }
}

impl Recipe {
    /// The same with what is chosen for these files and this device for the settings that are open, which still count as open.
    ///
    /// # Errors
    /// What the data and the device say.
    pub fn decided(&self, files: &Files, device: &mut Device) -> Result<Recipe> {
        let mut prepared = Prepared::of(self, files)?;
        prepared.fit_device(device)?;
        Ok(prepared.recipe)
    }
}

/// [`Prepared::initial`] of a network with this shape.
pub(super) fn initial(recipe: &Recipe, config: &Config, inputs: &InputEncoder) -> Result<(Parameters, Option<usize>)> {
    if let Some(from) = &recipe.from {
        return Ok((Model::load(from)?.parameters, None));
    }
    let mut parameters = Parameters::random(config, recipe.options.seed);
    let vectors = match (&recipe.vectors, inputs) {
        (Some(path), InputEncoder::Tokens(tokenizer)) => {
            Some(read_vectors(path, &tokenizer.words(), &mut parameters.embedding, config.embedding)?)
        }
        _ => None,
    };
    Ok((parameters, vectors))
}

/// Refuses to judge validations by areas that they do not have, and to find thresholds where there are none.
fn check_judged(recipe: &Recipe, valid: &Dataset, config: &Config) -> Result<()> {
    let classes = config.classes;
    if recipe.thresholds {
        Thresholds::check_task(config.task, classes)?;
    }
    let occurring = match &valid.targets {
        Some(told) if !valid.is_empty() => told.occurrences(classes).iter().filter(|count| **count > 0).count(),
        _ => 2,
    };
    let fits = recipe.options.metric != Some(Metric::Auc) || (classes <= MOST_AREAS && occurring > 1);
    let wanted =
        format!("another one: of over {MOST_AREAS} classes, or where one alone is validated, there is no area");
    ensure!(fits, Error::setting("metric", Metric::Auc, wanted));
    let marked = recipe.options.metric != Some(Metric::SpanF1) || valid.marks().is_some();
    ensure!(marked, Error::setting("metric", Metric::SpanF1, "another one: the tags mark no spans (B-x, I-x, O)"));
    Ok(())
}

/// The options of a recipe for these sequences to train on.
pub(super) fn options_for(recipe: &Recipe, train: &Dataset, classes: usize) -> Options {
    let mut options = recipe.options.clone();
    if recipe.balanced {
        options.optimiser.class_weights = balanced(train, classes);
    }
    options
}

fn tokenizer(recipe: &Recipe, texts: &[String], rows: &[usize]) -> Result<Tokenizer> {
    let own: Vec<&str> = rows.iter().map(|&row| texts[row].as_str()).collect();
    let vocabulary = recipe.network.vocabulary;
    let pieces = |characters| Pieces { characters, html: recipe.strip_html, ..Pieces::default() };
    match recipe.tokens {
        Tokens::Words { min_count } => Tokenizer::fit_by(pieces(false), &own, vocabulary, min_count),
        Tokens::Characters { min_count } => Tokenizer::fit_by(pieces(true), &own, vocabulary, min_count),
        Tokens::Given { min_count, lower, endings } => {
            let pieces = Pieces { given: true, lower, endings, ..Pieces::default() };
            Tokenizer::fit_by(pieces, &own, vocabulary, min_count)
        }
        Tokens::Bytes => Tokenizer::bytes(),
    }
}

/// Weights by which every class counts as much as any other: sequences / (classes · sequences of the class), or steps.
fn balanced(data: &Dataset, classes: usize) -> Vec<f32> {
    let counts = data.targets.as_ref().map_or(vec![], |told| told.occurrences(classes));
    let all = counts.iter().sum::<usize>() as f32;
    counts.iter().map(|&count| all / (classes * count.max(1)) as f32).collect()
}
