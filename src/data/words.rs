//! The rules that cut a text into words, or into characters, written twice: as Hugging Face's normaliser and pre-tokeniser,
//! which is what a `tokenizer.json` holds, and as a scanner for what is plain: words of ASCII, characters that stand alone.
//! The scanner is there for speed (25,000 film reviews in 0.4 s instead of 8.7 on two cores) and must give the same
//! words; a test compares the two.

use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Lowercase, NFC, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::sequence::Sequence as Splits;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{
    NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    PreTokenizerWrapper, SplitDelimiterBehavior,
};

/// What is cut out of a word as a token of its own: English endings, and every mark of punctuation, as in the texts
/// that GloVe was trained on, and every emoji. [`ascii_cut`] says the same. Where a word ends is spelled out, as engines differ in what `\b`
/// takes for one (`²`, U+200D).
fn cuts() -> String {
    let endings = r"n't(?![\p{L}\p{M}\p{N}_])|'(?:s|m|d|re|ve|ll)(?![\p{L}\p{M}\p{N}_])";
    format!(r"{endings}|\.\.\.|--|{}|[^\s\p{{L}}\p{{M}}\p{{N}}]", emoji())
}

/// An emoji that is written as a sequence: a flag, or pictures with a colour or a gender and joined to others.
fn emoji() -> String {
    let picture = r"[\x{2190}-\x{21FF}\x{2300}-\x{23FF}\x{2600}-\x{2775}\x{2794}-\x{27BF}\x{2B00}-\x{2BFF}\x{1F000}-\x{1F0FF}\x{1F300}-\x{1FAFF}]";
    let one = format!(r"{picture}\x{{FE0F}}?[\x{{1F3FB}}-\x{{1F3FF}}]?");
    format!(r"[\x{{1F1E6}}-\x{{1F1FF}}]{{2}}|{one}(?:\x{{200D}}{one})*")
}

/// A character: a blank, an emoji's whole sequence, or a sign with the marks upon it.
fn characters() -> String {
    format!(r"\s|{}|.\p{{M}}*", emoji())
}

/// The endings of [`cuts`] behind an apostrophe.
const ENDINGS: [&[u8]; 6] = [b"s", b"m", b"d", b"re", b"ve", b"ll"];

/// Bytes of a word that are cut at once.
const LONGEST_PIECE: usize = 1 << 16;

/// How a text becomes tokens.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub normalizer: Option<NormalizerWrapper>,
    pub splits: Option<PreTokenizerWrapper>,
    pub known: Known,
    /// The part of the normalizer that takes HTML away, which the scanner does not know.
    pub markup: Option<NormalizerWrapper>,
}

/// What is no text in HTML: comments, scripts, styles and tags. What is not closed goes to the end, as browsers have it; else each
/// of many would be looked for to the end.
const MARKUP: &str =
    r"<!--[\s\S]*?(?:-->|\z)|<(?i:script|style)\b[\s\S]*?(?:</(?i:script|style)\s*>|\z)|</?[A-Za-z!][^<>]*>";

/// How HTML writes what it would take for its own, in the order in which they are written out again.
const ENTITIES: [(&str, &str); 7] =
    [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&amp;", "&")];

/// Takes HTML away: a blank stands for a tag, and for an entity what it is for.
fn markup() -> tokenizers::Result<Vec<NormalizerWrapper>> {
    let tags: NormalizerWrapper = Replace::new(ReplacePattern::Regex(MARKUP.into()), " ")?.into();
    let entity = |(from, to): (&str, &str)| Ok(Replace::new(from, to)?.into());
    std::iter::once(Ok(tags)).chain(ENTITIES.into_iter().map(entity)).collect()
}

/// Rules that are known here, so that no library need apply them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// [`Rules::words`], which the scanner knows.
    Words,
    /// [`Rules::characters`], of which the scanner knows those that no other changes.
    Characters,
    /// [`Rules::given`] as they are, of which the scanner knows the lines of ASCII.
    Given,
    /// The same in lower case.
    GivenLower,
    /// [`bytes::rules`](super::bytes::rules).
    Bytes,
    /// Of a foreign or older file.
    Not,
}

impl Known {
    /// Whether tokens are given one by one.
    pub fn is_given(self) -> bool {
        matches!(self, Known::Given | Known::GivenLower)
    }
}

