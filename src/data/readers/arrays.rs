//! NumPy arrays as sequences and as what is to be told of them. Places in an array count from 0, as in NumPy.

use super::examples::{MOST, RawTargets};
use super::npy::Npy;
use super::npy_header::Kind;
use crate::data::{Rows, Sequences};
use crate::error::{Error, Result, ensure};

/// The steps of `x [N, T, D]` or `[N, T]`: of each row its first `lengths[i]` steps, or all.
///
/// # Errors
/// Those of reading the array; [`Error::Data`] for other shapes, texts, lengths that do not fit, or a number among the
/// real steps that is not finite.
pub(super) fn sequences(mut x: Npy, lengths: Option<Npy>) -> Result<Sequences> {
    ensure!(x.kind != Kind::Text, x.error("holds texts: sequences are made of numbers"));
    let (rows, steps, width) = match x.shape[..] {
        [rows, steps] => (rows, steps, 1),
        [rows, steps, width] => (rows, steps, width),
        _ => return Err(x.misshapen("sequences are [N, T], or [N, T, D]")),
    };
    let lengths = lengths.map(|lengths| real_steps(lengths, rows, steps)).transpose()?;
    let values = x.numbers()?;
    for row in 0..rows {
        let start = row * steps * width;
        let kept = lengths.as_ref().map_or(steps, |lengths| lengths[row]) * width;
        if let Some((at, value)) = not_finite(values.range(start..start + kept)) {
            let (step, column) = (at / width, at % width);
            let advice = "fill it in, leave the row out, or, if it is padding, give `lengths` in an .npz";
            return Err(x.error(format!("row {row}, step {step}, column {column} is {value}: {advice}")));
        }
    }
    Ok(Sequences::of_rows(values, rows, width, lengths.as_deref()))
}

/// How many steps of each of `rows` sequences are real: whole numbers `[N]`, each from 1 to `steps`.
fn real_steps(mut lengths: Npy, rows: usize, steps: usize) -> Result<Vec<usize>> {
    let wanted = format!("lengths are whole numbers, one for each of {rows} sequences");
    ensure!(lengths.kind == Kind::Integer && lengths.shape == [rows], lengths.misshapen(wanted));
    let texts = lengths.texts()?;
    let check = |(row, length): (usize, &String)| match length.parse() {
        Ok(length) if (1..=steps).contains(&length) => Ok(length),
        _ => Err(lengths.error(format!("row {row} is {length}: 1 to {steps} steps can be real"))),
    };
    texts.iter().enumerate().map(check).collect()
}

/// The targets of `count` sequences of the file `of`: whole numbers or texts `[N]` are class names, floats `[N]` and
/// all numbers `[N, C]` are numbers.
///
/// # Errors
/// Those of reading the array; [`Error::Data`] for other shapes, another count, an empty name or a number that is not
/// finite.
pub(super) fn targets(mut y: Npy, count: usize, of: &str) -> Result<RawTargets> {
    let width = match (&y.shape[..], y.kind) {
        ([_], _) => 1,
        ([_, width], Kind::Float | Kind::Integer) => *width,
        _ => return Err(y.misshapen("targets are names [N], or numbers [N] or [N, C]")),
    };
    check_count(&y.place, y.shape[0], count, of)?;
    if y.shape.len() == 1 && y.kind != Kind::Float {
        let names = y.texts()?;
        let named = names.iter().take_while(|name| !name.is_empty()).count();
        ensure!(named == names.len(), y.error(format!("row {named} is an empty name: name the class")));
        return Ok(RawTargets::Names(names));
    }
    let values: Vec<f64> = y.numbers()?.iter().collect();
    let Some((at, value)) = not_finite(values.iter().copied()) else {
        return Ok(RawTargets::Numbers(Rows { width, values }));
    };
    let (row, column) = (at / width, at % width);
    Err(y.error(format!("row {row}, column {column} is {value}: give the target, or leave the row out")))
}

/// The targets of every step of these sequences, of the file `of`: whole numbers or texts `[N, T]` are tags, floats `[N, T]` and
/// all numbers `[N, T, C]` are numbers. What stands behind the real steps is not looked at.
///
/// # Errors
/// As [`targets`]; [`Error::Data`] for fewer steps than a sequence has.
pub(super) fn targets_of_steps(mut y: Npy, sequences: &Sequences, of: &str) -> Result<RawTargets> {
    let (steps, width) = match (&y.shape[..], y.kind) {
        ([_, steps], _) => (*steps, 1),
        ([_, steps, width], Kind::Float | Kind::Integer) => (*steps, *width),
        _ => return Err(y.misshapen("targets of every step are names [N, T], or numbers [N, T] or [N, T, C]")),
    };
    let count = sequences.len();
    check_count(&y.place, y.shape[0], count, of)?;
    let longest = (0..count).map(|row| sequences.steps(row)).max().unwrap_or(0);
    let other = format!("has targets of {steps} steps, and the longest sequence of {of} has {longest}");
    let even = (0..count).all(|row| sequences.steps(row) == longest);
    ensure!(steps == longest || (steps > longest && !even), y.error(other));
    let kept: Vec<usize> = (0..count).map(|row| sequences.steps(row)).collect();
    if y.shape.len() == 2 && y.kind != Kind::Float {
        let names = y.texts()?;
        let own = |(row, &kept): (usize, &usize)| {
            let own = &names[row * steps..][..kept];
            let named = own.iter().take_while(|name| !name.is_empty()).count();
            ensure!(named == kept, y.error(format!("row {row}, step {named} is an empty name: name the tag")));
            Ok(own.join("\n"))
        };
        return kept.iter().enumerate().map(own).collect::<Result<_>>().map(RawTargets::Tags);
    }
    let values = y.numbers()?;
    for (row, &kept) in kept.iter().enumerate() {
        let start = row * steps * width;
        if let Some((at, value)) = not_finite(values.range(start..start + kept * width)) {
            let (step, column) = (at / width, at % width);
            return Err(y.error(format!("row {row}, step {step}, column {column} is {value}: give the target")));
        }
    }
    Ok(RawTargets::Steps(Sequences::of_rows(values, count, width, Some(&kept))))
}

