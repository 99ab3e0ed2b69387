//! A batch: what the network reads of each sequence, real steps only, and what it is to tell of them.

pub use super::rows::Rows;
use crate::error::{Error, Result, ensure};
use serde::{Deserialize, Serialize};
use std::ops::Range;

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

impl Truncate {
    /// At most `length` of the sequence.
    fn cut<T>(self, sequence: &[T], length: usize) -> &[T] {
        let kept = sequence.len().min(length);
        match self {
            Truncate::Front => &sequence[sequence.len() - kept..],
            Truncate::Back => &sequence[..kept],
        }
    }
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

/// What the network reads: the steps of all sequences, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// `[P]`
    Tokens(Vec<u32>),
    /// `[P, D]`
    Numbers(Rows),
}

/// What is to be told of each of B sequences, or, where a network tells of steps, of each of P steps.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// `[B]` or `[P]`: its class.
    Classes(Vec<u32>),
    /// `[B, C]`: 1 for each label that it has, 0 for the others.
    Labels(Rows),
    /// `[B, C]` or `[P, C]`: numbers, on the scale that the network is trained on.
    Numbers(Rows),
}

impl Targets {
    /// How many sequences or steps they are of; `None` if they do not divide by their width.
    pub fn count(&self) -> Option<usize> {
        match self {
            Targets::Classes(classes) => Some(classes.len()),
            Targets::Labels(rows) | Targets::Numbers(rows) => rows.count(),
        }
    }
}

/// Sequences, with what is to be told of them where it is known. They are right-aligned in the network's length, so
/// that only real steps and their numbers need to travel.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The steps of all B sequences, P in all.
    pub inputs: Inputs,
    /// `[B]`: real steps of each sequence, at least 1.
    pub lengths: Vec<u32>,
    /// `None` where nothing is to be learnt or measured.
    pub targets: Option<Targets>,
}

impl Batch {
    /// A batch of `sequences`, each cut to `length` tokens and, when unmasked, padded in front to `length`. An empty
    /// sequence becomes one padding token, as every sequence has at least one step. `classes [B]` may be left empty
    /// where nothing is to be learnt.
    pub fn new(sequences: &[&[u32]], classes: &[u32], length: usize, truncate: Truncate, padding: Padding) -> Batch {
        let (mut tokens, mut lengths) = (Vec::new(), Vec::with_capacity(sequences.len()));
        for sequence in sequences {
            let kept = truncate.cut(sequence, length);
            let pads = match padding {
                Padding::Masked => usize::from(kept.is_empty()),
                Padding::Unmasked => length - kept.len(),
            };
            tokens.extend(std::iter::repeat_n(PAD, pads));
            tokens.extend_from_slice(kept);
            lengths.push((pads + kept.len()) as u32);
        }
        Batch { inputs: Inputs::Tokens(tokens), lengths, targets: None }.with_classes(classes)
    }

    /// A batch from right-aligned `ids [B, width]`, of which the last `lengths[b]` of each row are real; what stands in
    /// the padding is not read.
    ///
    /// # Errors
    /// [`Error::Config`] if the shapes do not agree or a length is not within 1..=width.
    pub fn from_padded(ids: &[u32], width: usize, lengths: &[u32], classes: &[u32]) -> Result<Batch> {
        let (all, rows, marks) = (ids.len(), lengths.len(), classes.len());
        let fits = width > 0 && all == width.saturating_mul(rows) && marks == rows;
        let other = format!("a batch of {all} ids of width {width}, {rows} lengths and {marks} classes does not agree");
        ensure!(fits, Error::Config(other));
        let mut tokens = Vec::new();
        for (row, &real) in ids.chunks(width).zip(lengths) {
            let other = || format!("a sequence has {real} real tokens of {width}: 1 to {width} are possible");
            ensure!((1..=width).contains(&(real as usize)), Error::Config(other()));
            tokens.extend_from_slice(&row[width - real as usize..]);
        }
        Ok(Batch { inputs: Inputs::Tokens(tokens), lengths: lengths.to_vec(), targets: None }.with_classes(classes))
    }

    /// A batch of `sequences` of numbers, each `[steps, width]`, cut to `length` steps.
    ///
    /// # Errors
    /// [`Error::Config`] for a width of 0, or a sequence that is not whole steps.
    pub fn of_numbers(sequences: &[&[f32]], width: usize, length: usize, truncate: Truncate) -> Result<Batch> {
        let (mut all, mut lengths) = (Vec::new(), Vec::with_capacity(sequences.len()));
        for (row, sequence) in sequences.iter().enumerate() {
            let count = sequence.len();
            let ragged = format!("sequence {row} has {count} numbers, which make no steps of {width}");
            ensure!(width > 0 && count.is_multiple_of(width), Error::Config(ragged));
            let kept = truncate.cut(sequence, length.saturating_mul(width));
            all.extend_from_slice(kept);
            lengths.push((kept.len() / width) as u32);
        }
        Ok(Batch { inputs: Inputs::Numbers(Rows { width, values: all }), lengths, targets: None })
    }

