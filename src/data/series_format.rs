//! How sequences of numbers are written down, and which way a file is.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::listing::quoted;
use super::{idx, npy_header, npz};
use crate::error::{Error, Result};

/// How sequences of numbers are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesFormat {
    /// One NumPy array `[N, T, D]`, or `[N, T]` with D = 1.
    Npy,
    /// Named NumPy arrays: `x` as in [`SeriesFormat::Npy`], and, where given, `y` (targets) and `lengths [N]` (the
    /// steps of each sequence that are real).
    Npz,
    /// Text, a series a line with its label in front, as in the UCR archive; D = 1.
    Ucr,
    /// Images of unsigned bytes, as in MNIST.
    Idx,
}

impl SeriesFormat {
    /// The format that a file's first bytes show; [`SeriesFormat::Ucr`] is what has none of the signatures.
    pub(super) fn of_bytes(first: &[u8]) -> SeriesFormat {
        match first {
            first if first.starts_with(npy_header::MAGIC) => SeriesFormat::Npy,
            first if first.starts_with(npz::MAGIC) => SeriesFormat::Npz,
            first if first.starts_with(&idx::MAGIC) => SeriesFormat::Idx,
            _ => SeriesFormat::Ucr,
        }
    }

    /// The format that the file's name tells: `.npy`, `.npz`, or `idx` with a digit and `-ubyte` anywhere in it, each
    /// also with `.gz`.
    pub fn of_name(path: &Path) -> Option<SeriesFormat> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let is_idx = |rest: &str| {
            let rest = rest.strip_prefix(|digit: char| digit.is_ascii_digit());
            rest.is_some_and(|rest| rest.starts_with("-ubyte"))
        };
        match Path::new(name).extension().and_then(|ending| ending.to_str()) {
            Some("npy") => Some(SeriesFormat::Npy),
            Some("npz") => Some(SeriesFormat::Npz),
            _ => name.split("idx").skip(1).any(is_idx).then_some(SeriesFormat::Idx),
        }
    }
}

impl FromStr for SeriesFormat {
    type Err = Error;

    /// Reads `npy`, `npz`, `ucr` or `idx`, in any case.
    fn from_str(given: &str) -> Result<SeriesFormat> {
        match given.to_ascii_lowercase().as_str() {
            "npy" => Ok(SeriesFormat::Npy),
            "npz" => Ok(SeriesFormat::Npz),
            "ucr" => Ok(SeriesFormat::Ucr),
            "idx" => Ok(SeriesFormat::Idx),
            _ => Err(Error::Config(format!("no format is called {}: give npy, npz, ucr or idx", quoted(given)))),
        }
    }
}

impl fmt::Display for SeriesFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            SeriesFormat::Npy => "npy",
            SeriesFormat::Npz => "npz",
            SeriesFormat::Ucr => "ucr",
            SeriesFormat::Idx => "idx",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_format() {
        let of = |name: &str| SeriesFormat::of_name(Path::new(name));
        assert_eq!(of("a/x.npy"), Some(SeriesFormat::Npy));
        assert_eq!(of("X.NPY.GZ"), Some(SeriesFormat::Npy));
        assert_eq!(of("x.npz"), Some(SeriesFormat::Npz));
        for name in ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz", "train-images.idx3-ubyte"] {
            assert_eq!(of(name), Some(SeriesFormat::Idx), "{name}");
        }
        for name in ["Adiac_TRAIN.tsv", "idx-ubyte", "x", "npy", ""] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn names_for_the_command_line() {
        for format in [SeriesFormat::Npy, SeriesFormat::Npz, SeriesFormat::Ucr, SeriesFormat::Idx] {
            assert_eq!(format.to_string().to_uppercase().parse::<SeriesFormat>().unwrap(), format);
        }
        let error = "csv".parse::<SeriesFormat>().unwrap_err().to_string();
        assert_eq!(error, "no format is called `csv`: give npy, npz, ucr or idx");
    }
}
