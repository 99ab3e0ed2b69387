//! The options that say what data files hold.

use super::{ensure, named};
use crate::Result;
use crate::data::{Encoding, Format, Keys, Limits, Pixels, ReadOptions, Source};
use crate::network::Input;
use crate::train::{Model, Run};
use clap::Args;
use std::path::{Path, PathBuf};

/// What a file holds, and which parts of it to read.
#[derive(Args, Clone)]
pub struct InputArgs {
    /// Column of a table that holds the text [default: text; of tokens: tokens]
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,
    /// Column of a table that holds the label [default: label; of steps: tags, or several for numbers: a,b]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// tsv, csv or jsonl (texts), conll or conllu (tagged tokens), npy, npz, ucr, series (a table with a header), ts, arff or idx (numbers), parquet or arrow
    /// (either; in builds with the feature columnar) [default: by the file's name and its first lines]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Labels of the data in a file of their own (.npy or IDX), for .npy and IDX images
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// What a step of an IDX image is: each (pixel) or rows [default: each]
    #[arg(long, value_parser = named::<Pixels>, value_name = "STEP")]
    pixels: Option<Pixels>,
    /// A table has no header: its columns are called 1, 2, 3, …
    #[arg(long)]
    no_header: bool,
    /// A table has a header, though the model was trained on one without
    #[arg(long, conflicts_with = "no_header")]
    header: bool,
    /// Encoding of a text, such as latin1, gbk or shift_jis [default: UTF-8, or UTF-16 where the file says so]
    #[arg(long, value_name = "NAME")]
    encoding: Option<Encoding>,
    /// Arrays of an .npz: x=NAME,y=NAME,lengths=NAME [default: x, y and lengths]
    #[arg(long, value_name = "KEYS")]
    keys: Option<Keys>,
    /// Leave broken rows of a table or a text of numbers out, and tell which
    #[arg(long)]
    skip_bad_rows: bool,
    /// Read lines of over 32 MiB, tables of over 10,000 columns, and what unpacks to over 40 times its size
    #[arg(long)]
    no_limits: bool,
    /// What a model was trained with, or what is usual for a task.
    #[arg(skip)]
    remembered: Option<ReadOptions>,
}

impl InputArgs {
    fn options(&self, memory: Option<u64>) -> ReadOptions {
        let given = self.clone();
        let usual = given.remembered.unwrap_or_default();
        let limits = if given.no_limits { Limits::trusting() } else { Limits::default() };
        ReadOptions {
            text: given.text.unwrap_or(usual.text),
            label: given.label.unwrap_or(usual.label),
            format: given.format,
            labels: given.labels,
            pixels: given.pixels.unwrap_or(usual.pixels),
            header: given.header || (usual.header && !given.no_header),
            encoding: given.encoding.or(usual.encoding),
            keys: given.keys.unwrap_or(usual.keys),
            skip_bad_rows: given.skip_bad_rows,
            only_texts: usual.only_texts || self.text.is_some(),
            steps: usual.steps,
            ahead: usual.ahead,
            cells: false,
            limits: Limits { memory: memory.unwrap_or(limits.memory), ..limits },
        }
    }

    /// The same, where what is to be told is of every step, or is what comes so many steps later.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for a label of a forecast.
    pub fn of_steps(&self, ahead: Option<usize>) -> Result<InputArgs> {
        let label = "--label: a forecast with --ahead is of all columns that are read";
        ensure(ahead.is_none() || self.label.is_none(), label)?;
        let remembered = Some(ReadOptions { ahead, ..ReadOptions::of_steps() });
        Ok(InputArgs { remembered, ..self.clone() })
    }

    /// The same, where what is not said now is as it was said when a model was trained: which columns hold text and label, and
    /// what a step of an image is.
    pub fn of_model(&self, folder: &Path, model: &Model) -> InputArgs {
        let steps = model.config.task.of_steps();
        let usual = if steps { ReadOptions::of_steps() } else { ReadOptions::default() };
        let reading = Run::load(folder).ok().flatten().map_or(usual, |run| run.recipe.sources.reading);
        let only_texts = model.config.input == Input::Tokens;
        InputArgs {
            remembered: Some(ReadOptions { format: None, labels: None, only_texts, ..reading }),
            ..self.clone()
        }
    }

