//! A model directory as a whole: the files of one save change all at once, and are known by their checksums.
//!
//! A save is written into a folder beside the files. One rename of that folder is the moment from which it counts; then its
//! files are moved into place, the configuration last. Whoever reads takes a file from that folder as long as it is there,
//! and whoever writes next first moves what a killed run left in it. So there is a whole at every moment: the one before, or
//! the new one.

use crate::error::{Error, Problem, Result, ensure};
use crate::files::{not_written, read_file, remove_if_there, sync_folder, write_synced};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

pub(super) const CONFIG: &str = "config.json";
pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const METRICS: &str = "metrics.jsonl";
pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";
pub(super) const RUN: &str = "run.json";
/// All that a save may hold beside the configuration, which lists what it does hold.
pub(super) const LISTED: [&str; 5] = [WEIGHTS, TOKENIZER, METRICS, RUN, CHECKPOINT];

/// Names that begin so are this crate's own: locks, and what is not finished.
const OWN: &str = ".srnn-";
/// The save that counts, and whose files are not all in place yet.
const NEXT: &str = ".srnn-next";
const LOCK: &str = ".srnn-lock";

/// Size and CRC-32 of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sum {
    bytes: usize,
    /// Eight hexadecimal digits.
    crc32: String,
}

/// The files of one save, by name.
pub(super) type Sums = BTreeMap<String, Sum>;

impl Sum {
    fn of(contents: &[u8]) -> Sum {
        let mut sum = flate2::Crc::new();
        sum.update(contents);
        Sum { bytes: contents.len(), crc32: format!("{:08x}", sum.sum()) }
    }
}

/// The last entry of a configuration, before its checksum is in it.
const UNSEALED: &str = "\"checksum\": \"\"";

/// Puts the checksum into the text of a configuration, whose last entry it is, empty.
fn seal(text: &str) -> String {
    let (before, behind) = text.rsplit_once(UNSEALED).expect("the last entry is an empty checksum");
    format!("{before}\"checksum\": \"{}\"{behind}", checksum(before))
}

/// The checksum of what stands before it. Blanks and ends of lines do not count, as programs that move texts change them.
fn checksum(before: &str) -> String {
    let bytes: Vec<u8> = before.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    Sum::of(&bytes).crc32
}

/// Whether the last entry of a configuration, which is given as text and as what it says, is the checksum of all before.
pub(super) fn is_sealed(text: &str, says: &Value) -> bool {
    let before = text.rsplit_once("\"checksum\"").map(|(before, _)| checksum(before));
    before.is_some_and(|sum| says["checksum"] == sum)
}

/// The files that a configuration lists; `None` if it is none of this crate's, or is older than the lists.
fn listed(says: &Value) -> Option<Sums> {
    Sums::deserialize(says.get("files")?).ok()
}

/// Where the file of the save that counts is.
fn place(folder: &Path, name: &str) -> PathBuf {
    let next = folder.join(NEXT).join(name);
    let own = std::fs::symlink_metadata(folder.join(NEXT)).is_ok_and(|next| next.is_dir());
    if own && next.is_file() { next } else { folder.join(name) }
}

/// A file of the save that counts, and its place.
fn read_placed(folder: &Path, name: &str) -> Result<(PathBuf, Vec<u8>)> {
    let path = place(folder, name);
    match read_file(&path) {
        Err(_) if !path.exists() => {
            // It was moved into place in between.
            let path = folder.join(name);
            read_file(&path).map(|contents| (path, contents))
        }
        contents => contents.map(|contents| (path, contents)),
    }
}

/// The files of one save, as they are read.
pub(super) struct Files<'a> {
    /// The directory.
    pub folder: &'a Path,
    /// Where the configuration was.
    pub path: PathBuf,
    /// The configuration as text.
    pub config: String,
    /// And what it says.
    pub says: Value,
}

