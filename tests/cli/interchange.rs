//! To other programs and back: ONNX files, and models of state dicts.

use crate::room::{Room, training_on_numbers};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use srnn::data::npy_bytes;

const DATA: &str = "reviews.tsv --device cpu";

/// What a model tells.
fn told(room: &Room, model: &str) -> String {
    room.srnn(&format!("predict {model} {DATA}")).succeeds().out
}

/// A state dict with the tensors of a model's, named anew; those without a name are left out.
fn renamed(room: &Room, from: &str, to: &str, name: impl Fn(&str) -> Option<String>) {
    let bytes = room.read(from);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let all: Vec<_> = file.tensors().into_iter().filter_map(|(own, tensor)| Some((name(&own)?, tensor))).collect();
    room.write(to, safetensors::serialize(all, None).unwrap());
}

#[test]
fn a_model_becomes_a_graph() {
    let room = Room::with_model();
    let run = room.srnn("export model --onnx model.onnx").succeeds();
    assert!(run.err.contains("model.onnx: ONNX, opset 17, "), "{}", run.err);
    let bytes = room.read("model.onnx");
    for word in ["tokens", "lengths", "probabilities", "logits", "[\"bad\",\"good\"]"] {
        assert!(bytes.windows(word.len()).any(|own| own == word.as_bytes()), "{word}");
    }
    room.srnn("export model --onnx model.onnx").refused("model.onnx is there already");
    room.srnn("export model --onnx model.onnx --force").succeeds();
    assert_eq!(room.read("model.onnx"), bytes);
    room.srnn("export model --onnx nowhere/model.onnx").refused("there is no directory nowhere");
    room.srnn("export nothing --onnx other.onnx").refused("there is no such model directory");
}

#[test]
fn there_and_back() {
    let room = Room::with_model();
    let files = "model/model.safetensors --config model/config.json --tokenizer model/tokenizer.json";
    let run = room.srnn(&format!("import {files} --out back")).succeeds();
    assert!(run.err.contains("model: back"), "{}", run.err);
    assert_eq!(told(&room, "back"), told(&room, "model"));
    assert_eq!(room.read("back/model.safetensors"), room.read("model/model.safetensors"));
    assert_eq!(room.read("back/tokenizer.json"), room.read("model/tokenizer.json"));
    room.srnn(&format!("import {files} --out back")).refused("the directory is there already");
    room.srnn(&format!("import {files} --out back --force")).succeeds();
    room.srnn(&format!("eval back {DATA}")).succeeds();
    room.srnn("show back").succeeds();
    room.srnn("export back --onnx back.onnx").succeeds();
    room.srnn("train reviews.tsv --from back --out more --epochs 1 --device cpu").succeeds();
}

