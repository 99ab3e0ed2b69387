//! What a file of data holds, as it stands there: texts or numbers, with what is to be told of them.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use super::format::Format;
use super::keys::Keys;
use super::labels::label;
use super::limits::Limits;
use super::source::Source;
use crate::data::{Rows, Sequences};
use crate::error::{Error, Problem, Result};
use crate::listing::{listed, quoted};

/// N examples of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    /// Where they come from, for messages.
    pub place: String,
    /// `[N]`: the line, or the row of an array, on which each begins, from 1.
    pub lines: Vec<u64>,
    /// Of the same N examples.
    pub inputs: RawInputs,
    /// `None` where they were not asked for, or there are none.
    pub targets: Option<RawTargets>,
    /// The file of the targets, where they have one of their own.
    pub targets_place: Option<String>,
    /// All columns, where they were asked for and the examples come from a table with a header.
    pub cells: Option<Cells>,
    /// Rows of the file that are not among them.
    pub left_out: LeftOut,
}

/// Broken rows that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many there are.
    pub count: usize,
    /// Where each is and what is wrong with it, of the first hundred.
    pub told: Vec<String>,
}

impl LeftOut {
    /// What was read of a row; `None` if it is broken and such rows are left out.
    ///
    /// # Errors
    /// That of the row, unless it is left out; of one that asks for too much always.
    pub(super) fn row<T>(&mut self, skips: bool, read: Result<T>) -> Result<Option<T>> {
        match read {
            Err(Error::Data { place, problem })
                if skips && !matches!(problem, Problem::Excess(_) | Problem::TooLarge { .. }) =>
            {
                self.count += 1;
                if self.told.len() < MOST_TOLD {
                    self.told.push(format!("{place}: {problem}"));
                }
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// The error that no row is left, where a file `has` none.
    pub(super) fn none(&self, place: &str, has: &str) -> Error {
        match self.told.first() {
            None => Error::data(place, has),
            Some(first) => Error::data(place, format!("{has}: all {} were left out, the first as {first}", self.count)),
        }
    }
}

/// Rows that were left out of which is told what is wrong.
const MOST_TOLD: usize = 100;

/// The columns of a table as they stand there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// Their names.
    pub header: Vec<String>,
    /// `[N]`: the fields of each row, as many as the header has.
    pub rows: Vec<Vec<String>>,
}

/// What is read of each of N examples.
#[derive(Clone, Debug, PartialEq)]
pub enum RawInputs {
    /// `[N]`, as they stand in the file; they may be empty.
    Texts(Vec<String>),
    /// N sequences, each with `T_i` >= 1; all numbers are finite, and as the file has them: what
    /// varies in large numbers would be lost in f32 before they are normalised.
    Numbers(Sequences),
}

/// What is to be told of each of N examples.
#[derive(Clone, Debug, PartialEq)]
pub enum RawTargets {
    /// `[N]`: a class, labels with commas between them, or a number as text; without blanks around it.
    Names(Vec<String>),
    /// `[N, C]`, finite: numbers to be found, or 0 and 1 for several labels at once.
    Numbers(Rows<f64>),
    /// `[N]`: the tags of all steps of each, with [`BETWEEN`] between them, as many as it has tokens.
    Tags(Vec<String>),
    /// N sequences `[T_i, C]`, finite: numbers of every step.
    Steps(Sequences),
}

/// What stands between the tokens of a sequence, or its tags, where they are given one by one.
pub const BETWEEN: char = '\n';

/// Numbers beyond this, the largest f32, are as good as infinite.
pub(super) const MOST: f64 = f32::MAX as f64;

impl Examples {
    /// What is in memory already, by the name that errors shall have for it.
    pub fn of(place: &str, inputs: RawInputs, targets: Option<RawTargets>) -> Examples {
        let count = match &inputs {
            RawInputs::Texts(texts) => texts.len(),
            RawInputs::Numbers(sequences) => sequences.len(),
        };
        let (targets_place, cells, left_out) = (None, None, LeftOut::default());
        Examples {
            place: place.into(),
            lines: (1..=count as u64).collect(),
            inputs,
            targets,
            targets_place,
            cells,
            left_out,
        }
    }

    /// The texts, if they are texts.
    pub fn texts(&self) -> Option<&[String]> {
        match &self.inputs {
            RawInputs::Texts(texts) => Some(texts),
            RawInputs::Numbers(_) => None,
        }
    }

    /// The name of each target; a whole number is a name, too.
    ///
    /// # Errors
    /// [`Error::Data`] if there are no targets, or they are other numbers.
    pub(crate) fn names(&self) -> Result<Cow<'_, [String]>> {
        match &self.targets {
            Some(RawTargets::Names(names)) => Ok(Cow::Borrowed(names)),
            Some(RawTargets::Numbers(Rows { width: 1, values })) if values.iter().all(|own| own.fract() == 0.0) => {
                Ok(values.iter().map(|own| label(&format!("{own:.1}"))).collect())
            }
            Some(RawTargets::Tags(_) | RawTargets::Steps(_)) => Err(Error::data(&self.place, Problem::StepsTold)),
            Some(RawTargets::Numbers(_)) => Err(Error::data(&self.place, Problem::NumbersForClasses)),
            None => Err(Error::data(&self.place, Problem::NoTargets)),
        }
    }

    /// The tags of the steps of each, with [`BETWEEN`] between them; whole numbers are tags, too.
    ///
    /// # Errors
    /// [`Error::Data`] if there are no targets of steps, or they are other numbers.
    pub(crate) fn tags(&self) -> Result<Cow<'_, [String]>> {
        match &self.targets {
            Some(RawTargets::Tags(tags)) => Ok(Cow::Borrowed(tags)),
            Some(RawTargets::Steps(own)) if own.width == 1 && own.all_whole() => {
                let name = |number: f64| label(&format!("{number:.1}"));
                let tags =
                    (0..own.len()).map(|row| own.row(row).map(name).collect::<Vec<_>>().join(&BETWEEN.to_string()));
                Ok(tags.collect())
            }
            Some(RawTargets::Steps(_)) => Err(Error::data(&self.place, Problem::NumbersForTags)),
            Some(_) => Err(Error::data(&self.place, Problem::SequencesTold)),
            None => Err(Error::data(&self.place, Problem::NoTargets)),
        }
    }

