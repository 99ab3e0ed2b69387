//! A text file line by line: byte order mark and line ends taken off, lines counted, faults named.

use std::io::{BufRead, ErrorKind, Read};

use super::binary::read_error;
use super::encoding::Encoding;
use super::examples::{LeftOut, ReadOptions};
use super::format::Format;
use super::limits::{Limits, Reader, Refused};
use super::orange::{self, Head};
use super::source::Source;
use crate::error::{Error, Problem, Result, ensure};

/// The lines of a source. Holds one line at a time.
pub(super) struct Lines {
    /// The name for messages.
    pub file: String,
    reader: Reader<'static>,
    /// Bytes that a line may have.
    longest: u64,
    buffer: Vec<u8>,
    line: u64,
    again: bool,
    /// What two lines below the header say, if it is one of Orange's tables: they are passed over.
    pub orange: Option<Head>,
    /// Whether broken rows are left out, and those that were.
    skips: bool,
    pub left_out: LeftOut,
}

impl Lines {
    /// # Errors
    /// Those of opening.
    pub fn open(source: &Source, options: &ReadOptions) -> Result<Lines> {
        let reader = source.open_text(options.limits.clone(), options.encoding)?;
        Ok(Lines::new(source.to_string(), reader, options))
    }

    /// Lines of something already opened; `file` is its name in messages.
    pub fn new(file: String, mut reader: Reader<'static>, options: &ReadOptions) -> Lines {
        // A fault of reading is told where the lines are read.
        let orange = if options.header { reader.fill_buf().ok().and_then(orange::head) } else { None };
        let (longest, skips, left_out) = (options.limits.line, options.skip_bad_rows, LeftOut::default());
        Lines { file, reader, longest, buffer: Vec::new(), line: 0, again: false, orange, skips, left_out }
    }

    /// An error about the line read last.
    pub fn error(&self, problem: impl Into<Problem>) -> Error {
        Error::data(format_args!("{}:{}", self.file, self.line), problem)
    }

    /// Makes the next call return the line read last once more.
    pub fn read_again(&mut self) {
        self.again = self.line > 0;
    }

    /// As [`LeftOut::row`].
    ///
    /// # Errors
    /// As there.
    pub fn row<T>(&mut self, read: Result<T>) -> Result<Option<T>> {
        self.left_out.row(self.skips, read)
    }

    /// As [`LeftOut::none`].
    pub fn none(&self, has: &str) -> Error {
        self.left_out.none(&self.file, has)
    }

    /// The next line as bytes, without its end; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Data`] when packed data is damaged.
    pub fn next_bytes(&mut self) -> Result<Option<&[u8]>> {
        Ok(if self.advance()? { Some(self.current()) } else { None })
    }

    /// The next line, counted from 1, as text without its end; `None` after the last.
    ///
    /// # Errors
    /// Those of [`Lines::next_bytes`], and [`Error::Data`] for a line that is not UTF-8.
    pub fn next_text(&mut self) -> Result<Option<(u64, &str)>> {
        loop {
            if !self.advance()? {
                return Ok(None);
            }
            if self.orange.as_ref().is_some_and(|head| head.lines.contains(&self.line)) {
                continue;
            }
            let zeros = self.line == 1 && self.buffer.contains(&0) && Format::of_bytes(&self.buffer).is_none();
            ensure!(!zeros, Error::data(&self.file, Problem::Zeros));
            let fault = match std::str::from_utf8(self.current()) {
                Ok(_) => break,
                Err(fault) => fault,
            };
            let start = if self.line == 1 { &self.buffer[..] } else { &[] };
            let numbers = |format| format!("is no text but a file of numbers ({format}), and text is read here");
            let error = match Format::of_bytes(start) {
                Some(format) => return Err(Error::data(&self.file, numbers(format))),
                None => self.error(Problem::NotUtf8 { byte: fault.valid_up_to() + 1 }),
            };
            self.row::<()>(Err(error))?;
        }
        // It was found to be text above.
        let text = std::str::from_utf8(self.current()).unwrap_or_default();
        Ok(Some((self.line, text)))
    }

    /// Reads one line into the buffer; false at the end.
    fn advance(&mut self) -> Result<bool> {
        if !std::mem::take(&mut self.again) {
            self.buffer.clear();
            let mut one = self.reader.by_ref().take(self.longest.saturating_add(1));
            let read = one.read_until(b'\n', &mut self.buffer).map_err(|source| self.read_error(source))?;
            self.line += u64::from(read > 0);
            let long = || format!("is a line longer than {}", bytesize::ByteSize(self.longest));
            ensure!(read as u64 <= self.longest, self.error(Problem::Excess(long())));
        }
        Ok(!self.buffer.is_empty())
    }

    /// The buffered line without its mark and its end.
    fn current(&self) -> &[u8] {
        let bytes = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let mark: &[u8] = if self.line == 1 { b"\xEF\xBB\xBF" } else { b"" };
        bytes.strip_prefix(mark).unwrap_or(bytes)
    }