impl Rules {
    /// Composed characters (NFC), lower case, a straight apostrophe; cut at blanks and by [`cuts`].
    pub fn words() -> tokenizers::Result<Rules> {
        let apostrophe: NormalizerWrapper = Replace::new("’", "'")?.into();
        let cuts = Split::new(SplitPattern::Regex(cuts()), SplitDelimiterBehavior::Isolated, false)?;
        Ok(Rules {
            normalizer: Some(Normalizers::new(vec![NFC.into(), Lowercase.into(), apostrophe]).into()),
            splits: Some(Splits::new(vec![WhitespaceSplit.into(), cuts.into()]).into()),
            known: Known::Words,
            markup: None,
        })
    }

    /// Composed characters (NFC), lower case, blanks of any length as one; every character is cut out.
    pub fn characters() -> tokenizers::Result<Rules> {
        let blank: NormalizerWrapper = Replace::new(ReplacePattern::Regex(r"\s+".into()), " ")?.into();
        let each = Split::new(SplitPattern::Regex(characters()), SplitDelimiterBehavior::Isolated, false)?;
        Ok(Rules {
            normalizer: Some(Normalizers::new(vec![NFC.into(), Lowercase.into(), blank]).into()),
            splits: Some(each.into()),
            known: Known::Characters,
            markup: None,
        })
    }

    /// Composed characters (NFC), in lower case or as they are; cut between lines alone.
    pub fn given(lower: bool) -> tokenizers::Result<Rules> {
        let lines = Split::new(SplitPattern::String("\n".into()), SplitDelimiterBehavior::Removed, false)?;
        Ok(Rules {
            normalizer: Some(
                Normalizers::new(if lower { vec![NFC.into(), Lowercase.into()] } else { vec![NFC.into()] }).into(),
            ),
            splits: Some(lines.into()),
            known: if lower { Known::GivenLower } else { Known::Given },
            markup: None,
        })
    }

    /// The same of texts with HTML in them, which is no part of them.
    pub fn of_html(self) -> tokenizers::Result<Rules> {
        let own = self.normalizer.into_iter().flat_map(|own| match own {
            NormalizerWrapper::Sequence(own) => own.as_ref().to_vec(),
            own => vec![own],
        });
        let normalizer = Some(Normalizers::new(markup()?.into_iter().chain(own).collect()).into());
        Ok(Rules { normalizer, markup: Some(Normalizers::new(markup()?).into()), ..self })
    }

    /// Whether a file with both holds the same.
    pub fn same(&self, other: &Rules) -> bool {
        let json = |rules: &Rules| serde_json::to_value((&rules.normalizer, &rules.splits)).ok();
        json(self).is_some_and(|own| json(other) == Some(own))
    }

    /// Calls `each` with every word of the text, in order.
    pub fn each_word(&self, text: &str, mut each: impl FnMut(&str)) {
        let Some(markup) = self.markup.as_ref().filter(|_| text.contains(['<', '&'])) else {
            return self.each_word_of_text(text, &mut each);
        };
        let mut bare = NormalizedString::from(text);
        // Only a foreign file's regular expression can give up on a text.
        match markup.normalize(&mut bare) {
            Ok(()) => self.each_word_of_text(bare.get(), &mut each),
            Err(_) => self.each_word_of_text(text, &mut each),
        }
    }

    fn each_word_of_text(&self, text: &str, each: &mut impl FnMut(&str)) {
        if self.known == Known::Characters {
            return self.each_character(text, each);
        }
        if self.known.is_given() {
            for token in text.split('\n').filter(|token| !token.is_empty()) {
                match (token.is_ascii(), self.known) {
                    (true, Known::Given) => each(token),
                    (true, _) => each(&token.to_ascii_lowercase()),
                    (false, _) => self.each_by_rules(token, each),
                }
            }
            return;
        }
        if self.known != Known::Words {
            return self.each_by_rules(text, each);
        }
        let mut lower = String::new();
        // No rule looks beyond a blank, so that each piece may go its own way.
        for piece in text.split(|c: char| matches!(c, '\t'..='\r' | ' ')).filter(|piece| !piece.is_empty()) {
            if piece.is_ascii() {
                lower.clear();
                lower.push_str(piece);
                lower.make_ascii_lowercase();
                each_ascii_word(&lower, each);
            } else {
                self.each_by_rules_in_parts(piece, each);
            }
        }
    }

