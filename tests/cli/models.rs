//! Model directories that are damaged, incomplete or of another model.

use crate::room::{Room, no_such_file, reviews};
use std::fs::{copy, remove_file};

const FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// Both commands that read a model refuse it, with these words.
fn refused(room: &Room, words: &str) {
    room.srnn("eval model reviews.tsv --device cpu").refused(words);
    room.srnn("predict model reviews.tsv --device cpu").refused(words);
}

const CHANGED: &str = "the file is damaged, or was changed after the model was saved";

#[test]
fn each_file_missing_or_cut_short() {
    for name in FILES {
        let room = Room::with_model();
        let place = format!("model/{name}");
        let whole = room.read(&place);
        room.write(&place, &whole[..whole.len() - 2]);
        refused(&room, &format!("{place}: {}", if name == "config.json" { "" } else { CHANGED }));
        room.write(&place, &whole);
        room.uncheck("model");
        let place = format!("model/{name}");
        let whole = room.read(&place);
        room.write(&place, &whole[..whole.len() / 2]);
        refused(&room, &format!("{place}: "));
        room.write(&place, "");
        refused(&room, &format!("{place}: "));
        remove_file(room.path(&place)).unwrap();
        refused(&room, &no_such_file(&place));
    }
}

#[test]
fn a_model_of_the_format_before_is_read_with_a_note() {
    let room = Room::with_model();
    let told = room.srnn("predict model reviews.tsv --device cpu").succeeds().out;
    room.uncheck("model");
    let run = room.srnn("predict model reviews.tsv --device cpu").succeeds();
    assert_eq!(run.out, told);
    assert!(
        run.err.contains("model/config.json: a model of format srnn-2, whose files have no checksums"),
        "{}",
        run.err
    );
}

#[test]
fn json_of_something_else_and_bytes_that_are_no_text() {
    let room = Room::with_model();
    room.uncheck("model");
    for name in &FILES[..2] {
        let place = format!("model/{name}");
        let whole = room.read(&place);
        for other in ["{}", "[1, 2]", "null", "{\"name\": \"left-pad\"}"] {
            room.write(&place, other);
            refused(&room, &format!("{place}: "));
        }
        room.write(&place, b"\xff\xfe");
        refused(&room, &format!("{place}: this is no text file"));
        room.write(&place, whole);
    }
    room.write("model/model.safetensors", "PK\x03\x04 something else entirely");
    refused(&room, "model/model.safetensors: this is no safetensors file, or it is damaged: ");
}

#[test]
fn files_of_another_model() {
    let room = Room::with_model();
    room.write("more.tsv", reviews(60).replace("film", "piece of music"));
    room.train_on("more.tsv", &[("--out", "more")]).succeeds();
    for name in FILES {
        let place = room.path(&format!("model/{name}"));
        let whole = std::fs::read(&place).unwrap();
        copy(room.path(&format!("more/{name}")), &place).unwrap();
        // The configuration is sealed, and lists other files than are there.
        refused(&room, if name == "config.json" { CHANGED } else { "" });
        std::fs::write(place, whole).unwrap();
    }
    room.uncheck("model");
    room.write("other.tsv", reviews(60).replace("film", "piece of music") + &"x y z\tso-so\n".repeat(4));
    room.train_on("other.tsv", &[("--hidden", "7")]).succeeds();
    let words = [
        "model/tokenizer.json: ",
        "words, and the network has",
        "model/model.safetensors: tensor `embedding.weight` has shape",
    ];
    for (name, words) in FILES.iter().zip(words) {
        let place = room.path(&format!("model/{name}"));
        let whole = std::fs::read(&place).unwrap();
        copy(room.path(&format!("out/{name}")), &place).unwrap();
        refused(&room, words);
        std::fs::write(place, whole).unwrap();
    }
}

#[test]
fn settings_that_make_no_network() {
    let room = Room::with_model();
    let config = room.text("model/config.json");
    for (from, to) in [("\"length\": 16", "\"length\": 32"), ("2x2", "4x1"), ("\"good\"", "\"gold\"")] {
        assert!(config.contains(from), "{config}");
        room.write("model/config.json", config.replace(from, to));
        refused(&room, &format!("model/config.json: {CHANGED}"));
    }
    room.write("model/config.json", config);
    room.uncheck("model");
    let config = room.text("model/config.json");
    for (from, to, words) in [
        ("srnn-2", "srnn-9", "model/config.json: format `srnn-9` is unknown: this version reads `srnn-2` and `srnn-3`"),
        ("\"classes\": 2", "\"classes\": 3", "model/config.json: 2 labels for 3 classes"),
        ("\"hidden\": 5", "\"hidden\": 0", "model/config.json: hidden 0: it must be at least 1"),
        ("\"hidden\": 5", "\"hidden\": -5", "model/config.json: this is no configuration of srnn: "),
        ("\"hidden\": 5", "\"hidden\": 6", "model/model.safetensors: tensor `levels.0.weight_ih_l0` has shape"),
        ("2x2", "2x1000", "model/config.json: this is no configuration of srnn: "),
        (
            "\"good\"",
            "\"bad\"",
            "model/config.json: this is no configuration of srnn: the class name `bad` stands twice",
        ),
    ] {
        assert!(config.contains(from), "{config}");
        room.write("model/config.json", config.replace(from, to));
        refused(&room, words);
    }
}

#[test]
fn weights_that_are_not_finite() {
    let room = Room::with_model();
    room.uncheck("model");
    let mut bytes = room.read("model/model.safetensors");
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    room.write("model/model.safetensors", &bytes);
    refused(&room, "holds numbers that are not finite");
}

#[test]
fn tensors_of_no_use() {
    use safetensors::tensor::{Dtype, TensorView};
    let room = Room::with_model();
    room.uncheck("model");
    let bytes = room.read("model/model.safetensors");
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let more = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
    let all = file.iter().chain([("levels.9.weight", more)]);
    room.write("model/model.safetensors", safetensors::serialize(all, None).unwrap());
    refused(&room, "model/model.safetensors: tensor `levels.9.weight` is none of this network's");
}

#[test]
fn going_on_needs_a_checkpoint() {
    let room = Room::with_reviews();
    room.train(&[("--out", "model")]).succeeds();
    let resume = |options: &str| room.srnn(&format!("train --resume model --device cpu{options}"));
    resume("").refused("--epochs 2: it must be more than the 2 that are done");
    let checkpoint = room.read("model/checkpoint.safetensors");
    remove_file(room.path("model/checkpoint.safetensors")).unwrap();
    resume("").refused("model: there is no checkpoint to go on from: it is not of a training, or was removed");
    room.srnn("eval model reviews.tsv --device cpu").succeeds();
    let before = room.contents(".");
    for option in ["--hidden 9", "--out other", "--seed 2", "reviews.tsv"] {
        resume(&format!(" {option}")).misused("cannot be used with");
    }
    room.srnn("train --resume none --device cpu").refused("none: there is no such model directory");
    assert_eq!(room.contents("."), before);
    room.write("model/checkpoint.safetensors", &checkpoint);
    resume(" --epochs 3").succeeds();
    assert_eq!(room.text("model/metrics.jsonl").lines().count(), 3);
    room.uncheck("model");
    for (bytes, words) in [
        (&b"\xffnonsense"[..], "model/checkpoint.safetensors: this is no checkpoint of srnn: "),
        (&room.read("model/model.safetensors"), "model/checkpoint.safetensors: this is no checkpoint of srnn: "),
    ] {
        room.write("model/checkpoint.safetensors", bytes);
        resume("").refused(words);
        assert!(room.has("model/checkpoint.safetensors"));
    }
}
