//! `srnn train`

use super::reporter::Reporter;
use super::{DeviceArgs, TableArgs, at_least_one, interrupt, note, print};
use clap::Args;
use serde::{Deserialize, Serialize};
use srnn::data::batch::{Padding, Truncate};
use srnn::data::{Columns, Example, Format, Labels, Source, Tokenizer, hold_out, read_examples, read_vectors};
use srnn::network::{Config, Network, Optimiser, Parameters, training_plan};
use srnn::train::model::{self, Checkpoint};
use srnn::train::{Dataset, Ending, Evaluation, Model, Options, Trainer};
use srnn::{Device, Error, Result, Slicing};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Train a classifier on a table of labelled texts
///
/// Reads TSV, CSV or JSON Lines (also .gz; - for standard input), builds a vocabulary, trains, keeps the weights of
/// the epoch with the best validation, and writes a model directory: config.json, model.safetensors (weights named as
/// in PyTorch), tokenizer.json and metrics.jsonl.
#[derive(Args)]
#[command(after_help = "Example: srnn train reviews.csv --text review --label stars --slices 8x2 --out reviews-model")]
pub struct Train {
    /// Training data; - for standard input
    #[arg(required_unless_present = "resume")]
    data: Option<Source>,
    /// Directory for the model
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Overwrite a model directory that is there already
    #[arg(long)]
    force: bool,
    /// Go on with a training that was stopped, with the settings that it began with
    #[arg(long, value_name = "DIR", conflicts_with_all = BEGINNING)]
    resume: Option<PathBuf>,
    #[command(flatten)]
    table: TableArgs,
    /// Validation data; otherwise part of the training data is held out, in one block per class
    #[arg(long, value_name = "FILE")]
    valid: Option<Source>,
    /// Share of the training data that is held out
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", allow_negative_numbers = true)]
    valid_fraction: f64,
    /// Test data, evaluated once with the best weights
    #[arg(long, value_name = "FILE")]
    test: Option<Source>,
    /// Slicing: NxK for SRNN(N,K), or rnn for the plain network
    #[arg(long, default_value = "8x2", value_name = "NxK")]
    slices: Slicing,
    /// Longest sequence in tokens; longer texts are truncated
    #[arg(long, default_value_t = 512, value_name = "T")]
    length: usize,
    /// Hidden units
    #[arg(long, default_value_t = 50, value_name = "H")]
    hidden: usize,
    /// Width of the word embedding
    #[arg(long, default_value_t = 200, value_name = "D")]
    embedding: usize,
    /// Word vectors to begin with, as a GloVe text file of width D
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// Leave the embedding as it is
    #[arg(long)]
    freeze_embedding: bool,
    /// Most words of the vocabulary
    #[arg(long, default_value_t = 30_000, value_name = "V")]
    vocabulary: usize,
    /// Times that a word must occur in the training data to be in the vocabulary
    #[arg(long, default_value_t = 2, value_name = "N")]
    min_count: u64,
    /// Which end of long texts is dropped: front or back
    #[arg(long, default_value = "front", value_parser = parse_truncate, value_name = "END")]
    truncate: Truncate,
    /// masked (padding costs nothing and changes nothing), or unmasked (read like words, as in the paper)
    #[arg(long, default_value = "masked", value_parser = parse_padding, value_name = "HOW")]
    padding: Padding,
    /// Sequences of a batch
    #[arg(long, default_value_t = 100, value_name = "B")]
    batch: usize,
    /// Epochs; with --resume, the new total [default: 10]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Adam's learning rate
    #[arg(long, default_value_t = 1e-3, value_name = "RATE", allow_negative_numbers = true)]
    learning_rate: f32,
    /// Gradients are scaled down to this global norm; 0 leaves them alone
    #[arg(long, default_value_t = 1.0, value_name = "NORM", allow_negative_numbers = true)]
    clip: f32,
    /// Stop after this many epochs without a better validation
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// Seed of the weights and of the order; the same seed on the same device gives the same bits
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    #[command(flatten)]
    device: DeviceArgs,
}

/// The arguments that a resumed training has from its beginning.
const BEGINNING: [&str; 24] = [
    "data",
    "out",
    "force",
    "text",
    "label",
    "format",
    "valid",
    "valid_fraction",
    "test",
    "slices",
    "length",
    "hidden",
    "embedding",
    "vectors",
    "freeze_embedding",
    "vocabulary",
    "min_count",
    "truncate",
    "padding",
    "batch",
    "learning_rate",
    "clip",
    "patience",
    "seed",
];

