//! States of streams in a safetensors file, with the names of the streams.

use super::Stream;
use crate::error::{Error, Result, ensure};
use crate::files::write_atomically;
use crate::network::Parameters;
use crate::train::tensors;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// The entry of the file's metadata that lists the names, and tells of which weights the states are.
const NAMES: &str = "streams";

/// What that entry holds.
#[derive(Serialize, Deserialize)]
struct Entry {
    names: Vec<String>,
    weights: u32,
}

/// Tells the weights of a network from others.
fn sum_of(parameters: &Parameters) -> u32 {
    let mut sum = flate2::Crc::new();
    [&parameters.flat, &parameters.embedding].iter().for_each(|own| sum.update(bytemuck::cast_slice(own)));
    sum.sum()
}

/// Writes the states of streams of a network with these weights, by their names; what is there before is replaced at once.
///
/// # Errors
/// [`Error::Io`]; [`Error::Model`] if a state is not finite.
pub fn save(path: &Path, names: &[String], stream: &Stream, parameters: &Parameters) -> Result<()> {
    let entry = Entry { names: names.to_vec(), weights: sum_of(parameters) };
    let entry = serde_json::to_string(&entry).expect("texts and a number");
    let states = stream.states();
    let tensors = states.iter().map(|own| (own.name.as_str(), own.shape.clone(), &own.values[..]));
    write_atomically(path, &tensors::encode(path, tensors, (NAMES, &entry))?)
}

/// Takes over the streams of such a file, and tells their names.
///
/// # Errors
/// [`Error::Model`] for a damaged file, or one of another network.
pub fn load(path: &Path, bytes: &[u8], stream: &mut Stream, parameters: &Parameters) -> Result<Vec<String>> {
    let wrong = |problem: String| Error::model(path, problem);
    let other = || wrong("this is no file of states of streams, or it is damaged".into());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|_| other())?;
    let names = metadata.metadata().as_ref().and_then(|entries| entries.get(NAMES)).ok_or_else(other)?;
    let Entry { names, weights } = serde_json::from_str(names).map_err(|_| other())?;
    ensure!(weights == sum_of(parameters), wrong("the states are those of another model".into()));
    let file = SafeTensors::deserialize(bytes).map_err(|_| other())?;
    stream.set_states(|name| tensors::floats(&file, name)).map_err(|error| wrong(error.to_string()))?;
    let once = names.iter().collect::<BTreeSet<_>>().len() == names.len();
    ensure!(once && names.len() == stream.len(), other());
    Ok(names)
}
