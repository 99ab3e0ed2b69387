//! Ctrl-C, and going on afterwards.
#![cfg(unix)]

use crate::room::{Room, Run, reviews, training};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

/// A training of a second or more, in many small steps.
const LONG: [(&str, &str); 4] = [("--epochs", "6"), ("--batch", "2"), ("--length", "64"), ("--schedule", "cosine")];

fn room() -> Room {
    let room = Room::new();
    room.write("reviews.tsv", reviews(900));
    room
}

/// Waits for the first epoch's line, then presses Ctrl-C, and gives what was printed after that line.
fn press_after_an_epoch(mut child: Child) -> (Option<i32>, String) {
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("epoch 1/") {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "the training ended by itself");
    }
    std::thread::sleep(std::time::Duration::from_millis(30));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    (child.wait().unwrap().code(), rest)
}

/// Training loss and accuracy of each epoch.
fn epochs(metrics: &str) -> Vec<(f64, f64)> {
    let parse = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let number = |line: &serde_json::Value, key: &str| line[key].as_f64().unwrap();
    let lines = metrics.lines().map(parse);
    lines.map(|line| (number(&line, "train_loss"), number(&line, "train_accuracy"))).collect()
}

#[test]
fn a_stopped_training_goes_on_to_the_same_bits() {
    let room = room();
    room.train(&[&LONG[..], &[("--out", "whole")]].concat()).succeeds();
    let child = room.process().args(training("reviews.tsv", &LONG)).stderr(Stdio::piped()).spawn().unwrap();
    let (code, err) = press_after_an_epoch(child);
    assert_eq!(code, Some(130), "{err}");
    assert!(err.contains("stopping after this step (Ctrl-C again to end at once)\n"), "{err}");
    assert!(err.ends_with("stopped and saved; go on with: srnn train --resume out\n"), "{err}");
    assert!(room.has("out/checkpoint.safetensors"));
    room.srnn("eval out reviews.tsv --device cpu").succeeds();

    room.srnn("train --resume out --device cpu --epochs 1").refused("--epochs 1: it must be more than the ");
    room.srnn("train --resume out --device cpu --epochs 9")
        .refused("--epochs 9: it must be 6, for which the cosine schedule was laid out");
    let table = room.read("reviews.tsv");
    room.write("reviews.tsv", reviews(902));
    room.srnn("train --resume out --device cpu").refused("this is not the data that the training began with");
    room.write("reviews.tsv", table);
    refuses_damage(&room);
    // From any folder.
    let elsewhere = ["train", "--resume", "../out", "--device", "cpu"];
    let run = Run::from(room.command().current_dir(room.path("out")).args(elsewhere)).succeeds();
    assert!(run.err.contains("going on at epoch "), "{}", run.err);
    assert!(room.read("out/model.safetensors") == room.read("whole/model.safetensors"));
    let [own, whole] = ["out", "whole"].map(|folder| epochs(&room.text(&format!("{folder}/metrics.jsonl"))));
    assert_eq!((own.len(), &own), (6, &whole));
}

