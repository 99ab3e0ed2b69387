//! NumPy's `.npz` files: a zip archive of `.npy` files, each an array with a name.

use std::io::{Cursor, Read};
use std::sync::Arc;

use zip::ZipArchive;
use zip::result::ZipError;

use super::arrays;
use super::binary::read_error;
use super::examples::{RawTargets, ReadOptions};
use super::keys::Keys;
use super::limits::{Limits, Reader, Weighed, Weight};
use super::npy::Npy;
use super::packing::zip_error;
use crate::data::Sequences;
use crate::error::{Error, Problem, Result, ensure};

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// The sequences `x`, of which `lengths` tells the real steps, and the targets `y`, where they are there and wanted.
///
/// # Errors
/// Those of the arrays; [`Error::Data`] if there is no `x`, for damage and for encrypted or foreign ways of packing;
/// [`Error::Io`].
pub(super) fn read(
    place: &str,
    mut reader: Reader,
    targets: bool,
    options: &ReadOptions,
) -> Result<(Sequences, Option<RawTargets>)> {
    let Keys { x, y, lengths } = &options.keys;
    let mut bytes = Vec::new();
    reader.get_mut().weigh(Weight::Rows { memory: 1, of: 1 });
    reader.read_to_end(&mut bytes).map_err(|source| read_error(place, source))?;
    let packed = Packed { place, length: bytes.len() as u64, limits: &options.limits };
    let mut archive = ZipArchive::new(Cursor::new(&bytes[..])).map_err(|fault| zip_error(place, fault))?;
    // Two at a time, so that the lengths are checked against the shape of x before its numbers are read.
    let mut beside = archive.clone();
    let names: Vec<String> = archive.file_names().flatten().map(|file| file.to_string()).collect();
    let names = names.iter().map(|file| file.strip_suffix(".npy").unwrap_or(file).to_string());
    let missing =
        |wanted: &str| Error::data(place, Problem::Array { wanted: wanted.into(), present: names.clone().collect() });
    let x = packed.member(&mut archive, x)?.ok_or_else(|| missing(x))?;
    let usual = Keys::default();
    let real = packed.member(&mut beside, lengths)?;
    // What is named must be there.
    ensure!(real.is_some() || *lengths == usual.lengths, missing(lengths));
    let sequences = arrays::sequences(x, real)?;
    let y = if targets {
        let own = packed.member(&mut archive, y)?;
        ensure!(own.is_some() || *y == usual.y, missing(y));
        own
    } else {
        None
    };
    let targets = y.map(|y| match options.steps {
        true => arrays::targets_of_steps(y, &sequences, place),
        false => arrays::targets(y, sequences.len(), place),
    });
    let targets = targets.transpose()?;
    Ok((sequences, targets))
}

/// An archive of so many bytes, and how much its arrays may ask for.
struct Packed<'a> {
    place: &'a str,
    length: u64,
    limits: &'a Limits,
}

impl Packed<'_> {
    /// The array of this name, of which nothing but the header is read yet, if there is one.
    fn member<'a>(&self, archive: &'a mut Archive, name: &str) -> Result<Option<Npy<'a>>> {
        let place = format!("{} ({name})", self.place);
        match archive.by_name(&format!("{name}.npy")) {
            Ok(member) => {
                // What an archive says of itself may be anything.
                let packed = member.compressed_size().min(self.length);
                Npy::open(&place, Weighed::new(member, Some(Arc::new(packed.into())), self.limits.clone())).map(Some)
            }
            Err(ZipError::FileNotFound) => Ok(None),
            Err(fault) => Err(zip_error(&place, fault)),
        }
    }
}
