//! Timing networks side by side: the same batches, in alternation, medians over repeats.

use crate::data::batch::Batch;
use crate::engine::{Choice, Device};
use crate::error::{Error, Result};
use crate::network::{Config, Network, Optimiser};
use crate::slicing::Slicing;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::time::Instant;

/// What one repeat does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A training step: forward, backward, clipping, Adam.
    Train,
    /// The logits of a batch, read back.
    Infer,
}

/// What is timed, for every length and slicing.
#[derive(Clone, Debug)]
pub struct Bench {
    pub slicings: Vec<Slicing>,
    pub lengths: Vec<usize>,
    /// Sequences of a batch, all of full length.
    pub batch: usize,
    pub hidden: usize,
    /// Width of the embedding.
    pub input: usize,
    /// Token ids, drawn uniformly.
    pub vocabulary: usize,
    pub mode: Mode,
    pub warmup: usize,
    pub repeats: usize,
    pub seed: u64,
    pub device: Choice,
    pub memory: Option<u64>,
}

impl Default for Bench {
    fn default() -> Bench {
        Bench {
            slicings: vec![Slicing::plain(), Slicing::new(8, 2).expect("8x2 is a slicing")],
            lengths: vec![512],
            batch: 1,
            hidden: 50,
            input: 50,
            vocabulary: 30_000,
            mode: Mode::Train,
            warmup: 1,
            repeats: 5,
            seed: 1,
            device: Choice::Auto,
            memory: None,
        }
    }
}

/// One network at one length.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    pub slicing: Slicing,
    pub length: usize,
    /// Seconds.
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// Repeats that were timed; fewer than asked for where they took too long.
    pub repeats: usize,
    pub tokens_per_second: f64,
    pub sequences_per_second: f64,
    /// Operations of a repeat over its time.
    pub gflops: f64,
    pub dispatches: usize,
    /// Bytes of all buffers.
    pub memory: u64,
    /// The plain RNN's median over this one, at the same length; absent if it was not timed.
    pub speedup: Option<f64>,
    /// What the step counts allow: T / (T/n^k + n·k).
    pub bound: f64,
}

/// Tokens of the largest batch.
const MOST_TOKENS: usize = 1 << 28;

/// Seconds after which a length gets no further repeats.
const PATIENCE: f64 = 60.0;

impl Bench {
    /// Times all lengths in turn; `report` is given each length's timings as soon as they are there.
    ///
    /// # Errors
    /// [`Error::Config`] for nothing to time, [`Error::Slicing`] for a slicing that does not fit a length, and what
    /// the device says.
    pub fn run(&self, mut report: impl FnMut(&[Timing])) -> Result<Vec<Timing>> {
        if self.slicings.is_empty() || self.lengths.is_empty() || self.batch == 0 || self.repeats == 0 {
            return Err(Error::Config("a benchmark needs a slicing, a length, a batch and a repeat".into()));
        }
        for &length in &self.lengths {
            self.slicings.iter().try_for_each(|slicing| slicing.check(length))?;
            if self.batch.saturating_mul(length) > MOST_TOKENS {
                let Bench { batch, .. } = self;
                let problem = format!("{batch} sequences of {length} tokens: at most {MOST_TOKENS} tokens are timed");
                return Err(Error::Config(problem));
            }
        }
        let mut timings = Vec::new();
        for &length in &self.lengths {
            let own = self.time_length(length)?;
            report(&own);
            timings.extend(own);
        }
        Ok(timings)
    }

    fn time_length(&self, length: usize) -> Result<Vec<Timing>> {
        let batch = self.random_batch(length);
        let mut runs = Vec::new();
        for &slicing in &self.slicings {
            let config = Config {
                slicing,
                length,
                vocabulary: self.vocabulary,
                embedding: self.input,
                hidden: self.hidden,
                classes: 5,
                ..Config::default()
            };
            let network = Network::new(config, Device::open(self.device, self.memory)?, self.seed)?;
            runs.push((network, Vec::new()));
        }
        for (network, _) in &mut runs {
            for _ in 0..self.warmup {
                self.repeat(network, &batch)?;
            }
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
        let mut timings = runs
            .into_iter()
            .map(|(network, seconds)| self.timing(&network, &batch, seconds))
            .collect::<Result<Vec<Timing>>>()?;
        if let Some(plain) = timings.iter().find(|t| t.slicing.k() == 0).map(|t| t.median) {
            timings.iter_mut().for_each(|timing| timing.speedup = Some(plain / timing.median));
        }
        Ok(timings)
    }

    fn random_batch(&self, length: usize) -> Batch {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let vocabulary = self.vocabulary as u32;
        Batch {
            tokens: (0..self.batch * length).map(|_| rng.random_range(0..vocabulary)).collect(),
            lengths: vec![length as u32; self.batch],
            labels: (0..self.batch as u32).map(|i| i % 5).collect(),
        }
    }

    fn repeat(&self, network: &mut Network, batch: &Batch) -> Result<()> {
        match self.mode {
            Mode::Train => network.train_step(batch, &Optimiser::default())?,
            Mode::Infer => drop(network.logits(batch)?),
        }
        network.engine().wait()
    }

    fn timing(&self, network: &Network, batch: &Batch, mut seconds: Vec<f64>) -> Result<Timing> {
        let plans = match self.mode {
            Mode::Train => vec![network.plan_training(batch, &Optimiser::default())?],
            Mode::Infer => network.plan_inference(batch)?.into_iter().map(|(_, plan)| plan).collect(),
        };
        seconds.sort_by(f64::total_cmp);
        let (median, min, max) = (median(&seconds), seconds[0], seconds[seconds.len() - 1]);
        let config = network.config();
        let operations: f64 = plans.iter().map(|plan| plan.cost().operations).sum();
        Ok(Timing {
            slicing: config.slicing,
            length: config.length,
            median,
            min,
            max,
            repeats: seconds.len(),
            tokens_per_second: batch.tokens.len() as f64 / median,
            sequences_per_second: batch.len() as f64 / median,
            gflops: operations / median / 1e9,
            dispatches: plans.iter().map(|plan| plan.dispatches.len()).sum(),
            memory: plans.iter().map(|plan| plan.memory()).max().unwrap_or(0),
            speedup: None,
            bound: config.slicing.speedup_bound(config.length),
        })
    }
}

/// The median of sorted numbers.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[1.0]), 1.0);
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 3.0, 9.0]), 2.5);
    }

    #[test]
    fn every_length_and_slicing_is_timed() {
        let bench = Bench {
            slicings: vec!["2x2".parse().unwrap(), Slicing::plain()],
            lengths: vec![8, 16],
            hidden: 4,
            input: 3,
            vocabulary: 10,
            repeats: 2,
            device: Choice::Cpu,
            ..Bench::default()
        };
        for mode in [Mode::Train, Mode::Infer] {
            let mut reported = 0;
            let timings = Bench { mode, ..bench.clone() }.run(|own| reported += own.len()).unwrap();
            assert_eq!((timings.len(), reported), (4, 4));
            assert!(timings.iter().all(|t| t.speedup.is_some() && t.min <= t.median && t.median <= t.max));
            assert_eq!(timings[1].speedup, Some(1.0));
        }
        assert!(Bench { lengths: vec![3], ..bench }.run(|_| ()).is_err());
    }
}
