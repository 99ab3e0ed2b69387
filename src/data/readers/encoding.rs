//! Texts of other encodings than UTF-8.

use std::io::{BufRead, Error as IoError, Read};
use std::str::FromStr;

use encoding_rs::{Decoder, DecoderResult, REPLACEMENT, UTF_16BE, UTF_16LE};
use serde::{Deserialize, Serialize};

use super::limits::Refused;
use crate::error::{Error, ensure};
use crate::listing::quoted;

/// A character encoding; reads its name as web pages give it (WHATWG's Encoding Standard): `latin1`, `windows-1252`, `gbk`,
/// `shift_jis`, `utf-16le`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Encoding(&'static encoding_rs::Encoding);

impl FromStr for Encoding {
    type Err = Error;

    fn from_str(name: &str) -> Result<Encoding, Error> {
        let known = "give a name such as latin1, windows-1252, koi8-r, gbk, big5, shift_jis, euc-kr or utf-16le";
        let unknown = || Error::Config(format!("no encoding is called {}: {known}", quoted(name)));
        let found = encoding_rs::Encoding::for_label(name.as_bytes()).ok_or_else(unknown)?;
        // What web pages must not use is "replaced" as a whole.
        ensure!(found != REPLACEMENT, unknown());
        Ok(Encoding(found))
    }
}

impl TryFrom<String> for Encoding {
    type Error = Error;

    fn try_from(name: String) -> Result<Encoding, Error> {
        name.parse()
    }
}

impl From<Encoding> for String {
    fn from(encoding: Encoding) -> String {
        encoding.0.name().to_lowercase()
    }
}

impl Encoding {
    /// The encoding that a byte order mark of Windows' wide text tells. Its first byte begins no UTF-8.
    pub(super) fn of_mark(first: &[u8]) -> Option<Encoding> {
        match first {
            [0xFF, 0xFE, ..] => Some(Encoding(UTF_16LE)),
            [0xFE, 0xFF, ..] => Some(Encoding(UTF_16BE)),
            _ => None,
        }
    }

    /// What is read, as UTF-8. A byte order mark is taken off.
    pub(super) fn decode<R: BufRead>(self, reader: R) -> Decoded<R> {
        Decoded { reader, decoder: self.0.new_decoder(), name: self.into(), fault: false, done: false }
    }
}

/// Reads text of another encoding as UTF-8.
pub(super) struct Decoded<R> {
    reader: R,
    decoder: Decoder,
    name: String,
    /// Whether what comes next is no text of this encoding.
    fault: bool,
    /// Whether all was decoded.
    done: bool,
}

impl<R: BufRead> Read for Decoded<R> {
    /// Into at least four bytes, as a letter may take so many.
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if self.fault {
                return Err(IoError::other(Refused(format!("is not {} text", self.name).into())));
            }
            if self.done {
                return Ok(0);
            }
            let source = self.reader.fill_buf()?;
            let ends = source.is_empty();
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(source, buffer, ends);
            self.reader.consume(read);
            self.fault = matches!(result, DecoderResult::Malformed(..));
            self.done = ends && result == DecoderResult::InputEmpty;
            // What stands before a fault comes out first, so that the fault has its line.
            if written > 0 || result == DecoderResult::OutputFull {
                return Ok(written);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(name: &str, bytes: &[u8]) -> std::io::Result<String> {
        let encoding: Encoding = name.parse().unwrap();
        let mut text = String::new();
        // In pieces of three bytes, so that letters are cut.
        let reader = std::io::BufReader::with_capacity(3, bytes);
        std::io::BufReader::with_capacity(8, encoding.decode(reader)).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn encodings_by_name() {
        assert_eq!(decoded("latin1", b"n\xE9e\n").unwrap(), "née\n");
        assert_eq!(decoded("GBK", b"\xBA\xC3\xC6\xAC").unwrap(), "好片");
        assert_eq!(decoded("shift_jis", b"\x93\xfa\x96\x7b").unwrap(), "日本");
        assert_eq!(decoded("utf-16le", b"\xFF\xFEa\0\xAC\x20\n\0").unwrap(), "a€\n");
        assert_eq!(String::from("latin1".parse::<Encoding>().unwrap()), "windows-1252");
        for name in ["klingon", "", "iso-2022-kr"] {
            let error = name.parse::<Encoding>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("no encoding is called {}: give a name", quoted(name))), "{error}");
        }
        let error = decoded("gbk", b"\xBA\xC3\xFF\xFF").unwrap_err();
        assert_eq!(error.to_string(), "is not gbk text");
        assert!(decoded("utf-16le", b"a\0b").is_err(), "half a letter at the end");
    }
}
