//! The data of a training: read, split, encoded, and checked to be the same when a training goes on.

use super::Recipe;
use super::{Dataset, Epoch, Evaluation, InputEncoder, Options, TargetEncoder, Told, encoding};
use crate::data::{Examples, Inputs, ReadOptions, Source, fold, hold_out, hold_out_unclassed};
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
    /// The share that is held out, at least 0 and less than 1.
    pub valid_fraction: f64,
    /// One of so many parts of the training data is the test data.
    #[serde(default)]
    pub fold: Option<Fold>,
    /// The share of what is left that is trained on; less than 1 is for a quick look.
    #[serde(default = "whole")]
    pub share: f64,
    /// Of all of them, but for the file of labels, which is of the training data.
    pub reading: ReadOptions,
}

fn whole() -> f64 {
    1.0
}

/// A part of the training data, by its place from 0 and the number of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// Which part it is.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

/// Rows of the training file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// What is trained on.
    pub train: Vec<usize>,
    /// What is held out to validate with.
    pub valid: Vec<usize>,
    /// What is held out to test with.
    pub test: Vec<usize>,
}

/// Where the data is, with the checksum of what it was: a training cannot go on with other data.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Origin {
    /// With all that was chosen.
    pub recipe: Recipe,
    pub checksum: u32,
    /// The epochs of the training that was validated, where this is the one on all sequences that follows it.
    pub validated: Option<Vec<Epoch>>,
    /// What cross-validation gave before.
    #[serde(default)]
    pub folds: Vec<Evaluation>,
}

/// What the files hold.
pub struct Files {
    /// Training data, whole: nothing is held out yet.
    pub train: Examples,
    /// Validation data, if it has a file of its own, or is the last steps of few sequences of which every step is told.
    pub valid: Option<Examples>,
    /// Test data, if there is some.
    pub test: Option<Examples>,
    /// Whether the validation data is the last steps of the training data.
    pub in_time: bool,
}

/// Sequences below which, where every step is told of, the end of each is held out, not some of them.
const FEW: usize = 10;

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
        Sources { train, valid, valid_labels, test, test_labels, valid_fraction: 0.1, fold: None, share: 1.0, reading }
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
        Ok(self.files(train, valid, test))
    }

    /// Of what is in memory already: where every step is told of, and sequences are few, the end of each is held out.
    pub fn files(&self, train: Examples, valid: Option<Examples>, test: Option<Examples>) -> Files {
        let held_out = valid.is_none() && self.valid_fraction > 0.0;
        if self.reading.steps && held_out && train.lines.len() < FEW {
            let at = |steps: usize| steps - (steps as f64 * self.valid_fraction).ceil() as usize;
            if let Some([train, valid]) = train.cut_in_time(at) {
                return Files { train, valid: Some(valid), test, in_time: true };
            }
        }
        Files { train, valid, test, in_time: false }
    }

    /// How many of the files are standard input.
    pub fn on_stdin(&self) -> usize {
        let sources = once(&self.train).chain(&self.valid).chain(&self.test);
        sources.filter(|&source| *source == Source::Stdin).count()
    }

    /// Which rows of the training data are trained on, and which are held out: of each class, where the targets are some of
    /// `classes` classes.
    ///
    /// # Errors
    /// [`Error::Data`] if there are too few.
    pub fn split(&self, files: &Files, targets: Option<&Told>, classes: usize) -> Result<Split> {
        self.split_rows(files.train.lines.len(), files.in_time, targets, classes)
    }

    fn split_rows(&self, count: usize, in_time: bool, targets: Option<&Told>, classes: usize) -> Result<Split> {
        let labels = match targets {
            Some(Told::Classes(own)) => Some(own),
            _ => None,
        };
        let few = || Error::data(&self.train, Problem::NothingToHoldOut);
        let test = match (self.fold, labels) {
            (Some(own), Some(labels)) => fold(labels, classes, own.index, own.of),
            (Some(own), None) => {
                // In the order of what is to be told, a block at one end would hold nothing but the largest.
                let tenths: Vec<u32> = (0..count).map(|row| (row * 10 / count) as u32).collect();
                fold(&tenths, 10, own.index, own.of)
            }
            (None, _) => vec![],
        };
        let mut rest = vec![true; count];
        test.iter().for_each(|&row| rest[row] = false);
        let rest: Vec<usize> = (0..count).filter(|&row| rest[row]).collect();
        ensure!(self.fold.is_none() || !(test.is_empty() || rest.is_empty()), few());
        if self.valid.is_some() || self.valid_fraction == 0.0 || in_time {
            return Ok(Split { train: self.shared(rest), valid: vec![], test });
        }
        let (train, valid) = match labels {
            Some(own) => hold_out(&rest.iter().map(|&row| own[row]).collect::<Vec<_>>(), classes, self.valid_fraction),
            None => hold_out_unclassed(rest.len(), self.valid_fraction),
        };
        ensure!(!train.is_empty() && !valid.is_empty(), few());
        let rows = |places: Vec<usize>| places.into_iter().map(|place| rest[place]).collect();
        Ok(Split { train: self.shared(rows(train)), valid: rows(valid), test })
    }

    /// So many of these rows as are to be trained on, from all over them.
    fn shared(&self, rows: Vec<usize>) -> Vec<usize> {
        let counted = |count: usize| (count as f64 * self.share).ceil() as usize;
        rows.into_iter().enumerate().filter(|(at, _)| counted(at + 1) > counted(*at)).map(|(_, row)| row).collect()
    }

    /// The data sets of the files.
    ///
    /// # Errors
    /// As [`encoding::dataset`] and [`Sources::split`].
    pub fn encode(&self, files: &Files, inputs: &InputEncoder, targets: &TargetEncoder) -> Result<TrainingData> {
        let encode = |examples: &Examples| encoding::dataset(inputs, Some(targets), examples);
        let told = targets.encode(&files.train)?;
        let rows = self.split(files, Some(&told), targets.names().len())?;
        let part = |rows: &[usize]| inputs.encode(&files.train, rows)?.with_targets(told.select(rows));
        let train = part(&rows.train)?;
        let valid = match &files.valid {
            Some(examples) if self.valid.is_some() || files.in_time => encode(examples)?,
            _ if rows.valid.is_empty() => train.select(&[]),
            _ => part(&rows.valid)?,
        };
        let test = match &files.test {
            _ if self.fold.is_some() => Some(part(&rows.test)?),
            examples => examples.as_ref().map(encode).transpose()?,
        };
        Ok(TrainingData { train, valid, test })
    }
}

