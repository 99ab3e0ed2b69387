//! Files that are damaged, hostile or just unusual: the right answer or one error, and little memory.

use crate::room::{Room, Run, reviews};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use std::io::Write;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// Timestamps around now, whose classes differ by half a minute: in f32 they are all the same.
#[test]
fn what_varies_in_large_numbers_is_learnt() {
    let room = Room::new();
    let line = |row: u32| {
        let values: Vec<String> =
            (0..8).map(|step| format!("{}", 1.7e9 + f64::from(row % 2 * 30 + (row * 7 + step * 5) % 11))).collect();
        format!("{}\t{}\n", ["early", "late"][row as usize % 2], values.join("\t"))
    };
    room.write("times.tsv", (0..120).map(line).collect::<String>());
    let options = "train times.tsv --format ucr --device cpu --slices 2x1 --length 8 --hidden 5 --batch 8 --epochs 6 \
                   --learning-rate 0.02 --out out";
    room.srnn(&options.split_whitespace().collect::<Vec<_>>().join(" ")).succeeds();
    let run = room.srnn("eval out times.tsv --format ucr --device cpu --json").succeeds();
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert!(report["accuracy"].as_f64().unwrap() > 0.95, "{}", run.out);
    // Labels are not needed where none are told, `?` or nothing in their place.
    let bare = room.text("times.tsv").replace("early", "?").replace("late", "");
    room.write("bare.tsv", bare);
    let run = room.srnn("predict out bare.tsv --format ucr --device cpu").succeeds();
    let told: Vec<_> = run.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect();
    assert!(told.iter().enumerate().filter(|(row, line)| line["label"] == ["early", "late"][row % 2]).count() > 110);
    room.srnn("embed out bare.tsv --format ucr --device cpu --out states.npy").succeeds();
    room.srnn("eval out bare.tsv --format ucr --device cpu").refused("bare.tsv:1: has no label");
    let run: Run = room
        .command()
        .args("embed out bare.tsv --format ucr --device cpu --out -".split(' '))
        .output()
        .map(|output| {
            assert!(output.stdout == room.read("states.npy") && !room.has("-"));
            std::process::Output { stdout: vec![], ..output }
        })
        .unwrap()
        .into();
    run.succeeds();
}

#[test]
#[cfg(unix)]
fn bombs_are_refused_in_little_memory() {
    let room = Room::with_model();
    room.write("line.tsv.gz", packed(&[b"text\tlabel\n".to_vec(), vec![b'a'; 300 << 20]].concat()));
    room.write("lines.tsv.gz", packed(&[b"text\tlabel\n".to_vec(), b"a\tb\n".repeat(20 << 20)].concat()));
    room.write("line.tsv", [b"text\tlabel\n".to_vec(), vec![b'a'; 33 << 20]].concat());
    room.write("tabs.tsv", "\t".repeat(5 << 20));
    room.write("commas.csv", ",".repeat(5 << 20));
    for (name, words) in [
        ("line.tsv.gz", "line.tsv.gz:2: is a line longer than 32.0 MiB: if that is meant, --no-limits reads it"),
        ("lines.tsv.gz", "unpacks to what takes over 40 times its size: if that is meant, --no-limits reads it"),
        ("line.tsv", "line.tsv:2: is a line longer than 32.0 MiB"),
        ("tabs.tsv", "has over 10000 columns"),
        ("commas.csv", "has over 10000 columns"),
    ] {
        let command = format!("ulimit -v 700000; exec \"$0\" eval model {name} --device cpu");
        let run = Run::from(
            std::process::Command::new("sh")
                .args(["-c", &command, env!("CARGO_BIN_EXE_srnn")])
                .current_dir(room.path("."))
                .output()
                .unwrap(),
        );
        run.refused(words);
    }
    // Who means it says so.
    room.write("lines.tsv.gz", packed(&[b"text\tlabel\n".to_vec(), b"a fine film\tgood\n".repeat(300_000)].concat()));
    room.srnn("eval model lines.tsv.gz --device cpu").refused("--no-limits reads it");
    room.srnn("eval model lines.tsv.gz --device cpu --no-limits").succeeds();
    room.srnn("eval model line.tsv --device cpu --no-limits").refused("line.tsv:2: has 1 field, but the header has 2");
    room.srnn("eval model lines.tsv.gz --device cpu --no-limits --memory 9M")
        .refused("lines.tsv.gz: takes over 9.0 MiB of memory: raise --memory, or use less data");
}

