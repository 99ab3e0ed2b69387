//! How a file of data is written down, and which way a file is.

use std::path::Path;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString};

use super::examples::ReadOptions;
use super::lines::Lines;
use super::source::Source;
use super::table::numbered;
use super::ucr;
use crate::error::Error;
use crate::listing::quoted;

/// What every `.npy` file begins with.
pub(super) const NPY: &[u8] = b"\x93NUMPY";

/// What every `.npz` file begins with, as every zip archive.
const NPZ: &[u8] = b"PK";

/// What every IDX file of unsigned bytes begins with; the fourth byte is the number of dimensions.
pub(super) const IDX: &[u8] = &[0, 0, 8];

/// How texts with or without targets (the first three), or sequences of numbers are written down. Reads its name, or
/// the ending of a table's file, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive, parse_err_ty = Error, parse_err_fn = unknown)]
pub enum Format {
    /// A header line, then one row per line; fields lie between tabs. Two lines of Orange's below the header
    /// are no rows.
    #[strum(to_string = "tsv", serialize = "tab")]
    Tsv,
    /// RFC 4180 with a header line; quoted fields may hold commas, quotes and line breaks.
    Csv,
    /// One JSON object per line, no header.
    #[strum(to_string = "jsonl", serialize = "ndjson", serialize = "json")]
    JsonLines,
    /// A token a line with its tag, of the tasks of CoNLL; a blank line ends a sequence.
    #[strum(to_string = "conll", serialize = "bio", serialize = "iob", serialize = "iob2")]
    Conll,
    /// The same as Universal Dependencies have it.
    ConllU,
    /// One NumPy array `[N, T, D]`, or `[N, T]` with D = 1.
    Npy,
    /// Named NumPy arrays: `x` as in [`Format::Npy`], and, where given, `y` (targets) and `lengths [N]` (the steps of
    /// each sequence that are real).
    Npz,
    /// Text, a series a line with its label in front, as in the UCR archive; D = 1.
    Ucr,
    /// Text with a header, a series a line, its label in a column of its own; D = 1.
    Series,
    /// The time series classification archive's text, as sktime and aeon write it: any D.
    Ts,
    /// Weka's text; D = 1.
    Arff,
    /// Images of unsigned bytes, as in MNIST.
    Idx,
    /// Columns of texts, labels, numbers or lists of numbers; with the feature `columnar`.
    Parquet,
    /// The same as Arrow writes it to files and streams (Feather 2); with the feature `columnar`.
    #[strum(to_string = "arrow", serialize = "feather")]
    Arrow,
}

fn unknown(given: &str) -> Error {
    let known = "give tsv, csv or jsonl for texts, conll or conllu for tagged tokens, npy, npz, ucr, series, ts, arff or idx for numbers, parquet or arrow for either";
    Error::Config(format!("no format is called {}: {known}", quoted(given)))
}

impl Format {
    /// Whether it is for sequences of numbers alone.
    pub fn is_numbers(self) -> bool {
        !matches!(self, Format::Tsv | Format::Csv | Format::JsonLines) && !self.is_of_tokens() && !self.is_columnar()
    }

    /// Whether it is for tokens that are given one by one.
    pub fn is_of_tokens(self) -> bool {
        matches!(self, Format::Conll | Format::ConllU)
    }

    /// Whether it is for columns of texts as well as of numbers.
    pub fn is_columnar(self) -> bool {
        matches!(self, Format::Parquet | Format::Arrow)
    }

    /// Whether it is for arrays.
    pub fn is_arrays(self) -> bool {
        matches!(self, Format::Npy | Format::Npz | Format::Idx)
    }

    /// Whether it is for numbers of which a column is the label, by its name.
    pub fn names_a_label(self) -> bool {
        matches!(self, Format::Series | Format::Arff) || self.is_columnar()
    }

