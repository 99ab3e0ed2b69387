//! `srnn train`

use super::{
    DeviceArgs, Exit, InputArgs, NetworkArgs, Reporter, StepsArgs, ensure, eval, interrupt, named, network, note,
    print, set, survey, trials,
};
use crate::data::batch::{Padding, Truncate};
use crate::data::{Scale, Source};
use crate::network::{Adam, Input, Rule, Sgd, Task};
use crate::slicing::Align;
use crate::train::choice::Open;
use crate::train::recipe::Tokens;
use crate::train::survey::{Lesson, Survey};
use crate::train::{Ending, Keep, Metric, Model, Recipe, Schedule, Sources, Training, model};
use crate::{Device, Result, Slicing};
use clap::Args;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use strum::IntoEnumIterator;

/// Train a network on labelled texts or sequences of numbers
///
/// Reads texts from TSV, CSV, JSON Lines or a folder of folders (- for standard input), or numbers from .npy, .npz, .ts, .arff, tables
/// of numbers, UCR text or IDX images, all of them packed (.gz, .xz, .zst, .zip) or not; with --task tags or series also CoNLL text,
/// lists of tokens and tags in JSON Lines, and tables of steps. Settings that are not given are chosen by the
/// data. Trains, keeps the weights of the epoch with the best validation, and writes a model directory: config.json, model.safetensors
/// (weights named as in PyTorch), tokenizer.json (of texts), run.json (the account of it), metrics.jsonl, and checkpoint.safetensors,
/// from which --resume goes on.
#[derive(Args)]
#[command(after_help = CHOICES)]
pub struct Train {
    /// Go on with a training that was stopped or killed, or with more --epochs, with the settings that it began with
    #[arg(long, value_name = "DIR", conflicts_with_all = ["Beginning", "StepsArgs", "NetworkArgs", "InputArgs"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    beginning: Beginning,
    #[command(flatten)]
    steps: StepsArgs,
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
    /// Begin with the weights of this model, and with its network, vocabulary or scales, and classes; on other data too
    #[arg(long, value_name = "MODEL", conflicts_with_all = OF_MODEL.split(' '))]
    from: Option<PathBuf>,
    /// Validation data; otherwise part of the training data is held out: of classes a block of each, else ten blocks from all over
    #[arg(long, value_name = "FILE")]
    valid: Option<Source>,
    /// Share of the training data that is held out; 0, with --keep last, for none
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", allow_negative_numbers = true, conflicts_with = "valid")]
    valid_fraction: f64,
    /// Which epoch's weights are kept: best (by the validation) or last
    #[arg(long, default_value = "best", value_parser = named::<Keep>, value_name = "WHICH")]
    keep: Keep,
    /// What the validation is judged by: accuracy, macro-f1, micro-f1 (labels), span-f1 (tags), auc, r2 (numbers) or loss [default: macro-f1
    /// where classes are uneven; plain: accuracy, micro-f1 or r2]
    #[arg(long, value_parser = named::<Metric>, value_name = "METRIC")]
    metric: Option<Metric>,
    /// Whether, after the validation has told the best epoch, the network is trained anew on all sequences: yes or no
    /// [default: yes for small sets; plain: no]
    #[arg(long, value_parser = ["yes", "no"], value_name = "WHETHER")]
    refit: Option<String>,
    /// Search for better settings than those chosen, of those that are not given, for so many minutes
    #[arg(long, value_name = "MINUTES", value_parser = parse_minutes)]
    search: Option<f64>,
    /// Cross-validation before that: so many parts of the training data are tested, each by a network trained on the others
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..=100))]
    folds: Option<u32>,
    /// Labels of --valid in a file of their own
    #[arg(long, value_name = "FILE", requires = "valid")]
    valid_labels: Option<PathBuf>,
    /// Test data, evaluated once with the best weights
    #[arg(long, value_name = "FILE")]
    test: Option<Source>,
    /// Labels of --test in a file of their own
    #[arg(long, value_name = "FILE", requires = "test")]
    test_labels: Option<PathBuf>,
    /// What is told of a sequence: class, labels (any of several, with commas between them), or regression (numbers); or of every
    /// step of it: tags (a class each) or series (numbers)
    #[arg(long, default_value = "class", value_parser = named::<Task>, value_name = "TASK")]
    task: Task,
    /// What is taken for settings that are not given: auto (what fits the data), plain (the same for all data), or paper (the
    /// paper's own network and training, in which most are fixed: its GRU, SRNN(8,2), D = 200, H = 50, T = 512, unmasked padding)
    #[arg(long, default_value = "auto", value_parser = named::<Preset>, value_name = "NAME")]
    preset: Preset,

    /// Slicing: NxK for SRNN(N,K), or rnn for the plain network [plain: 8x2]
    #[arg(long, value_name = "NxK", help_heading = "Network")]
    slices: Option<Slicing>,
    /// Longest sequence in steps, longer ones are truncated; or auto [plain: 512]
    #[arg(long, value_parser = parse_length, value_name = "T", help_heading = "Network")]
    length: Option<Given<usize>>,
    /// Count slices from the end of a sequence (end, as the paper) or from its start, where a stream of steps has none (start);
    /// then longer sequences than --length go on at the top level
    #[arg(long, default_value = "end", value_parser = named::<Align>, value_name = "WHERE", help_heading = "Network")]
    align: Align,
    /// Numbers are compared with those of their channel in the training set, or with those of their own sequence, whose deviation
    /// and mean then become channels: channel, sequence or auto [plain: channel]
    #[arg(long, value_parser = parse_scale, value_name = "WITH", help_heading = "Network")]
    normalise: Option<Given<Scale>>,
    /// Tokens of texts: words, chars (characters, for languages without blanks between words), bytes, or auto, which finds out
    /// [plain: words]
    #[arg(long, value_parser = ["words", "chars", "bytes", "auto"], value_name = "WHAT", help_heading = "Texts")]
    tokens: Option<String>,
    /// Take the tags, comments, scripts and styles of HTML out of the texts, and write its commonest entities out
    #[arg(long, help_heading = "Texts")]
    strip_html: bool,
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
    /// masked (padding costs nothing and changes nothing), or unmasked (read like words, as in the paper) [default: masked]
    #[arg(long, value_parser = named::<Padding>, value_name = "HOW", help_heading = "Texts")]
    padding: Option<Padding>,

    /// Sequences of a batch [plain: 100]
    #[arg(long, value_name = "B", help_heading = "Training")]
    batch: Option<usize>,
    /// adam (AdamW, with --weight-decay) or sgd
    #[arg(long, default_value = "adam", value_parser = ["adam", "sgd"], value_name = "NAME", help_heading = "Training")]
    optimiser: String,
    /// Learning rate [plain: 0.001]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, help_heading = "Training")]
    learning_rate: Option<f32>,
    /// constant; cosine, or cosine:W with a warm-up over a share W of all steps (0.3 is one-cycle); step:N:F (times F
    /// after every N epochs) [plain: constant]
    #[arg(long, value_parser = parse_schedule, value_name = "HOW", help_heading = "Training")]
    schedule: Option<Schedule>,
    /// Momentum of sgd [default: 0.9]
    #[arg(long, value_name = "M", help_heading = "Training")]
    momentum: Option<f32>,
    /// Decoupled weight decay
    #[arg(long, default_value_t = 0.0, value_name = "DECAY", help_heading = "Training")]
    weight_decay: f32,
    /// Gradients are scaled down to this global norm; 0 leaves them alone [default: 1]
    #[arg(long, value_name = "NORM", allow_negative_numbers = true, help_heading = "Training")]
    clip: Option<f32>,
    /// Share of what passes up between levels and layers, and into the head, that is dropped [plain: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    dropout: Option<f32>,
    /// Share of the embeddings that is dropped [default: as --dropout]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    embedding_dropout: Option<f32>,
    /// Share of the training words that become unknown [plain: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    word_dropout: Option<f32>,
    /// Share of the truth that is spread over all classes
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", help_heading = "Training")]
    label_smoothing: f32,
    /// Classes count alike (none), or all together as much as any other (balanced)
    #[arg(long, default_value = "none", value_parser = ["none", "balanced"], value_name = "HOW", help_heading = "Training")]
    class_weights: String,
    /// Find the probability from which on the second of two classes, or each label, is told: that with the best F1 on the
    /// validation data; folds are measured by half [default: half]
    #[arg(long, help_heading = "Training")]
    thresholds: bool,
    /// Stop after this many epochs without a better validation; 0 never stops [plain: 0]
    #[arg(long, value_name = "N", help_heading = "Training")]
    patience: Option<usize>,
    /// Seed of the weights and of the order; the same seed on the same device gives the same bits
    #[arg(long, default_value_t = 1, value_name = "SEED", help_heading = "Training")]
    seed: u64,
}

