//! What a network is: its sizes and its slicing.

use super::parameters::{Affine, Layout};
use crate::data::batch::{Batch, Padding, Truncate};
use crate::error::{Error, Result};
use crate::kernel::activation::Activation;
use crate::kernel::cell::{Cell, Reset};
use crate::kernel::pool_forward::Pooled;
use crate::kernel::recurrence::Recurrence;
use crate::slicing::Slicing;
use serde::{Deserialize, Serialize};

/// In which direction every slice of every level is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    #[default]
    Forward,
    Backward,
    /// Both, each with weights of its own, and their states side by side.
    Both,
}

/// What a slice passes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The state after its last step, as in the paper.
    #[default]
    Last,
    /// The largest output of every unit over its steps.
    Max,
    /// Their mean.
    Mean,
    /// A sum weighted by learnt attention (Zhou et al., 2016).
    Attention,
}

impl Pooling {
    /// What is pooled out of the outputs; `None` if it is the last state.
    pub fn pooled(self) -> Option<Pooled> {
        match self {
            Pooling::Last => None,
            Pooling::Max => Some(Pooled::Max),
            Pooling::Mean => Some(Pooled::Mean),
            Pooling::Attention => Some(Pooled::Attention),
        }
    }
}

/// What a step of a sequence is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// A token, which is embedded.
    #[default]
    Tokens,
    /// Numbers.
    Numbers,
}

/// What is told of a sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Its class, one of C (softmax and cross-entropy).
    #[default]
    Class,
    /// Which of C labels it has (a sigmoid and binary cross-entropy each).
    Labels,
    /// C numbers (squared error).
    Regression,
}

/// A sliced recurrent network that classifies sequences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub cell: Cell,
    /// Of a GRU; other cells have no reset gate.
    pub reset: Reset,
    /// Of a GRU's candidate or of a plain unit; an LSTM has tanh.
    pub activation: Activation,
    pub slicing: Slicing,
    pub direction: Direction,
    /// Recurrent layers of every level; each reads what the one below gives at every step.
    pub layers: usize,
    /// What a slice passes up to the next level.
    pub pooling: Pooling,
    /// What the top level passes to the head.
    pub head_pooling: Pooling,
    /// Steps before its own that a slice of level 0 reads first, from the state 0; the paper has none.
    pub context: usize,
    /// Longest sequence in steps, T; longer ones are truncated.
    pub length: usize,
    pub input: Input,
    /// Number of token ids, V; 0 if the input is numbers.
    pub vocabulary: usize,
    /// Width of a step, D: of the token embedding, or of the numbers.
    pub embedding: usize,
    /// Hidden units of every level, H.
    pub hidden: usize,
    pub task: Task,
    /// Classes, labels or numbers, C.
    pub classes: usize,
    pub truncate: Truncate,
    pub padding: Padding,
    /// Whether the embedding keeps the values that it was given.
    pub freeze_embedding: bool,
}

/// Classes of the largest classifier: its loss is one workgroup's work, and its confusion matrix a square of them.
/// More layers than anyone trains; planning time grows with their square.
const MOST_LAYERS: usize = 1024;

const MOST_CLASSES: usize = 4096;

