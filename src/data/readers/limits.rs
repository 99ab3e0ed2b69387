//! How much a file may ask for, and the reader that counts it.

use std::io::{BufReader, Error as IoError, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::Problem;

/// What is read without being asked twice: a file that was made to do harm, or is not what it seems, asks for any amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of a line.
    pub line: u64,
    /// Columns of a table.
    pub columns: usize,
    /// Bytes of memory that what is packed in any file may take when it is read.
    pub unpacked: u64,
    /// Bytes of memory that it may take for each of the file's own, beyond [`unpacked`](Limits::unpacked).
    pub ratio: u64,
    /// Bytes of memory that a whole file may take, packed or not.
    pub memory: u64,
}

/// Memory that a file of data may take, as the engines' default for the buffers of a step.
const MEMORY: u64 = 4 << 30;

impl Default for Limits {
    /// Lines of 32 MiB, 10,000 columns, 32 MiB and 40 times the packed bytes, 4 GiB in all.
    fn default() -> Limits {
        Limits { line: 32 << 20, columns: 10_000, unpacked: 32 << 20, ratio: 40, memory: MEMORY }
    }
}

impl Limits {
    /// Of a file that is trusted: only its memory is counted.
    pub fn trusting() -> Limits {
        Limits { line: u64::MAX, columns: usize::MAX, unpacked: u64::MAX, ratio: u64::MAX, memory: MEMORY }
    }

    /// Of what is read line by line and not kept: only its lines are counted.
    pub(super) fn of_lines(&self) -> Limits {
        Limits { line: self.line, ..Limits { memory: u64::MAX, ..Limits::trusting() } }
    }
}

/// What the bytes of a file take in memory when they are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Weight {
    /// A text: itself, what each of its words, marks or numbers becomes, and what is kept of a line.
    Text,
    /// An array: so many bytes for every so many in the file.
    Rows { memory: u64, of: u64 },
}

/// What a word, a mark or a number of a text takes: its token, or the number before and after it is made normal.
const WORD: u64 = 12;

/// What a line takes, as a text with its label.
const LINE: u64 = 100;

/// What a row of an array takes beside its numbers.
pub(super) const ROW: u64 = 24;

/// What a name of an array takes beside its letters.
pub(super) const NAME: u64 = 80;

impl Weight {
    /// What these bytes take; `rest` is what is less than a byte.
    fn of(self, bytes: &[u8], rest: &mut u64) -> u64 {
        match self {
            Weight::Text => {
                let count = |wanted: fn(u8) -> bool| bytes.iter().filter(|&&byte| wanted(byte)).count() as u64;
                // Letters, digits and what goes on with a letter beyond ASCII begin nothing.
                let begins = |byte: u8| !byte.is_ascii_alphanumeric() && byte & 0xC0 != 0x80;
                bytes.len() as u64 + WORD * count(begins) + LINE * count(|byte| byte == b'\n')
            }
            Weight::Rows { memory, of } => {
                let all = u128::from(memory) * bytes.len() as u128 + u128::from(*rest);
                *rest = (all % u128::from(of)) as u64;
                (all / u128::from(of)).try_into().unwrap_or(u64::MAX)
            }
        }
    }
}

/// Why a file is not read on. Travels through the readers of others as the cause of an [`IoError`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub Problem);

/// A file that counts what it takes.
pub(super) struct Weighed<'a> {
    from: Box<dyn Read + Send + 'a>,
    /// Bytes of the packed file that were read so far, if it is packed.
    packed: Option<Arc<AtomicU64>>,
    limits: Limits,
    weight: Weight,
    rest: u64,
    taken: u64,
    /// The kind and the words of the first fault: a reader that was asked again might take it for the end of the file.
    fault: Option<(ErrorKind, String)>,
}

/// An opened file, unpacked where it was packed.
pub(super) type Reader<'a> = BufReader<Weighed<'a>>;

/// Read-ahead of a file, in bytes.
pub(super) const READ_AHEAD: usize = 1 << 16;