    /// The error that one of them has a name which is none of the known `what`: classes or labels.
    pub(crate) fn unknown(&self, row: usize, name: &str, what: &str, known: &[String]) -> Error {
        let known = listed(known.iter().map(String::as_str));
        self.error(row, format!("has the label {}, and the {what} are {known}", quoted(name)))
    }

    /// An error about the target of one of them.
    pub(crate) fn error(&self, row: usize, problem: impl Into<Problem>) -> Error {
        match &self.targets_place {
            Some(place) => Error::data(format_args!("{place}: row {row}"), problem),
            None => Error::data(format_args!("{}:{}", self.place, self.lines[row]), problem),
        }
    }
}

/// What a step of an image is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pixels {
    /// A pixel: T = rows x columns, D = 1.
    #[default]
    Each,
    /// A row: T = rows, D = columns.
    Rows,
}

/// Which parts of a file are read, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadOptions {
    /// The column of a table that holds the text; `text` by default.
    pub text: String,
    /// The column of the target; `label` by default.
    pub label: String,
    /// `None`: as the file's name says; of texts, else as their first line looks.
    pub format: Option<Format>,
    /// A file of targets beside `.npy` and IDX images.
    pub labels: Option<PathBuf>,
    /// What a step of an image is; other formats do not look at it.
    pub pixels: Pixels,
    /// Whether a table begins with the names of its columns; else they are called by their number, from 1.
    #[serde(default = "yes")]
    pub header: bool,
    /// The encoding of a text; `None`: UTF-8, or UTF-16 where a byte order mark says so.
    #[serde(default)]
    pub encoding: Option<Encoding>,
    /// The names of the arrays of an `.npz`.
    #[serde(default)]
    pub keys: Keys,
    /// Whether broken rows of a text file are left out.
    #[serde(default)]
    pub skip_bad_rows: bool,
    /// Whether a file whose name does not say so is no table of numbers, however it looks.
    #[serde(default)]
    pub only_texts: bool,
    /// Whether what is to be told is of every step, not of the sequence.
    #[serde(default)]
    pub steps: bool,
    /// What is to be told of a step is the sequence itself, so many steps later.
    #[serde(default)]
    pub ahead: Option<usize>,
    /// Whether all columns of a table are kept.
    #[serde(default)]
    pub cells: bool,
    /// How much a file may ask for.
    #[serde(default)]
    pub limits: Limits,
}

fn yes() -> bool {
    true
}

impl Default for ReadOptions {
    /// Columns `text` and `label`, pixel by pixel.
    fn default() -> ReadOptions {
        let [text, label] = ["text", "label"].map(String::from);
        let limits = Limits::default();
        ReadOptions {
            text,
            label,
            format: None,
            labels: None,
            pixels: Pixels::Each,
            header: true,
            encoding: None,
            keys: Keys::default(),
            skip_bad_rows: false,
            only_texts: false,
            steps: false,
            ahead: None,
            cells: false,
            limits,
        }
    }
}

impl ReadOptions {
    /// Columns `tokens` and `tags`: what is to be told is of every step.
    pub fn of_steps() -> ReadOptions {
        let [text, label] = [super::tagged::TOKENS, super::tagged::TAGS].map(String::from);
        ReadOptions { text, label, steps: true, ..ReadOptions::default() }
    }

    /// The format that is given, or that the file's name and, where it may be a table of numbers, its first lines tell: it may be opened.
    pub fn format_of(&self, source: &Source) -> Option<Format> {
        let by_name = || Format::of_name(source);
        let found = || if self.only_texts || self.steps { by_name() } else { Format::of(source, self) };
        self.format.or_else(found)
    }

    /// Whether the file holds numbers, by its format.
    pub fn is_numbers(&self, source: &Source) -> bool {
        self.are_numbers(source, self.format_of(source))
    }

    /// Whether a file of this format holds numbers; of columns, whether none is that of the text.
    pub fn are_numbers(&self, source: &Source, format: Option<Format>) -> bool {
        match (source, format) {
            (_, Some(Format::Tsv | Format::Csv)) if self.steps => !super::step_rows::has_tokens(source, self),
            #[cfg(feature = "columnar")]
            (Source::File(path), Some(format)) if format.is_columnar() => {
                !self.only_texts && super::columns::holds_numbers(path, format, self)
            }
            _ => format.is_some_and(Format::is_numbers),
        }
    }
}
