//! Networks as ONNX graphs, for other runtimes.
//!
//! A graph reads `tokens [B, T']` (64-bit whole numbers) or `numbers [B, T', D]`, and `lengths [B]`, the real steps of every sequence,
//! behind which anything may stand; B and T' are its reader's to choose. It gives `logits` and `probabilities`, `[B, C]`, or
//! `[B, T', C]` where every step is told of, with zeros behind a sequence. What it tells is what a [`Network`](crate::Network) tells:
//! slices are cut, empty ones left out and sequences truncated within it, by indices that it computes from the lengths.

mod cells;
mod graph;
mod inputs;
mod network;
#[cfg(feature = "files")]
mod normal;
mod pooling;
pub mod proto;
mod slices;

use crate::error::{Error, LimitKind, Result, ensure};
use crate::network::{Config, Layout, Parameters, Task};
#[cfg(feature = "files")]
use crate::train::{InputEncoder, Model};
use cells::Weights;
use graph::{Graph, Set, Size, Value};
use prost::Message;
use proto::Numbers;

/// The version of ONNX's operators.
pub const OPSET: i64 = 17;

/// The version of its format.
const FORMAT: i64 = 8;

/// Bytes of the largest file of protocol buffers.
const MOST: usize = i32::MAX as usize;

/// Adds what makes of the network's numbers those in their own units.
type Undo<'u> = dyn Fn(&mut Graph, &Value) -> Value + 'u;

/// What a graph tells, for those who read it.
struct Telling<'t> {
    /// `[C]`: names of classes or labels, as JSON.
    names: Option<String>,
    /// Of numbers that it tells.
    undo: Option<&'t Undo<'t>>,
}

/// A network as the bytes of an ONNX file. What is told of are ids, or numbers as the network reads them.
///
/// # Errors
/// As [`Config::check`]; [`Error::Config`] for weights of another network; [`Error::Limit`] for weights of more than 2 GiB, which no such file holds.
pub fn export_network(config: &Config, parameters: &Parameters) -> Result<Vec<u8>> {
    file(config, parameters, config.embedding, None, &Telling { names: None, undo: None })
}

/// A model as the bytes of an ONNX file: it reads ids of its tokenizer, or numbers as files have them, which are made normal within it;
/// numbers that it tells are in their own units. The names of its classes or labels are JSON in the file's metadata, as `names`.
///
/// # Errors
/// As [`export_network`].
#[cfg(feature = "files")]
pub fn export(model: &Model) -> Result<Vec<u8>> {
    let undo = |g: &mut Graph, told: &Value| match model.targets.normalisation() {
        Some(own) => normal::undo(g, own, told),
        None => told.clone(),
    };
    let named = model.targets.normalisation().is_none();
    let names = named.then(|| serde_json::to_string(&model.targets.names()).expect("texts"));
    let telling = Telling { names, undo: Some(&undo) };
    let Model { config, parameters, .. } = model;
    match &model.inputs {
        InputEncoder::Tokens(_) => file(config, parameters, 0, None, &telling),
        InputEncoder::Numbers(scaling) => {
            let scale = |g: &mut Graph, numbers: &Value, lengths: &Value| normal::scaled(g, scaling, numbers, lengths);
            file(config, parameters, scaling.width(), Some(&scale), &telling)
        }
    }
}

fn file(
    config: &Config,
    parameters: &Parameters,
    width: usize,
    scale: Option<inputs::Scale>,
    telling: &Telling,
) -> Result<Vec<u8>> {
    config.check()?;
    let sizes = [Layout::new(config).len, config.vocabulary * config.embedding];
    let lens = [parameters.flat.len(), parameters.embedding.len()];
    ensure!(lens == sizes, "the weights belong to a network of other sizes");
    let weights = Weights::new(config, parameters.tensors(config));
    let mut g = Graph::new("srnn");
    let steps = inputs::steps(&mut g, config, width, scale);
    let mut network = network::Network { weights, g };
    let (states, real) = network.read(&steps);
    let network::Network { weights, mut g } = network;
    head(&mut g, &weights, &states, real.as_ref(), telling);
    let named = |names: &String| proto::Entry { key: Some("names".into()), value: Some(names.clone()) };
    let model = proto::Model {
        ir_version: Some(FORMAT),
        producer_name: Some("srnn".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        doc_string: Some(format!("SRNN({}) of {}", config.slicing, config.cell.title())),
        graph: Some(g.finish()),
        opset_import: vec![proto::Opset { domain: Some(String::new()), version: Some(OPSET) }],
        metadata_props: telling.names.iter().map(named).collect(),
    };
    let needed = model.encoded_len();
    let limit = || Error::Limit {
        what: "the ONNX file of this embedding".into(),
        needed: needed as u64,
        limit: MOST as u64,
        device: "protocol buffers".into(),
        kind: LimitKind::Buffer,
    };
    ensure!(needed <= MOST, limit());
    Ok(model.encode_to_vec())
}

/// The head over what it reads, `[…, W]`, and what its logits say; zeros where a step is not `real`.
fn head(g: &mut Graph, weights: &Weights, states: &Value, real: Option<&Value>, telling: &Telling) {
    let config = weights.config;
    g.at("head");
    let matrix = weights.constant(g, "head.weight");
    let matrix = g.transpose(&matrix, &[1, 0]);
    let bias = weights.constant(g, "head.bias");
    let logits = g.op("MatMul", [states, &matrix]);
    let logits = g.op("Add", [&logits, &bias]);
    let told = match config.task {
        Task::Class | Task::Tags => g.set("Softmax", [&logits], &[("axis", Set::Int(-1))]),
        Task::Labels => g.op("Sigmoid", [&logits]),
        Task::Regression | Task::Series => telling.undo.map_or(logits.clone(), |undo| undo(g, &logits)),
    };
    let sizes: &[Size] = match real {
        Some(_) => &[Size::Named("batch"), Size::Named("steps"), Size::Fixed(config.classes)],
        None => &[Size::Named("batch"), Size::Fixed(config.classes)],
    };
    let zero = g.float(0.0);
    let says = match config.task {
        Task::Class => "of each class; the largest is told",
        Task::Labels => "of each label; those over a half are told",
        Task::Regression => "the numbers that are told",
        Task::Tags => "of each class of every step; 0 behind a sequence",
        Task::Series => "the numbers that are told of every step; 0 behind a sequence",
    };
    for (value, name, says) in [(told, "probabilities", says), (logits, "logits", "as the network gives them")] {
        let value = real.map_or(value.clone(), |real| g.op("Where", [real, &value, &zero]));
        g.output(&value, name, Numbers::Float, Some(sizes), says);
    }
}