    /// The options for a file of this name, which may take so many bytes of memory.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for one that has no effect on such a file.
    pub fn options_for(&self, source: &Source, memory: Option<u64>) -> Result<ReadOptions> {
        let options = self.options(memory);
        // A file is opened to find it out.
        let format = options.format_of(source);
        let (is, numbers) = (|wanted| format == Some(wanted), options.are_numbers(source, format));
        let step_rows = options.steps && matches!(format, Some(Format::Tsv | Format::Csv));
        let label = self.label.is_some() && !format.is_some_and(Format::names_a_label) && !step_rows;
        for (name, given) in [("text", self.text.is_some()), ("label", label)] {
            ensure(!given || !numbers, format!("--{name} is for tables, and {source} holds numbers"))?;
        }
        let images = is(Format::Idx);
        ensure(self.pixels.is_none() || images, format!("--pixels is for IDX images, which {source} does not hold"))?;
        ensure(self.keys.is_none() || is(Format::Npz), format!("--keys is for .npz files, and {source} is none"))?;
        let arrays = format.is_some_and(Format::is_arrays);
        let binary = arrays || format.is_some_and(Format::is_columnar);
        for (name, given) in [("no-header", self.no_header), ("encoding", self.encoding.is_some())] {
            ensure(!given || !binary, format!("--{name} is for text files, and {source} is none"))?;
        }
        ensure(
            !self.skip_bad_rows || !arrays,
            format!("--skip-bad-rows is for rows of a table, and {source} has none"),
        )?;
        let of_steps = step_rows || options.steps && (is(Format::Conll) || is(Format::ConllU) || format.is_none());
        let kept = "--skip-bad-rows: without a row the others of its sequence would be told wrongly";
        ensure(!self.skip_bad_rows || !of_steps, kept)?;
        let conll = of_steps && !step_rows;
        ensure(
            !conll || !(self.no_header || self.header),
            format!("{source} has no header, and its columns have numbers"),
        )?;
        let bare = matches!(source, Source::File(path) if path.is_dir()) || is(Format::JsonLines);
        ensure(!self.no_header || !bare, format!("--no-header is for tables, and {source} is none"))?;
        Ok(options)
    }

    /// The encoding of texts that stand one per line; what is piped in or typed is seldom of that of a model's file.
    pub fn encoding(&self, source: &Source) -> Option<Encoding> {
        if matches!(source, Source::Stdin) { self.encoding } else { self.options(None).encoding }
    }

    /// The options for a file of this name, of a command that reads no labels.
    ///
    /// # Errors
    /// As [`InputArgs::options_for`], and if a label is named.
    pub fn without_labels(&self, source: &Source, memory: Option<u64>) -> Result<ReadOptions> {
        for (name, given) in [("labels", self.labels.is_some()), ("label", self.label.is_some())] {
            ensure(!given, format!("--{name}: this command reads no labels"))?;
        }
        self.options_for(source, memory)
    }

    /// Whether the source holds texts that stand one per line: neither its name nor an option says that it is a table, or
    /// numbers.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for an option that has no meaning for such texts.
    pub fn are_lines(&self, source: &Source) -> Result<bool> {
        let options = self.options(None);
        let folder = matches!(source, Source::File(path) if path.is_dir());
        if folder || options.format_of(source).is_some() || self.text.is_some() {
            return Ok(false);
        }
        let given = [
            ("--label", self.label.is_some()),
            ("--labels", self.labels.is_some()),
            ("--pixels", self.pixels.is_some()),
            ("--no-header", self.no_header || self.header),
            ("--keys", self.keys.is_some()),
            ("--skip-bad-rows", self.skip_bad_rows),
            ("--no-limits", self.no_limits),
        ];
        for (name, given) in given {
            let why = format!("{name} has no meaning for texts that stand one per line (--text COLUMN reads a table)");
            ensure(!given, why)?;
        }
        Ok(true)
    }
}
