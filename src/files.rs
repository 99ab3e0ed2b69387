//! Writing files so that a reader never sees half of one, and reading what is a file indeed.

use crate::error::{Error, Result, ensure};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The contents of a file. What is no file is not opened: a pipe would be waited for.
///
/// # Errors
/// [`Error::Io`], with `path`; [`Error::Model`] for what is no file.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let there = std::fs::metadata(path).map_err(Error::io(path))?;
    let other = if there.is_dir() { "this is a directory" } else { "this is a pipe or a device" };
    ensure!(there.is_file(), Error::model(path, format!("{other}, where a file should be")));
    std::fs::read(path).map_err(Error::io(path))
}

/// Removes a file that may be there.
///
/// # Errors
/// [`Error::Io`], naming the file.
pub fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// Writes a new file, and waits until it is on the disk.
///
/// # Errors
/// What the system says, also if something of this name is there.
pub fn write_synced(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

/// Waits until the names of a folder's files are on the disk, on systems whose folders can be asked for it.
///
/// # Errors
/// [`Error::Io`], with the folder.
pub fn sync_folder(folder: &Path) -> Result<()> {
    use std::io::ErrorKind::{InvalidInput, Unsupported};
    match File::open(folder).and_then(|own| own.sync_all()) {
        // Not every file system keeps names in such a way that they can be waited for.
        Err(error) if cfg!(unix) && ![InvalidInput, Unsupported].contains(&error.kind()) => {
            Err(Error::io(folder)(error))
        }
        _ => Ok(()),
    }
}

/// Writes to a temporary file beside `path`, then renames it. What is there and is no file (`/dev/stdout`, a pipe) is
/// written to as it is.
///
/// # Errors
/// [`Error::Io`], with `path`; a file that was there before is then untouched.
pub fn write_atomically(path: &Path, contents: &[u8]) -> Result<()> {
    write(path, contents).map_err(not_written(path))
}

/// The error of a file that could not be written; made for `map_err`.
pub(crate) fn not_written(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let wrong = Error::io(path);
    |error| wrong(std::io::Error::new(error.kind(), format!("could not be written: {error}")))
}

fn write(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return std::fs::write(path, contents);
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    // Temporary files are private to their owner; results are as public as the user's files are (by the umask).
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".srnn-").tempfile_in(folder)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The name of a file is its folder's to keep. A folder that cannot be asked is no reason to fail: the file is there.
    let _ = sync_folder(folder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_replaced_whole_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = folder.path().join("no").join("a.txt");
        assert!(write_atomically(&missing, b"").unwrap_err().to_string().contains("a.txt"));
    }
}
