//! Texts to numbers of words, of characters, or of bytes, kept in the layout of Hugging Face's `tokenizer.json`.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::{
    AddedToken, DecoderWrapper, Model, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerImpl,
};

use super::words::{Known, Rules};
use super::{bytes, endings, tokenizer_parts};
use crate::error::{Error, Result, ensure};
use crate::listing::quoted;

/// The token of padded steps.
pub const PADDING: &str = "[PAD]";

/// The token of words that are not in the vocabulary.
pub const UNKNOWN: &str = "[UNK]";

/// The numbers of [`PADDING`], which no text yields, and of [`UNKNOWN`].
pub use super::batch::{PAD as PADDING_ID, UNKNOWN_ID};

/// What a `tokenizer.json` holds.
type File = TokenizerImpl<WordLevel, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// A vocabulary with the rules that cut a text into tokens: the words or characters of a training set, or the 256 bytes.
///
/// Words: texts are composed (NFC), lower-cased and cut at blanks, at punctuation and before English endings: `It's`
/// is `it` `'s`, `Don't!` is `do` `n't` `!`. Numbers run without a gap from 0; the first two are [`PADDING`] and
/// [`UNKNOWN`], the others go from the most frequent word to the rarest.
///
/// Bytes: see [`Tokenizer::bytes`].
#[derive(Debug, Clone)]
pub struct Tokenizer {
    rules: Box<Rules>,
    model: WordLevel,
    /// Whether words that are not in the vocabulary are known by their endings.
    has_endings: bool,
}

/// What the tokens of a text are pieces of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Characters, for languages without blanks between words, and no words. Texts are composed (NFC) and lower-cased; a
    /// character is a sign with the marks upon it, an emoji, or a blank.
    pub characters: bool,
    /// Without the tags, comments, scripts and styles of HTML, and with its entities written out.
    pub html: bool,
    /// Tokens that are given one by one, a line each, and are cut no further; composed (NFC).
    pub given: bool,
    /// Of such: in lower case.
    pub lower: bool,
    /// Of such: those that are not in the vocabulary become tokens by their ending, beside it, where rare words of the training
    /// set ended alike.
    pub endings: bool,
}

impl Pieces {
    const WORDS: Pieces = Pieces { characters: false, html: false, given: false, lower: false, endings: false };

    /// All that differ in their rules.
    const ALL: [Pieces; 6] = [
        Pieces::WORDS,
        Pieces { html: true, ..Pieces::WORDS },
        Pieces { characters: true, ..Pieces::WORDS },
        Pieces { characters: true, html: true, ..Pieces::WORDS },
        Pieces { given: true, ..Pieces::WORDS },
        Pieces { given: true, lower: true, ..Pieces::WORDS },
    ];

    fn rules(self) -> Result<Rules> {
        let rules = match (self.given, self.characters) {
            (true, _) => Rules::given(self.lower),
            (false, true) => Rules::characters(),
            (false, false) => Rules::words(),
        };
        if self.html { rules.and_then(Rules::of_html) } else { rules }.map_err(internal)
    }
}

impl Tokenizer {
    /// Collects the words of a training set: at most `vocabulary` of them with the two special ones, each occurring
    /// at least `min_count` times; equally frequent words stand in the order of their characters.
    ///
    /// # Errors
    /// [`Error::Config`] when `vocabulary` leaves no room for a word, or no word is frequent enough.
    pub fn fit<S: AsRef<str> + Sync>(texts: &[S], vocabulary: usize, min_count: u64) -> Result<Tokenizer> {
        Tokenizer::fit_by(Pieces::default(), texts, vocabulary, min_count)
    }

    /// Collects other pieces of a training set, as [`Tokenizer::fit`] does words.
    ///
    /// # Errors
    /// As [`Tokenizer::fit`].
    pub fn fit_by<S: AsRef<str> + Sync>(
        pieces: Pieces,
        texts: &[S],
        vocabulary: usize,
        min_count: u64,
    ) -> Result<Tokenizer> {
        Tokenizer::fit_rules(pieces.rules()?, texts, vocabulary, min_count, pieces.endings)
    }

