//! NumPy's `.npz` files: a zip archive of `.npy` files, each an array with a name.

use std::io::Cursor;

use zip::ZipArchive;
use zip::result::ZipError;

use super::arrays::{self, Sequences};
use super::binary::read_error;
use super::examples::RawTargets;
use super::npy::Npy;
use super::source::{BOMB, RATIO, Reader, UNPACKED};
use crate::error::{Error, Result, ensure};
use crate::listing::listed;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// The sequences `x`, of which `lengths` tells the real steps, and the targets `y`, where they are there and wanted.
///
/// # Errors
/// Those of the arrays; [`Error::Data`] if there is no `x`, for damage and for encrypted or foreign ways of packing;
/// [`Error::Io`].
pub(super) fn read(place: &str, mut reader: Reader, targets: bool) -> Result<(Sequences, Option<RawTargets>)> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(|source| read_error(place, source))?;
    let mut archive = ZipArchive::new(Cursor::new(&bytes[..])).map_err(|fault| zip_error(place, fault))?;
    // Two at a time, so that the lengths are checked against the shape of x before its numbers are read.
    let mut beside = archive.clone();
    let Some(x) = member(place, bytes.len(), &mut archive, "x")? else {
        let names: Vec<String> = beside.file_names().flatten().map(|file| file.to_string()).collect();
        let there = listed(names.iter().map(|file| file.strip_suffix(".npy").unwrap_or(file)));
        let problem = format!("has no array `x`, only {there}: write it with numpy.savez(path, x=…, y=…)");
        return Err(Error::data(place, problem));
    };
    let sequences = arrays::sequences(x, member(place, bytes.len(), &mut beside, "lengths")?)?;
    let y = if targets { member(place, bytes.len(), &mut archive, "y")? } else { None };
    let targets = y.map(|y| arrays::targets(y, sequences.1.len(), place)).transpose()?;
    Ok((sequences, targets))
}

/// The array `name`, of which nothing but the header is read yet, if there is one.
fn member<'a>(place: &str, length: usize, archive: &'a mut Archive, name: &str) -> Result<Option<Npy<'a>>> {
    let place = format!("{place} ({name})");
    match archive.by_name(&format!("{name}.npy")) {
        Ok(member) => {
            // What an archive says of itself may be anything.
            let most = UNPACKED.saturating_add(RATIO.saturating_mul(member.compressed_size().min(length as u64)));
            let array = Npy::open(&place, member)?;
            // A number takes 8 bytes when it is read, a text its own, and a row what a vector takes.
            let rows = array.shape.first().copied().unwrap_or(0) as u64;
            let item = array.item_bytes().max(8);
            let size = array.shape.iter().fold(item, |size, &side| size.saturating_mul(side as u64));
            let size = size.saturating_add(64 * rows);
            ensure!(size <= most, Error::data(&place, BOMB));
            Ok(Some(array))
        }
        Err(ZipError::FileNotFound) => Ok(None),
        Err(fault) => Err(zip_error(&place, fault)),
    }
}

fn zip_error(place: &str, fault: ZipError) -> Error {
    match fault {
        ZipError::Io(source) => read_error(place, source),
        fault => Error::data(place, format!("is no .npz file that can be read ({fault}): save or fetch it again")),
    }
}
