//! NumPy's `.npz` files: a zip archive of `.npy` files, each an array with a name.

use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

use super::binary::read_error;
use super::npy::Npy;
use crate::error::{Error, Result};
use crate::listing::listed;

/// What every `.npz` file begins with.
pub(super) const MAGIC: &[u8] = b"PK";

/// An archive whose table of contents has been read.
pub(super) struct Npz<R> {
    place: String,
    archive: ZipArchive<R>,
}

impl<R: Read + Seek> Npz<R> {
    /// # Errors
    /// [`Error::Data`] for what is no zip archive; [`Error::Io`].
    pub fn open(place: &str, reader: R) -> Result<Npz<R>> {
        let archive = ZipArchive::new(reader).map_err(|fault| zip_error(place, fault))?;
        Ok(Npz { place: place.into(), archive })
    }

    /// Whether there is an array `name`.
    pub fn has(&self, name: &str) -> bool {
        self.archive.index_for_name(&format!("{name}.npy")).is_some()
    }

    /// The array `name`, of which nothing but the header is read yet.
    ///
    /// # Errors
    /// Those of [`Npy::open`]; [`Error::Data`] if there is none, for damage and for encrypted or foreign ways of
    /// packing.
    pub fn member(&mut self, name: &str) -> Result<Npy<'_>> {
        if !self.has(name) {
            let names: Vec<String> = self.archive.file_names().flatten().map(|file| file.to_string()).collect();
            let there = listed(names.iter().map(|file| file.strip_suffix(".npy").unwrap_or(file)));
            let problem = format!("has no array `{name}`, only {there}: write it with numpy.savez(path, x=…, y=…)");
            return Err(Error::data(&self.place, problem));
        }
        let place = format!("{} ({name})", self.place);
        match self.archive.by_name(&format!("{name}.npy")) {
            Ok(member) => Npy::open(&place, member),
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
