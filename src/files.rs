//! Writing files so that a reader never sees half of one.

use crate::error::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Writes to a temporary file beside `path`, then renames it. What is there and is no file (`/dev/stdout`, a pipe) is
/// written to as it is.
///
/// # Errors
/// [`Error::Io`], with `path`; a file that was there before is then untouched.
pub fn write_atomically(path: &Path, contents: &[u8]) -> Result<()> {
    write(path, contents).map_err(|error| {
        let problem = format!("could not be written: {error}");
        Error::io(path)(std::io::Error::new(error.kind(), problem))
    })
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
