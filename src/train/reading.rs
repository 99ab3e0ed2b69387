//! From what files hold to data sets: how a model reads sequences and what is told of them, learnt from training data
//! and stored with the model.

use super::dataset::{Dataset, Sequences, Told};
use crate::data::listing::{listed as listed_names, quoted};
use crate::data::{Example, Labels, Normalisation, Series, Targets, Tokenizer};
use crate::error::{Error, Result};
use crate::network::{Input, Task};
use serde::{Deserialize, Serialize};

/// What a file holds: texts, or sequences of numbers.
pub struct Raw {
    /// Where it comes from, for messages.
    pub place: String,
    /// Text and label of each sequence; the text is empty where the sequences are numbers.
    pub examples: Vec<Example>,
    /// Width of a step, and each sequence `[T, width]`.
    pub numbers: Option<(usize, Vec<Vec<f32>>)>,
    /// What is told in numbers, `[N, width]`, if the file says so.
    pub targets: Option<(usize, Vec<f32>)>,
}

impl Raw {
    /// Texts with their labels.
    pub fn texts(place: impl ToString, examples: Vec<Example>) -> Raw {
        Raw { place: place.to_string(), examples, numbers: None, targets: None }
    }

    /// Sequences of numbers with what is told of them.
    pub fn series(place: impl ToString, series: Series) -> Raw {
        let Series { width, sequences, targets } = series;
        let (names, targets) = match targets {
            Targets::None => (None, None),
            Targets::Names(names) => (Some(names), None),
            Targets::Numbers { width, values } => (None, Some((width, values))),
        };
        let label = |row: usize| names.as_ref().map(|names| names[row].clone());
        let example = |row| Example { text: String::new(), label: label(row), line: row as u64 + 1 };
        let examples = (0..sequences.len()).map(example).collect();
        Raw { place: place.to_string(), examples, numbers: Some((width, sequences)), targets }
    }
}

/// How steps become the network's input.
#[derive(Clone)]
pub enum Steps {
    Tokens(Tokenizer),
    Numbers(Normalisation),
}

/// What is told of a sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Telling {
    /// One of these classes.
    Class(Labels),
    /// Any of these labels; in a text's label column they stand with commas between them.
    Labels(Vec<String>),
    /// Numbers, which the network tells normalised.
    Regression(Normalisation),
}

impl Telling {
    /// Learns from the rows `rows` of training data.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Data`] for labels that do not fit the task.
    pub fn fit(task: Task, raw: &Raw, rows: Option<&[usize]>) -> Result<Telling> {
        let wrong = |problem: String| Err(Error::data(&raw.place, problem));
        if task == Task::Class && raw.targets.is_some() {
            return wrong("its labels are numbers, not classes: say --task regression or --task labels".into());
        }
        match (task, &raw.targets) {
            (Task::Class, _) => Labels::fit(&raw.place, &raw.examples).map(Telling::Class),
            (Task::Labels, Some((width, _))) => Ok(Telling::Labels((0..*width).map(|i| i.to_string()).collect())),
            (Task::Labels, None) => {
                let lists = raw.examples.iter().filter_map(|example| example.label.as_deref());
                let names: std::collections::BTreeSet<&str> = lists.flat_map(listed).collect();
                if names.is_empty() {
                    return wrong("there is no label: each row lists its labels with commas between them".into());
                }
                Ok(Telling::Labels(names.into_iter().map(str::to_owned).collect()))
            }
            (Task::Regression, _) => {
                let (width, values) = numbers_of(raw)?;
                let values: Vec<f32> = match rows {
                    Some(rows) => rows.iter().flat_map(|&row| &values[row * width..][..width]).copied().collect(),
                    None => values,
                };
                Normalisation::fit(&[values], width).map(Telling::Regression)
            }
        }
    }

    pub fn task(&self) -> Task {
        match self {
            Telling::Class(_) => Task::Class,
            Telling::Labels(_) => Task::Labels,
            Telling::Regression(_) => Task::Regression,
        }
    }

    /// C, and a name for each.
    pub fn names(&self) -> Vec<String> {
        match self {
            Telling::Class(labels) => labels.names().to_vec(),
            Telling::Labels(names) => names.clone(),
            Telling::Regression(normalisation) => (0..normalisation.mean.len()).map(|i| i.to_string()).collect(),
        }
    }