#[test]
fn what_the_tensors_say_need_not_be_said() {
    let room = Room::with_model();
    room.write("network.json", r#"{"slicing": "2x2", "length": 16}"#);
    let files = "model/model.safetensors --config network.json --tokenizer model/tokenizer.json";
    room.srnn(&format!("import {files} --classes bad,good --out named")).succeeds();
    assert_eq!(told(&room, "named"), told(&room, "model"));
    room.write("names.txt", "bad\ngood\n");
    room.srnn(&format!("import {files} --labels names.txt --out listed")).succeeds();
    assert_eq!(told(&room, "listed"), told(&room, "model"));
    room.srnn(&format!("import {files} --out numbered")).succeeds();
    assert!(told(&room, "numbered").contains(r#""label":"0""#));
}

#[test]
fn names_of_other_modules() {
    let room = Room::with_reviews();
    room.train(&[("--slices", "rnn"), ("--direction", "both"), ("--layers", "2")]).succeeds();
    renamed(&room, "out/model.safetensors", "state.safetensors", |name| {
        let own = name.replace("levels.0.", "module.encoder.gru.").replace("embedding.", "module.words.");
        Some(own.replace("head.", "module.classifier.1."))
    });
    room.write("network.json", r#"{"length": 16}"#);
    let files = "state.safetensors --config network.json --tokenizer out/tokenizer.json";
    room.srnn(&format!("import {files} --classes bad,good --out back")).succeeds();
    assert_eq!(told(&room, "back"), told(&room, "out"));
}

#[test]
fn numbers_and_doubles() {
    let room = Room::new();
    let values: Vec<f32> = (0..20 * 12).map(|at| ((at * 7919) % 101) as f32 / 50.0 - 1.0).collect();
    room.write("x.npy", npy_bytes(&[20, 12], &values).unwrap());
    let classes: Vec<f32> = (0..20).map(|at| (at % 2) as f32).collect();
    room.write("y.npy", npy_bytes(&[20], &classes).unwrap());
    room.command().args(training_on_numbers("x.npy", &[("--labels", "y.npy"), ("--length", "12")])).unwrap();
    let bytes = room.read("out/model.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let doubles: Vec<_> = file
        .tensors()
        .into_iter()
        .map(|(name, tensor)| {
            let numbers = tensor.data().chunks(4).map(|own| f64::from(f32::from_le_bytes(own.try_into().unwrap())));
            (name, tensor.shape().to_vec(), numbers.flat_map(f64::to_le_bytes).collect::<Vec<u8>>())
        })
        .collect();
    let views =
        doubles.iter().map(|(name, shape, own)| (name, TensorView::new(Dtype::F64, shape.clone(), own).unwrap()));
    room.write("state.safetensors", safetensors::serialize(views, None).unwrap());
    room.srnn("import state.safetensors --config out/config.json --out back").succeeds();
    let [one, other] =
        ["out", "back"].map(|model| room.srnn(&format!("predict {model} x.npy --device cpu")).succeeds().out);
    assert_eq!(one, other);
    room.srnn("export back --onnx back.onnx").succeeds();
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let room = Room::with_model();
    let own = "model/model.safetensors --config model/config.json";
    let import = |state: &str, more: &str| room.srnn(format!("import {state} --out back {more}").trim());
    import(own, "").refused("the network reads tokens");
    import("nothing.safetensors", "").refused("nothing.safetensors: ");
    import("model/config.json", "").refused("config.json: this is no safetensors file");
    import("model/model.safetensors", "--tokenizer model/tokenizer.json").refused("it has 3 levels: say in `slicing`");
    let given = |json: &str| {
        room.write("network.json", json);
        import("model/model.safetensors", "--config network.json --tokenizer model/tokenizer.json")
    };
    given(r#"{"slicing": "2x2", "length": 16, "hidden": 7}"#)
        .refused("tensor `levels.0.weight_hh_l0` [15, 5]: `hidden` is 5, and the configuration says 7");
    given(r#"{"slicing": "2x1", "length": 16}"#).refused("has no use for `levels.2.");
    given(r#"{"slicing": "2x3", "length": 16}"#).refused("tensor `levels.3.weight_ih_l0` is missing");
    given(r#"{"slicing": "2x2", "depth": 16}"#).refused("unknown field `depth`");
    given(r#"{"slicing": "2x2", "length": 3}"#).refused("slices `2x2`");
    given("[]").refused("network.json: this is no configuration");
    room.write("network.json", r#"{"slicing": "2x2", "length": 16}"#);
    import("model/model.safetensors", "--config network.json --tokenizer model/tokenizer.json --classes a,b,c")
        .refused("3 names are given, and the network tells 2");
    import("model/model.safetensors", "--config network.json --tokenizer network.json").refused("network.json: ");
    renamed(&room, "model/model.safetensors", "twice.safetensors", |name| Some(name.replace("levels.1.", "other.")));
    import("twice.safetensors", "").refused("there are several recurrences");
    renamed(&room, "model/model.safetensors", "less.safetensors", |name| (name != "head.bias").then(|| name.into()));
    import("less.safetensors", "").refused("each of these could be the embedding: `embedding.weight`, `head.weight`");
    assert!(!room.has("back"));
}