    /// The format that the source's name tells: `.tsv`, `.csv`, `.jsonl`, `.ndjson`, `.json`, `.npy`, `.npz`, `.parquet` and so on, or `idx`
    /// with a digit and `-ubyte` anywhere in it, each also with `.gz`, `.xz`, `.zst` or `.zip`.
    pub fn of_name(source: &Source) -> Option<Format> {
        let name = source.name()?;
        let is_idx = |rest: &str| {
            let rest = rest.strip_prefix(|digit: char| digit.is_ascii_digit());
            rest.is_some_and(|rest| rest.starts_with("-ubyte"))
        };
        if name.split("idx").skip(1).any(is_idx) {
            return Some(Format::Idx);
        }
        let format = Path::new(&name).extension()?.to_str()?.parse().ok();
        format.filter(|format| !matches!(format, Format::Ucr | Format::Series | Format::Idx))
    }

    /// The format of a source, by its name, and of a table of numbers by its first lines: a series a line, its label in front
    /// ([`Format::Ucr`]), or below a header ([`Format::Series`]), which is told by the columns that the options name.
    pub(super) fn of(source: &Source, options: &ReadOptions) -> Option<Format> {
        let named = Format::of_name(source);
        let is_text = matches!(named, None | Some(Format::Tsv | Format::Csv));
        let lines = if is_text { first_lines(source, options) } else { vec![] };
        of_numbers(&lines, &options.text, &options.label).or(named)
    }

    /// The format of numbers whose signature a file begins with; [`Format::Ucr`] has none.
    pub(super) fn of_bytes(first: &[u8]) -> Option<Format> {
        let signatures = [(Format::Npy, NPY), (Format::Npz, NPZ), (Format::Idx, IDX)];
        signatures.into_iter().find(|(_, magic)| first.starts_with(magic)).map(|(format, _)| format)
    }
}

/// Values that a line without a header has at least which is taken for a series.
const FEWEST: usize = 4;

/// Lines that are looked at.
const LOOKED_AT: usize = 20;

/// The first lines of a file with anything on them, below a header with the numbers of its columns if it has none.
fn first_lines(source: &Source, options: &ReadOptions) -> Vec<String> {
    let Source::File(path) = source else { return vec![] };
    let mut found = vec![];
    let options = ReadOptions { skip_bad_rows: false, ..options.clone() };
    let Some(mut lines) = path.is_file().then(|| Lines::open(source, &options).ok()).flatten() else {
        return found;
    };
    while found.len() < LOOKED_AT
        && let Ok(Some((_, line))) = lines.next_text()
    {
        if !line.trim().is_empty() {
            found.push(line.to_string());
        }
    }
    if let Some(first) = found.first().filter(|_| !options.header) {
        let separator = ucr::separator_of(first);
        let names = numbered(ucr::fields(first, separator).count());
        found.insert(0, names.join(&separator.unwrap_or(' ').to_string()));
    }
    found
}

/// The format of numbers that these first lines are of.
fn of_numbers(lines: &[String], text: &str, label: &str) -> Option<Format> {
    let (first, rest) = lines.split_first()?;
    let separator = ucr::separator_of(first);
    let names: Vec<&str> = ucr::fields(first, separator).collect();
    if names.contains(&text) {
        return None;
    }
    let rows: Vec<Vec<&str>> = rest.iter().map(|line| ucr::fields(line, separator).collect()).collect();
    let is_number = |field: &&str| field.parse::<f64>().is_ok();
    // Columns of which some fields are no values: at most one, and only in a table whose rows are as wide as its header.
    let is_text = |column: usize| !mostly(&rows, |row| row.get(column).is_none_or(|field| ucr::is_value(field)));
    let texts: Vec<usize> = (0..names.len()).filter(|&column| is_text(column)).collect();
    let even = !rows.is_empty() && mostly(&rows, |row| row.len() == names.len());
    let place = names.iter().position(|name| *name == label);
    let many = mostly(&rows, |row| row.iter().filter(|field| is_number(field)).count() > usize::from(place.is_some()));
    let only_label = texts.len() <= 1 && (place.is_none() || texts.iter().all(|column| Some(*column) == place));
    let is_header = place.is_some() || is_counted(&names) || names.iter().filter(|name| is_number(name)).count() == 0;
    let fewest = if place.is_some() { 1 } else { FEWEST };
    if even && many && only_label && is_header && names.len() > fewest {
        return Some(Format::Series);
    }
    let is_series = |fields: &[&str]| {
        let values = fields.get(1..).unwrap_or_default();
        values.iter().filter(|field| is_number(field)).count() >= FEWEST
            && values.iter().all(|field| ucr::is_value(field))
    };
    let whole = |row: &Vec<&str>| row.get(1..).unwrap_or_default().iter().all(|field| ucr::is_value(field));
    // A word among many numbers is an error, which is told where they are read.
    (is_series(&names) && mostly(&rows, whole)).then_some(Format::Ucr)
}

