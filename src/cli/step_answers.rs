//! What `srnn predict` tells of every step, as JSON Lines, CoNLL's text, a table or an array.

use super::answers::{Answers, csv_line, share, told_digits};
use super::{ensure, print};
use crate::data::{BETWEEN, npy_bytes};
use crate::files::write_atomically;
use crate::network::Network;
use crate::train::{Dataset, Model, TargetEncoder, Thresholds, answers};
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::PathBuf;

/// Takes answers in the order of the sequences.
pub struct StepWriter<'a> {
    answers: Answers,
    model: &'a Model,
    names: Vec<String>,
    /// Steps of each sequence so far.
    lengths: Vec<usize>,
    /// `None` for standard output, to which lines go as they come.
    out: Option<PathBuf>,
    bytes: Vec<u8>,
    values: Vec<f32>,
}

impl<'a> StepWriter<'a> {
    /// For answers of this kind.
    ///
    /// # Errors
    /// [`Error::Config`] for one that there is not of such.
    pub fn new(answers: Answers, model: &'a Model, out: Option<PathBuf>) -> Result<StepWriter<'a>> {
        let tags = matches!(model.targets, TargetEncoder::Tags(_));
        ensure(tags || answers != Answers::Conll, "--as conll is for tags, and the model tells numbers")?;
        let names = model.targets.names();
        Ok(StepWriter { answers, model, names, lengths: vec![], out, bytes: vec![], values: vec![] })
    }

    /// Tells of all sequences of a data set, whose tokens these are, if they are tokens; `batch` windows are read at once.
    pub fn tell(
        &mut self,
        network: &mut Network,
        data: &mut Dataset,
        texts: Option<&[String]>,
        batch: usize,
    ) -> Result<()> {
        answers(network, data, batch, |sequence, told| self.take(told, texts.map(|texts| texts[sequence].as_str())))
    }

    /// Takes what is told of the steps of a sequence, `[T, C]`.
    fn take(&mut self, told: &[f32], text: Option<&str>) -> Result<()> {
        // A line without a token still has a step, of nothing.
        let told = if text == Some("") { &[] } else { told };
        let rows: Vec<&[f32]> = told.chunks(self.names.len()).collect();
        let tokens = text.map(|text| text.split(BETWEEN).filter(|token| !token.is_empty()).collect::<Vec<&str>>());
        if self.answers == Answers::Csv && self.lengths.is_empty() {
            self.bytes.extend(self.header(tokens.is_some()).into_bytes());
        }
        match self.answers {
            Answers::Jsonl => {
                let mut line = Map::new();
                line.extend(tokens.as_ref().map(|tokens| ("tokens".to_string(), json!(tokens))));
                line.extend(self.fields(&rows));
                let line = Value::Object(line);
                self.bytes.extend(format!("{line}\n").into_bytes());
            }
            Answers::Conll => {
                for (at, row) in rows.iter().enumerate() {
                    let token = tokens
                        .as_ref()
                        .and_then(|tokens| tokens.get(at))
                        .map_or_else(|| (at + 1).to_string(), ToString::to_string);
                    self.bytes.extend(format!("{token}\t{}\n", self.tag(row)).into_bytes());
                }
                self.bytes.push(b'\n');
            }
            Answers::Csv => {
                for (at, row) in rows.iter().enumerate() {
                    let place = [self.lengths.len() + 1, at + 1].map(|number| number.to_string());
                    let token = tokens.as_ref().map(|tokens| tokens.get(at).copied().unwrap_or_default().to_string());
                    let told = match self.model.targets.normalisation() {
                        Some(_) => self.numbers(row).iter().map(f64::to_string).collect(),
                        None => vec![self.tag(row).to_string(), share(self.surest(row)).to_string()],
                    };
                    self.bytes.extend(csv_line(place.into_iter().chain(token).chain(told)).into_bytes());
                }
            }
            Answers::Npy => match self.model.targets.normalisation() {
                Some(own) => {
                    rows.iter().for_each(|row| self.values.extend(own.undo(row).into_iter().map(|x| x as f32)));
                }
                None => self.values.extend(told),
            },
        }
        self.lengths.push(rows.len());
        if self.out.is_none() {
            // The bytes are text as long as no array is asked for.
            print(&String::from_utf8_lossy(&std::mem::take(&mut self.bytes)))?;
        }
        Ok(())
    }

    /// Writes the file, or the array.
    pub fn finish(mut self) -> Result<()> {
        if self.answers == Answers::Npy {
            let steps = self.lengths.first().copied().unwrap_or(0);
            let even = self.lengths.iter().all(|own| *own == steps);
            ensure(even, "an array needs sequences of one length: say --as jsonl or --as csv")?;
            self.bytes = npy_bytes(&[self.lengths.len(), steps, self.names.len()], &self.values)?;
        }
        match &self.out {
            Some(path) => write_atomically(path, &self.bytes),
            None => std::io::stdout().lock().write_all(&self.bytes).map_err(Error::io("standard output")),
        }
    }

    fn header(&self, tokens: bool) -> String {
        let place = ["sequence", "step"].into_iter().chain(tokens.then_some("token")).map(String::from);
        let told = match self.model.targets.normalisation() {
            Some(_) => self.names.iter().map(|name| format!("value:{name}")).collect(),
            None => vec!["predicted".into(), "probability".into()],
        };
        csv_line(place.chain(told))
    }

    fn fields(&self, rows: &[&[f32]]) -> Vec<(String, Value)> {
        if self.model.targets.normalisation().is_none() {
            let tags: Vec<&str> = rows.iter().map(|row| self.tag(row)).collect();
            let shares: Vec<f64> = rows.iter().map(|row| share(self.surest(row))).collect();
            return vec![("tags".into(), json!(tags)), ("probabilities".into(), json!(shares))];
        }
        let values: Vec<Vec<f64>> = rows.iter().map(|row| self.numbers(row)).collect();
        match self.names.len() {
            1 => vec![("values".into(), json!(values.concat()))],
            _ => vec![("values".into(), json!(values))],
        }
    }

    fn numbers(&self, row: &[f32]) -> Vec<f64> {
        let Some(own) = self.model.targets.normalisation() else { return vec![] };
        own.undo(row).into_iter().zip(&own.deviation).map(|(value, &deviation)| told_digits(value, deviation)).collect()
    }

    fn tag(&self, row: &[f32]) -> &str {
        &self.names[Thresholds::class(None, row)]
    }

    fn surest(&self, row: &[f32]) -> f32 {
        row[Thresholds::class(None, row)]
    }
}