    /// What is told of each sequence.
    fn told(&self, raw: &Raw) -> Result<Told> {
        let wrong = |problem: String| Error::data(&raw.place, problem);
        match self {
            Telling::Class(labels) if raw.targets.is_none() => {
                labels.encode(&raw.place, &raw.examples).map(Told::Classes)
            }
            Telling::Class(_) => Err(wrong("its labels are numbers, and the model tells classes".into())),
            Telling::Labels(names) => {
                let width = names.len();
                let values = match &raw.targets {
                    Some((own, _)) if *own != width => {
                        return Err(wrong(format!("it has {own} labels a row, and the model {width}")));
                    }
                    Some((_, values)) => values.clone(),
                    None => marks(raw, names)?,
                };
                if let Some(at) = values.iter().position(|value| *value != 0.0 && *value != 1.0) {
                    let (row, value) = (at / width, values[at]);
                    return Err(wrong(format!("row {row}: the label is {value}: each is 0 or 1")));
                }
                Ok(Told::Numbers { width, values })
            }
            Telling::Regression(normalisation) => {
                let (width, mut values) = numbers_of(raw)?;
                if width != normalisation.mean.len() {
                    let told = normalisation.mean.len();
                    return Err(wrong(format!("it has {width} numbers to tell a row, and the model tells {told}")));
                }
                normalisation.apply(&mut values);
                if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                    let row = at / width;
                    return Err(wrong(format!("row {row}: what is told is too far from what was trained on")));
                }
                Ok(Told::Numbers { width, values })
            }
        }
    }
}

/// The labels of a list.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// 1 for each label that a row lists, `[N, C]`.
fn marks(raw: &Raw, names: &[String]) -> Result<Vec<f32>> {
    let mut values = vec![0.0; raw.examples.len() * names.len()];
    for (example, row) in raw.examples.iter().zip(values.chunks_mut(names.len())) {
        for name in listed(example.label.as_deref().unwrap_or_default()) {
            let known = names.iter().position(|own| own == name);
            let unknown = || {
                let known = listed_names(names.iter().map(String::as_str));
                let problem = format!("has the label {}, and the labels are {known}", quoted(name));
                Error::data_line(&raw.place, example.line, problem)
            };
            row[known.ok_or_else(unknown)?] = 1.0;
        }
    }
    Ok(values)
}

/// The numbers that are to be told: as the file has them, or out of its labels.
fn numbers_of(raw: &Raw) -> Result<(usize, Vec<f32>)> {
    if let Some((width, values)) = &raw.targets {
        return Ok((*width, values.clone()));
    }
    let number = |example: &Example| {
        let label = example.label.as_deref().unwrap_or_default();
        let number = label.parse::<f32>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| {
            Error::data_line(&raw.place, example.line, format!("has the label {}, which is no number", quoted(label)))
        })
    };
    Ok((1, raw.examples.iter().map(number).collect::<Result<_>>()?))
}

impl Steps {
    pub fn input(&self) -> Input {
        match self {
            Steps::Tokens(_) => Input::Tokens,
            Steps::Numbers(_) => Input::Numbers,
        }
    }

    /// The sequences as the network reads them.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers where the model reads text, for text where it reads numbers, or for another width.
    pub fn sequences(&self, raw: &Raw) -> Result<Sequences> {
        let wrong = |problem: String| Err(Error::data(&raw.place, problem));
        match (self, &raw.numbers) {
            (Steps::Tokens(tokenizer), None) => {
                let texts: Vec<&str> = raw.examples.iter().map(|example| example.text.as_str()).collect();
                Ok(Sequences::Tokens(tokenizer.encode_batch(&texts)))
            }
            (Steps::Numbers(normalisation), Some((width, values))) => {
                let own = normalisation.mean.len();
                if own != *width {
                    return wrong(format!("its steps have {width} numbers, and the model reads steps of {own}"));
                }
                let mut values = values.clone();
                for (row, sequence) in values.iter_mut().enumerate() {
                    normalisation.apply(sequence);
                    if sequence.iter().any(|number| !number.is_finite()) {
                        return wrong(format!("row {row}: its numbers are too far from those that were trained on"));
                    }
                }
                Ok(Sequences::Numbers { width: *width, values })
            }
            (Steps::Tokens(_), Some(_)) => wrong("it holds numbers, and the model reads text".into()),
            (Steps::Numbers(_), None) => wrong("it holds text, and the model reads numbers".into()),
        }
    }
}

/// The data set of a file.
///
/// # Errors
/// As [`Steps::sequences`]; [`Error::Data`] for labels that the model does not know.
pub fn dataset(steps: &Steps, telling: &Telling, raw: &Raw) -> Result<Dataset> {
    Dataset::of(steps.sequences(raw)?, telling.told(raw)?)
}
