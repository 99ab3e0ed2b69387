//! Encoded sequences with their classes, and the order in which an epoch reads them.

use crate::data::batch::{Batch, PAD, UNKNOWN_ID};
use crate::error::{Error, Result};
use crate::network::Config;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The sequences of a data set.
#[derive(Clone, Debug, PartialEq)]
pub enum Sequences {
    Tokens(Vec<Vec<u32>>),
    /// Each `[T, width]`, row-major.
    Numbers {
        width: usize,
        values: Vec<Vec<f32>>,
    },
}

/// What is told of the sequences.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// `[N]`: the class of each.
    Classes(Vec<u32>),
    /// `[N, width]`: 1 for each label that it has, or numbers.
    Numbers { width: usize, values: Vec<f32> },
}

/// Sequences with what is told of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub sequences: Sequences,
    pub told: Told,
}

/// Batches whose sequences are sorted by length together: similar lengths share a batch, and the order stays random.
const BUCKET: usize = 50;

impl Dataset {
    /// Sequences of tokens with the class of each.
    ///
    /// # Errors
    /// As [`Dataset::of`].
    pub fn new(sequences: Vec<Vec<u32>>, labels: Vec<u32>) -> Result<Dataset> {
        Dataset::of(Sequences::Tokens(sequences), Told::Classes(labels))
    }

    /// # Errors
    /// [`Error::Config`] if what is told is not of as many sequences, there is no sequence, or one is not whole steps.
    pub fn of(sequences: Sequences, told: Told) -> Result<Dataset> {
        let data = Dataset { sequences, told };
        let told = match &data.told {
            Told::Classes(labels) => labels.len(),
            Told::Numbers { width, values } => values.len() / width.max(&1),
        };
        if let Sequences::Numbers { width, values } = &data.sequences
            && let Some(row) = values.iter().position(|own| *width == 0 || own.len() % width != 0)
        {
            let count = values[row].len();
            return Err(Error::Config(format!("sequence {row} has {count} numbers, which make no steps of {width}")));
        }
        if data.is_empty() || data.len() != told {
            return Err(Error::Config(format!("{} sequences and {told} labels make no data set", data.len())));
        }
        Ok(data)
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        match &self.sequences {
            Sequences::Tokens(tokens) => tokens.len(),
            Sequences::Numbers { values, .. } => values.len(),
        }
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Steps of a sequence.
    pub fn steps(&self, row: usize) -> usize {
        match &self.sequences {
            Sequences::Tokens(tokens) => tokens[row].len(),
            Sequences::Numbers { width, values } => values[row].len() / width,
        }
    }

    /// The rows at these places, as a data set of its own.
    pub fn select(&self, rows: &[usize]) -> Dataset {
        let sequences = match &self.sequences {
            Sequences::Tokens(tokens) => Sequences::Tokens(rows.iter().map(|&row| tokens[row].clone()).collect()),
            Sequences::Numbers { width, values } => {
                let values = rows.iter().map(|&row| values[row].clone()).collect();
                Sequences::Numbers { width: *width, values }
            }
        };
        Dataset { sequences, told: self.select_told(rows) }
    }

    /// The rows at these places as a batch for a network. `unknown` decides about every token, by its place in the
    /// batch, whether it becomes unknown.
    pub fn batch(&self, config: &Config, rows: &[usize], unknown: impl Fn(usize) -> bool) -> Batch {
        let mut batch = match &self.sequences {
            Sequences::Tokens(tokens) => {
                let sequences: Vec<&[u32]> = rows.iter().map(|&row| tokens[row].as_slice()).collect();
                config.batch(&sequences, &[])
            }
            Sequences::Numbers { width, values } => {
                let sequences: Vec<&[f32]> = rows.iter().map(|&row| values[row].as_slice()).collect();
                Batch::of_numbers(&sequences, *width, config.length, config.truncate)
            }
        };
        let tokens = batch.tokens.iter_mut().enumerate();
        tokens.filter(|(at, token)| **token != PAD && unknown(*at)).for_each(|(_, token)| *token = UNKNOWN_ID);
        match self.select_told(rows) {
            Told::Classes(labels) => batch.labels = labels,
            Told::Numbers { values, .. } => batch.targets = values,
        }
        batch
    }

    /// The rows at these places as a batch of which nothing is told.
    pub fn unlabelled(&self, config: &Config, rows: &[usize]) -> Batch {
        Batch { labels: vec![], targets: vec![], ..self.batch(config, rows, |_| false) }
    }

    fn select_told(&self, rows: &[usize]) -> Told {
        match &self.told {
            Told::Classes(labels) => Told::Classes(rows.iter().map(|&row| labels[row]).collect()),
            Told::Numbers { width, values } => {
                let values = rows.iter().flat_map(|&row| &values[row * width..][..*width]).copied().collect();
                Told::Numbers { width: *width, values }
            }
        }
    }

    /// The batches of an epoch, as rows: shuffled by seed and epoch, then sorted by length within buckets of batches,
    /// the longest sequence of a batch first. What is beyond `length` does not count.
    pub fn epoch(&self, batch: usize, length: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch as u64 + 1);
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.shuffle(&mut rng);
        let batch = batch.clamp(1, self.len());
        for bucket in rows.chunks_mut(BUCKET * batch) {
            self.sort_by_length(bucket, length);
        }
        let mut batches: Vec<Vec<usize>> = rows.chunks(batch).map(<[usize]>::to_vec).collect();
        batches.shuffle(&mut rng);
        batches
    }

    /// Batches for evaluation, as rows: sorted by length.
    pub fn by_length(&self, batch: usize, length: usize) -> Vec<Vec<usize>> {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        self.sort_by_length(&mut rows, length);
        rows.chunks(batch.clamp(1, self.len())).map(<[usize]>::to_vec).collect()
    }

    fn sort_by_length(&self, rows: &mut [usize], length: usize) {
        rows.sort_by_key(|&row| std::cmp::Reverse(self.steps(row).min(length)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(count: usize) -> Dataset {
        Dataset::new((0..count).map(|i| vec![0; i * 7 % 31 + 1]).collect(), vec![0; count]).unwrap()
    }

    #[test]
    fn numbers_that_make_no_steps_are_refused() {
        let of = |width, values| Dataset::of(Sequences::Numbers { width, values }, Told::Classes(vec![0, 1]));
        let error = of(2, vec![vec![1.0; 4], vec![1.0; 5]]).err().unwrap().to_string();
        assert_eq!(error, "sequence 1 has 5 numbers, which make no steps of 2");
        assert!(of(0, vec![vec![1.0]; 2]).is_err() && of(2, vec![vec![1.0; 4]; 2]).is_ok());
    }

    #[test]
    fn an_epoch_reads_every_row_once_and_seeds_decide_the_order() {
        let data = dataset(1003);
        let order = |seed, epoch| data.epoch(10, 20, seed, epoch);
        let mut rows = order(1, 0).concat();
        rows.sort_unstable();
        assert!(rows.into_iter().eq(0..1003));
        assert_eq!(order(1, 0), order(1, 0));
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), order(2, 0));
    }

    #[test]
    fn batches_hold_similar_lengths_the_longest_first() {
        let data = dataset(1000);
        for batch in data.epoch(10, 1000, 3, 0) {
            let lengths: Vec<usize> = batch.iter().map(|&row| data.steps(row)).collect();
            assert!(lengths.is_sorted_by(|a, b| a >= b));
            assert!(lengths[0] - lengths[lengths.len() - 1] <= 3, "{lengths:?}");
        }
    }
}