impl TrainingData {
    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> u64 {
        [&self.train, &self.valid].into_iter().chain(&self.test).map(Dataset::bytes).sum()
    }

    /// Cuts long sequences into windows, where the network tells of steps.
    pub fn cut_into_windows(&mut self, config: &Config) {
        let TrainingData { train, valid, test } = self;
        [train, valid].into_iter().chain(test).for_each(|set| set.cut_into_windows(config));
    }

    /// The same with the validation data among the training data.
    pub fn all_to_train(self) -> TrainingData {
        let valid = self.valid.select(&[]);
        TrainingData { train: self.train.join(self.valid), valid, test: self.test }
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
        let sets = [&self.train, &self.valid].into_iter().chain(&self.test);
        for set in sets.filter(|set| !set.is_empty()) {
            let rows = set.by_length(options.batch, config.most_steps()).swap_remove(0);
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
    fn folds_leave_the_rest_to_train_and_to_validate() {
        let told = Told::Classes((0..40).map(|row| row % 2).collect());
        let of = |sources: &Sources| sources.split_rows(40, false, Some(&told), 2).unwrap();
        let whole = Sources::of(Source::Stdin);
        let sources = Sources { fold: Some(Fold { index: 1, of: 4 }), ..whole.clone() };
        let split = of(&sources);
        assert_eq!([split.train.len(), split.valid.len(), split.test.len()], [26, 4, 10]);
        let mut all = [split.train, split.valid, split.test].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..40));
        let none = of(&Sources { valid_fraction: 0.0, ..sources.clone() });
        assert_eq!([none.train.len(), none.valid.len(), none.test.len()], [30, 0, 10]);
        let some = of(&Sources { valid_fraction: 0.0, share: 0.3, ..sources });
        assert_eq!(some.train.len(), 9);
        assert!(some.train.iter().all(|row| none.train.contains(row)));
        // Without classes, a part of every tenth.
        let numbers = Sources { fold: Some(Fold { index: 0, of: 2 }), valid_fraction: 0.0, ..whole };
        let split = numbers.split_rows(40, false, None, 0).unwrap();
        // Where ends are held out already, no sequence is.
        let in_time = Sources::of(Source::Stdin).split_rows(40, true, None, 0).unwrap();
        assert_eq!((in_time.train.len(), in_time.valid.len()), (40, 0));
        assert_eq!((split.test.len(), split.test[..4].to_vec()), (20, vec![0, 1, 6, 7]));
    }

    #[test]
    fn paths_become_absolute_and_stay_so() {
        let sources = Sources {
            train: Source::File("mails.tsv".into()),
            valid: Some(Source::Stdin),
            valid_labels: Some("v.npy".into()),
            test: None,
            test_labels: None,
            valid_fraction: 0.1,
            fold: None,
            share: 1.0,
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