#[test]
fn a_training_stopped_in_its_first_epoch_leaves_what_it_learnt() {
    let room = Room::new();
    room.write("reviews.tsv", reviews(200_000));
    let options = [("--epochs", "2"), ("--batch", "2"), ("--length", "64")];
    let child = room.process().args(training("reviews.tsv", &options)).stderr(Stdio::piped()).spawn().unwrap();
    while !room.has("out") {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(
        room.contents("out").into_keys().collect::<Vec<_>>(),
        [".srnn-lock"],
        "weights that have learnt nothing"
    );
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(room.text("out/metrics.jsonl"), "", "an epoch was finished");
    assert!(room.has("out/checkpoint.safetensors"));
    room.write("few.tsv", reviews(60));
    let run = room.srnn("eval out few.tsv --device cpu").succeeds();
    assert!(run.out.contains("100.00 %"), "{}", run.out);
}

/// A checkpoint that is cut short, or of a network of other sizes, is refused and stays as it is, with checksums or without.
fn refuses_damage(room: &Room) {
    let before = room.contents("out");
    let (whole, weights) = (&before["checkpoint.safetensors"], &before["model.safetensors"]);
    for (checked, words) in [
        (true, "the file is damaged, or was changed after the model was saved"),
        (false, "this is no checkpoint of srnn: "),
    ] {
        if !checked {
            room.uncheck("out");
        }
        for damaged in [&whole[..whole.len() - 9], &whole[..20], weights] {
            room.write("out/checkpoint.safetensors", damaged);
            let run = room.srnn("train --resume out --device cpu");
            run.refused(&format!("out/checkpoint.safetensors: {words}"));
            assert_eq!(room.read("out/checkpoint.safetensors"), damaged);
        }
    }
    room.train(&[("--hidden", "3"), ("--out", "small")]).succeeds();
    room.uncheck("small");
    room.write("small/checkpoint.safetensors", whole);
    room.srnn("train --resume small --device cpu").refused("small: the checkpoint is not of this model: ");
    for name in ["checkpoint.safetensors", "config.json"] {
        room.write(&format!("out/{name}"), &before[name]);
    }
    assert_eq!(room.contents("out"), before);
}

/// What a system sends before it switches off, and a terminal that is closed.
#[test]
fn other_signals_stop_as_control_c_does() {
    for signal in ["-TERM", "-HUP"] {
        let room = room();
        let mut child = room.process().args(training("reviews.tsv", &LONG)).stderr(Stdio::piped()).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("epoch 1/") {
            line.clear();
            assert!(err.read_line(&mut line).unwrap() > 0, "the training ended by itself");
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let mut rest = String::new();
        err.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
        assert!(rest.ends_with("stopped and saved; go on with: srnn train --resume out\n"), "{rest}");
    }
}

/// Within an epoch a killed training loses what it did since its last checkpoint, and goes on to the same bits.
#[test]
fn a_killed_training_goes_on_from_within_an_epoch() {
    let room = room();
    let options = [&LONG[..], &[("--checkpoint-every", "7")]].concat();
    room.train(&[&options[..], &[("--out", "whole")]].concat()).succeeds();
    let mut child = room.process().args(training("reviews.tsv", &options)).spawn().unwrap();
    while !room.has("out/checkpoint.safetensors") {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let run = room.srnn("train --resume out --device cpu").succeeds();
    assert!(run.err.contains("going on at epoch 1, step "), "{}", run.err);
    assert!(room.read("out/model.safetensors") == room.read("whole/model.safetensors"));
    let [own, whole] = ["out", "whole"].map(|folder| epochs(&room.text(&format!("{folder}/metrics.jsonl"))));
    assert_eq!((own.len(), &own), (6, &whole));
    room.train(&[("--checkpoint-every", "never"), ("--out", "other")])
        .refused("--checkpoint-every never: it must be a time, such as 30s, 5m or 2h, or a number of steps");
}

/// Under `nohup` a terminal may be closed.
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let room = room();
    let shell = r#"trap '' HUP; exec "$0" "$@""#;
    let mut child = Command::new("sh")
        .args(["-c", shell, env!("CARGO_BIN_EXE_srnn")])
        .args(training("reviews.tsv", &LONG))
        .current_dir(room.path("."))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("epoch 1/") {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "the training ended by itself");
    }
    assert!(Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
}

#[test]
fn two_trainings_do_not_share_a_directory() {
    let room = room();
    let mut child = room.process().args(training("reviews.tsv", &LONG)).stderr(Stdio::null()).spawn().unwrap();
    while !room.has("out/config.json") {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    room.train(&[("--force", "")])
        .refused("out: another training writes into this directory: wait for it, or give another");
    room.srnn("train --resume out --device cpu").refused("out: another training writes into this directory");
    assert!(child.wait().unwrap().success());
    room.srnn("eval out reviews.tsv --device cpu").succeeds();
}

#[test]
fn standard_input_is_asked_for_again() {
    let room = room();
    let table = room.read("reviews.tsv");
    let mut child =
        room.process().args(training("-", &LONG)).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&table).unwrap();
    let (code, err) = press_after_an_epoch(child);
    assert_eq!(code, Some(130), "{err}");
    assert!(err.ends_with("--resume out (and the same data on standard input again)\n"), "{err}");
    let run: Run = room.command().args("train --resume out --device cpu".split(' ')).write_stdin(table).into();
    run.succeeds();
    assert_eq!(room.text("out/metrics.jsonl").lines().count(), 6);
}
