//! The tensors of a state dict, under the names that a network has for them, and what their shapes say of it.

use super::tensors;
use crate::error::{Error, Result, ensure};
use crate::files::read_file;
use crate::kernel::cell::Cell;
use crate::listing::listed;
use crate::network::parameters::EMBEDDING;
use crate::network::{Config, Input, Parameters};
use safetensors::SafeTensors;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The parts of a layer.
const PARTS: [&str; 4] = ["weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l"];

/// A tensor as the file has it.
struct Own {
    /// Its name there.
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// A state dict of a network, by the network's own names.
pub(super) struct StateDict {
    path: PathBuf,
    tensors: BTreeMap<String, Own>,
}

impl StateDict {
    /// Reads a safetensors file. What its tensors are is told by their names' ends and their shapes: recurrences by `weight_ih_l0`, …,
    /// whatever stands before; the embedding, a `weight` of two dimensions without a `bias` beside it; the head, one with it.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`], naming the tensors that are of no network, or could be the same part of one.
    pub fn read(path: &Path) -> Result<StateDict> {
        let wrong = |problem: String| Error::model(path, problem);
        let bytes = read_file(path)?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| wrong(format!("this is no safetensors file, or it is damaged: {error}")))?;
        let mut found = BTreeMap::new();
        for name in file.names() {
            let kind = || file.tensor(name).map_or("none".into(), |tensor| format!("{:?}", tensor.dtype()));
            let other = || wrong(format!("tensor `{name}` holds numbers of kind {}: they must be F32 or F64", kind()));
            let (shape, values) = tensors::rounded(&file, name).ok_or_else(other)?;
            found.insert(name.to_string(), (shape, values));
        }
        let names = known(&found).map_err(wrong)?;
        let own = names.into_iter().map(|(name, own)| {
            let (shape, values) = found.remove(&name).expect("a tensor has one name");
            (own, Own { name, shape, values })
        });
        Ok(StateDict { path: path.into(), tensors: own.collect() })
    }