/// What is chosen, in short; docs/results.md says why.
const CHOICES: &str =
    "Settings that are not given are chosen by the data (--preset plain has the same for all), printed, and kept:
  length     holds 95 % of texts, 99 % of sequences of numbers, whole; less where the memory is short
  slices     of 64 words or more, at least 8; of 16 steps of numbers; none of short sequences
  network    both directions; attention, context 16 and H = 64 of texts; maximum, context 8 and H = 48 of numbers
  batch      a sixtieth of the sequences, from 16 to 100
  epochs     for 600 updates of the weights with texts, 1,500 with numbers; at least 6 and 10
  rate       3e-3 of texts, 5e-3 of numbers, on one cycle (cosine:0.3)
  dropout    0.4 and words 0.3 (of 10,000 texts or more 0.1); 0.2 of numbers
  patience   a third of the epochs, at least 5
  normalise  by channel; each sequence by itself where most of the deviation lies between sequences
  tokens     words; characters in languages without blanks between words
  metric     macro F1 where classes are uneven
  refit      of fewer than 2,000 sequences, where none are given to validate with
  every step (tags, series) windows of at most 512 steps, states that pass up as they are; of tokens H = 96, D = 128, 6e-3, dropout
             0.5, words 0.1, 1,000 updates and at least 8 epochs; forecasts read forward; span F1 where tags mark spans

