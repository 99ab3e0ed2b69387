//! What `scripts/fuzz` found, and inputs of every kind to begin with: each is tried again here, without a fuzzer.
#![cfg(feature = "files")]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::Path;

#[test]
fn nothing_that_was_found_fails_again() {
    for (name, target) in targets::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(name);
        let inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "{name} has no input");
        for input in inputs {
            println!("{}", input.display());
            target(&std::fs::read(&input).unwrap());
        }
    }
}

/// The inputs that fuzzing begins with are whole, so that it begins behind the first check.
#[test]
fn what_fuzzing_begins_with_is_read() {
    let input =
        |name: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(name)).unwrap();
    for name in ["models/config.json", "models/model.safetensors"] {
        assert!(targets::models(&input(name)), "{name}");
    }
    assert!(targets::checkpoints(&input("checkpoints/checkpoint.safetensors")));
}
