//! A trained model: `config.json`, `model.safetensors` and, of texts, `tokenizer.json` of its directory.

pub use super::directory::check_folder;

use super::directory::{Directory, Files, Sums, TOKENIZER, WEIGHTS, is_sealed, read_whole};
use super::{Dataset, InputEncoder, TargetEncoder, Thresholds, encoding, tensors};
use crate::data::{Examples, Normalisation, ReadOptions, Scaling, Source, Tokenizer};
use crate::engine::Device;
use crate::error::{Error, Problem, Result, ensure};
use crate::network::{Config, Input, Network, Parameters};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
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
    /// From which probability on a class or a label is told, where that is not half.
    pub thresholds: Option<Thresholds>,
}

/// The text of `config.json`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    format: String,
    network: Config,
    tells: TargetEncoder,
    /// Of what is told, where they are not half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thresholds: Option<Thresholds>,
    /// Of input that is numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    normalisation: Option<Normalisation>,
    /// Of the logarithms of the sequences' own deviations, where each is made normal for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_deviation: Option<Normalisation>,
    /// All others of the same save; `None` in an older format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files: Option<Sums>,
    /// Of all before it; `None` in an older format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

/// The format that this version writes.
const FORMAT: &str = "srnn-3";
/// The format before, without checksums, which is read too.
const UNCHECKED: &str = "srnn-2";

impl ConfigFile {
    /// Reads and checks the configuration of a save.
    fn read(files: &Files) -> Result<ConfigFile> {
        let wrong = |problem: String| Error::model(&files.path, problem);
        let none = |error| wrong(format!("this is no configuration of srnn: {error}"));
        let changed = || Error::model(&files.path, Problem::Changed);
        // What has no format is told by what it lacks.
        if let Some(format) = files.says["format"].as_str() {
            let unknown = format!("format `{format}` is unknown: this version reads `{UNCHECKED}` and `{FORMAT}`");
            ensure!([UNCHECKED, FORMAT].contains(&format), wrong(unknown));
            ensure!(format == UNCHECKED || is_sealed(&files.config, &files.says), changed());
        }
        // From the text, as errors then tell the line.
        let mut file: ConfigFile = serde_json::from_str(&files.config).map_err(none)?;
        ensure!([file.files.is_some(), file.checksum.is_some()] == [file.format == FORMAT; 2], changed());
        if file.format == UNCHECKED {
            file.normalisation = file.normalisation.map(Normalisation::rounded);
            if let TargetEncoder::Numbers(own) = file.tells {
                file.tells = TargetEncoder::Numbers(own.rounded());
            }
            log::warn!("{}: a model of format {UNCHECKED}, whose files have no checksums", files.path.display());
        }
        Ok(file)
    }

    /// The text, with an empty checksum.
    pub fn text(self, sums: &Sums) -> String {
        let file = ConfigFile { files: Some(sums.clone()), checksum: Some(String::new()), ..self };
        serde_json::to_string_pretty(&file).expect("plain data") + "\n"
    }
}

impl Model {
    /// Reads a model directory. Every file is checked to be what was saved.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`], naming the file that is missing, damaged or foreign.
    pub fn load(folder: &Path) -> Result<Model> {
        read_whole(folder, |files| Model::read_from(files).map(|(model, _)| model))
    }

