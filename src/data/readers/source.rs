//! Where a text comes from: a file or standard input, plain or packed.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Serialize};

use super::binary::read_error;
use super::encoding::Encoding;
use super::limits::{Limits, READ_AHEAD, Reader, Weighed};
use super::packing::{Packing, Unpacked, name_in_zip, unpack};
use crate::error::{Error, Result, ensure};

/// A file, or standard input (written `-`, in JSON too).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Source {
    /// A file by its path, which may be packed.
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

impl Source {
    /// Opens the source and looks at its first bytes: what is packed is unpacked.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened or read; [`Error::Data`] for a packed file by its name that holds something else.
    pub(super) fn open(&self, limits: Limits) -> Result<Reader<'static>> {
        let (unpacked, packed) = self.unpacked(&limits)?;
        Ok(Weighed::new(unpacked, packed, limits))
    }

    /// The same as UTF-8: of `encoding`, else of what a byte order mark tells.
    ///
    /// # Errors
    /// Those of [`Source::open`].
    pub(super) fn open_text(&self, limits: Limits, encoding: Option<Encoding>) -> Result<Reader<'static>> {
        let (unpacked, packed) = self.unpacked(&limits)?;
        text(unpacked, packed, limits, encoding).map_err(|source| read_error(&self.to_string(), source))
    }

    fn unpacked(&self, limits: &Limits) -> Result<Unpacked<'static>> {
        let place = self.to_string();
        let Source::File(path) = self else {
            return unpack(&place, BufReader::new(std::io::stdin()), None, limits);
        };
        ensure!(!place.is_empty(), Error::Config("the name of a file is empty".into()));
        // Windows would only say that it cannot be read.
        ensure!(!path.is_dir(), Error::io(path)(std::io::ErrorKind::IsADirectory.into()));
        let file = File::open(path).map_err(Error::io(path))?;
        unpack(&place, BufReader::with_capacity(READ_AHEAD, file), Packing::of_name(path), limits)
    }

    /// The name by which its format is told, in small letters: without the endings of its packing, and of a zip archive that of
    /// the file in it.
    pub(super) fn name(&self) -> Option<String> {
        let Source::File(path) = self else { return None };
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let Some(packing) = Packing::of_name(path) else { return Some(name) };
        let plain = name.rsplit_once('.').map(|(plain, _)| plain.to_string());
        let in_zip = if packing == Packing::Zip { name_in_zip(path).map(|name| name.to_lowercase()) } else { None };
        in_zip.or(plain)
    }
}

/// A reader of text as UTF-8.
///
/// # Errors
/// That of reading its first bytes.
pub(super) fn text<'a>(
    unpacked: Box<dyn BufRead + Send + 'a>,
    packed: Option<Arc<AtomicU64>>,
    limits: Limits,
    encoding: Option<Encoding>,
) -> std::io::Result<Reader<'a>> {
    let mut unpacked = unpacked;
    let marked = Encoding::of_mark(unpacked.fill_buf()?);
    Ok(match encoding.or(marked) {
        Some(encoding) => Weighed::new(encoding.decode(unpacked), packed, limits),
        None => Weighed::new(unpacked, packed, limits),
    })
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
        let error = Source::File("no/such.tsv".into()).open(Limits::default()).err().unwrap();
        assert!(matches!(&error, Error::Io { path, .. } if path == Path::new("no/such.tsv")));
        assert!(error.to_string().starts_with("no/such.tsv: "), "{error}");
    }
}
