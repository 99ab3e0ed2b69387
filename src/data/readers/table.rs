//! Tables of texts with or without labels: which columns, which rows, and what is wrong with a row.

use super::examples::{Examples, RawInputs, RawTargets};
use super::format::Format;
use super::lines::Lines;
use super::{csv_rows, json_lines};
use crate::error::{Error, Problem, Result, ensure};
use crate::listing::quoted;

/// The names of the columns (in JSON: keys) of the text and, where labels are read, of the label.
pub(super) type Columns<'a> = (&'a str, Option<&'a str>);

/// The rows of a table as they are read.
pub(super) struct Table<'a> {
    place: String,
    pub columns: Columns<'a>,
    header: Option<Header>,
    lines: Vec<u64>,
    texts: Vec<String>,
    labels: Vec<String>,
}

/// Where the wanted columns stand among the fields of each record.
struct Header {
    text: usize,
    label: Option<usize>,
    width: usize,
}

/// Reads a table; without a `format` its first line decides.
///
/// # Errors
/// Those of reading its lines; [`Error::Data`], with the line where there is one, for a table without rows, without a
/// wanted column or with a broken row.
pub(super) fn read(mut lines: Lines, columns: Columns, format: Option<Format>) -> Result<Examples> {
    let place = lines.file.clone();
    let format = match format {
        Some(format) => format,
        None => Format::of_first_line(&mut lines)?,
    };
    let mut table = Table { place, columns, header: None, lines: vec![], texts: vec![], labels: vec![] };
    match format {
        Format::Csv => csv_rows::read(lines, &mut table),
        Format::JsonLines => json_lines::read(lines, &mut table),
        _ => read_tsv(lines, &mut table),
    }?;
    ensure!(!table.lines.is_empty(), Error::data(table.place, "has no rows"));
    let targets = columns.1.map(|_| RawTargets::Names(table.labels));
    Ok(Examples { place: table.place, lines: table.lines, inputs: RawInputs::Texts(table.texts), targets })
}

fn read_tsv(mut lines: Lines, table: &mut Table) -> Result<()> {
    while let Some((line, text)) = lines.next_text()? {
        // A line of tabs alone is a row of empty fields.
        if !text.trim().is_empty() || text.contains('\t') {
            table.record(line, &text.split('\t').collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

impl Table<'_> {
    /// Takes the fields of a record that begins on this line; the first record is the header.
    pub fn record(&mut self, line: u64, fields: &[impl AsRef<str>]) -> Result<()> {
        let wrong = |problem: Problem| Error::data_line(&self.place, line, problem);
        let Some(Header { text, label, width }) = self.header else {
            let names: Vec<&str> = fields.iter().map(|name| name.as_ref().trim()).collect();
            self.header = Some(Header::find(&names, self.columns).map_err(wrong)?);
            return Ok(());
        };
        let count = fields.len();
        let plural = if count == 1 { "field" } else { "fields" };
        ensure!(count == width, wrong(format!("has {count} {plural}, but the header has {width}").into()));
        self.row(line, fields[text].as_ref(), label.map(|column| fields[column].as_ref()));
        Ok(())
    }

    /// Takes a row.
    pub fn row(&mut self, line: u64, text: &str, label: Option<&str>) {
        self.lines.push(line);
        self.texts.push(text.to_string());
        self.labels.extend(label.map(|label| label.trim().to_string()));
    }
}

impl Header {
    /// Finds the columns among the header's `names`.
    fn find(names: &[&str], (text, label): Columns) -> std::result::Result<Header, Problem> {
        let position = |wanted: &str, role| {
            let mut found = (0..names.len()).filter(|&column| names[column] == wanted);
            match (found.next(), found.next()) {
                (Some(column), None) => Ok(column),
                (Some(_), Some(_)) => Err(format!("has the column {} more than once", quoted(wanted)).into()),
                (None, _) => Err(missing_column(wanted, role, names)),
            }
        };
        let label = label.map(|label| position(label, "label"));
        Ok(Header { text: position(text, "text")?, label: label.transpose()?, width: names.len() })
    }
}

/// A table lacks the column `wanted`, which holds the `role`.
pub(super) fn missing_column(
    wanted: &str,
    role: &'static str,
    present: impl IntoIterator<Item = impl ToString>,
) -> Problem {
    Problem::Column { role, wanted: wanted.into(), present: present.into_iter().map(|name| name.to_string()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::fixtures::{read, read_bytes, row};

    fn fails(bytes: &str, message: &str) {
        assert_eq!(read(bytes, Format::Tsv), Err(message.to_string()), "{bytes:?}");
    }

    #[test]
    fn tsv_rows_with_marks_blank_lines_and_windows_ends() {
        let found = read("\u{feff}label\ttext\r\n\r\n ham \tHello, \"you\"\r\nspam\t\r\n\n", Format::Tsv);
        assert_eq!(found, Ok(vec![row("Hello, \"you\"", "ham", 3), row("", "spam", 4)]));
    }

    #[test]
    fn every_format_is_found_by_its_first_line() {
        for bytes in ["text\tlabel\nx\ty\n", "text,label\nx,y\n", "\n{\"text\":\"x\",\"label\":\"y\"}"] {
            let found = read_bytes(bytes.as_bytes(), None).unwrap();
            assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("x", "y"));
        }
    }

    #[test]
    fn without_rows() {
        fails("", "t: has no rows");
        fails("\n\n", "t: has no rows");
        fails("text\tlabel\n", "t: has no rows");
    }

    #[test]
    fn a_missing_column_lists_those_there() {
        fails("label\tbody\nx\ty\n", "t:1: has no column `text`, only `label`, `body`");
        fails("\ntext\tclass\nx\ty\n", "t:2: has no column `label`, only `text`, `class`");
        fails("text\tlabel\ttext\n", "t:1: has the column `text` more than once");
    }

    #[test]
    fn broken_rows_name_their_line() {
        fails("text\tlabel\nx\ty\n\na\tb\tc\n", "t:4: has 3 fields, but the header has 2");
        fails("text\tlabel\nx\n", "t:2: has 1 field, but the header has 2");
        // Of several labels a row may have none.
        assert_eq!(read("text\tlabel\nx\t \n\t\n", Format::Tsv), Ok(vec![row("x", "", 2), row("", "", 3)]));
        let error = read_bytes(b"text\tlabel\nx\ty\n\xE9\ty\n", Some(Format::Tsv));
        assert_eq!(error, Err("t:3: is not UTF-8 text (byte 1 of the line)".into()));
    }

    #[test]
    fn labels_that_are_not_asked_for_are_not_looked_for() {
        let file = tempfile::Builder::new().suffix(".tsv").tempfile().unwrap();
        std::fs::write(file.path(), "id\ttext\n1\tx\n").unwrap();
        let found = super::read(Lines::open(&file.path().into()).unwrap(), ("text", None), None).unwrap();
        assert_eq!((found.texts(), &found.lines[..]), (Some(&["x".to_string()][..]), &[2][..]));
        assert_eq!(found.targets, None);
    }
}