    /// Only unpacking finds data damaged; a plain file is whatever it is.
    fn read_error(&self, source: std::io::Error) -> Error {
        match source.kind() {
            ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                let problem = format!("the packed data is damaged or cut short after line {} ({source})", self.line);
                Error::data(&self.file, problem)
            }
            _ => match source.downcast::<Refused>() {
                // What is no text of its encoding stands on a line.
                Ok(Refused(problem @ Problem::Other(_))) => {
                    Error::data(format_args!("{}:{}", self.file, self.line + 1), problem)
                }
                Ok(Refused(problem)) => Error::data(&self.file, problem),
                Err(source) => read_error(&self.file, source),
            },
        }
    }
}

/// Opens `source`, packed or not, for reading one text per line, as they come: the first line comes out before the
/// last is in. An empty line is a text too. The lines end after the first error.
///
/// # Errors
/// [`Error::Io`] when the source cannot be opened. Each item has the errors of reading its line: [`Error::Io`], and
/// [`Error::Data`] with the line's number for bytes that are not UTF-8 and for damaged packed data.
pub fn read_lines(source: &Source, encoding: Option<Encoding>) -> Result<impl Iterator<Item = Result<String>> + use<>> {
    let limits = Limits::default().of_lines();
    // Lines have no header, whatever they look like.
    let options = ReadOptions { limits, encoding, header: false, ..ReadOptions::default() };
    Ok(texts(Lines::open(source, &options)?))
}

fn texts(lines: Lines) -> impl Iterator<Item = Result<String>> {
    let mut lines = Some(lines);
    std::iter::from_fn(move || {
        let item = lines.as_mut()?.next_text().map(|line| line.map(|(_, text)| text.to_owned())).transpose();
        lines = lines.take().filter(|_| matches!(item, Some(Ok(_))));
        item
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::data::readers::fixtures::opened_lines;

    fn lines(bytes: &'static [u8]) -> Lines {
        opened_lines("in.txt", bytes)
    }

    fn all(bytes: &'static [u8]) -> Vec<Result<String>> {
        texts(lines(bytes)).collect()
    }

    #[test]
    fn marks_and_ends_are_taken_off_and_empty_lines_stay() {
        let texts: Vec<String> =
            all(b"\xEF\xBB\xBFone\r\n\ntwo\n\xEF\xBB\xBFx").into_iter().map(Result::unwrap).collect();
        assert_eq!(texts, ["one", "", "two", "\u{feff}x"]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named_and_end_the_lines() {
        let found = all(b"fine\ncaf\xE9\nmore\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].as_ref().unwrap_err().to_string(), "in.txt:2: is not UTF-8 text (byte 4 of the line)");
    }

    #[test]
    fn utf16_is_read() {
        let found = all(b"\xFF\xFEa\0\n\0\xE9\0");
        assert_eq!(found.into_iter().map(Result::unwrap).collect::<Vec<_>>(), ["a", "é"]);
        assert_eq!(all(b"\xFE\xFF\0a")[0].as_ref().unwrap(), "a");
        let found = all(b"\xFF\xFEa\0\n\0\xE9");
        assert_eq!(found[1].as_ref().unwrap_err().to_string(), "in.txt:2: is not utf-16le text");
    }

    #[test]
    fn zeros_are_no_text() {
        let found = all(b"t\0e\0\n\0");
        assert_eq!(found[0].as_ref().unwrap_err().to_string(), "in.txt: has zero bytes, as no text in UTF-8 has");
    }

    #[test]
    fn numbers_are_recognised() {
        let found = all(b"\x93NUMPY\x01\0v\0{'descr': '<f4'}\n");
        let error = "in.txt: is no text but a file of numbers (npy), and text is read here";
        assert_eq!(found[0].as_ref().unwrap_err().to_string(), error);
    }

    #[test]
    fn a_line_can_be_read_again() {
        let mut lines = lines(b"a\nb\n");
        lines.read_again();
        for (text, line, again) in [("a", 1, true), ("a", 1, false), ("b", 2, false)] {
            assert_eq!(lines.next_text().unwrap(), Some((line, text)));
            if again {
                lines.read_again();
            }
        }
        assert_eq!(lines.next_text().unwrap(), None);
    }

    #[test]
    fn cut_gzip_is_named() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all("a line of text\n".repeat(50).as_bytes()).unwrap();
        let mut packed = packer.finish().unwrap();
        let open = |bytes: Vec<u8>| texts(opened_lines("in.gz", &bytes));
        assert_eq!(open(packed.clone()).filter(Result::is_ok).count(), 50);

        // Two packed files in a row are one text.
        assert_eq!(open([packed.clone(), packed.clone()].concat()).filter(Result::is_ok).count(), 100);

        packed.truncate(packed.len() - 6);
        let error = open(packed).last().unwrap().unwrap_err().to_string();
        assert!(error.starts_with("in.gz: the packed data is damaged or cut short after line "), "{error}");
    }

    #[test]
    fn a_folder_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_lines(&folder.path().into(), None).err().unwrap().to_string();
        assert!(error.starts_with(&folder.path().display().to_string()), "{error}");
    }
}