/// Zeros behind gzip data are padding.
#[test]
fn padded_gzip_data() {
    let room = Room::with_model();
    room.write("padded.tsv.gz", [packed(reviews(20).as_bytes()), vec![0; 512]].concat());
    room.srnn("eval model padded.tsv.gz --device cpu").succeeds();
}

#[test]
fn labels_by_one_rule() {
    let room = Room::new();
    let table = |names: [&str; 2]| {
        let rows = (0..40).map(|row| format!("word{} of it, \"{}\"\n", row % 2, names[row % 2]));
        "text,label\n".to_string() + &rows.collect::<String>()
    };
    room.write("t.csv", table(["sp\u{200b}am", "1.0"]));
    room.train_on("t.csv", &[("--min-count", "1")]).succeeds();
    assert_eq!(room.json("out/config.json")["tells"], json!({"class": ["1", "spam"]}));
    // Labels as a model of an earlier version knows them, and several in one cell.
    room.uncheck("out");
    let config = room.text("out/config.json").replace("\"1\"", "\"1.0\"");
    room.write("out/config.json", config);
    room.srnn("eval out t.csv --device cpu").succeeds();
    let rows = (0..40).map(|row| format!("word{} of it\t{}\n", row % 2, ["1.0", "1.0, 2.0"][row % 2]));
    room.write("several.tsv", "text\tlabel\n".to_string() + &rows.collect::<String>());
    room.train_on("several.tsv", &[("--task", "labels"), ("--min-count", "1"), ("--out", "several")]).succeeds();
    assert_eq!(room.json("several/config.json")["tells"], json!({"labels": ["1", "2"]}));
    room.write("t.csv", table(["Spam", "spam"]));
    let run = room.train_on("t.csv", &[("--min-count", "1"), ("--out", "twins")]).succeeds();
    assert!(run.err.contains("t.csv: the labels `Spam` and `spam` look alike, and are two classes"), "{}", run.err);
}

#[test]
fn what_is_cut_is_told_and_what_could_steer_a_terminal_is_not() {
    let room = Room::with_reviews();
    let run = room.train(&[("--length", "4")]).succeeds();
    assert!(run.err.contains(" sequences have more steps than --length and lose their beginning: "), "{}", run.err);
    let run = room.train(&[("--length", "64"), ("--out", "whole")]).succeeds();
    assert!(!run.err.contains("lose their"), "{}", run.err);
    room.write("t.tsv", reviews(60).replace("\tgood", "\tgo\x1b[2Kod"));
    let run = room.train_on("t.tsv", &[("--out", "escapes")]).succeeds();
    let eval = room.srnn("eval escapes t.tsv --device cpu").succeeds();
    assert!(eval.out.contains("go\\u{1b}[2Kod") && !(eval.out + &run.err + &run.out).contains('\x1b'));
    let wrong = room.srnn("eval out t.tsv --device cpu");
    // A room shows the separator of Windows' paths as `/`.
    let escaped = "`go\\u{1b}[2Kod`".replace(std::path::MAIN_SEPARATOR, "/");
    assert!(wrong.err.contains(&escaped) && !wrong.err.contains('\x1b'), "{}", wrong.err);
}

#[test]
fn many_classes_are_told_by_those_that_are_confused() {
    let room = Room::new();
    let rows: String = (0..400).map(|row| format!("word{} and more\tclass{:02}\n", row % 20, row % 40)).collect();
    room.write("t.tsv", format!("text\tlabel\n{rows}"));
    room.train_on("t.tsv", &[("--min-count", "1")]).succeeds();
    let run = room.srnn("eval out t.tsv --device cpu").succeeds();
    assert!(run.out.contains("most often confused: true") && run.out.lines().count() < 80, "{}", run.out);
    let run = room.srnn("eval out t.tsv --device cpu --json").succeeds();
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["confusion"].as_array().unwrap().len(), 40);
}

