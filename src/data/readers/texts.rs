//! Texts with or without labels, in any format of tables.

use super::examples::Examples;
use super::format::Format;
use super::limits::Limits;
use super::lines::Lines;
use super::source::Source;
use super::table::{Columns, Table};
use super::{csv_rows, json_lines};
use crate::error::{Error, Problem, Result, ensure};
use std::path::{Path, PathBuf};

/// Reads a table of at most `most` columns; without a `format` its first line decides.
///
/// # Errors
/// Those of reading its lines; [`Error::Data`], with the line where there is one, for a table without rows, without a
/// wanted column or with a broken row.
pub(super) fn read(
    mut lines: Lines,
    columns: Columns,
    most: usize,
    format: Option<Format>,
    cells: bool,
) -> Result<Examples> {
    let format = match format {
        Some(format) => format,
        None => of_first_line(&mut lines)?,
    };
    let table = Table::new(lines.file.clone(), columns, most);
    let mut table = if cells { table.with_cells() } else { table };
    match format {
        Format::Csv => {
            let separator = separator_of_first_line(&mut lines)?;
            csv_rows::read(lines, separator, &mut table)
        }
        Format::JsonLines => json_lines::read(lines, &mut table),
        _ => read_tsv(lines, &mut table),
    }?;
    table.finish()
}

/// Reads a folder of texts: a folder for each class, with a file for each text, or files alone where no labels are asked for.
/// Classes and files in the order of their names.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] for a folder without texts, or without folders where labels are asked for.
pub(super) fn read_folder(folder: &Path, labels: bool, cells: bool, limits: &Limits) -> Result<Examples> {
    let place = folder.display().to_string();
    let table = Table::new(place.clone(), ("text", labels.then_some("label")), 2);
    let mut table = if cells { table.with_cells() } else { table };
    for path in entries(folder)? {
        if path.is_dir() {
            let class = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            for text in entries(&path)?.into_iter().filter(|own| own.is_file()) {
                table.file(&text);
                table.row(table.rows() + 1, &whole_text(&text, limits)?, labels.then_some(class.as_str()));
            }
        } else if !labels {
            table.file(&path);
            table.row(table.rows() + 1, &whole_text(&path, limits)?, None);
        }
    }
    let none = "is a folder without texts: each class is a folder in it, with a file for each text";
    ensure!(table.rows() > 0, Error::data(place, none));
    table.finish()
}

/// What is in a folder, but for hidden files, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let all = std::fs::read_dir(folder).map_err(Error::io(folder))?;
    let mut paths =
        all.map(|entry| entry.map(|own| own.path())).collect::<std::io::Result<Vec<_>>>().map_err(Error::io(folder))?;
    paths.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    paths.sort();
    Ok(paths)
}

