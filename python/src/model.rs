//! A trained model: what it reads, what it tells, and its directory.

use super::convert::{Inputs, examples};
use super::device::Given;
use super::errors::raised;
use super::network::{Config, dictionary};
use super::pool::listening;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use srnn::Network;
use srnn::network::Task;
use srnn::train::{InputEncoder, TargetEncoder, answers, encoding, model, states};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A model in memory, as a directory of the command has it.
#[pyclass(frozen, module = "srnn")]
pub struct Model {
    model: srnn::train::Model,
    /// The network on the device that was asked last, by process and name: what was open before a fork is not, behind it.
    network: Mutex<Option<((u32, String), Network)>>,
}

impl Model {
    /// One that was trained.
    pub fn new(model: srnn::train::Model) -> Model {
        Model { model, network: Mutex::new(None) }
    }

    /// Does something with the network on a device, which stays open for the next time. Signals stop it between batches: then `stop`
    /// is set, and the work ends with any error.
    fn with_network<T: Send>(
        &self,
        py: Python<'_>,
        device: Given,
        work: impl FnOnce(&mut Network, &AtomicBool) -> srnn::Result<T> + Send,
    ) -> PyResult<T> {
        let key = (std::process::id(), device.key());
        let stop = AtomicBool::new(false);
        py.detach(|| {
            let mut guard = self.network.lock().unwrap_or_else(PoisonError::into_inner);
            let own = &mut *guard;
            let (outcome, signal) = listening(&stop, || {
                if own.as_ref().is_none_or(|(open, _)| *open != key) {
                    *own = Some((key, self.model.network(device.open()?).map_err(raised)?));
                }
                let (_, network) = own.as_mut().expect("it was opened");
                work(network, &stop).map_err(raised)
            });
            if outcome.is_err() {
                // Of a device that was lost.
                *guard = None;
            }
            signal.map_or(outcome, Err)
        })
    }
}

/// That a signal came.
fn go_on(stop: &AtomicBool) -> srnn::Result<()> {
    match stop.load(Ordering::Relaxed) {
        false => Ok(()),
        true => Err(srnn::Error::Config("stopped".into())),
    }
}

/// What is told of sequences, or of their steps, and the steps of each.
type Told<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<i64>>);

/// Sequences that are read at once.
const BATCH: usize = 100;

#[pymethods]
impl Model {
    /// Reads a model directory.
    #[staticmethod]
    fn load(py: Python<'_>, directory: PathBuf) -> PyResult<Model> {
        py.detach(|| srnn::train::Model::load(&directory)).map(Model::new).map_err(raised)
    }

    /// Writes a model directory, which the command reads.
    #[pyo3(signature = (directory, *, overwrite = false))]
    fn save(&self, py: Python<'_>, directory: PathBuf, overwrite: bool) -> PyResult<()> {
        py.detach(|| {
            model::check_folder(&directory, overwrite)?;
            std::fs::create_dir_all(&directory).map_err(srnn::Error::io(&directory))?;
            self.model.save(&directory)
        })
        .map_err(raised)
    }

    /// An ONNX file of it.
    fn onnx<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| srnn::onnx::export(&self.model)).map_err(raised)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The shape of its network.
    #[getter]
    fn config(&self) -> Config {
        Config(self.model.config.clone())
    }

    /// What it tells: a name for each class or label, or the place of each number.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.model.targets.names()
    }

    /// From which probability on the second of two classes, or each label, is told, where that is not half.
    #[getter]
    fn thresholds(&self) -> Option<Vec<f32>> {
        let own = self.model.thresholds.as_ref()?;
        Some(own.named(&self.model.targets.names()).map(|(_, threshold)| threshold).collect())
    }

    /// What it reads: ``texts``, ``tokens`` that are given one by one, or ``numbers``.
    #[getter]
    fn kind(&self) -> &'static str {
        match &self.model.inputs {
            InputEncoder::Tokens(tokenizer) if tokenizer.reads_given() => "tokens",
            InputEncoder::Tokens(_) => "texts",
            InputEncoder::Numbers(_) => "numbers",
        }
    }

    /// The weights by PyTorch's names.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        dictionary(py, self.model.parameters.tensors(&self.model.config))
    }

    /// What it tells of each sequence, `[N, C]`: probabilities of classes and labels, or numbers; of models of steps one
    /// `[T_i, C]` behind the other, `[sum of T_i, C]`, and the steps of each.
    #[pyo3(signature = (inputs, *, device = Given::Name("auto".into())))]
    fn told<'py>(&self, py: Python<'py>, mut inputs: PyRefMut<'_, Inputs>, device: Given) -> PyResult<Told<'py>> {
        let examples = examples(&mut inputs, None)?;
        let width = self.model.config.classes;
        let (values, steps) = self.with_network(py, device, |network, stop| {
            let mut data = encoding::dataset(&self.model.inputs, None, &examples)?;
            drop(examples);
            let (mut values, mut steps): (Vec<f64>, Vec<i64>) = (vec![], vec![]);
            answers(network, &mut data, BATCH, |_, told| {
                steps.push((told.len() / width) as i64);
                match &self.model.targets {
                    TargetEncoder::Numbers(own) | TargetEncoder::Series(own) => {
                        told.chunks(width).for_each(|row| values.extend(own.undo(row)));
                    }
                    _ => values.extend(told.iter().map(|own| f64::from(*own))),
                }
                go_on(stop)
            })?;
            Ok((values, steps))
        })?;
        let rows = values.len() / width;
        Ok((values.into_pyarray(py).reshape([rows, width])?, steps.into_pyarray(py)))
    }

    /// The final states `[N, W]` of sequences, for other models to go on with.
    #[pyo3(signature = (inputs, *, device = Given::Name("auto".into())))]
    fn states<'py>(
        &self,
        py: Python<'py>,
        mut inputs: PyRefMut<'_, Inputs>,
        device: Given,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let examples = examples(&mut inputs, None)?;
        let width = self.model.config.width();
        let states = self.with_network(py, device, |network, stop| {
            let data = encoding::dataset(&self.model.inputs, None, &examples)?;
            drop(examples);
            states(network, &data, BATCH, || go_on(stop))
        })?;
        let rows = states.len() / width;
        states.into_pyarray(py).reshape([rows, width])
    }

    fn __repr__(&self) -> String {
        let task = match self.model.config.task {
            Task::Class => "classes",
            Task::Labels => "labels",
            Task::Regression => "numbers",
            Task::Tags => "tags of every step",
            Task::Series => "numbers of every step",
        };
        format!("Model({} of {}, {} weights)", self.model.config.classes, task, self.model.config.parameters(true))
    }
}
