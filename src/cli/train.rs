//! `srnn train`

use super::{
    DeviceArgs, InputArgs, NetworkArgs, Reporter, ensure, interrupt, named, network, note, print, score, survey,
};
use clap::Args;
use srnn::data::Source;
use srnn::data::batch::{Padding, Truncate};
use srnn::network::{Adam, Config, Optimiser, Rule, Sgd, Task};
use srnn::train::recipe::Tokens;
use srnn::train::survey::Survey;
use srnn::train::{Ending, Options, Recipe, Schedule, Sources, Trainer, Training, model};
use srnn::{Device, Result, Slicing};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Train a network on labelled texts or sequences of numbers
///
/// Reads texts from TSV, CSV or JSON Lines (also .gz; - for standard input), or numbers from .npy, .npz, UCR text or IDX
/// images; trains, keeps the weights of the epoch with the best validation, and writes a model directory: config.json,
/// model.safetensors (weights named as in PyTorch), tokenizer.json (of texts), metrics.jsonl, and checkpoint.safetensors, from
/// which --resume goes on.
#[derive(Args)]
#[command(after_help = "Example: srnn train reviews.csv --text review --label stars --slices 8x2 --out reviews-model")]
pub struct Train {
    /// Go on with a training that was stopped or killed, or with more --epochs, with the settings that it began with
    #[arg(long, value_name = "DIR", conflicts_with_all = ["Beginning", "NetworkArgs", "InputArgs"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    beginning: Beginning,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    input: InputArgs,
    /// Epochs; with --resume, the new total [default: 10]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// How often a checkpoint is saved within an epoch: a time (30s, 5m, 2h) or a number of steps [default: 5m]
    #[arg(long, value_name = "TIME")]
    checkpoint_every: Option<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Do not compare this network's kernels with the CPU engine's before training on a GPU
    #[arg(long)]
    no_self_check: bool,
}

/// What a resumed training has from its beginning.
#[derive(Args)]
struct Beginning {
    /// Training data; - for standard input
    #[arg(required_unless_present = "resume")]
    data: Option<Source>,
    /// Directory for the model
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Overwrite a model directory that is there already
    #[arg(long)]
    force: bool,
    /// Validation data; otherwise part of the training data is held out: of classes a block of each, else ten blocks from all over
    #[arg(long, value_name = "FILE")]
    valid: Option<Source>,
    /// Share of the training data that is held out
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", allow_negative_numbers = true, conflicts_with = "valid")]
    valid_fraction: f64,
    /// Labels of --valid in a file of their own
    #[arg(long, value_name = "FILE", requires = "valid")]
    valid_labels: Option<PathBuf>,
    /// Test data, evaluated once with the best weights
    #[arg(long, value_name = "FILE")]
    test: Option<Source>,
    /// Labels of --test in a file of their own
    #[arg(long, value_name = "FILE", requires = "test")]
    test_labels: Option<PathBuf>,
    /// What is told of a sequence: class, labels (any of several, with commas between them), or regression (numbers)
    #[arg(long, default_value = "class", value_parser = named::<Task>, value_name = "TASK")]
    task: Task,
    /// paper: the paper's own network and training (its GRU, SRNN(8,2), D = 200, H = 50, T = 512, unmasked padding)
    #[arg(long, value_parser = ["paper"], value_name = "NAME", conflicts_with_all = OF_PRESET.split(' '))]
    preset: Option<String>,

