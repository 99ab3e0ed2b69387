//! Sequences of numbers on the command line: every format and task, and data that does not fit.

use crate::room::{Room, Run, training_on_numbers, zip};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use srnn::data::{RawInputs, ReadOptions, npy_bytes};

const ROWS: usize = 60;
const STEPS: usize = 16;

/// `[60, 16, 2]`: row 2i swings below 0 and row 2i + 1 above, in the first column.
fn values() -> Vec<f32> {
    let value = |at: usize| {
        let (row, step, column) = (at / (2 * STEPS), at / 2 % STEPS, at % 2);
        let wave = ((row * 7 + step * 3 + column) as f32).sin();
        if column == 0 { wave + if row % 2 == 0 { -1.0 } else { 1.0 } } else { 5.0 * wave }
    };
    (0..ROWS * STEPS * 2).map(value).collect()
}

/// The labels as IDX, for which NumPy is not needed.
fn idx(shape: &[usize], bytes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|&size| file.extend((size as u32).to_be_bytes()));
    file.extend(bytes);
    file
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    zip(&arrays.iter().map(|(name, bytes)| (format!("{name}.npy"), bytes)).collect::<Vec<_>>())
}

fn x() -> Vec<u8> {
    npy_bytes(&[ROWS, STEPS, 2], &values()).unwrap()
}

/// A room with `x.npy`, its classes in `y` and numbers to tell of it in `sums.npy`.
fn room() -> Room {
    let room = Room::new();
    room.write("x.npy", x());
    room.write("y", idx(&[ROWS], (0..ROWS).map(|row| (row % 2) as u8)));
    let sums: Vec<f32> = values().chunks(2 * STEPS).map(|row| row.iter().step_by(2).sum()).collect();
    room.write("sums.npy", npy_bytes(&[ROWS], &sums).unwrap());
    let marks: Vec<f32> = (0..3 * ROWS).map(|at| ((at / 3 % 2 + at) % 3 % 2) as f32).collect();
    room.write("marks.npy", npy_bytes(&[ROWS, 3], &marks).unwrap());
    room
}

fn train(room: &Room, data: &str, options: &[(&str, &str)]) -> Run {
    let options = [&[("--epochs", "8"), ("--learning-rate", "0.05")], options].concat();
    room.command().args(training_on_numbers(data, &options)).into()
}

