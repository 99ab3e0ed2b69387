//! `srnn eval`: its tables and its JSON.

use crate::room::{Room, no_such_file, reviews};
use serde_json::Value;

#[test]
fn the_json_adds_up() {
    let room = Room::with_model();
    room.write("test.tsv", reviews(31));
    let run = room.srnn("eval model test.tsv --json --device cpu").succeeds();
    assert_eq!(run.out.lines().count(), 1);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let confusion: Vec<Vec<u64>> = serde_json::from_value(report["confusion"].clone()).unwrap();
    let all: u64 = confusion.iter().flatten().sum();
    let correct = confusion[0][0] + confusion[1][1];
    assert_eq!((all, report["sequences"].as_u64()), (31, Some(31)));
    assert_eq!(report["accuracy"].as_f64().unwrap(), correct as f64 / 31.0);
    assert!(report["accuracy"].as_f64().unwrap() > 0.9 && report["loss"].as_f64().unwrap() > 0.0);
    assert_eq!(report["labels"], serde_json::json!(["bad", "good"]));
    for (class, row) in report["classes"].as_array().unwrap().iter().zip(&confusion) {
        assert_eq!(class["support"].as_u64().unwrap(), row.iter().sum::<u64>());
        for score in ["precision", "recall", "f1"] {
            assert!((0.0..=1.0).contains(&class[score].as_f64().unwrap()));
        }
    }
}

#[test]
fn the_tables_name_the_classes() {
    let room = Room::with_model();
    let run = room.srnn("eval model reviews.tsv --device cpu --batch 7").succeeds();
    assert!(run.out.starts_with("60 sequences: accuracy "), "{}", run.out);
    for part in ["class", "precision", "recall", "F1", "good", "bad", "true \\ predicted"] {
        assert!(run.out.contains(part), "{part}:\n{}", run.out);
    }
    let piped =
        room.command().args(["eval", "model", "-", "--device", "cpu"]).write_stdin(reviews(60)).output().unwrap();
    assert_eq!(String::from_utf8(piped.stdout).unwrap(), run.out);
}

#[test]
fn bad_tables_are_refused() {
    let room = Room::with_model();
    room.write("unknown.tsv", "text\tlabel\nfine\tgood\nwell\tgodo\n");
    let eval = |data: &str| room.srnn(&format!("eval model {data} --device cpu"));
    eval("unknown.tsv").refused("unknown.tsv:3: has the label `godo`, and the classes are `bad`, `good`");
    eval("none.tsv").refused(&no_such_file("none.tsv"));
    eval("reviews.tsv --label stars").refused("reviews.tsv:1: has no column `stars`, only `text`, `label`");
    eval("reviews.tsv --batch 0").misused("invalid value '0' for '--batch <B>'");
    eval("reviews.tsv --memory 1000").refused("--memory");
}
