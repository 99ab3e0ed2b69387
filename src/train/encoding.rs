//! From what files hold to data sets: how a model reads inputs and targets, learnt from training data and stored with
//! the model.

use super::dataset::Dataset;
use super::sources::Files;
use super::told::{Marks, StepsTold, Told};
use crate::data::batch::Inputs;
use crate::data::readers::labels::{self, label};
use crate::data::{
    BETWEEN, Classes, Examples, Normalisation, RawInputs, RawTargets, Rows, Scale, Scaling, Sequences, Tokenizer,
};
use crate::error::{Error, Problem, Result, ensure};
use crate::listing::quoted;
use crate::network::Task;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// How the inputs of files become the network's.
#[derive(Clone)]
pub enum InputEncoder {
    /// Texts become token ids.
    Tokens(Tokenizer),
    /// Numbers are shifted and scaled.
    Numbers(Scaling),
}

/// How the targets of files become the network's, and what it tells becomes theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TargetEncoder {
    /// One of these classes.
    #[serde(rename = "class")]
    Classes(Classes),
    /// Any of these labels; in a table's label column they stand with commas between them.
    #[serde(rename = "labels")]
    Labels(Vec<String>),
    /// Numbers, which the network tells normalised.
    #[serde(rename = "regression")]
    Numbers(Normalisation),
    /// One of these classes for every step.
    #[serde(rename = "tags")]
    Tags(Classes),
    /// Numbers of every step, which the network tells normalised.
    #[serde(rename = "series")]
    Series(Normalisation),
}

impl TargetEncoder {
    /// Learns from training data; of numbers, from the rows that are trained on alone.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Data`] for targets that do not fit the task.
    pub fn fit(task: Task, files: &Files, rows: &[usize]) -> Result<TargetEncoder> {
        let examples = &files.train;
        match (task, &examples.targets) {
            (Task::Class, _) => Classes::fit(examples).map(TargetEncoder::Classes),
            (Task::Labels, Some(RawTargets::Numbers(rows))) => {
                Ok(TargetEncoder::Labels((0..rows.width).map(|i| i.to_string()).collect()))
            }
            (Task::Labels, _) => {
                let names: BTreeSet<String> = examples.names()?.iter().flat_map(|own| items(own)).map(label).collect();
                let none = "there is no label: each row lists its labels with commas between them";
                ensure!(!names.is_empty(), Error::data(&examples.place, none));
                Ok(TargetEncoder::Labels(names.into_iter().collect()))
            }
            (Task::Regression, _) => {
                let own = numbers_of(examples)?.select(rows);
                let all = || std::iter::once(own.values.iter().copied());
                let fitted = Normalisation::fit(all(), own.width)?;
                warn_of_blurred("number to tell", &fitted, all());
                Ok(TargetEncoder::Numbers(fitted))
            }
            (Task::Tags, _) => {
                let others: Vec<&Examples> = files.valid.iter().chain(&files.test).collect();
                Classes::fit_tags(examples, &others).map(TargetEncoder::Tags)
            }
            (Task::Series, _) => {
                let own = steps_of(examples)?;
                let all = || rows.iter().map(|&row| own.row(row));
                let fitted = Normalisation::fit(all(), own.width)?;
                warn_of_blurred("number to tell", &fitted, all());
                Ok(TargetEncoder::Series(fitted))
            }
        }
    }

    /// What a network must tell.
    pub fn task(&self) -> Task {
        match self {
            TargetEncoder::Classes(_) => Task::Class,
            TargetEncoder::Labels(_) => Task::Labels,
            TargetEncoder::Numbers(_) => Task::Regression,
            TargetEncoder::Tags(_) => Task::Tags,
            TargetEncoder::Series(_) => Task::Series,
        }
    }

    /// `[C]`: a name for each class, label or number.
    pub fn names(&self) -> Vec<String> {
        match self {
            TargetEncoder::Classes(classes) | TargetEncoder::Tags(classes) => classes.names().to_vec(),
            TargetEncoder::Labels(names) => names.clone(),
            TargetEncoder::Numbers(own) | TargetEncoder::Series(own) => {
                (0..own.mean.len()).map(|i| i.to_string()).collect()
            }
        }
    }

    /// How numbers to tell are made normal; `None` where there are none.
    pub fn normalisation(&self) -> Option<&Normalisation> {
        match self {
            TargetEncoder::Numbers(own) | TargetEncoder::Series(own) => Some(own),
            _ => None,
        }
    }