impl<'a> Weighed<'a> {
    /// Counts as a text until [`weigh`](Weighed::weigh) says otherwise.
    pub fn new(from: impl Read + Send + 'a, packed: Option<Arc<AtomicU64>>, limits: Limits) -> Reader<'a> {
        let weighed =
            Weighed { from: Box::new(from), packed, limits, weight: Weight::Text, rest: 0, taken: 0, fault: None };
        BufReader::with_capacity(READ_AHEAD, weighed)
    }

    /// What the bytes from here on are.
    pub fn weigh(&mut self, weight: Weight) {
        self.weight = weight;
    }
}

impl Read for Weighed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if let Some((kind, words)) = &self.fault {
            return Err(IoError::new(*kind, words.clone()));
        }
        let read = self.from.read(buffer).inspect_err(|fault| {
            let lasts =
                fault.kind() != ErrorKind::Interrupted && fault.get_ref().is_none_or(|own| !own.is::<Refused>());
            self.fault = lasts.then(|| (fault.kind(), fault.to_string()));
        })?;
        self.taken = self.taken.saturating_add(self.weight.of(&buffer[..read], &mut self.rest));
        let Limits { unpacked, ratio, memory, .. } = self.limits;
        let most = self
            .packed
            .as_ref()
            .map_or(u64::MAX, |packed| ratio.saturating_mul(packed.load(Ordering::Relaxed)).saturating_add(unpacked));
        let refused = match self.taken {
            taken if taken > memory => Problem::TooLarge { limit: memory },
            taken if taken > most => Problem::Excess(format!("unpacks to what takes over {ratio} times its size")),
            _ => return Ok(read),
        };
        Err(IoError::other(Refused(refused)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of reading so many bytes to their end.
    fn fault(bytes: &[u8], packed: Option<u64>, limits: &Limits, weight: Weight) -> Option<Problem> {
        let packed = packed.map(|count| Arc::new(count.into()));
        let mut reader = Weighed::new(bytes, packed, limits.clone());
        reader.get_mut().weigh(weight);
        let error = reader.read_to_end(&mut Vec::new()).err()?;
        Some(error.downcast::<Refused>().unwrap().0)
    }

    #[test]
    fn texts_weigh_what_becomes_of_them() {
        let weigh = |text: &str| Weight::Text.of(text.as_bytes(), &mut 0);
        assert_eq!(weigh("film"), 4);
        assert_eq!(weigh("a film!"), 7 + 2 * WORD);
        assert_eq!(weigh("é…"), 5 + 2 * WORD, "what goes on with a letter begins nothing");
        assert_eq!(weigh("a\tb\n"), 4 + 2 * WORD + LINE);
    }

    #[test]
    fn rows_weigh_by_their_parts() {
        let weight = Weight::Rows { memory: 3, of: 1000 };
        let mut rest = 0;
        assert_eq!((0..999).map(|_| weight.of(&[0], &mut rest)).sum::<u64>(), 2);
        assert_eq!((weight.of(&[0], &mut rest), rest), (1, 0));
        assert_eq!(Weight::Rows { memory: u64::MAX, of: 1 }.of(&[0; 2], &mut rest), u64::MAX);
    }

    #[test]
    fn what_takes_too_much_is_refused() {
        let limits = Limits { unpacked: 100, ratio: 2, memory: 1000, ..Limits::default() };
        let each = Weight::Rows { memory: 1, of: 1 };
        let of = |count: usize, packed| fault(&vec![0; count], packed, &limits, each);
        assert_eq!((of(1000, None), of(1001, None)), (None, Some(Problem::TooLarge { limit: 1000 })));
        assert_eq!(of(120, Some(10)), None);
        assert_eq!(of(121, Some(10)).unwrap().to_string(), "unpacks to what takes over 2 times its size");
        let trusting = Limits { memory: 1000, ..Limits::trusting() };
        assert_eq!(fault(&[0; 1000], Some(1), &trusting, each), None);
        assert!(fault(&[0; 1001], Some(1), &trusting, each).is_some());
        assert_eq!(fault(&[0; 5000], None, &limits.of_lines(), Weight::Text), None);
    }
}
