//! The library's errors: what was wrong, where, and how far off, as data. What to do about it is the host's to say, as
//! it knows what its own settings are called.

use crate::listing::{listed, quoted};
use bytesize::ByteSize;
use std::path::{Path, PathBuf};

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// A data file has something wrong in it. `place` is the file, with the line where there is one (`mails.tsv:17`).
    #[error("{place}: {problem}")]
    Data {
        /// The file, with the line where there is one.
        place: String,
        /// What is wrong there.
        problem: Problem,
    },

    /// A model directory is damaged, foreign or incomplete.
    #[error("{}: {problem}", path.display())]
    Model {
        /// The model directory, or a file in it.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },

    /// A combination of settings or shapes that cannot work.
    #[error("{0}")]
    Config(String),

    /// One setting, by the name of its field, that cannot work.
    #[error("{name} {given}: it must be {wanted}")]
    Setting {
        /// The setting's field, as in `Config` or `Options`.
        name: &'static str,
        /// The value that it has.
        given: String,
        /// What it must be, to follow "it must be".
        wanted: String,
    },

    /// The slicing text or numbers are wrong.
    #[error("slices `{given}`: {problem}")]
    Slicing {
        /// The slicing as it was given: `8x2`.
        given: String,
        /// Why it cannot be.
        problem: Problem,
    },

    /// Work that does not fit the device or the memory budget; `needed` and `limit` count bytes or pieces, by `kind`.
    #[error("{what} needs {}, and the limit of {device} is {}", kind.show(*needed), kind.show(*limit))]
    Limit {
        /// The work or the buffer that does not fit.
        what: String,
        /// How much of it is needed.
        needed: u64,
        /// How much of it there is.
        limit: u64,
        /// The device, or the engine, by its name.
        device: String,
        /// What is counted.
        kind: LimitKind,
    },

    /// A plan whose dispatches do not fit their kernels: an operation, the shapes, and what was expected.
    #[error("{operation}: {problem}")]
    Plan {
        /// The dispatch or the buffer at fault.
        operation: String,
        /// The shapes found and those expected.
        problem: String,
    },

    /// This machine has no GPU that can be used.
    #[error("no GPU adapter was found")]
    NoAdapter,

    /// No such device, or none that could be opened.
    #[error("{0}")]
    NoDevice(String),

    /// The device lacks an ability, which something asked for needs.
    #[error("{device} has no {ability}")]
    Missing {
        /// The device by its name.
        device: String,
        /// What it lacks, to follow "has no".
        ability: &'static str,
    },

    /// Step after step had a gradient that is not finite, or no epoch had a finite loss.
    #[error("training diverged: {0}")]
    Diverged(String),

    /// The device was lost or does not answer: what it held is gone. Open it again, and build the network anew.
    #[error("{device} was lost: {problem}")]
    DeviceLost {
        /// The device by its name.
        device: String,
        /// What it or its driver said.
        problem: String,
    },

    /// The device has no memory for a buffer. What it holds is as before.
    #[error("{device} is out of memory: {problem}")]
    OutOfMemory {
        /// The device by its name.
        device: String,
        /// What the memory was for, or what the driver said.
        problem: String,
    },

    /// A device's kernels give other numbers than the CPU engine's.
    #[error("{device} computes wrongly: {problem}")]
    WrongKernels {
        /// The device by its name.
        device: String,
        /// Which kernels are off, and by how much.
        problem: String,
    },

    /// The device failed while it worked.
    #[error("{device}: {problem}")]
    Device {
        /// The device by its name.
        device: String,
        /// What it or its driver said.
        problem: String,
    },
}