    /// Slicing: NxK for SRNN(N,K), or rnn for the plain network
    #[arg(long, default_value = "8x2", value_name = "NxK", help_heading = "Network")]
    slices: Slicing,
    /// Longest sequence in steps; longer ones are truncated
    #[arg(long, default_value_t = 512, value_name = "T", help_heading = "Network")]
    length: usize,
    /// Tokens of texts: words or bytes
    #[arg(long, default_value = "words", value_parser = ["words", "bytes"], value_name = "WHAT", help_heading = "Texts")]
    tokens: String,
    /// Width of the token embedding [default: 200]
    #[arg(long, value_name = "D", help_heading = "Texts")]
    embedding: Option<usize>,
    /// Word vectors to begin with, as a GloVe text file of width D
    #[arg(long, value_name = "FILE", help_heading = "Texts")]
    vectors: Option<PathBuf>,
    /// Leave the embedding as it is
    #[arg(long, help_heading = "Texts")]
    freeze_embedding: bool,
    /// Most words of the vocabulary [default: 30000]
    #[arg(long, value_name = "V", help_heading = "Texts")]
    vocabulary: Option<usize>,
    /// Times that a word must occur in the training data to be in the vocabulary [default: 2]
    #[arg(long, value_name = "N", help_heading = "Texts")]
    min_count: Option<u64>,
    /// Which end of long sequences is dropped: front or back
    #[arg(long, default_value = "front", value_parser = named::<Truncate>, value_name = "END", help_heading = "Texts")]
    truncate: Truncate,
    /// masked (padding costs nothing and changes nothing), or unmasked (read like words, as in the paper)
    #[arg(long, default_value = "masked", value_parser = named::<Padding>, value_name = "HOW", help_heading = "Texts")]
    padding: Padding,

    /// Sequences of a batch
    #[arg(long, default_value_t = 100, value_name = "B", help_heading = "Training")]
    batch: usize,
    /// adam (AdamW, with --weight-decay) or sgd
    #[arg(long, default_value = "adam", value_parser = ["adam", "sgd"], value_name = "NAME", help_heading = "Training")]
    optimiser: String,
    /// Learning rate
    #[arg(long, default_value_t = 1e-3, value_name = "RATE", allow_negative_numbers = true, help_heading = "Training")]
    learning_rate: f32,
    /// constant; cosine, or cosine:W with a warm-up over a share W of all steps (0.3 is one-cycle); step:N:F (times F
    /// after every N epochs)
    #[arg(long, default_value = "constant", value_parser = parse_schedule, value_name = "HOW", help_heading = "Training")]
    schedule: Schedule,
    /// Momentum of sgd [default: 0.9]
    #[arg(long, value_name = "M", help_heading = "Training")]
    momentum: Option<f32>,
    /// Decoupled weight decay
    #[arg(long, default_value_t = 0.0, value_name = "DECAY", help_heading = "Training")]
    weight_decay: f32,
    /// Gradients are scaled down to this global norm; 0 leaves them alone
    #[arg(long, default_value_t = 1.0, value_name = "NORM", allow_negative_numbers = true, help_heading = "Training")]
    clip: f32,
    /// Share of what passes up between levels and layers, and into the head, that is dropped
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", help_heading = "Training")]
    dropout: f32,
    /// Share of the embeddings that is dropped [default: as --dropout]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    embedding_dropout: Option<f32>,
    /// Share of the training words that become unknown
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", help_heading = "Training")]
    word_dropout: f32,
    /// Share of the truth that is spread over all classes
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", help_heading = "Training")]
    label_smoothing: f32,
    /// Classes count alike (none), or all together as much as any other (balanced)
    #[arg(long, default_value = "none", value_parser = ["none", "balanced"], value_name = "HOW", help_heading = "Training")]
    class_weights: String,
    /// Stop after this many epochs without a better validation
    #[arg(long, value_name = "N", help_heading = "Training")]
    patience: Option<usize>,
    /// Seed of the weights and of the order; the same seed on the same device gives the same bits
    #[arg(long, default_value_t = 1, value_name = "SEED", help_heading = "Training")]
    seed: u64,
}

/// What a preset decides.
const OF_PRESET: &str =
    "NetworkArgs slices length embedding padding truncate batch optimiser learning_rate clip dropout";

