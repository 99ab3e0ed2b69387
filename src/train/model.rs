//! The model directory: `config.json`, `model.safetensors`, `tokenizer.json`, and what training adds to it.

use super::sources::Origin;
use super::{Dataset, Epoch, InputEncoder, Options, Progress, TargetEncoder, Trainer};
use crate::data::{Examples, Normalisation, ReadOptions, Source, Tokenizer};
use crate::engine::Device;
use crate::error::{Error, Problem, Result};
use crate::files::write_atomically;
use crate::network::{Config, Input, Network, OptimiserState, Parameters, buffer};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A trained network as it is stored, with what it reads and what it tells.
pub struct Model {
    /// The shape of the network.
    pub config: Config,
    /// From what a file holds to what the network reads.
    pub inputs: InputEncoder,
    /// From what a file holds to what the network tells, and back.
    pub targets: TargetEncoder,
    /// The weights, in the shape of `config`.
    pub parameters: Parameters,
}

/// The text of `config.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    format: String,
    network: Config,
    tells: TargetEncoder,
    /// Of input that is numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    normalisation: Option<Normalisation>,
}

/// The format that this version writes and reads.
const FORMAT: &str = "srnn-2";
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
const METRICS: &str = "metrics.jsonl";
const CHECKPOINT: &str = "checkpoint.safetensors";

impl Model {
    /// Reads a model directory.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`], naming the file that is missing, damaged or foreign.
    pub fn load(folder: &Path) -> Result<Model> {
        if !folder.is_dir() {
            return Err(Error::model(folder, Problem::NoModel));
        }
        let path = folder.join(CONFIG);
        let text = read_text(&path)?;
        let file: ConfigFile = serde_json::from_str(&text)
            .map_err(|error| Error::model(&path, format!("this is no configuration of srnn: {error}")))?;
        if file.format != FORMAT {
            let problem = format!("format `{}` is unknown: this version reads `{FORMAT}`", file.format);
            return Err(Error::model(&path, problem));
        }
        file.network.check().map_err(|error| Error::model(&path, error.to_string()))?;
        let (told, classes) = (file.tells.names().len(), file.network.classes);
        if told != classes {
            return Err(Error::model(&path, format!("{told} labels for {classes} classes")));
        }
        if let TargetEncoder::Numbers(normalisation) = &file.tells {
            normalisation.check(classes).map_err(|error| Error::model(&path, error.to_string()))?;
        }
        if file.tells.task() != file.network.task {
            return Err(Error::model(&path, "what it tells is not the task of its network"));
        }
        let inputs = match (file.network.input, file.normalisation) {
            (Input::Tokens, _) => {
                let path = folder.join(TOKENIZER);
                let tokenizer = Tokenizer::from_json(&path, &read_text(&path)?)?;
                if tokenizer.vocabulary_size() != file.network.vocabulary {
                    let (words, ids) = (tokenizer.vocabulary_size(), file.network.vocabulary);
                    let problem = format!("{words} words, and the network has {ids}: not of this model");
                    return Err(Error::model(&path, problem));
                }
                InputEncoder::Tokens(tokenizer)
            }
            (Input::Numbers, Some(normalisation)) => {
                let width = file.network.embedding;
                normalisation.check(width).map_err(|error| Error::model(&path, error.to_string()))?;
                InputEncoder::Numbers(normalisation)
            }
            (Input::Numbers, None) => return Err(Error::model(&path, "the normalisation is missing")),
        };
        let parameters = read_weights(&folder.join(WEIGHTS), &file.network)?;
        Ok(Model { config: file.network, inputs, targets: file.tells, parameters })
    }

    /// Reads a file for this model, with its targets or without.
    ///
    /// # Errors
    /// What the readers say; [`Error::Data`] for a file of texts where the model reads numbers.
    pub fn read(&self, options: &ReadOptions, source: &Source, targets: bool) -> Result<Examples> {
        if self.config.input == Input::Numbers && !options.is_numbers(source) {
            return Err(Error::data(source, Problem::NotNumbers));
        }
        options.read(source, targets)
    }

    /// A file's data set for this model, with its targets.
    ///
    /// # Errors
    /// As [`super::encoding::dataset`].
    pub fn dataset(&self, examples: &Examples) -> Result<Dataset> {
        super::encoding::dataset(&self.inputs, &self.targets, examples)
    }

