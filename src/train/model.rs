//! The model directory: `config.json`, `model.safetensors`, `tokenizer.json`, and what training adds to it.

use super::sources::Origin;
use super::{Dataset, Epoch, InputEncoder, Options, Progress, TargetEncoder, Trainer, encoding};
use crate::data::{Normalisation, ReadOptions, Source, Tokenizer};
use crate::engine::Device;
use crate::error::{Error, Problem, Result, ensure};
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
pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";

impl Model {
    /// Reads a model directory.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`], naming the file that is missing, damaged or foreign.
    pub fn load(folder: &Path) -> Result<Model> {
        ensure!(folder.is_dir(), Error::model(folder, Problem::NoModel));
        let path = folder.join(CONFIG);
        let wrong = |problem: String| Error::model(&path, problem);
        let refused = |error: Error| wrong(error.to_string());
        let ConfigFile { format, network: config, tells: targets, normalisation } =
            serde_json::from_str(&read_text(&path)?)
                .map_err(|error| wrong(format!("this is no configuration of srnn: {error}")))?;
        let unknown = format!("format `{format}` is unknown: this version reads `{FORMAT}`");
        ensure!(format == FORMAT, wrong(unknown));
        config.check().map_err(refused)?;
        let (told, classes) = (targets.names().len(), config.classes);
        ensure!(told == classes, wrong(format!("{told} labels for {classes} classes")));
        ensure!(targets.task() == config.task, wrong("what it tells is not the task of its network".into()));
        if let TargetEncoder::Numbers(normalisation) = &targets {
            normalisation.check(classes).map_err(refused)?;
        }
        let inputs = match (config.input, normalisation) {
            (Input::Tokens, _) => {
                let path = folder.join(TOKENIZER);
                let tokenizer = Tokenizer::from_json(&path, &read_text(&path)?)?;
                let (words, ids) = (tokenizer.vocabulary_size(), config.vocabulary);
                let foreign = format!("{words} words, and the network has {ids}: not of this model");
                ensure!(words == ids, Error::model(path, foreign));
                InputEncoder::Tokens(tokenizer)
            }
            (Input::Numbers, Some(normalisation)) => {
                normalisation.check(config.embedding).map_err(refused)?;
                InputEncoder::Numbers(normalisation)
            }
            (Input::Numbers, None) => return Err(wrong("the normalisation is missing".into())),
        };
        let path = folder.join(WEIGHTS);
        let wrong = |problem: String| Error::model(&path, problem);
        let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| wrong(format!("this is no safetensors file, or it is damaged: {error}")))?;
        let parameters =
            Parameters::from_tensors(&config, |name| floats(&file, name)).map_err(|error| wrong(error.to_string()))?;
        Ok(Model { config, inputs, targets, parameters })
    }

    /// A file's data set for this model, with its targets or without.
    ///
    /// # Errors
    /// What the readers say; [`Error::Data`] for a file of texts where the model reads numbers; as [`encoding::dataset`].
    pub fn read(&self, options: &ReadOptions, source: &Source, targets: bool) -> Result<Dataset> {
        let fits = self.config.input == Input::Tokens || options.is_numbers(source);
        ensure!(fits, Error::data(source, Problem::NotNumbers));
        encoding::dataset(&self.inputs, targets.then_some(&self.targets), &options.read(source, targets)?)
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
        let text = serde_json::to_string_pretty(&file).expect("plain data") + "\n";
        write_atomically(&folder.join(CONFIG), text.as_bytes())?;
        self.save_weights(folder)
    }

    /// Writes the weights alone.
    ///
    /// # Errors
    /// [`Error::Io`], naming the file.
    pub fn save_weights(&self, folder: &Path) -> Result<()> {
        let tensors = self.parameters.tensors(&self.config);
        let tensors = tensors.iter().map(|own| (own.name.as_str(), own.shape.clone(), &own.values[..]));
        // Readers of the usual layout look for this key.
        write_tensors(&folder.join(WEIGHTS), tensors, ("format", "pt"))
    }
}

/// Checks that a new model may go into the folder.
///
/// # Errors
/// [`Error::Model`] if there is something already and `overwrite` is not set; with it, if what is there is neither
/// empty nor a model directory.
pub fn check_folder(folder: &Path, overwrite: bool) -> Result<()> {
    let file = folder.exists() && !folder.is_dir();
    ensure!(!file, Error::model(folder, "this is a file, and a model is a directory"));
    let used = folder.is_dir() && std::fs::read_dir(folder).map_err(Error::io(folder))?.next().is_some();
    ensure!(overwrite || !used, Error::model(folder, Problem::Occupied));
    let foreign = "the directory holds other things than a model: it is not overwritten";
    ensure!(!used || is_model(folder), Error::model(folder, foreign));
    Ok(())
}

