//! The folder where what was learnt about a device is kept from run to run: compiled pipelines and tunings. It can be
//! emptied at any time, and nothing fails for want of it.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// This environment variable names another folder, one that nobody else can write to, as drivers trust what they kept
/// in it; set to nothing, it switches the cache off.
pub const CACHE: &str = "SRNN_CACHE";

/// The folder, if there is to be one.
#[cfg(not(target_arch = "wasm32"))]
fn folder() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    match std::env::var_os(CACHE) {
        Some(folder) => (!folder.is_empty()).then(|| folder.into()),
        None => Some(etcetera::base_strategy::choose_native_strategy().ok()?.cache_dir().join("srnn")),
    }
}

/// The browser keeps what is to be kept.
#[cfg(target_arch = "wasm32")]
fn folder() -> Option<PathBuf> {
    None
}

/// Where a file of the cache is, or is to be; `None` if the cache is off.
pub(super) fn path(name: &str) -> Option<PathBuf> {
    Some(folder()?.join(name))
}

/// What a file of the cache holds. One that is there and cannot be read is warned of.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    match std::fs::read(path) {
        Ok(contents) => Some(contents),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            log::warn!("{}: the cache could not be read: {error}", path.display());
            None
        }
    }
}

/// Replaces a file of the cache whole, so that no other process reads half of it; tells whether that was done.
pub(super) fn write(path: &Path, contents: &[u8]) -> bool {
    let written = replace(path, contents);
    if let Err(error) = &written {
        log::warn!("the cache could not be written: {error} (set {CACHE} to move it)");
    }
    written.is_ok()
}

#[cfg(not(target_arch = "wasm32"))]
fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(Error::io(path))?;
    crate::files::write_atomically(path, contents)
}

#[cfg(target_arch = "wasm32")]
fn replace(path: &Path, _: &[u8]) -> Result<()> {
    Err(Error::io(path)(std::io::ErrorKind::Unsupported.into()))
}
