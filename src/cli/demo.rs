//! `srnn demo`: the main job

use super::bench::timing_table;
use super::plot::{self, Line};
use super::reporter::Reporter;
use super::{DeviceArgs, check_free, interrupt, note, print, save, table};
use clap::Args;
use srnn::data::{Classes, Examples, Part, Tokenizer, emails};
use srnn::network::{Config, Network};
use srnn::timing::{Bench, Slicings};
use srnn::train::{Dataset, Ending, Evaluation, Options, Trainer};
use srnn::{Error, Result, Slicing};
use std::path::PathBuf;
use std::process::ExitCode;

/// Train a sliced and a plain GRU on real e-mails, then time both for growing lengths
///
/// The e-mails (SpamAssassin's public corpus, spam or not) are part of this program. Prints a table of accuracy and
/// time, a table of timings, and draws the speed-up over length.
#[derive(Args)]
pub struct Demo {
    /// Epochs of each network
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Lengths that are timed
    #[arg(long, value_delimiter = ',', default_value = "128,512,2048,8192,32768", value_name = "T,…")]
    lengths: Vec<usize>,
    /// Where the plot goes [default: srnn-demo.svg, with a number if that is there]
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Overwrite the plot
    #[arg(long)]
    force: bool,
    /// Seed of weights and order
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Token ids of the timings: few, so that what is timed is the recurrence and not the optimiser's pass over a large
/// embedding.
const VOCABULARY: usize = 1000;

/// What training one network gave.
struct Trained {
    slicing: Slicing,
    weights: usize,
    evaluation: Evaluation,
    /// Seconds of all epochs, without validation.
    seconds: f64,
    epochs: usize,
}

struct Data {
    train: Dataset,
    valid: Dataset,
    test: Dataset,
    config: Config,
}

impl Demo {
    pub fn run(self) -> Result<ExitCode> {
        check_free(self.plot.as_ref(), self.force)?;
        let sliced = Slicing::new(8, 2)?;
        if let Some(length) = self.lengths.iter().find(|&&length| length < sliced.slices()) {
            let shortest = sliced.slices();
            let problem = format!("--lengths {length}: SRNN(8,2) has {shortest} slices, so {shortest} is the shortest");
            return Err(Error::Config(problem));
        }
        self.benches(sliced)?.iter().try_for_each(Bench::check)?;
        let device = self.device.open()?.name().to_string();
        interrupt::listen();
        let data = read_emails(sliced)?;
        let [train, valid, test] = [&data.train, &data.valid, &data.test].map(Dataset::len);
        note(format_args!("data: {train} e-mails to train, {valid} to validate, {test} for the test; spam or ham"));
        let mut results = Vec::new();
        for slicing in [sliced, Slicing::plain()] {
            match self.train(&data, slicing)? {
                Some(result) => results.push(result),
                None => return Ok(ExitCode::from(130)),
            }
        }
        let length = data.config.length;
        print(&format!("\nSpam or ham, T = {length}, on {device}\n{}\n", accuracy_table(&results, length)))?;

        let mut timings = Vec::new();
        for bench in self.benches(sliced)? {
            note(format_args!("timing T = {} …", bench.lengths[0]));
            timings.extend(bench.run(|_| ())?);
            if interrupt::asked() {
                return Ok(ExitCode::from(130));
            }
        }
        let Config { hidden, embedding, .. } = Bench::default().network;
        let title = format!(
            "Training step, batch {}, H = {hidden}, D = {embedding}, V = {VOCABULARY}, on {device}",
            Bench::default().batch
        );
        print(&format!("\n{title}\n{}\n", timing_table(&timings, None)))?;
        let path = self.plot.clone().unwrap_or_else(free_name);
        save(&path, &plot::speedup(&title, &Line::by_slicing("Training step", &timings))?)?;
        print(&format!("plot: {}\n", path.display()))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The timings of every length.
    fn benches(&self, sliced: Slicing) -> Result<Vec<Bench>> {
        let slicings = [Slicing::plain(), sliced, Slicing::new(8, 3)?, Slicing::new(8, 4)?];
        let bench = |&length: &usize| Bench {
            slicings: Slicings::Given(slicings.into_iter().filter(|slicing| slicing.slices() <= length).collect()),
            lengths: vec![length],
            network: Config { vocabulary: VOCABULARY, ..Bench::default().network },
            seed: self.seed,
            device: self.device.device,
            memory: self.device.memory,
            ..Bench::default()
        };
        Ok(self.lengths.iter().map(bench).collect())
    }

    fn train(&self, data: &Data, slicing: Slicing) -> Result<Option<Trained>> {
        let config = Config { slicing, ..data.config.clone() };
        let weights = config.parameters(true);
        let device = srnn::Device::open(self.device.device, self.device.memory)?;
        let network = Network::new(config, device, self.seed)?;
        let options = Options { epochs: self.epochs as usize, batch: 50, seed: self.seed, ..Options::default() };
        let mut trainer = Trainer::new(network, options.clone());
        let name = format!("{:<4}", slicing.to_string());
        let mut reporter = Reporter::new(&name, &data.config, options.epochs);
        let ending = trainer.fit(&data.train, &data.valid, &mut reporter)?;
        let seconds = reporter.seconds;
        drop(reporter);
        if ending == Ending::Stopped {
            return Ok(None);
        }
        let evaluation = Evaluation::of(&mut trainer.network, &data.test, options.batch)?;
        Ok(Some(Trained { slicing, weights, evaluation, seconds, epochs: options.epochs }))
    }
}

fn read_emails(slicing: Slicing) -> Result<Data> {
    let parts = [emails(Part::Train)?, emails(Part::Valid)?, emails(Part::Test)?];
    let classes = Classes::fit(&parts[0])?;
    let texts = |examples: &Examples| examples.texts().unwrap_or_default().to_vec();
    let tokenizer = Tokenizer::fit(&texts(&parts[0]), 20_000, 2)?;
    let encode =
        |examples: &Examples| Dataset::new(&tokenizer.encode_batch(&texts(examples)), classes.encode(examples)?);
    let [train, valid, test] = [encode(&parts[0])?, encode(&parts[1])?, encode(&parts[2])?];
    let (vocabulary, classes) = (tokenizer.vocabulary_size(), classes.len());
    let config = Config { slicing, vocabulary, embedding: 100, classes, ..Config::default() };
    Ok(Data { train, valid, test, config })
}

fn accuracy_table(results: &[Trained], length: usize) -> comfy_table::Table {
    let plain = results.iter().find(|result| result.slicing.k() == 0).map(|result| result.seconds);
    let mut rows =
        table(&["network", "steps in a row", "weights", "test accuracy", "test loss", "s per epoch", "speed-up"]);
    for result in results {
        let slicing = result.slicing;
        let name = match slicing.k() {
            0 => "plain GRU".to_string(),
            k => format!("SRNN({},{k})", slicing.n()),
        };
        rows.add_row([
            name,
            slicing.sequential_steps(length).to_string(),
            result.weights.to_string(),
            format!("{:.2} %", 100.0 * result.evaluation.accuracy),
            format!("{:.4}", result.evaluation.loss),
            format!("{:.2}", result.seconds / result.epochs as f64),
            plain.map_or("–".into(), |plain| format!("{:.1}×", plain / result.seconds)),
        ]);
    }
    rows
}

/// The first of srnn-demo.svg, srnn-demo-2.svg, … that is not there: nothing is overwritten unasked.
fn free_name() -> PathBuf {
    let mut path = PathBuf::from("srnn-demo.svg");
    let mut number = 1;
    while path.exists() {
        number += 1;
        path = format!("srnn-demo-{number}.svg").into();
    }
    path
}
