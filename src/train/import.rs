//! A model out of a state dict: its weights are another program's, what it reads and tells is said beside them.

use super::state_dict::StateDict;
use super::{InputEncoder, Model, TargetEncoder, Thresholds};
use crate::data::{Classes, Normalisation, Scaling, Tokenizer};
use crate::error::{Error, Result, ensure};
use crate::files::read_file;
use crate::network::{Input, Task};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// What a model is imported from.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// A safetensors file of a state dict.
    pub state: PathBuf,
    /// JSON of what its shapes do not say: fields of [`Config`](crate::Config), or the `config.json` of a model.
    pub config: Option<PathBuf>,
    /// The `tokenizer.json` of a network that reads tokens.
    pub tokenizer: Option<PathBuf>,
    /// Names of the classes or labels, in the order in which the network has them; their numbers, from 0, if there are none.
    pub names: Option<Vec<String>>,
}

/// A `config.json`, as far as it says what cannot be known.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    network: Map<String, Value>,
    tells: Option<TargetEncoder>,
    thresholds: Option<Thresholds>,
    normalisation: Option<Normalisation>,
    log_deviation: Option<Normalisation>,
    #[serde(rename = "format")]
    _format: IgnoredAny,
    #[serde(rename = "files")]
    _files: IgnoredAny,
    #[serde(rename = "checksum")]
    _checksum: IgnoredAny,
}

impl Settings {
    fn read(path: &Path) -> Result<Settings> {
        let wrong = |error: serde_json::Error| Error::model(path, format!("this is no configuration: {error}"));
        let all: Map<String, Value> = serde_json::from_slice(&read_file(path)?).map_err(wrong)?;
        match all.contains_key("network") {
            true => serde_json::from_value(all.into()).map_err(wrong),
            false => Ok(Settings { network: all, ..Settings::default() }),
        }
    }
}

impl Import {
    /// Reads the files, and makes a model of them.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`], naming the file and the tensor; [`Error::Config`] and others for a network that cannot be,
    /// or names that are not as many as it tells.
    pub fn model(&self) -> Result<Model> {
        let settings = self.config.as_deref().map_or(Ok(Settings::default()), Settings::read)?;
        let state = StateDict::read(&self.state)?;
        let config = state.config(&settings.network)?;
        let parameters = state.parameters(&config)?;
        let targets = match (&self.names, settings.tells) {
            (None, Some(tells)) => tells,
            (names, _) => tells(config.task, config.classes, names.clone())?,
        };
        let (told, classes) = (targets.names().len(), config.classes);
        ensure!(told == classes, "{told} names are given, and the network tells {classes}");
        ensure!(targets.task() == config.task, "what is said to be told is not the network's task, {:?}", config.task);
        if let Some(own) = targets.normalisation() {
            own.check(classes)?;
        }
        settings.thresholds.iter().try_for_each(|own| own.check(config.task, classes))?;
        let inputs = match (config.input, &self.tokenizer) {
            (Input::Tokens, Some(path)) => {
                let text = String::from_utf8(read_file(path)?);
                let text = text.map_err(|_| Error::model(path, "this is no text file"))?;
                let tokenizer = Tokenizer::from_json(path, &text)?;
                let (words, ids) = (tokenizer.vocabulary_size(), config.vocabulary);
                ensure!(words == ids, Error::model(path, format!("{words} words, and the embedding has {ids}")));
                InputEncoder::Tokens(tokenizer)
            }
            (Input::Tokens, None) => {
                return Err(Error::Config("the network reads tokens: a tokenizer.json must be given".into()));
            }
            (Input::Numbers, None) => {
                let width = config.embedding;
                let as_they_are = || Normalisation { mean: vec![0.0; width], deviation: vec![1.0; width] };
                let channels = settings.normalisation.unwrap_or_else(as_they_are);
                let scaling = Scaling { channels, logs: settings.log_deviation };
                scaling.check(width)?;
                InputEncoder::Numbers(scaling)
            }
            (Input::Numbers, Some(path)) => {
                return Err(Error::model(path, "the network has no embedding, and so no use for a tokenizer"));
            }
        };
        Ok(Model { config, inputs, targets, parameters, thresholds: settings.thresholds })
    }
}

/// What is told where nobody has said it: classes and labels by their numbers, numbers as they are.
fn tells(task: Task, count: usize, names: Option<Vec<String>>) -> Result<TargetEncoder> {
    let is_named = names.is_some();
    let names = names.unwrap_or_else(|| (0..count).map(|at| at.to_string()).collect());
    let as_they_are = Normalisation { mean: vec![0.0; count], deviation: vec![1.0; count] };
    let tells = match task {
        Task::Class => TargetEncoder::Classes(Classes::try_from(names)?),
        Task::Tags => TargetEncoder::Tags(Classes::try_from(names)?),
        Task::Labels => TargetEncoder::Labels(names),
        Task::Regression => TargetEncoder::Numbers(as_they_are),
        Task::Series => TargetEncoder::Series(as_they_are),
    };
    ensure!(!is_named || tells.normalisation().is_none(), "numbers that are told have no names");
    Ok(tells)
}
