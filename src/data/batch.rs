//! A batch of token sequences: real tokens only, with the length of each sequence.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The token that stands for padding when padding is unmasked.
pub const PAD: u32 = 0;

/// The token of words that are not in the vocabulary.
pub const UNKNOWN_ID: u32 = 1;

/// What becomes of sequences that are too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Truncate {
    /// The front is dropped: the end of the text is read, as in the paper.
    #[default]
    Front,
    /// The back is dropped: the beginning of the text is read.
    Back,
}

/// What padding in front of a short sequence does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// A padded step leaves the state alone and costs nothing.
    #[default]
    Masked,
    /// The padding token is read like any other, as in the paper's code.
    Unmasked,
}

/// Sequences of tokens with their labels. Sequences are right-aligned in the network's length, so that only real
/// tokens and their numbers need to travel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The real tokens of all sequences, one after the other; empty if they are numbers.
    pub tokens: Vec<u32>,
    /// The real steps `[P, D]` of all sequences, one after the other; empty if they are tokens.
    pub values: Vec<f32>,
    /// `[B]`: real steps of each sequence, at least 1.
    pub lengths: Vec<u32>,
    /// `[B]`: the class of each sequence; empty for other tasks.
    pub labels: Vec<u32>,
    /// `[B, C]`: 1 for each label that a sequence has, or the numbers that are to be told of it; empty for classes.
    pub targets: Vec<f32>,
}

impl Batch {
    /// A batch of `sequences`, each cut to `length` tokens and, when unmasked, padded in front to `length`. An empty
    /// sequence becomes one padding token, as every sequence has at least one step.
    pub fn new(sequences: &[&[u32]], labels: &[u32], length: usize, truncate: Truncate, padding: Padding) -> Batch {
        let mut batch = Batch { labels: labels.to_vec(), ..Batch::default() };
        for sequence in sequences {
            let kept = sequence.len().min(length);
            let kept = match truncate {
                Truncate::Front => &sequence[sequence.len() - kept..],
                Truncate::Back => &sequence[..kept],
            };
            let pads = match padding {
                Padding::Masked => usize::from(kept.is_empty()),
                Padding::Unmasked => length - kept.len(),
            };
            batch.tokens.extend(std::iter::repeat_n(PAD, pads));
            batch.tokens.extend_from_slice(kept);
            batch.lengths.push((pads + kept.len()) as u32);
        }
        batch
    }

    /// A batch from right-aligned `ids [B, width]`, of which the last `lengths[b]` of each row are real; what stands in
    /// the padding is not read.
    ///
    /// # Errors
    /// [`Error::Config`] if the shapes do not agree or a length is not within 1..=width.
    pub fn from_padded(ids: &[u32], width: usize, lengths: &[u32], labels: &[u32]) -> Result<Batch> {
        if width == 0 || ids.len() != width.saturating_mul(lengths.len()) || labels.len() != lengths.len() {
            return Err(Error::Config(format!(
                "a batch of {} ids of width {width}, {} lengths and {} labels does not agree",
                ids.len(),
                lengths.len(),
                labels.len()
            )));
        }
        let mut tokens = Vec::new();
        for (row, &real) in ids.chunks(width).zip(lengths) {
            if real == 0 || real as usize > width {
                return Err(Error::Config(format!(
                    "a sequence has {real} real tokens of {width}: 1 to {width} are possible"
                )));
            }
            tokens.extend_from_slice(&row[width - real as usize..]);
        }
        Ok(Batch { tokens, lengths: lengths.to_vec(), labels: labels.to_vec(), ..Batch::default() })
    }

    /// A batch of `sequences` of numbers, each `[steps, width]`, cut to `length` steps. A width is at least 1; numbers
    /// behind the last whole step are left out.
    pub fn of_numbers(sequences: &[&[f32]], width: usize, length: usize, truncate: Truncate) -> Batch {
        let mut batch = Batch::default();
        for sequence in sequences {
            let sequence = &sequence[..sequence.len() / width * width];
            let kept = (sequence.len() / width).min(length) * width;
            batch.values.extend_from_slice(match truncate {
                Truncate::Front => &sequence[sequence.len() - kept..],
                Truncate::Back => &sequence[..kept],
            });
            batch.lengths.push((kept / width) as u32);
        }
        batch
    }

