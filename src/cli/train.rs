//! `srnn train`

use super::input::InputArgs;
use super::network::{self, NetworkArgs, named};
use super::reporter::{Reporter, score};
use super::training_data::{Data, Origin};
use super::{DeviceArgs, at_least_one, interrupt, note, print};
use clap::Args;
use srnn::data::batch::{Padding, Truncate};
use srnn::data::{Normalisation, Source, Tokenizer, read_vectors};
use srnn::network::{Activation, Adam, Config, Input, Network, Optimiser, Parameters, Reset, Rule, Sgd, Task};
use srnn::train::model::{self, Checkpoint};
use srnn::train::{Dataset, Ending, Evaluation, Model, Options, Schedule, Steps, Telling, Told, Trainer};
use srnn::{Error, Result, Slicing};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Train a network on labelled texts or sequences of numbers
///
/// Reads texts from TSV, CSV or JSON Lines (also .gz; - for standard input), or numbers from .npy, .npz, UCR text or IDX
/// images; trains, keeps the weights of the epoch with the best validation, and writes a model directory: config.json,
/// model.safetensors (weights named as in PyTorch), tokenizer.json (of texts) and metrics.jsonl.
#[derive(Args)]
#[command(after_help = "Example: srnn train reviews.csv --text review --label stars --slices 8x2 --out reviews-model")]
pub struct Train {
    /// Go on with a training that was stopped, with the settings that it began with
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
    #[command(flatten)]
    device: DeviceArgs,
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
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", allow_negative_numbers = true)]
    valid_fraction: f64,
    /// Test data, evaluated once with the best weights
    #[arg(long, value_name = "FILE")]
    test: Option<Source>,
    /// What is told of a sequence: class, labels (any of several, with commas between them), or regression (numbers)
    #[arg(long, default_value = "class", value_parser = named::<Task>, value_name = "TASK")]
    task: Task,
    /// paper: the paper's own network and training (its GRU, SRNN(8,2), D = 200, H = 50, T = 512, unmasked padding)
    #[arg(long, value_parser = ["paper"], value_name = "NAME", conflicts_with_all = OF_PRESET)]
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
const OF_PRESET: [&str; 19] = [
    "slices",
    "length",
    "cell",
    "reset",
    "candidate",
    "direction",
    "pool",
    "head_pool",
    "layers",
    "context",
    "hidden",
    "embedding",
    "padding",
    "truncate",
    "batch",
    "optimiser",
    "learning_rate",
    "clip",
    "dropout",
];

fn parse_schedule(text: &str) -> std::result::Result<Schedule, String> {
    let wrong = || "use constant, cosine, cosine:0.3 or step:5:0.1".to_string();
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        ["constant"] => Ok(Schedule::Constant),
        ["cosine"] => Ok(Schedule::Cosine { warmup: 0.0 }),
        ["cosine", warmup] => {
            let warmup = warmup.parse().ok().filter(|share| (0.0..1.0).contains(share));
            Ok(Schedule::Cosine { warmup: warmup.ok_or_else(wrong)? })
        }
        ["step", epochs, factor] => {
            let epochs = epochs.parse().ok().filter(|epochs| *epochs > 0).ok_or_else(wrong)?;
            let factor = factor.parse().ok().filter(|factor: &f32| factor.is_finite() && *factor > 0.0);
            Ok(Schedule::Step { epochs, factor: factor.ok_or_else(wrong)? })
        }
        _ => Err(wrong()),
    }
}

impl Beginning {
    /// Refuses what would have no effect on what is told, or with the optimiser.
    fn check_effects(&self) -> Result<()> {
        let of_classes =
            [("label-smoothing", self.label_smoothing > 0.0), ("class-weights", self.class_weights != "none")];
        if let (Some((option, _)), true) = (of_classes.iter().find(|(_, given)| *given), self.task != Task::Class) {
            return Err(Error::Config(format!("--{option} is for classes: leave it out, or say --task class")));
        }
        let of_words = self.of_words().into_iter().find(|(_, given)| *given);
        if let (Some((option, _)), "bytes") = (of_words, self.tokens.as_str()) {
            return Err(Error::Config(format!("--{option} is for words, and --tokens bytes was said")));
        }
        if self.momentum.is_some() && self.optimiser != "sgd" {
            return Err(Error::Config("--momentum is of sgd: say --optimiser sgd too".into()));
        }
        Ok(())
    }

