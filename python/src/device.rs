//! Devices: which there are, which is taken, and whether their kernels are right.

use super::errors::raised;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use srnn::engine::Opening;
use srnn::engine::gpu::{DEFAULT_MEMORY, adapters};

/// A device by its name: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``; ``memory`` bounds the bytes of one step's buffers.
#[pyclass(frozen, from_py_object, module = "srnn")]
#[derive(Clone)]
pub struct Device {
    choice: String,
    opening: Opening,
    /// What it is: `CPU engine, 2 threads`.
    #[pyo3(get)]
    name: String,
    /// Why this one was taken.
    #[pyo3(get)]
    reason: String,
}

#[pymethods]
impl Device {
    #[new]
    #[pyo3(signature = (choice = "auto", memory = None))]
    fn new(py: Python<'_>, choice: &str, memory: Option<u64>) -> PyResult<Device> {
        let opening = Opening { memory, ..Opening::from(choice.parse::<srnn::Choice>().map_err(raised)?) };
        let device = py.detach(|| opening.open()).map_err(raised)?;
        Ok(Device { choice: choice.into(), opening, name: device.name, reason: device.reason })
    }

    /// A hardware GPU, else the CPU engine.
    #[staticmethod]
    fn auto(py: Python<'_>) -> PyResult<Device> {
        Device::new(py, "auto", None)
    }

    fn __getnewargs__(&self) -> (String, Option<u64>) {
        (self.choice.clone(), self.opening.memory)
    }

    fn __repr__(&self) -> String {
        format!("Device({:?}, {})", self.name, self.reason)
    }
}

/// A device as it is given: by its name, or open already.
#[derive(FromPyObject)]
pub enum Given {
    /// One that was looked at before.
    Is(Device),
    /// One by its name.
    Name(String),
}

impl Given {
    /// What tells it from others.
    pub fn key(&self) -> String {
        match self {
            Given::Is(device) => format!("{:?}", device.opening),
            Given::Name(name) => name.clone(),
        }
    }

    /// Opens it.
    pub fn open(self) -> PyResult<srnn::Device> {
        let opening = match self {
            Given::Is(device) => device.opening,
            Given::Name(name) => Opening::from(name.parse::<srnn::Choice>().map_err(raised)?),
        };
        opening.open().map_err(raised)
    }
}

/// All devices, the best first: a list of dictionaries with ``device`` (what to give for it), ``name``, ``kind``, ``driver``,
/// ``features`` and ``software``.
#[pyfunction]
pub fn devices(py: Python<'_>) -> PyResult<String> {
    let mut all: Vec<serde_json::Value> = py.detach(|| {
        let found = adapters();
        let tell = |(at, own): (usize, &srnn::engine::gpu::Adapter)| {
            let limits = own.limits(DEFAULT_MEMORY);
            serde_json::json!({
                "device": format!("gpu:{at}"),
                "name": own.title(),
                "kind": own.kind().to_string(),
                "driver": own.driver(),
                "features": own.features(),
                "software": own.is_software(),
                "binding_bytes": limits.binding,
            })
        };
        found.iter().enumerate().map(tell).collect()
    });
    let name = srnn::Device::cpu().name;
    all.push(serde_json::json!({"device": "cpu", "name": name, "kind": "Cpu", "driver": "", "features": [], "software": false}));
    serde_json::to_string(&all).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Runs every kernel on a device and on the CPU engine, and compares: a list of findings in JSON.
#[pyfunction]
#[pyo3(signature = (device = Given::Name("gpu".into())))]
pub fn doctor(py: Python<'_>, device: Given) -> PyResult<String> {
    py.detach(|| {
        let mut device = device.open()?;
        if device.is_cpu {
            return Err(PyValueError::new_err(
                "the CPU engine is what devices are compared with, so there is nothing to check: give a gpu",
            ));
        }
        let findings = srnn::doctor::check_up(device.engine.as_mut(), &|_| true).map_err(raised)?;
        let tell = |own: &srnn::doctor::Finding| {
            let (error, allowed, problem) = match &own.outcome {
                Ok(fine) => (Some(fine.error), Some(fine.allowed), None),
                Err(mismatch) => (None, None, Some(mismatch.to_string())),
            };
            serde_json::json!({
                "kernel": own.kernel, "place": own.place, "binding": own.binding,
                "error": error, "allowed": allowed, "problem": problem,
            })
        };
        Ok(serde_json::Value::from(findings.iter().map(tell).collect::<Vec<_>>()).to_string())
    })
}