fn whole_text(path: &Path, limits: &Limits) -> Result<String> {
    let mut lines = Lines::open(&Source::File(path.into()), limits.clone())?;
    let mut text = String::new();
    while let Some((_, line)) = lines.next_text()? {
        text.push_str(line);
        text.push('\n');
        let most = limits.line;
        let long = || Problem::Excess(format!("is a text longer than {}", bytesize::ByteSize(most)));
        ensure!(text.len() as u64 <= most, Error::data(&lines.file, long()));
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}

fn read_tsv(mut lines: Lines, table: &mut Table) -> Result<()> {
    while let Some((line, text)) = lines.next_text()? {
        // A line of tabs alone is a row of empty fields.
        if !text.trim().is_empty() || text.contains('\t') {
            table.record(line, &text.split('\t').take(table.most.saturating_add(1)).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// What stands between the names of a header: of comma, semicolon, bar and tab the one that is there most often outside quotes.
fn separator_of_first_line(lines: &mut Lines) -> Result<char> {
    let mut counts = [(',', 0), (';', 0), ('|', 0), ('\t', 0)];
    while let Some((_, line)) = lines.next_text()? {
        if line.trim().is_empty() {
            continue;
        }
        let outside = line.split('"').step_by(2);
        let count = |mark: char| outside.clone().map(|part| part.matches(mark).count()).sum();
        counts.iter_mut().for_each(|(mark, times)| *times = count(*mark));
        break;
    }
    lines.read_again();
    // The first of those that are there as often, as `max_by_key` takes the last.
    Ok(counts.into_iter().rev().max_by_key(|(_, times)| *times).map_or(',', |(mark, _)| mark))
}

/// The format of texts that the first line with anything on it looks like; the line is left to be read again.
///
/// # Errors
/// Those of reading the line; [`Error::Data`] when there is none.
fn of_first_line(lines: &mut Lines) -> Result<Format> {
    let format = loop {
        match lines.next_text()? {
            None => return Err(Error::data(&lines.file, "has no rows: it is empty")),
            Some((_, line)) if line.trim().is_empty() => {}
            Some((_, line)) if is_json(line) => break Format::JsonLines,
            Some((_, line)) if line.contains('\t') => break Format::Tsv,
            Some(_) => break Format::Csv,
        }
    };
    lines.read_again();
    Ok(format)
}

/// Whether a table begins with an object, or a list of them.
fn is_json(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('{')
        || line.strip_prefix('[').is_some_and(|rest| rest.is_empty() || rest.trim_start().starts_with('{'))
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
    fn folders_of_texts() {
        let room = tempfile::tempdir().unwrap();
        for (class, name, text) in [("pos", "b.txt", "good\nfilm\n"), ("neg", "a.txt", "bad"), ("neg", ".x", "?")] {
            let folder = room.path().join(class);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), text).unwrap();
        }
        let found = read_folder(room.path(), true, false, &Limits::default()).unwrap();
        assert_eq!(found.texts(), Some(&["bad".to_string(), "good\nfilm".to_string()][..]));
        assert_eq!(found.names().unwrap(), ["neg", "pos"]);
        let one = read_folder(&room.path().join("pos"), false, true, &Limits::default()).unwrap();
        assert_eq!(one.lines, [1]);
        assert!(one.cells.unwrap().rows[0][0].ends_with("b.txt"));
        let error = read_folder(&room.path().join("pos"), true, false, &Limits::default()).unwrap_err().to_string();
        assert!(
            error.ends_with("is a folder without texts: each class is a folder in it, with a file for each text"),
            "{error}"
        );
    }

    #[test]
    fn separators_are_found_in_the_header() {
        for mark in [",", ";", "|", "\t"] {
            let table = format!("\"text\"{mark}id{mark}label\n\"x, y; z\"{mark}1{mark}a\n");
            assert_eq!(read(&table, Format::Csv), Ok(vec![row("x, y; z", "a", 2)]), "{mark}");
        }
        assert_eq!(read("text;label\nx;y, z\n", Format::Csv), Ok(vec![row("x", "y, z", 2)]));
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
        let found =
            super::read(Lines::open(&file.path().into(), Limits::default()).unwrap(), ("text", None), 9, None, false)
                .unwrap();
        assert_eq!((found.texts(), &found.lines[..]), (Some(&["x".to_string()][..]), &[2][..]));
        assert_eq!(found.targets, None);
    }

    #[test]
    fn the_first_line_tells_the_format() {
        let of = |bytes: &'static [u8]| {
            let mut lines = Lines::unpacked("-", bytes, false).unwrap();
            of_first_line(&mut lines).map_err(|error| error.to_string())
        };
        assert_eq!(of(b"\n \r\n  {\"text\": 1}\n"), Ok(Format::JsonLines));
        assert_eq!((of(b"[\n"), of(b"[{\"text\": 1}]")), (Ok(Format::JsonLines), Ok(Format::JsonLines)));
        assert_eq!(of(b"[text],label\n"), Ok(Format::Csv));
        assert_eq!(of(b"\xEF\xBB\xBFlabel\ttext\n"), Ok(Format::Tsv));
        assert_eq!(of(b"text\n"), Ok(Format::Csv));
        assert_eq!(of(b"\n\n"), Err("-: has no rows: it is empty".into()));
    }
}