/// What is wrong with data, a model directory or a slicing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Any other, in words.
    #[error("{0}")]
    Other(String),

    /// A table lacks a column; `role` is what it holds, `text` or `label`.
    #[error("has no column {}, only {}", quoted(wanted), listed(present.iter().map(String::as_str)))]
    Column {
        /// What the column holds: `text` or `label`.
        role: &'static str,
        /// The name that was looked for.
        wanted: String,
        /// The names that the table has, in its order.
        present: Vec<String>,
    },

    /// An archive lacks an array.
    #[error("has no array {}, only {}", quoted(wanted), listed(present.iter().map(String::as_str)))]
    Array {
        /// The name that was looked for.
        wanted: String,
        /// The names that it has.
        present: Vec<String>,
    },

    /// A file of columns, in this format, for which the crate was built without the feature `columnar`.
    #[error("{0} files are read by builds with the feature `columnar`, and this one is without it")]
    NoColumns(String),

    /// A text begins with a line that has zero bytes.
    #[error("has zero bytes, as no text in UTF-8 has")]
    Zeros,

    /// A line is no UTF-8.
    #[error("is not UTF-8 text (byte {byte} of the line)")]
    NotUtf8 {
        /// The first byte that is none, from 1.
        byte: usize,
    },

    /// Word vectors of another width than the embedding.
    #[error("has {found} values, and the embedding has {wanted}")]
    VectorWidth {
        /// Values of a vector in the file.
        found: usize,
        /// Width of the embedding, D.
        wanted: usize,
    },

    /// Classes were to be learnt from targets that are numbers.
    #[error("its labels are numbers, not classes")]
    NumbersForClasses,

    /// A sequence was to be told of, and the targets are of every step.
    #[error("what is to be told is of every step, not of the sequence")]
    StepsTold,

    /// Every step was to be told of, and the targets are of sequences.
    #[error("what is to be told is of the sequence, not of every step")]
    SequencesTold,

    /// Tags were to be learnt from targets that are numbers.
    #[error("what is to be told of its steps are numbers, not tags")]
    NumbersForTags,

    /// Targets are needed, and the data has none.
    #[error("has no labels")]
    NoTargets,

    /// No part of the training data can be held out and leave something to learn from.
    #[error("there is nothing to hold out for validation, as it has too few rows (a class needs two)")]
    NothingToHoldOut,

    /// A table where the model reads numbers.
    #[error("the model reads numbers, and this is text")]
    NotNumbers,

    /// The model directory does not exist.
    #[error("there is no such model directory")]
    NoModel,

    /// A model was to go where something else is.
    #[error("the directory is there already")]
    Occupied,

    /// Another process writes into the model directory.
    #[error("another training writes into this directory")]
    InUse,

    /// A file is not what it was when the model was saved.
    #[error("the file is damaged, or was changed after the model was saved")]
    Changed,

    /// A file asks for more than is read without being asked twice, in words.
    #[error("{0}")]
    Excess(String),

    /// What is read takes more memory than it may.
    #[error("takes over {} of memory", ByteSize(*limit))]
    TooLarge {
        /// Bytes that it may take.
        limit: u64,
    },

    /// A sequence has fewer steps than there are slices.
    #[error("{slices} slices of {length} steps leave slices empty")]
    EmptySlices {
        /// Slices of level 0.
        slices: usize,
        /// Steps of the longest sequence, T.
        length: usize,
    },
}

impl<T: Into<String>> From<T> for Problem {
    fn from(text: T) -> Problem {
        Problem::Other(text.into())
    }
}

/// Which limit it is that work does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitKind {
    /// Bytes of one buffer.
    Buffer,
    /// Buffers of one dispatch.
    Buffers,
    /// Workgroups of one dispatch.
    Workgroups,
    /// Bytes that a workgroup shares.
    WorkgroupMemory,
    /// Bytes of all buffers together.
    Memory,
}

impl LimitKind {
    fn show(self, count: u64) -> String {
        match self {
            LimitKind::Buffers | LimitKind::Workgroups => count.to_string(),
            _ => ByteSize(count).to_string(),
        }
    }
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Ends the function with `$error` where `$holds` is not so; words alone are those of an [`Error::Config`].
macro_rules! ensure {
    ($holds:expr, $words:literal $(, $shown:expr)* $(,)?) => {
        $crate::error::ensure!($holds, $crate::error::Error::Config(format!($words $(, $shown)*)))
    };
    ($holds:expr, $error:expr $(,)?) => {{
        let holds: bool = $holds;
        if !holds {
            return Err($error);
        }
    }};
}
pub(crate) use ensure;

impl Error {
    /// An [`Error::Io`] for `path`; made for `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { path, source }
    }

    /// An [`Error::Data`] for a whole file, or for one line: `mails.tsv:17`.
    pub fn data(place: impl ToString, problem: impl Into<Problem>) -> Error {
        Error::Data { place: place.to_string(), problem: problem.into() }
    }

    /// An [`Error::Setting`].
    pub fn setting(name: &'static str, given: impl ToString, wanted: impl Into<String>) -> Error {
        Error::Setting { name, given: given.to_string(), wanted: wanted.into() }
    }

    /// An [`Error::Model`] for a file or directory.
    pub fn model(path: impl AsRef<Path>, problem: impl Into<Problem>) -> Error {
        Error::Model { path: path.as_ref().to_path_buf(), problem: problem.into() }
    }
}