/// # Errors
/// [`Error::Data`] if there is not one target for each sequence of the file `of`.
pub(super) fn check_count(place: &str, targets: usize, sequences: usize, of: &str) -> Result<()> {
    let problem = format!("has {targets} targets for the {sequences} sequences of {of}: one for each is needed");
    if targets == sequences { Ok(()) } else { Err(Error::data(place, problem)) }
}

/// The first number that is not finite: where it stands, and what it is.
fn not_finite(values: impl Iterator<Item = f64>) -> Option<(usize, &'static str)> {
    let (at, value) = values.enumerate().find(|(_, value)| value.is_nan() || value.abs() > MOST)?;
    Some((at, if value.is_nan() { "NaN" } else { "infinite or beyond 3.4e38" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::fixtures::{npy_file as file, opened, rows_of};

    fn floats(shape: &str, values: &[f32]) -> Vec<u8> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        file("<f4", false, shape, &bytes)
    }

    fn open<'a>(name: &str, bytes: &'a [u8]) -> Npy<'a> {
        Npy::open(name, opened(bytes)).unwrap()
    }

    fn x(bytes: &[u8], lengths: Option<&[u8]>) -> std::result::Result<Vec<Vec<f64>>, String> {
        let read = sequences(open("x", bytes), lengths.map(|bytes| open("n", bytes)));
        read.map(|sequences| rows_of(&sequences)).map_err(|error| error.to_string())
    }

    fn y(bytes: &[u8], count: usize) -> std::result::Result<RawTargets, String> {
        targets(open("y", bytes), count, "x").map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_that_are_not_finite_are_placed() {
        let advice = "fill it in, leave the row out, or, if it is padding, give `lengths` in an .npz";
        let error = x(&floats("(2, 2, 2)", &[0., 0., 0., 0., 0., 0., 0., f32::NAN]), None);
        assert_eq!(error, Err(format!("x: row 1, step 1, column 1 is NaN: {advice}")));
        let error = x(&file("<f8", false, "(1, 2)", [1.0, 1e39f64].map(f64::to_le_bytes).as_flattened()), None);
        assert_eq!(error, Err(format!("x: row 0, step 1, column 0 is infinite or beyond 3.4e38: {advice}")));
        let padded = floats("(2, 2)", &[1.0, f32::NAN, 2.0, 3.0]);
        let lengths = file("|u1", false, "(2,)", &[1, 2]);
        assert_eq!(x(&padded, Some(&lengths)), Ok(vec![vec![1.0], vec![2.0, 3.0]]));
        let error = y(&floats("(1, 2)", &[0.0, f32::NEG_INFINITY]), 1);
        let advice = "give the target, or leave the row out";
        assert_eq!(error, Err(format!("y: row 0, column 1 is infinite or beyond 3.4e38: {advice}")));
    }

    #[test]
    fn shapes_that_are_no_sequences() {
        let error = |shape: &str, count| x(&floats(shape, &vec![0.0; count]), None).unwrap_err();
        assert_eq!(error("(3,)", 3), "x: has the shape (3,): sequences are [N, T], or [N, T, D]");
        assert_eq!(error("()", 1), "x: has the shape (): sequences are [N, T], or [N, T, D]");
        assert_eq!(error("(1, 1, 1, 2)", 2), "x: has the shape (1, 1, 1, 2): sequences are [N, T], or [N, T, D]");
        let texts = x(&file("|S1", false, "(1, 1)", b"a"), None);
        assert_eq!(texts, Err("x: holds texts: sequences are made of numbers".into()));
    }

    #[test]
    fn lengths_that_do_not_fit() {
        let two = floats("(2, 2)", &[0.0; 4]);
        let error = |lengths: &[u8]| x(&two, Some(lengths)).unwrap_err();
        assert_eq!(error(&file("|i1", false, "(2,)", &[1, 3])), "n: row 1 is 3: 1 to 2 steps can be real");
        assert_eq!(error(&file("|i1", false, "(2,)", &[0, 2])), "n: row 0 is 0: 1 to 2 steps can be real");
        assert_eq!(error(&file("|i1", false, "(2,)", &[2, 255])), "n: row 1 is -1: 1 to 2 steps can be real");
        let problem = "lengths are whole numbers, one for each of 2 sequences";
        assert_eq!(error(&file("|i1", false, "(3,)", &[1; 3])), format!("n: has the shape (3,): {problem}"));
        assert_eq!(error(&floats("(2,)", &[1.0; 2])), format!("n: has the shape (2,): {problem}"));
    }

    #[test]
    fn targets_that_do_not_fit() {
        let error = |bytes: &[u8]| y(bytes, 2).unwrap_err();
        assert_eq!(
            error(&file("|i1", false, "(3,)", &[0; 3])),
            "y: has 3 targets for the 2 sequences of x: one for each is needed"
        );
        let shapes = "targets are names [N], or numbers [N] or [N, C]";
        assert_eq!(error(&file("|S1", false, "(2, 1)", b"ab")), format!("y: has the shape (2, 1): {shapes}"));
        assert_eq!(error(&floats("(2, 1, 1)", &[0.0; 2])), format!("y: has the shape (2, 1, 1): {shapes}"));
        assert_eq!(error(&file("|S1", false, "(2,)", b"a ")), "y: row 1 is an empty name: name the class");
    }
}