    /// The network on a device.
    ///
    /// # Errors
    /// As [`Network::with_parameters`].
    pub fn network(&self, device: Device) -> Result<Network> {
        Network::with_parameters(self.config.clone(), device, &self.parameters)
    }

    /// Writes configuration, weights and tokenizer in place of what an older model left; the folder must exist.
    ///
    /// # Errors
    /// [`Error::Io`], naming the file.
    pub fn save(&self, folder: &Path) -> Result<()> {
        for stale in [CHECKPOINT, METRICS, TOKENIZER] {
            remove_if_there(&folder.join(stale))?;
        }
        let (network, tells) = (self.config.clone(), self.targets.clone());
        let normalisation = match &self.inputs {
            InputEncoder::Tokens(tokenizer) => {
                write_atomically(&folder.join(TOKENIZER), tokenizer.to_json()?.as_bytes())?;
                None
            }
            InputEncoder::Numbers(normalisation) => Some(normalisation.clone()),
        };
        let file = ConfigFile { format: FORMAT.into(), network, tells, normalisation };
        write_atomically(&folder.join(CONFIG), to_json(&file).as_bytes())?;
        self.save_weights(folder)
    }

    /// Writes the weights alone.
    ///
    /// # Errors
    /// [`Error::Io`], naming the file.
    pub fn save_weights(&self, folder: &Path) -> Result<()> {
        write_weights(&folder.join(WEIGHTS), &self.config, &self.parameters)
    }
}

/// Checks that a new model may go into the folder.
///
/// # Errors
/// [`Error::Model`] if there is something already and `overwrite` is not set; with it, if what is there is neither
/// empty nor a model directory.
pub fn check_folder(folder: &Path, overwrite: bool) -> Result<()> {
    if folder.exists() && !folder.is_dir() {
        return Err(Error::model(folder, "this is a file, and a model is a directory"));
    }
    let used = folder.is_dir() && std::fs::read_dir(folder).map_err(Error::io(folder))?.next().is_some();
    if used && !overwrite {
        return Err(Error::model(folder, Problem::Occupied));
    }
    if used && !is_model(folder) {
        return Err(Error::model(folder, "the directory holds other things than a model: it is not overwritten"));
    }
    Ok(())
}

/// Whether the folder's `config.json` names a format of this crate; other programs have files of that name too.
fn is_model(folder: &Path) -> bool {
    let config = std::fs::read(folder.join(CONFIG)).ok();
    let config = config.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    config.is_some_and(|config| config["format"].as_str().is_some_and(|format| format.starts_with("srnn-")))
}

/// Makes the folder for a new model, and shows that files can be written to it; call [`check_folder`] first.
///
/// # Errors
/// [`Error::Model`] if it cannot be made or written to.
pub fn prepare_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::model(folder, format!("the directory could not be made: {error}")))?;
    tempfile::tempfile_in(folder)
        .map(drop)
        .map_err(|error| Error::model(folder, format!("the directory cannot be written to: {error}")))
}

/// Adds the line of an epoch to `metrics.jsonl`; it takes the place of its own line, and of later ones, that a run left
/// which ended before its checkpoint was written.
///
/// # Errors
/// [`Error::Io`], naming the file.
pub fn append_metrics(folder: &Path, epoch: &Epoch) -> Result<()> {
    let path = folder.join(METRICS);
    let text = if path.exists() { read_text(&path)? } else { String::new() };
    let mut text: String = text.split_inclusive('\n').take(epoch.epoch - 1).collect();
    text.push_str(&serde_json::to_string(epoch).expect("metrics are plain numbers"));
    text.push('\n');
    write_atomically(&path, text.as_bytes())
}

/// Everything that training needs to go on, beside the model itself.
#[derive(Deserialize)]
pub(super) struct Checkpoint {
    pub options: Options,
    pub progress: Progress,
    pub origin: Origin,
}

