//! Tables of texts with or without labels: which columns, which rows, and what is wrong with a row.

use super::examples::{Cells, Examples, LeftOut, RawInputs, RawTargets, ReadOptions};
use super::lines::Lines;
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
    /// Whether its first record is a header.
    named: bool,
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
    /// A table without rows as yet; `place` is its name in messages, the last of its columns that of the label if there is one.
    pub fn new(place: String, targets: bool, options: &'a ReadOptions) -> Table<'a> {
        let columns = (options.text.as_str(), targets.then_some(options.label.as_str()));
        let cells = options.cells.then(Cells::default);
        let (most, named) = (options.limits.columns, options.header);
        Table { place, columns, most, named, header: None, lines: vec![], texts: vec![], labels: vec![], cells }
    }

    /// Takes the fields of a record that begins on this line; the first record is the header, if there is one.
    pub fn record(&mut self, lines: &mut Lines, line: u64, fields: &[impl AsRef<str>]) -> Result<()> {
        let wrong = |problem: Problem| Error::data(format_args!("{}:{line}", self.place), problem);
        let header = match &self.header {
            Some(header) => header,
            None => {
                let many = || Problem::Excess(format!("has over {} columns", self.most));
                ensure!(fields.len() <= self.most, wrong(many()));
                let names = match self.named {
                    true => fields.iter().map(|name| name.as_ref().trim().to_string()).collect(),
                    false => numbered(fields.len()),
                };
                let (text, label) = self.columns;
                let class = lines.orange.as_ref().and_then(|head| head.class.as_deref());
                let label =
                    label.map(|label| class.filter(|_| !names.iter().any(|name| name == label)).unwrap_or(label));
                let header = Header::find(&names, (text, label)).map_err(wrong)?;
                self.cells.iter_mut().for_each(|cells| cells.header = names.clone());
                let header = self.header.insert(header);
                if self.named {
                    return Ok(());
                }
                header
            }
        };
        let &Header { text, label, width } = header;
        let (count, plural) = (fields.len(), if fields.len() == 1 { "field" } else { "fields" });
        let above = if self.named { "header" } else { "first row" };
        if count != width {
            let broken = wrong(format!("has {count} {plural}, but the {above} has {width}").into());
            return lines.row(Err(broken)).map(|_: Option<()>| ());
        }
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

    /// Keeps the columns of the row that was taken last, where columns are kept: those that the first row has.
    pub fn keep(&mut self, columns: impl FnOnce() -> Vec<(String, String)>) {
        let Some(cells) = &mut self.cells else { return };
        let own = columns();
        if cells.rows.is_empty() {
            cells.header = own.iter().map(|(name, _)| name.clone()).collect();
        }
        let find =
            |name: &String| own.iter().find(|(other, _)| other == name).map_or(String::new(), |(_, own)| own.clone());
        cells.rows.push(cells.header.iter().map(find).collect());
    }

    /// Takes the file of the next row, where each row has one of its own, for its column.
    pub fn file(&mut self, path: &std::path::Path) {
        if let Some(cells) = &mut self.cells {
            cells.header = vec!["file".into()];
            cells.rows.push(vec![path.display().to_string()]);
        }
    }

    /// Fields of a row, once there is a header.
    pub fn width(&self) -> Option<usize> {
        self.header.as_ref().map(|header| header.width)
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.lines.len() as u64
    }

    /// What was read.
    pub fn finish(self, left_out: LeftOut) -> Examples {
        let targets = self.columns.1.map(|_| RawTargets::Names(self.labels));
        let inputs = RawInputs::Texts(self.texts);
        let cells = self.cells.filter(|cells| !cells.rows.is_empty());
        Examples { place: self.place, lines: self.lines, inputs, targets, targets_place: None, cells, left_out }
    }
}

impl Header {
    /// Finds the columns among the header's `names`.
    fn find(names: &[String], (text, label): Columns) -> std::result::Result<Header, Problem> {
        let label = label.map(|label| position(names, label, "label"));
        Ok(Header { text: position(names, text, "text")?, label: label.transpose()?, width: names.len() })
    }
}

/// The place of the column `wanted`, which holds the `role`, among these names.
pub(super) fn position(
    names: &[impl AsRef<str>],
    wanted: &str,
    role: &'static str,
) -> std::result::Result<usize, Problem> {
    let mut found = (0..names.len()).filter(|&column| names[column].as_ref() == wanted);
    match (found.next(), found.next()) {
        (Some(column), None) => Ok(column),
        (Some(_), Some(_)) => Err(format!("has the column {} more than once", quoted(wanted)).into()),
        (None, _) => Err(missing_column(wanted, role, names.iter().map(AsRef::as_ref))),
    }
}

/// What the columns of a table without a header are called.
pub(super) fn numbered(width: usize) -> Vec<String> {
    (1..=width).map(|number| number.to_string()).collect()
}

/// Whether a column numbers the rows, by its name: pandas writes such, unasked, without a name or as these.
pub(super) fn is_index(name: &str) -> bool {
    name.starts_with("__index_level_") || ["", "Unnamed: 0", "index", "id", "Id", "ID"].contains(&name)
}

/// Tells of columns that are no steps.
pub(super) fn warn_of_index(place: &str, name: &str) {
    log::warn!("{place}: the column {} seems to number the rows: it is no step of a series", quoted(name));
}

/// A table lacks the column `wanted`, which holds the `role`.
pub(super) fn missing_column(
    wanted: &str,
    role: &'static str,
    present: impl IntoIterator<Item = impl ToString>,
) -> Problem {
    Problem::Column { role, wanted: wanted.into(), present: present.into_iter().map(|name| name.to_string()).collect() }
}
