//! The data of a training: read, split, encoded, and checked to be the same when a training goes on.

use super::{Dataset, InputEncoder, Options, TargetEncoder, Told, encoding};
use crate::data::{Examples, Inputs, ReadOptions, Source, hold_out, hold_out_unclassed};
use crate::engine::Device;
use crate::error::{Error, Problem, Result, ensure};
use crate::network::{Config, Layout, Plans};
use serde::{Deserialize, Serialize};
use std::iter::once;
use std::path::PathBuf;

/// Where the data of a training comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sources {
    /// What is learnt from.
    pub train: Source,
    /// `None`: part of the training data is held out.
    pub valid: Option<Source>,
    /// Of the validation data, where they have a file of their own.
    #[serde(default)]
    pub valid_labels: Option<PathBuf>,
    /// What the finished model is measured on, if there is some.
    pub test: Option<Source>,
    /// Of the test data, where they have a file of their own.
    #[serde(default)]
    pub test_labels: Option<PathBuf>,
    /// The share that is held out, more than 0 and less than 1.
    pub valid_fraction: f64,
    /// Of all of them, but for the file of labels, which is of the training data.
    pub reading: ReadOptions,
}

/// Where the data is, with the checksum of what it was: a training cannot go on with other data.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Origin {
    pub sources: Sources,
    pub checksum: u32,
}

/// What the files hold.
pub struct Files {
    /// Training data, whole: nothing is held out yet.
    pub train: Examples,
    /// Validation data, if it has a file of its own.
    pub valid: Option<Examples>,
    /// Test data, if there is some.
    pub test: Option<Examples>,
}

/// Encoded data.
pub struct TrainingData {
    /// What is trained on, without what is held out.
    pub train: Dataset,
    /// From a file of its own, or held out.
    pub valid: Dataset,
    /// What the finished model is measured on, if there is some.
    pub test: Option<Dataset>,
}

impl Sources {
    /// A file of training data alone, a tenth of which is held out.
    pub fn of(train: Source) -> Sources {
        let (valid, valid_labels, test, test_labels) = (None, None, None, None);
        let reading = ReadOptions::default();
        Sources { train, valid, valid_labels, test, test_labels, valid_fraction: 0.1, reading }
    }

    /// The same files, found from any folder: training may go on from another one.
    ///
    /// # Errors
    /// [`Error::Config`] for a path that is not Unicode, as a checkpoint keeps it as text; [`Error::Io`].
    pub fn absolute(mut self) -> Result<Sources> {
        let sources = once(&mut self.train).chain(&mut self.valid).chain(&mut self.test);
        let files = sources.filter_map(|source| match source {
            Source::File(path) => Some(path),
            Source::Stdin => None,
        });
        let labels = [&mut self.reading.labels, &mut self.valid_labels, &mut self.test_labels];
        for path in files.chain(labels.into_iter().flatten()) {
            *path = std::path::absolute(&*path).map_err(Error::io(&*path))?;
            let problem = format!("{}: the path is not Unicode: rename the file or folder", path.display());
            ensure!(path.to_str().is_some(), Error::Config(problem));
        }
        Ok(self)
    }

    /// Reads all files.
    ///
    /// # Errors
    /// As [`ReadOptions::read`]; [`Error::Config`] if several are standard input.
    pub fn read(&self) -> Result<Files> {
        let several = "one of training, validation and test data can be standard input, not several";
        ensure!(self.on_stdin() <= 1, Error::Config(several.into()));
        let read = |source: &Option<Source>, labels: &Option<PathBuf>| {
            let options = ReadOptions { labels: labels.clone(), ..self.reading.clone() };
            source.as_ref().map(|source| options.read(source, true)).transpose()
        };
        let train = self.reading.read(&self.train, true)?;
        let (valid, test) = (read(&self.valid, &self.valid_labels)?, read(&self.test, &self.test_labels)?);
        Ok(Files { train, valid, test })
    }