/// Writes a checkpoint: the weights and the optimiser's state of this moment, then how training stands.
///
/// # Errors
/// [`Error::Io`], naming the file.
pub(super) fn save_checkpoint(folder: &Path, trainer: &mut Trainer, origin: &Origin) -> Result<()> {
    let checkpoint =
        serde_json::json!({ "options": trainer.options, "progress": trainer.progress(), "origin": origin });
    let network = &mut trainer.network;
    let state = network.optimiser_state()?;
    let parameters = network.parameters()?;
    let weights = [("weights", &parameters.flat), ("embedding", &parameters.embedding)];
    let tensors = weights.into_iter().chain(buffer::OPTIMISER.map(|name| name.holds).into_iter().zip(&state.0));
    // One file holds the state and the place it belongs to, so that a crash in between cannot part them.
    let info = std::collections::HashMap::from([("checkpoint".to_string(), checkpoint.to_string())]);
    let views = tensors.map(|(name, values)| (name.to_string(), view(&[values.len()], values)));
    write_safetensors(&folder.join(CHECKPOINT), views.into_iter().collect(), Some(info))
}

/// Reads a checkpoint: how training stands, and the weights and the optimiser's state of that moment.
///
/// # Errors
/// [`Error::Io`] or [`Error::Model`], naming the file.
pub(super) fn load_checkpoint(folder: &Path) -> Result<(Checkpoint, CheckpointState)> {
    let path = folder.join(CHECKPOINT);
    if folder.is_dir() && !path.exists() {
        return Err(Error::model(
            folder,
            "there is no checkpoint to go on from: training was finished, or never begun",
        ));
    }
    let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
    let damaged = |error: String| Error::model(&path, format!("this is no checkpoint of srnn: {error}"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let text = header.metadata().as_ref().and_then(|info| info.get("checkpoint"));
    let text = text.ok_or_else(|| damaged("it says not where training stands".into()))?;
    let other = |e| damaged(format!("it is damaged, or of another version ({e})"));
    let checkpoint = serde_json::from_str(text).map_err(other)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let take =
        |name: &str| floats(&file, name).map(|(_, values)| values).ok_or_else(|| damaged(format!("no `{name}`")));
    let mut optimiser = OptimiserState(Default::default());
    for (own, name) in optimiser.0.iter_mut().zip(buffer::OPTIMISER) {
        *own = take(name.holds)?;
    }
    let state =
        CheckpointState { parameters: Parameters { flat: take("weights")?, embedding: take("embedding")? }, optimiser };
    Ok((checkpoint, state))
}

/// Weights and optimiser of a checkpoint.
pub(super) struct CheckpointState {
    pub parameters: Parameters,
    pub optimiser: OptimiserState,
}

/// Removes a finished training's checkpoint.
///
/// # Errors
/// [`Error::Io`], naming the file.
pub(super) fn remove_checkpoint(folder: &Path) -> Result<()> {
    remove_if_there(&folder.join(CHECKPOINT))
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("plain data") + "\n"
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    String::from_utf8(bytes).map_err(|_| Error::model(path, "this is no text file"))
}

fn view<'a>(shape: &[usize], values: &'a [f32]) -> TensorView<'a> {
    TensorView::new(Dtype::F32, shape.to_vec(), bytemuck::cast_slice(values)).expect("the shape fits the values")
}

fn write_safetensors(
    path: &Path,
    views: Vec<(String, TensorView)>,
    info: Option<std::collections::HashMap<String, String>>,
) -> Result<()> {
    let bytes = safetensors::serialize(views, info)
        .map_err(|error| Error::model(path, format!("the weights cannot be written: {error}")))?;
    write_atomically(path, &bytes)
}

fn write_weights(path: &Path, config: &Config, parameters: &Parameters) -> Result<()> {
    let tensors = parameters.tensors(config);
    let views = tensors.iter().map(|tensor| (tensor.name.clone(), view(&tensor.shape, &tensor.values))).collect();
    // Readers of the usual layout look for this key.
    let info = std::collections::HashMap::from([("format".to_string(), "pt".to_string())]);
    write_safetensors(path, views, Some(info))
}

/// Shape and values of a tensor of 32-bit floats.
fn floats(file: &SafeTensors, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
    let tensor = file.tensor(name).ok().filter(|tensor| tensor.dtype() == Dtype::F32)?;
    Some((tensor.shape().to_vec(), bytemuck::pod_collect_to_vec(tensor.data())))
}

fn read_weights(path: &Path, config: &Config) -> Result<Parameters> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| Error::model(path, format!("this is no safetensors file, or it is damaged: {error}")))?;
    Parameters::from_tensors(config, |name| floats(&file, name)).map_err(|error| Error::model(path, error.to_string()))
}