    fn fit_rules<S: AsRef<str> + Sync>(
        rules: Rules,
        texts: &[S],
        vocabulary: usize,
        min_count: u64,
        endings: bool,
    ) -> Result<Tokenizer> {
        let wanted = format!("it must hold {PADDING}, {UNKNOWN} and a word, and fit 32 bits");
        let fits = vocabulary >= 3 && u32::try_from(vocabulary).is_ok();
        ensure!(fits, Error::Config(format!("a vocabulary of {vocabulary}: {wanted}")));
        let counts = count_words(&rules, texts);
        let (mut words, rare): (Vec<(String, u64)>, Vec<_>) =
            counts.into_iter().partition(|&(_, count)| count >= min_count);
        let none = format!("no word occurs {min_count} times or more in the {} training texts", texts.len());
        ensure!(!words.is_empty(), Error::Config(none));
        words.sort_unstable_by(|(a, in_a), (b, in_b)| in_b.cmp(in_a).then_with(|| a.cmp(b)));
        let rest = words.split_off(words.len().min(vocabulary - 2));
        let unknown = rare.iter().chain(&rest).map(|(word, count)| (word.as_str(), *count));
        let own = if endings { endings::count(unknown) } else { HashMap::new() };
        let mut own: Vec<String> =
            own.into_iter().filter(|(_, count)| *count >= min_count).map(|(own, _)| own).collect();
        own.sort_unstable();
        Tokenizer::of(
            rules,
            words
                .into_iter()
                .map(|(word, _)| word)
                .filter(|word| !endings::is_ending(word) && ![PADDING, UNKNOWN].contains(&word.as_str()))
                .chain(own),
        )
    }

    /// Every byte of a text's UTF-8 is a token: [`PADDING`], [`UNKNOWN`] and the 256 bytes, in order (V = 258). Nothing
    /// is composed or lower-cased.
    ///
    /// # Errors
    /// [`Error::Config`] when the `tokenizers` crate refuses the vocabulary, which it does not.
    pub fn bytes() -> Result<Tokenizer> {
        Tokenizer::of(bytes::rules().map_err(internal)?, bytes::words())
    }

    /// The vocabulary of these words behind the two special ones.
    fn of(rules: Rules, words: impl Iterator<Item = String>) -> Result<Tokenizer> {
        let names = [PADDING, UNKNOWN].into_iter().map(str::to_owned).chain(words);
        let model = WordLevel::builder().vocab(names.zip(0..).collect()).unk_token(UNKNOWN.into()).build();
        Ok(Tokenizer::with(rules, model.map_err(internal)?))
    }

    fn with(rules: Rules, model: WordLevel) -> Tokenizer {
        let has_endings = rules.known.is_given() && model.get_vocab().keys().any(|token| endings::is_ending(token));
        Tokenizer { rules: Box::new(rules), model, has_endings }
    }

    /// The number of a token, or of what stands for it.
    fn number(&self, word: &str) -> u32 {
        let id = |word: &str| self.model.token_to_id(word).filter(|&id| id != PADDING_ID && id != UNKNOWN_ID);
        let is_word = !(self.has_endings && endings::is_ending(word));
        id(word).filter(|_| is_word).unwrap_or_else(|| self.unknown(word))
    }

    /// The number of what stands for a token that is not in the vocabulary.
    fn unknown(&self, word: &str) -> u32 {
        if !self.has_endings {
            return UNKNOWN_ID;
        }
        endings::of_word(word).find_map(|own| self.model.token_to_id(&own)).unwrap_or(UNKNOWN_ID)
    }

    /// What each token becomes where it is made unknown, `[V]`; `None` if that is [`UNKNOWN`] for all.
    pub fn unknowns(&self) -> Option<Vec<u32>> {
        let own =
            |id: u32, word: &String| if id <= UNKNOWN_ID || endings::is_ending(word) { id } else { self.unknown(word) };
        self.has_endings.then(|| (0..).zip(&self.words()).map(|(id, word)| own(id, word)).collect())
    }

    /// Whether the tokens are bytes.
    pub fn reads_bytes(&self) -> bool {
        self.rules.known == Known::Bytes
    }

    /// Whether it reads tokens that are given one by one.
    pub fn reads_given(&self) -> bool {
        self.rules.known.is_given()
    }

