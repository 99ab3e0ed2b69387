//! A model directory keeps its word: damage of any file is found, whoever reads it.
#![cfg(feature = "files")]

mod training_cases;

use srnn::train::{Ending, Interval, Model, Observer, StepReport, Training};
use srnn::{Device, Result};
use std::fs::{copy, create_dir, read, read_dir, write};
use std::path::Path;
use training_cases::recipe;

const FILES: [&str; 4] = ["config.json", "tokenizer.json", "model.safetensors", "checkpoint.safetensors"];

fn train(room: &Path, name: &str) {
    Training::begin(&recipe(room, 3), &room.join(name), false, Device::cpu()).unwrap().run(&mut ()).unwrap();
}

fn resume(folder: &Path) -> Result<Training> {
    Training::resume(folder, Some(9), Device::cpu())
}

/// A generator of the test's own: the same flips in every run.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*state >> 33) as usize
}

#[test]
fn no_flipped_bit_goes_unseen() {
    let room = tempfile::tempdir().unwrap();
    train(room.path(), "model");
    let folder = room.path().join("model");
    let mut state = 1;
    for name in FILES {
        let place = folder.join(name);
        let whole = read(&place).unwrap();
        for _ in 0..200 {
            let mut damaged = whole.clone();
            let (byte, bit) = (next(&mut state) % whole.len(), next(&mut state) % 8);
            damaged[byte] ^= 1 << bit;
            write(&place, &damaged).unwrap();
            let refused = |error: Option<srnn::Error>, who: &str| {
                let error = error.unwrap_or_else(|| panic!("{who} took {name} with bit {bit} of byte {byte} flipped"));
                assert!(error.to_string().contains(name), "{error}");
            };
            if name != "checkpoint.safetensors" {
                refused(Model::load(&folder).err(), "the reader");
            }
            refused(resume(&folder).err(), "the training");
        }
        write(&place, &whole).unwrap();
    }
    assert!(resume(&folder).unwrap().notes.is_empty());
}

#[test]
fn metrics_are_written_anew_from_the_checkpoint() {
    let room = tempfile::tempdir().unwrap();
    train(room.path(), "model");
    let folder = room.path().join("model");
    let place = folder.join("metrics.jsonl");
    let whole = read(&place).unwrap();
    for damaged in [&b""[..], &whole[..whole.len() / 2], b"{}\n{}\n{}\n"] {
        write(&place, damaged).unwrap();
        assert!(Model::load(&folder).is_ok());
        let training = resume(&folder).unwrap();
        assert!(
            training.notes[0].contains("metrics.jsonl: damaged or changed; it is written anew"),
            "{:?}",
            training.notes
        );
    }
    std::fs::remove_file(&place).unwrap();
    let mut training = resume(&folder).unwrap();
    training.trainer.options.epochs = 4;
    training.run(&mut ()).unwrap();
    let again = read(&place).unwrap();
    assert!(again.starts_with(&whole) && again.len() > whole.len());
}

/// Stops after so many steps.
struct After(usize);

impl Observer for After {
    fn step(&mut self, _: &StepReport) {
        self.0 -= 1;
    }

    fn stop(&self) -> bool {
        self.0 == 0
    }
}

/// Wherever a training is taken up, within an epoch and before the first is done, it comes to the same bits and metrics.
#[test]
fn checkpoints_within_an_epoch() {
    let room = tempfile::tempdir().unwrap();
    train(room.path(), "whole");
    let metrics = |name: &str| -> Vec<serde_json::Value> {
        let text = String::from_utf8(read(room.path().join(name).join("metrics.jsonl")).unwrap()).unwrap();
        let mut lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut lines {
            for key in ["seconds", "tokens_per_second"] {
                line.as_object_mut().unwrap().remove(key).unwrap();
            }
        }
        lines
    };
    let weights = |name: &str| Model::load(&room.path().join(name)).unwrap().parameters;
    for steps in 1..18 {
        let name = format!("cut after {steps}");
        let folder = room.path().join(&name);
        let mut training = Training::begin(&recipe(room.path(), 3), &folder, false, Device::cpu()).unwrap();
        training.interval = Interval::Steps(1 + steps % 3);
        training.run(&mut After(steps)).unwrap();
        drop(training);
        // What a killed run leaves: the save, the lock and half of the next save.
        let left = room.path().join("left");
        let _ = std::fs::remove_dir_all(&left);
        create_dir(&left).unwrap();
        for entry in read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name();
            copy(folder.join(&name), left.join(&name)).unwrap();
        }
        write(left.join(".srnn-lock"), "").unwrap();
        create_dir(left.join(".srnn-k3x9")).unwrap();
        Training::resume(&left, None, Device::cpu()).unwrap().run(&mut ()).unwrap();
        assert!(weights("left") == weights("whole"), "{name}");
        assert_eq!(metrics("left"), metrics("whole"), "{name}");
        assert!(!left.join(".srnn-k3x9").exists());
    }
}