fn parse_truncate(text: &str) -> std::result::Result<Truncate, String> {
    match text {
        "front" => Ok(Truncate::Front),
        "back" => Ok(Truncate::Back),
        _ => Err("use front or back".into()),
    }
}

fn parse_padding(text: &str) -> std::result::Result<Padding, String> {
    match text {
        "masked" => Ok(Padding::Masked),
        "unmasked" => Ok(Padding::Unmasked),
        _ => Err("use masked or unmasked".into()),
    }
}

/// Where the texts come from; kept in the checkpoint, so that training can go on.
#[derive(Clone, Serialize, Deserialize)]
struct Origin {
    data: Source,
    valid: Option<Source>,
    test: Option<Source>,
    valid_fraction: f64,
    text: String,
    label: String,
    format: Option<String>,
    /// A checksum of the encoded data: training cannot go on with other data.
    checksum: u32,
}

/// The texts of a training, not yet encoded.
struct Texts {
    train: Vec<Example>,
    valid: Option<Vec<Example>>,
    test: Option<Vec<Example>>,
}

/// Encoded data.
struct Data {
    train: Dataset,
    valid: Dataset,
    test: Option<Dataset>,
}

impl Origin {
    fn read(&self) -> Result<Texts> {
        let columns = Columns { text: self.text.clone(), label: Some(self.label.clone()) };
        let format = self.format.as_ref().map(|format| format.parse::<Format>()).transpose()?;
        let read = |source: &Source| read_examples(source, &columns, format);
        let maybe = |source: &Option<Source>| source.as_ref().map(read).transpose();
        Ok(Texts { train: read(&self.data)?, valid: maybe(&self.valid)?, test: maybe(&self.test)? })
    }

    /// Rows of the training table that are trained on, and rows that are held out.
    fn split(&self, labels: &[u32], classes: usize) -> Result<(Vec<usize>, Vec<usize>)> {
        if self.valid.is_some() {
            return Ok(((0..labels.len()).collect(), vec![]));
        }
        let (train, valid) = hold_out(labels, classes, self.valid_fraction);
        if valid.is_empty() || train.is_empty() {
            return Err(Error::Config(format!(
                "{}: there is nothing to hold out for validation, as no label has two rows: give more data, or \
                 --valid FILE",
                self.data
            )));
        }
        Ok((train, valid))
    }

    fn encode(&self, texts: &Texts, labels: &Labels, tokenizer: &Tokenizer) -> Result<Data> {
        let encode = |place: &Source, examples: &[Example]| {
            let words: Vec<&str> = examples.iter().map(|example| example.text.as_str()).collect();
            Dataset::new(tokenizer.encode_batch(&words), labels.encode(place, examples)?)
        };
        let all = encode(&self.data, &texts.train)?;
        let (train_rows, valid_rows) = self.split(&all.labels, labels.len())?;
        let (train, valid) = match (&texts.valid, &self.valid) {
            (Some(examples), Some(place)) => (all, encode(place, examples)?),
            _ => (all.select(&train_rows), all.select(&valid_rows)),
        };
        let test = match (&texts.test, &self.test) {
            (Some(examples), Some(place)) => Some(encode(place, examples)?),
            _ => None,
        };
        Ok(Data { train, valid, test })
    }
}

impl Data {
    /// Of the sequences and labels that are trained on and validated with, in their order.
    fn checksum(&self) -> u32 {
        let mut sum = flate2::Crc::new();
        for set in [&self.train, &self.valid] {
            for (sequence, label) in set.sequences.iter().zip(&set.labels) {
                let numbers = [*label, sequence.len() as u32];
                numbers.iter().chain(sequence).for_each(|number| sum.update(&number.to_le_bytes()));
            }
        }
        sum.sum()
    }

    /// Refuses, before anything is written, a network whose largest batch the device cannot train on.
    fn check_fits(&self, config: &Config, options: &Options, device: &Device) -> Result<()> {
        let sets = [Some(&self.train), Some(&self.valid), self.test.as_ref()];
        let mut sequences: Vec<&[u32]> =
            sets.into_iter().flatten().flat_map(|set| &set.sequences).map(Vec::as_slice).collect();
        sequences.sort_by_key(|sequence| std::cmp::Reverse(sequence.len()));
        sequences.truncate(options.batch);
        let batch = config.batch(&sequences, &vec![0; sequences.len()]);
        training_plan(config, &batch, Some(&options.optimiser), device.engine.limits()).map(drop)
    }
}

