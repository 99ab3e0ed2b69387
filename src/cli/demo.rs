//! `srnn demo`: the main job

use super::bench::timing_table;
use super::plot::{self, Line, title};
use super::{DeviceArgs, Exit, Reporter, check_free, ensure, interrupt, note, print, save, table};
use crate::data::{Classes, Tokenizer, emails};
use crate::network::{Config, Network};
use crate::timing::{Bench, Slicings};
use crate::train::encoding::dataset;
use crate::train::{Dataset, Ending, Evaluation, InputEncoder, Metric, Options, TargetEncoder, Trainer};
use crate::{Error, Result, Slicing};
use clap::Args;
use comfy_table::Table;
use std::path::PathBuf;

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

/// A network that was trained, what it is worth, and the seconds of an epoch, without validation.
type Trained = (Config, Evaluation, f64);

impl Demo {
    pub fn run(self) -> Result<Exit> {
        self.plot.iter().try_for_each(|path| check_free(path, self.force))?;
        let sliced = Slicing::new(8, 2)?;
        let shortest = sliced.slices();
        for &length in &self.lengths {
            let problem = format!("--lengths {length}: SRNN(8,2) has {shortest} slices, so {shortest} is the shortest");
            ensure(length >= shortest, problem)?;
        }
        self.benches(sliced)?.iter().try_for_each(Bench::check)?;
        if self.plot.is_none() {
            // What cannot be written at the end is not worked for.
            let unwritten = |error| Error::io(".")(error);
            tempfile::tempfile_in(".").map(drop).map_err(unwritten)?;
        }
        let device = self.device.open()?.name;
        interrupt::listen();
        let (data, config) = read_emails()?;
        let [train, valid, test] = data.each_ref().map(Dataset::len);
        note(format_args!("data: {train} e-mails to train, {valid} to validate, {test} for the test; spam or ham"));
        let mut results = Vec::new();
        for slicing in [sliced, Slicing::plain()] {
            let trained = self.train(&data, Config { slicing, ..config.clone() })?;
            let Some(trained) = trained else { return Ok(Exit::Stopped) };
            results.push(trained);
        }
        print(&format!("\nSpam or ham, T = {}, on {device}\n{}\n", config.length, accuracy_table(&results)))?;

        let mut timings = Vec::new();
        for bench in self.benches(sliced)? {
            note(format_args!("timing T = {} …", bench.lengths[0]));
            timings.extend(bench.run(|_| ())?);
            if interrupt::asked() {
                return Ok(Exit::Stopped);
            }
        }
        let Bench { batch, network: Config { hidden, embedding, .. }, .. } = Bench::default();
        let sizes = format!("batch {batch}, H = {hidden}, D = {embedding}, V = {VOCABULARY}");
        let title = format!("Training step, {sizes}, on {device}");
        print(&format!("\n{title}\n{}\n", timing_table(&timings, None)))?;
        let path = self.plot.clone().unwrap_or_else(free_name);
        save("plot", &path, &plot::speedup(&title, &Line::by_slicing("Training step", &timings))?)?;
        Ok(Exit::Done)
    }

    /// The timings of every length.
    fn benches(&self, sliced: Slicing) -> Result<Vec<Bench>> {
        let slicings = [Slicing::plain(), sliced, Slicing::new(8, 3)?, Slicing::new(8, 4)?];
        let bench = |&length: &usize| Bench {
            slicings: Slicings::Given(slicings.into_iter().filter(|slicing| slicing.slices() <= length).collect()),
            lengths: vec![length],
            network: Config { vocabulary: VOCABULARY, ..Bench::default().network },
            seed: self.seed,
            device: self.device.opening(),
            ..Bench::default()
        };
        Ok(self.lengths.iter().map(bench).collect())
    }

    /// `None` if it was stopped.
    fn train(&self, [train, valid, test]: &[Dataset; 3], config: Config) -> Result<Option<Trained>> {
        let device = self.device.opening().open()?;
        let network = Network::new(config.clone(), device, self.seed)?;
        let options = Options { epochs: self.epochs as usize, batch: 50, seed: self.seed, ..Options::default() };
        let mut reporter = Reporter::new(format!("{:<4}  ", config.slicing.to_string()), &config, Metric::Accuracy);
        let mut trainer = Trainer::new(network, options);
        let ending = trainer.fit(train, valid, &mut reporter)?;
        let seconds = reporter.seconds / f64::from(self.epochs);
        drop(reporter);
        if ending == Ending::Stopped {
            return Ok(None);
        }
        let evaluation = Evaluation::of(&mut trainer.network, test, trainer.options.batch)?;
        Ok(Some((config, evaluation, seconds)))
    }
}

/// The e-mails to train with, to validate with and for the test, and the network for them.
fn read_emails() -> Result<([Dataset; 3], Config)> {
    let parts @ [train, ..] = &emails()?;
    let tokenizer = Tokenizer::fit(train.texts().unwrap_or_default(), 20_000, 2)?;
    let config = Config { vocabulary: tokenizer.vocabulary_size(), embedding: 100, ..Config::default() };
    let (inputs, targets) = (InputEncoder::Tokens(tokenizer), TargetEncoder::Classes(Classes::fit(train)?));
    let [train, valid, test] = parts.each_ref().map(|part| dataset(&inputs, Some(&targets), part));
    Ok(([train?, valid?, test?], config))
}

fn accuracy_table(results: &[Trained]) -> Table {
    let plain = results.iter().find(|(config, ..)| config.slicing.k() == 0).map(|(.., seconds)| seconds);
    let row = |(config, evaluation, seconds): &Trained| {
        let slicing = config.slicing;
        [
            if slicing.k() == 0 { "plain GRU".into() } else { title(slicing) },
            slicing.sequential_steps(config.length).to_string(),
            config.parameters(true).to_string(),
            format!("{:.2} %", 100.0 * evaluation.accuracy),
            format!("{:.4}", evaluation.loss),
            format!("{seconds:.2}"),
            plain.map_or("–".into(), |plain| format!("{:.1}×", plain / seconds)),
        ]
    };
    let header = "network|steps in a row|weights|test accuracy|test loss|s per epoch|speed-up";
    table(header.split('|'), results.iter().map(row))
}

/// The first of srnn-demo.svg, srnn-demo-2.svg, … that is not there: nothing is overwritten unasked.
fn free_name() -> PathBuf {
    let numbered = (2..).map(|number| format!("srnn-demo-{number}.svg").into());
    let mut names = std::iter::once(PathBuf::from("srnn-demo.svg")).chain(numbered);
    names.find(|path| !path.exists()).expect("there are more names than files")
}
