//! `srnn train`: what it leaves behind, from every kind of table.

use crate::room::{Room, reviews, training};
use safetensors::{Dtype, SafeTensors};
use serde_json::json;

#[test]
fn a_training_leaves_a_model_directory() {
    let room = Room::with_reviews();
    room.write("test.tsv", reviews(30));
    let run = room.train(&[("--epochs", "6"), ("--test", "test.tsv")]).succeeds();
    let names: Vec<String> = room.contents("out").into_keys().collect();
    assert_eq!(
        names,
        ["checkpoint.safetensors", "config.json", "metrics.jsonl", "model.safetensors", "run.json", "tokenizer.json"]
    );
    assert_eq!(room.contents(".").len(), 2 + names.len(), "nothing is left beside the model");
    assert!(run.out.starts_with("best epoch: "), "{}", run.out);
    assert!(run.out.contains("\ntest: accuracy 100.00 %, macro F1 1.0000, AUC 1.0000, loss "), "{}", run.out);
    assert!(run.out.contains("| class | precision |") && run.out.contains("| bad "), "{}", run.out);
    assert!(run.out.ends_with("\nmodel: out\n"), "{}", run.out);
    assert!(run.err.contains("data: 54 sequences to train, 6 to validate, 30 for the test\n"), "{}", run.err);
    assert!(run.err.contains("network: 2x2 GRU, H = 5, T = 16 in 8 sequential steps, 2 classes, "), "{}", run.err);
    assert_eq!(run.err.matches("\nepoch ").count(), 6);

    let config = room.json("out/config.json");
    assert_eq!(config["tells"]["class"], json!(["bad", "good"]));
    assert_eq!(config["network"]["slicing"], "2x2");
    let metrics = room.text("out/metrics.jsonl");
    for (line, epoch) in metrics.lines().zip(1..) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["epoch"], &line["skipped_steps"]), (&json!(epoch), &json!(0)));
        assert!((0.0..=1.0).contains(&line["valid_score"].as_f64().unwrap()));
    }
    assert_eq!(metrics.lines().count(), 6);
}

/// What is known of the data before training, with what mends it, and of the curves after it.
#[test]
fn the_data_is_told_and_what_mends_it() {
    let room = Room::new();
    let rows = (0..60).map(|row| if row < 55 { "a great film\tgood\n" } else { "an awful, long and dull film\tbad\n" });
    room.write("t.tsv", "text\tlabel\nodd\tso-so\n".to_string() + &rows.collect::<String>());
    let run = room.train_on("t.tsv", &[("--epochs", "2"), ("--length", "4"), ("--min-count", "1")]).succeeds();
    for line in [
        "data: 54 sequences to train, 7 to validate\n",
        "  classes: `so-so` (1), `bad` (4), `good` (49)\n",
        "  steps: 3 in the middle, at most 3 in nine of ten sequences and 7 in all\n",
        "  unknown tokens: 0.0 % of those to train, 0.0 % of those to validate\n",
        "hint: too few sequences to learn from have: `so-so` (leave them out, or join them with others)\n",
        "hint: the most frequent class has 49 times the sequences of the rarest (--class-weights balanced ",
        "hint: 4 of 54 sequences have more steps than --length and lose their beginning: 3 steps in the mean (the longest has 7; ",
        " updates of the weights (more --epochs or a smaller --batch make more)\n",
    ] {
        assert!(run.err.contains(line), "{line} is not in\n{}", run.err);
    }
    assert!(run.err.trim_end().lines().last().unwrap().starts_with("hint: the model tells no more than a guess does"));
}

