//! Reading data files for a command: tables of texts, or sequences of numbers.

use clap::Args;
use serde::{Deserialize, Serialize};
use srnn::data::{Columns, Format, Pixels, SeriesFormat, Source, Targets, read_examples, read_sequences, read_series};
use srnn::train::{Raw, Steps};
use srnn::{Error, Result};
use std::path::PathBuf;

/// What is read when nothing else is said.
const TEXT: &str = "text";
const LABEL: &str = "label";
const PIXELS: &str = "each";

/// What a file holds, and which parts of it to read.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub struct InputArgs {
    /// Column of a table that holds the text
    #[arg(long, default_value = TEXT, value_name = "COLUMN")]
    pub text: String,
    /// Column of a table that holds the label
    #[arg(long, default_value = LABEL, value_name = "COLUMN")]
    pub label: String,
    /// tsv, csv or jsonl (texts), npy, npz, ucr or idx (numbers) [default: by the file's name; of texts, else by their first line]
    #[arg(long, value_name = "FORMAT", value_parser = known_format)]
    pub format: Option<String>,
    /// Labels of the data in a file of their own (.npy or IDX), for .npy and IDX images; not of --valid and --test
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// What a step of an image is: each (pixel) or rows
    #[arg(long, default_value = PIXELS, value_parser = ["each", "rows"], value_name = "STEP")]
    pub pixels: String,
}

fn known_format(text: &str) -> std::result::Result<String, String> {
    match (text.parse::<Format>(), text.parse::<SeriesFormat>()) {
        (Err(_), Err(_)) => Err("give tsv, csv or jsonl for texts, npy, npz, ucr or idx for numbers".into()),
        _ => Ok(text.into()),
    }
}

impl InputArgs {
    /// Refuses what has no meaning for texts that stand one per line.
    ///
    /// # Errors
    /// [`Error::Config`], naming the option.
    pub fn check_for_lines(&self) -> Result<()> {
        let given = [
            ("--text", self.text != TEXT),
            ("--label", self.label != LABEL),
            ("--format", self.format.is_some()),
            ("--labels", self.labels.is_some()),
            ("--pixels", self.pixels != PIXELS),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => {
                let problem = format!("{name} is for files of numbers or tables: this model reads texts, one per line");
                Err(Error::Config(problem))
            }
            None => Ok(()),
        }
    }

    fn series_format(&self) -> Option<SeriesFormat> {
        self.format.as_ref().and_then(|format| format.parse().ok())
    }

    /// Whether `--format` or the name of the file says that it holds numbers.
    fn names_numbers(&self, source: &Source) -> bool {
        match source {
            Source::File(path) if self.format.is_none() => SeriesFormat::of_name(path).is_some(),
            _ => self.series_format().is_some(),
        }
    }

    /// Reads a file for a model, as [`InputArgs::read`] does.
    ///
    /// # Errors
    /// What the readers say; [`Error::Data`] for a file of texts where the model reads numbers.
    pub fn read_for(&self, steps: &Steps, source: &Source, labels: Option<&PathBuf>, labelled: bool) -> Result<Raw> {
        if !labelled && self.labels.is_some() {
            return Err(Error::Config("--labels: this command reads no labels".into()));
        }
        if matches!(steps, Steps::Numbers(_)) && !self.names_numbers(source) {
            let problem = "the model reads numbers: give .npy, .npz or IDX, or --format ucr for such text";
            return Err(Error::data(source, problem));
        }
        self.read(source, labels, labelled)
    }

    /// Reads a file; `labels` is the file of its labels, if they stand in one of their own, and `labelled` whether
    /// there must be labels: if not, none are read.
    ///
    /// # Errors
    /// What the readers say.
    pub fn read(&self, source: &Source, labels: Option<&PathBuf>, labelled: bool) -> Result<Raw> {
        if !self.names_numbers(source) {
            if labels.is_some() {
                return Err(Error::Config(format!("{source}: a table has its labels in a column, see --label")));
            }
            let columns = Columns { text: self.text.clone(), label: labelled.then(|| self.label.clone()) };
            let format = self.format.as_ref().map(|format| format.parse::<Format>()).transpose()?;
            return Ok(Raw::texts(source, read_examples(source, &columns, format)?));
        }
        let Source::File(path) = source else {
            return Err(Error::Config("numbers are read from files, not from standard input".into()));
        };
        let series = self.series_format();
        let pixels = if self.pixels == "rows" { Pixels::Rows } else { Pixels::Each };
        let series = match labelled {
            true => read_series(path, labels.map(PathBuf::as_path), series, pixels)?,
            false => read_sequences(path, series, pixels)?,
        };
        if labelled && series.targets == Targets::None {
            let problem = "has no labels: give their file with --labels (not for --valid and --test), an .npz with them \
                           as `y`, or IDX labels beside IDX images";
            return Err(Error::data(source, problem));
        }
        Ok(Raw::series(source, series))
    }
}
