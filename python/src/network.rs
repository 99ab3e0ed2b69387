//! The network by itself: its shape, its logits, its gradients and its weights.

use super::device::Given;
use super::errors::raised;
use super::pool::briefly;
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArrayDyn};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use srnn::data::{Batch, Rows, Targets};
use srnn::network::{Optimiser, Parameters, Task, Tensor};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What a network is, as `config.json` has it.
#[pyclass(frozen, from_py_object, module = "srnn._srnn")]
#[derive(Clone)]
pub struct Config(pub(crate) srnn::Config);

#[pymethods]
impl Config {
    /// From JSON; what is not said is as by default.
    #[new]
    fn new(text: &str) -> PyResult<Config> {
        let config: srnn::Config =
            serde_json::from_str(text).map_err(|error| PyValueError::new_err(format!("no configuration: {error}")))?;
        config.check().map_err(raised)?;
        Ok(Config(config))
    }

    /// As JSON.
    fn json(&self) -> PyResult<String> {
        serde_json::to_string(&self.0).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Number of weights, with the embedding or without.
    #[pyo3(signature = (*, embedding = true))]
    fn parameters(&self, embedding: bool) -> usize {
        self.0.parameters(embedding)
    }

    /// Steps that must wait for one another in the longest sequence.
    fn sequential_steps(&self) -> usize {
        self.0.slicing.sequential_steps(self.0.length)
    }
}

/// Sequences one behind the other: token ids, or numbers.
#[derive(FromPyObject)]
enum Values<'py> {
    Ids(PyReadonlyArray1<'py, u32>),
    Numbers(PyReadonlyArray1<'py, f32>),
}

/// What is to be told: a class of each, or numbers `[N, C]`.
#[derive(FromPyObject)]
enum Told<'py> {
    Classes(PyReadonlyArray1<'py, u32>),
    Numbers(PyReadonlyArray2<'py, f32>),
}

/// A network on a device.
#[pyclass(frozen, module = "srnn._srnn")]
pub struct Network {
    own: Mutex<srnn::Network>,
    config: srnn::Config,
    #[pyo3(get)]
    device: String,
}

fn apart<E>(_: E) -> PyErr {
    PyTypeError::new_err("the numbers of the array are not one behind the other")
}

/// Tensors by name.
pub fn dictionary(py: Python<'_>, tensors: Vec<Tensor>) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    for Tensor { name, shape, values } in tensors {
        all.set_item(name, values.into_pyarray(py).reshape(shape)?)?;
    }
    Ok(all)
}

impl Network {
    fn with_network<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut srnn::Network) -> srnn::Result<T> + Send,
    ) -> PyResult<T> {
        // Others wait for it without Python's lock, and outside the engine's threads.
        py.detach(|| {
            let mut guard = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            let network = &mut *guard;
            briefly(|| work(network)).map_err(raised)
        })
    }

    fn batch(&self, values: &Values<'_>, ends: &[usize], told: Option<&Told<'_>>) -> PyResult<Batch> {
        let config = &self.config;
        let (count, width) = match values {
            Values::Ids(ids) => (ids.len()?, 1),
            Values::Numbers(numbers) => (numbers.len()?, config.embedding),
        };
        let ordered = ends.windows(2).all(|pair| pair[0] <= pair[1]);
        let fits = ordered && ends.last().is_none_or(|end| end * width == count);
        if !fits {
            let wanted = format!("{count} numbers are not the {:?} steps of {width} that there should be", ends.last());
            return Err(PyValueError::new_err(wanted));
        }
        let ranges = ends.iter().scan(0, |begin, &end| {
            let range = *begin * width..end * width;
            *begin = end;
            Some(range)
        });
        let mut batch = match values {
            Values::Ids(ids) => {
                let ids = ids.as_slice().map_err(apart)?;
                config.batch(&ranges.map(|range| &ids[range]).collect::<Vec<_>>(), &[])
            }
            Values::Numbers(numbers) => {
                let numbers = numbers.as_slice().map_err(apart)?;
                let sequences: Vec<&[f32]> = ranges.map(|range| &numbers[range]).collect();
                Batch::of_numbers(&sequences, width, config.most_steps(), config.truncate).map_err(raised)?
            }
        };
        batch.targets = match told {
            None => None,
            Some(Told::Classes(classes)) => Some(Targets::Classes(classes.as_slice().map_err(apart)?.to_vec())),
            Some(Told::Numbers(rows)) => {
                let own = Rows { width: rows.as_array().ncols(), values: rows.as_slice().map_err(apart)?.to_vec() };
                Some(if config.task == Task::Labels { Targets::Labels(own) } else { Targets::Numbers(own) })
            }
        };
        Ok(batch)
    }

