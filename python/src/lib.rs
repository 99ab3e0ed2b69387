//! The compiled part of the Python package `srnn`: what stands in Python beside it makes estimators of it.

mod convert;
mod device;
mod errors;
mod model;
mod network;
mod observer;
mod pool;
mod training;

use log::LevelFilter;
use pyo3::prelude::*;
use pyo3_log::{Caching, Logger};
use std::ffi::OsString;

/// The compiled part of srnn.
#[pymodule]
mod _srnn {
    use super::*;

    #[pymodule_export]
    use super::convert::{Inputs, Targets};
    #[pymodule_export]
    use super::device::{Device, devices, doctor};
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::network::{Config, Network};
    #[pymodule_export]
    use super::training::{fit, options};

    /// Runs the command `srnn` of these arguments, the first of which is its own name, and gives its exit status.
    #[pyfunction]
    fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
        py.detach(|| srnn::cli::run(arguments).code())
    }

    /// Sends what the engine logs to Python's `logging`, once.
    #[pyfunction]
    fn log_to_python(py: Python<'_>) -> PyResult<()> {
        // Levels are asked for each time, as they may be set later.
        let logger = Logger::new(py, Caching::Loggers)?.filter(LevelFilter::Debug);
        // Another logger is there already where this is called twice.
        let _ = logger.install();
        Ok(())
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
