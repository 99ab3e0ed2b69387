//! What a network is: its sizes and its slicing.

use super::parameters::{Affine, Layout};
use crate::data::batch::{Batch, Inputs, MicroBatch, Padding, Rows, Targets, Truncate};
use crate::error::{Error, Result, ensure};
use crate::kernel::activation::Activation;
use crate::kernel::cell::{Cell, Reset};
pub use crate::kernel::pool_forward::Pooling;
use crate::kernel::recurrence::Recurrence;
use crate::slicing::{Align, LONGEST, Slicing};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// In which direction every slice of every level is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the first step to the last, as in the paper.
    #[default]
    Forward,
    /// From the last step to the first.
    Backward,
    /// Both, each with weights of its own, and their states side by side.
    Both,
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

/// What a network tells of a sequence, or of every step of it.
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
    /// The class of every step, its tag, one of C (softmax and cross-entropy).
    Tags,
    /// C numbers for every step (squared error).
    Series,
}

impl Task {
    /// Whether it is about every step.
    pub fn of_steps(self) -> bool {
        matches!(self, Task::Tags | Task::Series)
    }

    /// Whether one of C is told, by a softmax.
    pub fn is_one_of(self) -> bool {
        matches!(self, Task::Class | Task::Tags)
    }

    /// What logits of this task say; see [`Network::probabilities`](crate::Network::probabilities).
    pub(crate) fn told_by(self, mut logits: Vec<f32>, classes: usize) -> Vec<f32> {
        match self {
            Task::Class | Task::Tags => {}
            Task::Labels => {
                logits.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp()));
                return logits;
            }
            Task::Regression | Task::Series => return logits,
        }
        for row in logits.chunks_mut(classes) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|x| *x = (*x - largest).exp());
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= sum);
        }
        logits
    }
}

/// A sliced recurrent network that tells the class, the labels or numbers of a sequence or of its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The recurrent cell of every level; a GRU by default.
    pub cell: Cell,
    /// Of a GRU; other cells have no reset gate.
    pub reset: Reset,
    /// Of a GRU's candidate or of a plain unit; an LSTM has tanh.
    pub activation: Activation,
    /// How a sequence is cut into slices; 8x2 by default.
    pub slicing: Slicing,
    /// Forward by default.
    pub direction: Direction,
    /// Parts of the hidden units of every direction, each with a recurrence of its own: U is block-diagonal, with so many
    /// blocks. H must be a multiple of it; 1, where every unit hears every other, by default.
    pub heads: usize,
    /// Recurrent layers of every level; each reads what the one below gives at every step.
    pub layers: usize,
    /// What a slice passes up to the next level.
    pub pooling: Pooling,
    /// What the top level passes to the head.
    pub head_pooling: Pooling,
    /// Steps before its own that a slice of level 0 reads first, from the state 0; the paper has none.
    pub context: usize,
    /// Longest sequence in steps, T; longer ones are truncated, or go on at the top level if they are aligned at their start.
    pub length: usize,
    /// From where slices are counted; from the end by default.
    pub align: Align,
    /// What a step is: tokens by default.
    pub input: Input,
    /// Number of token ids, V; 0 if the input is numbers.
    pub vocabulary: usize,
    /// Width of a step, D: of the token embedding, or of the numbers.
    pub embedding: usize,
    /// Hidden units of every level, H.
    pub hidden: usize,
    /// What is told: the class of a sequence by default.
    pub task: Task,
    /// Where steps are told of: whether all levels run, and then each slice once more, from what the level above knew before
    /// it. Without, there is level 0 alone, and its slices know nothing of one another. Of no account elsewhere.
    pub downward: bool,
    /// Classes, labels or numbers, C.
    pub classes: usize,
    /// The end of a sequence that is dropped where it is too long; the front by default.
    pub truncate: Truncate,
    /// Steps that neighbouring windows share, in which long sequences are read where steps are told of, unless they are aligned
    /// at their start; see
    /// [`windows`](crate::train::windows::windows).
    pub overlap: usize,
    /// Whether padding is read; masked by default.
    pub padding: Padding,
    /// Whether the embedding keeps the values that it was given.
    pub freeze_embedding: bool,
}

/// More layers than anyone trains; planning time grows with their square.
const MOST_LAYERS: usize = 1024;

/// More heads than anyone trains; every layer's recurrences are one dispatch for all of them.
const MOST_HEADS: usize = 256;

/// Largest size of any other kind.
const MOST: usize = 1 << 24;

/// Classes of the largest classifier, whose confusion matrix is a square of them.
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
            heads: 1,
            layers: 1,
            pooling: Pooling::default(),
            head_pooling: Pooling::default(),
            context: 0,
            length: 512,
            align: Align::default(),
            input: Input::default(),
            vocabulary: 30_000,
            embedding: 200,
            hidden: 50,
            task: Task::default(),
            downward: true,
            classes: 2,
            truncate: Truncate::default(),
            overlap: 64,
            padding: Padding::default(),
            freeze_embedding: false,
        }
    }
}

