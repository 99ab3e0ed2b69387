//! From settings, sequences and targets to a model, in memory.

use super::convert::{Inputs, Targets, examples};
use super::device::Given;
use super::errors::raised;
use super::model::Model;
use super::observer::PyObserver;
use super::pool::listening;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use srnn::cli;
use srnn::data::RawInputs;
use srnn::network::Input;
use srnn::train::choice::Open;
use srnn::train::recipe::Tokens;
use srnn::train::{Ending, Recipe, TargetEncoder, Training};
use std::sync::atomic::AtomicBool;

/// Options of the command by name, with their values.
type Options = Vec<(String, Option<String>)>;
/// Sequences, and what is to be told of them.
type Pair<'py> = (PyRefMut<'py, Inputs>, PyRefMut<'py, Targets>);

/// The names of all options of ``srnn train``, without their dashes.
#[pyfunction]
pub fn options() -> Vec<String> {
    cli::options_of_training()
}

fn recipe(options: &Options, inputs: &Inputs) -> PyResult<Recipe> {
    let numbers = matches!(inputs.raw, Some(RawInputs::Numbers(_)));
    let mut recipe = cli::recipe(options, numbers).map_err(raised)?;
    if inputs.given && !recipe.network.task.of_steps() {
        let of_texts = options.iter().find(|(name, _)| ["tokens", "strip-html"].contains(&name.as_str()));
        if let Some((name, _)) = of_texts {
            return Err(PyValueError::new_err(format!("--{name} is for texts, and tokens are given here")));
        }
        let own =
            options.iter().find(|(name, _)| name == "min-count").and_then(|(_, value)| value.as_ref()?.parse().ok());
        recipe.tokens = Tokens::Given { min_count: own.unwrap_or(1), lower: false, endings: false };
        recipe.open.remove(&Open::Tokens);
    }
    Ok(recipe)
}

/// Trains by options of ``srnn train``, by name and value, and gives the model and an account of it in JSON. Stopped by a signal,
/// or by what the callback raises, it gives what was learnt so far, if an epoch was done, and the exception.
#[pyfunction]
#[pyo3(signature = (options, train, valid = None, *, class_weights = None, device = Given::Name("auto".into()), callback = None))]
pub fn fit(
    py: Python<'_>,
    options: Options,
    train: Pair<'_>,
    valid: Option<Pair<'_>>,
    class_weights: Option<Vec<(String, f32)>>,
    device: Given,
    callback: Option<Py<PyAny>>,
) -> PyResult<(Option<Model>, String, Option<PyErr>)> {
    let mut recipe = recipe(&options, &train.0)?;
    let both = |(mut inputs, mut targets): Pair<'_>| examples(&mut inputs, Some(&mut targets));
    let (train, valid) = (both(train)?, valid.map(both).transpose()?);
    if valid.is_some() {
        recipe.sources.valid = Some("validation data".into());
    }
    let stop = AtomicBool::new(false);
    let work = || {
        let mut observer = PyObserver::new(callback, &stop);
        let files = recipe.sources.files(train, valid, None);
        if let Some(weights) = class_weights {
            let names = TargetEncoder::fit(recipe.network.task, &files, &[]).map_err(raised)?.names();
            let weight = |name: &String| weights.iter().find(|(own, _)| own == name).map_or(1.0, |(_, weight)| *weight);
            recipe.options.optimiser.class_weights = names.iter().map(weight).collect();
        }
        let mut training = Training::in_memory(&recipe, &files, device.open()?).map_err(raised)?;
        drop(files);
        let outcome = training.run(&mut observer);
        let stopped = observer.raised.take();
        let outcome = match (outcome, stopped) {
            (Err(_), Some(error)) => return Err(error),
            (outcome, stopped) => (outcome.map_err(raised)?, stopped),
        };
        let (outcome, stopped) = outcome;
        let texts = training.model.config.input == Input::Tokens;
        let chosen: Vec<(String, String)> =
            training.recipe().chosen(texts).into_iter().map(|(open, value)| (open.to_string(), value)).collect();
        let account = serde_json::json!({
            "history": training.validated(),
            "ending": match outcome.ending {
                Ending::Finished => "finished",
                Ending::NoImprovement => "no improvement",
                Ending::Stopped => "stopped",
            },
            "best": outcome.best,
            "refitted": outcome.refitted,
            "chosen": chosen,
            "device": training.trainer.network.device().name,
            "sequences": [training.data.train.len(), training.data.valid.len()],
        });
        let is_useful = outcome.ending != Ending::Stopped || outcome.best.is_some();
        let model = is_useful.then(|| Model::new(training.model));
        Ok((model, account.to_string(), stopped))
    };
    let (outcome, signal) = py.detach(|| listening(&stop, work));
    match (outcome, signal) {
        (Ok((model, account, stopped)), signal) => Ok((model, account, signal.or(stopped))),
        (Err(error), signal) => Err(signal.unwrap_or(error)),
    }
}
