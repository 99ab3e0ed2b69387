//! What the readers of binary files share: naming the faults of a read, and the end of a file.

use std::io::{ErrorKind, Read};

use super::limits::Refused;
use crate::error::{Error, Result};

/// The error of a read that failed: data that ends early or cannot be unpacked is the file's fault, not the disk's.
pub(super) fn read_error(place: &str, source: std::io::Error) -> Error {
    match source.kind() {
        ErrorKind::UnexpectedEof => Error::data(place, "is cut short: save or fetch it again"),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => {
            Error::data(place, format!("is damaged ({source}): save or fetch it again"))
        }
        _ => match source.downcast::<Refused>() {
            Ok(Refused(problem)) => Error::data(place, problem),
            Err(source) => Error::io(place)(source),
        },
    }
}

/// Checks that nothing follows. Reading to the end also lets gzip and zip compare their checksums.
///
/// # Errors
/// [`Error::Data`] if there is more.
pub(super) fn expect_end(place: &str, reader: &mut impl Read) -> Result<()> {
    let mut next = Vec::new();
    match reader.take(1).read_to_end(&mut next).map_err(|source| read_error(place, source))? {
        0 => Ok(()),
        _ => {
            Err(Error::data(place, "goes on behind what its header tells of: one array a file, saved or fetched again"))
        }
    }
}