    /// The targets of a file.
    ///
    /// # Errors
    /// [`Error::Data`] for what the model does not know, or cannot tell.
    pub fn encode(&self, examples: &Examples) -> Result<Told> {
        let wrong = |problem: String| Error::data(&examples.place, problem);
        match (self, &examples.targets) {
            (TargetEncoder::Classes(classes), _) => classes.encode(examples).map(Told::Classes),
            (TargetEncoder::Labels(names), Some(RawTargets::Numbers(rows))) => {
                let (own, width, values) = (rows.width, names.len(), &rows.values);
                ensure!(own == width, wrong(format!("it has {own} labels a row, and the model {width}")));
                match values.iter().position(|value| *value != 0.0 && *value != 1.0) {
                    Some(at) => Err(wrong(format!("row {}: the label is {}: each is 0 or 1", at / width, values[at]))),
                    None => {
                        let mut marks = Marks::new(width);
                        for row in values.chunks(width) {
                            marks.push((0..).zip(row).filter(|(_, mark)| **mark != 0.0).map(|(label, _)| label));
                        }
                        Ok(Told::Labels(marks))
                    }
                }
            }
            (TargetEncoder::Labels(names), _) => marks(examples, names).map(Told::Labels),
            (TargetEncoder::Numbers(normalisation), _) => {
                let (Rows { width, values }, known) = (numbers_of(examples)?, normalisation.mean.len());
                let other = format!("it has {width} numbers to tell a row, and the model tells {known}");
                ensure!(width == known, wrong(other));
                let values: Vec<f32> = normalisation.apply(values.into_iter()).collect();
                let far = |at| wrong(format!("row {}: what is told is too far from what was trained on", at / width));
                match values.iter().position(|value| !value.is_finite()) {
                    Some(at) => Err(far(at)),
                    None => Ok(Told::Numbers(Rows { width, values })),
                }
            }
            (TargetEncoder::Tags(classes), _) => {
                let (own, lengths) = classes.encode_tags(examples)?;
                Ok(Told::Steps(StepsTold::new(Told::Classes(own), lengths.into_iter()).named(classes.names())))
            }
            (TargetEncoder::Series(normalisation), _) => {
                let (own, known) = (steps_of(examples)?, normalisation.mean.len());
                let other = format!("it has {} numbers to tell a step, and the model tells {known}", own.width);
                ensure!(own.width == known, wrong(other));
                let mut values = Vec::new();
                for row in 0..own.len() {
                    values.extend(normalisation.apply(own.row(row)));
                    let far = format!("row {row}: what is told is too far from what was trained on");
                    ensure!(
                        values.iter().rev().take(own.steps(row) * known).all(|value| value.is_finite()),
                        wrong(far)
                    );
                }
                let told = Told::Numbers(Rows { width: known, values });
                Ok(Told::Steps(StepsTold::new(told, (0..own.len()).map(|row| own.steps(row)))))
            }
        }
    }
}

/// The labels of a list.
fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !label(name).is_empty())
}

/// The labels that each row lists.
fn marks(examples: &Examples, names: &[String]) -> Result<Marks> {
    let places: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let mut marks = Marks::new(names.len());
    for (row, list) in examples.names()?.iter().enumerate() {
        let place = |name| {
            let known = labels::find(name, |name| places.get(name).copied());
            known.ok_or_else(|| examples.unknown(row, name, "labels", names))
        };
        marks.push(items(list).map(place).collect::<Result<Vec<u32>>>()?);
    }
    Ok(marks)
}

/// The numbers that are to be told: as the file has them, or out of its names.
fn numbers_of(examples: &Examples) -> Result<Rows<f64>> {
    if let Some(RawTargets::Numbers(rows)) = &examples.targets {
        return Ok(rows.clone());
    }
    let number = |(row, name): (usize, &String)| {
        let number = label(name).parse::<f64>().ok().filter(|number| number.abs() <= f32::MAX.into());
        number.ok_or_else(|| examples.error(row, format!("has the label {}, which is no number", quoted(name))))
    };
    Ok(Rows { width: 1, values: examples.names()?.iter().enumerate().map(number).collect::<Result<_>>()? })
}