impl<'a> Files<'a> {
    fn of(folder: &'a Path) -> Result<Files<'a>> {
        let (path, config) = read_placed(folder, CONFIG)?;
        let config = text(&path, config)?;
        let none = |error| Error::model(&path, format!("this is no configuration of srnn: {error}"));
        let says = serde_json::from_str(&config).map_err(none)?;
        Ok(Files { folder, path, config, says })
    }

    /// The checksums of all others, where the configuration has them.
    pub fn sums(&self) -> Option<Sums> {
        listed(&self.says)
    }

    /// Whether there is a file of this name.
    pub fn has(&self, name: &str) -> bool {
        place(self.folder, name).exists()
    }

    /// A file and its place. One that is in `sums` must be as it is there.
    pub fn read(&self, name: &str, sums: Option<&Sums>) -> Result<(PathBuf, Vec<u8>)> {
        let (path, contents) = read_placed(self.folder, name)?;
        if let Some(sums) = sums {
            let foreign = || Error::model(&path, "the file is none of this model's, by its config.json");
            let sum = sums.get(name).ok_or_else(foreign)?;
            ensure!(Sum::of(&contents) == *sum, Error::model(&path, Problem::Changed));
        }
        Ok((path, contents))
    }

    /// [`Files::read`] of a text.
    pub fn read_text(&self, name: &str, sums: Option<&Sums>) -> Result<(PathBuf, String)> {
        let (path, contents) = self.read(name, sums)?;
        let text = text(&path, contents)?;
        Ok((path, text))
    }
}

fn text(path: &Path, contents: Vec<u8>) -> Result<String> {
    String::from_utf8(contents).map_err(|_| Error::model(path, "this is no text file"))
}

/// Reads the files of one save: once more where another one was made in between.
///
/// # Errors
/// What reading says; [`Error::Model`] if there is no such directory.
pub(super) fn read_whole<T>(folder: &Path, read: impl Fn(&Files) -> Result<T>) -> Result<T> {
    ensure!(folder.is_dir(), Error::model(folder, Problem::NoModel));
    loop {
        let files = Files::of(folder)?;
        let outcome = read(&files);
        // What has no checksums may be of two saves.
        let is_checked = outcome.is_ok() && listed(&files.says).is_some();
        if is_checked || read_placed(folder, CONFIG).is_ok_and(|(_, now)| now == files.config.as_bytes()) {
            return outcome;
        }
    }
}

/// A model directory that this process alone writes into, as long as it has this.
pub(super) struct Directory {
    folder: PathBuf,
    /// The files that are there.
    sums: Sums,
    lock: File,
}

impl Directory {
    /// Takes hold of a directory that exists. A save that a killed run could not move into place is moved, and what it had
    /// not finished is removed.
    ///
    /// # Errors
    /// [`Error::Model`] if another process writes there, or nothing can be written; [`Error::Io`], naming the file.
    pub fn hold(folder: &Path) -> Result<Directory> {
        let lock = lock(folder)?;
        settle(folder)?;
        for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
            let entry = entry.map_err(Error::io(folder))?;
            if entry.file_name().as_encoded_bytes().starts_with(OWN.as_bytes()) && entry.file_name() != LOCK {
                let path = entry.path();
                let is_folder = entry.file_type().is_ok_and(|own| own.is_dir());
                let removed = if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                removed.map_err(Error::io(&path))?;
            }
        }
        let sums = Files::of(folder).ok().and_then(|files| listed(&files.says));
        Ok(Directory { folder: folder.into(), sums: sums.unwrap_or_default(), lock })
    }

