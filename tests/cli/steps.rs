//! Every step on the command line: tags and series, from every format, and data that does not fit.

use crate::room::{Room, Run, training, training_on_numbers, zip};
use serde_json::{Value, json};
use srnn::data::npy_bytes;
use std::fmt::Write;

/// Sentences whose tags need what came before: a name is one of `PER` behind "Mr" and of `LOC` behind "in", and goes on over "of".
fn tagged(sentences: usize) -> Vec<Vec<(&'static str, &'static str)>> {
    let names = [("Hill", "of"), ("Brook", "and"), ("Field", "of")];
    let sentence = |at: usize| {
        let ((name, between), person) = (names[at % 3], (at / 3).is_multiple_of(2));
        let mut words = vec![("so", "O"); at % 4];
        words.push((if person { "Mr" } else { "in" }, "O"));
        words.push((name, if person { "B-PER" } else { "B-LOC" }));
        if between == "of" {
            words.push(("of", if person { "I-PER" } else { "I-LOC" }));
        }
        words.push(("went", "O"));
        words
    };
    (0..sentences).map(sentence).collect()
}

fn conll(sentences: usize) -> String {
    let sentence =
        |words: Vec<(&str, &str)>| words.iter().map(|(word, tag)| format!("{word} _ {tag}\n")).collect::<String>();
    tagged(sentences).into_iter().map(sentence).collect::<Vec<_>>().join("\n")
}

fn train(room: &Room, data: &str, options: &[(&str, &str)]) -> Run {
    let usual = [("--task", "tags"), ("--epochs", "12"), ("--learning-rate", "0.05"), ("--min-count", "1")];
    let usual: Vec<_> = usual.into_iter().filter(|(name, _)| options.iter().all(|(other, _)| other != name)).collect();
    room.command().args(training(data, &[&usual[..], options].concat())).into()
}

fn eval(room: &Room, data: &str) -> Value {
    let run = room.srnn(&format!("eval out {data} --json --device cpu")).succeeds();
    serde_json::from_str(&run.out).unwrap()
}

#[test]
fn tags_are_learnt_told_and_measured() {
    let room = Room::new();
    room.write("all.conll", conll(72));
    let run = train(&room, "all.conll", &[("--test", "all.conll"), ("--metric", "span-f1")]).succeeds();
    assert!(run.out.contains("span F1 1.0000") && run.out.contains("| PER "), "{}", run.out);
    let told = eval(&room, "all.conll");
    assert_eq!((&told["accuracy"], &told["steps"]), (&json!(1.0), &json!(tagged(72).concat().len())));
    assert_eq!(told["spans"]["LOC"], json!({"hits": 36, "false_alarms": 0, "misses": 0}));
    // As lines of words, as CoNLL text, and as a table.
    room.write("lines", "so so Mr Hill of went\n\nin Brook went\n");
    let run = room.srnn("predict out lines --device cpu").succeeds();
    let answers: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["tags"], json!(["O", "O", "O", "B-PER", "I-PER", "O"]));
    assert_eq!((&answers[1]["tags"], &answers[2]["tokens"]), (&json!([]), &json!(["in", "Brook", "went"])));
    let run = room.srnn("predict out lines --as conll --device cpu").succeeds();
    assert!(run.out.ends_with("\n\nin\tO\nBrook\tB-LOC\nwent\tO\n\n"), "{}", run.out);
    let run = room.srnn("predict out all.conll --as csv --out told.csv --device cpu").succeeds();
    assert_eq!(run.out, "");
    assert!(
        room.text("told.csv").starts_with("sequence,step,token,predicted,probability\n1,1,Mr,O,"),
        "{}",
        room.text("told.csv")
    );
    room.srnn("embed out all.conll --out states.npy --device cpu").refused("the network tells of steps");
}

#[test]
fn tags_from_every_format() {
    let room = Room::new();
    let (mut lines, mut table) = (String::new(), String::from("word,tag\n"));
    for words in tagged(48) {
        let [tokens, tags] = [0, 1].map(|of| words.iter().map(|&(word, tag)| [word, tag][of]).collect::<Vec<_>>());
        writeln!(lines, "{}", json!({"tokens": tokens, "tags": tags})).unwrap();
        words.iter().for_each(|(word, tag)| writeln!(table, "{word},{tag}").unwrap());
        table += "\n";
    }
    room.write("all.jsonl", &lines);
    room.write("all.csv", &table);
    room.write("all.conll", conll(48));
    let told: Vec<Value> = [("all.jsonl", "tokens"), ("all.csv", "word"), ("all.conll", "1")]
        .into_iter()
        .map(|(data, text)| {
            train(&room, data, &[("--text", text), ("--force", "")]).succeeds();
            eval(&room, data)["loss"].clone()
        })
        .collect();
    assert_eq!((&told[0], &told[0]), (&told[1], &told[2]));
}