    /// The numbers of the text's tokens, each below [`vocabulary_size`](Tokenizer::vocabulary_size). A text without a
    /// token is one [`UNKNOWN`], as a sequence has at least one step.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        if self.reads_bytes() {
            ids.extend(text.bytes().map(|byte| bytes::FIRST_ID + u32::from(byte)));
        } else {
            self.rules.each_word(text, |word| {
                // A text cannot ask for padding, not even by foreign rules that leave `[PAD]` whole.
                ids.push(self.number(word));
            });
        }
        if ids.is_empty() {
            ids.push(UNKNOWN_ID);
        }
        ids
    }

    /// [`encode`](Tokenizer::encode) of many texts, on all cores.
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Vec<Vec<u32>> {
        texts.par_iter().map(|text| self.encode(text.as_ref())).collect()
    }

    /// How many tokens there are (V), with the special ones.
    pub fn vocabulary_size(&self) -> usize {
        self.model.get_vocab_size()
    }

    /// The tokens by number, `[V]`; a byte is the character that GPT-2 writes for it.
    pub fn words(&self) -> Vec<String> {
        (0..self.vocabulary_size() as u32).map_while(|id| self.model.id_to_token(id)).collect()
    }

    /// The text of a `tokenizer.json`, which Hugging Face's libraries load and which cuts texts as this does (with the
    /// difference that they read a literal `[PAD]` or `[UNK]` in a text as the token).
    ///
    /// # Errors
    /// [`Error::Config`] when the `tokenizers` crate cannot write it.
    pub fn to_json(&self) -> Result<String> {
        let mut file = File::new(self.model.clone());
        if self.reads_bytes() {
            file.with_decoder(Some(ByteLevel::default()));
        }
        file.with_normalizer(self.rules.normalizer.clone()).map_err(internal)?;
        file.with_pre_tokenizer(self.rules.splits.clone());
        file.add_special_tokens([PADDING, UNKNOWN].map(|token| AddedToken::from(token, true))).map_err(internal)?;
        file.to_string(true).map_err(internal)
    }

    /// Reads what [`to_json`](Tokenizer::to_json) wrote, or any word-level tokenizer with the same two special tokens;
    /// `path` is where `json` comes from.
    ///
    /// # Errors
    /// [`Error::Model`] when it is no such file.
    pub fn from_json(path: &Path, json: &str) -> Result<Tokenizer> {
        let none = |fault: String| Error::model(path, format!("is no word-level tokenizer ({fault})"));
        // The crate panics where the JSON is broken in some places.
        tokenizer_parts::check(json).map_err(|problem| Error::model(path, problem))?;
        let file: File = json.parse().map_err(|fault: tokenizers::Error| none(fault.to_string()))?;
        let model = file.get_model().clone();
        let size = model.get_vocab_size();
        let wrong = |problem: &str| Error::model(path, problem);
        for (token, id) in [(PADDING, PADDING_ID), (UNKNOWN, UNKNOWN_ID)] {
            let own = model.token_to_id(token);
            ensure!(own == Some(id), wrong(&format!("the word number {id} must be {token}")));
        }
        let other = format!("unknown words are {}, and must be {UNKNOWN}", quoted(&model.unk_token));
        ensure!(model.unk_token == UNKNOWN, wrong(&other));
        let filled = (0..size as u32).take_while(|&id| model.id_to_token(id).is_some()).count();
        ensure!(filled == size, wrong(&format!("has {size} words but none with the number {filled}")));
        ensure!(file.get_vocab_size(true) == size, wrong("has added tokens that are not in its vocabulary"));
        let more =
            file.get_truncation().is_some() || file.get_padding().is_some() || file.get_post_processor().is_some();
        ensure!(!more, wrong("has a truncation, a padding or a post-processor, which are not applied here"));
        let (normalizer, splits) = (file.get_normalizer().cloned(), file.get_pre_tokenizer().cloned());
        let mut rules = Rules { normalizer, splits, known: Known::Not, markup: None };
        let bytes = Tokenizer::bytes()?;
        if rules.same(&bytes.rules) && model.get_vocab() == bytes.model.get_vocab() {
            rules.known = Known::Bytes;
        }
        for pieces in Pieces::ALL {
            let own = pieces.rules()?;
            if rules.same(&own) {
                rules = own;
                break;
            }
        }
        Ok(Tokenizer::with(rules, model))
    }
}

/// Counts the words of all texts, on all cores.
fn count_words<S: AsRef<str> + Sync>(rules: &Rules, texts: &[S]) -> HashMap<String, u64> {
    let count = |mut counts: HashMap<String, u64>, text: &S| {
        rules.each_word(text.as_ref(), |word| match counts.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(counts.insert(word.to_owned(), 1)),
        });
        counts
    };
    let merge = |mut all: HashMap<String, u64>, part: HashMap<String, u64>| {
        part.into_iter().for_each(|(word, count)| *all.entry(word).or_default() += count);
        all
    };
    texts.par_iter().fold(HashMap::new, count).reduce(HashMap::new, merge)
}

