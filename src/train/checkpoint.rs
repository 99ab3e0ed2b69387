//! All that a training needs to go on, as one file beside its model.

use super::directory::{CHECKPOINT, Files, Sums};
use super::sources::Origin;
use super::{Options, Progress, Trainer, tensors};
use crate::error::{Error, Result, ensure};
use crate::kernel::step_control::SKIPPED_IN_A_ROW;
use crate::network::parameters::is_finite;
use crate::network::{OptimiserState, Parameters, buffer};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a training stands, and of what data and device it is.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Standing {
    pub options: Options,
    pub progress: Progress,
    pub origin: Origin,
    /// The device by its name: another one, or another number of threads, gives other bits.
    pub device: String,
    /// Bytes for the buffers of a step, which decide how batches are split.
    pub memory: u64,
}

/// A moment of a training.
pub(super) struct Checkpoint {
    pub standing: Standing,
    /// The weights of this moment, which need not be the best.
    pub parameters: Parameters,
    pub state: OptimiserState,
}

impl Checkpoint {
    /// The moment at which a trainer stands, between two steps.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn of(trainer: &mut Trainer, origin: &Origin) -> Result<Checkpoint> {
        let Trainer { network, options, progress, .. } = trainer;
        let mut state = network.optimiser_state()?;
        if !is_finite(state.control_and_totals()[1]) {
            // A skipped step was among them: what its loss is added to is no number, wherever it is added up.
            progress.add(&network.totals()?);
            state = network.optimiser_state()?;
        }
        let (options, progress, device) = (options.clone(), progress.clone(), network.device().name.clone());
        let memory = network.device().engine.limits().memory;
        let standing = Standing { options, progress, origin: origin.clone(), device, memory };
        Ok(Checkpoint { standing, parameters: network.parameters()?, state })
    }

    /// Whether it is worth going on from: all its numbers are finite, and the last step was taken.
    pub fn is_good(&self) -> bool {
        let [control, _] = self.state.control_and_totals();
        let state = self.state.0.iter().all(|numbers| is_finite(numbers));
        control[SKIPPED_IN_A_ROW] == 0.0 && state && self.parameters.is_finite()
    }

    /// The file, for this folder.
    ///
    /// # Errors
    /// [`Error::Model`] if a number is not finite.
    pub fn encode(&self, folder: &Path) -> Result<Vec<u8>> {
        let standing = serde_json::to_string(&self.standing).expect("plain data");
        let weights = [("weights", &self.parameters.flat), ("embedding", &self.parameters.embedding)];
        let state = buffer::OPTIMISER.map(|name| name.holds).into_iter().zip(&self.state.0);
        let all = weights.into_iter().chain(state).map(|(name, values)| (name, vec![values.len()], &values[..]));
        // One file holds the state and the place it belongs to, so that nothing can part them.
        tensors::encode(&folder.join(CHECKPOINT), all, ("checkpoint", &standing))
    }

    /// Reads the checkpoint of a save.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`], naming the file.
    pub fn read_from(files: &Files, sums: Option<&Sums>) -> Result<Checkpoint> {
        let none = "there is no checkpoint to go on from: it is not of a training, or was removed";
        ensure!(files.has(CHECKPOINT), Error::model(files.folder, none));
        let (path, bytes) = files.read(CHECKPOINT, sums)?;
        let damaged = |error: String| Error::model(&path, format!("this is no checkpoint of srnn: {error}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        let text = header.metadata().as_ref().and_then(|info| info.get("checkpoint"));
        let text = text.ok_or_else(|| damaged("it says not where training stands".into()))?;
        let other = |e| damaged(format!("it is damaged, or of another version ({e})"));
        let standing = serde_json::from_str(text).map_err(other)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let take = |name: &str| {
            let (_, values) = tensors::floats(&file, name).ok_or_else(|| damaged(format!("no `{name}`")))?;
            let infinite = || damaged(format!("`{name}` holds numbers that are not finite"));
            if is_finite(&values) { Ok(values) } else { Err(infinite()) }
        };
        let mut state = OptimiserState(Default::default());
        for (own, name) in state.0.iter_mut().zip(buffer::OPTIMISER) {
            *own = take(name.holds)?;
        }
        let parameters = Parameters { flat: take("weights")?, embedding: take("embedding")? };
        Ok(Checkpoint { standing, parameters, state })
    }
}
