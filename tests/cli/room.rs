//! A folder of its own for each test: small tables, the command run in it, and what it left behind.

use assert_cmd::Command;
use serde_json::Value;
use srnn::engine::gpu::CACHE;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;
use tempfile::TempDir;

/// A folder that goes with the test.
pub struct Room(TempDir);

/// Options of a training that takes no time.
const TINY: [(&str, &str); 9] = [
    ("--preset", "plain"),
    ("--device", "cpu"),
    ("--slices", "2x2"),
    ("--length", "16"),
    ("--hidden", "5"),
    ("--batch", "8"),
    ("--epochs", "2"),
    ("--learning-rate", "0.02"),
    ("--out", "out"),
];

/// What a run printed, and how it ended.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Room {
    pub fn new() -> Room {
        Room(tempfile::tempdir().unwrap())
    }

    /// A room with `reviews.tsv`.
    pub fn with_reviews() -> Room {
        let room = Room::new();
        room.write("reviews.tsv", reviews(60));
        room
    }

    /// A room with a trained model in `model`, and `reviews.tsv`.
    pub fn with_model() -> Room {
        static TRAINED: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
            let room = Room::with_reviews();
            room.train(&[("--epochs", "6")]).succeeds();
            room.contents("out")
        });
        let room = Room::with_reviews();
        std::fs::create_dir(room.path("model")).unwrap();
        for (name, bytes) in TRAINED.iter() {
            room.write(&format!("model/{name}"), bytes);
        }
        room
    }

    /// Makes a model one of the format before, whose files have no checksums, so that its contents are looked at.
    pub fn uncheck(&self, folder: &str) {
        let place = format!("{folder}/config.json");
        let mut config = self.json(&place);
        config["format"] = "srnn-2".into();
        for key in ["files", "checksum"] {
            config.as_object_mut().unwrap().remove(key).unwrap();
        }
        self.write(&place, format!("{config:#}\n"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(name)).unwrap()
    }

    /// The files of a folder, by name; `.` is the room itself.
    pub fn contents(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path(folder), "", &mut files);
        files
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The command, to be run in this room, without what was learnt about devices.
    pub fn command(&self) -> Command {
        let mut command = Command::cargo_bin("srnn").unwrap();
        command.current_dir(self.0.path()).env_remove("RUST_LOG").env_remove("RUST_BACKTRACE").env(CACHE, "");
        command
    }

    /// The command for the standard library's `spawn`.
    pub fn process(&self) -> std::process::Command {
        let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_srnn"));
        process.current_dir(self.0.path()).env_remove("RUST_LOG").env(CACHE, "");
        process
    }

    /// Runs the command with arguments parted by blanks.
    pub fn srnn(&self, arguments: &str) -> Run {
        self.command().args(arguments.split(' ')).into()
    }

    /// Trains on `reviews.tsv` into `out`, with these options in place of the usual ones.
    pub fn train(&self, options: &[(&str, &str)]) -> Run {
        self.train_on("reviews.tsv", options)
    }

    pub fn train_on(&self, data: &str, options: &[(&str, &str)]) -> Run {
        self.command().args(training(data, options)).into()
    }
}

fn collect(folder: &Path, name: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{name}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

/// A zip archive of these files.
pub fn zip<N: AsRef<str>, B: AsRef<[u8]>>(files: &[(N, B)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(name.as_ref(), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes.as_ref()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The arguments of a tiny training. An option without a value is given as `("--force", "")`.
pub fn training(data: &str, options: &[(&str, &str)]) -> Vec<String> {
    words(data, &[&TINY[..], &[("--embedding", "6")]].concat(), options)
}

/// As [`training`], on sequences of numbers.
pub fn training_on_numbers(data: &str, options: &[(&str, &str)]) -> Vec<String> {
    words(data, &TINY, options)
}

fn words(data: &str, usual: &[(&str, &str)], options: &[(&str, &str)]) -> Vec<String> {
    let usual = usual.iter().filter(|(name, _)| options.iter().all(|(other, _)| other != name));
    let words = usual.chain(options).flat_map(|(name, value)| [*name, *value]).filter(|word| !word.is_empty());
    ["train", data].into_iter().chain(words).map(str::to_owned).collect()
}

impl From<&mut Command> for Run {
    fn from(command: &mut Command) -> Run {
        command.output().unwrap().into()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        // Messages name paths as the system writes them.
        let err = text(output.stderr).replace(std::path::MAIN_SEPARATOR, "/");
        Run { code: output.status.code(), out: text(output.stdout), err }
    }
}

impl Run {
    pub fn succeeds(self) -> Run {
        assert_eq!(self.code, Some(0), "{}", self.err);
        assert!(!self.err.contains("error:") && !self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// The run was refused: one line says why, in these words, and nothing follows it.
    pub fn refused(self, words: &str) -> Run {
        self.one_error(words);
        assert_eq!(self.code, Some(1), "{}", self.err);
        assert!(self.err.lines().last().unwrap().starts_with("error: "), "{}", self.err);
        self
    }

    /// The arguments were refused: as [`Run::refused`], with a pointer to `--help` below.
    pub fn misused(self, words: &str) -> Run {
        self.one_error(words);
        assert_eq!(self.code, Some(2), "{}", self.err);
        self
    }

    fn one_error(&self, words: &str) {
        let errors: Vec<&str> = self.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{}", self.err);
        assert!(errors[0].contains(words), "`{words}` is not in:\n{}", self.err);
        for noise in ["panicked", "backtrace", "Error {"] {
            assert!(!self.err.contains(noise), "{}", self.err);
        }
        assert_eq!(self.out, "");
    }
}

/// What is said of a file that is not there, in the system's words. Unix and Windows give this error one number.
pub fn no_such_file(name: &str) -> String {
    format!("{name}: {}", std::io::Error::from_raw_os_error(2))
}

/// A table of `rows` reviews, good and bad in turn, which their words tell apart.
pub fn reviews(rows: usize) -> String {
    let words = [["great", "fine", "lovely"], ["awful", "dull", "poor"]];
    let mut table = String::from("text\tlabel\n");
    for row in 0..rows {
        let class = row % 2;
        let filler = "the film was long ".repeat(row % 4);
        let (word, other) = (words[class][row % 3], words[class][(row / 2) % 3]);
        table += &format!("{filler}{word} and {other}\t{}\n", ["good", "bad"][class]);
    }
    table
}
