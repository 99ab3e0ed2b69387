//! What the data decides where nothing is said, and what comes around a training: folds, searches, another one on all
//! sequences, another one from a finished model, accounts of it all.

use crate::room::{Room, Run, reviews};
use serde_json::json;

/// A series a line, its class in front: a bump early or late, each with a scale and an offset of its own.
fn series(rows: usize, steps: usize) -> String {
    let line = |row: usize| {
        let (late, scale) = (row % 2 == 1, 10f64.powi((row % 5) as i32));
        let at = if late { 3 * steps / 4 } else { steps / 4 };
        let value = |step: usize| {
            let bump = (-((step as f64 - at as f64) / 2.0).powi(2)).exp();
            100.0 * (row % 7) as f64 * scale + scale * (bump + 0.1 * ((step * 7 + row * 3) % 5) as f64)
        };
        let values: Vec<String> = (0..steps).map(|step| format!("{:.4}", value(step))).collect();
        format!("{}\t{}\n", ["early", "late"][usize::from(late)], values.join("\t"))
    };
    (0..rows).map(line).collect()
}

fn train(room: &Room, words: &str) -> Run {
    let words: Vec<&str> = words.split(' ').collect();
    room.command().arg("train").args(words).args(["--device", "cpu"]).into()
}

#[test]
fn what_is_not_said_is_chosen_told_and_kept() {
    let room = Room::new();
    room.write("TRAIN.tsv", series(60, 40));
    room.write("TEST.tsv", series(20, 40));
    // No word about the data: a table of numbers, of which each series has a scale of its own.
    let run = train(&room, "TRAIN.tsv --test TEST.tsv --out out --epochs 30").succeeds();
    let chosen =
        "chosen for it: --normalise sequence --length 40 --slices 2x1 --direction both --pool max --context 8 ";
    assert!(run.err.contains(chosen), "{}", run.err);
    assert!(run.err.contains("--batch 16 ") && run.err.contains("--refit yes"), "{}", run.err);
    assert!(run.out.contains("\ntrained anew on all 60 sequences\n"), "{}", run.out);
    assert!(run.out.contains("\ntest: accuracy 100.00 %"), "{}", run.out);
    let config = room.json("out/config.json");
    assert_eq!((&config["network"]["length"], &config["network"]["embedding"]), (&json!(40), &json!(3)));
    assert!(config["log_deviation"]["mean"][0].is_f64());
    let account = room.json("out/run.json");
    assert_eq!(account["recipe"]["scale"], "sequence");
    assert_eq!(account["sequences"], json!([60, 0, 20]));
    assert_eq!((&account["test"]["accuracy"], &account["checksum"].is_u64()), (&json!(1.0), &true));
    assert!(account["recipe"]["open"].as_array().unwrap().contains(&json!("normalise")));
    assert_eq!(account["validated"].as_array().unwrap().last().unwrap()["epoch"], json!(room_epochs(&account)));
    // The model reads another file by the same rules, and tells the same.
    let eval = room.srnn("eval out TEST.tsv --device cpu").succeeds();
    assert!(eval.out.starts_with("20 sequences: accuracy 100.00 %"), "{}", eval.out);
    // By hand, and by other presets.
    let run = train(&room, "TRAIN.tsv --out b --normalise channel --refit no --slices 4x1 --epochs 1").succeeds();
    assert!(
        run.err.contains("hint: only ") && run.err.contains("scale of its own (--normalise sequence)"),
        "{}",
        run.err
    );
    assert!(!run.out.contains("anew"), "{}", run.out);
    let run = train(&room, "TRAIN.tsv --out c --preset plain --epochs 1").succeeds();
    assert!(!run.err.contains("chosen for it"), "{}", run.err);
    let network = &room.json("c/config.json")["network"];
    assert_eq!(
        (&network["length"], &network["direction"], &network["hidden"]),
        (&json!(512), &json!("forward"), &json!(50))
    );
    let run = train(&room, "TRAIN.tsv --out d --preset plain --epochs 1 --length auto --slices 2x1").succeeds();
    assert!(run.err.contains("chosen for it: --length 40\n"), "{}", run.err);
}

fn room_epochs(account: &serde_json::Value) -> usize {
    account["validated"].as_array().unwrap().len()
}