    /// What makes or fills a vocabulary of words.
    fn of_words(&self) -> [(&'static str, bool); 3] {
        [
            ("vocabulary", self.vocabulary.is_some()),
            ("min-count", self.min_count.is_some()),
            ("vectors", self.vectors.is_some()),
        ]
    }

    /// Most words of the vocabulary, with the two special tokens.
    fn vocabulary(&self) -> usize {
        self.vocabulary.unwrap_or(30_000)
    }

    /// Width of the token embedding.
    fn embedding(&self) -> usize {
        self.embedding.unwrap_or(200)
    }

    /// Refuses what would have no effect on data that is numbers.
    fn check_for_numbers(&self) -> Result<()> {
        let of_texts = [
            ("embedding", self.embedding.is_some()),
            ("tokens bytes", self.tokens != "words"),
            ("word-dropout", self.word_dropout > 0.0),
            ("freeze-embedding", self.freeze_embedding),
            ("padding unmasked", self.padding == Padding::Unmasked),
        ];
        match self.of_words().into_iter().chain(of_texts).find(|(_, given)| *given) {
            Some((option, _)) => Err(Error::Config(format!("--{option} is for texts, and the data is numbers"))),
            None => Ok(()),
        }
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
        let Beginning { learning_rate, weight_decay, .. } = self.beginning;
        let own = &self.beginning;
        own.check_effects()?;
        let momentum = own.momentum.unwrap_or(0.9);
        let positive = |name: &str, value: f32| match value.is_finite() && value > 0.0 {
            true => Ok(value),
            false => Err(Error::Config(format!("--{name} {value}: it must be a positive number"))),
        };
        let epochs = self.epochs.unwrap_or(10);
        let sizes = [
            ("epochs", epochs),
            ("batch", own.batch),
            ("length", own.length),
            ("hidden", self.network.hidden),
            ("layers", self.network.layers),
            ("embedding", own.embedding()),
            ("patience", own.patience.unwrap_or(1)),
        ];
        sizes.into_iter().try_for_each(|(name, size)| at_least_one(name, size))?;
        if own.vocabulary() < 3 {
            let problem = format!("--vocabulary {}: it must hold [PAD], [UNK] and a word", own.vocabulary());
            return Err(Error::Config(problem));
        }
        if !(own.valid_fraction > 0.0 && own.valid_fraction < 1.0) {
            let problem = format!("--valid-fraction {}: it must be more than 0 and less than 1", own.valid_fraction);
            return Err(Error::Config(problem));
        }
        for (name, share) in [("momentum", momentum), ("word-dropout", own.word_dropout)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::Config(format!("--{name} {share}: it must be at least 0 and less than 1")));
            }
        }
        if !(weight_decay.is_finite() && weight_decay >= 0.0) {
            return Err(Error::Config(format!("--weight-decay {weight_decay}: it must be 0 or more")));
        }
        positive("learning-rate", learning_rate)?;
        let paper = own.preset.is_some();
        let clip = if own.clip == 0.0 || paper { None } else { Some(positive("clip", own.clip)?) };
        let rule = match own.optimiser.as_str() {
            "sgd" => Rule::Sgd(Sgd { learning_rate, momentum, weight_decay }),
            _ => Rule::Adam(Adam { learning_rate, weight_decay, ..Adam::default() }),
        };
        let optimiser = Optimiser {
            rule,
            clip,
            dropout: own.dropout,
            embedding_dropout: own.embedding_dropout.unwrap_or(own.dropout),
            label_smoothing: own.label_smoothing,
            ..Optimiser::default()
        };
        optimiser.check(2)?;
        Ok(Options {
            epochs,
            batch: own.batch,
            seed: own.seed,
            optimiser,
            schedule: own.schedule,
            word_dropout: own.word_dropout,
            patience: own.patience,
        })
    }

    fn origin(&self) -> Origin {
        let own = &self.beginning;
        Origin {
            data: own.data.clone().expect("required by clap"),
            valid: own.valid.clone(),
            test: own.test.clone(),
            valid_fraction: own.valid_fraction,
            input: self.input.clone(),
            checksum: 0,
        }
    }

    /// The network as far as the arguments decide it.
    fn config(&self) -> Config {
        let own = &self.beginning;
        let config = Config {
            slicing: own.slices,
            length: own.length,
            vocabulary: own.vocabulary(),
            embedding: own.embedding(),
            task: own.task,
            truncate: own.truncate,
            padding: own.padding,
            freeze_embedding: own.freeze_embedding,
            ..self.network.config()
        };
        match own.preset {
            Some(_) => {
                Config { reset: Reset::Before, activation: Activation::Identity, padding: Padding::Unmasked, ..config }
            }
            None => config,
        }
    }

    fn begin(&self) -> Result<ExitCode> {
        let own = &self.beginning;
        let mut options = self.options()?;
        let folder = own.out.clone().expect("required by clap");
        let mut origin = self.origin();
        // What can be refused without work is refused before any.
        let mut config = self.config();
        config.check()?;
        model::check_folder(&folder, own.force)?;
        let device = self.device.open()?;
        let files = origin.read()?;
        let raw = &files.train;
        let rows = match own.task {
            // The labels decide which rows are held out, and the other rows what is learnt of numbers.
            Task::Regression => Some(origin.split(raw, &Telling::Labels(vec![]))?.0),
            _ => None,
        };
        let telling = Telling::fit(own.task, raw, rows.as_deref())?;
        let (train_rows, _) = origin.split(raw, &telling)?;
        let steps = match &raw.numbers {
            Some((width, values)) => {
                own.check_for_numbers()?;
                let values: Vec<&Vec<f32>> = train_rows.iter().map(|&row| &values[row]).collect();
                (config.input, config.vocabulary, config.embedding) = (Input::Numbers, 0, *width);
                Steps::Numbers(Normalisation::fit(&values, *width)?)
            }
            None if own.tokens == "bytes" => Steps::Tokens(Tokenizer::bytes()?),
            None => {
                let texts: Vec<&str> = train_rows.iter().map(|&row| raw.examples[row].text.as_str()).collect();
                Steps::Tokens(Tokenizer::fit(&texts, own.vocabulary(), own.min_count.unwrap_or(2))?)
            }
        };
        let data = origin.encode(&files, &steps, &telling)?;
        drop(files);
        if let Steps::Tokens(tokenizer) = &steps {
            config.vocabulary = tokenizer.vocabulary_size();
        }
        config.classes = telling.names().len();
        config.check()?;
        if own.class_weights == "balanced" {
            options.optimiser.class_weights = balanced(&data.train, config.classes)?;
        }
        origin.checksum = data.checksum();
        let origin = origin.absolute()?;
        data.check_fits(&config, &options, &device)?;
        let mut parameters = Parameters::random(&config, own.seed);
        if let Some(path) = &own.vectors
            && let Steps::Tokens(tokenizer) = &steps
        {
            use_vectors(&mut parameters, path, tokenizer, own.embedding())?;
        }
        let network = Network::with_parameters(config.clone(), device, &parameters)?;
        describe(&data, &config);
        model::prepare_folder(&folder)?;
        let model = Model { config, steps, telling, parameters };
        train(Trainer::new(network, options), model, &data, &origin, &folder)
    }

    fn go_on(&self, folder: &Path) -> Result<ExitCode> {
        let model = Model::load(folder)?;
        let (checkpoint, state) = model::load_checkpoint::<Origin>(folder)?;
        let Checkpoint { mut options, progress, caller: origin } = checkpoint;
        let laid_out = options.epochs;
        options.epochs = self.epochs.unwrap_or(laid_out);
        if options.epochs <= progress.epoch {
            let (asked, done) = (options.epochs, progress.epoch);
            return Err(Error::Config(format!("--epochs {asked}: epoch {done} is done already")));
        }
        if let (Schedule::Cosine { .. }, true) = (options.schedule, options.epochs != laid_out) {
            let problem = format!("the cosine schedule was laid out for {laid_out} epochs: go on without --epochs");
            return Err(Error::Config(problem));
        }
        let device = self.device.open()?;
        let data = origin.encode(&origin.read()?, &model.steps, &model.telling)?;
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

/// Weights by which every class counts as much as any other: sequences / (classes · sequences of the class).
fn balanced(data: &Dataset, classes: usize) -> Result<Vec<f32>> {
    let Told::Classes(labels) = &data.told else { unreachable!("refused before the data was read") };
    let mut counts = vec![0usize; classes];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    Ok(counts.iter().map(|&count| labels.len() as f32 / (classes * count.max(1)) as f32).collect())
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
    note(network::describe(config));
}

/// Trains to the end or to Ctrl-C, saving as it goes.
fn train(mut trainer: Trainer, mut model: Model, data: &Data, origin: &Origin, folder: &Path) -> Result<ExitCode> {
    interrupt::listen();
    let (epochs, task) = (trainer.options.epochs, model.config.task);
    let on_epoch = |epoch: &srnn::train::Epoch, trainer: &mut Trainer| {
        if let (true, Some(best)) = (epoch.best, trainer.best()) {
            model.parameters = best.clone();
            // Until something is learnt, the folder keeps what it had: nothing, or the model that --force gives up.
            if epoch.epoch == 1 { model.save(folder)? } else { model.save_weights(folder)? }
        }
        model::append_metrics(folder, epoch)?;
        if trainer.progress().epoch < trainer.options.epochs {
            save_checkpoint(trainer, origin, folder)?;
        }
        Ok(())
    };
    let mut reporter = Reporter::new("", trainer.network.config(), epochs, Box::new(on_epoch));
    let ending = trainer.fit(&data.train, &data.valid, &mut reporter)?;
    drop(reporter);
    if ending == Ending::Stopped {
        if trainer.best().is_none() {
            // There is no best epoch yet: the model is what was learnt so far.
            model.parameters = trainer.network.parameters()?;
            model.save(folder)?;
        }
        save_checkpoint(&mut trainer, origin, folder)?;
        let again = if origin.on_stdin() > 0 { " (and the same data on standard input again)" } else { "" };
        note(format_args!("stopped and saved; go on with: srnn train --resume {}{again}", folder.display()));
        return Ok(ExitCode::from(130));
    }
    if ending == Ending::NoImprovement {
        note("stopped: the validation did not improve any more");
    }
    model::remove_checkpoint(folder)?;
    let best = trainer.progress().best.clone().expect("an epoch was finished");
    let mut summary = format!("best epoch: {}, validation {}\n", best.epoch, score(task, best.valid_score));
    if let Some(test) = &data.test {
        let batch = trainer.options.batch;
        let evaluation = Evaluation::of(&mut trainer.network, test, batch)?;
        summary += &format!("test: {}, loss {:.4}\n", score(task, evaluation.score()), evaluation.loss);
    }
    print(&format!("{summary}model: {}\n", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn save_checkpoint(trainer: &mut Trainer, origin: &Origin, folder: &Path) -> Result<()> {
    let (options, progress) = (trainer.options.clone(), trainer.progress().clone());
    let checkpoint = Checkpoint { options, progress, caller: origin.clone() };
    model::save_checkpoint(folder, &checkpoint, &mut trainer.network)
}
