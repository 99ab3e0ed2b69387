//! The rules that cut a text into words, written twice: as Hugging Face's normaliser and pre-tokeniser, which is what
//! a `tokenizer.json` holds, and as a scanner of bytes for the words that are plain ASCII, nearly all in English.
//! The scanner is there for speed (25,000 film reviews in 0.4 s instead of 8.7 on two cores) and must give the same
//! words; a test compares the two.

use tokenizers::normalizers::{Lowercase, NFC, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::sequence::Sequence as Splits;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{
    NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    PreTokenizerWrapper, SplitDelimiterBehavior,
};

/// What is cut out of a word as a token of its own: English endings, and every mark of punctuation, as in the texts
/// that GloVe was trained on. [`ascii_cut`] says the same. Where a word ends is spelled out, as engines differ in what `\b`
/// takes for one (`²`, U+200D).
const CUTS: &str =
    r"n't(?![\p{L}\p{M}\p{N}_])|'(?:s|m|d|re|ve|ll)(?![\p{L}\p{M}\p{N}_])|\.\.\.|--|[^\s\p{L}\p{M}\p{N}]";

/// The endings of [`CUTS`] behind an apostrophe.
const ENDINGS: [&[u8]; 6] = [b"s", b"m", b"d", b"re", b"ve", b"ll"];

/// Bytes of a word that are cut at once.
const LONGEST_PIECE: usize = 1 << 16;

/// How a text becomes tokens.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub normalizer: Option<NormalizerWrapper>,
    pub splits: Option<PreTokenizerWrapper>,
    pub known: Known,
}

/// Rules that are known here, so that no library need apply them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// [`Rules::words`], which the scanner knows.
    Words,
    /// [`bytes::rules`](super::bytes::rules).
    Bytes,
    /// Of a foreign or older file.
    Not,
}

impl Rules {
    /// Composed characters (NFC), lower case, a straight apostrophe; cut at blanks and by [`CUTS`].
    pub fn words() -> tokenizers::Result<Rules> {
        let apostrophe: NormalizerWrapper = Replace::new("’", "'")?.into();
        let cuts = Split::new(SplitPattern::Regex(CUTS.into()), SplitDelimiterBehavior::Isolated, false)?;
        Ok(Rules {
            normalizer: Some(Normalizers::new(vec![NFC.into(), Lowercase.into(), apostrophe]).into()),
            splits: Some(Splits::new(vec![WhitespaceSplit.into(), cuts.into()]).into()),
            known: Known::Words,
        })
    }

    /// Whether a file with both holds the same.
    pub fn same(&self, other: &Rules) -> bool {
        let json = |rules: &Rules| serde_json::to_value((&rules.normalizer, &rules.splits)).ok();
        json(self).is_some_and(|own| json(other) == Some(own))
    }

    /// Calls `each` with every word of the text, in order.
    pub fn each_word(&self, text: &str, mut each: impl FnMut(&str)) {
        if self.known != Known::Words {
            return self.each_by_rules(text, &mut each);
        }
        let mut lower = String::new();
        // No rule looks beyond a blank, so that each piece may go its own way.
        for piece in text.split(|c: char| matches!(c, '\t'..='\r' | ' ')).filter(|piece| !piece.is_empty()) {
            if piece.is_ascii() {
                lower.clear();
                lower.push_str(piece);
                lower.make_ascii_lowercase();
                each_ascii_word(&lower, &mut each);
            } else {
                // The library takes many times the memory of what it is given at once.
                let mut rest = piece;
                while !rest.is_empty() {
                    let (part, behind) = rest.split_at(rest.floor_char_boundary(LONGEST_PIECE));
                    self.each_by_rules(part, &mut each);
                    rest = behind;
                }
            }
        }
    }

    fn each_by_rules(&self, text: &str, each: &mut impl FnMut(&str)) {
        // Only a foreign file's regular expression can give up on a text, which then stays whole.
        let Ok(cut) = self.by_rules(text) else { return each(text) };
        let words = cut.get_splits(OffsetReferential::Normalized, OffsetType::None);
        words.into_iter().map(|(word, ..)| word).filter(|word| !word.is_empty()).for_each(each);
    }

    fn by_rules(&self, text: &str) -> tokenizers::Result<PreTokenizedString> {
        let mut normalized = NormalizedString::from(text);
        if let Some(normalizer) = &self.normalizer {
            normalizer.normalize(&mut normalized)?;
        }
        let mut cut = PreTokenizedString::from(normalized);
        if let Some(splits) = &self.splits {
            splits.pre_tokenize(&mut cut)?;
        }
        Ok(cut)
    }
}