    /// The error that something is wrong with the file.
    fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::model(&self.path, problem.into())
    }

    /// The network of these settings, by the names of `Config`, and of what the tensors say.
    ///
    /// # Errors
    /// [`Error::Model`] for settings that the tensors say otherwise, naming the tensor, or that must be said; [`Error::Config`] and
    /// others for a network that cannot be.
    pub fn config(&self, settings: &Map<String, Value>) -> Result<Config> {
        let mut all = settings.clone();
        for (name, value, by) in self.said(settings)? {
            let given = all.entry(name).or_insert_with(|| value.clone());
            let other = || {
                let tensor = &self.tensors[&by];
                format!(
                    "tensor `{}` {:?}: `{name}` is {value}, and the configuration says {given}",
                    tensor.name, tensor.shape
                )
            };
            ensure!(*given == value, self.wrong(other()));
        }
        let config: Config = serde_json::from_value(all.into())
            .map_err(|error| Error::Config(format!("the settings of the network: {error}")))?;
        config.check()?;
        Ok(config)
    }

    /// What the tensors say of a network: a setting, its value, and the tensor that says so.
    fn said(&self, settings: &Map<String, Value>) -> Result<Vec<(&'static str, Value, String)>> {
        let name = |part: &str| format!("levels.0.{part}_l0");
        let shape = |name: &str| self.tensors.get(name).map(|own| &own.shape[..]);
        let missing = |name: &str| self.wrong(format!("there is no tensor `{name}`"));
        let flat = |name: &str| {
            let own = &self.tensors[name];
            self.wrong(format!("tensor `{}` {:?}: it must have two dimensions", own.name, own.shape))
        };
        let of_input = name("weight_ih");
        let &[tall, width] = shape(&of_input).ok_or_else(|| missing(&of_input))? else { return Err(flat(&of_input)) };
        let mut said = vec![];
        let mut say = |name, value: Value, by: &str| said.push((name, value, by.to_string()));

        let of_state = name("weight_hh");
        let heads = settings.get("heads").and_then(Value::as_u64).unwrap_or(1) as usize;
        let (gates, hidden) = match shape(&of_state) {
            Some(&[rows, columns]) if columns > 0 && heads > 0 => (rows / columns / heads, columns * heads),
            Some(_) => return Err(flat(&of_state)),
            None => (2, tall / 2),
        };
        let by = if shape(&of_state).is_some() { &of_state } else { &of_input };
        let cell = [(1, Cell::Rnn), (2, Cell::MinGru), (3, Cell::Gru), (4, Cell::Lstm)];
        let cell = cell.into_iter().find(|(count, _)| *count == gates && gates * hidden == tall);
        let none = || {
            let own = &self.tensors[by];
            format!("tensor `{}` {:?}: no cell has so many gates", own.name, own.shape)
        };
        let (_, cell) = cell.ok_or_else(|| self.wrong(none()))?;
        say("cell", json(cell), by);
        say("hidden", hidden.into(), by);
        let one_bias = !self.tensors.contains_key(&name("bias_hh"));
        if cell == Cell::Gru {
            say("reset", if one_bias { "before" } else { "after" }.into(), &of_input);
        }
        let other = settings.get("activation").is_none() && cell != Cell::Lstm;
        if other {
            say("activation", json(cell.activation()), &of_input);
        }
        match shape(EMBEDDING) {
            Some(&[words, own]) => {
                say("input", json(Input::Tokens), EMBEDDING);
                say("vocabulary", words.into(), EMBEDDING);
                say("embedding", own.into(), EMBEDDING);
            }
            Some(_) => return Err(flat(EMBEDDING)),
            None => {
                say("input", json(Input::Numbers), &of_input);
                say("vocabulary", 0.into(), &of_input);
                say("embedding", width.into(), &of_input);
            }
        }
        let head = "head.weight";
        let &[classes, _] = shape(head).ok_or_else(|| missing(head))? else { return Err(flat(head)) };
        say("classes", classes.into(), head);
        let layers = (1..).find(|layer| !self.tensors.contains_key(&format!("levels.0.weight_ih_l{layer}")));
        say("layers", layers.into(), &of_input);
        let second = format!("{of_input}_reverse");
        if self.tensors.contains_key(&second) {
            say("direction", "both".into(), &second);
        }
        let levels =
            (1..).find(|level| !self.tensors.contains_key(&format!("levels.{level}.weight_ih_l0"))).unwrap_or(1);
        for (level, setting) in [(levels - 1, "head_pooling"), (0, "pooling")] {
            let vector = format!("levels.{level}.attention");
            if self.tensors.contains_key(&vector) && (levels > 1 || setting == "head_pooling") {
                say(setting, "attention".into(), &vector);
            }
        }
        if !settings.contains_key("slicing") {
            let problem =
                format!("it has {levels} levels: say in `slicing` how many states are merged, as 8x{}", levels - 1);
            ensure!(levels == 1, self.wrong(problem));
            say("slicing", "rnn".into(), &of_input);
        }
        Ok(said)
    }

    /// The weights of a network of this shape.
    ///
    /// # Errors
    /// [`Error::Model`], naming the tensor that is missing, of another shape, not finite, or of no use to the network.
    pub fn parameters(&self, config: &Config) -> Result<Parameters> {
        let mut used = BTreeSet::new();
        let find = |name: &str| {
            let own = self.tensors.get(name)?;
            used.insert(name.to_string());
            Some((own.shape.clone(), own.values.clone()))
        };
        let renamed = |error: Error| {
            let mut text = error.to_string();
            // In the file's own words.
            for (name, own) in &self.tensors {
                text = text.replace(&format!("`{name}`"), &format!("`{}`", own.name));
            }
            self.wrong(text)
        };
        let parameters = Parameters::from_tensors(config, find).map_err(renamed)?;
        let over: Vec<&str> =
            self.tensors.iter().filter(|(name, _)| !used.contains(*name)).map(|(_, own)| &own.name[..]).collect();
        let problem = || format!("a network of these settings has no use for {}", listed(over.iter().copied()));
        ensure!(over.is_empty(), self.wrong(problem()));
        Ok(parameters)
    }
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("plain data")
}

