//! Errors of srnn as Python's own exceptions.

use pyo3::PyErr;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyRuntimeError, PyValueError};
use srnn::Error;

/// The exception that says it: `OSError` of files, `ValueError` of what was given, `MemoryError`, or `RuntimeError` of devices.
pub fn raised(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Io { .. } => PyOSError::new_err(text),
        Error::OutOfMemory { .. } => PyMemoryError::new_err(text),
        Error::Data { .. }
        | Error::Model { .. }
        | Error::Config(_)
        | Error::Setting { .. }
        | Error::Slicing { .. }
        | Error::Limit { .. }
        | Error::NoDevice(_) => PyValueError::new_err(text),
        _ => PyRuntimeError::new_err(text),
    }
}
