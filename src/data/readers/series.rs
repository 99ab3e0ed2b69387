//! Sequences of numbers: measurements, signals, images read pixel by pixel.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use super::examples::{Examples, LeftOut, Pixels, RawInputs, RawTargets, ReadOptions};
use super::format::Format;
use super::limits::{Limits, Reader};
use super::lines::Lines;
use super::npy::Npy;
use super::source::Source;
use super::{arff, arrays, binary, idx, npz, ts, ucr};
use crate::data::Sequences;
use crate::error::{Error, Result, ensure};

/// Reads a whole file of sequences, packed or not.
///
/// With `targets` they come from the file itself (`y` of `.npz`, UCR), or from the file of labels (`.npy`, or IDX), or,
/// for IDX images without one, from the file beside them with `labels` and `idx1` in its name for `images` and `idx3`,
/// gzipped or not, if there is one. Whole numbers or texts `[N]` are class names; floats `[N]` and any numbers `[N, C]` are
/// numbers. Without `targets` none of these is looked at.
///
/// # Errors
/// [`Error::Io`] when a file cannot be read. [`Error::Data`], with line or row, step and column (from 0), for damaged
/// or empty files, arrays of other shapes or types, numbers that are not finite, and targets that do not fit the
/// sequences. [`Error::Config`] for a file of labels given to one that has its own.
pub(super) fn read(path: &Path, format: Format, targets: bool, options: &ReadOptions) -> Result<Examples> {
    let limits = &options.limits;
    let source = Source::File(path.into());
    let place = path.display().to_string();
    let (mut left_out, opened) = (LeftOut::default(), || open(path, limits));
    let (sequences, own) = match format {
        Format::Npy => (arrays::sequences(Npy::open(&place, opened()?)?, None)?, None),
        Format::Npz => npz::read(&place, opened()?, targets, options)?,
        Format::Idx => (idx::read_images(&place, opened()?, options.pixels == Pixels::Rows)?, None),
        _ => {
            let mut lines = Lines::open(&source, options)?;
            let label = (format == Format::Series).then_some(options.label.as_str());
            let (sequences, names) = match format {
                Format::Ts => ts::read(&mut lines, targets)?,
                Format::Arff => {
                    arff::read(&mut lines, &options.label, targets).map(|(own, names)| (own, Some(names)))?
                }
                _ => ucr::read(&mut lines, targets, label, options.header).map(|(own, names)| (own, Some(names)))?,
            };
            left_out = lines.left_out;
            (sequences, names.filter(|_| targets).map(RawTargets::Names))
        }
    };
    let given = options.labels.as_ref().filter(|_| targets);
    if let (Some(labels), Some(_)) = (given, &own) {
        return Err(Error::Config(format!("{place} has its own targets: leave out {}", labels.display())));
    }
    let labels = given.cloned().or_else(|| labels_beside(path).filter(|_| targets && own.is_none()));
    let count = sequences.len();
    let beside = labels.as_ref().map(|labels| match options.steps {
        true => read_targets_of_steps(labels, &sequences, &place, limits),
        false => read_targets(labels, count, &place, limits),
    });
    let beside = beside.transpose()?;
    let targets = beside.or(own);
    let targets_place = labels.map(|labels| labels.display().to_string());
    let lines = (1..=sequences.len() as u64).collect();
    Ok(Examples { place, lines, inputs: RawInputs::Numbers(sequences), targets, targets_place, cells: None, left_out })
}

/// The targets in a file of their own, for `count` sequences of the file `of`.
fn read_targets(path: &Path, count: usize, of: &str, limits: &Limits) -> Result<RawTargets> {
    let place = path.display().to_string();
    let mut reader = open(path, limits)?;
    match Format::of_bytes(reader.fill_buf().map_err(|source| binary::read_error(&place, source))?) {
        Some(Format::Npy) => arrays::targets(Npy::open(&place, reader)?, count, of),
        Some(Format::Idx) => {
            let names = idx::read_labels(&place, reader)?;
            arrays::check_count(&place, names.len(), count, of)?;
            Ok(RawTargets::Names(names))
        }
        _ => Err(Error::data(place, "holds no labels that can be read: give an .npy file, or IDX for IDX images")),
    }
}

/// The targets of every step in a file of their own, for these sequences of the file `of`.
fn read_targets_of_steps(path: &Path, sequences: &Sequences, of: &str, limits: &Limits) -> Result<RawTargets> {
    let place = path.display().to_string();
    arrays::targets_of_steps(Npy::open(&place, open(path, limits)?)?, sequences, of)
}

