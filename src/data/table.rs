//! Tables of texts with or without labels: which columns, which rows, and what is wrong with a row.

use super::examples::{Examples, RawInputs, RawTargets};
use super::format::TableFormat;
use super::lines::Lines;
use super::{csv_rows, json_lines};
use crate::error::{Error, Problem, Result};
use crate::listing::quoted;

/// The names of the columns (in JSON: keys) to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableColumns {
    pub text: String,
    /// `None`: labels are neither read nor looked for.
    pub label: Option<String>,
}

/// One row of a table, with the line on which it begins.
pub(super) struct Row {
    pub text: String,
    pub label: Option<String>,
    pub line: u64,
}

/// Reads a table; without a `format` its first line decides.
///
/// # Errors
/// Those of reading its lines; [`Error::Data`], with the line where there is one, for a table without rows, without a
/// wanted column or with a broken row.
pub(super) fn parse(mut lines: Lines, columns: &TableColumns, format: Option<TableFormat>) -> Result<Examples> {
    let place = lines.file().to_string();
    let format = match format {
        Some(format) => format,
        None => TableFormat::of_first_line(&mut lines)?,
    };
    let rows = match format {
        TableFormat::Tsv => read_tsv(lines, columns),
        TableFormat::Csv => csv_rows::read(lines, columns),
        TableFormat::JsonLines => json_lines::read(lines, columns),
    }?;
    if rows.is_empty() {
        return Err(Error::data(place, "has no rows"));
    }
    let (mut texts, mut names, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for Row { text, label, line } in rows {
        texts.push(text);
        names.extend(label);
        starts.push(line);
    }
    let targets = columns.label.is_some().then_some(RawTargets::Names(names));
    Ok(Examples { place, lines: starts, inputs: RawInputs::Texts(texts), targets })
}

fn read_tsv(mut lines: Lines, columns: &TableColumns) -> Result<Vec<Row>> {
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
                rows.push(Row { text, label, line: lines.line() });
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
    pub fn find(names: &[&str], columns: &TableColumns) -> std::result::Result<Header, Problem> {
        let position = |wanted: &str, role| {
            let mut found = (0..names.len()).filter(|&column| names[column].trim() == wanted);
            match (found.next(), found.next()) {
                (Some(column), None) => Ok(column),
                (Some(_), Some(_)) => Err(format!("has the column {} more than once", quoted(wanted)).into()),
                (None, _) => Err(missing_column(wanted, role, names.iter().map(|name| name.trim()))),
            }
        };
        Ok(Header {
            text: position(&columns.text, "text")?,
            label: columns.label.as_deref().map(|label| position(label, "label")).transpose()?,
            width: names.len(),
        })
    }

    /// Text and label of one row's `fields`.
    pub fn cells(&self, fields: &[&str]) -> std::result::Result<(String, Option<String>), Problem> {
        let count = fields.len();
        if count != self.width {
            let plural = if count == 1 { "field" } else { "fields" };
            return Err(format!("has {count} {plural}, but the header has {}", self.width).into());
        }
        let label = self.label.map(|column| fields[column].trim().to_string());
        Ok((fields[self.text].to_string(), label))
    }
}

/// A table lacks the column `wanted`, which holds the `role`.
pub(super) fn missing_column<'a>(
    wanted: &str,
    role: &'static str,
    present: impl IntoIterator<Item = &'a str>,
) -> Problem {
    Problem::Column { role, wanted: wanted.into(), present: present.into_iter().map(str::to_string).collect() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::source::unpack;

    /// Reads `bytes` as the file `t`, columns `text` and `label`.
    pub fn read(bytes: &str, format: TableFormat) -> std::result::Result<Vec<(String, String, u64)>, String> {
        read_bytes(bytes.as_bytes(), Some(format))
    }

    pub fn read_bytes(
        bytes: &[u8],
        format: Option<TableFormat>,
    ) -> std::result::Result<Vec<(String, String, u64)>, String> {
        let columns = TableColumns { text: "text".into(), label: Some("label".into()) };
        let lines = Lines::new("t".into(), unpack("t", std::io::Cursor::new(bytes.to_vec()), false).unwrap());
        let Examples { lines, inputs, targets, .. } =
            parse(lines, &columns, format).map_err(|error| error.to_string())?;
        let (RawInputs::Texts(texts), Some(RawTargets::Names(names))) = (inputs, targets) else { unreachable!() };
        Ok(texts.into_iter().zip(names).zip(lines).map(|((text, name), line)| (text, name, line)).collect())
    }

    pub fn row(text: &str, label: &str, line: u64) -> (String, String, u64) {
        (text.into(), label.into(), line)
    }

    fn fails(bytes: &str, message: &str) {
        assert_eq!(read(bytes, TableFormat::Tsv), Err(message.to_string()), "{bytes:?}");
    }

    #[test]
    fn tsv_rows_with_marks_blank_lines_and_windows_ends() {
        let found = read("\u{feff}label\ttext\r\n\r\n ham \tHello, \"you\"\r\nspam\t\r\n\n", TableFormat::Tsv);
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
        assert_eq!(read("text\tlabel\nx\t \n\t\n", TableFormat::Tsv), Ok(vec![row("x", "", 2), row("", "", 3)]));
        let error = read_bytes(b"text\tlabel\nx\ty\n\xE9\ty\n", Some(TableFormat::Tsv));
        assert_eq!(error, Err("t:3: is not UTF-8 text (byte 1 of the line)".into()));
    }

    #[test]
    fn labels_that_are_not_asked_for_are_not_looked_for() {
        let columns = TableColumns { text: "text".into(), label: None };
        let file = tempfile::Builder::new().suffix(".tsv").tempfile().unwrap();
        std::fs::write(file.path(), "id\ttext\n1\tx\n").unwrap();
        let found = parse(Lines::open(&file.path().into()).unwrap(), &columns, None).unwrap();
        assert_eq!((found.texts(), &found.lines[..]), (Some(&["x".to_string()][..]), &[2][..]));
        assert_eq!(found.targets, None);
    }
}