/// Whether this is so of all rows but one in ten.
fn mostly(rows: &[Vec<&str>], holds: impl Fn(&Vec<&str>) -> bool) -> bool {
    10 * rows.iter().filter(|row| !holds(row)).count() <= rows.len()
}

/// Whether these names count columns, as pandas names them: from 0 or 1 on, but for one name.
fn is_counted(names: &[&str]) -> bool {
    let numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let counts = |from: u32| numbers.iter().copied().eq(from..from + numbers.len() as u32);
    let words = names.iter().filter(|name| name.parse::<f64>().is_err()).count();
    numbers.len() >= FEWEST && words <= 1 && numbers.len() + words == names.len() && (counts(0) || counts(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_format() {
        let of = |name: &str| Format::of_name(&Source::File(name.into()));
        for (format, names) in [
            (Format::Tsv, &["a/b.tsv", "Adiac_TRAIN.tsv", "x.tab", "x.tsv.xz", "x.tsv.zip", "X.TSV.ZST"][..]),
            (Format::Csv, &["B.CSV.gz"]),
            (Format::JsonLines, &["x.jsonl", "x.ndjson.GZ", "x.json"]),
            (Format::Npy, &["a/x.npy", "X.NPY.GZ"]),
            (Format::Npz, &["x.npz"]),
            (Format::Idx, &["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz", "train-images.idx3-ubyte"]),
        ] {
            names.iter().for_each(|name| assert_eq!(of(name), Some(format), "{name}"));
        }
        for name in ["x.txt", "tsv", "x.tsv.bz2", ".gz", "idx-ubyte", "x", "npy", ""] {
            assert_eq!(of(name), None, "{name}");
        }
        assert_eq!(Format::of_name(&Source::Stdin), None);
    }

    #[test]
    fn tables_of_numbers_by_their_first_lines() {
        let of = |text: &str| of_numbers(&text.lines().map(String::from).collect::<Vec<_>>(), "text", "label");
        for text in ["1\t0.5\t2\t3\t4\n2\t3\t4\t5\t6", "a 1 2 3 4", "-1,0,1,,3,4\n1,2,?,NaN,5,6"] {
            assert_eq!(of(text), Some(Format::Ucr), "{text}");
        }
        for text in [
            "t0;t1;t2;t3;label\n1;2;3;4;yes\n1;2;3;4;no",
            // As pandas names columns.
            "label,0,1,2,3,4\n1,0.1,1,2,3,4",
            "0,1,2,3,4\n5,0.1,1,2,3",
            "a,b,label\n1,2,x",
            // The label has another name, which an error then asks for.
            "a,b,c,d,species\n1,2,3,4,cat\n1,2,3,4,dog",
        ] {
            assert_eq!(of(text), Some(Format::Series), "{text}");
        }
        for text in [
            "t0,t1,t2,t3\n1,2,3",
            "text\tlabel\na film\t1",
            "id,text,label,a,b,c\n1,good,1,2,3,4",
            "text,a,b,c,d,label\n1984,1,2,3,4,1",
            "call 0800 123 456 789\ngood film\nbad",
            "title,a,b,c,d,stars\n1984,1,2,3,4,x\ngood,1,2,3,4,y",
            "",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn formats_by_name() {
        for (name, format) in [("TSV", Format::Tsv), ("csv", Format::Csv), ("json", Format::JsonLines)] {
            assert_eq!(name.parse::<Format>().unwrap(), format);
        }
        for format in [Format::Npy, Format::Npz, Format::Ucr, Format::Idx] {
            assert_eq!(format.to_string().to_uppercase().parse::<Format>().unwrap(), format);
        }
        let error = "xml".parse::<Format>().unwrap_err().to_string();
        let known = "give tsv, csv or jsonl for texts, conll or conllu for tagged tokens, npy, npz, ucr, series, ts, arff or idx for numbers, parquet or arrow for either";
        assert_eq!(error, format!("no format is called `xml`: {known}"));
    }
}
