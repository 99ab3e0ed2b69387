//! Reads the files of golden values that `make_golden.py` makes; its comment says what they hold.
#![allow(dead_code, reason = "each test uses its own part")]

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use srnn::Slicing;
use srnn::network::{Config, Parameters, Task};

/// The networks' files.
pub const NETWORKS: [&str; 33] = [
    "gru_n2_k2",
    "gru_n3_k1_ragged",
    "gru_k0_ragged",
    "lstm_n2_k2",
    "rnn_tanh_n3_k1",
    "rnn_relu_n2_k1",
    "rnn_identity_n2_k2",
    "gru_before_n3_k1",
    "gru_before_identity_n2_k2",
    "gru_identity_n4_k1",
    "gru_both_n2_k2",
    "gru_backward_n4_k1",
    "gru_2layers_n3_k1",
    "lstm_both_2layers_n2_k1",
    "gru_before_both_2layers_k0",
    "gru_max_n2_k2",
    "rnn_mean_n3_k1",
    "lstm_both_attention_n2_k2",
    "gru_backward_max_attention_n3_k1",
    "gru_context_n3_k1",
    "gru_both_context_n2_k2",
    "lstm_backward_context_n3_k1",
    "gru_both_2layers_context_n2_k2",
    "lstm_2layers_context_n3_k1",
    "mingru_identity_n2_k2",
    "mingru_both_2layers_n2_k1",
    "mingru_relu_context_n3_k1",
    "gru_steps_n2_k2",
    "gru_steps_both_n3_k2",
    "lstm_steps_both_2layers_n3_k1",
    "gru_before_steps_backward_context_n2_k2",
    "rnn_steps_k0",
    "gru_slices_both_2layers_context_n3_k1",
];

/// Networks with heads, which the float64 reference knows as whole matrices only.
pub const HEADS: [&str; 2] = ["gru_heads_both_2layers_n2_k1", "lstm_heads_context_n3_k1"];

/// The files of single recurrences that begin with a state given to them.
pub const STATES: [&str; 7] = [
    "state_gru",
    "state_gru_reverse",
    "state_gru_before",
    "state_lstm",
    "state_lstm_reverse",
    "state_rnn",
    "state_mingru",
];

/// A file of golden values.
pub struct Golden {
    pub name: String,
    bytes: Vec<u8>,
}

impl Golden {
    pub fn open(name: &str) -> Golden {
        let path = format!("{}/{name}.safetensors", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Golden { name: name.into(), bytes }
    }

    pub fn networks() -> impl Iterator<Item = Golden> {
        NETWORKS.into_iter().map(Golden::open)
    }

    pub fn with_heads() -> impl Iterator<Item = Golden> {
        HEADS.into_iter().map(Golden::open)
    }

    pub fn states() -> impl Iterator<Item = Golden> {
        STATES.into_iter().map(Golden::open)
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    pub fn names(&self) -> Vec<String> {
        self.tensors().names().into_iter().map(Into::into).collect()
    }

    /// Shape and values; the file's integers are small.
    pub fn find(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        let file = self.tensors();
        let tensor = file.tensor(name).unwrap_or_else(|error| panic!("{}: `{name}`: {error}", self.name));
        let words = tensor.data().chunks(8).map(|bytes| bytes.try_into().expect("8 bytes"));
        let values = match tensor.dtype() {
            Dtype::F64 => words.map(f64::from_le_bytes).collect(),
            Dtype::I64 => words.map(|bytes| i64::from_le_bytes(bytes) as f64).collect(),
            other => panic!("{}: `{name}` is {other:?}", self.name),
        };
        (tensor.shape().to_vec(), values)
    }

    pub fn values(&self, name: &str) -> Vec<f64> {
        self.find(name).1
    }

    pub fn indices(&self, name: &str) -> Vec<usize> {
        self.values(name).into_iter().map(|value| value as usize).collect()
    }

    /// The settings of the network or of the recurrence, by name.
    pub fn settings(&self) -> Settings {
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes).expect("a header");
        let made_by = metadata.metadata().as_ref().and_then(|entries| entries.get("made_by")).expect("`made_by`");
        let made_by: Value = serde_json::from_str(made_by).expect("`made_by` is JSON");
        Settings(made_by["case"].clone())
    }

    /// The network's shape.
    pub fn config(&self) -> Config {
        let settings = self.settings();
        // Files name everything as configurations do.
        let parse = |name: &str, or: &str| {
            let text = settings.text(name);
            Value::from(if text.is_empty() { or } else { text })
        };
        let [n, k, length] = ["n", "k", "T"].map(|name| settings.number(name));
        let [shape, head] = ["embedding.weight", "head.weight"].map(|name| self.find(name).0);
        Config {
            cell: serde_json::from_value(parse("cell", "")).unwrap(),
            reset: serde_json::from_value(parse("reset", "after")).unwrap(),
            activation: serde_json::from_value(parse("activation", "tanh")).unwrap(),
            direction: serde_json::from_value(parse("direction", "")).unwrap(),
            pooling: serde_json::from_value(parse("pool", "")).unwrap(),
            head_pooling: serde_json::from_value(parse("head_pool", "")).unwrap(),
            heads: settings.number_or("heads", 1),
            layers: settings.number("layers"),
            context: settings.number("context"),
            slicing: if k == 0 { Slicing::plain() } else { Slicing::new(n, k as u32).unwrap() },
            length,
            vocabulary: shape[0],
            embedding: shape[1],
            hidden: settings.number("hidden"),
            classes: head[0],
            task: if settings.text("told").is_empty() { Task::Class } else { Task::Tags },
            downward: settings.text("told") != "steps of slices",
            ..Config::default()
        }
    }

    /// Its weights, rounded.
    pub fn parameters(&self, config: &Config) -> Parameters {
        let rounded = |name: &str| {
            let (shape, values) = self.find(name);
            Some((shape, values.into_iter().map(|value| value as f32).collect()))
        };
        Parameters::from_tensors(config, rounded).unwrap()
    }

    /// The real tokens of every sequence.
    pub fn sequences(&self) -> Vec<Vec<usize>> {
        let (shape, _) = self.find("tokens");
        let tokens = self.indices("tokens");
        let rows = tokens.chunks(shape[1]).zip(self.indices("lengths"));
        rows.map(|(row, length)| row[row.len() - length..].to_vec()).collect()
    }
}

pub struct Settings(Value);

impl Settings {
    /// Such as `cell`: "gru", "lstm", "rnn", "mingru". Empty where the file has null, as `reset` of an LSTM.
    pub fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// Such as `layers`, `context`, `n`, `k`, `T`.
    pub fn number(&self, name: &str) -> usize {
        self.0[name].as_u64().unwrap_or_else(|| panic!("no number `{name}`")) as usize
    }

    /// One that files made before it have not.
    pub fn number_or(&self, name: &str, usual: usize) -> usize {
        self.0[name].as_u64().map_or(usual, |number| number as usize)
    }
}