fn parse_schedule(text: &str) -> std::result::Result<Schedule, String> {
    let read = || {
        Some(match text.split(':').collect::<Vec<_>>()[..] {
            ["constant"] => Schedule::Constant,
            ["cosine"] => Schedule::Cosine { warmup: 0.0 },
            ["cosine", warmup] => Schedule::Cosine { warmup: warmup.parse().ok()? },
            ["step", epochs, factor] => Schedule::Step { epochs: epochs.parse().ok()?, factor: factor.parse().ok()? },
            _ => return None,
        })
    };
    let schedule = read().filter(|schedule| schedule.check().is_ok());
    schedule.ok_or_else(|| "use constant, cosine, cosine:0.3 or step:5:0.1".to_string())
}

impl Beginning {
    /// Refuses what would have no effect on what is told, on the data, or with the optimiser.
    fn check_effects(&self, numbers: bool) -> Result<()> {
        let of_classes = (self.task == Task::Class, "is for classes: leave it out, or say --task class");
        let of_texts = (!numbers, "is for texts, and the data is numbers");
        let bytes = self.tokens == "bytes";
        let of_words = if bytes { (false, "is for words, and --tokens bytes was said") } else { of_texts };
        let of_sgd = (self.optimiser == "sgd", "is of sgd: say --optimiser sgd too");
        let options = [
            ("label-smoothing", self.label_smoothing > 0.0, of_classes),
            ("class-weights", self.class_weights != "none", of_classes),
            ("vocabulary", self.vocabulary.is_some(), of_words),
            ("min-count", self.min_count.is_some(), of_words),
            ("vectors", self.vectors.is_some(), of_words),
            ("embedding", self.embedding.is_some(), of_texts),
            ("tokens bytes", bytes, of_texts),
            ("word-dropout", self.word_dropout > 0.0, of_texts),
            ("freeze-embedding", self.freeze_embedding, of_texts),
            ("padding unmasked", self.padding == Padding::Unmasked, of_texts),
            ("momentum", self.momentum.is_some(), of_sgd),
        ];
        for (option, given, (fits, why)) in options {
            ensure(fits || !given, format!("--{option} {why}"))?;
        }
        Ok(())
    }
}

fn open(device: DeviceArgs, self_check: bool) -> Result<Device> {
    let device = device.open()?;
    Ok(Device { self_check: self_check && device.self_check, ..device })
}