    /// The model of a save, and the checksums of its files.
    pub(super) fn read_from(files: &Files) -> Result<(Model, Option<Sums>)> {
        let wrong = |problem: String| Error::model(&files.path, problem);
        let refused = |error: Error| wrong(error.to_string());
        let file = ConfigFile::read(files)?;
        let ConfigFile {
            network: config, tells: targets, thresholds, normalisation, log_deviation, files: sums, ..
        } = file;
        config.check().map_err(refused)?;
        let (told, classes) = (targets.names().len(), config.classes);
        ensure!(told == classes, wrong(format!("{told} labels for {classes} classes")));
        ensure!(targets.task() == config.task, wrong("what it tells is not the task of its network".into()));
        thresholds.iter().try_for_each(|own| own.check(config.task, classes)).map_err(refused)?;
        if let Some(normalisation) = targets.normalisation() {
            normalisation.check(classes).map_err(refused)?;
        }
        let inputs = match (config.input, normalisation) {
            (Input::Tokens, _) => {
                let (path, text) = files.read_text(TOKENIZER, sums.as_ref())?;
                let tokenizer = Tokenizer::from_json(&path, &text)?;
                let (words, ids) = (tokenizer.vocabulary_size(), config.vocabulary);
                let foreign = format!("{words} words, and the network has {ids}: not of this model");
                ensure!(words == ids, Error::model(path, foreign));
                InputEncoder::Tokens(tokenizer)
            }
            (Input::Numbers, Some(channels)) => {
                let scaling = Scaling { channels, logs: log_deviation };
                scaling.check(config.embedding).map_err(refused)?;
                InputEncoder::Numbers(scaling)
            }
            (Input::Numbers, None) => return Err(wrong("the normalisation is missing".into())),
        };
        let (path, bytes) = files.read(WEIGHTS, sums.as_ref())?;
        let wrong = |problem: String| Error::model(&path, problem);
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| wrong(format!("this is no safetensors file, or it is damaged: {error}")))?;
        let mut known = BTreeSet::new();
        let find = |name: &str| {
            known.insert(name.to_owned());
            tensors::floats(&file, name)
        };
        let parameters = Parameters::from_tensors(&config, find).map_err(|error| wrong(error.to_string()))?;
        let surplus = file.names().into_iter().find(|name| !known.contains(*name));
        ensure!(
            surplus.is_none(),
            wrong(format!("tensor `{}` is none of this network's", surplus.unwrap_or_default()))
        );
        Ok((Model { config, inputs, targets, parameters, thresholds }, sums))
    }

    /// A file's data set for this model, with its targets or without.
    ///
    /// # Errors
    /// What the readers say; [`Error::Data`] for a file of texts where the model reads numbers; as [`encoding::dataset`].
    pub fn read(&self, options: &ReadOptions, source: &Source, targets: bool) -> Result<Dataset> {
        self.read_examples(options, source, targets).map(|(data, _)| data)
    }

    /// The same, and what it was made of.
    ///
    /// # Errors
    /// As [`Model::read`].
    pub fn read_examples(&self, options: &ReadOptions, source: &Source, targets: bool) -> Result<(Dataset, Examples)> {
        self.check_source(options, source)?;
        let examples = options.read(source, targets)?;
        Ok((encoding::dataset(&self.inputs, targets.then_some(&self.targets), &examples)?, examples))
    }

    fn check_source(&self, options: &ReadOptions, source: &Source) -> Result<()> {
        let fits = self.config.input == Input::Tokens || options.is_numbers(source);
        ensure!(fits, Error::data(source, Problem::NotNumbers));
        Ok(())
    }

    /// The network on a device.
    ///
    /// # Errors
    /// As [`Network::with_parameters`].
    pub fn network(&self, device: Device) -> Result<Network> {
        Network::with_parameters(self.config.clone(), device, &self.parameters)
    }

    /// Writes configuration, weights and tokenizer in place of what an older model left, all at once; the folder must exist.
    ///
    /// # Errors
    /// [`Error::Io`], naming the file; [`Error::Model`] for weights that are not finite, or a folder that another process
    /// writes into.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.thresholds.iter().try_for_each(|own| own.check(self.config.task, self.config.classes))?;
        let weights = encode_weights(&self.config, &self.parameters, folder)?;
        let tokenizer = self.tokenizer_json()?.map(|text| (TOKENIZER, Some(text.into_bytes())));
        let files: Vec<_> = [(WEIGHTS, Some(weights))].into_iter().chain(tokenizer).collect();
        Directory::hold(folder)?.save(&files, |sums| self.config_file().text(sums))
    }

    /// [`Model::save`] into a folder that is made for it.
    ///
    /// # Errors
    /// As there; [`Error::Model`] for a folder that holds other things or, unless it is to be overwritten, a model.
    pub fn save_new(&self, folder: &Path, overwrite: bool) -> Result<()> {
        drop(make_folder(folder, overwrite)?);
        self.save(folder)
    }

    /// The configuration, without the files that it is saved with.
    pub(super) fn config_file(&self) -> ConfigFile {
        let (normalisation, log_deviation) = match &self.inputs {
            InputEncoder::Tokens(_) => (None, None),
            InputEncoder::Numbers(scaling) => (Some(scaling.channels.clone()), scaling.logs.clone()),
        };
        let (network, tells, thresholds) = (self.config.clone(), self.targets.clone(), self.thresholds.clone());
        let (format, files, checksum) = (FORMAT.into(), None, None);
        ConfigFile { format, network, tells, thresholds, normalisation, log_deviation, files, checksum }
    }

    /// The tokenizer's file, where there is one.
    pub(super) fn tokenizer_json(&self) -> Result<Option<String>> {
        match &self.inputs {
            InputEncoder::Tokens(tokenizer) => tokenizer.to_json().map(Some),
            InputEncoder::Numbers(_) => Ok(None),
        }
    }
}

/// The weights' file, with the names and shapes of PyTorch.
pub(super) fn encode_weights(config: &Config, parameters: &Parameters, folder: &Path) -> Result<Vec<u8>> {
    let own = parameters.tensors(config);
    let own = own.iter().map(|own| (own.name.as_str(), own.shape.clone(), &own.values[..]));
    // Readers of the usual layout look for this key.
    tensors::encode(&folder.join(WEIGHTS), own, ("format", "pt"))
}

/// Makes the folder for a new model, and holds it; call [`check_folder`] before the work, and this after it.
///
/// # Errors
/// [`Error::Model`] if it cannot be made or written to, or another training was quicker.
pub(super) fn make_folder(folder: &Path, overwrite: bool) -> Result<Directory> {
    let wrong = |error| Error::model(folder, format!("the directory could not be made: {error}"));
    std::fs::create_dir_all(folder).map_err(wrong)?;
    let directory = Directory::hold(folder)?;
    check_folder(folder, overwrite)?;
    Ok(directory)
}