#[test]
fn without_the_downward_pass_slices_do_not_hear_of_one_another() {
    let room = Room::new();
    // The last tag is the first word's.
    let sentence = |at: usize| {
        let word = ["yes", "no"][at % 2];
        format!("{word} O\n{}x {word}\n", "so O\n".repeat(6))
    };
    room.write("all.conll", (0..60).map(sentence).collect::<Vec<_>>().join("\n"));
    let accuracy = |options: &[(&str, &str)]| {
        train(
            &room,
            "all.conll",
            &[
                &[
                    ("--length", "8"),
                    ("--slices", "4x1"),
                    ("--force", ""),
                    ("--epochs", "80"),
                    ("--hidden", "16"),
                    ("--learning-rate", "0.01"),
                    ("--valid", "all.conll"),
                ],
                options,
            ]
            .concat(),
        )
        .succeeds();
        eval(&room, "all.conll")["accuracy"].as_f64().unwrap()
    };
    assert_eq!(accuracy(&[]), 1.0);
    // One of eight steps is half guessed.
    assert_eq!(accuracy(&[("--no-downward", "")]), 15.0 / 16.0);
}

#[test]
fn long_sequences_are_read_in_windows_and_nothing_is_lost() {
    let room = Room::new();
    let long: String = conll(60).replace("\n\n", "\n");
    room.write("long.conll", &long);
    // The end of the only sequence is held out.
    let run = train(&room, "long.conll", &[("--overlap", "6"), ("--epochs", "30")]).succeeds();
    let steps = long.lines().count();
    assert!(run.err.contains("data: 28 windows to train, 3 to validate"), "{}", run.err);
    let told = eval(&room, "long.conll");
    assert_eq!(told["steps"], json!(steps));
    assert!(told["accuracy"].as_f64().unwrap() > 0.95, "{told}");
    let run = room.srnn("predict out long.conll --device cpu").succeeds();
    let answer: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(answer["tags"].as_array().unwrap().len(), steps);
    // What was stopped goes on with the same windows.
    let run = room.srnn("train --resume out --epochs 31 --device cpu").succeeds();
    assert!(run.err.contains("going on at epoch 31"), "{}", run.err);
}

fn wave(at: usize, step: usize) -> [f32; 2] {
    let t = (at * 5 + step) as f32;
    [(t / 3.0).sin(), (t / 5.0).cos()]
}

#[test]
fn series_of_arrays_and_forecasts_of_tables() {
    let room = Room::new();
    let (count, steps) = (40, 20);
    let all = |of: &dyn Fn(usize, usize) -> Vec<f32>| -> Vec<f32> {
        (0..count).flat_map(|at| (0..steps).map(move |step| (at, step))).flat_map(|(at, step)| of(at, step)).collect()
    };
    let x = npy_bytes(&[count, steps, 2], &all(&|at, step| wave(at, step).to_vec())).unwrap();
    // The sum of the first number so far.
    let sum = |at: usize, step: usize| vec![(0..=step).map(|step| wave(at, step)[0]).sum::<f32>()];
    let y = npy_bytes(&[count, steps], &all(&sum)).unwrap();
    room.write("all.npz", zip(&[("x.npy", x), ("y.npy", y)]));
    let options = [("--task", "series"), ("--epochs", "40"), ("--learning-rate", "0.02"), ("--length", "20")];
    let run: Run = room.command().args(training_on_numbers("all.npz", &options)).into();
    run.succeeds();
    assert!(eval(&room, "all.npz")["numbers"][0]["r2"].as_f64().unwrap() > 0.9);
    let run = room.srnn("predict out all.npz --as npy --out told.npy --device cpu").succeeds();
    assert_eq!((run.out.as_str(), room.read("told.npy").len()), ("", 128 + 4 * count * steps));

    let table: String =
        (0..400).map(|step| format!("day {step},{},{}\n", wave(0, step)[0], wave(0, step)[1])).collect();
    room.write("days.csv", format!("day,a,b\n{table}"));
    let forecast =
        [("--task", "series"), ("--ahead", "3"), ("--epochs", "40"), ("--learning-rate", "0.02"), ("--force", "")];
    let run: Run = room.command().args(training_on_numbers("days.csv", &forecast)).into();
    let err = run.succeeds().err;
    assert!(err.contains("columns that are no numbers are left alone: `day`"), "{err}");
    let run = room.srnn("eval out days.csv --season 19 --json --device cpu").succeeds();
    let told: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(told["steps"], json!(397));
    for column in 0..2 {
        let error = |value: &Value| value[column]["rmse"].as_f64().unwrap();
        assert!(error(&told["numbers"]) < 0.5 * error(&told["naive"]["last value"]), "{told}");
    }
    // A wave of 18.85 steps: a season of 19 is nearly the same again.
    assert!(told["naive"]["season of 19"][0]["rmse"].as_f64().unwrap() < 0.2, "{told}");
    let run = room.srnn("predict out days.csv --device cpu").succeeds();
    let answer: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((answer["values"].as_array().unwrap().len(), answer["values"][0].as_array().unwrap().len()), (400, 2));
}

