//! Files as people have them: packed, of other encodings, without a header, with broken rows, by other programs.

use crate::room::{Room, Run, reviews, training, training_on_numbers, zip};
use srnn::data::npy_bytes;

fn run(room: &Room, arguments: Vec<String>) -> Run {
    room.command().args(arguments).into()
}

/// The rows of [`reviews`] without their header.
fn bare(rows: usize) -> String {
    reviews(rows).split_once('\n').unwrap().1.to_string()
}

#[test]
fn a_table_without_a_header_goes_by_numbers_and_the_model_remembers_them() {
    let room = Room::new();
    let header = reviews(1);
    let names: Vec<&str> = header.lines().next().unwrap().split('\t').collect();
    let place = |name| (names.iter().position(|own| *own == name).unwrap() + 1).to_string();
    let (text, label) = (place("text"), place("label"));
    room.write("bare.tsv", bare(60));
    let advice = "or, if the first line is no header, say --no-header and its number";
    run(&room, training("bare.tsv", &[])).refused(advice);
    let options = [("--no-header", ""), ("--text", text.as_str()), ("--label", label.as_str())];
    run(&room, training("bare.tsv", &options)).succeeds();
    let eval = room.srnn("eval out bare.tsv --device cpu").succeeds();
    assert!(eval.out.starts_with("60 sequences: "), "{}", eval.out);
    room.write("named.tsv", reviews(60));
    room.srnn("eval out named.tsv --device cpu").refused("named.tsv:1: has the label `label`");
    let (text, label) = ("--text text", "--label label");
    room.srnn(&format!("eval out named.tsv --header {text} {label} --device cpu")).succeeds();
    room.write("j.jsonl", "{}\n");
    room.srnn("predict out j.jsonl --no-header --device cpu").refused("--no-header is for tables, and j.jsonl is none");
    let predict = room.srnn("predict out bare.tsv --as csv --device cpu").succeeds();
    assert!(predict.out.starts_with("1,2,"), "{}", predict.out);
    assert_eq!(predict.out.lines().count(), 61);
    // Numbers with their label behind them.
    let line = |row: usize| format!("{},{},{},{},{}\n", row % 2, 1 - row % 2, row % 3, row % 2, ["a", "b"][row % 2]);
    room.write("wide.csv", (0..40).map(line).collect::<String>());
    let options = [("--no-header", ""), ("--label", "5"), ("--out", "n")];
    let run = run(&room, training_on_numbers("wide.csv", &options)).succeeds();
    assert!(run.err.contains("classes: `a` ") && run.err.contains("4 in the middle"), "{}", run.err);
    let eval = room.srnn("eval n wide.csv --device cpu").succeeds();
    assert!(eval.out.starts_with("40 sequences: "), "{}", eval.out);
}