impl Train {
    pub fn run(self) -> Result<ExitCode> {
        match &self.resume {
            Some(folder) => self.go_on(&folder.clone()),
            None => self.begin(),
        }
    }

    fn options(&self) -> Result<Options> {
        let positive = |name: &str, value: f32| match value.is_finite() && value > 0.0 {
            true => Ok(value),
            false => Err(Error::Config(format!("--{name} {value}: it must be a positive number"))),
        };
        let epochs = self.epochs.unwrap_or(10);
        let sizes = [
            ("epochs", epochs),
            ("batch", self.batch),
            ("length", self.length),
            ("hidden", self.hidden),
            ("embedding", self.embedding),
            ("patience", self.patience.unwrap_or(1)),
        ];
        sizes.into_iter().try_for_each(|(name, size)| at_least_one(name, size))?;
        if self.vocabulary < 3 {
            let problem = format!("--vocabulary {}: it must hold [PAD], [UNK] and a word", self.vocabulary);
            return Err(Error::Config(problem));
        }
        if !(self.valid_fraction > 0.0 && self.valid_fraction < 1.0) {
            let problem = format!("--valid-fraction {}: it must be more than 0 and less than 1", self.valid_fraction);
            return Err(Error::Config(problem));
        }
        let learning_rate = positive("learning-rate", self.learning_rate)?;
        let clip = if self.clip == 0.0 { None } else { Some(positive("clip", self.clip)?) };
        let optimiser = Optimiser { clip, ..Optimiser::adam(learning_rate) };
        Ok(Options { epochs, batch: self.batch, seed: self.seed, optimiser, patience: self.patience })
    }

    fn origin(&self) -> Origin {
        Origin {
            data: self.data.clone().expect("required by clap"),
            valid: self.valid.clone(),
            test: self.test.clone(),
            valid_fraction: self.valid_fraction,
            text: self.table.text.clone(),
            label: self.table.label.clone(),
            format: self.table.format.map(|format| format.to_string()),
            checksum: 0,
        }
    }

    fn begin(&self) -> Result<ExitCode> {
        let options = self.options()?;
        let folder = self.out.clone().expect("required by clap");
        let mut origin = self.origin();
        // What can be refused without work is refused before any.
        let mut config = Config {
            slicing: self.slices,
            length: self.length,
            vocabulary: self.vocabulary,
            embedding: self.embedding,
            hidden: self.hidden,
            truncate: self.truncate,
            padding: self.padding,
            freeze_embedding: self.freeze_embedding,
            ..Config::default()
        };
        config.check()?;
        model::check_folder(&folder, self.force)?;
        let device = self.device.open()?;
        let texts = origin.read()?;
        let labels = Labels::fit(&texts.train)?;
        let all = labels.encode(&origin.data, &texts.train)?;
        let (train_rows, _) = origin.split(&all, labels.len())?;
        let train_texts: Vec<&str> = train_rows.iter().map(|&row| texts.train[row].text.as_str()).collect();
        let tokenizer = Tokenizer::fit(&train_texts, self.vocabulary, self.min_count)?;
        let data = origin.encode(&texts, &labels, &tokenizer)?;
        drop(texts);
        config.vocabulary = tokenizer.vocabulary_size();
        config.classes = labels.len();
        origin.checksum = data.checksum();
        data.check_fits(&config, &options, &device)?;
        let mut parameters = Parameters::random(&config, self.seed);
        if let Some(path) = &self.vectors {
            use_vectors(&mut parameters, path, &tokenizer, self.embedding)?;
        }
        let network = Network::with_parameters(config.clone(), device, &parameters)?;
        describe(&data, &config);
        model::prepare_folder(&folder)?;
        let model = Model { config, labels, tokenizer, parameters };
        model.save(&folder)?;
        train(Trainer::new(network, options), model, &data, &origin, &folder)
    }

