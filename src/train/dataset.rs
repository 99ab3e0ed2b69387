//! Encoded sequences with their classes, and the order in which an epoch reads them.

use crate::error::{Error, Result};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Sequences of tokens with the class of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    pub sequences: Vec<Vec<u32>>,
    pub labels: Vec<u32>,
}

/// Batches whose sequences are sorted by length together: similar lengths share a batch, and the order stays random.
const BUCKET: usize = 50;

impl Dataset {
    /// # Errors
    /// [`Error::Config`] if there is not one label for each sequence, or no sequence.
    pub fn new(sequences: Vec<Vec<u32>>, labels: Vec<u32>) -> Result<Dataset> {
        if sequences.is_empty() || sequences.len() != labels.len() {
            let problem = format!("{} sequences and {} labels make no data set", sequences.len(), labels.len());
            return Err(Error::Config(problem));
        }
        Ok(Dataset { sequences, labels })
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.sequences.len()
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// The rows at these places, as a data set of its own.
    pub fn select(&self, rows: &[usize]) -> Dataset {
        Dataset {
            sequences: rows.iter().map(|&row| self.sequences[row].clone()).collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
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
        rows.sort_by_key(|&row| std::cmp::Reverse(self.sequences[row].len().min(length)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(count: usize) -> Dataset {
        Dataset::new((0..count).map(|i| vec![0; i * 7 % 31 + 1]).collect(), vec![0; count]).unwrap()
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
            let lengths: Vec<usize> = batch.iter().map(|&row| data.sequences[row].len()).collect();
            assert!(lengths.is_sorted_by(|a, b| a >= b));
            assert!(lengths[0] - lengths[lengths.len() - 1] <= 3, "{lengths:?}");
        }
    }
}
