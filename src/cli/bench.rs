//! `srnn bench`

use super::plot::{self, Line};
use super::{DeviceArgs, NetworkArgs, check_free, ensure, network, note, print, save, table};
use crate::network::{Config, Input, Task};
use crate::plan::Plan;
use crate::timing::{Bench, Ceilings, DispatchTime, Slicings, Timing, Work, chrome_trace};
use crate::{Error, Result, Slicing};
use clap::Args;
use comfy_table::Table;
use indicatif::{BinaryBytes, HumanCount};
use serde_json::json;
use std::path::PathBuf;

/// Time networks side by side for growing lengths
///
/// All slicings of a length take turns on the same random tokens. The speed-up is the plain network's median over the
/// slicing's, so include rnn; next to it stands the bound that the step counts set, T / (T/n^k + n·k). Rates stand
/// next to the device's ceilings, a large matrix product and a large copy that are measured first.
#[derive(Args)]
#[command(after_help = "Examples:
  srnn bench --slices rnn,8x2,16x2 --lengths 512,2048,8192 --plot speedup.svg
  srnn bench --cell lstm --direction both --slices 28x1 --lengths 784 --numeric --input 1 --batch 128
  srnn bench --paper --json paper.json --plot paper.svg
  srnn bench --slices 8x2 --lengths 512 --batch 100 --profile trace.json")]
pub struct BenchArgs {
    /// Slicings with commas between them; rnn is the plain network, auto are rnn and several that suit the length
    #[arg(long, default_value = "rnn,8x2", value_name = "NxK,…")]
    slices: Slicings,
    /// Lengths in tokens
    #[arg(long, value_delimiter = ',', default_value = "512,2048,8192", value_name = "T,…")]
    lengths: Vec<usize>,
    /// The paper's experiment: --slices auto --mode both --lengths 32,64,… up to 32768, and 131072
    #[arg(long, conflicts_with_all = ["slices", "lengths", "mode"])]
    paper: bool,
    /// Sequences of a batch
    #[arg(long, default_value_t = 1, value_name = "B")]
    batch: usize,
    /// Width of a step: of the token embedding, or of the numbers
    #[arg(long, default_value_t = 50, value_name = "D")]
    input: usize,
    /// Token ids, drawn uniformly
    #[arg(long, default_value_t = 30_000, value_name = "V")]
    vocabulary: usize,
    /// Steps are numbers, not tokens
    #[arg(long, conflicts_with = "vocabulary")]
    numeric: bool,
    /// A training step, inference, or one after the other
    #[arg(long, default_value = "train", value_parser = ["train", "infer", "both"])]
    mode: String,
    /// Repeats that are timed; the median counts
    #[arg(long, default_value_t = 5, value_name = "N")]
    repeats: usize,
    /// Repeats before, not timed
    #[arg(long, default_value_t = 1, value_name = "N")]
    warmup: usize,
    /// Seed of weights and tokens
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Time every kernel too: a table, and a Chrome trace in this file
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Tell the class of every step, with the downward pass, not of the sequence
    #[arg(long)]
    tags: bool,
    /// Only tell how long the first repeat takes, with opening the device: of the first slicing, length and mode
    #[arg(long, conflicts_with_all = ["json", "plot", "profile", "paper"])]
    first_step: bool,
    /// Write all numbers to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw speed-up over length, with the bounds, to this SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Overwrite these files
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Lengths of the paper's experiment, and one beyond.
const PAPER: [usize; 12] = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 131_072];