/// The network's name of each tensor, by the file's.
fn known(found: &BTreeMap<String, (Vec<usize>, Vec<f32>)>) -> std::result::Result<BTreeMap<String, String>, String> {
    let mut names = BTreeMap::new();
    let recurrent =
        |name: &str| PARTS.iter().find_map(|part| name.rfind(part)).filter(|at| *at == 0 || name[..*at].ends_with('.'));
    let stems: BTreeSet<&str> = found.keys().filter_map(|name| recurrent(name).map(|at| &name[..at])).collect();
    if stems.is_empty() {
        return Err(format!(
            "no tensor's name ends in `weight_ih_l0`: there are {}",
            listed(found.keys().map(String::as_str))
        ));
    }
    // Several are the levels if they are numbered: `rnn.0.`, `rnn.1.`.
    let numbered = |stem: &str| {
        let (before, number) = stem.strip_suffix('.')?.rsplit_once('.').unwrap_or(("", stem.strip_suffix('.')?));
        Some((before.to_string(), number.parse::<usize>().ok()?))
    };
    let numbers: Option<Vec<(String, usize)>> = stems.iter().map(|stem| numbered(stem)).collect();
    let mut levels: Vec<(usize, &str)> = match numbers {
        Some(own) if own.iter().all(|(before, _)| *before == own[0].0) => {
            own.into_iter().map(|(_, number)| number).zip(stems.iter().copied()).collect()
        }
        _ if stems.len() == 1 => stems.iter().map(|stem| (0, *stem)).collect(),
        _ => {
            let several = listed(stems.iter().copied());
            return Err(format!(
                "there are several recurrences, and their names do not number them as levels: {several}"
            ));
        }
    };
    levels.sort_unstable();
    for (level, (_, stem)) in levels.iter().enumerate() {
        for name in found.keys() {
            let Some(part) = name.strip_prefix(stem) else { continue };
            if recurrent(name) == Some(stem.len()) || part == "attention" {
                names.insert(name.clone(), format!("levels.{level}.{part}"));
            }
        }
    }
    let rest: Vec<&String> = found.keys().filter(|name| !names.contains_key(*name)).collect();
    let beside = |name: &str| {
        name.strip_suffix("weight").map(|stem| format!("{stem}bias")).filter(|bias| found.contains_key(bias))
    };
    let weights = |with_bias: bool| -> Vec<&str> {
        let own = rest.iter().filter(|name| name.ends_with("weight") && beside(name).is_some() == with_bias);
        own.map(|name| name.as_str()).collect()
    };
    let (embeddings, heads) = (weights(false), weights(true));
    for (own, what) in [(&embeddings, "the embedding"), (&heads, "the head")] {
        if own.len() > 1 {
            return Err(format!("each of these could be {what}: {}", listed(own.iter().copied())));
        }
    }
    names.extend(embeddings.iter().map(|name| (name.to_string(), EMBEDDING.to_string())));
    for head in heads {
        names.insert(head.into(), "head.weight".into());
        names.extend(beside(head).map(|bias| (bias, "head.bias".into())));
    }
    let other: Vec<&str> = rest.iter().map(|name| name.as_str()).filter(|name| !names.contains_key(*name)).collect();
    match other[..] {
        [] => Ok(names),
        _ => Err(format!("these are of no recurrence, embedding or head: {}", listed(other.into_iter()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> std::result::Result<Vec<String>, String> {
        let found = all.iter().map(|name| (name.to_string(), (vec![], vec![]))).collect();
        known(&found).map(|names| names.into_iter().map(|(name, own)| format!("{name} {own}")).collect())
    }

    #[test]
    fn parts_are_known_by_the_ends_of_their_names() {
        let plain =
            ["encoder.rnn.weight_ih_l0", "encoder.rnn.bias_hh_l1_reverse", "emb.weight", "fc.weight", "fc.bias"];
        let own = [
            "emb.weight embedding.weight",
            "encoder.rnn.bias_hh_l1_reverse levels.0.bias_hh_l1_reverse",
            "encoder.rnn.weight_ih_l0 levels.0.weight_ih_l0",
            "fc.bias head.bias",
            "fc.weight head.weight",
        ];
        assert_eq!(names(&plain).unwrap(), own);
        let levels = ["net.levels.2.weight_ih_l0", "net.levels.10.weight_ih_l0", "net.levels.10.attention"];
        let own = [
            "net.levels.10.attention levels.1.attention",
            "net.levels.10.weight_ih_l0 levels.1.weight_ih_l0",
            "net.levels.2.weight_ih_l0 levels.0.weight_ih_l0",
        ];
        assert_eq!(names(&levels).unwrap(), own);
        assert_eq!(names(&["weight_ih_l0"]).unwrap(), ["weight_ih_l0 levels.0.weight_ih_l0"]);
    }

    #[test]
    fn what_could_be_several_things_is_refused() {
        for (all, problem) in [
            (&["a.weight"][..], "no tensor's name ends in `weight_ih_l0`"),
            (&["up.weight_ih_l0", "down.weight_ih_l0"], "several recurrences"),
            (&["r.weight_ih_l0", "a.weight", "b.weight"], "could be the embedding"),
            (&["r.weight_ih_l0", "a.weight", "a.bias", "b.weight", "b.bias"], "could be the head"),
            (&["r.weight_ih_l0", "norm.running_mean"], "are of no recurrence, embedding or head"),
        ] {
            let error = names(all).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
