//! Tables of texts with or without labels: which columns, which rows, and what is wrong with a row.

use super::examples::{Cells, Examples, RawInputs, RawTargets};
use crate::error::{Error, Problem, Result, ensure};
use crate::listing::quoted;

/// The names of the columns (in JSON: keys) of the text and, where labels are read, of the label.
pub(super) type Columns<'a> = (&'a str, Option<&'a str>);

/// The rows of a table as they are read.
pub(super) struct Table<'a> {
    place: String,
    pub columns: Columns<'a>,
    /// Columns that it may have.
    pub most: usize,
    header: Option<Header>,
    lines: Vec<u64>,
    texts: Vec<String>,
    labels: Vec<String>,
    /// All columns, if they are to be kept.
    cells: Option<Cells>,
}

/// Where the wanted columns stand among the fields of each record.
struct Header {
    text: usize,
    label: Option<usize>,
    width: usize,
}

impl<'a> Table<'a> {
    /// A table without rows as yet; `place` is its name in messages.
    pub fn new(place: String, columns: Columns<'a>, most: usize) -> Table<'a> {
        Table { place, columns, most, header: None, lines: vec![], texts: vec![], labels: vec![], cells: None }
    }

    /// The same, which keeps all columns.
    pub fn with_cells(self) -> Table<'a> {
        Table { cells: Some(Cells::default()), ..self }
    }

    /// Takes the fields of a record that begins on this line; the first record is the header.
    pub fn record(&mut self, line: u64, fields: &[impl AsRef<str>]) -> Result<()> {
        let wrong = |problem: Problem| Error::data(format_args!("{}:{line}", self.place), problem);
        let Some(Header { text, label, width }) = self.header else {
            let many = || Problem::Excess(format!("has over {} columns", self.most));
            ensure!(fields.len() <= self.most, wrong(many()));
            let names: Vec<&str> = fields.iter().map(|name| name.as_ref().trim()).collect();
            self.header = Some(Header::find(&names, self.columns).map_err(wrong)?);
            self.cells.iter_mut().for_each(|cells| cells.header = names.iter().map(|name| name.to_string()).collect());
            return Ok(());
        };
        let (count, plural) = (fields.len(), if fields.len() == 1 { "field" } else { "fields" });
        ensure!(count == width, wrong(format!("has {count} {plural}, but the header has {width}").into()));
        let all = fields.iter().map(|field| field.as_ref().to_string());
        self.cells.iter_mut().for_each(|cells| cells.rows.push(all.clone().collect()));
        self.row(line, fields[text].as_ref(), label.map(|column| fields[column].as_ref()));
        Ok(())
    }

    /// Takes a row.
    pub fn row(&mut self, line: u64, text: &str, label: Option<&str>) {
        self.lines.push(line);
        self.texts.push(text.to_string());
        self.labels.extend(label.map(|label| label.trim().to_string()));
    }

    /// Takes the file of the next row, where each row has one of its own, for its column.
    pub fn file(&mut self, path: &std::path::Path) {
        if let Some(cells) = &mut self.cells {
            cells.header = vec!["file".into()];
            cells.rows.push(vec![path.display().to_string()]);
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.lines.len() as u64
    }

    /// What was read.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no row.
    pub fn finish(self) -> Result<Examples> {
        ensure!(!self.lines.is_empty(), Error::data(self.place, "has no rows"));
        let targets = self.columns.1.map(|_| RawTargets::Names(self.labels));
        let inputs = RawInputs::Texts(self.texts);
        let cells = self.cells.filter(|cells| !cells.rows.is_empty());
        Ok(Examples { place: self.place, lines: self.lines, inputs, targets, targets_place: None, cells })
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