    /// How many of the files are standard input.
    pub fn on_stdin(&self) -> usize {
        let sources = once(&self.train).chain(&self.valid).chain(&self.test);
        sources.filter(|&source| *source == Source::Stdin).count()
    }

    /// Rows of the training data that are trained on, and rows that are held out: of each class, where the targets are
    /// some of `classes` classes.
    ///
    /// # Errors
    /// [`Error::Data`] if there are too few.
    pub fn split(&self, count: usize, targets: Option<&Told>, classes: usize) -> Result<(Vec<usize>, Vec<usize>)> {
        if self.valid.is_some() {
            return Ok(((0..count).collect(), vec![]));
        }
        let (train, valid) = match targets {
            Some(Told::Classes(own)) => hold_out(own, classes, self.valid_fraction),
            _ => hold_out_unclassed(count, self.valid_fraction),
        };
        let both = !train.is_empty() && !valid.is_empty();
        ensure!(both, Error::data(&self.train, Problem::NothingToHoldOut));
        Ok((train, valid))
    }

    /// The data sets of the files.
    ///
    /// # Errors
    /// As [`encoding::dataset`] and [`Sources::split`].
    pub fn encode(&self, files: &Files, inputs: &InputEncoder, targets: &TargetEncoder) -> Result<TrainingData> {
        let encode = |examples: &Examples| encoding::dataset(inputs, Some(targets), examples);
        let told = targets.encode(&files.train)?;
        let (train, held_out) = self.split(files.train.lines.len(), Some(&told), targets.names().len())?;
        let part = |rows: &[usize]| inputs.encode(&files.train, rows)?.with_targets(told.select(rows));
        let train = part(&train)?;
        let valid = files.valid.as_ref().map_or_else(|| part(&held_out), encode)?;
        Ok(TrainingData { train, valid, test: files.test.as_ref().map(encode).transpose()? })
    }
}

impl TrainingData {
    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> u64 {
        [&self.train, &self.valid].into_iter().chain(&self.test).map(Dataset::bytes).sum()
    }

    /// Of the sequences and targets that are trained on and validated with, in their order.
    pub fn checksum(&self) -> u32 {
        let mut sum = flate2::Crc::new();
        for set in [&self.train, &self.valid] {
            sum.update(match &set.inputs {
                Inputs::Tokens(tokens) => bytemuck::cast_slice(tokens),
                Inputs::Numbers(steps) => bytemuck::cast_slice(&steps.values),
            });
            set.targets.iter().for_each(|told| told.add_to(&mut sum));
            (0..set.len()).for_each(|row| sum.update(&(set.steps(row) as u64).to_le_bytes()));
        }
        sum.sum()
    }

    /// Refuses a network whose largest batch the device cannot train on.
    ///
    /// # Errors
    /// As [`Plans::training`].
    pub fn check_fits(&self, config: &Config, options: &Options, device: &Device) -> Result<()> {
        let plans = Plans { config, layout: &Layout::new(config), limits: device.engine.limits() };
        for set in [&self.train, &self.valid].into_iter().chain(&self.test) {
            let rows = set.by_length(options.batch, config.length).swap_remove(0);
            let batch = set.batch(config, &rows, |_| false)?;
            plans.training(&batch, &options.optimiser)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_and_stay_so() {
        let sources = Sources {
            train: Source::File("mails.tsv".into()),
            valid: Some(Source::Stdin),
            valid_labels: Some("v.npy".into()),
            test: None,
            test_labels: None,
            valid_fraction: 0.1,
            reading: ReadOptions { labels: Some("y.npy".into()), ..ReadOptions::default() },
        };
        let found = sources.absolute().unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!((&found.train, &found.valid), (&Source::File(here.join("mails.tsv")), &Some(Source::Stdin)));
        assert_eq!(found.reading.labels, Some(here.join("y.npy")));
        assert_eq!(found.valid_labels, Some(here.join("v.npy")));
        assert_eq!(found.clone().absolute().unwrap(), found);
    }
}