Examples: srnn train reviews.csv --text review --label stars --test other.csv --out reviews-model
          srnn train words.conll --task tags --out tagger
          srnn train signals.npz --search 10 --out signals-model";

/// What a model that is gone on from decides.
const OF_MODEL: &str = "NetworkArgs StepsArgs task preset slices length align normalise tokens strip_html embedding vectors freeze_embedding \
                        vocabulary min_count truncate padding search folds";

/// What is taken for settings that are not given.
#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Preset {
    /// What fits the data.
    Auto,
    /// The same for all data.
    Plain,
    /// The paper's.
    Paper,
}

/// A setting that was given by itself, or is to be chosen.
#[derive(Clone, Copy)]
enum Given<T> {
    Auto,
    Is(T),
}

impl<T> Given<T> {
    fn value(self) -> Option<T> {
        match self {
            Given::Auto => None,
            Given::Is(value) => Some(value),
        }
    }
}

fn parse_minutes(text: &str) -> std::result::Result<f64, String> {
    let minutes = text.parse().ok().filter(|minutes: &f64| *minutes > 0.0 && *minutes < 1e6);
    minutes.ok_or_else(|| "use a number of minutes, such as 5".into())
}

fn parse_length(text: &str) -> std::result::Result<Given<usize>, String> {
    match text {
        "auto" => Ok(Given::Auto),
        _ => text.parse().map(Given::Is).map_err(|_| "use a number of steps, or auto".into()),
    }
}

fn parse_scale(text: &str) -> std::result::Result<Given<Scale>, String> {
    match text {
        "auto" => Ok(Given::Auto),
        _ => named::<Scale>(text).map(Given::Is).map_err(|_| "use channel, sequence or auto".into()),
    }
}

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
        let of_classes = (self.task.is_one_of(), "is for classes: leave it out, or say --task class or tags");
        let tokens_given = self.task.of_steps() && !numbers;
        let of_cut_texts = (!tokens_given, "is for texts, and tokens are given where steps are told of");
        let of_texts = (!numbers, "is for texts, and the data is numbers");
        let of_numbers = (numbers, "is for numbers, and the data is texts");
        let bytes = self.tokens.as_deref() == Some("bytes");
        let of_words = if bytes { (false, "is for words, and --tokens bytes was said") } else { of_texts };
        let validated = self.valid.is_some() || self.valid_fraction > 0.0;
        let of_validation = (validated, "is for validation data, and there is none");
        let of_end =
            (self.align == Align::End, "has no effect on sequences aligned at their start, which are read whole");
        let of_sgd = (self.optimiser == "sgd", "is of sgd: say --optimiser sgd too");
        let options = [
            ("label-smoothing", self.label_smoothing > 0.0, of_classes),
            ("class-weights", self.class_weights != "none", of_classes),
            ("vocabulary", self.vocabulary.is_some(), of_words),
            ("min-count", self.min_count.is_some(), of_words),
            ("strip-html", self.strip_html, of_words),
            ("tokens", self.tokens.is_some(), if numbers { of_texts } else { of_cut_texts }),
            ("strip-html", self.strip_html, of_cut_texts),
            ("truncate", self.truncate != Truncate::default(), of_cut_texts),
            ("vectors", self.vectors.is_some(), of_words),
            ("embedding", self.embedding.is_some(), of_texts),
            ("word-dropout", self.word_dropout.is_some_and(|share| share > 0.0), of_texts),
            ("freeze-embedding", self.freeze_embedding, of_texts),
            ("padding unmasked", self.padding == Some(Padding::Unmasked), of_texts),
            ("normalise", self.normalise.is_some(), of_numbers),
            ("momentum", self.momentum.is_some(), of_sgd),
            ("truncate", self.truncate != Truncate::default(), of_end),
            ("metric", self.metric.is_some(), of_validation),
            ("patience", self.patience.is_some_and(|epochs| epochs > 0), of_validation),
            ("thresholds", self.thresholds, of_validation),
        ];
        for (option, given, (fits, why)) in options {
            ensure(fits || !given, format!("--{option} {why}"))?;
        }
        Ok(())
    }
}

