//! Where a model may go: nothing of the user's is overwritten, and no half of a file stays.

use crate::room::{Room, reviews, training};

#[test]
fn a_directory_that_is_there_is_left_alone() {
    let room = Room::with_reviews();
    std::fs::create_dir(room.path("out")).unwrap();
    room.train(&[]).succeeds();
    let before = room.contents(".");
    room.train(&[("--seed", "2")]).refused("out: the directory is there already: give another --out, or --force");
    assert_eq!(room.contents("."), before);
    room.train(&[("--seed", "2"), ("--force", "")]).succeeds();
    assert!(room.read("out/model.safetensors") != before["out/model.safetensors"]);
    assert_eq!(room.text("out/metrics.jsonl").lines().count(), 2);
}

#[test]
fn force_spares_what_is_no_model() {
    let room = Room::with_reviews();
    std::fs::create_dir(room.path("out")).unwrap();
    for (name, text) in [("notes.txt", "mine"), ("config.json", r#"{"format": "mine", "labels": []}"#)] {
        room.write(&format!("out/{name}"), text);
        let before = room.contents(".");
        room.train(&[("--force", "")])
            .refused("out: the directory holds other things than a model: it is not overwritten");
        assert_eq!(room.contents("."), before);
    }
}

#[test]
fn files_are_no_directories() {
    let room = Room::with_reviews();
    room.write("file", "mine");
    for force in [&[][..], &[("--force", "")]] {
        let at = |out| room.train(&[&[("--out", out)], force].concat());
        at("file").refused("file: this is a file, and a model is a directory");
        // The system's words: that `file` is no directory, or that it is there already.
        let reason = std::io::Error::from_raw_os_error(if cfg!(windows) { 183 } else { 20 });
        at("file/out").refused(&format!("file/out: the directory could not be made: {reason}"));
    }
    assert_eq!(room.text("file"), "mine");
}

#[test]
fn a_refused_force_leaves_the_old_model_whole() {
    let room = Room::with_model();
    let before = room.contents(".");
    for option in [("--vocabulary", "2"), ("--min-count", "1000"), ("--memory", "1000"), ("--vectors", "none.txt")] {
        let run = room.train(&[("--out", "model"), ("--force", ""), option]);
        run.refused("");
        assert_eq!(room.contents("."), before, "{option:?}");
    }
}

/// Until an epoch has ended there is nothing better to put in its place.
#[test]
fn a_force_killed_in_its_first_epoch_leaves_the_old_model_whole() {
    let room = Room::with_model();
    let before = room.contents("model");
    room.write("many.tsv", reviews(200_000));
    let options = [("--out", "model"), ("--force", ""), ("--batch", "2"), ("--length", "64")];
    let mut child = room.process().args(training("many.tsv", &options)).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "an epoch was finished");
    let left = room.contents("model");
    assert!(left.keys().all(|name| before.contains_key(name) || name == ".srnn-lock"), "{:?}", left.keys());
    assert!(before.iter().all(|(name, bytes)| left[name] == *bytes));
}

/// `ulimit -f` stands for a disk that is full: writing beyond 8 blocks of 512 or 1024 bytes fails.
#[test]
#[cfg(unix)]
fn a_full_disk_leaves_no_half_of_a_file() {
    let room = Room::with_reviews();
    let output = std::process::Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f 8; exec "$0" "$@""#, env!("CARGO_BIN_EXE_srnn")])
        .args(training("reviews.tsv", &[("--hidden", "50")]))
        .current_dir(room.path("."))
        .output()
        .unwrap();
    crate::room::Run::from(output).refused("out/model.safetensors: could not be written: File too large");
    assert_eq!(room.contents(".").into_keys().collect::<Vec<_>>(), ["reviews.tsv"]);
    room.train(&[]).succeeds();
}