    /// Saves a whole: files by name, with their new contents or, where these are `None`, as they are; every other file of a
    /// model is removed. `config` gives the text of the configuration, with an empty checksum as its last entry.
    ///
    /// # Errors
    /// [`Error::Io`], naming the file; the save before is then untouched, unless the new one counts already.
    pub fn save(
        &mut self,
        files: &[(&'static str, Option<Vec<u8>>)],
        config: impl FnOnce(&Sums) -> String,
    ) -> Result<()> {
        settle(&self.folder)?;
        let sum = |(name, contents): &(&str, Option<Vec<u8>>)| {
            let sum = contents.as_ref().map(|contents| Sum::of(contents)).or_else(|| self.sums.get(*name).cloned());
            Some((name.to_string(), sum?))
        };
        let sums: Sums = files.iter().filter_map(sum).collect();
        let text = seal(&config(&sums));
        let unwritten = |error| unwritten(&self.folder, error);
        let fresh = tempfile::Builder::new().prefix(OWN).tempdir_in(&self.folder).map_err(unwritten)?;
        let new = files.iter().filter_map(|(name, contents)| Some((*name, &contents.as_ref()?[..])));
        for (name, contents) in new.chain([(CONFIG, text.as_bytes())]) {
            write_synced(&fresh.path().join(name), contents).map_err(not_written(&self.folder.join(name)))?;
        }
        sync_folder(fresh.path())?;
        std::fs::rename(fresh.path(), self.folder.join(NEXT)).map_err(unwritten)?;
        let _ = fresh.keep();
        self.sums = sums;
        sync_folder(&self.folder)?;
        settle(&self.folder)
    }

    /// Whether a file is there as it was saved.
    pub fn is_whole(&self, name: &str) -> bool {
        let contents = read_file(&self.folder.join(name)).ok();
        contents.is_some_and(|contents| self.sums.get(name) == Some(&Sum::of(&contents)))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // While it is locked, so that nobody locks a file that is gone.
        let _ = std::fs::remove_file(self.folder.join(LOCK));
        let _ = self.lock.unlock();
    }
}

fn unwritten(folder: &Path, error: std::io::Error) -> Error {
    Error::model(folder, format!("the directory cannot be written to: {error}"))
}

/// Moves the save that counts into place, if that is not done yet.
fn settle(folder: &Path) -> Result<()> {
    let next = folder.join(NEXT);
    let whole = place(folder, CONFIG);
    if whole.parent() != Some(&next) {
        return Ok(());
    }
    // By a list that is not this version's own nothing is moved, and nothing removed.
    let changed = || Error::model(whole, Problem::Changed);
    let files = Files::of(folder).ok().filter(|files| is_sealed(&files.config, &files.says));
    let sums = files.and_then(|files| listed(&files.says));
    let sums = sums.filter(|sums| sums.keys().all(|name| LISTED.contains(&&name[..]))).ok_or_else(changed)?;
    let (new, stale): (Vec<&str>, Vec<&str>) = LISTED.iter().partition(|name| sums.contains_key(**name));
    for name in stale {
        remove_if_there(&folder.join(name))?;
    }
    let put = |name| std::fs::rename(next.join(name), folder.join(name)).map_err(Error::io(folder.join(name)));
    for name in new.into_iter().filter(|name| next.join(name).is_file()) {
        put(name)?;
    }
    sync_folder(folder)?;
    put(CONFIG)?;
    std::fs::remove_dir(&next).map_err(Error::io(&next))?;
    sync_folder(folder)
}

/// The folder's lock, which the system gives back when this process ends, however it ends.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    loop {
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| unwritten(folder, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::model(folder, Problem::InUse)),
            Err(TryLockError::Error(error)) => log::warn!("{}: cannot be locked: {error}", path.display()),
        }
        // Who had it before may have removed it in between.
        if !is_removed(&lock) {
            return Ok(lock);
        }
    }
}

#[cfg(unix)]
fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|own| own.nlink() == 0)
}

/// Other systems do not let a file that is open be opened anew once it is removed.
#[cfg(not(unix))]
fn is_removed(_: &File) -> bool {
    false
}