/// The numbers of every step that are to be told.
fn steps_of(examples: &Examples) -> Result<Cow<'_, Sequences>> {
    match &examples.targets {
        Some(RawTargets::Steps(own)) => Ok(Cow::Borrowed(own)),
        // Whole numbers may be tags as well.
        Some(RawTargets::Tags(own)) => {
            let (mut values, mut ends) = (vec![], vec![]);
            for (row, tag) in
                own.iter().enumerate().flat_map(|(row, own)| own.split(BETWEEN).map(move |tag| (row, tag)))
            {
                let number = label(tag).parse::<f64>().ok().filter(|number| number.abs() <= f32::MAX.into());
                let wrong = || examples.error(row, format!("has {} for a step, which is no number", quoted(tag)));
                values.push(number.ok_or_else(wrong)?);
                ends.resize(row + 1, 0);
                ends[row] = values.len();
            }
            Ok(Cow::Owned(Sequences::of_ends(1, values, ends)))
        }
        Some(_) => Err(Error::data(&examples.place, Problem::SequencesTold)),
        None => Err(Error::data(&examples.place, Problem::NoTargets)),
    }
}

/// Tells of columns in which what varies is lost in f32, also after it is normalised.
fn warn_of_blurred<S: Iterator<Item = f64> + Clone>(
    what: &str,
    fitted: &Normalisation,
    sequences: impl Iterator<Item = S>,
) {
    for column in fitted.blurred(sequences) {
        log::warn!(
            "{what} {column} (counted from 0) has numbers that differ by so little, beside the largest, that they become the same"
        );
    }
}

/// Texts that are cut into tokens at once.
const PART: usize = 4096;

impl InputEncoder {
    /// Learns from these rows of sequences `[T_i, width]` how to make them normal.
    ///
    /// # Errors
    /// As [`Scaling::fit`].
    pub fn of_numbers(sequences: &Sequences, rows: &[usize], scale: Scale) -> Result<InputEncoder> {
        let own = || rows.iter().map(|&row| sequences.row(row));
        let fitted = Scaling::fit(own(), sequences.width, scale)?;
        if scale == Scale::Channel {
            warn_of_blurred("input column", &fitted.channels, own());
        }
        Ok(InputEncoder::Numbers(fitted))
    }

    /// The inputs of a file's rows as the network reads them.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers where the model reads text, for text where it reads numbers, or for another width.
    pub fn encode(&self, examples: &Examples, rows: &[usize]) -> Result<Dataset> {
        let wrong = |problem: &str| Error::data(&examples.place, problem);
        match (self, &examples.inputs) {
            (InputEncoder::Tokens(tokenizer), RawInputs::Texts(texts)) => {
                // By parts, as what the tokenizer gives is of several pieces, and the data set of one.
                let parts = rows.chunks(PART).flat_map(|rows| {
                    tokenizer.encode_batch(&rows.iter().map(|&row| texts[row].as_str()).collect::<Vec<_>>())
                });
                Ok(Dataset::of_tokens(parts).with_unknowns(tokenizer.unknowns()))
            }
            (InputEncoder::Numbers(scaling), RawInputs::Numbers(sequences)) => {
                let (own, width) = (scaling.width(), sequences.width);
                let other = format!("its steps have {width} numbers, and the model reads steps of {own}");
                ensure!(own == width, wrong(&other));
                let far = |row| wrong(&format!("row {row}: its numbers are too far from those that were trained on"));
                let lengths = rows.iter().map(|&row| sequences.steps(row));
                let read = scaling.channels_read();
                let mut values = Vec::with_capacity(lengths.clone().sum::<usize>() * read);
                for &row in rows {
                    let start = values.len();
                    scaling.apply(sequences.row(row), &mut values);
                    ensure!(values[start..].iter().all(|number| number.is_finite()), far(row));
                }
                Ok(Dataset::of(Inputs::Numbers(Rows { width: read, values }), lengths))
            }
            (InputEncoder::Tokens(_), _) => Err(wrong("it holds numbers, and the model reads text")),
            (InputEncoder::Numbers(_), _) => Err(wrong("it holds text, and the model reads numbers")),
        }
    }
}

/// The data set of a file, with its targets where they are wanted.
///
/// # Errors
/// As [`InputEncoder::encode`] and [`TargetEncoder::encode`].
pub fn dataset(inputs: &InputEncoder, targets: Option<&TargetEncoder>, examples: &Examples) -> Result<Dataset> {
    let data = inputs.encode(examples, &(0..examples.lines.len()).collect::<Vec<_>>())?;
    let Some(targets) = targets else { return Ok(data) };
    data.with_targets(targets.encode(examples)?)
}
