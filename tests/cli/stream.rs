//! Streams on the command line: the same as `predict` says, many of them, their states, and what cannot stream.

use crate::room::{Room, training};
use serde_json::{Value, json};

/// Options of a network that can stream.
const STREAMS: [(&str, &str); 2] = [("--align", "start"), ("--direction", "forward")];

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn stream(room: &Room, options: &str, input: &str) -> Vec<Value> {
    let mut command = room.command();
    let run: crate::room::Run = command.arg("stream").args(options.split(' ')).write_stdin(input).into();
    lines(&run.succeeds().out)
}

#[test]
fn a_stream_says_what_predict_says() {
    let room = Room::with_reviews();
    room.train(&STREAMS).succeeds();
    let words = "the film was long great and fine the film was long the film was long awful and dull so it was";
    let words: Vec<&str> = words.split(' ').collect();
    let prefixes: String = (1..=words.len()).map(|count| words[..count].join(" ") + "\n").collect();
    room.write("prefixes", prefixes);
    let expected = lines(&room.srnn("predict out prefixes --device cpu").succeeds().out);
    let said = stream(&room, "out", &(words.join("\n") + "\n"));
    assert_eq!(said.len(), words.len());
    for (at, (said, expected)) in said.iter().zip(&expected).enumerate() {
        assert_eq!((&said["steps"], &said["label"]), (&json!(at + 1), &expected["label"]), "{said}");
        let good = |value: &Value| value["probabilities"]["good"].as_f64().unwrap();
        assert!((good(said) - good(expected)).abs() < 3e-6, "{said} {expected}");
    }
    // In a line, now and then, and the end.
    let some = stream(&room, "out --every 8", &words.join(" "));
    assert_eq!(some, [&said[7], &said[15], &said[words.len() - 1]].map(Value::clone));
    // From where another run stopped, under a name among others.
    let named = |own: &[&str], name: &str| own.iter().map(|word| format!("{name}\t{word}\n")).collect::<String>();
    let (first, rest) = words.split_at(9);
    let before = stream(&room, "out --names --every 0 --state s", &(named(first, "a") + &named(&["dull"], "b")));
    assert_eq!((before.len(), &before[0]["stream"], &before[0]["label"]), (2, &json!("a"), &said[8]["label"]));
    let after = stream(&room, "out --names --every 0 --state s", &named(rest, "a"));
    let (own, expected) = (&after[0]["probabilities"], &said[words.len() - 1]["probabilities"]);
    assert_eq!((own, &after[1]["steps"]), (expected, &json!(1)));
}

#[test]
fn tags_are_told_step_by_step() {
    let room = Room::new();
    let sentence = |at: usize| format!("{} A\nx {}\n", ["one", "two"][at % 2], ["B", "C"][at % 2]);
    room.write("all.conll", (0..40).map(sentence).collect::<Vec<_>>().join("\n"));
    let tags = [("--task", "tags"), ("--min-count", "1"), ("--epochs", "20"), ("--length", "8")];
    room.command().args(training("all.conll", &[&STREAMS[..], &tags].concat())).assert().success();
    let said = stream(&room, "out", "two\nx\n");
    assert_eq!(said.iter().map(|own| own["tag"].clone()).collect::<Vec<_>>(), ["A", "C"]);
}

#[test]
fn what_was_read_is_kept_whatever_ends_a_stream() {
    let room = Room::with_reviews();
    room.train(&STREAMS).succeeds();
    // A line without a name; then the end, and nothing at all.
    let state = |input: &str, code: i32| {
        let mut command = room.command();
        let run: crate::room::Run =
            command.args(["stream", "out", "--names", "--every", "0", "--state", "s"]).write_stdin(input).into();
        assert_eq!(run.code, Some(code), "{}", run.err);
        lines(&run.out)
    };
    state("", 0);
    assert_eq!(state("a\tgood film\nbroken\n", 1).len(), 0);
    assert_eq!(state("a\tbad\n", 0)[0]["steps"], json!(3));
    assert_eq!(state("", 0).len(), 1);
}

#[test]
fn what_cannot_stream_is_refused() {
    let room = Room::with_model();
    room.srnn("stream model reviews.tsv").refused("train it with --align start");
    room.train(&[("--align", "start"), ("--direction", "both")]).succeeds();
    room.srnn("stream out reviews.tsv").refused("train it with --direction forward");
    room.train(&[&STREAMS[..], &[("--pool", "attention"), ("--head-pool", "attention"), ("--force", "")]].concat())
        .succeeds();
    room.srnn("stream out reviews.tsv").refused("attention weighs all outputs");
    room.train(&[&STREAMS[..], &[("--force", "")]].concat()).succeeds();
    room.write("lines", "a b\n");
    room.srnn("stream out lines --names").refused("lines:1: has no name of a stream");
    room.write("state", "nothing");
    room.srnn("stream out lines --state state").refused("this is no file of states of streams");
    room.srnn("stream out lines --state s2").succeeds();
    room.train(&[&STREAMS[..], &[("--hidden", "6"), ("--force", "")]].concat()).succeeds();
    room.srnn("stream out lines --state s2").refused("the states are those of another model");
}

#[test]
fn rows_of_numbers() {
    let room = Room::new();
    let table: String = (0..300).map(|at| format!("{},{}\n", (at as f32 / 3.0).sin(), at % 7)).collect();
    room.write("all.csv", format!("a,b\n{table}"));
    let options = [("--task", "series"), ("--ahead", "1"), ("--align", "start")];
    room.command().args(crate::room::training_on_numbers("all.csv", &options)).assert().success();
    // As the table begins.
    room.write("rows", "a,b\n0.1,2\n0.2 3\n\n0.3;4\n");
    let said = lines(&room.srnn("stream out rows").succeeds().out);
    assert_eq!((said.len(), said[2]["values"].as_array().unwrap().len()), (3, 2));
    for (text, words) in [
        ("0.1\n", "rows:1: has 1 numbers, and the model reads steps of 2"),
        ("0.1,2\n0.1,x\n", "rows:2: `x` is not a finite number"),
        ("0.1,nan\n", "rows:1: `nan` is not a finite number"),
    ] {
        room.write("rows", text);
        let run = room.srnn("stream out rows");
        assert!(run.err.contains(words) && run.code == Some(1), "{}", run.err);
    }
}
