//! CSV tables. The `csv` crate cuts records into fields; this file feeds it line by line, so that every record's
//! line is known (the crate counts blank lines and Windows line ends to the record before them) and a quote that is
//! never closed is an error instead of a text that swallows the rest of the file.

use std::collections::VecDeque;
use std::io::Read;

use super::lines::Lines;
use super::table::{Header, Row, TableColumns};
use crate::error::{Error, Problem, Result};

/// Reads RFC 4180 rows below a header. Line breaks inside a text come out as `\n`.
pub(super) fn read(lines: Lines, columns: &TableColumns) -> Result<Vec<Row>> {
    let file = lines.file().to_string();
    let feed = Feed { lines, pending: Vec::new(), taken: 0, starts: VecDeque::new(), failure: None };
    // The feed's only line end is `\n`; a stray `\r` is part of the text.
    let ends = csv::Terminator::Any(b'\n');
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).terminator(ends).from_reader(feed);
    let mut header = None;
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let more = reader.read_record(&mut record);
        let feed = reader.get_mut();
        // What the feed found is the cause of whatever the crate says.
        if let Some(failure) = feed.failure.take() {
            return Err(failure);
        }
        let start = feed.starts.pop_front().unwrap_or(feed.lines.line());
        if !more.map_err(|fault| Error::data_line(&file, start, format!("is not CSV: {fault}")))? {
            return Ok(rows);
        }
        let fields: Vec<&str> = record.iter().collect();
        let broken = |problem: Problem| Error::data_line(&file, start, problem);
        match &header {
            None => header = Some(Header::find(&fields, columns).map_err(broken)?),
            Some(header) => {
                let (text, label) = header.cells(&fields).map_err(broken)?;
                rows.push(Row { text, label, line: start });
            }
        }
    }
}

/// Where in a record the scan stands; the same four places as in the `csv` crate's own automaton.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    FieldStart,
    Plain,
    Quoted,
    AfterQuote,
}

/// The bytes of whole records, with the line on which each begins.
struct Feed {
    lines: Lines,
    pending: Vec<u8>,
    taken: usize,
    starts: VecDeque<u64>,
    failure: Option<Error>,
}

impl Feed {
    /// Puts the next record into `pending`; leaves it empty at the end.
    fn load(&mut self) -> Result<()> {
        self.pending.clear();
        self.taken = 0;
        let mut place = Place::FieldStart;
        let mut opened = 0;
        while let Some(text) = self.lines.next_text()? {
            if self.pending.is_empty() && text.trim().is_empty() {
                continue;
            }
            self.pending.extend_from_slice(text.as_bytes());
            self.pending.push(b'\n');
            let (before, mut misplaced) = (place, false);
            for byte in text.bytes() {
                place = match (place, byte) {
                    (Place::FieldStart, b'"') | (Place::AfterQuote, b'"') => Place::Quoted,
                    (Place::Quoted, b'"') => Place::AfterQuote,
                    (Place::Quoted, _) => Place::Quoted,
                    (_, b',') => Place::FieldStart,
                    (Place::AfterQuote, _) => {
                        misplaced = true;
                        Place::Plain
                    }
                    _ => Place::Plain,
                };
            }
            let line = self.lines.line();
            if misplaced {
                return Err(self
                    .lines
                    .error("has text behind a closing quote: a quote inside a quoted text is doubled"));
            }
            if before != Place::Quoted {
                self.starts.push_back(line);
                opened = line;
            }
            if place != Place::Quoted {
                return Ok(());
            }
        }
        if place == Place::Quoted {
            return Err(Error::data_line(self.lines.file(), opened, "opens a quoted text that is never closed"));
        }
        Ok(())
    }
}

impl Read for Feed {
    /// Never fails: a fault is kept in `failure`, where it keeps its type, and looks like the end.
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.taken == self.pending.len() && self.failure.is_none() {
            self.failure = self.load().err();
        }
        if self.failure.is_some() {
            return Ok(0);
        }
        let count = into.len().min(self.pending.len() - self.taken);
        into[..count].copy_from_slice(&self.pending[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use crate::data::TableFormat::Csv;
    use crate::data::table::tests::{read, read_bytes, row};

    fn fails(text: &str, message: &str) {
        assert_eq!(read(text, Csv), Err(message.to_string()), "{text:?}");
    }

    #[test]
    fn quotes_commas_and_line_breaks() {
        let text = "\u{feff}label, text \r\n\r\nham,\"a, \"\"b\"\"\r\n\r\nc\"\r\n\r\n\r\nspam,5\" disk\r\nspam,\"\"\n";
        let rows = vec![row("a, \"b\"\n\nc", "ham", 3), row("5\" disk", "spam", 8), row("", "spam", 9)];
        assert_eq!(read(text, Csv), Ok(rows));
    }

    #[test]
    fn whatever_a_writer_writes_comes_back_with_its_line() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for _ in 0..500 {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["text", "label"]).unwrap();
            let (mut rows, mut line) = (Vec::new(), 2);
            for _ in 0..random.random_range(1..6) {
                let length = random.random_range(0..8);
                let text: String =
                    (0..length).map(|_| ['"', ',', '\n', 'a', ' ', 'é'][random.random_range(0..6)]).collect();
                writer.write_record([text.as_str(), "x"]).unwrap();
                rows.push(row(&text, "x", line));
                line += 1 + text.matches('\n').count() as u64;
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            assert_eq!(read(&text, Csv), Ok(rows.clone()), "{text:?}");
            assert_eq!(read(&text.replace('\n', "\r\n"), Csv), Ok(rows), "{text:?}");
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
        let behind = "has text behind a closing quote: a quote inside a quoted text is doubled";
        fails("label,text\nham,\"hello\nspam,\"bye\"\n", &format!("t:3: {behind}"));
    }
}
