//! Where a text comes from: a file or standard input, plain or gzipped.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, ensure};

/// The first byte of gzip's signature. No text begins with this control character, so one byte decides: waiting
/// for the second would hold up someone who types a line of one letter.
const GZIP_FIRST_BYTE: u8 = 0x1f;

/// Read-ahead of a file, in bytes.
const READ_AHEAD: usize = 1 << 16;

/// A file, or standard input (written `-`, in JSON too).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Source {
    /// A file by its path, which may be gzipped.
    File(PathBuf),
    /// What is piped into the process; it can be read once.
    Stdin,
}

impl<T: Into<OsString>> From<T> for Source {
    fn from(given: T) -> Source {
        let given = given.into();
        if given == "-" { Source::Stdin } else { Source::File(given.into()) }
    }
}

impl From<Source> for String {
    /// What [`Source::from`] reads again, where the path is Unicode.
    fn from(source: Source) -> String {
        match source {
            Source::File(path) => path.to_string_lossy().into_owned(),
            Source::Stdin => "-".into(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(out),
            Source::Stdin => out.write_str("standard input"),
        }
    }
}

/// An opened source, unpacked where it was gzipped.
pub(super) type Reader = Box<dyn BufRead + Send>;

impl Source {
    /// Opens the source and looks at its first byte.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened or read; [`Error::Data`] for a `.gz` that holds something else.
    pub(super) fn open(&self) -> Result<Reader> {
        let place = self.to_string();
        let Source::File(path) = self else { return unpack(&place, BufReader::new(std::io::stdin()), false) };
        ensure!(!place.is_empty(), Error::Config("the name of a file is empty".into()));
        // Windows would only say that it cannot be read.
        ensure!(!path.is_dir(), Error::io(path)(std::io::ErrorKind::IsADirectory.into()));
        let file = File::open(path).map_err(Error::io(path))?;
        let named_gzip = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        unpack(&place, BufReader::with_capacity(READ_AHEAD, file), named_gzip)
    }
}

/// Unpacks `reader` where its first byte is gzip's; `named_gzip` means that anything else is a mistake.
pub(super) fn unpack(place: &str, mut reader: impl BufRead + Send + 'static, named_gzip: bool) -> Result<Reader> {
    match reader.fill_buf().map_err(Error::io(place))?.first() {
        Some(&GZIP_FIRST_BYTE) => Ok(Box::new(BufReader::with_capacity(READ_AHEAD, MultiGzDecoder::new(reader)))),
        Some(_) if named_gzip => {
            Err(Error::data(place, "is named .gz but is not gzip data: rename it, or fetch it again if it is damaged"))
        }
        _ => Ok(Box::new(reader)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_dash_is_standard_input() {
        assert_eq!(Source::from(OsString::from("-")), Source::Stdin);
        assert_eq!(Source::from(OsString::from("mails.tsv")), Source::File("mails.tsv".into()));
        assert_eq!(Source::from(Path::new("./-")), Source::File("./-".into()));
        assert_eq!(Source::Stdin.to_string(), "standard input");
        for source in [Source::Stdin, Source::File("a b.tsv".into())] {
            assert_eq!(Source::from(String::from(source.clone())), source);
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Source::File("no/such.tsv".into()).open().err().unwrap();
        assert!(matches!(&error, Error::Io { path, .. } if path == Path::new("no/such.tsv")));
        assert!(error.to_string().starts_with("no/such.tsv: "), "{error}");
    }

    #[test]
    fn a_gz_name_on_plain_text_is_refused() {
        let error = unpack("a.tsv.gz", &b"text\nx\n"[..], true).err().unwrap();
        assert!(error.to_string().starts_with("a.tsv.gz: is named .gz but is not gzip data"), "{error}");
    }
}