impl BenchArgs {
    pub fn run(mut self) -> Result<()> {
        if self.paper {
            (self.slices, self.mode, self.lengths) = (Slicings::Auto, "both".into(), PAPER.to_vec());
        }
        let modes = match self.mode.as_str() {
            "train" => &[Work::Train][..],
            "infer" => &[Work::Infer],
            _ => &[Work::Train, Work::Infer],
        };
        self.check()?;
        if self.first_step {
            let seconds = Bench { work: modes[0], ..self.bench() }.first_step()?;
            return print(&format!("{} done {seconds:.2} s after the device was asked for\n", name(modes[0])));
        }
        // Whatever the memory of a step may be, the ceilings are the device's.
        let mut device = DeviceArgs { memory: None, ..self.device }.open()?;
        if self.profile.is_some() {
            // A device that cannot tell the time says so at once.
            let nothing = Plan::default().checked(device.engine.limits())?;
            device.engine.run_timed(&nothing)?;
        }
        let ceilings = Ceilings::measure(device.engine.as_mut())?;
        let bench = self.bench();
        let words = if self.numeric { "numbers".to_string() } else { format!("V = {}", self.vocabulary) };
        let sizes = format!("{}, batch {}, D = {}, {words}", network::unit(&bench.network), self.batch, self.input);
        let title = format!("{sizes}, on {}", device.name);
        let Ceilings { gflops, gbs } = ceilings;
        print(&format!("{title}\nceilings: {gflops:.0} GFLOP/s (a matrix product), {gbs:.1} GB/s (a copy)\n"))?;
        let mut results = Vec::new();
        for &mode in modes {
            let report = |timings: &[Timing]| note(format_args!("timed {} at T = {}", name(mode), timings[0].length));
            let timings = Bench { work: mode, ..bench.clone() }.run(report)?;
            print(&format!("\n{}\n{}\n", name(mode), timing_table(&timings, Some(&ceilings))))?;
            if self.slices == Slicings::Auto && !plot::best(&timings).is_empty() {
                print(&format!("\n{}, the best slicing of each length\n{}\n", name(mode), best_table(&timings)))?;
            }
            for timing in timings.iter().filter(|timing| !timing.profile.is_empty()) {
                print(&format!("\n{}\n{}\n", case(mode, timing), profile_table(&timing.profile, &ceilings)))?;
            }
            results.push((mode, timings));
        }
        self.save(&device.name, &ceilings, &title, &results)
    }

    /// Refuses what can be refused before anything is timed.
    fn check(&self) -> Result<()> {
        let outputs: Vec<&PathBuf> = [&self.json, &self.plot, &self.profile].into_iter().flatten().collect();
        for (at, path) in outputs.iter().enumerate() {
            check_free(path, self.force)?;
            let problem = format!("{}: --json, --plot and --profile need a file each", path.display());
            ensure(!outputs[..at].contains(path), problem)?;
        }
        self.bench().check().map_err(|error| match error {
            // What a network calls the width of its embedding is the width of any step here.
            Error::Setting { name: "embedding", given, wanted } => Error::Setting { name: "input", given, wanted },
            error => error,
        })?;
        let speedups = self.lengths.iter().any(|&length| {
            let slicings = self.slices.at(length);
            slicings.contains(&Slicing::plain()) && slicings.iter().any(|slicing| slicing.k() > 0)
        });
        let problem =
            "--plot draws speed-ups over the plain network: give rnn and a slicing with --slices, or longer --lengths";
        ensure(self.plot.is_none() || speedups, problem)
    }

    /// What is timed, but for the mode.
    fn bench(&self) -> Bench {
        let BenchArgs { input: embedding, batch, warmup, repeats, seed, .. } = *self;
        let (input, vocabulary) = if self.numeric { (Input::Numbers, 0) } else { (Input::Tokens, self.vocabulary) };
        let task = if self.tags { Task::Tags } else { Task::Class };
        let network = Config { input, vocabulary, embedding, task, classes: 5, ..self.network.config() };
        let (slicings, lengths) = (self.slices.clone(), self.lengths.clone());
        let (work, profile, device) = (Work::Train, self.profile.is_some(), self.device.opening());
        Bench { slicings, lengths, batch, network, work, warmup, repeats, seed, device, profile }
    }

    /// Writes the files that were asked for.
    fn save(&self, device: &str, ceilings: &Ceilings, title: &str, results: &[(Work, Vec<Timing>)]) -> Result<()> {
        if let Some(path) = &self.json {
            let results: Vec<_> =
                results.iter().map(|(mode, timings)| json!({ "mode": mode, "timings": timings })).collect();
            // Names of files need not be Unicode.
            let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
            let command = words.collect::<Vec<_>>().join(" ");
            let report = json!({
                "device": device, "ceilings": ceilings, "batch": self.batch, "hidden": self.network.config().hidden,
                "input": self.input, "vocabulary": (!self.numeric).then_some(self.vocabulary), "seed": self.seed,
                "unit": network::unit(&self.bench().network),
                "version": env!("CARGO_PKG_VERSION"), "command": command,
                "results": results,
            });
            save("numbers", path, &format!("{report:#}\n"))?;
        }
        if let Some(path) = &self.profile {
            let all = results.iter().flat_map(|(mode, timings)| timings.iter().map(|timing| (*mode, timing)));
            let profiles: Vec<_> = all.map(|(mode, timing)| (case(mode, timing), timing.profile.clone())).collect();
            save("trace", path, &format!("{:#}\n", chrome_trace(&profiles)))?;
        }
        if let Some(path) = &self.plot {
            let series: Vec<Line> = match self.slices {
                Slicings::Auto => results.iter().map(|(mode, timings)| Line::best(name(*mode), timings)).collect(),
                Slicings::Given(_) => results.iter().flat_map(|(mode, t)| Line::by_slicing(name(*mode), t)).collect(),
            };
            save("plot", path, &plot::speedup(title, &series)?)?;
        }
        Ok(())
    }
}

