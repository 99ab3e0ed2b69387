//! What is fuzzed: every reader of data and every file of a model. The first byte of an input says which one it is for. Findings
//! are kept in `tests/fuzz`, and tried again by `tests/fuzz_findings.rs`.
#![allow(dead_code, reason = "each target uses its own part")]

use srnn::data::{
    Batch, Format, Normalisation, Pixels, ReadOptions, Scaling, Source, Tokenizer, Truncate, read_vectors,
};
use srnn::network::{Config, Input, Parameters};
use srnn::train::{InputEncoder, Model, TargetEncoder, Training};
use srnn::{Device, Slicing};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

/// Tells whether the input was read.
pub type Target = fn(&[u8]) -> bool;

/// All targets, by name.
pub const TARGETS: [(&str, Target); 5] = [
    ("readers", readers),
    ("models", models),
    ("checkpoints", checkpoints),
    ("tokenizers", tokenizers),
    ("vectors", vectors),
];

/// A folder of this process's own; on a disk in memory where there is one.
static ROOM: LazyLock<TempDir> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
});

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = ROOM.path().join(format!("{name} of {:?}", std::thread::current().id()));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Any file of data, in any format, with targets or without.
pub fn readers(bytes: &[u8]) -> bool {
    let Some((&kind, bytes)) = bytes.split_first() else { return false };
    let of_sequences = ["tsv", "csv", "jsonl", "npy", "npz", "ucr", "idx", "series", "ts", "arff"];
    let of_steps = ["conll", "conllu", "csv", "jsonl", "npz"];
    let formats = [&of_sequences[..], &of_steps].concat();
    let steps = usize::from(kind & 15) >= of_sequences.len();
    let format = formats.get(usize::from(kind & 15)).map(|name| name.parse::<Format>().unwrap());
    let pixels = if kind & 16 == 0 { Pixels::Each } else { Pixels::Rows };
    let labels = (kind & 32 != 0).then(|| file("labels", bytes));
    let (header, skip_bad_rows) = (kind & 64 == 0, kind & 128 != 0);
    let usual = ReadOptions { format, pixels, labels, header, skip_bad_rows, ..ReadOptions::default() };
    let encoding = skip_bad_rows.then(|| "gbk".parse().unwrap());
    let [text, label] = if header { ["text", "label"] } else { ["2", "1"] }.map(String::from);
    let options = ReadOptions { text, label, encoding, steps, ..usual };
    let source = Source::File(file("data", bytes));
    options.read(&source, kind & 32 == 0).is_ok()
}

/// A model of numbers, saved without checksums, so that its contents are looked at. (A tokenizer, which has a target of its own,
/// would take nearly all of the time.)
fn model() -> &'static Path {
    static MODEL: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = ROOM.path().join("model");
        std::fs::create_dir(&folder).unwrap();
        let config = Config {
            slicing: Slicing::new(2, 1).unwrap(),
            length: 8,
            input: Input::Numbers,
            vocabulary: 0,
            embedding: 2,
            hidden: 2,
            ..Config::default()
        };
        let parameters = Parameters::random(&config, 1);
        let classes = vec!["a".to_string(), "b".to_string()].try_into().unwrap();
        let channels = Normalisation { mean: vec![80.0, 80.0], deviation: vec![80.0, 80.0] };
        let scaling = Scaling { channels, logs: None };
        let (inputs, targets) = (InputEncoder::Numbers(scaling), TargetEncoder::Classes(classes));
        Model { config, inputs, targets, parameters, thresholds: None }.save(&folder).unwrap();
        let path = folder.join("config.json");
        let text = std::fs::read_to_string(&path).unwrap().replace("srnn-3", "srnn-2");
        let (before, _) = text.split_once(",\n  \"files\"").unwrap();
        std::fs::write(path, format!("{before}\n}}\n")).unwrap();
        folder
    });
    &MODEL
}

/// A copy of the model, in which one file is this.
fn changed(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = ROOM.path().join(format!("changed of {:?}", std::thread::current().id()));
    std::fs::create_dir_all(&folder).unwrap();
    for own in ["config.json", "model.safetensors"] {
        // A copy would be interrupted by the fuzzer's own clock.
        std::fs::write(folder.join(own), std::fs::read(model().join(own)).unwrap()).unwrap();
    }
    std::fs::write(folder.join(name), bytes).unwrap();
    folder
}

/// The configuration or the weights of a model.
pub fn models(bytes: &[u8]) -> bool {
    let Some((&kind, bytes)) = bytes.split_first() else { return false };
    let folder = changed(["config.json", "model.safetensors"][usize::from(kind & 1)], bytes);
    if let Ok(model) = Model::load(&folder)
        && model.config.hidden * model.config.embedding < 10_000
        && model.config.length < 10_000
    {
        let mut network = model.network(Device::cpu()).unwrap();
        let (width, length) = (model.config.embedding, model.config.length);
        let batch = Batch::of_numbers(&[&vec![0.5; 3 * width]], width, length, Truncate::Front).unwrap();
        return network.logits(&batch).is_ok();
    }
    false
}

/// The checkpoint of a training on `tests/data/ragged.npz`, as seen from the repository's root.
pub fn checkpoints(bytes: &[u8]) -> bool {
    let folder = changed("checkpoint.safetensors", bytes);
    Training::resume(&folder, None, Device::cpu()).is_ok()
}

/// A tokenizer, and what it makes of texts.
pub fn tokenizers(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    if let Ok(tokenizer) = Tokenizer::from_json(Path::new("tokenizer.json"), text) {
        for text in ["", "It's a fine film, isn't it?", "naïve ½² 中文 \u{200b}x", "[PAD] [UNK]"] {
            let tokens = tokenizer.encode(text);
            assert!(tokens.iter().all(|&token| token != 0 && (token as usize) < tokenizer.vocabulary_size()));
        }
        return tokenizer.to_json().is_ok();
    }
    false
}

/// Word vectors.
pub fn vectors(bytes: &[u8]) -> bool {
    let words: Vec<String> = ["[PAD]", "[UNK]", "a", "film", "."].map(String::from).to_vec();
    let mut embedding = vec![0.0; words.len() * 3];
    let read = read_vectors(&file("vectors", bytes), &words, &mut embedding, 3);
    assert!(embedding.iter().all(|number| number.is_finite()));
    read.is_ok()
}
