//! Encoded sequences with their targets, and the order in which an epoch reads them.

use super::Told;
use super::told::starts;
use super::windows::{Window, windows};
use crate::data::batch::{Batch, Inputs, PAD, Rows, Truncate, UNKNOWN_ID};
use crate::error::{Error, Result, ensure};
use crate::network::Config;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::sync::Arc;

/// N sequences as the network reads them, of any length, with what is to be told of each where it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub(super) inputs: Inputs,
    /// `[N + 1]`: the step on which each sequence begins, and the end of the last.
    starts: Vec<usize>,
    pub(super) targets: Option<Told>,
    /// Where the sequences are windows of longer ones.
    windows: Option<Vec<Window>>,
    /// What each token becomes where it is made unknown, if it is not [`UNKNOWN_ID`].
    unknowns: Option<Arc<[u32]>>,
}

/// Batches whose sequences are sorted by length together: similar lengths share a batch, and the order stays random.
const BUCKET: usize = 50;

/// Sequences that are longer than a network reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// How many there are.
    pub sequences: usize,
    /// Of how many.
    pub of: usize,
    /// Steps that each of them loses, in the mean.
    pub mean: f64,
    /// Steps of the longest.
    pub longest: usize,
}

impl Dataset {
    /// Sequences of tokens with the class of each.
    ///
    /// # Errors
    /// As [`Dataset::with_targets`].
    pub fn new(sequences: &[impl AsRef<[u32]>], classes: Vec<u32>) -> Result<Dataset> {
        Dataset::of_tokens(sequences).with_targets(Told::Classes(classes))
    }

    /// Sequences of tokens, of which nothing is told.
    pub fn of_tokens<S: AsRef<[u32]>>(sequences: impl IntoIterator<Item = S>) -> Dataset {
        let (mut tokens, mut lengths) = (Vec::new(), Vec::new());
        for own in sequences {
            tokens.extend_from_slice(own.as_ref());
            lengths.push(own.as_ref().len());
        }
        tokens.shrink_to_fit();
        Dataset::of(Inputs::Tokens(tokens), lengths.into_iter())
    }

    /// The steps of sequences of these lengths, one after the other.
    pub(super) fn of(inputs: Inputs, lengths: impl Iterator<Item = usize>) -> Dataset {
        Dataset { inputs, starts: starts(lengths), targets: None, windows: None, unknowns: None }
    }

