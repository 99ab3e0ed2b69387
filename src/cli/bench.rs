//! `srnn bench`

use super::{DeviceArgs, at_least_one, check_free, note, plot, print, save, table};
use clap::{Args, ValueEnum};
use srnn::timing::{Bench, Mode, Timing};
use srnn::{Error, Result, Slicing};
use std::path::PathBuf;
use std::process::ExitCode;

/// Time networks side by side for growing lengths
///
/// All slicings of a length take turns on the same random tokens. The speed-up is the plain network's median over the
/// slicing's, so include rnn; next to it stands the bound that the step counts set, T / (T/n^k + n·k).
#[derive(Args)]
#[command(after_help = "Example: srnn bench --slices rnn,8x2,16x2 --lengths 512,2048,8192 --plot speedup.svg")]
pub struct BenchArgs {
    /// Slicings; rnn is the plain network
    #[arg(long, value_delimiter = ',', default_value = "rnn,8x2", value_name = "NxK,…")]
    slices: Vec<Slicing>,
    /// Lengths in tokens
    #[arg(long, value_delimiter = ',', default_value = "512,2048,8192", value_name = "T,…")]
    lengths: Vec<usize>,
    /// Sequences of a batch
    #[arg(long, default_value_t = 1, value_name = "B")]
    batch: usize,
    /// Hidden units
    #[arg(long, default_value_t = 50, value_name = "H")]
    hidden: usize,
    /// Width of the token embedding
    #[arg(long, default_value_t = 50, value_name = "D")]
    input: usize,
    /// Token ids, drawn uniformly
    #[arg(long, default_value_t = 30_000, value_name = "V")]
    vocabulary: usize,
    /// A training step, or inference
    #[arg(long, value_enum, default_value_t = ModeArg::Train)]
    mode: ModeArg,
    /// Repeats that are timed; the median counts
    #[arg(long, default_value_t = 5, value_name = "N")]
    repeats: usize,
    /// Repeats before, not timed
    #[arg(long, default_value_t = 1, value_name = "N")]
    warmup: usize,
    /// Seed of weights and tokens
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    device: DeviceArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeArg {
    Train,
    Infer,
}

impl BenchArgs {
    /// Refuses what can be refused before anything is timed.
    fn check(&self) -> Result<()> {
        let sizes = [
            ("batch", self.batch),
            ("hidden", self.hidden),
            ("input", self.input),
            ("vocabulary", self.vocabulary),
            ("repeats", self.repeats),
        ];
        sizes.into_iter().try_for_each(|(name, size)| at_least_one(name, size))?;
        self.lengths.iter().try_for_each(|&length| at_least_one("lengths", length))?;
        let plain = self.slices.contains(&Slicing::plain());
        if self.plot.is_some() && !(plain && self.slices.iter().any(|slicing| slicing.k() > 0)) {
            let problem = "--plot draws speed-ups over the plain network: give rnn and a slicing with --slices";
            return Err(Error::Config(problem.into()));
        }
        Ok(())
    }

    pub fn run(self) -> Result<ExitCode> {
        check_free(self.json.as_ref(), self.force)?;
        check_free(self.plot.as_ref(), self.force)?;
        self.check()?;
        let device = self.device.open()?.name;
        let bench = Bench {
            slicings: self.slices,
            lengths: self.lengths,
            batch: self.batch,
            hidden: self.hidden,
            input: self.input,
            vocabulary: self.vocabulary,
            mode: match self.mode {
                ModeArg::Train => Mode::Train,
                ModeArg::Infer => Mode::Infer,
            },
            warmup: self.warmup,
            repeats: self.repeats,
            seed: self.seed,
            device: self.device.device,
            memory: self.device.memory,
        };
        let timings = bench.run(|timings| note(format_args!("timed T = {}", timings[0].length)))?;
        let what = if bench.mode == Mode::Train { "Training step" } else { "Inference" };
        let Bench { batch, hidden, input, vocabulary, .. } = bench;
        let title = format!("{what}, batch {batch}, H = {hidden}, D = {input}, V = {vocabulary}, on {device}");
        print(&format!("{title}\n{}\n", timing_table(&timings)))?;
        if let Some(path) = &self.json {
            let report = serde_json::json!({
                "title": title, "device": device, "mode": bench.mode, "batch": batch, "hidden": hidden,
                "input": input, "vocabulary": vocabulary, "seed": bench.seed, "version": env!("CARGO_PKG_VERSION"),
                "timings": timings,
            });
            save(path, &format!("{report:#}\n"))?;
            print(&format!("numbers: {}\n", path.display()))?;
        }
        if let Some(path) = &self.plot {
            save(path, &plot::speedup(&title, &timings)?)?;
            print(&format!("plot: {}\n", path.display()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Medians, spread and speed-up of all timings.
pub fn timing_table(timings: &[Timing]) -> comfy_table::Table {
    let mut rows = table(&[
        "T",
        "slices",
        "median ms",
        "min",
        "max",
        "repeats",
        "tokens/s",
        "GFLOP/s",
        "dispatches",
        "speed-up",
        "step bound",
    ]);
    for timing in timings {
        let ms = |seconds: f64| format!("{:.3}", 1e3 * seconds);
        rows.add_row([
            timing.length.to_string(),
            timing.slicing.to_string(),
            ms(timing.median),
            ms(timing.min),
            ms(timing.max),
            timing.repeats.to_string(),
            indicatif::HumanCount(timing.tokens_per_second as u64).to_string(),
            format!("{:.2}", timing.gflops),
            timing.dispatches.to_string(),
            timing.speedup.map_or("–".into(), |speedup| format!("{speedup:.1}×")),
            format!("{:.1}×", timing.bound),
        ]);
    }
    rows
}