/// Checks that a new model may go into the folder.
///
/// # Errors
/// [`Error::Model`] if there is something already and `overwrite` is not set; with it, if what is there is neither
/// empty nor a model directory.
pub fn check_folder(folder: &Path, overwrite: bool) -> Result<()> {
    let file = folder.exists() && !folder.is_dir();
    ensure!(!file, Error::model(folder, "this is a file, and a model is a directory"));
    let mut used = false;
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
            // What a killed run left is nothing of the user's, unless it is a whole.
            let name = entry.map_err(Error::io(folder))?.file_name();
            used |= name == NEXT || !name.as_encoded_bytes().starts_with(OWN.as_bytes());
        }
    }
    ensure!(overwrite || !used, Error::model(folder, Problem::Occupied));
    let foreign = "the directory holds other things than a model: it is not overwritten";
    ensure!(!used || is_model(folder), Error::model(folder, foreign));
    Ok(())
}

/// Whether the folder's `config.json` names a format of this crate; other programs have files of that name too.
fn is_model(folder: &Path) -> bool {
    let files = Files::of(folder);
    files.is_ok_and(|files| files.says["format"].as_str().is_some_and(|format| format.starts_with("srnn-")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, read_dir, remove_dir_all, rename, write};

    /// Saves weights and a tokenizer of these contents, or weights alone.
    fn save(directory: &mut Directory, weights: &[u8], tokenizer: Option<&[u8]>) {
        let tokenizer = tokenizer.map(|own| (TOKENIZER, Some(own.to_vec())));
        let files: Vec<_> = [(WEIGHTS, Some(weights.to_vec()))].into_iter().chain(tokenizer).collect();
        directory.save(&files, config_of).unwrap();
    }

    fn config_of(sums: &Sums) -> String {
        format!(
            "{{\n \"format\": \"srnn-x\", \"files\": {}, \"checksum\": \"\"\n}}\n",
            serde_json::to_string(sums).unwrap()
        )
    }

    /// What a reader finds: the files of one save, each as it was saved.
    fn found(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
        read_whole(folder, |files| {
            assert!(is_sealed(&files.config, &files.says));
            let sums = listed(&files.says).unwrap();
            sums.keys().map(|name| Ok((name.clone(), files.read(name, Some(&sums))?.1))).collect()
        })
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn wherever_a_save_is_cut_off_there_is_a_whole() {
        let room = tempfile::tempdir().unwrap();
        let [old, new, folder] = ["old", "new", "folder"].map(|name| room.path().join(name));
        for (path, weights, tokenizer) in [(&old, b"one", Some(&b"words"[..])), (&new, b"two", None)] {
            create_dir(path).unwrap();
            save(&mut Directory::hold(path).unwrap(), weights, tokenizer);
        }
        let copy = |from: &Path, to: &Path| {
            create_dir(to).unwrap();
            for name in names(from) {
                std::fs::copy(from.join(&name), to.join(&name)).unwrap();
            }
        };
        // How far the new save came, and whether it counts.
        type Cut<'a> = &'a dyn Fn(&Path);
        let stages: [(Cut, bool); 7] = [
            (&|_| {}, false),
            (&|f| create_dir(f.join(".srnn-abc")).unwrap(), false),
            (&|f| copy(&new, &f.join(".srnn-abc")), false),
            (&|f| copy(&new, &f.join(NEXT)), true),
            (&|f| (copy(&new, &f.join(NEXT)), remove_if_there(&f.join(TOKENIZER)).unwrap()).1, true),
            (&|f| (copy(&new, &f.join(NEXT)), rename(f.join(NEXT).join(WEIGHTS), f.join(WEIGHTS)).unwrap()).1, true),
            (
                &|f| {
                    copy(&new, &f.join(NEXT));
                    remove_if_there(&f.join(TOKENIZER)).unwrap();
                    for name in [WEIGHTS, CONFIG] {
                        rename(f.join(NEXT).join(name), f.join(name)).unwrap();
                    }
                },
                true,
            ),
        ];
        for (stage, (cut, counts)) in stages.iter().enumerate() {
            copy(&old, &folder);
            write(folder.join("notes.txt"), "mine").unwrap();
            write(folder.join(LOCK), "of a process that was killed").unwrap();
            cut(&folder);
            let whole = if *counts { &new } else { &old };
            assert_eq!(found(&folder).unwrap(), found(whole).unwrap(), "stage {stage}, as it was left");
            drop(Directory::hold(&folder).unwrap());
            assert_eq!(found(&folder).unwrap(), found(whole).unwrap(), "stage {stage}, cleared");
            assert!(names(&folder).iter().filter(|name| *name != "notes.txt").eq(&names(whole)), "stage {stage}");
            remove_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn what_is_kept_and_what_goes() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path();
        let mut directory = Directory::hold(folder).unwrap();
        save(&mut directory, b"one", Some(b"words"));
        directory.save(&[(WEIGHTS, Some(b"two".to_vec())), (TOKENIZER, None), (METRICS, None)], config_of).unwrap();
        let all = found(folder).unwrap();
        assert_eq!((&all[WEIGHTS][..], &all[TOKENIZER][..], all.len()), (&b"two"[..], &b"words"[..], 2));
        assert!(directory.is_whole(TOKENIZER) && !directory.is_whole(METRICS));
        write(folder.join(TOKENIZER), "wards").unwrap();
        assert!(!directory.is_whole(TOKENIZER));
        let error = found(folder).unwrap_err().to_string();
        assert!(
            error.ends_with("tokenizer.json: the file is damaged, or was changed after the model was saved"),
            "{error}"
        );
        save(&mut directory, b"three", None);
        assert_eq!(found(folder).unwrap().into_keys().collect::<Vec<_>>(), [WEIGHTS]);
        assert_eq!(names(folder), [LOCK, CONFIG, WEIGHTS]);
        drop(directory);
        assert_eq!(names(folder), [CONFIG, WEIGHTS]);
    }

    #[test]
    fn one_process_writes() {
        let room = tempfile::tempdir().unwrap();
        let held = Directory::hold(room.path()).unwrap();
        let error = Directory::hold(room.path()).err().unwrap().to_string();
        assert!(error.ends_with("another training writes into this directory"), "{error}");
        drop(held);
        drop(Directory::hold(room.path()).unwrap());
    }

    #[test]
    fn what_moves_blanks_keeps_a_seal_and_what_changes_a_letter_breaks_it() {
        let text = seal(&config_of(&Sums::new()));
        let says: Value = serde_json::from_str(&text).unwrap();
        assert!(is_sealed(&text, &says) && is_sealed(&text.replace('\n', "\r\n"), &says));
        let other = serde_json::json!({ "checksum": "00000000" });
        assert!(!is_sealed(&text.replace("srnn-x", "srnn-y"), &says) && !is_sealed(&text, &other));
    }

    #[test]
    #[cfg(unix)]
    fn links_are_replaced_and_what_is_no_file_is_not_waited_for() {
        let room = tempfile::tempdir().unwrap();
        let (folder, outside) = (room.path().join("model"), room.path().join("outside"));
        create_dir(&folder).unwrap();
        write(&outside, "mine").unwrap();
        std::os::unix::fs::symlink(&outside, folder.join(WEIGHTS)).unwrap();
        save(&mut Directory::hold(&folder).unwrap(), b"one", None);
        assert_eq!(std::fs::read(&outside).unwrap(), b"mine");
        assert_eq!(found(&folder).unwrap()[WEIGHTS], b"one");
        // A link to the file is as good as the file.
        rename(folder.join(WEIGHTS), room.path().join("blob")).unwrap();
        std::os::unix::fs::symlink(room.path().join("blob"), folder.join(WEIGHTS)).unwrap();
        assert_eq!(found(&folder).unwrap()[WEIGHTS], b"one");
        std::fs::remove_file(folder.join(WEIGHTS)).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(folder.join(WEIGHTS)).status().unwrap().success());
        let error = found(&folder).unwrap_err().to_string();
        assert!(error.ends_with("model.safetensors: this is a pipe or a device, where a file should be"), "{error}");
    }
}
