//! NumPy's `.npz` files: a zip archive of `.npy` files, each an array with a name.

use std::io::{Cursor, Read};
use std::sync::Arc;

use zip::ZipArchive;
use zip::result::ZipError;

use super::arrays;
use super::binary::read_error;
use super::examples::RawTargets;
use super::limits::{Limits, Reader, Weighed, Weight};
use super::npy::Npy;
use crate::data::Sequences;
use crate::error::{Error, Result};
use crate::listing::listed;

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
    limits: &Limits,
) -> Result<(Sequences, Option<RawTargets>)> {
    let mut bytes = Vec::new();
    reader.get_mut().weigh(Weight::Rows { memory: 1, of: 1 });
    reader.read_to_end(&mut bytes).map_err(|source| read_error(place, source))?;
    let packed = Packed { place, length: bytes.len() as u64, limits };
    let mut archive = ZipArchive::new(Cursor::new(&bytes[..])).map_err(|fault| zip_error(place, fault))?;
    // Two at a time, so that the lengths are checked against the shape of x before its numbers are read.
    let mut beside = archive.clone();
    let Some(x) = packed.member(&mut archive, "x")? else {
        let names: Vec<String> = beside.file_names().flatten().map(|file| file.to_string()).collect();
        let there = listed(names.iter().map(|file| file.strip_suffix(".npy").unwrap_or(file)));
        let problem = format!("has no array `x`, only {there}: write it with numpy.savez(path, x=…, y=…)");
        return Err(Error::data(place, problem));
    };
    let sequences = arrays::sequences(x, packed.member(&mut beside, "lengths")?)?;
    let y = if targets { packed.member(&mut archive, "y")? } else { None };
    let targets = y.map(|y| arrays::targets(y, sequences.len(), place)).transpose()?;
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

fn zip_error(place: &str, fault: ZipError) -> Error {
    match fault {
        ZipError::Io(source) => read_error(place, source),
        fault => Error::data(place, format!("is no .npz file that can be read ({fault}): save or fetch it again")),
    }
}