#[test]
fn whole_numbers_are_tags_or_a_series_and_any_token_is_one() {
    let room = Room::new();
    let counts: String = (0..90).map(|step| format!("{},{}\n", step % 9, step / 9 % 3)).collect();
    room.write("counts.csv", format!("x,y\n{counts}"));
    for task in ["series", "tags"] {
        let options = [("--task", task), ("--label", "y"), ("--force", ""), ("--pool", "max")];
        let run: Run = room.command().args(training_on_numbers("counts.csv", &options)).into();
        run.succeeds();
        room.srnn("eval out counts.csv --device cpu").succeeds();
    }
    let tokens = ["[UNK]", "[PAD]", "##a-x", "\",\"", "\"\"\"\"", "word", "a b"];
    let sentence = tokens.iter().zip(["A", "B"].into_iter().cycle());
    let table: String = sentence.map(|(token, tag)| format!("{token},{tag}\n")).collect();
    room.write("odd.csv", format!("token,tag\n{}", format!("{table}\n").repeat(30)));
    train(&room, "odd.csv", &[("--force", ""), ("--endings", "yes")]).succeeds();
    let run = room.srnn("predict out odd.csv --device cpu").succeeds();
    let answer: Value = serde_json::from_str(run.out.lines().next().unwrap()).unwrap();
    assert_eq!(answer["tokens"], json!(["[UNK]", "[PAD]", "##a-x", ",", "\"", "word", "a b"]));
}

#[test]
fn what_does_not_fit_is_refused() {
    let room = Room::new();
    // All of `_` would be one tag.
    room.write("all.conll", conll(30).replace("so _", "so z"));
    room.write("odd.jsonl", "{\"tokens\": [\"a\", \"b\"], \"tags\": [\"X\"]}\n");
    train(&room, "odd.jsonl", &[]).refused("odd.jsonl:1: has 2 tokens and 1 tags: each token has one");
    room.write("short.conll", "a X\nb\n");
    train(&room, "short.conll", &[]).refused("short.conll:2: has 1 columns, and 2 are needed");
    room.write("nan.csv", "a,tag\n1,x\nnone,y\n");
    let numbers = |data: &str, options: &[(&str, &str)]| -> Run {
        room.command().args(training_on_numbers(data, &[&[("--task", "tags")], options].concat())).into()
    };
    numbers("nan.csv", &[]).refused("nan.csv:3: column `a`: `none` is not a finite number");
    room.write("wide.csv", "a,tag\n1,x\n1,2,y\n");
    numbers("wide.csv", &[]).refused("wide.csv:3: has 3 fields, and the table 2 columns");
    for (options, words) in [
        (&[("--task", "class"), ("--no-downward", "")][..], "--no-downward is for every step"),
        (&[("--ahead", "2")], "--ahead is for every step: say --task series"),
        (&[("--tokens", "words")], "--tokens is for texts, and tokens are given where steps are told of"),
        (&[("--head-pool", "max")], "head pooling is for sequences"),
        (&[("--metric", "auc")], "metric auc: it must be accuracy, macro-f1, span-f1 or loss"),
        (&[("--task", "series"), ("--ahead", "2"), ("--direction", "both")], "a forecast reads forward"),
        (&[("--padding", "unmasked")], "steps of padding"),
        (&[("--metric", "span-f1"), ("--label", "2")], "another one: the tags mark no spans"),
        (&[("--skip-bad-rows", "")], "without a row the others of its sequence would be told wrongly"),
    ] {
        train(&room, "all.conll", options).refused(words);
    }
    train(&room, "all.conll", &[]).succeeds();
    room.write("other.conll", "so _ O\n\nso _ O\nMr _ B-ORG\n");
    let words =
        "other.conll:3: the sequence that begins here has the tag `B-ORG` at step 2, and the tags are `B-LOC`, `B-PER`";
    room.srnn("eval out other.conll --device cpu").refused(words);
    room.srnn("eval out all.conll --season 3 --device cpu").refused("--season is for forecasts");
    room.write("numbers.csv", "a,tag\n1,O\n");
    room.srnn("eval out numbers.csv --device cpu").refused("numbers.csv: it holds numbers, and the model reads text");
    room.write("reviews.tsv", crate::room::reviews(20));
    room.srnn("predict out all.conll --as npy --device cpu").refused("an array needs sequences of one length");
}