#[test]
fn tokenizers_of_strangers() {
    let room = Room::with_model();
    room.uncheck("model");
    let tokenizer = room.json("model/tokenizer.json");
    for (part, value, words) in [
        (
            "pre_tokenizer",
            json!({"type": "FixedLength", "length": 0}),
            "its pre-tokenizer `FixedLength` is not read here",
        ),
        (
            "normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": "AAAAAAAAAAA="}),
            "its normalizer `Precompiled` is not read here",
        ),
        (
            "normalizer",
            json!({"type": "Sequence", "normalizers":
                vec![json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaa"}); 9]}),
            "its replacements may make a text over 16 times as long",
        ),
    ] {
        let mut changed = tokenizer.clone();
        changed[part] = value;
        room.write("model/tokenizer.json", changed.to_string());
        room.srnn("eval model reviews.tsv --device cpu").refused(&format!("model/tokenizer.json: {words}"));
    }
}

/// Without the memory that it needs, the command ends with one line, and a training leaves what it had saved.
#[test]
#[cfg(target_os = "linux")]
fn a_machine_without_memory_is_told_of() {
    let room = Room::with_reviews();
    let mut ended = 0;
    for kilobytes in (150..900).step_by(50).map(|megabytes| megabytes * 1000) {
        let command = format!("ulimit -v {kilobytes}; exec \"$0\" \"$@\"");
        let arguments =
            crate::room::training("reviews.tsv", &[("--hidden", "400"), ("--batch", "60"), ("--force", "")]);
        let output = std::process::Command::new("sh")
            .args(["-c", &command, env!("CARGO_BIN_EXE_srnn")])
            .args(arguments)
            .current_dir(room.path("."))
            .output()
            .unwrap();
        let run = Run::from(output);
        if run.code == Some(0) {
            continue;
        }
        ended += 1;
        assert_eq!(run.code, Some(1), "{kilobytes} KB: {}", run.err);
        let last = run.err.lines().last().unwrap();
        assert!(last.starts_with("error: "), "{kilobytes} KB: {}", run.err);
    }
    assert!(ended > 0, "there was memory enough");
}

#[test]
fn options_without_effect_are_refused() {
    let room = Room::with_reviews();
    room.train(&[("--valid", "reviews.tsv"), ("--valid-fraction", "0.2")]).misused("cannot be used with");
    room.train(&[("--pixels", "rows")]).refused("--pixels is for IDX images, which reviews.tsv does not hold");
    room.write("u.tsv", "1\t2\t3\n");
    room.train_on("u.tsv", &[("--format", "ucr"), ("--text", "x")])
        .refused("--text is for tables, and u.tsv holds numbers");
}

#[test]
fn a_language_without_blanks_is_told_of_bytes() {
    let room = Room::new();
    let line = |row: u32| {
        let letters: String = (0..6).map(|at| char::from_u32(0x4e00 + (row * 31 + at * 7) % 400).unwrap()).collect();
        format!("{letters} {}\t{}\n", ["\u{597d}", "\u{574f}"][row as usize % 2], row % 2)
    };
    room.write("t.tsv", format!("text\tlabel\n{}", (0..80).map(line).collect::<String>()));
    let run = room.train_on("t.tsv", &[]).succeeds();
    assert!(run.err.contains("% of the tokens to train on are unknown words ("), "{}", run.err);
    let all = room.train_on("t.tsv", &[("--min-count", "1"), ("--out", "all")]).succeeds();
    assert!(!all.err.contains("% of the tokens to train on are unknown"), "{}", all.err);
    room.write("t.zip", b"PK\x03\x04\x14\0");
    room.train_on("t.zip", &[("--force", "")]).refused("t.zip: is no zip archive that can be read");
}
