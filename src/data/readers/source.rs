//! Where a text comes from: a file or standard input, plain or gzipped.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;
use serde::{Deserialize, Serialize};

use super::limits::{Limits, READ_AHEAD, Reader, Weighed};
use crate::error::{Error, Result, ensure};

/// The first byte of gzip's signature. No text begins with this control character, so one byte decides: waiting
/// for the second would hold up someone who types a line of one letter.
const GZIP_FIRST_BYTE: u8 = 0x1f;

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

impl Source {
    /// Opens the source and looks at its first byte.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened or read; [`Error::Data`] for a `.gz` that holds something else.
    pub(super) fn open(&self, limits: Limits) -> Result<Reader<'static>> {
        let place = self.to_string();
        let Source::File(path) = self else {
            return unpack(&place, BufReader::new(std::io::stdin()), false, limits);
        };
        ensure!(!place.is_empty(), Error::Config("the name of a file is empty".into()));
        // Windows would only say that it cannot be read.
        ensure!(!path.is_dir(), Error::io(path)(std::io::ErrorKind::IsADirectory.into()));
        let file = File::open(path).map_err(Error::io(path))?;
        let named_gzip = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        unpack(&place, BufReader::with_capacity(READ_AHEAD, file), named_gzip, limits)
    }
}

/// Unpacks `reader` where its first byte is gzip's; `named_gzip` means that anything else is a mistake.
pub(super) fn unpack<'a>(
    place: &str,
    mut reader: impl BufRead + Send + 'a,
    named_gzip: bool,
    limits: Limits,
) -> Result<Reader<'a>> {
    match reader.fill_buf().map_err(Error::io(place))?.first() {
        Some(&GZIP_FIRST_BYTE) => {
            let packed = Arc::default();
            Ok(Weighed::new(Unpacked::new(reader, Arc::clone(&packed)), Some(packed), limits))
        }
        Some(_) if named_gzip => {
            Err(Error::data(place, "is named .gz but is not gzip data: rename it, or fetch it again if it is damaged"))
        }
        _ => Ok(Weighed::new(reader, None, limits)),
    }
}

/// Gzip data, one member after the other. Zeros behind the last are padding, as tapes have it.
struct Unpacked<R> {
    member: Option<GzDecoder<Counted<R>>>,
}

/// Counts what is read.
struct Counted<R> {
    reader: R,
    count: Arc<AtomicU64>,
}

impl<R: BufRead> Unpacked<R> {
    fn new(reader: R, count: Arc<AtomicU64>) -> Unpacked<R> {
        Unpacked { member: Some(GzDecoder::new(Counted { reader, count })) }
    }
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while let Some(member) = self.member.as_mut().filter(|_| !buffer.is_empty()) {
            let read = member.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            let mut rest = self.member.take().expect("it was read").into_inner();
            loop {
                let ahead = rest.fill_buf()?;
                let zeros = ahead.iter().take_while(|&&byte| byte == 0).count();
                let ends = ahead.is_empty();
                if zeros == 0 {
                    self.member = (!ends).then(|| GzDecoder::new(rest));
                    break;
                }
                rest.consume(zeros);
            }
        }
        Ok(0)
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count.fetch_add(amount as u64, Ordering::Relaxed);
        self.reader.consume(amount);
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
        let error = Source::File("no/such.tsv".into()).open(Limits::default()).err().unwrap();
        assert!(matches!(&error, Error::Io { path, .. } if path == Path::new("no/such.tsv")));
        assert!(error.to_string().starts_with("no/such.tsv: "), "{error}");
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn unpacked(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut reader = unpack("a.gz", std::io::Cursor::new(bytes), true, Limits::default()).unwrap();
        reader.read_to_end(&mut all).map(|_| all)
    }

    #[test]
    fn members_and_padding() {
        let two = [packed(b"one\n"), packed(b"two\n")].concat();
        assert_eq!(unpacked(two.clone()).unwrap(), b"one\ntwo\n");
        assert_eq!(unpacked([two.clone(), vec![0; 512]].concat()).unwrap(), b"one\ntwo\n");
        assert_eq!(unpacked([packed(b"one\n"), vec![0; 3], packed(b"two\n")].concat()).unwrap(), b"one\ntwo\n");
        assert!(unpacked([two.clone(), b"junk".to_vec()].concat()).is_err());
        assert!(unpacked(two[..two.len() - 3].to_vec()).is_err());
    }

    #[test]
    fn bombs_are_not_unpacked() {
        for bomb in [vec![b'a'; 80 << 20], b"\n".repeat(1 << 20)] {
            let error = unpacked(packed(&bomb)).unwrap_err().to_string();
            assert_eq!(error, "unpacks to what takes over 40 times its size");
        }
        // Words at random pack to a quarter.
        let mut state = 1u64;
        let text: String = (0..(1 << 20))
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ["good ", "bad ", "film ", "was\n"][(state >> 60) as usize % 4]
            })
            .collect();
        assert_eq!(unpacked(packed(text.as_bytes())).unwrap(), text.as_bytes());
    }

    #[test]
    fn a_gz_name_on_plain_text_is_refused() {
        let error = unpack("a.tsv.gz", &b"text\nx\n"[..], true, Limits::default()).err().unwrap();
        assert!(error.to_string().starts_with("a.tsv.gz: is named .gz but is not gzip data"), "{error}");
    }
}
