//! Bad data and bad settings of a training: one clear line, and no file touched.

use crate::room::{Room, no_such_file, reviews};

/// Trains on a table with these contents, which must be refused in these words.
fn table(name: &str, contents: impl AsRef<[u8]>, words: &str) {
    let room = Room::new();
    room.write(name, contents);
    let before = room.contents(".");
    room.train_on(name, &[]).refused(words);
    assert_eq!(room.contents("."), before);
}

/// Trains on good reviews with these options, which must be refused in these words.
fn options(room: &Room, options: &[(&str, &str)], words: &str) {
    let before = room.contents(".");
    room.train(options).refused(words);
    assert_eq!(room.contents("."), before, "{options:?}");
}

#[test]
fn tables_that_cannot_be_read() {
    Room::new().train_on("none.tsv", &[]).refused(&no_such_file("none.tsv"));
    Room::new().train_on(".", &[]).refused(".: is a folder without texts: each class is a folder in it");
    table("a.tsv", "", "a.tsv: has no rows");
    table("a.csv", "\n\n", "a.csv: has no rows");
    table("a.txt", "", "a.txt: has no rows");
    table("a.tsv", "text\tlabel\n", "a.tsv: has no rows");
    table("a.csv", "text,label\n", "a.csv: has no rows");
    table(
        "a.tsv",
        "body\tclass\nx\ty\n",
        "a.tsv:1: has no column `text`, only `body`, `class`: name the text column with --text",
    );
    table(
        "a.csv",
        "text,class\nx,y\n",
        "a.csv:1: has no column `label`, only `text`, `class`: name the label column with --label",
    );
    table("a.jsonl", "{\"text\": \"x\", \"class\": 1}\n", "a.jsonl:1: has no column `label`, only ");
    table("a.tsv.gz", "text\tlabel\n", "a.tsv.gz: is named .gz but is not gzip data");
}

#[test]
fn rows_that_are_broken() {
    table("a.tsv", "text\tlabel\nx\ty\nx\ty\tz\n", "a.tsv:3: has 3 fields, but the header has 2");
    table("a.csv", "text,label\nx,y\nx\n", "a.csv:3: has 1 field, but the header has 2");
    table("a.csv", "text,label\nx,y\n\"open,y\n", "a.csv:3: ");
    table("a.jsonl", "{\"text\": \"x\", \"label\": 1}\n{\"text\": \n", "a.jsonl:2: is not valid JSON (");
    table("a.tsv", "text\tlabel\nx\t \n", "a.tsv:2: has an empty label");
    table("a.tsv", b"text\tlabel\nx\ty\ncaf\xe9\ty\n", "a.tsv:3: is not UTF-8 text (byte 4 of the line)");
    table("a.csv", b"text,label\nx,y\ncaf\xe9,y\n", "a.csv:3: is not UTF-8 text");
}

/// A checkpoint keeps its paths as text.
#[test]
#[cfg(target_os = "linux")]
fn paths_that_are_not_unicode() {
    use crate::room::Run;
    use std::os::unix::ffi::OsStrExt;
    let room = Room::with_reviews();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.tsv");
    std::fs::copy(room.path("reviews.tsv"), room.path("").join(name)).unwrap();
    let mut command = room.command();
    command.arg("train").arg(name).args(["--device", "cpu", "--length", "64", "--out", "out"]);
    Run::from(&mut command).refused("the path is not Unicode: rename the file or folder");
    assert!(!room.has("out"));
}

#[test]
fn tables_too_small_to_train_on() {
    table(
        "a.tsv",
        "text\tlabel\nx\tgood\nx\tgood\n",
        "a.tsv: every sequence has the label `good`: a classifier needs two",
    );
    table(
        "a.tsv",
        "text\tlabel\nx x\tgood\nx\tbad\n",
        "a.tsv: there is nothing to hold out for validation, as it has too few rows (a class needs two)",
    );
    table(
        "a.tsv",
        "text\tlabel\na\tgood\nb\tgood\nc\tbad\nd\tbad\n",
        "no word occurs 2 times or more in the 2 training texts",
    );
}

