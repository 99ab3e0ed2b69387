//! Tables of texts with or without labels: which columns, which rows, and what is wrong with a row.

use super::format::Format;
use super::lines::Lines;
use super::listing::{listed, quoted};
use super::source::Source;
use super::{csv_rows, json_lines};
use crate::error::{Error, Result};

/// One row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The text as it stands in the file; it may be empty.
    pub text: String,
    /// The class name without blanks around it; `None` where labels were not asked for.
    pub label: Option<String>,
    /// The line on which the row begins, from 1.
    pub line: u64,
}

/// The names of the columns (in JSON: keys) to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub text: String,
    /// `None`: labels are neither read nor looked for.
    pub label: Option<String>,
}

/// Reads a whole table, once, line by line. `format` overrules the source's name; where neither tells, the first
/// line does (see [`Format`]). A byte order mark, blank lines and Windows line ends are no trouble.
///
/// # Errors
/// [`Error::Io`] when the source cannot be read. [`Error::Data`], with the line where there is one, for a table
/// without rows, without a wanted column, with a broken row, bytes that are not UTF-8, or
/// damaged gzip data.
pub fn read_examples(source: &Source, columns: &Columns, format: Option<Format>) -> Result<Vec<Example>> {
    let format = format.or_else(|| Format::of_name(source));
    read_table(Lines::open(source)?, columns, format)
}

/// Reads a table from its lines, as [`read_examples`] does.
pub(super) fn read_table(mut lines: Lines, columns: &Columns, format: Option<Format>) -> Result<Vec<Example>> {
    let file = lines.file().to_string();
    let format = match format {
        Some(format) => format,
        None => Format::of_first_line(&mut lines)?,
    };
    let rows = match format {
        Format::Tsv => read_tsv(lines, columns),
        Format::Csv => csv_rows::read(lines, columns),
        Format::JsonLines => json_lines::read(lines, columns),
    }?;
    if rows.is_empty() { Err(Error::data(file, "has no rows")) } else { Ok(rows) }
}

fn read_tsv(mut lines: Lines, columns: &Columns) -> Result<Vec<Example>> {
    let mut header = None;
    let mut rows = Vec::new();
    while let Some(line) = lines.next_text()? {
        // A line of tabs alone is a row of empty fields.
        if line.trim().is_empty() && !line.contains('\t') {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        match &header {
            None => header = Some(Header::find(&fields, columns).map_err(|problem| lines.error(problem))?),
            Some(header) => {
                let (text, label) = header.cells(&fields).map_err(|problem| lines.error(problem))?;
                rows.push(Example { text, label, line: lines.line() });
            }
        }
    }
    Ok(rows)
}

/// Where the wanted columns stand in each row. Its methods' errors are the problem alone, without the place.
pub(super) struct Header {
    text: usize,
    label: Option<usize>,
    width: usize,
}

impl Header {
    /// Finds the columns among the header's `names`.
    pub fn find(names: &[&str], columns: &Columns) -> std::result::Result<Header, String> {
        let position = |wanted: &str, what: &str| {
            let mut found = (0..names.len()).filter(|&column| names[column].trim() == wanted);
            match (found.next(), found.next()) {
                (Some(column), None) => Ok(column),
                (Some(_), Some(_)) => Err(format!("has the column {} more than once", quoted(wanted))),
                (None, _) => Err(missing_column(wanted, what, names.iter().map(|name| name.trim()))),
            }
        };
        Ok(Header {
            text: position(&columns.text, "text")?,
            label: columns.label.as_deref().map(|label| position(label, "label")).transpose()?,
            width: names.len(),
        })
    }

    /// Text and label of one row's `fields`.
    pub fn cells(&self, fields: &[&str]) -> std::result::Result<(String, Option<String>), String> {
        let count = fields.len();
        if count != self.width {
            let plural = if count == 1 { "field" } else { "fields" };
            return Err(format!("has {count} {plural}, but the header has {}", self.width));
        }
        let label = self.label.map(|column| fields[column].trim().to_string());
        Ok((fields[self.text].to_string(), label))
    }
}

/// What to say when a table lacks the column `wanted`; `what` is the option that names it, without its dashes.
pub(super) fn missing_column<'a>(wanted: &str, what: &str, there: impl IntoIterator<Item = &'a str>) -> String {
    let wanted = quoted(wanted);
    format!("has no column {wanted}, only {}: name the {what} column with --{what}", listed(there))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::source::unpack;

    /// Reads `bytes` as the file `t`, columns `text` and `label`.
    pub fn read(bytes: &str, format: Format) -> std::result::Result<Vec<(String, String, u64)>, String> {
        read_bytes(bytes.as_bytes(), Some(format))
    }

    pub fn read_bytes(bytes: &[u8], format: Option<Format>) -> std::result::Result<Vec<(String, String, u64)>, String> {
        let columns = Columns { text: "text".into(), label: Some("label".into()) };
        let lines = Lines::new("t".into(), unpack("t", std::io::Cursor::new(bytes.to_vec()), false).unwrap());
        let rows = read_table(lines, &columns, format).map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(|row| (row.text, row.label.unwrap(), row.line)).collect())
    }

    pub fn row(text: &str, label: &str, line: u64) -> (String, String, u64) {
        (text.into(), label.into(), line)
    }

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
        fails(
            "label\tbody\nx\ty\n",
            "t:1: has no column `text`, only `label`, `body`: name the text column with --text",
        );
        fails(
            "\ntext\tclass\nx\ty\n",
            "t:2: has no column `label`, only `text`, `class`: name the label column with --label",
        );
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
        let columns = Columns { text: "text".into(), label: None };
        let file = tempfile::Builder::new().suffix(".tsv").tempfile().unwrap();
        std::fs::write(file.path(), "id\ttext\n1\tx\n").unwrap();
        let rows = read_examples(&file.path().into(), &columns, None).unwrap();
        assert_eq!(rows, [Example { text: "x".into(), label: None, line: 2 }]);
    }
}