#[test]
fn texts_of_other_encodings() {
    let room = Room::new();
    let table = "label\ttext\n".to_string() + &"gut\tschön süß\nschlecht\töde trüb\n".repeat(20);
    let latin: Vec<u8> = table.chars().map(|letter| letter as u32 as u8).collect();
    room.write("latin.tsv", &latin);
    run(&room, training("latin.tsv", &[])).refused("is not UTF-8 text (byte 8 of the line): name its encoding");
    run(&room, training("latin.tsv", &[("--encoding", "martian")])).misused("no encoding is called `martian`");
    run(&room, training("latin.tsv", &[("--encoding", "latin1"), ("--epochs", "6")])).succeeds();
    // What is typed is of the terminal's encoding, whatever that of the model's file was.
    let typed = |text: &str| {
        let command = &mut room.command();
        let run = command.args(["predict", "out", "--device", "cpu"]).write_stdin(text.as_bytes()).output().unwrap();
        String::from_utf8(run.stdout).unwrap()
    };
    assert!(typed("schön süß\n").contains("\"gut\"") && typed("schön süß\n") != typed("x y\n"));
    let tokenizer = room.text("out/tokenizer.json");
    assert!(tokenizer.contains("\"schön\"") && tokenizer.contains("\"trüb\""));
    room.srnn("eval out latin.tsv --device cpu").succeeds();
    // The same words as Windows' wide text, which says what it is, and which the model then need not be told.
    let wide: Vec<u8> = [0xFEFF].into_iter().chain(table.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    room.write("wide.tsv", &wide);
    room.train_on("wide.tsv", &[("--out", "wide"), ("--epochs", "6")]).succeeds();
    assert_eq!(room.text("wide/tokenizer.json"), tokenizer);
}

#[test]
fn broken_rows_are_left_out_and_told() {
    let room = Room::new();
    let broken: String = (0..12).map(|row| format!("a\tb\tc\td{row}\n")).collect();
    room.write("broken.tsv", reviews(60) + &broken);
    run(&room, training("broken.tsv", &[])).refused("broken.tsv:62: has 4 fields, but the header has ");
    let run = run(&room, training("broken.tsv", &[("--skip-bad-rows", "")])).succeeds();
    assert!(run.err.contains("broken.tsv: 12 broken rows are left out:"), "{}", run.err);
    assert!(run.err.contains("broken.tsv:71: has 4 fields") && run.err.contains("and 2 more"), "{}", run.err);
    room.srnn("predict out broken.tsv --device cpu").refused("broken.tsv:62: has 4 fields");
    let predict = room.srnn("predict out broken.tsv --skip-bad-rows --device cpu").succeeds();
    assert_eq!(predict.out.lines().count(), 60);
}

#[test]
fn arrays_by_other_names() {
    let room = Room::new();
    let values: Vec<f32> = (0..160).map(|at| ((at / 4) % 2) as f32 + 0.01 * (at % 4) as f32).collect();
    let x = npy_bytes(&[40, 4], &values).unwrap();
    let y = npy_bytes(&[40], &(0..40).map(|row| (row % 2) as f32 * 1.5).collect::<Vec<_>>()).unwrap();
    room.write("keras.npz", zip(&[("x_train.npy", &x), ("y_train.npy", &y)]));
    let regression = [("--task", "regression")];
    run(&room, training_on_numbers("keras.npz", &regression))
        .refused("keras.npz: has no array `x`, only `x_train`, `y_train`: name its arrays with --keys x=NAME,y=NAME");
    let keys = [("--task", "regression"), ("--keys", "x=x_train,y=y_train")];
    run(&room, training_on_numbers("keras.npz", &keys)).succeeds();
    room.srnn("eval out keras.npz --device cpu").succeeds();
    room.srnn("eval out keras.npz --keys x=x_train,y=nothing --device cpu").refused("has no array `nothing`");
    room.srnn("eval out keras.npz --keys z=1 --device cpu").misused("give x=NAME, y=NAME and lengths=NAME");
    room.srnn("eval out keras.npz --skip-bad-rows --device cpu").refused("--skip-bad-rows is for rows of a table");
    room.write("t.tsv", reviews(20));
    run(&room, training("t.tsv", &[("--keys", "x=a")])).refused("--keys is for .npz files, and t.tsv is none");
}

#[test]
fn packed_files_by_name_and_by_contents() {
    let room = Room::new();
    room.write("reviews.zip", zip(&[("data/reviews.tsv", reviews(60))]));
    room.train_on("reviews.zip", &[]).succeeds();
    room.write("two.zip", zip(&[("a.tsv", "x"), ("b.tsv", "y")]));
    room.train_on("two.zip", &[("--out", "b")]).refused("is an archive of several files, `a.tsv`, `b.tsv`: unpack it");
    room.write("cut.tsv.zst", b"\x28\xb5\x2f\xfd\x24");
    room.train_on("cut.tsv.zst", &[("--out", "b")]).refused("cut.tsv.zst: is damaged (");
    room.write("not.tsv.xz", "text\tlabel\n");
    room.train_on("not.tsv.xz", &[("--out", "b")]).refused("not.tsv.xz: is named .xz but is not xz data");
}

#[test]
fn heads_of_orange_are_no_rows() {
    let room = Room::new();
    let (header, rows) =
        reviews(60).split_once('\n').map(|(header, rows)| (header.to_string(), rows.to_string())).unwrap();
    let renamed = header.replace("label", "mood");
    let kinds: Vec<&str> = renamed.split('\t').map(|name| if name == "mood" { "discrete" } else { "string" }).collect();
    let roles: Vec<&str> = renamed.split('\t').map(|name| if name == "mood" { "class" } else { "meta" }).collect();
    room.write("mood.tab", format!("{renamed}\n{}\n{}\n{rows}", kinds.join("\t"), roles.join("\t")));
    let run = room.train_on("mood.tab", &[]).succeeds();
    assert!(!run.err.contains("class` (1)") && !run.err.contains("`discrete`"), "{}", run.err);
    let eval = room.srnn("eval out mood.tab --device cpu").succeeds();
    assert!(eval.out.starts_with("60 sequences: "), "{}", eval.out);
}

#[test]
fn html_is_stripped_where_that_is_asked_for() {
    let room = Room::new();
    let row = |row: usize| {
        let (label, word) = [("good", "fine"), ("bad", "poor")][row % 2];
        format!("{label}\t<div class=\"x\"><script>var a = 1;</script>a {word} film<br />&amp; more</div>\n")
    };
    room.write("pages.tsv", "label\ttext\n".to_string() + &(0..40).map(row).collect::<String>());
    room.train_on("pages.tsv", &[]).succeeds();
    assert!(room.text("out/tokenizer.json").contains("\"div\": "));
    room.train_on("pages.tsv", &[("--out", "b"), ("--strip-html", "")]).succeeds();
    let tokenizer = room.text("b/tokenizer.json");
    assert!(!tokenizer.contains("\"div\": ") && !tokenizer.contains("\"var\": ") && tokenizer.contains("\"fine\": "));
    // The model reads pages so, whoever gives them.
    let told = |text: &str| {
        room.command().args(["predict", "b", "--device", "cpu"]).write_stdin(text).output().unwrap().stdout
    };
    assert_eq!(told("<p>a fine film<p>\n"), told(" a fine film \n"));
    room.train_on("pages.tsv", &[("--out", "c"), ("--strip-html", ""), ("--tokens", "bytes")])
        .refused("--strip-html is for words, and --tokens bytes was said");
}

#[cfg(not(feature = "columnar"))]
#[test]
fn columnar_files_need_their_feature() {
    let room = Room::new();
    room.write("a.parquet", b"PAR1");
    room.train_on("a.parquet", &[]).refused("a.parquet: parquet files are read by builds with the feature `columnar`");
}