/// The labels that belong to these images by their name, if that file is there.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let labels = name.contains("images").then(|| name.replace("images", "labels").replace("idx3", "idx1"));
    let labels = labels.filter(|labels| labels.contains("idx1"))?;
    let plain = labels.strip_suffix(".gz").unwrap_or(&labels);
    let names = [labels.clone(), plain.to_string(), format!("{plain}.gz")];
    names.into_iter().map(|name| images.with_file_name(name)).find(|path| path.is_file())
}

/// Opens a file.
///
/// # Errors
/// Those of opening; [`Error::Data`] if it is empty.
fn open(path: &Path, limits: &Limits) -> Result<Reader<'static>> {
    let place = path.display().to_string();
    let mut reader = Source::File(path.into()).open(limits.clone())?;
    let first = reader.fill_buf().map_err(|source| binary::read_error(&place, source))?;
    ensure!(!first.is_empty(), Error::data(place, "is empty"));
    Ok(reader)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;
    use crate::data::Rows;
    use crate::data::readers::fixtures::{idx_file, rows_of};

    /// A file that NumPy made; see `tests/data/make_arrays.py`.
    fn made(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
    }

    /// In the format that the name tells, else as UCR.
    fn read(path: &Path, labels: Option<&Path>) -> std::result::Result<Examples, String> {
        let format = Format::of_name(&path.into()).unwrap_or(Format::Ucr);
        super::read(path, format, true, &options(labels)).map_err(|error| error.to_string())
    }

    fn options(labels: Option<&Path>) -> ReadOptions {
        ReadOptions { labels: labels.map(Path::to_path_buf), ..ReadOptions::default() }
    }

    fn contents(examples: Examples) -> (usize, Vec<Vec<f64>>, Option<RawTargets>) {
        let RawInputs::Numbers(sequences) = examples.inputs else { unreachable!() };
        assert_eq!(examples.lines.len(), sequences.len());
        (sequences.width, rows_of(&sequences), examples.targets)
    }

    /// The numbers of the fixtures: 100 row + 10 step + column.
    fn expected(lengths: [usize; 3], width: usize) -> Vec<Vec<f64>> {
        let row = |(row, &length): (usize, &usize)| {
            (0..length * width).map(|at| (100 * row + 10 * (at / width) + at % width) as f64).collect()
        };
        lengths.iter().enumerate().map(row).collect()
    }

    fn names(names: &[&str]) -> Option<RawTargets> {
        Some(RawTargets::Names(names.iter().map(|name| name.to_string()).collect()))
    }

    #[test]
    fn arrays_from_numpy() {
        for (name, width) in [("x_f4.npy", 2), ("x_f8_fortran.npy", 2), ("x_i2_big_endian.npy", 1)] {
            let found = read(&made(name), None).unwrap();
            let sequences = expected([4; 3], width);
            assert_eq!(contents(found), (width, sequences, None), "{name}");
        }
        let ragged = read(&made("ragged.npz"), None).unwrap();
        let (sequences, targets) = (expected([4, 1, 2], 2), names(&["a", "b", "a"]));
        assert_eq!(contents(ragged), (2, sequences, targets));
        let (_, packed, targets) = contents(read(&made("packed.npz"), None).unwrap());
        assert_eq!(
            packed,
            expected([4; 3], 2).iter().map(|row| row.iter().map(|v| v % 256.0).collect()).collect::<Vec<Vec<f64>>>()
        );
        assert_eq!(targets, Some(RawTargets::Numbers(Rows { width: 2, values: [0.5, 1.5].repeat(3) })));
    }

    #[test]
    fn targets_from_numpy() {
        let targets = |name: &str| read(&made("x_f4.npy"), Some(&made(name))).unwrap().targets;
        assert_eq!(targets("y_integers.npy"), names(&["7", "-1", "7"]));
        assert_eq!(targets("y_names.npy"), names(&["ja", "né", "ja"]));
        assert_eq!(targets("y_bytes.npy"), names(&["ja", "no", "ja"]));
        assert_eq!(targets("y_floats.npy"), Some(RawTargets::Numbers(Rows { width: 1, values: vec![0.5, -1.0, 2.0] })));
        let several = vec![0.0, 1.0, 1.0, 1.0, 0.0, 0.0];
        assert_eq!(targets("y_several.npy"), Some(RawTargets::Numbers(Rows { width: 2, values: several })));
        let twice = read(&made("ragged.npz"), Some(&made("y_names.npy"))).unwrap_err();
        assert!(twice.contains("ragged.npz has its own targets: leave out "), "{twice}");
        let none = read(&made("x_f4.npy"), Some(&made("make_arrays.py"))).unwrap_err();
        assert!(none.contains("make_arrays.py: holds no labels that can be read"), "{none}");
    }

    #[test]
    fn images_with_the_labels_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(&idx_file(&[1, 2, 3], &[0, 0, 255, 0, 0, 255])).unwrap();
        let images = write("t-images-idx3-ubyte.gz", &packer.finish().unwrap());
        let sequences = vec![vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.0]];
        let found = read(&images, None).unwrap();
        assert_eq!(contents(found), (1, sequences.clone(), None));
        let labels = write("t-labels-idx1-ubyte.gz", &idx_file(&[1], &[7]));
        let error = read(&images, None).unwrap_err();
        assert!(error.contains("labels-idx1-ubyte.gz: is named .gz but is not gzip data"), "{error}");
        std::fs::rename(&labels, write("labels", b"")).unwrap();
        // One of the two packed, the other not, and a dot in the name, as some have it.
        write("t-labels-idx1-ubyte", &idx_file(&[1], &[7]));
        assert_eq!(contents(read(&images, None).unwrap()).2, names(&["7"]));
        std::fs::remove_file(folder.path().join("t-labels-idx1-ubyte")).unwrap();
        let dotted = write("u-images.idx3-ubyte", &idx_file(&[1, 1, 1], &[0]));
        write("u-labels.idx1-ubyte", &idx_file(&[1], &[9]));
        assert_eq!(contents(read(&dotted, None).unwrap()).2, names(&["9"]));
        let options = ReadOptions { pixels: Pixels::Rows, ..options(Some(&folder.path().join("labels"))) };
        let rows = super::read(&images, Format::Idx, true, &options).unwrap();
        assert_eq!(contents(rows), (3, sequences, names(&["7"])));
        let images = write("t-images-idx3-ubyte", &idx_file(&[1, 1, 1], &[0]));
        write("t-labels-idx1-ubyte", &idx_file(&[2], &[7, 8]));
        let error = read(&images, None).unwrap_err();
        assert!(error.contains("t-labels-idx1-ubyte: has 2 targets for the 1 sequences of "), "{error}");
    }

    #[test]
    fn the_format_that_is_given_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let read = |bytes: &[u8], format| {
            std::fs::write(&path, bytes).unwrap();
            super::read(&path, format, true, &options(None)).map_err(|error| error.to_string())
        };
        let found = read(b"1\t0.5\n2\t3\t4\n", Format::Ucr).unwrap();
        assert_eq!(contents(found), (1, vec![vec![0.5], vec![3.0, 4.0]], names(&["1", "2"])));
        assert_eq!(read(&std::fs::read(made("x_f4.npy")).unwrap(), Format::Npy).map(contents).unwrap().0, 2);
        let ragged = std::fs::read(made("ragged.npz")).unwrap();
        assert_eq!(read(&ragged, Format::Npz).map(contents).unwrap().0, 2);
        assert_eq!(read(&idx_file(&[1, 1, 1], &[0]), Format::Idx).map(contents).unwrap().1, [[0.0]]);
        assert!(read(b"", Format::Ucr).unwrap_err().ends_with("data: has no series"));
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(&ragged).unwrap();
        assert_eq!(read(&packer.finish().unwrap(), Format::Npz).map(contents).unwrap().0, 2);
        let error = super::read(&folder.path().join("none"), Format::Npy, true, &options(None)).unwrap_err();
        assert!(error.to_string().contains("none: "), "{error}");
    }

    #[test]
    fn damaged_archives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        for name in ["ragged.npz", "packed.npz"] {
            let whole = std::fs::read(made(name)).unwrap();
            for at in 0..whole.len() {
                std::fs::write(&path, &whole[..at]).unwrap();
                assert!(read(&path, None).is_err(), "{name} cut at {at}");
                let mut damaged = whole.clone();
                damaged[at] ^= 0x55;
                std::fs::write(&path, damaged).unwrap();
                drop(read(&path, None));
            }
        }
        let mut other = zip::ZipWriter::new(File::create(&path).unwrap());
        other.start_file("arr_0.npy", zip::write::SimpleFileOptions::default()).unwrap();
        other.finish().unwrap();
        let error = read(&path, None).unwrap_err();
        assert!(error.ends_with("x.npz: has no array `x`, only `arr_0`"));
    }
}
