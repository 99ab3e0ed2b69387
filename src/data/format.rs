//! Which of the three table formats a source is in.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::lines::Lines;
use super::listing::quoted;
use super::source::Source;
use crate::error::{Error, Result};

/// How a table of texts is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A header line, then one row per line; fields lie between tabs and are never quoted.
    Tsv,
    /// RFC 4180 with a header line; quoted fields may hold commas, quotes and line breaks.
    Csv,
    /// One JSON object per line, no header.
    JsonLines,
}

impl Format {
    /// The format that the source's name tells (`.tsv`, `.csv`, `.jsonl`, `.ndjson`, `.json`, each also with `.gz`).
    pub fn of_name(source: &Source) -> Option<Format> {
        let Source::File(path) = source else { return None };
        let mut name = Path::new(path.file_name()?);
        if name.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz")) {
            name = Path::new(name.file_stem()?);
        }
        name.extension()?.to_str()?.parse().ok()
    }

    /// The format that the first line with anything on it looks like; the line is left to be read again.
    ///
    /// # Errors
    /// Those of reading the line; [`Error::Data`] when there is none.
    pub(super) fn of_first_line(lines: &mut Lines) -> Result<Format> {
        let format = loop {
            match lines.next_text()? {
                None => return Err(Error::data(lines.file(), "has no rows: it is empty")),
                Some(line) if line.trim().is_empty() => {}
                Some(line) if line.trim_start().starts_with('{') => break Format::JsonLines,
                Some(line) if line.contains('\t') => break Format::Tsv,
                Some(_) => break Format::Csv,
            }
        };
        lines.read_again();
        Ok(format)
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Reads `tsv`, `csv`, `jsonl` and the other endings of JSON Lines, in any case.
    fn from_str(given: &str) -> Result<Format> {
        match given.to_ascii_lowercase().as_str() {
            "tsv" => Ok(Format::Tsv),
            "csv" => Ok(Format::Csv),
            "jsonl" | "ndjson" | "json" => Ok(Format::JsonLines),
            _ => Err(Error::Config(format!("no format is called {}: give tsv, csv or jsonl", quoted(given)))),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Format::Tsv => "tsv",
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::source::unpack;

    #[test]
    fn names_tell_the_format() {
        let of = |name: &str| Format::of_name(&Source::File(name.into()));
        assert_eq!(of("a/b.tsv"), Some(Format::Tsv));
        assert_eq!(of("B.CSV.gz"), Some(Format::Csv));
        for name in ["x.jsonl", "x.ndjson.GZ", "x.json"] {
            assert_eq!(of(name), Some(Format::JsonLines));
        }
        for name in ["x.txt", "tsv", "x.tsv.zip", ".gz", ""] {
            assert_eq!(of(name), None, "{name}");
        }
        assert_eq!(Format::of_name(&Source::Stdin), None);
        let error = "xml".parse::<Format>().unwrap_err().to_string();
        assert_eq!(error, "no format is called `xml`: give tsv, csv or jsonl");
    }

    #[test]
    fn the_first_line_tells_the_format() {
        let of = |bytes: &'static [u8]| {
            let mut lines = Lines::new("-".into(), unpack("-", bytes, false).unwrap());
            Format::of_first_line(&mut lines).map_err(|error| error.to_string())
        };
        assert_eq!(of(b"\n \r\n  {\"text\": 1}\n"), Ok(Format::JsonLines));
        assert_eq!(of(b"\xEF\xBB\xBFlabel\ttext\n"), Ok(Format::Tsv));
        assert_eq!(of(b"text\n"), Ok(Format::Csv));
        assert_eq!(of(b"\n\n"), Err("-: has no rows: it is empty".into()));
    }
}
