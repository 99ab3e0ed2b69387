//! Texts with or without labels, in any format of tables.

use super::examples::{Examples, LeftOut, ReadOptions};
use super::format::Format;
use super::lines::Lines;
use super::source::Source;
use super::table::Table;
use super::{csv_rows, json_lines, tagged, tsv_rows};
use crate::error::{Error, Problem, Result, ensure};
use std::path::{Path, PathBuf};

/// Reads a table; without a `format` its first line decides.
///
/// # Errors
/// Those of reading its lines; [`Error::Data`], with the line where there is one, for a table without rows, without a
/// wanted column or with a broken row.
pub(super) fn read(mut lines: Lines, targets: bool, format: Option<Format>, options: &ReadOptions) -> Result<Examples> {
    let format = match format {
        Some(format) => format,
        None if options.steps => Format::Conll,
        None => of_first_line(&mut lines)?,
    };
    match format {
        Format::Conll | Format::ConllU => {
            return tagged::read_conll(lines, targets, format == Format::ConllU, options);
        }
        Format::JsonLines if options.steps => return tagged::read_json(lines, targets, options),
        _ => {}
    }
    let mut table = Table::new(lines.file.clone(), targets, options);
    match format {
        Format::Csv => {
            let separator = separator_of_first_line(&mut lines)?;
            csv_rows::read(&mut lines, separator, &mut table)
        }
        Format::JsonLines => json_lines::read(&mut lines, &mut table),
        _ => tsv_rows::read(&mut lines, &mut table),
    }?;
    ensure!(table.rows() > 0, lines.none("has no rows"));
    Ok(table.finish(lines.left_out))
}

/// Reads a folder of texts: a folder for each class, with a file for each text, or files alone where no labels are asked for.
/// Classes and files in the order of their names.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] for a folder without texts, or without folders where labels are asked for.
pub(super) fn read_folder(folder: &Path, labels: bool, options: &ReadOptions) -> Result<Examples> {
    let place = folder.display().to_string();
    let mut table = Table::new(place.clone(), labels, options);
    let mut left_out = LeftOut::default();
    for path in entries(folder)? {
        if path.is_dir() {
            let class = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            for text in entries(&path)?.into_iter().filter(|own| own.is_file()) {
                take_file(&mut table, &mut left_out, &text, labels.then_some(class.as_str()), options)?;
            }
        } else if !labels {
            take_file(&mut table, &mut left_out, &path, None, options)?;
        }
    }
    let none = "is a folder without texts: each class is a folder in it, with a file for each text";
    ensure!(table.rows() > 0, left_out.none(&place, none));
    Ok(table.finish(left_out))
}

