//! The settings of a training, from data to weights.

use super::choice::Open;
use super::{Keep, Options, Sources};
use crate::data::Scale;
use crate::data::batch::Padding;
use crate::error::{Error, Result, ensure};
use crate::network::{Activation, Config, Direction, Input, Reset};
use crate::slicing::Slicing;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// The settings of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Where the data comes from.
    pub sources: Sources,
    /// The network as far as the data leaves it open: `classes` and, of numbers, `input` and `embedding` are the data's,
    /// and `vocabulary` is the most words that there are to be, with two special ones.
    pub network: Config,
    /// What a token is, where the inputs are texts.
    pub tokens: Tokens,
    /// Whether HTML is taken out of the texts.
    #[serde(default)]
    pub strip_html: bool,
    /// What numbers are compared with, where the inputs are numbers.
    pub scale: Scale,
    /// Which of these settings the data decides; what they say is then of no account.
    pub open: BTreeSet<Open>,
    /// A model whose weights are the first ones; its network, and how it reads and tells, are taken as they are.
    #[serde(default)]
    pub from: Option<PathBuf>,
    /// Word vectors for the embedding to begin with, a text file of its width.
    pub vectors: Option<PathBuf>,
    /// Whether every class counts as much as any other, and not every sequence.
    pub balanced: bool,
    /// Whether, when the best epoch is known, another training begins on all sequences, with those that were held out.
    pub refit: bool,
    /// Whether thresholds are found for what is told, on the validation data.
    #[serde(default)]
    pub thresholds: bool,
    /// How to train. The seed decides the first weights too.
    pub options: Options,
}

/// What the tokens of a text are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tokens {
    /// The most frequent words, of those that occur `min_count` times or more.
    Words {
        /// Occurrences in the training data that a word needs to be known.
        min_count: u64,
    },
    /// The most frequent characters, of those that occur `min_count` times or more.
    Characters {
        /// Occurrences in the training data that a character needs to be known.
        min_count: u64,
    },
    /// The bytes of the text in UTF-8.
    Bytes,
    /// What is given one by one, where steps are told of; those that occur `min_count` times or more.
    Given {
        /// Occurrences in the training data that a token needs to be known.
        min_count: u64,
        /// Whether they are read in lower case.
        lower: bool,
        /// Whether those that are not known are told apart by their endings.
        endings: bool,
    },
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tokens::Words { .. } => "words",
            Tokens::Characters { .. } => "chars",
            Tokens::Bytes => "bytes",
            Tokens::Given { .. } => "given",
        })
    }
}

impl Recipe {
    /// Of these data, with the settings that are the same for all data: nothing is open.
    pub fn of(sources: Sources) -> Recipe {
        Recipe {
            sources,
            network: Config::default(),
            tokens: Tokens::Words { min_count: 2 },
            strip_html: false,
            scale: Scale::Channel,
            open: BTreeSet::new(),
            from: None,
            vectors: None,
            balanced: false,
            refit: false,
            thresholds: false,
            options: Options::default(),
        }
    }

    /// The same with the cell, the padding and the gradients, which are not clipped, of the paper's own code.
    pub fn of_the_paper(mut self) -> Recipe {
        self.network.reset = Reset::Before;
        self.network.activation = Activation::Identity;
        self.network.padding = Padding::Unmasked;
        self.options.optimiser.clip = None;
        self
    }

    /// Refuses a forecast that sees what it is to tell.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub(super) fn check_forecast(&self) -> Result<()> {
        let is_open = |open| self.open.contains(&open);
        let forecasts = self.sources.reading.ahead.is_some();
        let forward = self.network.direction == Direction::Forward || is_open(Open::Direction);
        ensure!(forward || !forecasts, "a forecast reads forward: backward, a sequence shows what is to be told");
        let by_channel = self.scale == Scale::Channel || is_open(Open::Normalise);
        let whole = "a forecast cannot be made normal by its whole sequence, which has what is to be told: say --normalise channel";
        ensure!(by_channel || !forecasts, "{whole}");
        Ok(())
    }

    /// Checks all that can be told before the data is read.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::Config`] or [`Error::Slicing`].
    pub fn check(&self) -> Result<()> {
        self.options.check()?;
        let fraction = self.sources.valid_fraction;
        let none = fraction == 0.0 && self.sources.valid.is_none();
        ensure!(
            (0.0..1.0).contains(&fraction),
            Error::setting("valid_fraction", fraction, "at least 0 and less than 1")
        );
        let last = "without validation data the last epoch is kept: say --keep last, and not --refit";
        ensure!(!none || (self.options.keep == Keep::Last && !self.refit), Error::Config(last.into()));
        let unseen = "thresholds are found on validation data, and there is none";
        ensure!(!none || !self.thresholds, Error::Config(unseen.into()));
        self.options.metric.map_or(Ok(()), |metric| metric.check(self.network.task))?;
        let (words, wanted) = (self.network.vocabulary, "3 or more, to hold [PAD], [UNK] and a word");
        ensure!(words >= 3 || self.network.input == Input::Numbers, Error::setting("vocabulary", words, wanted));
        let fits = !self.balanced || self.network.task.is_one_of();
        ensure!(fits, Error::Config("only classes can be balanced".into()));
        self.check_forecast()?;
        let mut network = self.network.clone();
        // What is chosen later fits what is given.
        if self.open.contains(&Open::Slices) {
            (network.slicing, network.context) = (Slicing::plain(), 0);
        }
        if self.open.contains(&Open::Length) {
            network.length = network.slicing.slices().max(network.context).max(network.length);
        }
        network.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Source;
    use crate::network::Task;
    use crate::train::Metric;

    #[test]
    fn settings_that_cannot_work_are_named() {
        let good = Recipe { balanced: true, ..Recipe::of(Sources::of(Source::Stdin)) };
        assert!(good.check().is_ok() && good.clone().of_the_paper().check().is_ok());
        let error = |change: fn(&mut Recipe)| {
            let mut recipe = good.clone();
            change(&mut recipe);
            recipe.check().unwrap_err().to_string()
        };
        assert_eq!(
            error(|r| r.sources.valid_fraction = 1.0),
            "valid_fraction 1: it must be at least 0 and less than 1"
        );
        let last = "without validation data the last epoch is kept: say --keep last, and not --refit";
        assert_eq!(error(|r| r.sources.valid_fraction = 0.0), last);
        assert!(error(|r| r.options.metric = Some(Metric::R2)).starts_with("metric r2: it must be accuracy"));
        // What is open is of no account.
        let open = Recipe { open: Open::all(), ..good.clone() };
        let short = Config { length: 20, context: 3, ..Config::default() };
        assert!(Recipe { network: short.clone(), ..open }.check().is_ok());
        assert!(Recipe { network: short, ..good.clone() }.check().is_err());
        assert_eq!(error(|r| r.network.hidden = 0), "hidden 0: it must be at least 1");
        assert!(error(|r| r.network.vocabulary = 2).starts_with("vocabulary 2: "));
        assert!(error(|r| r.network.task = Task::Labels).contains("only classes"));
    }
}