impl Config {
    /// Checks that the sizes make a network.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::Config`] or [`Error::Slicing`], naming the setting.
    pub fn check(&self) -> Result<()> {
        let numbers = self.input == Input::Numbers;
        ensure!(!numbers || self.vocabulary == 0, "numbers have no vocabulary: it must be 0");
        let vocabulary = if numbers { 1 } else { self.vocabulary };
        for (name, size, [least, most]) in [
            ("embedding", self.embedding, [1, MOST]),
            ("hidden", self.hidden, [1, MOST]),
            ("heads", self.heads, [1, MOST_HEADS]),
            ("layers", self.layers, [1, MOST_LAYERS]),
            ("length", self.length, [1, usize::MAX]),
            ("vocabulary", vocabulary, [1, MOST]),
            ("classes", self.classes, [if self.task.is_one_of() { 2 } else { 1 }, MOST_CLASSES]),
        ] {
            ensure!(size >= least, Error::setting(name, size, format!("at least {least}")));
            ensure!(size <= most, Error::setting(name, size, format!("at most {most}")));
        }
        let Config { hidden, heads, .. } = *self;
        let divides = || format!("a divisor of the {hidden} hidden units");
        let of_all_layers = || format!("at most {} in all layers together", MOST_LAYERS);
        ensure!(self.layers * heads <= MOST_LAYERS, Error::setting("heads", heads, of_all_layers()));
        ensure!(hidden.is_multiple_of(heads), Error::setting("heads", heads, divides()));
        let other_reset = || Error::Config("only a GRU has a reset gate: leave the reset at `after`".into());
        let cell = self.cell.recurrence(self.reset).ok_or_else(other_reset)?;
        let possible = self.activation == Activation::Tanh || cell.activation.is_some();
        ensure!(possible, "a cell of kind {cell:?} has no other activation than tanh");
        let Config { context, length, padding, .. } = *self;
        ensure!(context <= length, "a context of {context} steps: a sequence has at most {length}");
        let sliced = self.slicing.k() > 0;
        ensure!(context == 0 || sliced, "context is for slices: the plain network has one slice, which misses nothing");
        let aligned = padding == Padding::Masked || self.align == Align::End;
        ensure!(aligned, "padding that is read stands in front: align sequences at their end");
        ensure!(!numbers || padding == Padding::Masked, "numbers have no padding token: use masked padding");
        if self.task.of_steps() {
            ensure!(padding == Padding::Masked, "steps of padding are none to tell of: use masked padding");
            let last = self.head_pooling == Pooling::Last;
            ensure!(last, "head pooling is for sequences: of a step its own output is read");
            let pools = self.downward || self.pooling == Pooling::Last;
            ensure!(pools, "pooling is for what slices pass up, and here nothing is passed");
        }
        self.slicing.check(length)
    }

    /// Steps that a sequence may have before it is truncated.
    pub fn most_steps(&self) -> usize {
        match self.align {
            Align::End => self.length,
            Align::Start => LONGEST,
        }
    }

    /// Levels that there are weights of: `k + 1`, or level 0 alone where steps are told of without the downward pass.
    pub fn levels(&self) -> usize {
        if self.task.of_steps() && !self.downward { 1 } else { self.slicing.levels() }
    }

    /// What of a batch is told of, in `part` of it: its sequences or its steps.
    pub fn told(&self, part: &MicroBatch) -> Range<usize> {
        if self.task.of_steps() { part.tokens.clone() } else { part.sequences.clone() }
    }