/// Adds the text of a file, or leaves it out where broken ones are.
fn take_file(
    table: &mut Table,
    left_out: &mut LeftOut,
    path: &Path,
    label: Option<&str>,
    options: &ReadOptions,
) -> Result<()> {
    // A text has no rows of its own to be left out.
    let own = ReadOptions { skip_bad_rows: false, header: false, ..options.clone() };
    if let Some(text) = left_out.row(options.skip_bad_rows, whole_text(path, &own))? {
        table.file(path);
        table.row(table.rows() + 1, &text, label);
    }
    Ok(())
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

fn whole_text(path: &Path, options: &ReadOptions) -> Result<String> {
    let mut lines = Lines::open(&Source::File(path.into()), options)?;
    let mut text = String::new();
    while let Some((_, line)) = lines.next_text()? {
        text.push_str(line);
        text.push('\n');
        let most = options.limits.line;
        let long = || Problem::Excess(format!("is a text longer than {}", bytesize::ByteSize(most)));
        ensure!(text.len() as u64 <= most, Error::data(&lines.file, long()));
    }
    text.truncate(text.trim_end().len());
    Ok(text)
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
    use crate::data::readers::fixtures::{lines_of, opened_lines, read, read_bytes, row};

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
        let found = read_folder(room.path(), true, &ReadOptions::default()).unwrap();
        assert_eq!(found.texts(), Some(&["bad".to_string(), "good\nfilm".to_string()][..]));
        assert_eq!(*found.names().unwrap(), ["neg", "pos"]);
        let with_cells = ReadOptions { cells: true, ..ReadOptions::default() };
        let one = read_folder(&room.path().join("pos"), false, &with_cells).unwrap();
        assert_eq!(one.lines, [1]);
        assert!(one.cells.unwrap().rows[0][0].ends_with("b.txt"));
        let error = read_folder(&room.path().join("pos"), true, &ReadOptions::default()).unwrap_err().to_string();
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
    fn columns_by_number() {
        let options = ReadOptions { text: "2".into(), label: "1".into(), header: false, ..ReadOptions::default() };
        let table = |bytes: &str, options: &ReadOptions| {
            let read = super::read(lines_of("t", bytes.as_bytes(), options), true, None, options);
            read.map(|own| (own.texts().unwrap().to_vec(), own.names().unwrap().to_vec(), own.left_out))
                .map_err(|error| error.to_string())
        };
        let rows = |own: [&str; 2]| own.map(String::from).to_vec();
        let found = (rows(["a film", "x"]), rows(["good", "bad"]), LeftOut::default());
        assert_eq!(table("good\ta film\nbad\tx\n", &options), Ok(found.clone()));
        assert_eq!(table("good,a film\n\nbad,x\n", &options), Ok(found));
        assert_eq!(table("good\tx\nbad\n", &options), Err("t:2: has 1 field, but the first row has 2".into()));
        let far = ReadOptions { text: "3".into(), ..options };
        assert_eq!(table("good\tx\n", &far), Err("t:1: has no column `3`, only `1`, `2`".into()));
    }

    #[test]
    fn broken_rows_are_left_out() {
        let options = ReadOptions { skip_bad_rows: true, ..ReadOptions::default() };
        let table = |bytes: &[u8]| {
            let read = super::read(lines_of("t", bytes, &options), true, None, &options);
            read.map(|own| (own.texts().unwrap().join("|"), own.lines, own.left_out.told))
                .map_err(|error| error.to_string())
        };
        let told = |told: &[&str]| told.iter().map(|line| line.to_string()).collect::<Vec<_>>();
        let found = table(b"text\tlabel\na\t1\nb\n\xE9\t2\nc\t3\n");
        let broken = ["t:3: has 1 field, but the header has 2", "t:4: is not UTF-8 text (byte 1 of the line)"];
        assert_eq!(found, Ok(("a|c".into(), vec![2, 5], told(&broken))));
        let found = table(b"text,label\n\"a\"b,1\nc,2\n").unwrap();
        assert_eq!((found.0.as_str(), found.2.len()), ("c", 1), "{found:?}");
        // All rows behind it are within its quotes.
        let open = table(b"text,label\nc,2\n\"d,3\ne,4\n");
        assert_eq!(open, Err("t:3: opens a quoted text that is never closed".into()));
        let found = table(b"{\"text\":\"a\",\"label\":1}\n{\n{\"text\":\"b\"}\n").unwrap();
        assert_eq!((found.0.as_str(), found.2.len()), ("a", 2));
        let none = "t: has no rows: all 1 were left out, the first as t:2: has 1 field, but the header has 2";
        assert_eq!(table(b"text\tlabel\na\n"), Err(none.into()));
        assert_eq!(table(b"text\tclass\na\t1\n"), Err("t:1: has no column `label`, only `text`, `class`".into()));
    }

    #[test]
    fn tables_of_orange() {
        let found = read("words\tlabel\ttext\ns\td\tstring\n\tclass\tmeta\n1\tgood\tx\n", Format::Tsv);
        assert_eq!(found, Ok(vec![row("x", "good", 4)]));
        // The column that is said to be the class, where none is called so.
        let found = read("mood\ttext\nd\tstring\nclass\tmeta\ngood\tx\n", Format::Tsv);
        assert_eq!(found, Ok(vec![row("x", "good", 4)]));
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
        let options = ReadOptions::default();
        let found = super::read(Lines::open(&file.path().into(), &options).unwrap(), false, None, &options).unwrap();
        assert_eq!((found.texts(), &found.lines[..]), (Some(&["x".to_string()][..]), &[2][..]));
        assert_eq!(found.targets, None);
    }

    #[test]
    fn the_first_line_tells_the_format() {
        let of = |bytes: &'static [u8]| {
            let mut lines = opened_lines("-", bytes);
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