    /// Real steps of all sequences together.
    pub fn steps(&self) -> usize {
        self.lengths.iter().map(|&length| length as usize).sum()
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Cuts the batch into about `parts` runs of neighbouring sequences with about equally many tokens, at most one per
    /// sequence.
    pub fn split(&self, parts: usize) -> Vec<MicroBatch> {
        let target = self.steps().div_ceil(parts.max(1));
        let mut out = Vec::new();
        let mut part = MicroBatch::default();
        for (at, &length) in self.lengths.iter().enumerate() {
            if part.tokens.len() + length as usize > target && !part.sequences.is_empty() {
                out.push(part.clone());
                part = MicroBatch { sequences: at..at, tokens: part.tokens.end..part.tokens.end };
            }
            part.sequences.end = at + 1;
            part.tokens.end += length as usize;
        }
        if !part.sequences.is_empty() {
            out.push(part);
        }
        out
    }

    /// The numbers of a part's steps, `[steps, D]`.
    pub fn values_of(&self, part: &MicroBatch) -> &[f32] {
        let width = self.values.len() / self.steps().max(1);
        &self.values[part.tokens.start * width..part.tokens.end * width]
    }
}

/// Neighbouring sequences of a batch: a micro-batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MicroBatch {
    pub sequences: std::ops::Range<usize>,
    /// Of its steps.
    pub tokens: std::ops::Range<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_and_padding() {
        let long: &[u32] = &[5, 6, 7, 8];
        let make = |truncate, padding| Batch::new(&[long, &[9], &[]], &[0, 1, 0], 3, truncate, padding);
        let front = make(Truncate::Front, Padding::Masked);
        assert_eq!((front.tokens, front.lengths), (vec![6, 7, 8, 9, 0], vec![3, 1, 1]));
        let back = make(Truncate::Back, Padding::Unmasked);
        assert_eq!((back.tokens, back.lengths), (vec![5, 6, 7, 0, 0, 9, 0, 0, 0], vec![3, 3, 3]));
    }

    #[test]
    fn padded_rows_keep_their_real_tokens() {
        let batch = Batch::from_padded(&[1, 2, 3, 77, 77, 4], 3, &[3, 1], &[0, 1]).unwrap();
        assert_eq!((batch.tokens, batch.lengths), (vec![1, 2, 3, 4], vec![3, 1]));
        assert!(Batch::from_padded(&[1, 2, 3], 3, &[0], &[0]).is_err());
        assert!(Batch::from_padded(&[1, 2, 3], 3, &[4], &[0]).is_err());
        assert!(Batch::from_padded(&[1, 2], 3, &[1], &[0]).is_err());
        assert!(Batch::from_padded(&[], 0, &[], &[]).is_err());
    }

    #[test]
    fn parts_cover_everything_once() {
        let lengths = [5u32, 1, 9, 2, 2, 7];
        let tokens = (0..26).collect();
        let batch = Batch { tokens, lengths: lengths.to_vec(), labels: vec![0; 6], ..Batch::default() };
        for parts in 1..10 {
            let cut = batch.split(parts);
            assert!(cut.len() <= 6 && (parts > 1 || cut.len() == 1));
            let joined: Vec<u32> = cut.iter().flat_map(|part| &batch.tokens[part.tokens.clone()]).copied().collect();
            assert_eq!(joined, batch.tokens);
            let joined: Vec<u32> =
                cut.iter().flat_map(|part| &batch.lengths[part.sequences.clone()]).copied().collect();
            assert_eq!(joined, lengths);
        }
        assert_eq!(batch.split(26).len(), 6);
    }
}
