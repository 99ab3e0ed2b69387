//! `srnn predict`: one JSON line per text, at once.

use crate::room::{Room, Run, no_such_file};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

/// The label of an answer, whose probabilities must be those of the classes.
fn label(line: &str) -> String {
    let answer: Value = serde_json::from_str(line).unwrap();
    let shares = answer["probabilities"].as_object().unwrap();
    assert_eq!(shares.keys().collect::<Vec<_>>(), ["bad", "good"]);
    let sum: f64 = shares.values().map(|share| share.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{line}");
    let label = answer["label"].as_str().unwrap();
    assert!(shares[label].as_f64().unwrap() >= 0.5, "{line}");
    label.to_string()
}

#[test]
fn a_file_and_standard_input_give_one_line_per_text() {
    let room = Room::with_model();
    let texts = "great and fine\n\nawful and poor\r\nunheard-of zebras\n".repeat(20);
    room.write("texts.txt", &texts);
    let from_file = room.srnn("predict model texts.txt --device cpu").succeeds();
    let labels: Vec<String> = from_file.out.lines().map(label).collect();
    assert_eq!(labels.len(), 80);
    assert_eq!((labels[0].as_str(), labels[2].as_str()), ("good", "bad"));
    let piped: Run = room.command().args(["predict", "model", "--device", "cpu"]).write_stdin(texts.clone()).into();
    assert_eq!(piped.succeeds().out, from_file.out);
    let nothing: Run = room.command().args(["predict", "model", "-", "--device", "cpu"]).write_stdin("").into();
    assert_eq!(nothing.succeeds().out, "");
    room.srnn("predict model texts.txt --label stars --device cpu")
        .refused("--label has no meaning for texts that stand one per line");
}

/// Tables are read as `eval` reads them: neither a header nor a label is a text.
#[test]
fn tables_by_their_column() {
    let room = Room::with_model();
    room.write("reviews.tsv", "text\tlabel\ngreat and fine\tgood\nawful and poor\tbad\n");
    room.write("reviews.csv", "stars,review\nx,\"awful, and\npoor\"\n,great and fine\n");
    room.write("reviews.jsonl", "{\"text\": \"great and fine\"}\n{\"text\": \"awful and poor\"}\n");
    let labels = |arguments: &str| {
        let run = room.srnn(&format!("predict model {arguments} --device cpu")).succeeds();
        run.out.lines().map(label).collect::<Vec<_>>()
    };
    assert_eq!(labels("reviews.tsv"), ["good", "bad"]);
    assert_eq!(labels("reviews.csv --text review"), ["bad", "good"]);
    assert_eq!(labels("reviews.jsonl"), ["good", "bad"]);
    room.write("reviews", room.read("reviews.csv"));
    assert_eq!(labels("reviews --text review"), ["bad", "good"]);
    assert_eq!(labels("reviews --format csv --text review"), ["bad", "good"]);
    room.srnn("predict model reviews.csv --device cpu")
        .refused("reviews.csv:1: has no column `text`, only `stars`, `review`: name the text column with --text");
    room.srnn("predict model reviews.tsv --label label --device cpu").refused("--label: this command reads no labels");
    let piped: Run = room
        .command()
        .args("predict model - --text text --device cpu".split(' '))
        .write_stdin(room.read("reviews.tsv"))
        .into();
    assert_eq!(piped.succeeds().out.lines().map(label).collect::<Vec<_>>(), ["good", "bad"]);
    room.write("texts.npy", b"\x93NUMPY");
    room.srnn("predict model texts.npy --device cpu").refused("texts.npy: is cut short");
}

/// Classes in the order of the model, whatever order their names have as texts.
#[test]
fn probabilities_in_the_order_of_the_classes() {
    let room = Room::new();
    let rows = (0..44).map(|row| format!("w{} of it\t{}\n", row % 11, row % 11));
    room.write("t.tsv", "text\tlabel\n".to_string() + &rows.collect::<String>());
    room.train_on("t.tsv", &[("--min-count", "1")]).succeeds();
    room.write("one.txt", "w7 of it");
    let told = room.srnn("predict out one.txt --device cpu").succeeds().out;
    let places: Vec<usize> = (0..11).map(|class| told.find(&format!("\"{class}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{told}");
}

#[test]
fn an_open_pipe_is_answered_line_by_line() {
    let room = Room::with_model();
    let mut child = room
        .process()
        .args(["predict", "model", "--device", "cpu"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for (text, expected) in [("lovely", Some("good")), ("", None), ("dull", Some("bad"))] {
        to.write_all(format!("{text}\n").as_bytes()).unwrap();
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let label = label(&line);
        assert!(expected.is_none_or(|expected| expected == label), "{text}: {line}");
    }
    drop(to);
    assert!(child.wait().unwrap().success());
}

#[test]
fn bad_texts_are_refused_after_the_good_ones_are_answered() {
    let room = Room::with_model();
    room.write("texts.txt", b"great\nfine\ncaf\xe9\nmore\n");
    let run = room.srnn("predict model texts.txt --device cpu");
    assert_eq!(run.out.lines().count(), 2);
    Run { out: String::new(), ..run }.refused("texts.txt:3: is not UTF-8 text (byte 4 of the line)");
    room.srnn("predict model none.txt --device cpu").refused(&no_such_file("none.txt"));
    room.srnn("predict none reviews.tsv --device cpu").refused("none: there is no such model directory");
}