    fn go_on(&self, folder: &Path) -> Result<ExitCode> {
        let model = Model::load(folder)?;
        let (checkpoint, state) = model::load_checkpoint::<Origin>(folder)?;
        let Checkpoint { mut options, progress, caller: origin } = checkpoint;
        options.epochs = self.epochs.unwrap_or(options.epochs);
        if options.epochs <= progress.epoch {
            let (asked, done) = (options.epochs, progress.epoch);
            return Err(Error::Config(format!("--epochs {asked}: epoch {done} is done already")));
        }
        let device = self.device.open()?;
        let data = origin.encode(&origin.read()?, &model.labels, &model.tokenizer)?;
        if data.checksum() != origin.checksum {
            let problem = "this is not the data that the training began with: it cannot go on, begin anew";
            return Err(Error::data(&origin.data, problem));
        }
        let foreign = |error: Error| Error::model(folder, format!("the checkpoint is not of this model: {error}"));
        let mut network = Network::with_parameters(model.config.clone(), device, &state.parameters).map_err(foreign)?;
        network.set_optimiser_state(&state.optimiser).map_err(foreign)?;
        note(format_args!("going on at epoch {}, step {}", progress.epoch + 1, progress.step + 1));
        let best = progress.best.is_some().then(|| model.parameters.clone());
        train(Trainer::resume(network, options, progress, best), model, &data, &origin, folder)
    }
}

/// Puts word vectors into the embedding; words without one keep their random numbers.
fn use_vectors(parameters: &mut Parameters, path: &Path, tokenizer: &Tokenizer, width: usize) -> Result<()> {
    let words = tokenizer.words();
    let vectors = read_vectors(path, &words, width)?;
    for (word, row) in parameters.embedding.chunks_mut(width).enumerate() {
        if let Some(vector) = vectors.get(word) {
            row.copy_from_slice(vector);
        }
    }
    note(format_args!("word vectors: for {} of {} words", vectors.count(), words.len()));
    Ok(())
}

fn describe(data: &Data, config: &Config) {
    let test = data.test.as_ref().map_or(String::new(), |test| format!(", {} for the test", test.len()));
    note(format_args!("data: {} sequences to train, {} to validate{test}", data.train.len(), data.valid.len()));
    note(format_args!(
        "network: {} GRU, T = {} in {} sequential steps, {} classes, {} words, {} weights",
        config.slicing,
        config.length,
        config.slicing.sequential_steps(config.length),
        config.classes,
        config.vocabulary,
        config.parameters(true)
    ));
}

/// Trains to the end or to Ctrl-C, saving as it goes.
fn train(mut trainer: Trainer, mut model: Model, data: &Data, origin: &Origin, folder: &Path) -> Result<ExitCode> {
    interrupt::listen();
    let epochs = trainer.options.epochs;
    let on_epoch = |epoch: &srnn::train::Epoch, trainer: &mut Trainer| {
        model::append_metrics(folder, epoch)?;
        if let (true, Some(best)) = (epoch.best, trainer.best()) {
            model.parameters = best.clone();
            model.save_weights(folder)?;
        }
        if trainer.progress().epoch < trainer.options.epochs {
            save_checkpoint(trainer, origin, folder)?;
        }
        Ok(())
    };
    let mut reporter = Reporter::new("", epochs, Box::new(on_epoch));
    let ending = trainer.fit(&data.train, &data.valid, &mut reporter)?;
    drop(reporter);
    if ending == Ending::Stopped {
        save_checkpoint(&mut trainer, origin, folder)?;
        if trainer.best().is_none() {
            // There is no best epoch yet; what was learnt so far is better than the weights of the beginning.
            model.parameters = trainer.network.parameters()?;
            model.save_weights(folder)?;
        }
        let again = if origin.data == Source::Stdin { " (and the same data on standard input again)" } else { "" };
        note(format_args!("stopped and saved; go on with: srnn train --resume {}{again}", folder.display()));
        return Ok(ExitCode::from(130));
    }
    if ending == Ending::NoImprovement {
        note("stopped: the validation did not improve any more");
    }
    model::remove_checkpoint(folder)?;
    let best = trainer.progress().best.clone().expect("an epoch was finished");
    let mut summary = format!("best epoch: {}, validation accuracy {:.2} %\n", best.epoch, 100.0 * best.valid_accuracy);
    if let Some(test) = &data.test {
        let batch = trainer.options.batch;
        let evaluation = Evaluation::of(&mut trainer.network, test, batch)?;
        summary += &format!("test: accuracy {:.2} %, loss {:.4}\n", 100.0 * evaluation.accuracy, evaluation.loss);
    }
    print(&format!("{summary}model: {}\n", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn save_checkpoint(trainer: &mut Trainer, origin: &Origin, folder: &Path) -> Result<()> {
    let (options, progress) = (trainer.options.clone(), trainer.progress().clone());
    let checkpoint = Checkpoint { options, progress, caller: origin.clone() };
    model::save_checkpoint(folder, &checkpoint, &mut trainer.network)
}
