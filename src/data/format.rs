//! How a file of data is written down, and which way a file is.

use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString};

use super::lines::Lines;
use super::source::Source;
use super::{idx, npy_header, npz};
use crate::error::{Error, Result};
use crate::listing::quoted;

/// How a table of texts is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, EnumString)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum TableFormat {
    /// A header line, then one row per line; fields lie between tabs and are never quoted.
    Tsv,
    /// RFC 4180 with a header line; quoted fields may hold commas, quotes and line breaks.
    Csv,
    /// One JSON object per line, no header.
    #[strum(to_string = "jsonl", serialize = "ndjson", serialize = "json")]
    JsonLines,
}

/// How sequences of numbers are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
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

/// Any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Texts, with or without targets.
    Table(TableFormat),
    /// Sequences of numbers.
    Series(SeriesFormat),
}

impl Format {
    /// The format that the source's name tells: of tables `.tsv`, `.csv`, `.jsonl`, `.ndjson` or `.json`, of numbers
    /// those of [`SeriesFormat::of_name`]; each also with `.gz`.
    pub fn of_name(source: &Source) -> Option<Format> {
        let Source::File(path) = source else { return None };
        if let Some(format) = SeriesFormat::of_name(path) {
            return Some(Format::Series(format));
        }
        let mut name = Path::new(path.file_name()?);
        if name.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz")) {
            name = Path::new(name.file_stem()?);
        }
        name.extension()?.to_str()?.parse().ok().map(Format::Table)
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Reads the endings of tables, `npy`, `npz`, `ucr` and `idx`, in any case.
    fn from_str(given: &str) -> Result<Format> {
        let table = given.parse().map(Format::Table);
        table.or_else(|_| given.parse().map(Format::Series)).map_err(|_| {
            let known = "give tsv, csv or jsonl for texts, npy, npz, ucr or idx for numbers";
            Error::Config(format!("no format is called {}: {known}", quoted(given)))
        })
    }
}

impl TableFormat {
    /// The format that the first line with anything on it looks like; the line is left to be read again.
    ///
    /// # Errors
    /// Those of reading the line; [`Error::Data`] when there is none.
    pub(super) fn of_first_line(lines: &mut Lines) -> Result<TableFormat> {
        let format = loop {
            match lines.next_text()? {
                None => return Err(Error::data(lines.file(), "has no rows: it is empty")),
                Some(line) if line.trim().is_empty() => {}
                Some(line) if line.trim_start().starts_with('{') => break TableFormat::JsonLines,
                Some(line) if line.contains('\t') => break TableFormat::Tsv,
                Some(_) => break TableFormat::Csv,
            }
        };
        lines.read_again();
        Ok(format)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::source::unpack;

    #[test]
    fn names_tell_the_format() {
        let of = |name: &str| Format::of_name(&Source::File(name.into()));
        for (format, names) in [
            (Format::Table(TableFormat::Tsv), &["a/b.tsv", "Adiac_TRAIN.tsv"][..]),
            (Format::Table(TableFormat::Csv), &["B.CSV.gz"]),
            (Format::Table(TableFormat::JsonLines), &["x.jsonl", "x.ndjson.GZ", "x.json"]),
            (Format::Series(SeriesFormat::Npy), &["a/x.npy", "X.NPY.GZ"]),
            (Format::Series(SeriesFormat::Npz), &["x.npz"]),
            (
                Format::Series(SeriesFormat::Idx),
                &["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz", "train-images.idx3-ubyte"],
            ),
        ] {
            names.iter().for_each(|name| assert_eq!(of(name), Some(format), "{name}"));
        }
        for name in ["x.txt", "tsv", "x.tsv.zip", ".gz", "idx-ubyte", "x", "npy", ""] {
            assert_eq!(of(name), None, "{name}");
        }
        assert_eq!(Format::of_name(&Source::Stdin), None);
    }

    #[test]
    fn formats_by_name() {
        for (name, format) in [("TSV", TableFormat::Tsv), ("csv", TableFormat::Csv), ("json", TableFormat::JsonLines)] {
            assert_eq!(name.parse::<Format>().unwrap(), Format::Table(format));
        }
        for format in [SeriesFormat::Npy, SeriesFormat::Npz, SeriesFormat::Ucr, SeriesFormat::Idx] {
            assert_eq!(format.to_string().to_uppercase().parse::<Format>().unwrap(), Format::Series(format));
        }
        let error = "xml".parse::<Format>().unwrap_err().to_string();
        let known = "give tsv, csv or jsonl for texts, npy, npz, ucr or idx for numbers";
        assert_eq!(error, format!("no format is called `xml`: {known}"));
    }

    #[test]
    fn the_first_line_tells_the_format() {
        let of = |bytes: &'static [u8]| {
            let mut lines = Lines::new("-".into(), unpack("-", bytes, false).unwrap());
            TableFormat::of_first_line(&mut lines).map_err(|error| error.to_string())
        };
        assert_eq!(of(b"\n \r\n  {\"text\": 1}\n"), Ok(TableFormat::JsonLines));
        assert_eq!(of(b"\xEF\xBB\xBFlabel\ttext\n"), Ok(TableFormat::Tsv));
        assert_eq!(of(b"text\n"), Ok(TableFormat::Csv));
        assert_eq!(of(b"\n\n"), Err("-: has no rows: it is empty".into()));
    }
}