/// A refusal of the `tokenizers` crate that no input of ours should cause.
fn internal(fault: tokenizers::Error) -> Error {
    Error::Config(format!("the tokenizers library: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted() -> Tokenizer {
        Tokenizer::fit(&["b a b", "It's c a!", "[PAD] b"], 100, 1).unwrap()
    }

    #[test]
    fn frequent_words_come_first_and_ties_in_order() {
        assert_eq!(fitted().words(), ["[PAD]", "[UNK]", "b", "a", "!", "'s", "[", "]", "c", "it", "pad"]);
        assert_eq!(Tokenizer::fit(&["b a b", "c a c"], 4, 1).unwrap().words(), ["[PAD]", "[UNK]", "a", "b"]);
        assert_eq!(Tokenizer::fit(&["b a b", "c"], 9, 2).unwrap().words(), ["[PAD]", "[UNK]", "b"]);
    }

    #[test]
    fn every_text_has_a_step_and_none_has_padding() {
        let tokenizer = fitted();
        assert_eq!(tokenizer.encode("B zebra"), [2, UNKNOWN_ID]);
        assert_eq!(tokenizer.encode_batch(&["", " \n", "a"]), [vec![UNKNOWN_ID], vec![UNKNOWN_ID], vec![3]]);
        assert_eq!(tokenizer.encode("[PAD]"), [6, 10, 7]);
    }

    #[test]
    fn survives_json_as_the_library_reads_it() {
        let tokenizer = fitted();
        let json = tokenizer.to_json().unwrap();
        let again = Tokenizer::from_json(Path::new("tokenizer.json"), &json).unwrap();
        assert_eq!((again.to_json().unwrap(), again.words()), (json.clone(), tokenizer.words()));
        let library: tokenizers::Tokenizer = json.parse().unwrap();
        let text = "It’s B, a\u{a0}cafe\u{301}!";
        assert_eq!(library.encode(text, true).unwrap().get_ids(), again.encode(text));
        assert_eq!(library.token_to_id(PADDING), Some(PADDING_ID));
    }

    #[test]
    fn settings_without_a_vocabulary() {
        let error = |texts: &[&str], size, count| Tokenizer::fit(texts, size, count).err().unwrap().to_string();
        assert_eq!(error(&["a"], 2, 1), "a vocabulary of 2: it must hold [PAD], [UNK] and a word, and fit 32 bits");
        assert_eq!(error(&["a b", "c"], 9, 2), "no word occurs 2 times or more in the 2 training texts");
        assert_eq!(error(&[], 9, 1), "no word occurs 1 times or more in the 0 training texts");
    }

    #[test]
    fn damaged_files_are_refused() {
        let json = fitted().to_json().unwrap();
        let error = |json: &str| Tokenizer::from_json(Path::new("m/tokenizer.json"), json).err().unwrap().to_string();
        assert!(error("{").starts_with("m/tokenizer.json: is no word-level tokenizer (EOF while"), "{}", error("{"));
        assert!(error("{}").starts_with("m/tokenizer.json: is no word-level tokenizer ("), "{}", error("{}"));
        let changed = |from: &str, to: &str| {
            assert!(json.contains(from), "{from} is not in {json}");
            error(&json.replace(from, to))
        };
        let error_in_decoder = changed("\"decoder\": null", "\"decoder\":ull");
        assert!(error_in_decoder.contains("is no word-level tokenizer (expected value"), "{error_in_decoder}");
        assert_eq!(changed("\"b\": 2", "\"b\": 55"), "m/tokenizer.json: has 11 words but none with the number 2");
        assert_eq!(changed("\"[PAD]\": 0", "\"x\": 0"), "m/tokenizer.json: the word number 0 must be [PAD]");
        assert_eq!(
            changed("\"unk_token\": \"[UNK]\"", "\"unk_token\": \"b\""),
            "m/tokenizer.json: unknown words are `b`, and must be [UNK]"
        );
        assert_eq!(
            changed(
                r#""truncation": null"#,
                r#""truncation": {"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}"#
            ),
            "m/tokenizer.json: has a truncation, a padding or a post-processor, which are not applied here"
        );
    }
}