#[test]
fn show_tells_and_draws_what_was_trained() {
    let room = Room::new();
    room.write("TRAIN.tsv", series(40, 20));
    train(&room, "TRAIN.tsv --test TRAIN.tsv --out out --epochs 20 --folds 2").succeeds();
    let shown = room.srnn("show out --plots plots").succeeds();
    for words in [
        "network: rnn bidirectional GRU",
        "settings: --normalise sequence --length 20 ",
        "chosen by the data: normalise, length, ",
        "2 folds: accuracy ",
        "then trained anew on all 40 sequences for 20 epochs",
        "\ntest: accuracy ",
        "curves: plots",
    ] {
        assert!(shown.out.contains(words), "`{words}` is not in\n{}", shown.out);
    }
    for (name, words) in [("plots/curves.svg", "training loss"), ("plots/confusion.svg", "early")] {
        let svg = room.text(name);
        assert!(svg.starts_with("<svg") && svg.contains(words), "{svg}");
    }
    room.srnn("show out --plots plots").refused("is there already");
    room.srnn("show out --plots plots --force").succeeds();
    let account: serde_json::Value = serde_json::from_str(&room.srnn("show out --json").succeeds().out).unwrap();
    assert_eq!(account["folds"].as_array().unwrap().len(), 2);
    room.srnn("show TRAIN.tsv").refused("TRAIN.tsv");
}

#[test]
fn folds_say_how_good_it_is_and_a_search_what_is_better() {
    let room = Room::new();
    room.write("TRAIN.tsv", series(45, 20));
    let words = "TRAIN.tsv --out out --epochs 18 --search 0.15 --folds 3";
    let run = train(&room, words).succeeds();
    assert!(
        run.out.contains(" trainings, the best first:\n") && run.out.contains("(as chosen without a search)"),
        "{}",
        run.out
    );
    assert!(
        run.out.contains("\n3 folds: accuracy ") && run.err.contains("fold 3/3: accuracy "),
        "{}\n{}",
        run.out,
        run.err
    );
    assert!(run.err.contains("  found for it: --normalise "), "{}", run.err);
    assert!(
        !room.contents(".").contains_key("out.search.jsonl"),
        "what a search has done is kept until there is a model"
    );
    assert_eq!(room.json("out/run.json")["folds"].as_array().unwrap().len(), 3);
    train(&room, "- --out b --folds 3").refused("--search and --folds read the data more than once");
    train(&room, "TRAIN.tsv --out b --folds 1").misused("--folds");
    train(&room, "TRAIN.tsv --out b --search 0").misused("use a number of minutes, such as 5");
}

#[test]
fn without_validation_the_last_epoch_is_kept() {
    let room = Room::with_reviews();
    let plain = "reviews.tsv --preset plain --slices 2x1 --length 16 --hidden 4 --embedding 4 --epochs 3";
    train(&room, &format!("{plain} --out out --valid-fraction 0")).refused("say --keep last, and not --refit");
    let run = train(&room, &format!("{plain} --out out --valid-fraction 0 --keep last")).succeeds();
    assert!(
        run.err.contains("data: 60 sequences to train, 0 to validate\n") && !run.err.contains("valid:"),
        "{}",
        run.err
    );
    assert_eq!(run.out, "model: out\n");
    room.srnn("eval out reviews.tsv --device cpu").succeeds();
    // Stopped and taken up, nothing is missed.
    let more = room.srnn("train --resume out --epochs 5 --device cpu").succeeds();
    assert!(more.err.contains("going on at epoch 4"), "{}", more.err);
    assert_eq!(room.text("out/metrics.jsonl").lines().count(), 5);
    let by = |metric: &str| train(&room, &format!("{plain} --out {metric} --metric {metric}"));
    assert!(by("loss").succeeds().out.contains(", validation loss 0."));
    assert!(by("auc").succeeds().out.contains(", validation AUC "));
    assert!(by("macro-f1").succeeds().out.contains(", validation macro F1 "));
    by("r2").refused("metric r2: it must be accuracy, macro-f1, auc or loss, for what is told");
}

