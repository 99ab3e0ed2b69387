//! What a network is: its sizes and its slicing.

use crate::data::batch::{Batch, Padding, Truncate};
use crate::error::{Error, Result};
use crate::slicing::Slicing;
use serde::{Deserialize, Serialize};

/// The recurrent unit of every level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// Gated recurrent unit with the reset gate after the product, as in PyTorch and cuDNN.
    #[default]
    Gru,
}

/// A sliced recurrent network that classifies token sequences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub cell: Cell,
    pub slicing: Slicing,
    /// Longest sequence in tokens, T; longer ones are truncated.
    pub length: usize,
    /// Number of token ids, V.
    pub vocabulary: usize,
    /// Width of the token embedding, D.
    pub embedding: usize,
    /// Hidden units of every level, H.
    pub hidden: usize,
    /// Classes, C.
    pub classes: usize,
    pub truncate: Truncate,
    pub padding: Padding,
    /// Whether the embedding keeps the values that it was given.
    pub freeze_embedding: bool,
}

/// Classes of the largest classifier: its loss is one workgroup's work, and its confusion matrix a square of them.
const MOST_CLASSES: usize = 4096;

impl Default for Config {
    /// The paper's sizes: SRNN(8,2), T = 512, H = 50, D = 200, 30,000 words.
    fn default() -> Config {
        Config {
            cell: Cell::Gru,
            slicing: Slicing::new(8, 2).expect("8x2 is a slicing"),
            length: 512,
            vocabulary: 30_000,
            embedding: 200,
            hidden: 50,
            classes: 2,
            truncate: Truncate::default(),
            padding: Padding::default(),
            freeze_embedding: false,
        }
    }
}

impl Config {
    /// Checks that the sizes make a network.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Slicing`], naming the setting.
    pub fn check(&self) -> Result<()> {
        let sizes =
            [("embedding width", self.embedding), ("hidden size", self.hidden), ("vocabulary", self.vocabulary)];
        for (name, size) in sizes {
            if size == 0 {
                return Err(Error::Config(format!("the {name} is 0: it must be at least 1")));
            }
            if size > 1 << 24 {
                return Err(Error::Config(format!("the {name} is {size}: at most {} is possible", 1 << 24)));
            }
        }
        if self.classes < 2 {
            return Err(Error::Config(format!("{} classes: a classifier needs at least two", self.classes)));
        }
        if self.classes > MOST_CLASSES {
            let problem = format!("{} classes: at most {MOST_CLASSES} are possible; is this the label?", self.classes);
            return Err(Error::Config(problem));
        }
        self.slicing.check(self.length)
    }

    /// Width of the input of `level`: D at level 0, H above.
    pub fn inputs(&self, level: usize) -> usize {
        if level == 0 { self.embedding } else { self.hidden }
    }

    /// Number of weights, with (`true`) or without the embedding.
    pub fn parameters(&self, with_embedding: bool) -> usize {
        let gates = 3 * self.hidden;
        let levels: usize =
            (0..self.slicing.levels()).map(|p| (self.inputs(p) + 1) * gates + (self.hidden + 1) * gates).sum();
        let head = (self.hidden + 1) * self.classes;
        levels + head + if with_embedding { self.vocabulary * self.embedding } else { 0 }
    }

    /// A batch for this network: truncated and padded as it is set to.
    pub fn batch(&self, sequences: &[&[u32]], labels: &[u32]) -> Batch {
        Batch::new(sequences, labels, self.length, self.truncate, self.padding)
    }

    /// Checks that a batch fits this network. Labels may be missing for inference.
    ///
    /// # Errors
    /// [`Error::Config`], naming the sequence.
    pub fn check_batch(&self, batch: &Batch, with_labels: bool) -> Result<()> {
        let wrong = |problem: String| Err(Error::Config(problem));
        if batch.is_empty() {
            return wrong("the batch has no sequence".into());
        }
        if let Some(at) = batch.lengths.iter().position(|&l| l == 0 || l as usize > self.length) {
            let length = batch.lengths[at];
            return wrong(format!("sequence {at} has {length} tokens: the network takes 1 to {}", self.length));
        }
        let tokens: usize = batch.lengths.iter().map(|&l| l as usize).sum();
        if tokens != batch.tokens.len() {
            return wrong(format!("the lengths add up to {tokens}, and the batch has {} tokens", batch.tokens.len()));
        }
        if let Some(token) = batch.tokens.iter().find(|&&token| token as usize >= self.vocabulary) {
            return wrong(format!("token {token} is beyond the vocabulary of {}", self.vocabulary));
        }
        if with_labels && batch.labels.len() != batch.len() {
            return wrong(format!("{} labels for {} sequences", batch.labels.len(), batch.len()));
        }
        if let Some(label) = batch.labels.iter().find(|&&label| label as usize >= self.classes) {
            return wrong(format!("label {label} is beyond the {} classes", self.classes));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_counts() {
        // The paper's network has one bias per gate: 68,205 parameters without the embedding. The second bias of the
        // reset-after cell adds 3·H per level.
        let config = Config { classes: 5, vocabulary: 30_001, ..Config::default() };
        assert_eq!(config.parameters(false), 68_205 + 3 * 150);
        assert_eq!(config.parameters(true), 6_068_405 + 3 * 150);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let good = Config::default();
        assert!(good.check().is_ok());
        for bad in [
            Config { hidden: 0, ..good.clone() },
            Config { embedding: 0, ..good.clone() },
            Config { vocabulary: 0, ..good.clone() },
            Config { classes: 1, ..good.clone() },
            Config { classes: 5000, ..good.clone() },
            Config { length: 63, ..good.clone() },
            Config { length: 0, ..good.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn impossible_batches_are_refused() {
        let config = Config { vocabulary: 10, ..Config::default() };
        let good = config.batch(&[&[1, 2], &[3]], &[0, 1]);
        assert!(config.check_batch(&good, true).is_ok());
        let bad = |change: fn(&mut Batch)| {
            let mut batch = good.clone();
            change(&mut batch);
            config.check_batch(&batch, true).unwrap_err().to_string()
        };
        assert!(bad(|b| b.tokens[0] = 10).contains("token 10"));
        assert!(bad(|b| b.labels[0] = 2).contains("label 2"));
        assert!(bad(|b| b.lengths[0] = 0).contains("sequence 0"));
        assert!(bad(|b| b.lengths[0] = 3).contains("add up to 4"));
        assert!(bad(|b| _ = b.labels.pop()).contains("1 labels"));
        assert!(bad(|b| *b = Batch::default()).contains("no sequence"));
    }
}