#[test]
fn weights_stand_under_the_names_and_shapes_of_pytorch() {
    let room = Room::with_reviews();
    room.train(&[]).succeeds();
    let bytes = room.read("out/model.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let vocabulary = room.json("out/config.json")["network"]["vocabulary"].as_u64().unwrap() as usize;
    let mut expected = vec![
        ("embedding.weight".to_string(), vec![vocabulary, 6]),
        ("head.weight".to_string(), vec![2, 5]),
        ("head.bias".to_string(), vec![2]),
    ];
    for level in 0..3 {
        let inputs = if level == 0 { 6 } else { 5 };
        for (name, shape) in
            [("weight_ih", vec![15, inputs]), ("weight_hh", vec![15, 5]), ("bias_ih", vec![15]), ("bias_hh", vec![15])]
        {
            expected.push((format!("levels.{level}.{name}_l0"), shape));
        }
    }
    assert_eq!(file.len(), expected.len());
    for (name, shape) in expected {
        let tensor = file.tensor(&name).unwrap();
        assert_eq!((tensor.shape(), tensor.dtype()), (&shape[..], Dtype::F32), "{name}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let room = Room::with_reviews();
    for (out, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        room.train(&[("--out", out), ("--seed", seed)]).succeeds();
    }
    let weights = |folder: &str| room.read(&format!("{folder}/model.safetensors"));
    assert!(weights("a") == weights("b"));
    assert!(weights("a") != weights("c"));
}

#[test]
fn the_table_may_come_from_standard_input() {
    let room = Room::with_reviews();
    room.train(&[]).succeeds();
    let piped = room.command().args(training("-", &[("--out", "piped")])).write_stdin(reviews(60)).output().unwrap();
    assert!(piped.status.success(), "{}", String::from_utf8_lossy(&piped.stderr));
    assert!(room.read("out/model.safetensors") == room.read("piped/model.safetensors"));
    let empty = room.command().args(training("-", &[("--out", "none")])).write_stdin("").output().unwrap();
    crate::room::Run::from(empty).refused("standard input: has no rows");
    room.train_on("-", &[("--valid", "-"), ("--out", "none")])
        .refused("one of training, validation and test data can be standard input, not several");
    assert!(!room.has("none"));
}

#[test]
fn every_format_and_columns_by_name() {
    let room = Room::with_reviews();
    let rows: Vec<(String, String)> = reviews(60)
        .lines()
        .skip(1)
        .map(|line| line.split_once('\t').map(|(text, label)| (text.to_string(), label.to_string())).unwrap())
        .collect();
    let csv: String = rows.iter().map(|(text, label)| format!("1,{label},\"{text}\"\r\n")).collect();
    room.write("reviews.csv", format!("id,stars,review\r\n{csv}"));
    let json: Vec<String> =
        rows.iter().map(|(text, label)| json!({"review": text, "stars": label, "id": 1}).to_string()).collect();
    room.write("reviews.jsonl", json.join("\n"));
    room.write("reviews.data", reviews(60));
    room.train(&[]).succeeds();
    for (data, more) in [
        ("reviews.csv", &[("--text", "review"), ("--label", "stars")][..]),
        ("reviews.jsonl", &[("--text", "review"), ("--label", "stars")]),
        ("reviews.data", &[("--format", "tsv")]),
        ("reviews.data", &[]),
    ] {
        let options = [&[("--out", "other"), ("--force", "")], more].concat();
        room.train_on(data, &options).succeeds();
        assert!(room.read("out/model.safetensors") == room.read("other/model.safetensors"), "{data}");
    }
}

#[test]
fn three_classes_validation_file_and_patience() {
    let room = Room::new();
    let third = reviews(30).replace("\tgood", "\t10").replace("\tbad", "\t9") + &"so so\t8\n".repeat(15);
    room.write("reviews.tsv", &third);
    // Labels the wrong way round: the better the training, the worse the validation.
    room.write("valid.tsv", third.replace("\t10", "\tx").replace("\t9", "\t10").replace("\tx", "\t9"));
    let run = room
        .train(&[("--valid", "valid.tsv"), ("--epochs", "40"), ("--patience", "2"), ("--slices", "rnn")])
        .succeeds();
    assert!(run.err.contains("data: 45 sequences to train, 45 to validate\n"), "{}", run.err);
    assert!(run.err.contains("stopped: the validation did not improve any more"), "{}", run.err);
    assert_eq!(room.json("out/config.json")["tells"]["class"], json!(["8", "9", "10"]));
    let best: Vec<bool> = room
        .text("out/metrics.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["best"].as_bool().unwrap())
        .collect();
    assert!(best.len() < 40 && best.ends_with(&[true, false, false]), "{best:?}");
}

#[test]
fn word_vectors_are_taken_and_kept() {
    let room = Room::with_reviews();
    room.write("vectors.txt", "great 1 2 3 4 5 6\nnobody 0 0 0 0 0 0\nfilm 6 5 4 3 2 1.5\n");
    let run = room.train(&[("--vectors", "vectors.txt"), ("--freeze-embedding", "")]).succeeds();
    assert!(run.err.contains("word vectors: for 2 of "), "{}", run.err);
    let bytes = room.read("out/model.safetensors");
    let embedding = SafeTensors::deserialize(&bytes).unwrap().tensor("embedding.weight").unwrap().data().to_vec();
    let word = room.json("out/tokenizer.json")["model"]["vocab"]["film"].as_u64().unwrap() as usize;
    let row: Vec<f32> = bytemuck::pod_collect_to_vec(&embedding[word * 24..][..24]);
    assert_eq!(row, [6.0, 5.0, 4.0, 3.0, 2.0, 1.5]);
}