#[test]
fn sizes_and_rates_that_cannot_work() {
    let room = Room::with_reviews();
    for name in ["--hidden", "--batch", "--epochs", "--embedding", "--length"] {
        options(&room, &[(name, "0")], &format!("{name} 0: it must be at least 1"));
    }
    options(&room, &[("--vocabulary", "2")], "--vocabulary 2: it must be 3 or more, to hold [PAD], [UNK] and a word");
    for rate in ["0", "-1", "nan", "inf"] {
        options(&room, &[("--learning-rate", rate)], "--learning-rate");
        options(&room, &[("--learning-rate", rate)], "it must be a positive number");
    }
    for norm in ["-1", "nan"] {
        options(&room, &[("--clip", norm)], "it must be a positive number");
    }
    for share in ["1", "2", "-0.5", "nan"] {
        let words = "it must be at least 0 and less than 1";
        options(&room, &[("--valid-fraction", share)], words);
    }
    options(
        &room,
        &[("--slices", "8x4"), ("--length", "512")],
        "slices `8x4`: 4096 slices of 512 steps leave slices empty",
    );
    options(&room, &[("--layers", "100000")], "--layers 100000: it must be at most 1024");
    options(&room, &[("--momentum", "0.5")], "--momentum is of sgd: say --optimiser sgd too");
    for option in [("--label-smoothing", "0.1"), ("--class-weights", "balanced")] {
        let words = format!("{} is for classes: leave it out, or say --task class", option.0);
        options(&room, &[option, ("--task", "labels")], &words);
    }
    options(&room, &[("--hidden", "1000000000")], "--hidden 1000000000: it must be at most ");
    options(&room, &[("--hidden", "100000")], "a smaller hidden size");
}

#[test]
fn values_that_cannot_be_read() {
    let room = Room::with_reviews();
    for (name, value, words) in [
        ("--slices", "1x3", "n must be at least 2"),
        ("--slices", "8x", "slices `8x`: "),
        ("--slices", "abc", "slices `abc`: "),
        ("--hidden", "many", "'--hidden <H>': "),
        ("--learning-rate", "fast", "'--learning-rate <RATE>': "),
        ("--memory", "1.5X", "`1.5X` is no size: write bytes, or a number with K, M or G, such as 500M"),
        ("--memory", "lots", "`lots` is no size: "),
        ("--memory", "0", "`0` is no size: "),
        ("--truncate", "middle", "use front or back"),
        ("--padding", "none", "use masked or unmasked"),
        (
            "--format",
            "xml",
            "give tsv, csv or jsonl for texts, conll or conllu for tagged tokens, npy, npz, ucr, series, ts, arff or idx for numbers",
        ),
    ] {
        let run = room.train(&[(name, value)]).misused(words);
        assert!(!run.err.contains("Usage:"), "{}", run.err);
    }
    room.srnn("train").misused("the following required arguments were not provided");
    assert!(!room.has("out"));
}

#[test]
fn memory_that_is_too_small_names_the_limit() {
    let room = Room::with_reviews();
    options(&room, &[("--memory", "1000")], "reviews.tsv: takes over 1000 B of memory: raise --memory");
    // Enough for a sequence of one word, not for the longest of these.
    room.write("reviews.tsv", reviews(40) + &"film ".repeat(3000) + "\tgood\n");
    let enough = room.train(&[("--length", "4000"), ("--memory", "100K")]);
    let enough_err = enough.err.clone();
    enough.refused("KiB: raise --memory");
    assert!(
        enough_err.contains("the limit of the CPU engine (") && enough_err.contains(" of data, is "),
        "{enough_err}"
    );
    assert!(!room.has("out"));
}

#[test]
fn other_files_of_a_training() {
    let room = Room::with_reviews();
    room.write("valid.tsv", "text\tlabel\nfine\tgood\nwell\tso-so\n");
    let unknown = "valid.tsv:3: has the label `so-so`, and the classes are `bad`, `good`";
    options(&room, &[("--valid", "valid.tsv")], unknown);
    options(&room, &[("--test", "valid.tsv")], unknown);
    options(&room, &[("--valid", "none.tsv")], &no_such_file("none.tsv"));
    options(&room, &[("--test", "none.tsv")], &no_such_file("none.tsv"));
    options(&room, &[("--vectors", "none.txt")], &no_such_file("none.txt"));
    room.write("wide.txt", "film 1 2 3\n");
    options(
        &room,
        &[("--vectors", "wide.txt")],
        "wide.txt:1: has 3 values, and the embedding has 6: give --embedding 3",
    );
    room.write("foreign.txt", "kino 1 2 3 4 5 6\n");
    options(&room, &[("--vectors", "foreign.txt")], "foreign.txt: has a vector for none of the ");
    room.write("damaged.txt", "film 1 2 3 4 5 6\nlong 1 2 x 4 5 6\n");
    options(&room, &[("--vectors", "damaged.txt")], "damaged.txt:2: value 3 is `x`, not a finite number");
}
