//! The data of a training: read, split, encoded, and checked to be the same when a training goes on.

use super::input::InputArgs;
use serde::{Deserialize, Serialize};
use srnn::data::{Source, hold_out, hold_out_unclassed};
use srnn::network::{Config, Layout, training_plan};
use srnn::train::{Dataset, Options, Raw, Sequences, Steps, Telling, Told};
use srnn::{Device, Error, Result};
use std::path::Path;

/// Where the data comes from; kept in the checkpoint, so that training can go on.
#[derive(Clone, Serialize, Deserialize)]
pub struct Origin {
    pub data: Source,
    pub valid: Option<Source>,
    pub test: Option<Source>,
    pub valid_fraction: f64,
    pub input: InputArgs,
    /// A checksum of the encoded data: training cannot go on with other data.
    pub checksum: u32,
}

/// The files of a training, not yet encoded.
pub struct Files {
    pub train: Raw,
    pub valid: Option<Raw>,
    pub test: Option<Raw>,
}

/// Encoded data.
pub struct Data {
    pub train: Dataset,
    pub valid: Dataset,
    pub test: Option<Dataset>,
}

impl Origin {
    /// The same files, found from any folder: training may go on from another one.
    pub fn absolute(mut self) -> Result<Origin> {
        for source in [Some(&mut self.data), self.valid.as_mut(), self.test.as_mut()].into_iter().flatten() {
            *source = source.absolute()?;
            if let Source::File(path) = source {
                check_unicode(path)?;
            }
        }
        if let Some(labels) = &mut self.input.labels {
            *labels = std::path::absolute(&*labels).map_err(Error::io(&*labels))?;
            check_unicode(labels)?;
        }
        Ok(self)
    }

    pub fn read(&self) -> Result<Files> {
        if self.on_stdin() > 1 {
            let problem = "one of DATA, --valid and --test can be standard input, not several";
            return Err(Error::Config(problem.into()));
        }
        let maybe =
            |source: &Option<Source>| source.as_ref().map(|source| self.input.read(source, None, true)).transpose();
        let train = self.input.read(&self.data, self.input.labels.as_ref(), true)?;
        Ok(Files { train, valid: maybe(&self.valid)?, test: maybe(&self.test)? })
    }

    /// How many of the files are standard input.
    pub fn on_stdin(&self) -> usize {
        let sources = [Some(&self.data), self.valid.as_ref(), self.test.as_ref()];
        sources.into_iter().flatten().filter(|&source| *source == Source::Stdin).count()
    }

    /// Rows of the training data that are trained on, and rows that are held out: of each class, if it tells classes.
    pub fn split(&self, raw: &Raw, telling: &Telling) -> Result<(Vec<usize>, Vec<usize>)> {
        let count = raw.examples.len();
        if self.valid.is_some() {
            return Ok(((0..count).collect(), vec![]));
        }
        let (train, valid) = match telling {
            Telling::Class(labels) => {
                hold_out(&labels.encode(&raw.place, &raw.examples)?, labels.len(), self.valid_fraction)
            }
            Telling::Labels(_) | Telling::Regression(_) => hold_out_unclassed(count, self.valid_fraction),
        };
        if valid.is_empty() || train.is_empty() {
            return Err(Error::Config(format!(
                "{}: there is nothing to hold out for validation, as it has too few rows (a class needs two): give more data, or \
                 --valid FILE",
                self.data
            )));
        }
        Ok((train, valid))
    }

    pub fn encode(&self, files: &Files, steps: &Steps, telling: &Telling) -> Result<Data> {
        let encode = |raw: &Raw| srnn::train::reading::dataset(steps, telling, raw);
        let all = encode(&files.train)?;
        let (train, valid) = match &files.valid {
            Some(raw) => (all, encode(raw)?),
            None => {
                let (train, valid) = self.split(&files.train, telling)?;
                (all.select(&train), all.select(&valid))
            }
        };
        Ok(Data { train, valid, test: files.test.as_ref().map(encode).transpose()? })
    }
}

/// A checkpoint keeps paths as text.
fn check_unicode(path: &Path) -> Result<()> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(Error::Config(format!("{}: the path is not Unicode: rename the file or folder", path.display()))),
    }
}

impl Data {
    /// Of the sequences and labels that are trained on and validated with, in their order.
    pub fn checksum(&self) -> u32 {
        let mut sum = flate2::Crc::new();
        for set in [&self.train, &self.valid] {
            match &set.sequences {
                Sequences::Tokens(tokens) => tokens.iter().for_each(|own| sum.update(bytemuck::cast_slice(own))),
                Sequences::Numbers { values, .. } => {
                    values.iter().for_each(|own| sum.update(bytemuck::cast_slice(own)));
                }
            }
            match &set.told {
                Told::Classes(labels) => sum.update(bytemuck::cast_slice(labels)),
                Told::Numbers { values, .. } => sum.update(bytemuck::cast_slice(values)),
            }
            (0..set.len()).for_each(|row| sum.update(&(set.steps(row) as u64).to_le_bytes()));
        }
        sum.sum()
    }

    /// Refuses, before anything is written, a network whose largest batch the device cannot train on.
    pub fn check_fits(&self, config: &Config, options: &Options, device: &Device) -> Result<()> {
        for set in [&self.train, &self.valid].into_iter().chain(&self.test) {
            let rows = set.by_length(options.batch, config.length).swap_remove(0);
            let batch = set.batch(config, &rows, |_| false);
            training_plan(config, &Layout::new(config), &batch, &options.optimiser, device.limits())?;
        }
        Ok(())
    }
}