#[test]
fn a_model_is_trained_on_with_other_data() {
    let room = Room::with_reviews();
    let plain = "--preset plain --slices 2x1 --length 16 --hidden 4 --embedding 4 --epochs 3 --learning-rate 0.02";
    train(&room, &format!("reviews.tsv --out one {plain}")).succeeds();
    room.write("more.tsv", reviews(30));
    let run = train(&room, "more.tsv --from one --out two --epochs 2 --refit no").succeeds();
    assert!(run.err.contains("network: 2x1 GRU, H = 4, T = 16 "), "{}", run.err);
    let [one, two] = ["one", "two"].map(|name| room.contents(name));
    assert_eq!(one["tokenizer.json"], two["tokenizer.json"]);
    assert_ne!(one["model.safetensors"], two["model.safetensors"]);
    train(&room, "more.tsv --from one --out three --hidden 9").misused("cannot be used with");
    train(&room, "more.tsv --from two --out two --force").refused("a model cannot go on from itself");
    train(&room, "more.tsv --from none --out three").refused("none");
    room.write("other.tsv", "text\tlabel\na film\tsplendid\na film\tbad\na\tbad\n");
    train(&room, "other.tsv --from one --out three").refused("has the label `splendid`, and the classes are");
}

#[test]
fn answers_as_tables_and_arrays() {
    let room = Room::with_reviews();
    let plain = "--preset plain --slices 2x1 --length 16 --hidden 4 --embedding 4 --epochs 2";
    train(&room, &format!("reviews.tsv --out out {plain}")).succeeds();
    room.write("new.csv", "id;text;note\n7;\"a great; film\";\"x, y\"\n8;bad;\n");
    let run = room.srnn("predict out new.csv --as csv --device cpu").succeeds();
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!((lines[0], lines.len()), ("id,text,note,predicted,probability:bad,probability:good", 3));
    assert!(lines[1].starts_with("7,a great; film,\"x, y\",") && lines[2].starts_with("8,bad,,"), "{}", run.out);
    room.srnn("predict out new.csv --out told.npy --device cpu").succeeds();
    let bytes = &room.contents(".")["told.npy"];
    assert!(bytes.starts_with(b"\x93NUMPY") && bytes.len() == 128 + 4 * 4, "{}", bytes.len());
    room.srnn("predict out new.csv --out told.npy --device cpu").refused("told.npy is there already");
    room.srnn("predict out new.csv --out told.jsonl --device cpu").succeeds();
    assert_eq!(room.text("told.jsonl").lines().count(), 2);
    room.srnn("predict out new.csv --as xml --device cpu").misused("use jsonl, csv, npy");
    room.write("new.jsonl", "{\"id\": 7, \"text\": \"great\"}\n{\"text\": \"bad\", \"more\": [1]}\n");
    let run = room.srnn("predict out new.jsonl --as csv --device cpu").succeeds();
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[0].starts_with("id,text,predicted,") && lines[1].starts_with("7,great,"), "{}", run.out);
    assert!(lines[2].starts_with(",bad,"), "{}", run.out);
}

#[test]
fn files_that_others_write() {
    let room = Room::new();
    let bump = |row: usize| -> Vec<f64> {
        (0..12).map(|step| if step / 6 == row % 2 { 1.0 } else { (row % 3) as f64 / 9.0 }).collect()
    };
    let text = |values: Vec<f64>, mark: &str| values.iter().map(f64::to_string).collect::<Vec<_>>().join(mark);
    let class = |row: usize| ["a", "b"][row % 2];
    let rows = |line: &dyn Fn(usize) -> String| (0..24).map(line).collect::<String>();
    let ts = rows(&|row| format!("{}:{}:{}\n", text(bump(row), ","), text(bump(row + 1), ","), class(row)));
    room.write(
        "m.ts",
        format!("@problemName M\n@timeStamps false\n@univariate false\n@classLabel true a b\n@data\n{ts}"),
    );
    let arff = rows(&|row| format!("{},{}\n", text(bump(row), ","), class(row)));
    let attributes: String = (0..12).map(|at| format!("@attribute t{at} numeric\n")).collect();
    room.write("m.arff", format!("@relation m\n{attributes}@attribute target {{a,b}}\n@data\n{arff}"));
    let header: Vec<String> = (0..12).map(|at| format!("t{at}")).collect();
    let wide = rows(&|row| format!("{};{}\n", class(row), text(bump(row), ";")));
    room.write("wide.csv", format!("label;{}\n{wide}", header.join(";")));
    let bare = rows(&|row| format!("{},{}\n", class(row), text(bump(row), ",")));
    room.write("bare.csv", bare);
    let list = rows(&|row| {
        format!(
            "{}{{\"text\": \"{} film\", \"label\": \"{}\"}}\n",
            if row > 0 { "," } else { "[" },
            ["good", "bad"][row % 2],
            class(row)
        )
    });
    room.write("list.json", format!("{list}]\n"));
    for row in 0..24 {
        let folder = format!("folder/{}", class(row));
        std::fs::create_dir_all(room.path(&folder)).unwrap();
        room.write(&format!("{folder}/{row}.txt"), format!("{} film\n", ["good", "bad"][row % 2]));
    }
    for (number, data) in ["m.ts", "m.arff", "wide.csv", "bare.csv", "list.json", "folder"].into_iter().enumerate() {
        let out = format!("out{number}");
        train(
            &room,
            &format!("{data} --out {out} --epochs 12 --min-count 1 --refit no")
                .replace(if number < 4 { " --min-count 1" } else { "\0" }, ""),
        )
        .succeeds();
        let eval = room.srnn(&format!("eval {out} {data} --device cpu")).succeeds();
        assert!(eval.out.starts_with("24 sequences: accuracy 100.00 %"), "{data}: {}", eval.out);
        let told = room.srnn(&format!("predict {out} {data} --device cpu")).succeeds();
        assert_eq!(told.out.lines().count(), 24, "{data}");
    }
    room.write("bad.ts", "@classLabel true a b\n@data\n1,2:3:a\n");
    train(&room, "bad.ts --out x").refused("bad.ts:3: channel 1 has 1 values, and another has 2");
    room.write("bad.arff", "@relation m\n@attribute a numeric\n");
    train(&room, "bad.arff --out x").refused("bad.arff: has no @data");
}