fn name(mode: Work) -> &'static str {
    match mode {
        Work::Train => "Training step",
        Work::Infer => "Inference",
    }
}

fn case(mode: Work, timing: &Timing) -> String {
    format!("{}, {}, T = {}", name(mode), timing.slicing, timing.length)
}

fn ms(seconds: f64) -> String {
    format!("{:.3}", 1e3 * seconds)
}

fn times(ratio: f64) -> String {
    format!("{ratio:.1}×")
}

/// A rate, and its share of a ceiling where there is one.
fn rate(rate: f64, ceiling: Option<f64>) -> String {
    let digits = if rate < 10.0 { 1 } else { 0 };
    let share = ceiling.map_or(String::new(), |ceiling| format!(" ({:.0} %)", 100.0 * rate / ceiling));
    format!("{rate:.digits$}{share}")
}

/// Medians, spread and speed-up of all timings; rates with their share of the ceilings.
pub fn timing_table(timings: &[Timing], ceilings: Option<&Ceilings>) -> Table {
    let header = "T|slices|median ms|min|max|sequences/s|tokens/s|GFLOP/s|GB/s|memory|dispatches|speed-up|step bound";
    let row = |timing: &Timing| {
        [
            timing.length.to_string(),
            timing.slicing.to_string(),
            ms(timing.median),
            ms(timing.min),
            ms(timing.max),
            format!("{:.1}", timing.sequences_per_second),
            HumanCount(timing.tokens_per_second as u64).to_string(),
            rate(timing.gflops, ceilings.map(|c| c.gflops)),
            rate(timing.gbs, ceilings.map(|c| c.gbs)),
            BinaryBytes(timing.allocated).to_string(),
            timing.dispatches.to_string(),
            timing.speedup.map_or("–".into(), times),
            times(timing.bound),
        ]
    };
    table(header.split('|'), timings.iter().map(row))
}

/// The fastest slicing of every length next to the plain network.
fn best_table(timings: &[Timing]) -> Table {
    let row = |best: &Timing| {
        let speedup = best.speedup.unwrap_or(f64::NAN);
        let [plain, own] = [speedup * best.median, best.median].map(ms);
        [best.length.to_string(), plain, best.slicing.to_string(), own, times(speedup), times(best.bound)]
    };
    table(["T", "plain ms", "best", "ms", "speed-up", "step bound"], plot::best(timings).into_iter().map(row))
}

/// Time per kernel of one network, the longest first, next to what operations and bytes allow.
fn profile_table(dispatches: &[DispatchTime], ceilings: &Ceilings) -> Table {
    let mut sorted: Vec<&DispatchTime> = dispatches.iter().collect();
    sorted.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let total = dispatches.iter().map(|dispatch| dispatch.seconds).sum::<f64>().max(1e-9);
    let floor = |own: &DispatchTime| ceilings.floor(own.operations, own.bytes);
    let floors: f64 = dispatches.iter().map(floor).sum();
    let row = |dispatch: &DispatchTime| {
        let giga = 1e-9 / dispatch.seconds.max(1e-9);
        [
            dispatch.kernel.to_string(),
            dispatch.place.clone(),
            ms(dispatch.seconds),
            format!("{:.1} %", 100.0 * dispatch.seconds / total),
            rate(dispatch.operations * giga, Some(ceilings.gflops)),
            rate(dispatch.bytes * giga, Some(ceilings.gbs)),
            ms(floor(dispatch)),
        ]
    };
    let all = ["all".into(), String::new(), ms(total), "100 %".into(), String::new(), String::new(), ms(floors)];
    let header = ["kernel", "place", "ms", "share", "GFLOP/s", "GB/s", "floor ms"];
    table(header, sorted.into_iter().map(row).chain([all]))
}
