//! CSV tables, cut into records here and not by the `csv` crate, which counts blank lines and Windows line ends to the
//! record before them and lets a quote that is never closed swallow the rest of the file: this way every record's line
//! is known, and such a quote is an error.

use super::lines::Lines;
use super::table::Table;
use crate::error::{Error, Result};

/// Where in a record the scan stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    FieldStart,
    Plain,
    Quoted,
    AfterQuote,
    /// Blanks between the closing quote and the comma.
    AfterBlank,
}

/// Reads RFC 4180 rows below a header, in which `separator` may stand for the comma. Line breaks inside a text come out as `\n`.
pub(super) fn read(lines: &mut Lines, separator: char, table: &mut Table) -> Result<()> {
    let (mut fields, mut field) = (Vec::new(), String::new());
    let (mut place, mut begin) = (Place::FieldStart, 0);
    // A field that began with blanks before its quote, as it stands: if text follows the closing quote, that is what it is.
    let mut raw: Option<String> = None;
    let mut broken = None;
    while let Some((line, text)) = lines.next_text()? {
        if place == Place::Quoted {
            field.push('\n');
        } else if text.trim().is_empty() {
            continue;
        } else {
            (place, begin) = (Place::FieldStart, line);
        }
        for letter in text.chars() {
            if let Some(raw) = &mut raw {
                raw.push(letter);
            }
            place = match (place, letter) {
                (Place::FieldStart, '"') => Place::Quoted,
                // Blanks before a quoted text are none of it.
                (Place::Plain, '"') if field.chars().all(|letter| letter == ' ') => {
                    raw = Some(std::mem::take(&mut field) + "\"");
                    Place::Quoted
                }
                (Place::Quoted, '"') => Place::AfterQuote,
                (Place::AfterQuote | Place::AfterBlank, ' ') => Place::AfterBlank,
                (Place::FieldStart | Place::Plain | Place::AfterQuote | Place::AfterBlank, mark)
                    if mark == separator =>
                {
                    raw = None;
                    if fields.len() <= table.most {
                        fields.push(std::mem::take(&mut field));
                    }
                    Place::FieldStart
                }
                (Place::AfterQuote, '"') | (Place::Quoted, _) => {
                    field.push(letter);
                    Place::Quoted
                }
                (Place::FieldStart | Place::Plain, _) => {
                    field.push(letter);
                    Place::Plain
                }
                (Place::AfterQuote | Place::AfterBlank, _) if raw.is_some() => {
                    field = raw.take().unwrap_or_default();
                    Place::Plain
                }
                (Place::AfterQuote | Place::AfterBlank, _) => {
                    let problem = "has text behind a closing quote: a quote inside a quoted text is doubled";
                    broken = Some(problem);
                    break;
                }
            };
        }
        if let Some(problem) = broken.take() {
            let all = if begin < line { format!("{problem} (the text began on line {begin})") } else { problem.into() };
            let broken = Err(lines.error(all));
            lines.row::<()>(broken)?;
            (raw, place) = (None, Place::FieldStart);
            field.clear();
            fields.clear();
        } else if place != Place::Quoted {
            raw = None;
            fields.push(std::mem::take(&mut field));
            table.record(lines, begin, &fields)?;
            fields.clear();
        }
    }
    match place {
        Place::Quoted => {
            let place = format!("{}:{begin}", lines.file);
            // Never left out: all rows behind it would be, too.
            Err(Error::data(place, "opens a quoted text that is never closed"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use crate::data::Format::Csv;
    use crate::data::readers::fixtures::{read, read_bytes, row};

    fn fails(text: &str, message: &str) {
        assert_eq!(read(text, Csv), Err(message.to_string()), "{text:?}");
    }

    #[test]
    fn blanks_around_quotes() {
        let of = |cell: &str| read(&format!("label,text\nham,{cell}\nspam,x\n"), Csv);
        let is = |text: &str| Ok(vec![row(text, "ham", 2), row("x", "spam", 3)]);
        assert_eq!(of(" \"a, b\""), is("a, b"));
        assert_eq!(of(" \"a\"  "), is("a"));
        assert_eq!(of("\"a\" "), is("a"));
        assert_eq!(of(" \"Free\" offer"), is(" \"Free\" offer"));
        let error = "t:2: has text behind a closing quote: a quote inside a quoted text is doubled".to_string();
        assert_eq!(of("\"a\" \"b\""), Err(error.clone()));
        assert_eq!(of("\"a\" b"), Err(error));
    }

    #[test]
    fn quotes_commas_and_line_breaks() {
        let text = "\u{feff}label, text \r\n\r\nham,\"a, \"\"b\"\"\r\n\r\nc\"\r\n\r\n\r\nspam,5\" disk\r\nspam,\"\"\n";
        let rows = vec![row("a, \"b\"\n\nc", "ham", 3), row("5\" disk", "spam", 8), row("", "spam", 9)];
        assert_eq!(read(text, Csv), Ok(rows));
    }

    /// A row as another crate writes it.
    fn written(fields: &[&str]) -> String {
        let (mut writer, mut row, mut end) = (csv_core::Writer::new(), [0; 64], 0);
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                end += writer.delimiter(&mut row[end..]).1;
            }
            end += writer.field(field.as_bytes(), &mut row[end..]).2;
        }
        end += writer.terminator(&mut row[end..]).1;
        String::from_utf8(row[..end].to_vec()).unwrap()
    }

    #[test]
    fn whatever_a_writer_writes_comes_back_with_its_line() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for _ in 0..500 {
            let (mut rows, mut line, mut table) = (Vec::new(), 2, written(&["text", "label"]));
            for _ in 0..random.random_range(1..6) {
                let length = random.random_range(0..8);
                let text: String =
                    (0..length).map(|_| ['"', ',', '\n', 'a', ' ', 'é'][random.random_range(0..6)]).collect();
                table += &written(&[&text, "x"]);
                rows.push(row(&text, "x", line));
                line += 1 + text.matches('\n').count() as u64;
            }
            assert_eq!(read(&table, Csv), Ok(rows.clone()), "{table:?}");
            assert_eq!(read(&table.replace('\n', "\r\n"), Csv), Ok(rows), "{table:?}");
        }
        assert_eq!(read("text,label\na\rb,x\n", Csv), Ok(vec![row("a\rb", "x", 2)]));
    }

    #[test]
    fn a_text_longer_than_every_buffer() {
        let long = "word, ".repeat(50_000);
        let found = read(&format!("text,label\n\"{long}\",x\ny,z"), Csv).unwrap();
        assert_eq!(found, [row(&long, "x", 2), row("y", "z", 3)]);
    }

    #[test]
    fn without_rows_or_columns() {
        fails("", "t: has no rows");
        fails("text,label\r\n\r\n", "t: has no rows");
        fails("a,b\n1,2\n", "t:1: has no column `text`, only `a`, `b`");
    }

    #[test]
    fn broken_rows_name_their_line() {
        fails("text,label\r\n\r\nx,y\r\na,b,c\r\n", "t:4: has 3 fields, but the header has 2");
        fails("text,label\n\"x\ny\",z\na\n", "t:4: has 1 field, but the header has 2");
        let error = read_bytes(b"text,label\n\"x\n\xFF\",y\n", Some(Csv));
        assert_eq!(error, Err("t:3: is not UTF-8 text (byte 1 of the line)".into()));
    }

    #[test]
    fn quotes_that_swallow_rows_are_refused() {
        fails("label,text\nham,x\nham,\"hello\nspam,y\n", "t:3: opens a quoted text that is never closed");
        let behind =
            "has text behind a closing quote: a quote inside a quoted text is doubled (the text began on line 2)";
        fails("label,text\nham,\"hello\nspam,\"bye\"\n", &format!("t:3: {behind}"));
    }
}
