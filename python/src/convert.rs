//! What Python hands in: texts, tokens or numbers, and what is to be told of them.

use super::errors::raised;
use numpy::{Element, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use srnn::data::{BETWEEN, Examples, Numbers, RawInputs, RawTargets, Rows, Sequences};

/// N sequences: texts, or steps of numbers. Made once, and used up by what reads it.
#[pyclass(module = "srnn._srnn")]
pub struct Inputs {
    pub(crate) raw: Option<RawInputs>,
    /// Whether they are tokens that were given one by one.
    pub(crate) given: bool,
}

/// What is to be told of N sequences.
#[pyclass(module = "srnn._srnn")]
pub struct Targets(Option<RawTargets>);

/// One-dimensional numbers of either precision, read in place.
#[derive(FromPyObject)]
enum Values<'py> {
    Single(PyReadonlyArray1<'py, f32>),
    Double(PyReadonlyArray1<'py, f64>),
}

impl Values<'_> {
    fn numbers(&self) -> PyResult<Numbers> {
        fn read<T: Element + Copy>(array: &PyReadonlyArray1<'_, T>) -> PyResult<Vec<T>> {
            let apart = |_| PyTypeError::new_err("the numbers are not one behind the other");
            Ok(array.as_slice().map_err(apart)?.to_vec())
        }
        Ok(match self {
            Values::Single(own) => Numbers::Single(read(own)?),
            Values::Double(own) => Numbers::Double(read(own)?),
        })
    }
}

fn sequences(values: &Values<'_>, ends: Vec<usize>, width: usize) -> PyResult<Sequences> {
    Sequences::new(width, values.numbers()?, &ends).map_err(raised)
}

#[pymethods]
impl Inputs {
    /// Of texts, which the model's tokenizer cuts.
    #[staticmethod]
    fn texts(texts: Vec<String>) -> Inputs {
        Inputs { raw: Some(RawInputs::Texts(texts)), given: false }
    }

    /// Of tokens that are given one by one, with a line break between those of a sequence.
    #[staticmethod]
    fn tokens(joined: Vec<String>) -> Inputs {
        Inputs { raw: Some(RawInputs::Texts(joined)), given: true }
    }

    /// Of token ids: all of them one behind the other, and where each sequence ends, in tokens.
    #[staticmethod]
    fn ids(ids: PyReadonlyArray1<'_, i64>, ends: Vec<usize>) -> PyResult<Inputs> {
        let ids = ids.as_slice().map_err(|_| PyTypeError::new_err("the ids are not one behind the other"))?;
        let mut begin = 0;
        let join = |end: usize| {
            let own = ids.get(begin..end).unwrap_or_default();
            begin = end;
            own.iter().map(i64::to_string).collect::<Vec<_>>().join(&BETWEEN.to_string())
        };
        let texts = ends.into_iter().map(join).collect();
        Ok(Inputs { raw: Some(RawInputs::Texts(texts)), given: true })
    }

    /// Of steps of `width` numbers: all numbers one behind the other, and where each sequence ends, in steps.
    #[staticmethod]
    fn numbers(values: Values<'_>, ends: Vec<usize>, width: usize) -> PyResult<Inputs> {
        Ok(Inputs { raw: Some(RawInputs::Numbers(sequences(&values, ends, width)?)), given: false })
    }

    fn __len__(&self) -> usize {
        match &self.raw {
            Some(RawInputs::Texts(texts)) => texts.len(),
            Some(RawInputs::Numbers(own)) => own.len(),
            None => 0,
        }
    }
}

#[pymethods]
impl Targets {
    /// A name for each: a class, or labels with commas between them.
    #[staticmethod]
    fn names(names: Vec<String>) -> Targets {
        Targets(Some(RawTargets::Names(names)))
    }

    /// Numbers `[N, C]`.
    #[staticmethod]
    fn rows(values: PyReadonlyArray2<'_, f64>) -> PyResult<Targets> {
        let width = values.as_array().ncols();
        let apart = |_| PyTypeError::new_err("the numbers are not one behind the other");
        let values = values.as_slice().map_err(apart)?.to_vec();
        Ok(Targets(Some(RawTargets::Numbers(Rows { width, values }))))
    }

    /// Tags of all steps of each, with a line break between them.
    #[staticmethod]
    fn tags(joined: Vec<String>) -> Targets {
        Targets(Some(RawTargets::Tags(joined)))
    }

    /// Numbers of every step `[T_i, C]`, as of inputs.
    #[staticmethod]
    fn steps(values: Values<'_>, ends: Vec<usize>, width: usize) -> PyResult<Targets> {
        Ok(Targets(Some(RawTargets::Steps(sequences(&values, ends, width)?))))
    }
}

/// The examples of both, which they give up.
pub fn examples(inputs: &mut Inputs, targets: Option<&mut Targets>) -> PyResult<Examples> {
    let used = || PyTypeError::new_err("these inputs or targets were used before");
    let raw = inputs.raw.take().ok_or_else(used)?;
    let targets = targets.map(|own| own.0.take().ok_or_else(used)).transpose()?;
    Ok(Examples::of("X", raw, targets))
}