impl Default for Config {
    /// The paper's sizes: SRNN(8,2), T = 512, H = 50, D = 200, 30,000 words.
    fn default() -> Config {
        Config {
            cell: Cell::default(),
            reset: Reset::default(),
            activation: Activation::default(),
            slicing: Slicing::new(8, 2).expect("8x2 is a slicing"),
            direction: Direction::default(),
            layers: 1,
            pooling: Pooling::default(),
            head_pooling: Pooling::default(),
            context: 0,
            length: 512,
            input: Input::default(),
            vocabulary: 30_000,
            embedding: 200,
            hidden: 50,
            task: Task::default(),
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
        let wrong = |problem: String| Err(Error::Config(problem));
        let mut sizes = vec![
            ("width of a step", self.embedding, 1 << 24),
            ("hidden size", self.hidden, 1 << 24),
            ("number of layers", self.layers, MOST_LAYERS),
        ];
        match self.input {
            Input::Tokens => sizes.push(("vocabulary", self.vocabulary, 1 << 24)),
            Input::Numbers if self.vocabulary > 0 => return wrong("numbers have no vocabulary: it must be 0".into()),
            Input::Numbers => {}
        }
        for (name, size, most) in sizes {
            if size == 0 {
                return wrong(format!("the {name} is 0: it must be at least 1"));
            }
            if size > most {
                return wrong(format!("the {name} is {size}: at most {most} is possible"));
            }
        }
        let fewest = if self.task == Task::Class { 2 } else { 1 };
        if self.classes < fewest {
            return wrong(format!("{} classes: at least {fewest} are needed", self.classes));
        }
        if self.classes > MOST_CLASSES {
            return wrong(format!("{} classes: at most {MOST_CLASSES} are possible; is this the label?", self.classes));
        }
        let Some(recurrence) = self.cell.recurrence(self.reset) else {
            return wrong("only a GRU has a reset gate: leave the reset at `after`".into());
        };
        if self.activation != Activation::Tanh && recurrence.activation.is_none() {
            return wrong(format!("a cell of kind {recurrence:?} has no other activation than tanh"));
        }
        if self.context > 0 {
            if self.context > self.length {
                let (context, length) = (self.context, self.length);
                return wrong(format!("a context of {context} steps: a sequence has at most {length}"));
            }
            if self.slicing.k() == 0 {
                return wrong("context is for slices: the plain network has one slice, which misses nothing".into());
            }
        }
        if self.input == Input::Numbers && self.padding == Padding::Unmasked {
            return wrong("numbers have no padding token: use masked padding".into());
        }
        self.slicing.check(self.length)
    }

    /// The kernels of the cell; of a reset that it does not have, which [`Config::check`] refuses, those of the usual one.
    pub fn recurrence(&self) -> &'static Recurrence {
        let usual = || self.cell.recurrence(Reset::After).expect("every cell has one");
        self.cell.recurrence(self.reset).unwrap_or_else(usual)
    }

    /// Whether each recurrence reads its rows from their last step to their first.
    pub fn directions(&self) -> &'static [bool] {
        match self.direction {
            Direction::Forward => &[false],
            Direction::Backward => &[true],
            Direction::Both => &[false, true],
        }
    }

    /// Numbers of what a slice passes up, W: H for each direction.
    pub fn width(&self) -> usize {
        self.directions().len() * self.hidden
    }

    /// What the slices of `level` pass up.
    pub fn pooling_of(&self, level: usize) -> Pooling {
        if level + 1 == self.slicing.levels() { self.head_pooling } else { self.pooling }
    }

    /// Width of what `layer` of `level` reads: D at the bottom, W above.
    pub fn inputs(&self, level: usize, layer: usize) -> usize {
        if level == 0 && layer == 0 { self.embedding } else { self.width() }
    }

    /// Number of weights, with (`true`) or without the embedding.
    pub fn parameters(&self, with_embedding: bool) -> usize {
        let flat: usize = Layout::new(self).all().map(Affine::len).sum();
        flat + if with_embedding { self.vocabulary * self.embedding } else { 0 }
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
        let steps: usize = batch.lengths.iter().map(|&l| l as usize).sum();
        match self.input {
            Input::Tokens => {
                if !batch.values.is_empty() {
                    return wrong("the batch holds numbers, and the network reads tokens".into());
                }
                if steps != batch.tokens.len() {
                    let count = batch.tokens.len();
                    return wrong(format!("the lengths add up to {steps}, and the batch has {count} tokens"));
                }
                if let Some(token) = batch.tokens.iter().find(|&&token| token as usize >= self.vocabulary) {
                    return wrong(format!("token {token} is beyond the vocabulary of {}", self.vocabulary));
                }
            }
            Input::Numbers => {
                if !batch.tokens.is_empty() {
                    return wrong("the batch holds tokens, and the network reads numbers".into());
                }
                if steps * self.embedding != batch.values.len() {
                    let (count, width) = (batch.values.len(), self.embedding);
                    return wrong(format!("{count} numbers are not {steps} steps of {width} numbers"));
                }
                if let Some(at) = batch.values.iter().position(|value| !value.is_finite()) {
                    let (step, value) = (at / self.embedding, batch.values[at]);
                    return wrong(format!("step {step} of the batch holds {value}: only finite numbers are possible"));
                }
            }
        }
        if self.task != Task::Class {
            let expected = batch.len() * self.classes;
            if with_labels && batch.targets.len() != expected {
                let count = batch.targets.len();
                return wrong(format!("{count} targets for {} sequences of {} each", batch.len(), self.classes));
            }
            if batch.targets.iter().any(|target| !target.is_finite()) {
                return wrong("a target is not finite".into());
            }
            return Ok(());
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
        let paper = Config { reset: Reset::Before, activation: Activation::Identity, ..config };
        assert_eq!(paper.parameters(false), 68_205);
        assert_eq!(paper.parameters(true), 6_068_405);
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
            Config { context: good.length + 1, ..good.clone() },
            Config { context: u32::MAX as usize + 1, ..good.clone() },
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