    /// The same, in which each token becomes one of these where it is made unknown, `[V]`.
    pub fn with_unknowns(self, unknowns: Option<Vec<u32>>) -> Dataset {
        Dataset { unknowns: unknowns.map(Arc::from), ..self }
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> u64 {
        let inputs = match &self.inputs {
            Inputs::Tokens(tokens) => size_of_val(&tokens[..]),
            Inputs::Numbers(steps) => size_of_val(&steps.values[..]),
        };
        (inputs + size_of_val(&self.starts[..])) as u64 + self.targets.as_ref().map_or(0, Told::bytes)
    }

    /// Sequences of numbers, each `[T, width]` row-major, of which nothing is told.
    ///
    /// # Errors
    /// [`Error::Config`] if a sequence is not whole steps.
    pub fn of_numbers(sequences: &[impl AsRef<[f32]>], width: usize) -> Result<Dataset> {
        let sequences: Vec<&[f32]> = sequences.iter().map(AsRef::as_ref).collect();
        let Batch { inputs, lengths, .. } = Batch::of_numbers(&sequences, width, usize::MAX, Truncate::Front)?;
        Ok(Dataset::of(inputs, lengths.into_iter().map(|length| length as usize)))
    }

    /// The same sequences with what is to be told of each.
    ///
    /// # Errors
    /// As [`Told::count`], and if there is no sequence, or not one target for each.
    pub fn with_targets(self, targets: Told) -> Result<Dataset> {
        let (sequences, count) = (self.len(), targets.count()?);
        let other = format!("{sequences} sequences and {count} targets make no data set");
        ensure!(count == sequences && count > 0, Error::Config(other));
        if let Told::Steps(told) = &targets {
            let odd = (0..count).find(|&row| told.steps(row) != self.steps(row));
            let steps =
                |row: usize| format!("sequence {row} has {} steps and {} targets", self.steps(row), told.steps(row));
            ensure!(odd.is_none(), Error::Config(steps(odd.unwrap_or_default())));
        }
        Ok(Dataset { targets: Some(targets), ..self })
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a network that reads `length` steps leaves out of these sequences, if it leaves out anything.
    pub fn cut(&self, length: usize) -> Option<Cut> {
        let beyond: Vec<usize> = (0..self.len()).map(|row| self.steps(row)).filter(|&steps| steps > length).collect();
        let longest = *beyond.iter().max()?;
        let lost: usize = beyond.iter().map(|steps| steps - length).sum();
        Some(Cut { sequences: beyond.len(), of: self.len(), mean: lost as f64 / beyond.len() as f64, longest })
    }

    /// The share of one token among all; 0 of numbers.
    pub fn share_of(&self, token: u32) -> f64 {
        match &self.inputs {
            Inputs::Tokens(tokens) => {
                tokens.iter().filter(|&&own| own == token).count() as f64 / tokens.len().max(1) as f64
            }
            Inputs::Numbers(_) => 0.0,
        }
    }

    /// Numbers of a step; `None` of tokens.
    pub fn width(&self) -> Option<usize> {
        match &self.inputs {
            Inputs::Numbers(steps) => Some(steps.width),
            Inputs::Tokens(_) => None,
        }
    }

    /// Steps of a sequence.
    pub fn steps(&self, row: usize) -> usize {
        self.range(row).len()
    }

    fn range(&self, row: usize) -> Range<usize> {
        self.starts[row]..self.starts[row + 1]
    }

    /// The rows at these places, as a data set of its own; it may be empty.
    pub fn select(&self, rows: &[usize]) -> Dataset {
        let ranges = rows.iter().map(|&row| self.range(row));
        let inputs = match &self.inputs {
            Inputs::Tokens(tokens) => Inputs::Tokens(ranges.flat_map(|own| &tokens[own]).copied().collect()),
            Inputs::Numbers(steps) => {
                let values = ranges.flat_map(|own| steps.range(own)).copied().collect();
                Inputs::Numbers(Rows { width: steps.width, values })
            }
        };
        let starts = starts(rows.iter().map(|&row| self.steps(row)));
        let windows = self.windows.as_ref().map(|own| rows.iter().map(|&row| own[row].clone()).collect());
        let targets = self.targets.as_ref().map(|targets| targets.select(rows));
        Dataset { inputs, starts, targets, windows, unknowns: self.unknowns.clone() }
    }

    /// Cuts long sequences into the windows in which a network that tells of steps reads them.
    pub fn cut_into_windows(&mut self, config: &Config) {
        if !config.task.of_steps() || self.windows.is_some() {
            return;
        }
        let windows = windows((0..self.len()).map(|row| self.steps(row)), config.most_steps(), config.overlap);
        let parts = windows.iter().map(|own| {
            let start = self.starts[own.sequence];
            start + own.steps.start..start + own.steps.end
        });
        self.inputs = match &self.inputs {
            Inputs::Tokens(tokens) => Inputs::Tokens(parts.flat_map(|own| &tokens[own]).copied().collect()),
            Inputs::Numbers(steps) => {
                let values = parts.flat_map(|own| steps.range(own)).copied().collect();
                Inputs::Numbers(Rows { width: steps.width, values })
            }
        };
        if let Some(Told::Steps(own)) = &mut self.targets {
            *own = own.cut(windows.iter().map(|own| (own.sequence, own.steps.clone())));
        }
        self.starts = starts(windows.iter().map(|own| own.steps.len()));
        self.windows = Some(windows);
    }

    /// How many sequences, or windows of them, a network reads one by one.
    #[cfg(feature = "files")]
    pub(super) fn windows_of(&self, config: &Config) -> usize {
        match (config.task.of_steps(), &self.windows) {
            (true, None) => {
                windows((0..self.len()).map(|row| self.steps(row)), config.most_steps(), config.overlap).len()
            }
            _ => self.len(),
        }
    }

    /// The sequence, by its place, of which a row is a window; of those that are whole, the row.
    pub fn sequence_of(&self, row: usize) -> usize {
        self.windows.as_ref().map_or(row, |windows| windows[row].sequence)
    }

    /// The steps of a row that count: those of a window that are its own.
    pub fn own_steps(&self, row: usize) -> Range<usize> {
        self.windows.as_ref().map_or(0..self.steps(row), |windows| windows[row].own.clone())
    }

    /// These sequences and then those of another set, of the same kind.
    pub fn join(mut self, other: Dataset) -> Dataset {
        match (&mut self.inputs, other.inputs) {
            (Inputs::Tokens(own), Inputs::Tokens(others)) => own.extend(others),
            (Inputs::Numbers(own), Inputs::Numbers(others)) => own.values.extend(others.values),
            _ => {}
        }
        let end = self.starts[self.starts.len() - 1];
        self.starts.extend(other.starts[1..].iter().map(|start| end + start));
        self.targets = self.targets.zip(other.targets).map(|(own, others)| own.join(others));
        if let (Some(own), Some(others)) = (&mut self.windows, other.windows) {
            let before = own.last().map_or(0, |last| last.sequence + 1);
            own.extend(others.into_iter().map(|own| Window { sequence: before + own.sequence, ..own }));
        }
        self
    }

    /// The rows at these places as a batch for a network. `unknown` decides about every token, by its place in the
    /// batch, whether it becomes unknown.
    ///
    /// # Errors
    /// As [`Batch::of_numbers`].
    pub fn batch(&self, config: &Config, rows: &[usize], unknown: impl Fn(usize) -> bool) -> Result<Batch> {
        // Nothing is told of steps that are left out.
        let long = rows.iter().find(|row| self.steps(**row) > config.most_steps() && config.task.of_steps());
        let steps =
            |row: &usize| format!("a sequence of {} steps: cut_into_windows makes windows of it", self.steps(*row));
        ensure!(long.is_none(), Error::Config(steps(long.unwrap_or(&0))));
        let ranges = rows.iter().map(|&row| self.range(row));
        let mut batch = match &self.inputs {
            Inputs::Tokens(tokens) => config.batch(&ranges.map(|own| &tokens[own]).collect::<Vec<&[u32]>>(), &[]),
            Inputs::Numbers(steps) => {
                let sequences: Vec<&[f32]> = ranges.map(|own| steps.range(own)).collect();
                Batch::of_numbers(&sequences, steps.width, config.most_steps(), config.truncate)?
            }
        };
        if let Inputs::Tokens(tokens) = &mut batch.inputs {
            let tokens = tokens.iter_mut().enumerate();
            let unknowns = self.unknowns.as_deref();
            let unknown_of = |token: u32| unknowns.map_or(UNKNOWN_ID, |own| own[token as usize]);
            tokens
                .filter(|(at, token)| **token != PAD && unknown(*at))
                .for_each(|(_, token)| *token = unknown_of(*token));
        }
        batch.targets = self.targets.as_ref().map(|targets| targets.of_batch(rows));
        Ok(batch)
    }

    /// The batches of an epoch, as rows: shuffled by seed and epoch, then sorted by length within buckets of batches,
    /// the longest sequence of a batch first. What is beyond `length` does not count.
    pub fn epoch(&self, batch: usize, length: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch as u64 + 1);
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.shuffle(&mut rng);
        let batch = batch.min(self.len()).max(1);
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
        rows.chunks(batch.max(1)).map(<[usize]>::to_vec).collect()
    }

    /// The names of tags that mark spans, if it has such.
    pub(super) fn marks(&self) -> Option<&[String]> {
        match &self.targets {
            Some(Told::Steps(steps)) => steps.marks.as_deref(),
            _ => None,
        }
    }

    /// Of each sequence of a batch of these rows, or of each of its steps, the row, if it counts.
    pub fn counted(&self, rows: &[usize], of_steps: bool) -> Vec<Option<usize>> {
        if !of_steps {
            return rows.iter().copied().map(Some).collect();
        }
        let steps = rows.iter().flat_map(|&row| {
            let own = self.own_steps(row);
            (0..self.steps(row)).map(move |step| own.contains(&step).then_some(row))
        });
        steps.collect()
    }

    fn sort_by_length(&self, rows: &mut [usize], length: usize) {
        rows.sort_by_key(|&row| std::cmp::Reverse(self.steps(row).min(length)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(count: usize) -> Dataset {
        let sequences: Vec<Vec<u32>> = (0..count).map(|i| vec![0; i * 7 % 31 + 1]).collect();
        Dataset::new(&sequences, vec![0; count]).unwrap()
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let of = |width, sequences: [Vec<f32>; 2]| Dataset::of_numbers(&sequences, width);
        let error = of(2, [vec![1.0; 4], vec![1.0; 5]]).err().unwrap().to_string();
        assert_eq!(error, "sequence 1 has 5 numbers, which make no steps of 2");
        assert!(of(0, [vec![1.0], vec![1.0]]).is_err() && of(2, [vec![1.0; 4], vec![1.0; 4]]).is_ok());
        let with = |targets| Dataset::of_tokens([[1], [2]]).with_targets(targets).map_err(|error| error.to_string());
        let error = "2 sequences and 3 targets make no data set";
        assert_eq!(with(Told::Classes(vec![0; 3])), Err(error.into()));
        let error = "the targets do not divide by their width";
        assert_eq!(with(Told::Numbers(Rows { width: 2, values: vec![0.0; 5] })), Err(error.into()));
        assert_eq!(with(Told::Numbers(Rows { width: 0, values: vec![0.0; 2] })), Err(error.into()));
        assert!(with(Told::Numbers(Rows { width: 2, values: vec![0.0; 4] })).is_ok());
    }

    #[test]
    fn rows_are_selected_with_their_steps_and_targets() {
        let targets = Told::Numbers(Rows { width: 2, values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0] });
        let data = Dataset::of_numbers(&[vec![1.0, 2.0], vec![3.0], vec![]], 1).unwrap();
        let data = data.with_targets(targets).unwrap();
        let found = data.select(&[2, 0]);
        assert_eq!(found.targets, Some(Told::Numbers(Rows { width: 2, values: vec![4.0, 5.0, 0.0, 1.0] })));
        assert_eq!(
            (found.inputs, found.starts),
            (Inputs::Numbers(Rows { width: 1, values: vec![1.0, 2.0] }), vec![0, 0, 2])
        );
        let none = data.select(&[]);
        assert!(none.is_empty() && none.by_length(5, 9).is_empty() && none.epoch(5, 9, 1, 0).is_empty());
    }

    #[test]
    fn sets_are_joined() {
        let one = Dataset::new(&[vec![1, 2], vec![3]], vec![0, 1]).unwrap();
        let joined = one.clone().join(Dataset::new(&[vec![4, 5, 6]], vec![1]).unwrap());
        assert_eq!(joined, Dataset::new(&[vec![1, 2], vec![3], vec![4, 5, 6]], vec![0, 1, 1]).unwrap());
        assert_eq!(one.clone().join(one.select(&[])), one);
        let numbers = |rows: &[Vec<f32>], told: Vec<f32>| {
            Dataset::of_numbers(rows, 1).unwrap().with_targets(Told::Numbers(Rows { width: 1, values: told })).unwrap()
        };
        let joined = numbers(&[vec![1.0]], vec![7.0]).join(numbers(&[vec![2.0, 3.0]], vec![8.0]));
        assert_eq!(joined, numbers(&[vec![1.0], vec![2.0, 3.0]], vec![7.0, 8.0]));
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