fn open(device: DeviceArgs, self_check: bool) -> Result<Device> {
    device.open().map(|device| checked(device, self_check))
}

fn checked(device: Device, self_check: bool) -> Device {
    Device { self_check: self_check && device.self_check, ..device }
}

/// Where a search keeps what it has done, beside the folder for the model.
fn journal_of(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(".search.jsonl");
    folder.with_file_name(name)
}

impl Train {
    /// Trains to the end or to Ctrl-C, and tells how it ended.
    pub fn run(self) -> Result<Exit> {
        let folder = self.resume.as_deref().or(self.beginning.out.as_deref()).expect("required by clap");
        let interval = self.checkpoint_every.as_ref().map(|text| text.parse()).transpose()?;
        let mut training = if self.resume.is_some() {
            let training = Training::resume(folder, self.epochs, self.open()?)?;
            training.notes.iter().for_each(note);
            let progress = &training.trainer.progress;
            note(format_args!("going on at epoch {}, step {}", progress.epoch + 1, progress.step + 1));
            training
        } else {
            match self.begin(folder)? {
                Some(training) => training,
                None => {
                    note("stopped: the same command again goes on with the search, and begins the folds anew");
                    return Ok(Exit::Stopped);
                }
            }
        };
        training.interval = interval.unwrap_or_default();
        let (device, self_check) = (self.device, !self.no_self_check);
        training.reopen = Some(Box::new(move || open(device, self_check)));
        let folder = folder.display();
        interrupt::listen();
        let metric = training.trainer.options.metric.unwrap_or(Metric::of(training.model.config.task));
        let mut reporter = Reporter::new(String::new(), &training.model.config, metric);
        let guess = crate::train::survey::guess(&training.data, training.model.config.classes);
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
            return Ok(Exit::Stopped);
        }
        if outcome.ending == Ending::NoImprovement {
            note("stopped: the validation did not improve any more");
        }
        if let Some(best) = outcome.best.as_ref().filter(|best| best.valid_loss.is_finite()) {
            print(&format!("best epoch: {}, validation {}\n", best.epoch, metric.words(best.valid_score)))?;
        }
        if let Some(sequences) = outcome.refitted {
            print(&format!("trained anew on all {sequences} sequences\n"))?;
        }
        if let Some(told) = eval::thresholds(&training.model) {
            print(&format!("{told}\n"))?;
        }
        if let Some(test) = &outcome.test {
            print(&format!("test: {}\n", eval::report(test.clone(), &training.model.targets)))?;
        }
        print(&format!("model: {folder}\n"))?;
        let epochs = training.recipe().options.epochs;
        let accuracy = metric == Metric::of(training.model.config.task);
        let lesson = crate::train::survey::lesson(training.validated(), epochs, accuracy.then_some(guess));
        // Where the rate ends near 0 the last epoch mostly is the best.
        let anneals = matches!(training.recipe().options.schedule, Schedule::Cosine { .. });
        if let Some(lesson) = lesson.filter(|lesson| !(anneals && *lesson == Lesson::StillImproving)) {
            note(format_args!("hint: {}", survey::advice(lesson)));
        }
        Ok(Exit::Done)
    }

    fn open(&self) -> Result<Device> {
        open(self.device, !self.no_self_check)
    }

    /// Begins a training, after what is to come before it; `None` if that was stopped.
    fn begin(&self, folder: &Path) -> Result<Option<Training>> {
        let mut recipe = self.recipe()?;
        let force = self.beginning.force;
        // What can be refused without work is refused before the device is opened.
        recipe.check()?;
        model::check_folder(folder, force)?;
        let mut folds = vec![];
        let (search, parts) = (self.beginning.search, self.beginning.folds);
        if search.is_some() || parts.is_some() {
            interrupt::listen();
            let several = "--search and --folds read the data more than once: give files, not standard input";
            ensure(recipe.sources.on_stdin() == 0, several)?;
            let mut device = self.open()?;
            recipe.sources.reading.limits.memory = device.engine.limits().memory;
            let (given, self_check) = (self.device, !self.no_self_check);
            let mut open = move || given.opening().open().map(|device| checked(device, self_check));
            let files = recipe.sources.read()?;
            let few = "a search compares networks on sequences that are held out, and these are so few that their ends are: leave out --search";
            ensure(search.is_none() || !files.in_time, few)?;
            let decided = recipe.decided(&files, &mut device)?;
            drop(device);
            if let Some(minutes) = search {
                let journal = journal_of(folder);
                let Some(best) = trials::search(&decided, &files, minutes, &journal, &mut open)? else {
                    return Ok(None);
                };
                recipe = best;
            }
            if let Some(parts) = parts {
                let recipe = if search.is_some() { &recipe } else { &decided };
                let Some(found) = trials::folds(recipe, &files, parts as usize, &mut open)? else { return Ok(None) };
                folds = found;
            }
        }
        let mut training = Training::begin(&recipe, folder, force, self.open()?)?;
        training.keep_folds(folds);
        if search.is_some() {
            // What it found is in the model's account now.
            let _ = std::fs::remove_file(journal_of(folder));
        }
        let (data, config) = (&training.data, &training.model.config);
        if let Some(count) = training.vectors {
            note(format_args!("word vectors: for {count} of {} words", config.vocabulary));
        }
        let recipe = training.recipe();
        let seen = (training.channels.as_ref(), recipe.scale);
        let found = Survey::of(data, config, &recipe.options, &training.model.targets, seen);
        survey::lines(&found, config.task).iter().for_each(note);
        let (texts, searched) = (config.input == Input::Tokens, search.is_some());
        let told = if searched { Recipe { open: Open::all(), ..recipe.clone() } } else { recipe.clone() };
        if !told.open.is_empty() {
            let all: Vec<String> = told.chosen(texts).iter().map(|(open, value)| format!("--{open} {value}")).collect();
            note(format_args!("  {} for it: {}", if searched { "found" } else { "chosen" }, all.join(" ")));
        }
        found
            .concerns()
            .iter()
            .for_each(|concern| note(format_args!("hint: {}", survey::hint(concern, config.truncate))));
        note(network::describe(config));
        Ok(Some(training))
    }

    /// The settings, as far as they are given.
    pub fn recipe(&self) -> Result<Recipe> {
        let own = &self.beginning;
        let train = own.data.clone().expect("required by clap");
        let from = own.from.as_ref().map(|from| Model::load(from)).transpose()?;
        let (task, input) = match (&from, &own.from) {
            (Some(model), Some(folder)) if model.config.task.of_steps() => {
                (model.config.task, self.input.of_model(folder, model))
            }
            (Some(model), _) => (model.config.task, self.input.clone()),
            (None, _) => (own.task, self.steps.input(own.task, &self.input)?),
        };
        let (valid, test, reading) =
            (own.valid.clone(), own.test.clone(), input.options_for(&train, self.device.memory)?);
        let (valid_labels, test_labels) = (own.valid_labels.clone(), own.test_labels.clone());
        let valid_fraction = own.valid_fraction;
        let sources =
            Sources { train, valid, valid_labels, test, test_labels, valid_fraction, fold: None, share: 1.0, reading };
        own.check_effects(sources.reading.is_numbers(&sources.train))?;
        let usual = Recipe::of(sources);
        let usual = if own.preset == Preset::Paper { usual.of_the_paper() } else { usual };
        let Recipe { sources, mut network, mut options, .. } = usual;
        let optimiser = &mut options.optimiser;
        self.network.apply(&mut network);
        set(&mut network.slicing, own.slices);
        set(&mut network.length, own.length.and_then(Given::value));
        set(&mut network.padding, own.padding);
        network.align = own.align;
        set(&mut network.embedding, own.embedding);
        network.vocabulary = own.vocabulary.unwrap_or(30_000);
        (network.task, network.truncate, network.freeze_embedding) = (task, own.truncate, own.freeze_embedding);
        self.steps.apply(&mut network)?;
        if task.of_steps() {
            // What is said of pooling is of what passes up.
            network.head_pooling = self.network.head_pooling.unwrap_or_default();
        }
        let min_count = own.min_count.unwrap_or(2);
        let tokens = match own.tokens.as_deref() {
            Some("bytes") => Tokens::Bytes,
            Some("chars") => Tokens::Characters { min_count },
            _ if task.of_steps() => self.steps.tokens(min_count, own.preset == Preset::Auto),
            _ => Tokens::Words { min_count },
        };
        let (learning_rate, weight_decay) = (own.learning_rate.unwrap_or(1e-3), own.weight_decay);
        optimiser.rule = match own.optimiser.as_str() {
            "sgd" => Rule::Sgd(Sgd { learning_rate, momentum: own.momentum.unwrap_or(0.9), weight_decay }),
            _ => Rule::Adam(Adam { learning_rate, weight_decay, ..Adam::default() }),
        };
        set(&mut optimiser.clip, own.clip.map(|norm| Some(norm).filter(|norm| *norm != 0.0)));
        set(&mut optimiser.dropout, own.dropout);
        optimiser.embedding_dropout = own.embedding_dropout.unwrap_or(optimiser.dropout);
        optimiser.label_smoothing = own.label_smoothing;
        set(&mut options.batch, own.batch);
        set(&mut options.epochs, self.epochs);
        set(&mut options.schedule, own.schedule);
        set(&mut options.word_dropout, own.word_dropout);
        options.patience = own.patience.filter(|epochs| *epochs > 0);
        (options.seed, options.keep, options.metric) = (own.seed, own.keep, own.metric);
        let refit = own.refit.as_deref() == Some("yes");
        let scale = own.normalise.and_then(Given::value).unwrap_or(Scale::Channel);
        let from = own.from.clone();
        let (vectors, balanced) = (own.vectors.clone(), own.class_weights == "balanced");
        Ok(Recipe {
            sources,
            network,
            tokens,
            strip_html: own.strip_html,
            thresholds: own.thresholds,
            scale,
            open: self.open_settings(),
            from,
            vectors,
            balanced,
            refit,
            options,
        })
    }

    /// What the data decides.
    fn open_settings(&self) -> BTreeSet<Open> {
        let own = &self.beginning;
        let given = [
            (Open::Tokens, own.tokens.as_deref().is_some_and(|tokens| tokens != "auto")),
            (Open::Length, matches!(own.length, Some(Given::Is(_)))),
            (Open::Normalise, matches!(own.normalise, Some(Given::Is(_)))),
            (Open::Slices, own.slices.is_some()),
            (Open::Embedding, own.embedding.is_some() || own.vectors.is_some()),
            (Open::Batch, own.batch.is_some()),
            (Open::Epochs, self.epochs.is_some()),
            (Open::LearningRate, own.learning_rate.is_some() || own.optimiser != "adam"),
            (Open::Schedule, own.schedule.is_some()),
            (Open::Dropout, own.dropout.is_some()),
            (Open::EmbeddingDropout, own.embedding_dropout.is_some()),
            (Open::WordDropout, own.word_dropout.is_some()),
            (Open::Patience, own.patience.is_some()),
            (Open::Metric, own.metric.is_some()),
            (Open::Refit, own.refit.is_some() || own.keep == Keep::Last),
        ];
        let given: BTreeSet<Open> =
            given.into_iter().filter(|(_, given)| *given).map(|(open, _)| open).chain(self.network.given()).collect();
        let asked = [
            (Open::Tokens, own.tokens.as_deref() == Some("auto")),
            (Open::Length, matches!(own.length, Some(Given::Auto))),
            (Open::Normalise, matches!(own.normalise, Some(Given::Auto))),
        ];
        let of_preset = |open: &Open| own.preset == Preset::Auto || asked.contains(&(*open, true));
        Open::iter().filter(|open| of_preset(open) && !given.contains(open)).collect()
    }
}
