//! What an unknown word still tells: whether it begins with a capital or has a digit, and how it ends. Such tokens stand in the
//! vocabulary beside words, as `##A-son` (a capital, then anything that ends in "son"), `##a-ing`, `##0-` (with a digit).

use std::collections::HashMap;

/// Letters of an ending at most.
const LONGEST: usize = 3;

/// What all of them begin with, as the pieces of words do in other tokenizers.
const MARK: &str = "##";

/// Whether a token of a vocabulary is an ending.
pub(super) fn is_ending(token: &str) -> bool {
    token.strip_prefix(MARK).is_some_and(|rest| ["A-", "a-", "0-"].iter().any(|kind| rest.starts_with(kind)))
}

/// The endings of a word, the longest first; the last has no letter.
pub(super) fn of_word(word: &str) -> impl Iterator<Item = String> {
    let kind = match word.chars().next() {
        _ if word.chars().any(|letter| letter.is_ascii_digit()) => '0',
        Some(first) if first.is_uppercase() => 'A',
        _ => 'a',
    };
    let lower = word.to_lowercase();
    let letters: Vec<char> = lower.chars().rev().take(LONGEST).collect();
    // What has a digit in it is a number, or a name, however it ends.
    let most = if kind == '0' { 0 } else { letters.len() };
    (0..=most).rev().map(move |count| {
        let ending: String = letters[..count].iter().rev().collect();
        format!("{MARK}{kind}-{ending}")
    })
}

/// How often each ending occurs among rare words, by their own counts.
pub(super) fn count<'w>(rare: impl Iterator<Item = (&'w str, u64)>) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    for (word, own) in rare {
        for ending in of_word(word) {
            *counts.entry(ending).or_default() += own;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_from_the_longest() {
        let of = |word: &str| of_word(word).collect::<Vec<_>>();
        assert_eq!(of("Running"), ["##A-ing", "##A-ng", "##A-g", "##A-"]);
        assert_eq!(
            (of("so"), of("x-15b"), of("Él")),
            (
                vec!["##a-so".into(), "##a-o".into(), "##a-".into()],
                vec!["##0-".into()],
                vec!["##A-él".into(), "##A-l".into(), "##A-".into()]
            )
        );
        assert!(of("").iter().chain(&of("AB")).all(|own| is_ending(own)));
        assert!(!is_ending("##") && !is_ending("##ing") && !is_ending("a-ing"));
    }

    #[test]
    fn counts_add_up() {
        let counts = count([("ring", 1), ("sing", 2), ("Bo", 1)].into_iter());
        assert_eq!((counts["##a-ing"], counts["##a-"], counts["##A-"]), (3, 3, 1));
    }
}