/// Cuts a lower-case ASCII piece without blanks.
fn each_ascii_word(piece: &str, each: &mut impl FnMut(&str)) {
    let (mut start, mut at) = (0, 0);
    while at < piece.len() {
        let length = ascii_cut(&piece.as_bytes()[at..]);
        if length > 0 {
            let words = [&piece[start..at], &piece[at..at + length]];
            words.into_iter().filter(|word| !word.is_empty()).for_each(&mut *each);
            start = at + length;
        }
        at += length.max(1);
    }
    if start < at {
        each(&piece[start..]);
    }
}

/// How many bytes [`CUTS`] matches at the beginning of `rest`; 0 where it does not.
fn ascii_cut(rest: &[u8]) -> usize {
    let word_ends = |length: usize| !rest.get(length).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_');
    match rest[0] {
        b'n' if rest.starts_with(b"n't") && word_ends(3) => 3,
        letter if letter.is_ascii_alphanumeric() => 0,
        b'\'' => {
            let found = ENDINGS.iter().find(|ending| rest[1..].starts_with(ending) && word_ends(1 + ending.len()));
            1 + found.map_or(0, |ending| ending.len())
        }
        b'.' if rest.starts_with(b"...") => 3,
        b'-' if rest.starts_with(b"--") => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn words(rules: &Rules, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        rules.each_word(text, |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn cuts_as_the_treebank_does() {
        let rules = Rules::words().unwrap();
        let cut = |text: &str| words(&rules, text).join(" ");
        assert_eq!(cut("It's FINE, don't you think?"), "it 's fine , do n't you think ?");
        assert_eq!(
            cut("We’re they'LL I'd dogs' rock'n'roll o'clock"),
            "we 're they 'll i 'd dogs ' rock ' n ' roll o ' clock"
        );
        assert_eq!(
            cut("wait....well-made --- 9.5/10 snake_case"),
            "wait ... . well - made -- - 9 . 5 / 10 snake _ case"
        );
        assert_eq!(cut("Cafe\u{301}\u{a0}ÉTÉ\u{2003}«où»"), "café été « où »");
        assert_eq!(cut(" \t\r\n\u{b}\u{c} "), "");
    }

    #[test]
    fn the_scanner_and_the_rules_agree() {
        let scanner = Rules::words().unwrap();
        let rules = Rules { known: Known::Not, ..scanner.clone() };
        let parts = [
            "n't", "'", "s", "'s", "re", "'ve", "ll", ".", "..", "-", "--", "_", " ", "\n", "\u{b}", "\u{1c}", "A",
            "n", "N", "t", "9", "\0", "é", "E\u{301}", "\u{301}", "’", "İ", "ß", "\u{a0}", "\u{85}", "中", "ǅ", "½",
            "😀", "\u{200d}", "Σ",
        ];
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for _ in 0..3000 {
            let length = random.random_range(0..12);
            let text: String = (0..length).map(|_| parts[random.random_range(0..parts.len())]).collect();
            assert_eq!(words(&scanner, &text), words(&rules, &text), "{text:?}");
        }
    }

    /// Python's `tokenizers` has another engine of regular expressions; see `tests/data/make_tokens.py`.
    #[test]
    fn python_cuts_alike() {
        let cases = include_str!("../../tests/data/tokens.json");
        let cases: Vec<(String, Vec<String>)> = serde_json::from_str(cases).unwrap();
        let ours = Rules::words().unwrap();
        let differ: Vec<_> = cases.iter().filter(|(text, cut)| words(&ours, text) != *cut).collect();
        let shown: Vec<_> = differ.iter().take(9).map(|(text, cut)| (text, cut, words(&ours, text))).collect();
        assert!(cases.len() > 1000 && differ.is_empty(), "{} of {}: {shown:#?}", differ.len(), cases.len());
    }

    #[test]
    fn only_our_own_rules_are_scanned() {
        let ours = Rules::words().unwrap();
        assert!(ours.same(&Rules { known: Known::Not, ..ours.clone() }));
        let cased = Rules { normalizer: None, known: Known::Not, ..ours.clone() };
        assert!(!ours.same(&cased) && !ours.same(&crate::data::bytes::rules().unwrap()));
        assert_eq!(words(&cased, "It's"), ["It", "'s"]);
    }
}