    fn each_character(&self, text: &str, each: &mut impl FnMut(&str)) {
        if !text.chars().all(stands_alone) {
            return self.each_by_rules_in_parts(text, each);
        }
        let mut own = [0; 4];
        let mut blank = false;
        for character in text.chars() {
            let is_blank = character.is_whitespace();
            match (is_blank, blank) {
                (true, true) => {}
                (true, false) => each(" "),
                (false, _) => each(character.to_ascii_lowercase().encode_utf8(&mut own)),
            }
            blank = is_blank;
        }
    }

    /// The library takes many times the memory of what it is given at once.
    fn each_by_rules_in_parts(&self, text: &str, each: &mut impl FnMut(&str)) {
        let mut rest = text;
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(rest.floor_char_boundary(LONGEST_PIECE));
            self.each_by_rules(part, each);
            rest = behind;
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

/// Whether a character is one also beside others of its kind, and has no lower case beyond ASCII.
fn stands_alone(character: char) -> bool {
    // ASCII; punctuation of ideographs; kana without the marks that combine; ideographs.
    matches!(character, '\t'..='\r' | ' '..='~' | '\u{3000}'..='\u{3029}' | '\u{3041}'..='\u{3096}' | '\u{309D}'..='\u{30FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{FF01}'..='\u{FF20}')
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

/// How many bytes [`cuts`] matches at the beginning of `rest`; 0 where it does not.
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

    #[test]
    fn characters_with_their_marks() {
        let rules = Rules::characters().unwrap();
        let slow = Rules { known: Known::Not, ..rules.clone() };
        let cut = |text: &str| words(&rules, text).join("|");
        assert_eq!(cut("我 \n是A。"), "我| |是|a|。");
        assert_eq!(cut("cafe\u{301} x\u{323}"), "c|a|f|é| |x\u{323}");
        assert_eq!(cut("👩\u{200d}🚀👍🏽🇩🇪❤\u{fe0f}!"), "👩\u{200d}🚀|👍🏽|🇩🇪|❤\u{fe0f}|!");
        let parts =
            ["我", "。", "ア", "は", "!", "A", " ", "\u{3000}", "\n", "é", "\u{309a}", "😀", "ß", "９", "Ａ", "\u{b}"];
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for _ in 0..3000 {
            let length = random.random_range(0..9);
            let text: String = (0..length).map(|_| parts[random.random_range(0..parts.len())]).collect();
            assert_eq!(words(&rules, &text), words(&slow, &text), "{text:?}");
        }
    }

    #[test]
    fn html_is_no_text() {
        let words_of = Rules::words().unwrap().of_html().unwrap();
        let page = "<!-- a > b --><STYLE type=x>p { }</style ><p class=\"x\">Fish&nbsp;&amp; chips<br/>1 &lt; 2, 3<4 &amp;lt; é</p>";
        assert_eq!(words(&words_of, page).join(" "), "fish & chips 1 < 2 , 3 < 4 & lt ; é");
        let slow = Rules { known: Known::Not, markup: None, ..words_of.clone() };
        assert_eq!(words(&slow, page), words(&words_of, page));
        assert_eq!(words(&words_of, "a <!-- b <!-- c").join(" "), "a", "what is not closed goes to the end");
        assert_eq!(words(&words_of, "a <script> b <b>c</b>").join(" "), "a");
        let characters = Rules::characters().unwrap().of_html().unwrap();
        assert_eq!(words(&characters, "<b>好</b>片").join("|"), " |好| |片");
    }

    #[test]
    fn emoji_hold_together() {
        let rules = Rules::words().unwrap();
        assert_eq!(words(&rules, "ok👍🏽👩\u{200d}🚀 ❤\u{fe0f}🇩🇪x").join("|"), "ok|👍🏽|👩\u{200d}🚀|❤\u{fe0f}|🇩🇪|x");
    }

    /// Python's `tokenizers` has another engine of regular expressions; see `tests/data/make_tokens.py`.
    #[test]
    fn python_cuts_alike() {
        let files = [include_str!("../../tests/data/tokens.json"), include_str!("../../tests/data/characters.json")];
        for (ours, cases) in [Rules::words().unwrap(), Rules::characters().unwrap()].into_iter().zip(files) {
            let cases: Vec<(String, Vec<String>)> = serde_json::from_str(cases).unwrap();
            let differ: Vec<_> = cases.iter().filter(|(text, cut)| words(&ours, text) != *cut).collect();
            let shown: Vec<_> = differ.iter().take(9).map(|(text, cut)| (text, cut, words(&ours, text))).collect();
            assert!(cases.len() > 1000 && differ.is_empty(), "{} of {}: {shown:#?}", differ.len(), cases.len());
        }
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