/// A learning rate at which the first step overflows: training ends, and leaves what was there.
#[test]
fn a_training_that_diverges_ends_and_keeps_the_old_model() {
    let room = tempfile::tempdir().unwrap();
    train(room.path(), "model");
    let folder = room.path().join("model");
    let before = read(folder.join("model.safetensors")).unwrap();
    let mut recipe = recipe(room.path(), 3);
    recipe.options.optimiser = srnn::network::Optimiser::adam(1e38);
    recipe.options.epochs = 100;
    let mut training = Training::begin(&recipe, &folder, true, Device::cpu()).unwrap();
    let error = training.run(&mut ()).err().unwrap();
    assert!(matches!(error, srnn::Error::Diverged(_)), "{error}");
    assert!(error.to_string().starts_with("training diverged: the gradients of 5"), "{error}");
    drop(training);
    assert!(read(folder.join("model.safetensors")).unwrap() == before);
    assert!(resume(&folder).is_ok());
}

/// A training that ended as nothing got better stays ended: taken up, it trains no further epoch.
#[test]
fn a_training_without_patience_left_stays_ended() {
    let room = tempfile::tempdir().unwrap();
    let mut recipe = recipe(room.path(), 3);
    // Weights that do not move, so that no epoch is better than the first.
    recipe.options.optimiser = srnn::network::Optimiser::adam(1e-20);
    recipe.options.epochs = 40;
    recipe.options.patience = Some(2);
    let folder = room.path().join("model");
    let mut training = Training::begin(&recipe, &folder, false, Device::cpu()).unwrap();
    assert_eq!(training.run(&mut ()).unwrap().ending, Ending::NoImprovement);
    drop(training);
    let before: Vec<Vec<u8>> =
        ["model.safetensors", "metrics.jsonl"].map(|name| read(folder.join(name)).unwrap()).to_vec();
    let mut training = Training::resume(&folder, None, Device::cpu()).unwrap();
    assert_eq!(training.run(&mut ()).unwrap().ending, Ending::NoImprovement);
    drop(training);
    let after: Vec<Vec<u8>> =
        ["model.safetensors", "metrics.jsonl"].map(|name| read(folder.join(name)).unwrap()).to_vec();
    assert!(before == after && Model::load(&folder).is_ok());
}

/// A list that is not this version's own moves nothing and removes nothing.
#[test]
fn a_save_that_waits_and_is_damaged_is_left_alone() {
    let room = tempfile::tempdir().unwrap();
    train(room.path(), "model");
    let folder = room.path().join("model");
    let next = folder.join(".srnn-next");
    create_dir(&next).unwrap();
    for name in FILES {
        copy(folder.join(name), next.join(name)).unwrap();
    }
    let text = String::from_utf8(read(next.join("config.json")).unwrap()).unwrap();
    for damaged in
        [text.replace("tokenizer.json", "tokenizes.json"), text.replace("\"bytes\"", "\"bites\""), "{}".into()]
    {
        write(next.join("config.json"), damaged).unwrap();
        let error = resume(&folder).err().unwrap().to_string();
        assert!(error.contains(".srnn-next/config.json: the file is damaged"), "{error}");
        assert!(FILES.iter().all(|name| folder.join(name).exists() && next.join(name).exists()));
    }
    write(next.join("config.json"), text).unwrap();
    assert!(resume(&folder).is_ok() && !next.exists());
    // One bit of the format's name must not make a model of another format of it.
    let config = String::from_utf8(read(folder.join("config.json")).unwrap()).unwrap();
    for format in ["srnn-2", ""] {
        write(folder.join("config.json"), config.replace("srnn-3", format)).unwrap();
        assert!(Model::load(&folder).is_err(), "{format}");
    }
}
