//! The library's errors. Each says what was wrong, where, and what to do about it.

use std::path::{Path, PathBuf};

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },

    /// A data file has something wrong in it. `place` is the file, with the line where there is one (`mails.tsv:17`).
    #[error("{place}: {problem}")]
    Data { place: String, problem: String },

    /// A model directory is damaged, foreign or incomplete.
    #[error("{}: {problem}", path.display())]
    Model { path: PathBuf, problem: String },

    /// A setting, or a combination of settings, that cannot work.
    #[error("{0}")]
    Config(String),

    /// The slicing text or numbers are wrong.
    #[error("slices `{given}`: {problem}")]
    Slicing { given: String, problem: String },

    /// Work that does not fit the device or the memory budget.
    #[error("{what} needs {needed}, and the limit of {device} is {limit}: {advice}")]
    Limit { what: String, needed: String, limit: String, device: String, advice: String },

    /// A plan whose dispatches do not fit their kernels: an operation, the shapes, and what was expected.
    #[error("{operation}: {problem}")]
    Plan { operation: String, problem: String },

    /// No such device, or none that could be opened.
    #[error("{0}")]
    NoDevice(String),

    /// The device lacks an ability, which something asked for needs.
    #[error("{device} has no {ability}")]
    Missing { device: String, ability: &'static str },

    /// The device failed or was lost while it worked.
    #[error("{device}: {problem}")]
    Device { device: String, problem: String },
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Io`] for `path`; made for `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { path, source }
    }

    /// An [`Error::Data`] for a whole file.
    pub fn data(place: impl ToString, problem: impl Into<String>) -> Error {
        Error::Data { place: place.to_string(), problem: problem.into() }
    }

    /// An [`Error::Data`] for one line of a file; `line` counts from 1.
    pub fn data_line(file: impl std::fmt::Display, line: u64, problem: impl Into<String>) -> Error {
        Error::Data { place: format!("{file}:{line}"), problem: problem.into() }
    }

    /// An [`Error::Model`] for a file or directory.
    pub fn model(path: impl AsRef<Path>, problem: impl Into<String>) -> Error {
        Error::Model { path: path.as_ref().to_path_buf(), problem: problem.into() }
    }
}