fn lines(run: &Run) -> Vec<Value> {
    run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn classes_of_an_array() {
    let room = room();
    let run = train(&room, "x.npy", &[("--labels", "y")]).succeeds();
    assert!(run.err.contains("2 classes, steps of 2 numbers, ") && run.err.contains(" steps/s"), "{}", run.err);
    assert!(!room.has("out/tokenizer.json"));
    let config = room.json("out/config.json");
    assert_eq!((&config["network"]["input"], &config["network"]["vocabulary"]), (&json!("numbers"), &json!(0)));
    let names = room.read("out/model.safetensors");
    assert!(SafeTensors::deserialize(&names).unwrap().tensor("embedding.weight").is_err());

    let run = room.srnn("eval out x.npy --labels y --device cpu --json").succeeds();
    assert!(lines(&run)[0]["accuracy"].as_f64().unwrap() > 0.95, "{}", run.out);
    let run = room.srnn("predict out x.npy --device cpu").succeeds();
    let told = lines(&run);
    assert_eq!(told.len(), ROWS);
    assert!(told.iter().enumerate().filter(|(row, line)| line["label"] == ["0", "1"][row % 2]).count() > 56);

    room.srnn("embed out x.npy --device cpu --out states.npy").succeeds();
    let states = ReadOptions::default().read(&room.path("states.npy").as_path().into(), false).unwrap();
    let RawInputs::Numbers(sequences) = states.inputs else { unreachable!() };
    let all = || (0..sequences.len()).flat_map(|row| sequences.row(row));
    assert_eq!(all().count(), 5 * ROWS);
    assert!(all().all(|state| state.abs() <= 1.0));
    room.srnn("embed out x.npy --device cpu --out states.npy").refused("states.npy is there already");
}

#[test]
fn archives_with_lengths_and_classes() {
    let room = room();
    let lengths: Vec<f32> = (0..ROWS).map(|row| (1 + row % STEPS) as f32).collect();
    let array = |values: &[f32]| npy_bytes(&[ROWS], values).unwrap();
    let halves: Vec<f32> = lengths.iter().map(|length| length / 2.0).collect();
    room.write("h.npz", npz(&[("x", x()), ("y", array(&halves))]));
    train(&room, "h.npz", &[]).refused("h.npz: its labels are numbers, not classes: say --task regression");
    room.write("a.npz", npz(&[("x", x()), ("y", array(&lengths))]));
    // Whole numbers may be classes, also as floats, and also in a column.
    let column = npy_bytes(&[ROWS, 1], &lengths.iter().map(|length| length % 2.0).collect::<Vec<_>>()).unwrap();
    room.write("c.npz", npz(&[("x", x()), ("y", column)]));
    let run = train(&room, "c.npz", &[("--out", "whole")]).succeeds();
    assert!(run.err.contains("  classes: `") && run.err.contains("`0` (") && run.err.contains("`1` ("), "{}", run.err);
    let run = train(&room, "a.npz", &[("--task", "regression")]).succeeds();
    assert!(run.out.contains("validation R² "), "{}", run.out);
    room.write("b.npz", npz(&[("x", x()), ("targets", array(&lengths))]));
    let others = [("--valid", "x.npy"), ("--test", "x.npy"), ("--labels", "y"), ("--out", "c")];
    train(&room, "x.npy", &others).refused("x.npy: has no labels: give their file with --labels (--valid-labels, ");
    let theirs = [("--valid-labels", "y"), ("--test-labels", "y")];
    train(&room, "x.npy", &[&others[..], &theirs].concat()).succeeds();
    room.srnn("train --resume c --epochs 9 --device cpu").succeeds();
    train(&room, "x.npy", &[("--valid-labels", "y"), ("--out", "d")]).misused("required arguments were not provided");
    train(&room, "b.npz", &[("--out", "b")]).refused("b.npz: has no labels: give their file with --labels");
    room.srnn("predict out b.npz --device cpu").succeeds();
    // Labels that nobody needs may be wrong.
    room.write("c.npz", npz(&[("x", x()), ("y", npy_bytes(&[2], &[1.0, 2.0]).unwrap())]));
    room.srnn("predict out c.npz --device cpu").succeeds();
    room.srnn("embed out c.npz --device cpu --out c.npy").succeeds();
    room.srnn("eval out c.npz --device cpu").refused("c.npz: ");
    room.srnn("predict out x.npy --labels y --device cpu").refused("--labels: this command reads no labels");

    let small: Vec<f32> = values().iter().map(|value| 1e-3 * value).collect();
    room.write("small.npy", npy_bytes(&[ROWS, STEPS, 2], &small).unwrap());
    train(&room, "small.npy", &[("--out", "small"), ("--labels", "y")]).succeeds();
    room.write("far.npy", npy_bytes(&[1, 1, 2], &[f32::MAX, 0.0]).unwrap());
    room.srnn("predict small far.npy --device cpu").refused("far.npy: row 0: its numbers are too far from those");
}

#[test]
fn numbers_to_tell() {
    let room = room();
    let options = [("--task", "regression"), ("--labels", "sums.npy"), ("--epochs", "30")];
    let run = Run::from(room.command().args(training_on_numbers("x.npy", &options))).succeeds();
    assert!(run.err.contains("1 number to tell") && !run.err.contains("accuracy"), "{}", run.err);
    let run = room.srnn("eval out x.npy --labels sums.npy --device cpu --json").succeeds();
    let [r2, rmse] = ["r2", "rmse"].map(|name| lines(&run)[0]["numbers"][0][name].as_f64().unwrap());
    assert!(r2 > 0.8 && r2 <= 1.0, "{}", run.out);
    // In the units of the data, whose deviation is far from the 1 of normalised ones.
    assert!(rmse / (1.0 - r2).sqrt() > 2.0, "{}", run.out);
    // Told in the units of the data, not normalised ones.
    let run = room.srnn("predict out x.npy --device cpu").succeeds();
    let largest = lines(&run).iter().map(|line| line["values"][0].as_f64().unwrap().abs()).fold(0.0, f64::max);
    assert!(largest > 8.0, "{largest}");
    room.srnn("eval out x.npy --labels marks.npy --device cpu")
        .refused("x.npy: it has 3 numbers to tell a row, and the model tells 1");
}

#[test]
fn several_labels_at_once() {
    let room = room();
    let run = train(&room, "x.npy", &[("--task", "labels"), ("--labels", "marks.npy")]).succeeds();
    assert!(run.err.contains("all labels right ") && run.out.contains("validation micro F1 "), "{}", run.err);
    let run = room.srnn("eval out x.npy --labels marks.npy --device cpu").succeeds();
    assert!(run.out.contains("macro F1 "), "{}", run.out);
    train(&room, "x.npy", &[("--task", "labels"), ("--labels", "sums.npy"), ("--out", "b")])
        .refused(": each is 0 or 1");

    room.write("tags.tsv", "text\tlabel\n".to_string() + &"good film\tfun,long\ndull film\tlong\nfilm\t\n".repeat(20));
    room.train_on("tags.tsv", &[("--task", "labels"), ("--out", "tags")]).succeeds();
    assert_eq!(room.json("tags/config.json")["tells"]["labels"], json!(["fun", "long"]));
    let run: Run = room.command().args(["predict", "tags", "--device", "cpu"]).write_stdin("dull film\n").into();
    assert!(run.succeeds().out.contains("\"long\""));
    room.write("unknown.tsv", "text\tlabel\nfilm\tlong, short\n");
    room.srnn("eval tags unknown.tsv --device cpu")
        .refused("unknown.tsv:2: has the label `short`, and the labels are `fun`, `long`");
    room.srnn("eval out tags.tsv --device cpu")
        .refused("tags.tsv: the model reads numbers, and this is text: give .npy, .npz or IDX");
    room.srnn("predict out tags.tsv --device cpu")
        .refused("tags.tsv: the model reads numbers, and this is text: give .npy, .npz or IDX");
}

#[test]
fn series_by_their_text_and_images_by_rows() {
    let room = room();
    let row = |(row, values): (usize, &[f32])| {
        let numbers: Vec<String> = values.iter().step_by(2).map(f32::to_string).collect();
        format!("{}\t{}\n", row % 2, numbers.join("\t"))
    };
    room.write("u.tsv", values().chunks(2 * STEPS).enumerate().map(row).collect::<String>());
    train(&room, "u.tsv", &[("--format", "ucr")]).succeeds();
    let run = room.srnn("eval out u.tsv --format ucr --device cpu --json").succeeds();
    assert!(lines(&run)[0]["accuracy"].as_f64().unwrap() > 0.9, "{}", run.out);

    let images = (0..ROWS * 24).map(|at| if at / 24 % 2 == 0 { 20 } else { (at % 24 * 10) as u8 });
    room.write("t-images-idx3-ubyte", idx(&[ROWS, 6, 4], images));
    room.write("t-labels-idx1-ubyte", idx(&[ROWS], (0..ROWS).map(|row| (row % 2) as u8)));
    for (pixels, steps) in [("rows", "steps of 4 numbers, "), ("each", "steps of 1 number, ")] {
        let run = train(&room, "t-images-idx3-ubyte", &[("--pixels", pixels), ("--out", pixels)]).succeeds();
        assert!(run.err.contains(steps), "{}", run.err);
    }
    // A model knows what a step of its images was.
    room.srnn("eval rows t-images-idx3-ubyte --device cpu").succeeds();
    room.srnn("eval each t-images-idx3-ubyte --pixels rows --device cpu")
        .refused("its steps have 4 numbers, and the model reads steps of 1");
}

#[test]
fn every_part_of_the_family_trains() {
    let room = room();
    let networks: [&[(&str, &str)]; 5] = [
        &[("--cell", "lstm"), ("--direction", "both"), ("--pool", "max"), ("--context", "2")],
        &[("--cell", "rnn"), ("--candidate", "relu"), ("--pool", "mean"), ("--clip", "1")],
        &[("--reset", "before"), ("--candidate", "identity"), ("--direction", "backward")],
        &[("--layers", "2"), ("--heads", "5"), ("--pool", "attention"), ("--head-pool", "last"), ("--dropout", "0.2")],
        &[
            ("--optimiser", "sgd"),
            ("--schedule", "step:2:0.5"),
            ("--label-smoothing", "0.1"),
            ("--class-weights", "balanced"),
        ],
    ];
    for (number, options) in networks.into_iter().enumerate() {
        let out = format!("out{number}");
        let run = train(&room, "x.npy", &[&[("--labels", "y"), ("--out", &out)], options].concat()).succeeds();
        room.srnn(&format!("eval {out} x.npy --labels y --device cpu")).succeeds();
        assert!(!run.err.contains("skipped"), "{}", run.err);
    }
}

#[test]
fn bytes_and_the_paper() {
    let room = Room::with_reviews();
    room.train(&[("--tokens", "bytes"), ("--length", "64")]).succeeds();
    for (option, value) in [("--vocabulary", "100"), ("--min-count", "1"), ("--vectors", "none")] {
        let run = room.train(&[("--tokens", "bytes"), ("--out", "b"), (option, value)]);
        run.refused(&format!("{option} is for words, and --tokens bytes was said"));
    }
    let run: Run = room.command().args(["predict", "out", "--device", "cpu"]).write_stdin("caf\u{e9}\n").into();
    run.succeeds();
    let paper = ["train", "reviews.tsv", "--preset", "paper", "--epochs", "1", "--device", "cpu", "--out", "paper"];
    Run::from(room.command().args(paper)).succeeds();
    let network = &room.json("paper/config.json")["network"];
    let expected = json!(["gru", "before", "identity", "8x2", 512, 200, 50, "unmasked"]);
    let names = ["cell", "reset", "activation", "slicing", "length", "embedding", "hidden", "padding"];
    assert_eq!(json!(names.map(|name| network[name].clone())), expected);
    // What is given goes before the preset.
    Run::from(room.command().args(paper).args(["--hidden", "9", "--force"])).succeeds();
    let network = &room.json("paper/config.json")["network"];
    assert_eq!((&network["hidden"], &network["reset"]), (&json!(9), &json!("before")));
}

#[test]
fn data_that_does_not_fit() {
    let room = room();
    let mut broken = values();
    broken[3 * 2 * STEPS + 4 * 2 + 1] = f32::NAN;
    room.write("nan.npy", npy_bytes(&[ROWS, STEPS, 2], &broken).unwrap());
    room.write("wide.npy", npy_bytes(&[2, 4, 3], &[0.5; 24]).unwrap());
    room.write("few", idx(&[3], [0, 1, 0]));
    room.write("other", idx(&[ROWS], [0, 7].repeat(ROWS / 2)));
    room.write("reviews.tsv", crate::room::reviews(60));
    train(&room, "x.npy", &[("--labels", "y")]).succeeds();
    room.train(&[("--out", "texts")]).succeeds();
    let before = room.contents(".");
    let fresh = |data: &str, options: &[(&str, &str)], words: &str| {
        train(&room, data, &[options, &[("--out", "b")]].concat()).refused(words);
    };
    fresh("nan.npy", &[("--labels", "y")], "nan.npy: row 3, step 4, column 1 is NaN: ");
    fresh("x.npy", &[], "x.npy: has no labels: ");
    fresh("x.npy", &[("--labels", "few")], "few: has 3 targets for the 60 sequences of ");
    fresh(
        "reviews.tsv",
        &[("--labels", "y")],
        "reviews.tsv: a table has its labels in a column: leave out the file of labels",
    );
    fresh("x.npy", &[("--labels", "y"), ("--tokens", "bytes")], "--tokens is for texts, and the data is numbers");
    for (option, value) in [("--embedding", "3"), ("--vocabulary", "100"), ("--min-count", "1"), ("--vectors", "y")] {
        fresh(
            "x.npy",
            &[("--labels", "y"), (option, value)],
            &format!("{option} is for texts, and the data is numbers"),
        );
    }
    fresh("x.npy", &[("--labels", "y"), ("--word-dropout", "0.1")], "--word-dropout is for texts");
    fresh("x.npy", &[("--labels", "y"), ("--slices", "64x3")], "64x3");
    fresh(
        "x.npy",
        &[("--labels", "y"), ("--slices", "rnn"), ("--context", "2")],
        "has one slice, which misses nothing",
    );
    fresh("x.npy", &[("--labels", "sums.npy")], "its labels are numbers, not classes");
    for (command, words) in [
        ("eval out wide.npy --labels few", "few: has 3 targets for the 2 sequences of "),
        ("predict out wide.npy", "wide.npy: its steps have 3 numbers, and the model reads steps of 2"),
        ("eval out x.npy --labels other", "has the label `7`, and the classes are `0`, `1`"),
        ("eval out reviews.tsv", "reviews.tsv: the model reads numbers, and this is text: give .npy, .npz or IDX"),
        ("eval texts x.npy --labels y", "x.npy: it holds numbers, and the model reads text"),
        ("embed texts x.npy --out e.npy", "x.npy: it holds numbers, and the model reads text"),
    ] {
        room.srnn(&format!("{command} --device cpu")).refused(words);
    }
    assert_eq!(room.contents("."), before);
}
