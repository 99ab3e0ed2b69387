//! Timing networks side by side: the same batches, in alternation, medians over repeats, next to the device's ceilings.

mod ceilings;
mod profile;

pub use ceilings::Ceilings;
#[cfg(feature = "command")]
pub use profile::chrome_trace;
pub use profile::{DispatchTime, profile};

use crate::data::batch::{Batch, Inputs, Rows, Targets};
use crate::engine::Opening;
use crate::error::{Error, Result, ensure};
use crate::network::{Config, Input, Network, Optimiser};
use crate::plan::{Checked, Cost};
use crate::slicing::Slicing;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::str::FromStr;
use web_time::Instant;

/// What one repeat does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// A training step: forward, backward, clipping, Adam.
    Train,
    /// The logits of a batch, read back.
    Infer,
}

/// The slicings that are timed at a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slicings {
    /// These, at every length.
    Given(Vec<Slicing>),
    /// The plain network and several slicings that suit the length: for n = 4, 8, 16 and 32 the most merges that leave
    /// slices of n/2 steps or more.
    Auto,
}

impl Slicings {
    /// The slicings for sequences of `length` steps.
    pub fn at(&self, length: usize) -> Vec<Slicing> {
        match self {
            Slicings::Given(slicings) => slicings.clone(),
            Slicings::Auto => {
                let suits = |&(n, k): &(usize, u32)| {
                    n.checked_pow(k).is_some_and(|slices| slices.saturating_mul(n) / 2 <= length)
                };
                let most = [4, 8, 16, 32].into_iter().filter_map(|n| (1..32).map(|k| (n, k)).take_while(suits).last());
                let cut = most.filter_map(|(n, k)| Slicing::new(n, k).ok());
                [Slicing::plain()].into_iter().chain(cut).collect()
            }
        }
    }
}

impl FromStr for Slicings {
    type Err = Error;

    /// Reads `auto`, or slicings with commas between them.
    fn from_str(text: &str) -> Result<Slicings> {
        if text.trim().eq_ignore_ascii_case("auto") {
            return Ok(Slicings::Auto);
        }
        text.split(',').map(str::parse).collect::<Result<_>>().map(Slicings::Given)
    }
}

/// What is timed, for every length and slicing.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Which slicings; the plain network and 8x2 by default.
    pub slicings: Slicings,
    /// Steps of the sequences, T; 512 alone by default.
    pub lengths: Vec<usize>,
    /// Sequences of a batch, all of full length.
    pub batch: usize,
    /// The network; every slicing and length of the benchmark takes the place of its own, and the plain network, which
    /// has no cuts, has no context. Token ids are drawn uniformly; numbers too, from -1 to 1.
    pub network: Config,
    /// What a repeat does; a training step by default.
    pub work: Work,
    /// Runs before the timed ones, whose times do not count; 1 by default.
    pub warmup: usize,
    /// Timed runs, of which the median is reported; 5 by default.
    pub repeats: usize,
    /// Decides the weights and the inputs; 1 by default.
    pub seed: u64,
    /// Where it runs; by default a hardware GPU, otherwise the CPU engine.
    pub device: Opening,
    /// Whether every dispatch is timed too, in as many runs, after the repeats; not by default.
    pub profile: bool,
}

impl Default for Bench {
    fn default() -> Bench {
        Bench {
            slicings: Slicings::Given(vec![Slicing::plain(), Slicing::new(8, 2).expect("8x2 is a slicing")]),
            lengths: vec![512],
            batch: 1,
            network: Config { embedding: 50, classes: 5, ..Config::default() },
            work: Work::Train,
            warmup: 1,
            repeats: 5,
            seed: 1,
            device: Opening::default(),
            profile: false,
        }
    }
}

