//! One rule for labels, in whatever file they stand, and a look for such as a reader would take for the same.

use std::collections::BTreeMap;

use crate::listing::quoted;

/// Largest whole number below which every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Characters that take no place, and are typed by mistake: a zero-width space, a word joiner, a byte order mark, a soft hyphen.
const UNSEEN: [char; 4] = ['\u{200b}', '\u{2060}', '\u{feff}', '\u{ad}'];

/// A label as it is kept: without blanks around it and without characters that cannot be seen. A whole number that is written
/// as a float (`1.0`, `2e0`) is written as a whole number.
pub(crate) fn label(text: &str) -> String {
    let seen: String = text.chars().filter(|letter| !UNSEEN.contains(letter)).collect();
    let name = seen.trim();
    match name.parse::<f64>() {
        Ok(number) if name.contains(['.', 'e', 'E', '+']) && number.fract() == 0.0 && number.abs() < EXACT => {
            (number as i64).to_string()
        }
        _ => name.to_string(),
    }
}

/// What is found for a label as it stands, as older models know it, or else as it is kept.
pub(crate) fn find<T>(name: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    find(name).or_else(|| find(&label(name)))
}

/// Tells of `what`, classes or labels of this file, that look alike.
pub(crate) fn warn_of_twins<'a>(place: &str, what: &str, names: impl IntoIterator<Item = &'a String>) {
    for [one, other] in twins(names.into_iter().map(String::as_str)) {
        let (one, other) = (quoted(one), quoted(other));
        log::warn!("{place}: the labels {one} and {other} look alike, and are two {what}");
    }
}

/// Labels that differ, and that a reader would take for the same: by case, by blanks, or by how a letter is encoded.
fn twins<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<[&'a str; 2]> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for name in names {
        match seen.get(&looks(name)) {
            Some(before) => found.push([*before, name]),
            None => drop(seen.insert(looks(name), name)),
        }
    }
    found
}

/// What is left of a label for someone who reads it quickly.
fn looks(name: &str) -> String {
    use tokenizers::{NormalizedString, Normalizer, normalizers::NFKC};
    let mut composed = NormalizedString::from(name);
    let composed = if NFKC.normalize(&mut composed).is_ok() { composed.get() } else { name };
    let text: String = composed.to_lowercase().chars().filter(|letter| !letter.is_whitespace()).collect();
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => number.to_string(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_label_is_written_one_way() {
        for (text, name) in [
            (" spam ", "spam"),
            ("sp\u{200b}am\u{feff}", "spam"),
            ("1.0", "1"),
            ("1.0000000e+00", "1"),
            ("-2.", "-2"),
            ("01", "01"),
            ("1.5", "1.5"),
            ("1e300", "1e300"),
            ("very good", "very good"),
            ("\u{200b}", ""),
        ] {
            assert_eq!(label(text), name, "{text:?}");
        }
    }

    #[test]
    fn labels_that_look_alike() {
        assert_eq!(twins(["ham", "spam", "2", "10"]), [[""; 2]; 0]);
        assert_eq!(twins(["Spam", "ham", "spam"]), [["Spam", "spam"]]);
        assert_eq!(twins(["caf\u{e9}", "cafe\u{301}"]), [["caf\u{e9}", "cafe\u{301}"]]);
        assert_eq!(twins(["1", "01"]), [["1", "01"]]);
    }
}