#[test]
fn languages_without_blanks() {
    let room = Room::new();
    let rows: String = (0..60)
        .map(|row| ["这部电影非常好看，我很喜欢！\tpos\n", "这部电影太难看了，浪费时间。\tneg\n"][row % 2])
        .collect();
    room.write("zh.tsv", format!("text\tlabel\n{rows}"));
    let run = train(&room, "zh.tsv --out out --epochs 8").succeeds();
    assert!(run.err.contains("chosen for it: --tokens chars "), "{}", run.err);
    let eval = room.srnn("eval out zh.tsv --device cpu").succeeds();
    assert!(eval.out.starts_with("60 sequences: accuracy 100.00 %"), "{}", eval.out);
    let run: Run = room.command().args(["predict", "out", "--device", "cpu"]).write_stdin("非常好看\n").into();
    assert!(run.succeeds().out.starts_with("{\"label\":\"pos\""));
}

#[test]
fn tables_of_numbers_and_texts_that_look_like_them() {
    let room = Room::with_reviews();
    let plain = "--preset plain --slices 2x1 --length 16 --hidden 4 --epochs 1";
    train(&room, &format!("reviews.tsv --out texts --embedding 4 {plain}")).succeeds();
    // A model of texts takes lines for texts, whatever they look like.
    room.write("lines.txt", "call 0800 123 456 789\n1 2 3 4 5\ngood film\n");
    assert_eq!(room.srnn("predict texts lines.txt --device cpu").succeeds().out.lines().count(), 3);
    room.write("years.csv", "text,a,b,c,d,label\n1984,1,2,3,4,good\na film,1,2,3,4,bad\n");
    room.srnn("eval texts years.csv --device cpu").succeeds();
    // As pandas writes a table, and with the label under another name.
    let row = |at: usize| format!("{},{},{},{},{}\n", ["x", "y"][at % 2], at % 2, at % 3, at % 5, at % 7);
    let rows: String = (0..30).map(row).collect();
    room.write("pandas.csv", format!("label,0,1,2,3\n{rows}"));
    let run = train(&room, &format!("pandas.csv --out numbers {plain}")).succeeds();
    assert!(run.err.contains("  classes: `x` (13), `y` (13)\n"), "{}", run.err);
    assert!(run.err.contains("  steps: 4 in the middle"), "{}", run.err);
    room.write("kind.csv", format!("kind,a,b,c,d\n{rows}"));
    train(&room, &format!("kind.csv --out kinds {plain}")).refused("name the label column with --label");
    train(&room, &format!("kind.csv --out kinds --label kind {plain}")).succeeds();
    room.srnn("eval kinds kind.csv --device cpu").succeeds();
    // The label of a table without a header is its first field: a value there is asked about.
    let bare: String = (0..40).map(|at| format!("0.{},1,2,3,{}\n", 11 + at / 2, at % 2)).collect();
    room.write("bare.csv", bare);
    let run = train(&room, &format!("bare.csv --out bare {plain}")).succeeds();
    assert!(run.err.contains(" sequences: is this the label? (--label names its column"), "{}", run.err);
    room.write("none.ts", "@classLabel true x y\n@data\n1,2,3,4:?\n");
    room.srnn("predict numbers none.ts --device cpu").succeeds();
}