    /// The same sequences, with the class of each; none are known where `classes` is empty.
    pub fn with_classes(self, classes: &[u32]) -> Batch {
        Batch { targets: (!classes.is_empty()).then(|| Targets::Classes(classes.to_vec())), ..self }
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

    /// `[P]`: the tokens; empty if the steps are numbers.
    pub fn tokens(&self) -> &[u32] {
        match &self.inputs {
            Inputs::Tokens(tokens) => tokens,
            Inputs::Numbers(_) => &[],
        }
    }

    /// Cuts the batch into about `parts` runs of neighbouring sequences with about equally many tokens, at most one per
    /// sequence.
    pub fn split(&self, parts: usize) -> Vec<MicroBatch> {
        let target = self.steps().div_ceil(parts.max(1));
        let (mut out, mut begin) = (Vec::<MicroBatch>::new(), 0);
        for (at, &length) in self.lengths.iter().enumerate() {
            let end = begin + length as usize;
            match out.last_mut() {
                Some(part) if end - part.tokens.start <= target => {
                    (part.sequences.end, part.tokens.end) = (at + 1, end);
                }
                _ => out.push(MicroBatch { sequences: at..at + 1, tokens: begin..end }),
            }
            begin = end;
        }
        out
    }

    /// The numbers of a part's steps, `[steps, D]`; empty if the steps are tokens.
    pub fn values_of(&self, part: &MicroBatch) -> &[f32] {
        match &self.inputs {
            Inputs::Tokens(_) => &[],
            Inputs::Numbers(steps) => steps.range(part.tokens.clone()),
        }
    }
}

/// Neighbouring sequences of a batch: a micro-batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MicroBatch {
    /// Their places among the B sequences.
    pub sequences: Range<usize>,
    /// Of its steps.
    pub tokens: Range<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_and_padding() {
        let long: &[u32] = &[5, 6, 7, 8];
        let make = |truncate, padding| Batch::new(&[long, &[9], &[]], &[0, 1, 0], 3, truncate, padding);
        let front = make(Truncate::Front, Padding::Masked);
        assert_eq!((front.tokens(), &front.lengths[..]), (&[6, 7, 8, 9, 0][..], &[3, 1, 1][..]));
        let back = make(Truncate::Back, Padding::Unmasked);
        assert_eq!((back.tokens(), &back.lengths[..]), (&[5, 6, 7, 0, 0, 9, 0, 0, 0][..], &[3, 3, 3][..]));
    }

    #[test]
    fn padded_rows_keep_their_real_tokens() {
        let batch = Batch::from_padded(&[1, 2, 3, 77, 77, 4], 3, &[3, 1], &[0, 1]).unwrap();
        assert_eq!((batch.tokens(), &batch.lengths[..]), (&[1, 2, 3, 4][..], &[3, 1][..]));
        assert!(Batch::from_padded(&[1, 2, 3], 3, &[0], &[0]).is_err());
        assert!(Batch::from_padded(&[1, 2, 3], 3, &[4], &[0]).is_err());
        assert!(Batch::from_padded(&[1, 2], 3, &[1], &[0]).is_err());
        assert!(Batch::from_padded(&[], 0, &[], &[]).is_err());
    }

    #[test]
    fn numbers_are_cut_to_whole_steps() {
        let of = |width, truncate| Batch::of_numbers(&[&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0]], width, 1, truncate);
        let front = of(2, Truncate::Front).unwrap();
        assert_eq!(front.inputs, Inputs::Numbers(Rows { width: 2, values: vec![3.0, 4.0, 5.0, 6.0] }));
        assert_eq!(of(2, Truncate::Back).unwrap().values_of(&front.split(1)[0]), [1.0, 2.0, 5.0, 6.0]);
        let error = of(4, Truncate::Back).unwrap_err().to_string();
        assert_eq!(error, "sequence 1 has 2 numbers, which make no steps of 4");
        assert!(of(0, Truncate::Front).is_err());
    }

    #[test]
    fn parts_cover_everything_once() {
        let lengths = [5u32, 1, 9, 2, 2, 7];
        let batch = Batch { inputs: Inputs::Tokens((0..26).collect()), lengths: lengths.to_vec(), targets: None };
        for parts in 1..10 {
            let cut = batch.split(parts);
            assert!(cut.len() <= 6 && (parts > 1 || cut.len() == 1));
            let joined: Vec<u32> = cut.iter().flat_map(|part| &batch.tokens()[part.tokens.clone()]).copied().collect();
            assert_eq!(joined, batch.tokens());
            let joined: Vec<u32> =
                cut.iter().flat_map(|part| &batch.lengths[part.sequences.clone()]).copied().collect();
            assert_eq!(joined, lengths);
        }
        assert_eq!(batch.split(26).len(), 6);
    }
}