/// Whether the folder's `config.json` names a format of this crate; other programs have files of that name too.
fn is_model(folder: &Path) -> bool {
    let config = std::fs::read(folder.join(CONFIG)).ok();
    let config: Option<serde_json::Value> = config.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    config.is_some_and(|config| config["format"].as_str().is_some_and(|format| format.starts_with("srnn-")))
}

/// Makes the folder for a new model, and shows that files can be written to it; call [`check_folder`] first.
///
/// # Errors
/// [`Error::Model`] if it cannot be made or written to.
pub fn prepare_folder(folder: &Path) -> Result<()> {
    let wrong = |what: &str, error| Error::model(folder, format!("the directory {what}: {error}"));
    std::fs::create_dir_all(folder).map_err(|error| wrong("could not be made", error))?;
    tempfile::tempfile_in(folder).map(drop).map_err(|error| wrong("cannot be written to", error))
}

/// Adds the line of an epoch to `metrics.jsonl`; it takes the place of its own line, and of later ones, that a run left
/// which ended before its checkpoint was written.
///
/// # Errors
/// [`Error::Io`], naming the file.
pub fn append_metrics(folder: &Path, epoch: &Epoch) -> Result<()> {
    let path = folder.join(METRICS);
    let text = if path.exists() { read_text(&path)? } else { String::new() };
    let before: String = text.split_inclusive('\n').take(epoch.epoch - 1).collect();
    let line = serde_json::to_string(epoch).expect("metrics are plain numbers");
    write_atomically(&path, format!("{before}{line}\n").as_bytes())
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
    let Trainer { network, options, progress, .. } = trainer;
    let checkpoint = serde_json::json!({ "options": options, "progress": progress, "origin": origin }).to_string();
    let (state, parameters) = (network.optimiser_state()?, network.parameters()?);
    let weights = [("weights", &parameters.flat), ("embedding", &parameters.embedding)];
    let tensors = weights.into_iter().chain(buffer::OPTIMISER.map(|name| name.holds).into_iter().zip(&state.0));
    let tensors = tensors.map(|(name, values)| (name, vec![values.len()], &values[..]));
    // One file holds the state and the place it belongs to, so that a crash in between cannot part them.
    write_tensors(&folder.join(CHECKPOINT), tensors, ("checkpoint", &checkpoint))
}

/// Reads a checkpoint: how training stands, and the weights and the optimiser's state of that moment.
///
/// # Errors
/// [`Error::Io`] or [`Error::Model`], naming the file.
pub(super) fn load_checkpoint(folder: &Path) -> Result<(Checkpoint, Parameters, OptimiserState)> {
    let path = folder.join(CHECKPOINT);
    let ended = "there is no checkpoint to go on from: training was finished, or never begun";
    ensure!(path.exists() || !folder.is_dir(), Error::model(folder, ended));
    let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
    let damaged = |error: String| Error::model(&path, format!("this is no checkpoint of srnn: {error}"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let text = header.metadata().as_ref().and_then(|info| info.get("checkpoint"));
    let text = text.ok_or_else(|| damaged("it says not where training stands".into()))?;
    let other = |e| damaged(format!("it is damaged, or of another version ({e})"));
    let checkpoint = serde_json::from_str(text).map_err(other)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let missing = |name| damaged(format!("no `{name}`"));
    let take = |name| floats(&file, name).map(|(_, values)| values).ok_or_else(|| missing(name));
    let mut state = OptimiserState(Default::default());
    state.0.iter_mut().zip(buffer::OPTIMISER).try_for_each(|(own, name)| take(name.holds).map(|found| *own = found))?;
    Ok((checkpoint, Parameters { flat: take("weights")?, embedding: take("embedding")? }, state))
}

/// Removes a file that may be there.
///
/// # Errors
/// [`Error::Io`], naming the file.
pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    String::from_utf8(bytes).map_err(|_| Error::model(path, "this is no text file"))
}

/// Writes tensors by name, shape and values, with one entry of metadata.
fn write_tensors<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (&'a str, Vec<usize>, &'a [f32])>,
    (key, info): (&str, &str),
) -> Result<()> {
    let wrong = |error| Error::model(path, format!("the weights cannot be written: {error}"));
    let view = |(name, shape, values)| Ok((name, TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(values))?));
    let views = tensors.map(view).collect::<std::result::Result<Vec<_>, _>>().map_err(wrong)?;
    let info = std::collections::HashMap::from([(key.to_string(), info.to_string())]);
    write_atomically(path, &safetensors::serialize(views, Some(info)).map_err(wrong)?)
}

/// Shape and values of a tensor of 32-bit floats.
fn floats(file: &SafeTensors, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
    let tensor = file.tensor(name).ok().filter(|tensor| tensor.dtype() == Dtype::F32)?;
    Some((tensor.shape().to_vec(), bytemuck::pod_collect_to_vec(tensor.data())))
}