/// One network at one length.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// The slicing that was timed; plain for none.
    pub slicing: Slicing,
    /// Steps of every sequence, T.
    pub length: usize,
    /// Seconds of the median repeat.
    pub median: f64,
    /// Seconds of the fastest repeat.
    pub min: f64,
    /// Seconds of the slowest repeat.
    pub max: f64,
    /// Repeats that were timed; fewer than asked for where they took too long.
    pub repeats: usize,
    /// Steps of a batch over the median.
    pub tokens_per_second: f64,
    /// Sequences of a batch over the median.
    pub sequences_per_second: f64,
    /// 10⁹ operations of a repeat over its seconds.
    pub gflops: f64,
    /// 10⁹ bytes that a repeat must move at least, over its seconds.
    pub gbs: f64,
    /// Dispatches of the plans of one repeat.
    pub dispatches: usize,
    /// Bytes of all buffers, as planned.
    pub memory: u64,
    /// Bytes of all buffers as the engine holds them in the end.
    pub allocated: u64,
    /// The plain RNN's median over this one, at the same length; absent if it was not timed.
    pub speedup: Option<f64>,
    /// What the step counts allow: T / (T/n^k + n·k).
    pub bound: f64,
    /// Every dispatch, if the bench was to profile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<DispatchTime>,
}

/// Tokens of the largest batch.
const MOST_TOKENS: usize = 1 << 28;

/// Most numbers of one batch of numbers: 4 GiB of them.
const MOST_NUMBERS: usize = 1 << 30;

/// Seconds after which a length gets no further repeats.
const PATIENCE: f64 = 60.0;