    /// How many of a batch's sequences or steps that are.
    pub fn told_of(&self, batch: &Batch) -> usize {
        if self.task.of_steps() { batch.steps() } else { batch.len() }
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

    /// Recurrences of a layer, which run side by side: one for each head of each direction.
    pub fn strands(&self) -> usize {
        self.directions().len() * self.heads
    }

    /// The strands of a level that are planned together, and so stand in the same buffers: all of them; with context, where
    /// directions read steps of their own, or where they shall be `apart`, those of each direction.
    pub(super) fn groups(&self, level: usize, apart: bool) -> impl Iterator<Item = Range<usize>> + use<> {
        let all = self.strands();
        let size = if apart || (level == 0 && self.context > 0) { self.heads } else { all };
        (0..all).step_by(size).map(move |first| first..first + size)
    }

    /// Whether a strand reads its rows from their last step to their first.
    pub fn reads_backward(&self, strand: usize) -> bool {
        self.directions()[strand / self.heads]
    }

    /// Hidden units of a strand: H for each direction, shared among its heads.
    pub fn units(&self) -> usize {
        self.hidden / self.heads
    }

    /// Numbers of what a slice passes up, W: H for each direction.
    pub fn width(&self) -> usize {
        self.directions().len() * self.hidden
    }

    /// What the slices of `level` pass up.
    pub fn pooling_of(&self, level: usize) -> Pooling {
        if level + 1 == self.levels() { self.head_pooling } else { self.pooling }
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

    /// A batch for this network: truncated and padded as it is set to. `classes [B]` may be left empty where nothing is
    /// to be learnt; see [`Batch::targets`] for what is no class.
    pub fn batch(&self, sequences: &[&[u32]], classes: &[u32]) -> Batch {
        Batch::new(sequences, classes, self.most_steps(), self.truncate, self.padding)
    }

    /// Checks that a batch fits this network. Targets may be missing for inference.
    ///
    /// # Errors
    /// [`Error::Config`], naming the sequence.
    pub fn check_batch(&self, batch: &Batch, with_targets: bool) -> Result<()> {
        ensure!(!batch.is_empty(), "the batch has no sequence");
        let Config { vocabulary, embedding, .. } = *self;
        let most = self.most_steps();
        for (at, &length) in batch.lengths.iter().enumerate() {
            let fits = (1..=most).contains(&(length as usize));
            ensure!(fits, "sequence {at} has {length} tokens: the network takes 1 to {most}");
        }
        let steps = batch.steps();
        match (&batch.inputs, self.input) {
            (Inputs::Tokens(tokens), Input::Tokens) => {
                let count = tokens.len();
                ensure!(steps == count, "the lengths add up to {steps}, and the batch has {count} tokens");
                let largest = tokens.iter().copied().max().unwrap_or(0);
                ensure!((largest as usize) < vocabulary, "token {largest} is beyond the vocabulary of {vocabulary}");
            }
            (Inputs::Numbers(Rows { width, values }), Input::Numbers) => {
                ensure!(*width == embedding, "steps of {width} numbers, and the network reads {embedding}");
                let count = values.len();
                ensure!(steps * width == count, "{count} numbers are not {steps} steps of {width} numbers");
                for (at, x) in values.iter().enumerate() {
                    let step = || at / width;
                    ensure!(x.is_finite(), "step {} of the batch holds {x}: only finite numbers are possible", step());
                }
            }
            (_, input) => ensure!(false, "the network reads {input:?}, and the batch holds something else"),
        }
        ensure!(batch.targets.is_some() || !with_targets, "the batch has no targets");
        batch.targets.as_ref().map_or(Ok(()), |targets| self.check_targets(targets, self.told_of(batch)))
    }

    fn check_targets(&self, targets: &Targets, count: usize) -> Result<()> {
        let what = if self.task.of_steps() { "steps" } else { "sequences" };
        ensure!(targets.count() == Some(count), "the targets are not those of {count} {what}");
        match (targets, self.task, self.classes) {
            (Targets::Classes(own), Task::Class | Task::Tags, classes) => {
                let largest = own.iter().copied().max().unwrap_or(0);
                ensure!((largest as usize) < classes, "class {largest} is beyond the {classes} classes");
            }
            (Targets::Labels(Rows { width, values }), Task::Labels, told)
            | (Targets::Numbers(Rows { width, values }), Task::Regression | Task::Series, told) => {
                ensure!(*width == told, "{width} targets for each of the {what}, and the network tells {told}");
                ensure!(values.iter().all(|value| value.is_finite()), "a target is not finite");
            }
            (_, task, _) => ensure!(false, "the targets are not those of the task {task:?}"),
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
            Config { heads: 0, ..good.clone() },
            Config { heads: 3, ..good.clone() },
            Config { hidden: 4096, heads: 512, ..good.clone() },
            Config { hidden: 4096, heads: 256, layers: 5, ..good.clone() },
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
        assert!(bad(|b| b.inputs = Inputs::Tokens(vec![1, 10, 3])).contains("token 10"));
        assert!(bad(|b| b.inputs = Inputs::Numbers(Rows { width: 1, values: vec![0.0; 3] })).contains("reads Tokens"));
        assert!(bad(|b| b.targets = Some(Targets::Classes(vec![2, 0]))).contains("class 2"));
        assert!(
            bad(|b| b.targets = Some(Targets::Labels(Rows { width: 2, values: vec![0.0; 3] })))
                .contains("of 2 sequences")
        );
        assert!(
            bad(|b| b.targets = Some(Targets::Numbers(Rows { width: 2, values: vec![0.0; 4] })))
                .contains("the task Class")
        );
        assert!(bad(|b| b.lengths[0] = 0).contains("sequence 0"));
        assert!(bad(|b| b.lengths[0] = 3).contains("add up to 4"));
        assert!(bad(|b| b.targets = Some(Targets::Classes(vec![1]))).contains("of 2 sequences"));
        assert!(bad(|b| b.targets = None).contains("no targets"));
        assert!(bad(|b| b.lengths.clear()).contains("no sequence"));
    }
}
