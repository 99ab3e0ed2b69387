//! Readers that go away, and standard output on a full disk.

use crate::room::Room;
use std::process::{Command, Stdio};

/// Runs with the reading ends of standard output and standard error closed at once, as under `2>&1 | head -0`.
fn unheard(mut command: Command) -> Option<i32> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap().code()
}

#[test]
fn a_reader_may_go_away() {
    let room = Room::with_model();
    room.write("texts.txt", "great\n".repeat(500));
    for arguments in [
        "predict model texts.txt --device cpu",
        "eval model reviews.tsv --device cpu",
        "bench --slices rnn --lengths 8 --hidden 4 --input 4 --device cpu",
        "devices",
        "train --help",
    ] {
        let mut command = room.process();
        command.args(arguments.split(' '));
        assert_eq!(unheard(command), Some(0), "{arguments}");
    }
    let mut command = room.process();
    command.args(crate::room::training("reviews.tsv", &[]));
    assert_eq!(unheard(command), Some(0));
    assert_eq!(room.text("out/metrics.jsonl").lines().count(), 2, "the training went on to its end");
}

#[test]
#[cfg(unix)]
fn head_takes_one_line() {
    let room = Room::with_model();
    room.write("texts.txt", "great\n".repeat(500));
    let script = r#"("$0" predict model texts.txt --device cpu; echo "code $?" >&2) | head -1"#;
    let run: crate::room::Run = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_srnn")])
        .current_dir(room.path("."))
        .output()
        .unwrap()
        .into();
    assert_eq!(run.out.lines().count(), 1);
    assert!(run.err.ends_with("code 0\n") && !run.err.contains("panicked"), "{}", run.err);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_behind_standard_output_is_an_error() {
    let room = Room::with_model();
    for arguments in ["eval model reviews.tsv --device cpu", "predict model reviews.tsv --device cpu", "devices"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = room.process().args(arguments.split(' ')).stdout(full).stderr(Stdio::piped()).output().unwrap();
        crate::room::Run::from(output).refused("standard output: No space left on device");
    }
}