impl Bench {
    /// Times all lengths in turn; `report` is given each length's timings as soon as they are there.
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Config`] for nothing to time, [`Error::Slicing`] for a slicing that does not fit a length, and what
    /// the device says.
    pub fn run(&self, mut report: impl FnMut(&[Timing])) -> Result<Vec<Timing>> {
        self.check()?;
        let mut timings = Vec::new();
        for &length in &self.lengths {
            let own = self.time_length(length)?;
            report(&own);
            timings.extend(own);
        }
        Ok(timings)
    }

    /// Checks that there is something to time, and that it can be.
    ///
    /// # Errors
    /// As [`Bench::run`], but for what only the device can say.
    pub fn check(&self) -> Result<()> {
        let shortest = self.lengths.iter().copied().min().unwrap_or(0);
        for (name, size) in [("lengths", shortest), ("batch", self.batch), ("repeats", self.repeats)] {
            ensure!(size > 0, Error::setting(name, size, "at least 1"));
        }
        let Bench { batch, network: Config { input, embedding, .. }, .. } = self;
        for &length in &self.lengths {
            let (slicings, tokens) = (self.slicings.at(length), batch.saturating_mul(length));
            let none = "a benchmark needs a slicing; the plain network is `rnn`";
            ensure!(!slicings.is_empty(), Error::Config(none.into()));
            let many = format!("{batch} sequences of {length} tokens: at most {MOST_TOKENS} tokens are timed");
            ensure!(tokens <= MOST_TOKENS, Error::Config(many));
            let steps = format!("{batch} sequences of {length} steps of {embedding} numbers");
            let fits = *input == Input::Tokens || tokens.saturating_mul(*embedding) <= MOST_NUMBERS;
            ensure!(fits, Error::Config(format!("{steps}: at most {MOST_NUMBERS} numbers are timed")));
            slicings.into_iter().try_for_each(|slicing| self.config(slicing, length).check())?;
        }
        Ok(())
    }

    /// Seconds from here to the end of the first repeat of the first slicing at the first length: the device is opened,
    /// pipelines are made, weights are drawn. Call it before the device is used otherwise.
    ///
    /// # Errors
    /// As [`Bench::run`].
    pub fn first_step(&self) -> Result<f64> {
        self.check()?;
        let length = self.lengths[0];
        let slicing = self.slicings.at(length)[0];
        let start = Instant::now();
        let batch = self.random_batch(length);
        let mut network = self.network(slicing, length)?;
        self.repeat(&mut network, &batch)?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn config(&self, slicing: Slicing, length: usize) -> Config {
        let context = if slicing.k() == 0 { 0 } else { self.network.context };
        Config { slicing, length, context, ..self.network.clone() }
    }

    fn network(&self, slicing: Slicing, length: usize) -> Result<Network> {
        Network::new(self.config(slicing, length), self.device.open()?, self.seed)
    }

    fn time_length(&self, length: usize) -> Result<Vec<Timing>> {
        let batch = self.random_batch(length);
        let networks = self.slicings.at(length).into_iter().map(|slicing| self.network(slicing, length));
        let mut runs = networks.map(|network| Ok((network?, Vec::new()))).collect::<Result<Vec<_>>>()?;
        for (network, _) in &mut runs {
            (0..self.warmup).try_for_each(|_| self.repeat(network, &batch))?;
        }
        let start = Instant::now();
        for repeat in 0..self.repeats {
            for (network, seconds) in &mut runs {
                let start = Instant::now();
                self.repeat(network, &batch)?;
                seconds.push(start.elapsed().as_secs_f64());
            }
            if start.elapsed().as_secs_f64() > PATIENCE && repeat + 1 < self.repeats {
                log::warn!("T = {length}: {} of {} repeats, as they take long", repeat + 1, self.repeats);
                break;
            }
        }
        let timing = |(network, seconds)| self.timing(network, &batch, seconds);
        let mut timings = runs.into_iter().map(timing).collect::<Result<Vec<Timing>>>()?;
        if let Some(plain) = timings.iter().find(|t| t.slicing.k() == 0).map(|t| t.median) {
            timings.iter_mut().for_each(|timing| timing.speedup = Some(plain / timing.median));
        }
        Ok(timings)
    }

    fn random_batch(&self, length: usize) -> Batch {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let Config { input, vocabulary, embedding, classes, task, .. } = self.network;
        let steps = self.batch * length;
        let inputs = match input {
            Input::Tokens => Inputs::Tokens((0..steps).map(|_| rng.random_range(0..vocabulary as u32)).collect()),
            Input::Numbers => {
                let values = (0..steps * embedding).map(|_| rng.random_range(-1.0..1.0)).collect();
                Inputs::Numbers(Rows { width: embedding, values })
            }
        };
        let told = if task.of_steps() { steps } else { self.batch };
        let classes = (0..told as u32).map(|i| i % classes as u32).collect();
        Batch { inputs, lengths: vec![length as u32; self.batch], targets: Some(Targets::Classes(classes)) }
    }

    fn repeat(&self, network: &mut Network, batch: &Batch) -> Result<()> {
        match self.work {
            Work::Train => network.train_step(batch, &Optimiser::default())?,
            Work::Infer => drop(network.logits(batch)?),
        }
        network.engine().wait()
    }

    fn timing(&self, mut network: Network, batch: &Batch, mut seconds: Vec<f64>) -> Result<Timing> {
        let plans: Vec<Checked> = match self.work {
            Work::Train => vec![network.plans().training(batch, &Optimiser::default())?],
            Work::Infer => network.plans().inference(batch)?.into_iter().map(|(_, plan)| plan).collect(),
        };
        let profiled = plans.iter().filter(|_| self.profile).map(|plan| profile(network.engine(), plan, self.repeats));
        let profile = profiled.collect::<Result<Vec<_>>>()?.concat();
        let mut cost = Cost::default();
        plans.iter().for_each(|plan| cost += plan.cost());
        let median = median(&mut seconds);
        let allocated = network.engine().allocated();
        let Config { slicing, length, .. } = *network.config();
        Ok(Timing {
            slicing,
            length,
            median,
            min: seconds[0],
            max: seconds[seconds.len() - 1],
            repeats: seconds.len(),
            tokens_per_second: batch.steps() as f64 / median,
            sequences_per_second: batch.len() as f64 / median,
            gflops: cost.operations / median / 1e9,
            gbs: cost.bytes / median / 1e9,
            dispatches: plans.iter().map(|plan| plan.dispatches.len()).sum(),
            memory: plans.iter().map(|plan| plan.memory()).max().unwrap_or(0),
            allocated,
            speedup: None,
            bound: slicing.speedup_bound(length),
            profile,
        })
    }
}

/// The median of numbers, which are sorted.
fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[middle] } else { (numbers[middle - 1] + numbers[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Choice;
    use crate::network::Cell;

    #[test]
    fn medians() {
        assert_eq!(median(&mut [1.0]), 1.0);
        assert_eq!(median(&mut [9.0, 2.0, 1.0]), 2.0);
        assert_eq!(median(&mut [1.0, 9.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn every_length_and_slicing_is_timed() {
        let bench = Bench {
            slicings: "2x2,rnn".parse().unwrap(),
            lengths: vec![8, 16],
            network: Config { hidden: 4, embedding: 3, vocabulary: 10, ..Config::default() },
            repeats: 2,
            device: Choice::Cpu.into(),
            ..Bench::default()
        };
        let numbers =
            Config { input: Input::Numbers, vocabulary: 0, context: 2, cell: Cell::Lstm, ..bench.network.clone() };
        let cases = [(Work::Train, &bench.network), (Work::Infer, &bench.network), (Work::Train, &numbers)];
        for (work, network) in cases {
            let mut reported = 0;
            let timings =
                Bench { work, network: network.clone(), ..bench.clone() }.run(|own| reported += own.len()).unwrap();
            assert_eq!((timings.len(), reported), (4, 4));
            assert!(timings.iter().all(|t| t.speedup.is_some() && t.min <= t.median && t.median <= t.max));
            assert_eq!(timings[1].speedup, Some(1.0));
        }
        assert!(bench.first_step().unwrap() > 0.0);
        assert!(Bench { lengths: vec![3], ..bench }.run(|_| ()).is_err());
    }

    #[test]
    fn slicings_that_suit_a_length() {
        let at = |length| Slicings::Auto.at(length).iter().map(Slicing::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(at(4), "rnn");
        assert_eq!(at(32), "rnn 4x2 8x1");
        assert_eq!(at(512), "rnn 4x4 8x2 16x1 32x1");
        assert_eq!(at(131_072), "rnn 4x8 8x5 16x3 32x2");
        assert_eq!("8x2,rnn".parse::<Slicings>().unwrap().at(9).len(), 2);
        assert_eq!("auto".parse::<Slicings>().unwrap(), Slicings::Auto);
        assert!("8x2,,rnn".parse::<Slicings>().is_err());
    }

    #[test]
    fn a_profile_has_every_dispatch() {
        let mut engine = crate::engine::cpu::Cpu::new(1 << 30);
        let ceilings = Ceilings::measure(&mut engine).unwrap();
        assert!(ceilings.gflops > 0.1 && ceilings.gbs > 0.01, "{ceilings:?}");
        let ceilings = Ceilings { gflops: 2.0, gbs: 4.0 };
        assert_eq!((ceilings.floor(6e9, 4e9), ceilings.floor(6e9, 16e9)), (3.0, 4.0));
        let network = Config { vocabulary: 10, ..Bench::default().network };
        let bench = Bench {
            lengths: vec![64],
            profile: true,
            repeats: 2,
            device: Choice::Cpu.into(),
            network,
            ..Bench::default()
        };
        for timing in bench.run(|_| ()).unwrap() {
            assert_eq!(timing.profile.len(), timing.dispatches);
            assert!(timing.profile.iter().map(|d| d.seconds).sum::<f64>() > 0.0);
            assert!(timing.allocated > 0 && timing.memory > 0);
            #[cfg(feature = "command")]
            {
                let trace = chrome_trace(&[("a".into(), timing.profile.clone())]);
                assert_eq!(trace["traceEvents"].as_array().unwrap().len(), timing.dispatches + 1);
            }
        }
    }
}
