//! A text file line by line: byte order mark and line ends taken off, lines counted, faults named.

use std::io::{BufRead, ErrorKind, Read};

use super::binary::read_error;
use super::format::{Format, ZIP, ZIPPED};
use super::limits::{Limits, Reader};
use super::source::{Source, unpack};
use crate::error::{Error, Problem, Result, ensure};

/// Windows' wide text begins with one of these instead of UTF-8's mark.
const UTF16_MARKS: [[u8; 2]; 2] = [[0xFF, 0xFE], [0xFE, 0xFF]];

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
}

impl Lines {
    pub fn open(source: &Source, limits: Limits) -> Result<Lines> {
        let longest = limits.line;
        Ok(Lines::new(source.to_string(), source.open(limits)?, longest))
    }

    /// Lines of at most `longest` bytes of something already opened; `file` is its name in messages.
    pub fn new(file: String, reader: Reader<'static>, longest: u64) -> Lines {
        Lines { file, reader, longest, buffer: Vec::new(), line: 0, again: false }
    }

    /// Lines of what may be packed; `named_gzip` as [`unpack`] has it.
    ///
    /// # Errors
    /// Those of [`unpack`].
    pub fn unpacked(file: &str, bytes: impl BufRead + Send + 'static, named_gzip: bool) -> Result<Lines> {
        let limits = Limits::default();
        let longest = limits.line;
        Ok(Lines::new(file.into(), unpack(file, bytes, named_gzip, limits)?, longest))
    }

    /// An error about the line read last.
    pub fn error(&self, problem: impl Into<Problem>) -> Error {
        Error::data(format_args!("{}:{}", self.file, self.line), problem)
    }

    /// Makes the next call return the line read last once more.
    pub fn read_again(&mut self) {
        self.again = self.line > 0;
    }

    /// The next line as bytes, without its end; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Data`] when gzip data is damaged.
    pub fn next_bytes(&mut self) -> Result<Option<&[u8]>> {
        Ok(if self.advance()? { Some(self.current()) } else { None })
    }

    /// The next line, counted from 1, as text without its end; `None` after the last.
    ///
    /// # Errors
    /// Those of [`Lines::next_bytes`], and [`Error::Data`] for a line that is not UTF-8.
    pub fn next_text(&mut self) -> Result<Option<(u64, &str)>> {
        if !self.advance()? {
            return Ok(None);
        }
        let zip = self.line == 1 && self.buffer.starts_with(ZIP);
        ensure!(!zip, Error::data(&self.file, ZIPPED));
        let fault = match std::str::from_utf8(self.current()) {
            Ok(text) => return Ok(Some((self.line, text))),
            Err(fault) => fault,
        };
        let start = if self.line == 1 { &self.buffer[..] } else { &[] };
        let wide = UTF16_MARKS.iter().any(|mark| start.starts_with(mark));
        ensure!(!wide, self.error("is UTF-16 text: save the file as UTF-8"));
        let numbers = |format| format!("is no text but a file of numbers ({format}), and text is read here");
        Err(match Format::of_bytes(start) {
            Some(format) => Error::data(&self.file, numbers(format)),
            None => self.error(format!("is not UTF-8 text (byte {} of the line)", fault.valid_up_to() + 1)),
        })
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
                let problem = format!("the gzip data is damaged or cut short after line {} ({source})", self.line);
                Error::data(&self.file, problem)
            }
            _ => read_error(&self.file, source),
        }
    }
}

/// Opens `source` for reading one text per line (gzip is unpacked), as they come: the first line comes out before the
/// last is in. An empty line is a text too. The lines end after the first error.
///
/// # Errors
/// [`Error::Io`] when the source cannot be opened. Each item has the errors of reading its line: [`Error::Io`], and
/// [`Error::Data`] with the line's number for bytes that are not UTF-8 and for damaged gzip data.
pub fn read_lines(source: &Source) -> Result<impl Iterator<Item = Result<String>> + use<>> {
    Ok(texts(Lines::open(source, Limits::default().of_lines())?))
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

    fn lines(bytes: &'static [u8]) -> Lines {
        Lines::unpacked("in.txt", bytes, false).unwrap()
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
    fn utf16_is_recognised() {
        let found = all(b"\xFF\xFEa\0\n\0");
        assert_eq!(found[0].as_ref().unwrap_err().to_string(), "in.txt:1: is UTF-16 text: save the file as UTF-8");
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
        let open = |bytes| texts(Lines::unpacked("in.gz", std::io::Cursor::new(bytes), true).unwrap());
        assert_eq!(open(packed.clone()).filter(Result::is_ok).count(), 50);

        // Two packed files in a row are one text.
        assert_eq!(open([packed.clone(), packed.clone()].concat()).filter(Result::is_ok).count(), 100);

        packed.truncate(packed.len() - 6);
        let error = open(packed).last().unwrap().unwrap_err().to_string();
        assert!(error.starts_with("in.gz: the gzip data is damaged or cut short after line "), "{error}");
    }

    #[test]
    fn a_folder_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_lines(&folder.path().into()).err().unwrap().to_string();
        assert!(error.starts_with(&folder.path().display().to_string()), "{error}");
    }
}