#[test]
fn folds_and_searches_that_cannot_be() {
    let room = Room::new();
    room.write("few.tsv", series(8, 12));
    train(&room, "few.tsv --out out --epochs 2 --folds 10").refused("--folds 10: it must be fewer: of 8 sequences");
    train(&room, "few.tsv --out out --epochs 2 --preset plain --slices rnn --search 1")
        .refused("there is nothing to search");
    let rows: String = (0..160).map(|at| format!("c{}\t1\t2\t3\t{at}\n", at % 80)).collect();
    room.write("many.tsv", rows);
    train(&room, "many.tsv --out out --epochs 2 --metric auc")
        .refused("--metric auc: it must be another one: of over 64 classes");
    let uneven = train(&room, "few.tsv --out out --epochs 2 --metric macro-f1 --folds 2 --refit no").succeeds();
    assert!(uneven.out.contains("2 folds: macro F1 0.") && !uneven.out.contains("± 1 "), "{}", uneven.out);
}

#[test]
fn thresholds_are_found_kept_and_told_by() {
    let room = Room::new();
    // Five of six are early; after one epoch hardly anything is known of the others.
    let rare: String = series(300, 40)
        .lines()
        .enumerate()
        .filter(|(row, _)| row % 2 == 0 || row % 10 == 1)
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    room.write("TRAIN.tsv", &rare);
    let run = train(&room, "TRAIN.tsv --out out --epochs 1 --refit no --thresholds").succeeds();
    assert!(run.out.contains("told by their probability: `late` from 0."), "{}", run.out);
    let config = room.json("out/config.json");
    let from = config["thresholds"][0].as_f64().unwrap();
    let told = room.srnn("predict out TRAIN.tsv --device cpu").succeeds();
    for line in told.out.lines() {
        let own: serde_json::Value = serde_json::from_str(line).unwrap();
        let late = own["probabilities"]["late"].as_f64().unwrap();
        assert_eq!(own["label"], ["early", "late"][usize::from(late > from)], "{line} by {from}");
    }
    let eval = room.srnn("eval out TRAIN.tsv --device cpu --json").succeeds();
    let eval: serde_json::Value = serde_json::from_str(&eval.out).unwrap();
    let late = |row: usize| eval["confusion"][row][1].as_u64().unwrap();
    assert_eq!(late(0) + late(1), told.out.matches("\"label\":\"late\"").count() as u64);
    assert!(room.srnn("show out").succeeds().out.contains("told by their probability: `late` from 0."));
    // Also where a second training on all sequences follows, and not where they have no meaning.
    train(&room, "TRAIN.tsv --out b --epochs 2 --refit yes --thresholds").succeeds();
    assert!(room.json("b/config.json")["thresholds"][0].is_f64());
    train(&room, "TRAIN.tsv --out c --valid-fraction 0 --keep last --thresholds")
        .refused("--thresholds is for validation data, and there is none");
    room.write("three.tsv", (0..60).map(|row| format!("{}\t1\t2\t3\t{row}\n", row % 3)).collect::<String>());
    train(&room, "three.tsv --out c --thresholds")
        .refused("thresholds are for two classes, or for labels, and there are 3");
}

#[test]
fn slices_from_the_start_read_sequences_of_any_length() {
    let room = Room::new();
    room.write("TRAIN.tsv", series(60, 40));
    room.write("LONG.tsv", series(20, 400));
    let plain = "--preset plain --slices 4x1 --length 40 --hidden 6 --epochs 2";
    let run = train(&room, &format!("TRAIN.tsv --out out --align start {plain}")).succeeds();
    assert!(run.err.contains("aligned at the start"), "{}", run.err);
    assert_eq!(room.json("out/config.json")["network"]["align"], "start");
    // Of a longer one nothing is dropped: another end is another answer.
    let longer = series(20, 400).lines().map(|line| format!("{line}\t9\n")).collect::<String>();
    room.write("LONGER.tsv", longer);
    let told = |file: &str| room.srnn(&format!("predict out {file} --device cpu")).succeeds().out;
    assert!(told("LONG.tsv") != told("LONGER.tsv") && told("LONG.tsv").lines().count() == 20);
    train(&room, &format!("TRAIN.tsv --out b --align start --truncate back {plain}"))
        .refused("--truncate has no effect on sequences aligned at their start");
    train(&room, "TRAIN.tsv --from out --out c --align start").misused("cannot be used with '--align");
}