impl Train {
    /// Trains to the end or to Ctrl-C, and tells how it ended.
    pub fn run(self) -> Result<ExitCode> {
        let folder = self.resume.as_deref().or(self.beginning.out.as_deref()).expect("required by clap");
        let interval = self.checkpoint_every.as_ref().map(|text| text.parse()).transpose()?;
        let mut training = if self.resume.is_some() {
            let training = Training::resume(folder, self.epochs, self.open()?)?;
            training.notes.iter().for_each(note);
            let progress = &training.trainer.progress;
            note(format_args!("going on at epoch {}, step {}", progress.epoch + 1, progress.step + 1));
            training
        } else {
            self.begin(folder)?
        };
        training.interval = interval.unwrap_or_default();
        let (device, self_check) = (self.device, !self.no_self_check);
        training.reopen = Some(Box::new(move || open(device, self_check)));
        let folder = folder.display();
        interrupt::listen();
        let task = training.model.config.task;
        let mut reporter = Reporter::new(String::new(), &training.model.config, training.trainer.options.epochs);
        let outcome = training.run(&mut reporter);
        drop(reporter);
        let outcome = outcome?;
        if outcome.ending == Ending::Stopped {
            let again = if training.read_stdin() { " (and the same data on standard input again)" } else { "" };
            if outcome.saved {
                note(format_args!("stopped and saved; go on with: srnn train --resume {folder}{again}"));
            } else {
                note("stopped; the last steps were skipped, and are not saved: what was saved before stays");
            }
            return Ok(ExitCode::from(130));
        }
        if outcome.ending == Ending::NoImprovement {
            note("stopped: the validation did not improve any more");
        }
        if let Some(best) = &outcome.best {
            print(&format!("best epoch: {}, validation {}\n", best.epoch, score(task, best.valid_score)))?;
        }
        if let Some(test) = &outcome.test {
            print(&format!("test: {}, loss {:.4}\n", score(task, test.score()), test.loss))?;
        }
        print(&format!("model: {folder}\n"))?;
        let guess = srnn::train::survey::guess(&training.data, training.model.config.classes);
        let Trainer { progress, options, .. } = &training.trainer;
        if let Some(lesson) = srnn::train::survey::lesson(&progress.history, options.epochs, guess) {
            note(format_args!("hint: {}", survey::advice(lesson)));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn open(&self) -> Result<Device> {
        open(self.device, !self.no_self_check)
    }

    fn begin(&self, folder: &Path) -> Result<Training> {
        let recipe = self.recipe()?;
        let force = self.beginning.force;
        // What can be refused without work is refused before the device is opened.
        recipe.check()?;
        model::check_folder(folder, force)?;
        let training = Training::begin(&recipe, folder, force, self.open()?)?;
        let (data, config) = (&training.data, &training.model.config);
        if let Some(count) = training.vectors {
            note(format_args!("word vectors: for {count} of {} words", config.vocabulary));
        }
        let found = Survey::of(data, config, &recipe.options, &training.model.inputs, &training.model.targets);
        survey::lines(&found, config.task).iter().for_each(note);
        found
            .concerns()
            .iter()
            .for_each(|concern| note(format_args!("hint: {}", survey::hint(concern, config.truncate))));
        note(network::describe(config));
        Ok(training)
    }

    fn recipe(&self) -> Result<Recipe> {
        let own = &self.beginning;
        let train = own.data.clone().expect("required by clap");
        let (valid, test, reading) =
            (own.valid.clone(), own.test.clone(), self.input.options_for(&train, self.device.memory)?);
        let (valid_labels, test_labels) = (own.valid_labels.clone(), own.test_labels.clone());
        let valid_fraction = own.valid_fraction;
        let sources = Sources { train, valid, valid_labels, test, test_labels, valid_fraction, reading };
        own.check_effects(sources.reading.is_numbers(&sources.train))?;
        let Beginning { slices: slicing, length, task, truncate, padding, freeze_embedding, .. } = *own;
        let network = Config { slicing, length, task, truncate, padding, freeze_embedding, ..self.network.config() };
        let (embedding, vocabulary) = (own.embedding.unwrap_or(200), own.vocabulary.unwrap_or(30_000));
        let network = Config { embedding, vocabulary, ..network };
        let words = Tokens::Words { min_count: own.min_count.unwrap_or(2) };
        let tokens = if own.tokens == "bytes" { Tokens::Bytes } else { words };
        let Beginning { learning_rate, weight_decay, dropout, label_smoothing, .. } = *own;
        let rule = match own.optimiser.as_str() {
            "sgd" => Rule::Sgd(Sgd { learning_rate, momentum: own.momentum.unwrap_or(0.9), weight_decay }),
            _ => Rule::Adam(Adam { learning_rate, weight_decay, ..Adam::default() }),
        };
        let clip = Some(own.clip).filter(|norm| *norm != 0.0);
        let embedding_dropout = own.embedding_dropout.unwrap_or(dropout);
        let optimiser = Optimiser { rule, clip, dropout, embedding_dropout, label_smoothing, ..Optimiser::default() };
        let Beginning { batch, seed, schedule, word_dropout, patience, .. } = *own;
        let epochs = self.epochs.unwrap_or(10);
        let options = Options { epochs, batch, seed, optimiser, schedule, word_dropout, patience };
        let (vectors, balanced) = (own.vectors.clone(), own.class_weights == "balanced");
        let recipe = Recipe { sources, network, tokens, vectors, balanced, options };
        Ok(if own.preset.is_some() { recipe.of_the_paper() } else { recipe })
    }
}
