//! States of streams in a safetensors file, with the names of the streams.

use super::Stream;
use crate::error::{Error, Result, ensure};
use crate::files::write_atomically;
use crate::train::tensors;
use safetensors::SafeTensors;
use std::path::Path;

/// The entry of the file's metadata that lists the names.
const NAMES: &str = "streams";

/// Writes the states of streams, by their names; what is there before is replaced at once.
///
/// # Errors
/// [`Error::Io`]; [`Error::Model`] if a state is not finite.
pub fn save(path: &Path, names: &[String], stream: &Stream) -> Result<()> {
    let names = serde_json::to_string(names).expect("a list of texts");
    let states = stream.states();
    let tensors = states.iter().map(|own| (own.name.as_str(), own.shape.clone(), &own.values[..]));
    write_atomically(path, &tensors::encode(path, tensors, (NAMES, &names))?)
}

/// Adds the streams of such a file to one that has none yet, and tells their names.
///
/// # Errors
/// [`Error::Model`] for a damaged file, or one of another network.
pub fn load(path: &Path, bytes: &[u8], stream: &mut Stream) -> Result<Vec<String>> {
    let wrong = |problem: String| Error::model(path, problem);
    let other = || wrong("this is no file of states of streams, or it is damaged".into());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|_| other())?;
    let names = metadata.metadata().as_ref().and_then(|entries| entries.get(NAMES)).ok_or_else(other)?;
    let names: Vec<String> = serde_json::from_str(names).map_err(|_| other())?;
    let file = SafeTensors::deserialize(bytes).map_err(|_| other())?;
    // Names are cheap to forge: the states themselves say how many there are.
    let (count, _) = tensors::floats(&file, "steps").ok_or_else(other)?;
    ensure!(count.first() == Some(&names.len()), other());
    for _ in &names {
        stream.add();
    }
    stream.set_states(|name| tensors::floats(&file, name)).map_err(|error| wrong(error.to_string()))?;
    Ok(names)
}
