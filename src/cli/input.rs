//! The options that say what data files hold.

use super::{ensure, named};
use clap::Args;
use srnn::Result;
use srnn::data::{Format, Pixels, ReadOptions};
use std::path::PathBuf;

/// What a file holds, and which parts of it to read.
#[derive(Args)]
pub struct InputArgs {
    /// Column of a table that holds the text
    #[arg(long, default_value = "text", value_name = "COLUMN")]
    text: String,
    /// Column of a table that holds the label
    #[arg(long, default_value = "label", value_name = "COLUMN")]
    label: String,
    /// tsv, csv or jsonl (texts), npy, npz, ucr or idx (numbers) [default: by the file's name; of texts, else by their first line]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Labels of the data in a file of their own (.npy or IDX), for .npy and IDX images; not of --valid and --test
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// What a step of an image is: each (pixel) or rows
    #[arg(long, default_value = "each", value_parser = named::<Pixels>, value_name = "STEP")]
    pixels: Pixels,
}

impl InputArgs {
    pub fn options(&self) -> ReadOptions {
        let InputArgs { text, label, format, labels, pixels } = self;
        let (text, label, labels) = (text.clone(), label.clone(), labels.clone());
        ReadOptions { text, label, format: *format, labels, pixels: *pixels }
    }

    /// The options of a command that reads no labels.
    ///
    /// # Errors
    /// [`srnn::Error::Config`] if there is a file of them.
    pub fn without_labels(&self) -> Result<ReadOptions> {
        ensure(self.labels.is_none(), "--labels: this command reads no labels")?;
        Ok(self.options())
    }

    /// Refuses what has no meaning for texts that stand one per line.
    ///
    /// # Errors
    /// [`srnn::Error::Config`], naming the option.
    pub fn check_for_lines(&self) -> Result<()> {
        let (own, usual) = (self.options(), ReadOptions::default());
        let given = [
            ("--text", own.text != usual.text),
            ("--label", own.label != usual.label),
            ("--format", own.format.is_some()),
            ("--labels", own.labels.is_some()),
            ("--pixels", own.pixels != usual.pixels),
        ];
        given.into_iter().try_for_each(|(name, given)| {
            ensure(!given, format!("{name} is for files of numbers or tables: this model reads texts, one per line"))
        })
    }
}
