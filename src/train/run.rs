//! What is kept of a training beside its model: all settings, the data's sizes, the curves, what tests gave.

use super::directory::{RUN, read_whole};
use super::{Epoch, Evaluation, Recipe};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A training as `run.json` of its model directory tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The version of srnn.
    pub version: String,
    /// What it ran on.
    pub device: String,
    /// All settings; `open` says which of them were chosen.
    pub recipe: Recipe,
    /// Sequences that were trained on, validated with, and tested on.
    pub sequences: [usize; 3],
    /// Of the encoded data.
    pub checksum: u32,
    /// The epochs of the training that was validated, where another one on all sequences followed.
    pub validated: Option<Vec<Epoch>>,
    /// The epochs of the training that the weights are of.
    pub history: Vec<Epoch>,
    /// Of the test data, with the weights that are kept.
    pub test: Option<Evaluation>,
    /// Of each part of the training data, told by a network that was trained on the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folds: Vec<Evaluation>,
}

impl Run {
    /// Reads that of a model directory; `None` if it has none, as one of an older version.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`], naming the file that is missing, damaged or foreign.
    pub fn load(folder: &Path) -> Result<Option<Run>> {
        read_whole(folder, |files| {
            if !files.has(RUN) {
                return Ok(None);
            }
            let (path, text) = files.read_text(RUN, files.sums().as_ref())?;
            let run = serde_json::from_str(&text);
            run.map(Some).map_err(|error| Error::model(path, format!("this is no account of a training: {error}")))
        })
    }

    /// The text of the file.
    pub(super) fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data") + "\n"
    }

    /// The epochs that were validated.
    pub fn curves(&self) -> &[Epoch] {
        self.validated.as_ref().unwrap_or(&self.history)
    }
}
