//! Model directories that are damaged, incomplete or of another model.

use crate::room::{Room, no_such_file, reviews};
use std::fs::{copy, remove_file};

const FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// Both commands that read a model refuse it, with these words.
fn refused(room: &Room, words: &str) {
    room.srnn("eval model reviews.tsv --device cpu").refused(words);
    room.srnn("predict model reviews.tsv --device cpu").refused(words);
}

#[test]
fn each_file_missing_or_cut_short() {
    for name in FILES {
        let room = Room::with_model();
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
fn json_of_something_else_and_bytes_that_are_no_text() {
    let room = Room::with_model();
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
    for (from, to, words) in [
        ("srnn-2", "srnn-9", "model/config.json: format `srnn-9` is unknown: this version reads `srnn-2`"),
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
    let mut bytes = room.read("model/model.safetensors");
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    room.write("model/model.safetensors", &bytes);
    refused(&room, "holds numbers that are not finite");
}

#[test]
fn going_on_needs_a_checkpoint() {
    let room = Room::with_model();
    let resume = |options: &str| room.srnn(&format!("train --resume model --device cpu{options}"));
    resume("").refused("model: there is no checkpoint to go on from: training was finished, or never begun");
    let before = room.contents(".");
    for option in ["--hidden 9", "--out other", "--seed 2", "reviews.tsv"] {
        resume(&format!(" {option}")).misused("cannot be used with");
    }
    room.srnn("train --resume none --device cpu").refused("none: there is no such model directory");
    assert_eq!(room.contents("."), before);
    for (bytes, words) in [
        (&b"\xffnonsense"[..], "model/checkpoint.safetensors: this is no checkpoint of srnn: "),
        (&room.read("model/model.safetensors"), "model/checkpoint.safetensors: this is no checkpoint of srnn: "),
    ] {
        room.write("model/checkpoint.safetensors", bytes);
        resume("").refused(words);
        assert!(room.has("model/checkpoint.safetensors"));
    }
}