    /// `width` numbers of each sequence or step.
    fn infer<'py>(
        &self,
        py: Python<'py>,
        (values, ends): (&Values<'_>, &[usize]),
        width: usize,
        work: impl Fn(&mut srnn::Network, &Batch) -> srnn::Result<Vec<f32>> + Sync,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let batch = self.batch(values, ends, None)?;
        let values = self.with_network(py, |network| work(network, &batch))?;
        let rows = values.len() / width;
        values.into_pyarray(py).reshape([rows, width])
    }
}

fn optimiser(text: &str) -> PyResult<Optimiser> {
    serde_json::from_str(text).map_err(|error| PyValueError::new_err(format!("no optimiser: {error}")))
}

#[pymethods]
impl Network {
    /// With random weights; the same seed gives the same bits.
    #[new]
    fn new(py: Python<'_>, config: Config, seed: u64, device: Given) -> PyResult<Network> {
        let device = device.open()?;
        let (name, config) = (device.name.clone(), config.0);
        let own = py.detach(|| briefly(|| srnn::Network::new(config.clone(), device, seed))).map_err(raised)?;
        Ok(Network { own: Mutex::new(own), config, device: name })
    }

    #[getter]
    fn config(&self) -> Config {
        Config(self.config.clone())
    }

    /// `[N, C]`, or `[P, C]` of every step.
    fn logits<'py>(
        &self,
        py: Python<'py>,
        values: Values<'_>,
        ends: Vec<usize>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        self.infer(py, (&values, &ends), self.config.classes, srnn::Network::logits)
    }

    /// As logits, through softmax or sigmoids.
    fn probabilities<'py>(
        &self,
        py: Python<'py>,
        values: Values<'_>,
        ends: Vec<usize>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        self.infer(py, (&values, &ends), self.config.classes, srnn::Network::probabilities)
    }

    /// `[N, W]`: what the head reads of each sequence, or `[P, W]` of every step.
    fn states<'py>(
        &self,
        py: Python<'py>,
        values: Values<'_>,
        ends: Vec<usize>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let work = if self.config.task.of_steps() { srnn::Network::outputs } else { srnn::Network::states };
        self.infer(py, (&values, &ends), self.config.width(), work)
    }

    /// One step; gives its mean loss.
    fn train_step(
        &self,
        py: Python<'_>,
        values: Values<'_>,
        ends: Vec<usize>,
        told: Told<'_>,
        settings: &str,
    ) -> PyResult<f64> {
        let (batch, optimiser) = (self.batch(&values, &ends, Some(&told))?, optimiser(settings)?);
        self.with_network(py, |network| {
            network.train_step(&batch, &optimiser)?;
            network.totals().map(|totals| totals.loss)
        })
    }

    /// The mean loss and the gradients of all weights, by name, without a step.
    fn gradients<'py>(
        &self,
        py: Python<'py>,
        values: Values<'_>,
        ends: Vec<usize>,
        told: Told<'_>,
        settings: &str,
    ) -> PyResult<(f32, Bound<'py, PyDict>)> {
        let (batch, optimiser) = (self.batch(&values, &ends, Some(&told))?, optimiser(settings)?);
        let own = self.with_network(py, |network| network.gradients(&batch, &optimiser))?;
        let tensors = own.dense(self.config.vocabulary).tensors(&self.config);
        Ok((own.loss, dictionary(py, tensors)?))
    }

    /// An ONNX file of it.
    fn onnx<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let work = |network: &mut srnn::Network| srnn::onnx::export_network(&self.config, &network.parameters()?);
        let bytes = self.with_network(py, work)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The weights by PyTorch's names.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let own = self.with_network(py, srnn::Network::parameters)?;
        dictionary(py, own.tensors(&self.config))
    }

    /// Takes weights by these names; all of them must be there.
    fn load_state_dict(&self, py: Python<'_>, tensors: HashMap<String, PyReadonlyArrayDyn<'_, f32>>) -> PyResult<()> {
        let mut known = vec![];
        let parameters = Parameters::from_tensors(&self.config, |name| {
            let array = tensors.get(name)?;
            known.push(name.to_string());
            Some((array.as_array().shape().to_vec(), array.as_array().iter().copied().collect()))
        })
        .map_err(raised)?;
        if let Some(other) = tensors.keys().find(|name| !known.contains(name)) {
            return Err(PyValueError::new_err(format!("tensor `{other}` is none of this network's")));
        }
        self.with_network(py, |network| network.set_parameters(&parameters))
    }
}
