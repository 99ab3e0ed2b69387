//! Bytes as tokens. In a `tokenizer.json` this is a word-level tokenizer whose words are one byte each: Hugging Face's
//! byte-level normaliser writes every byte as a printable character of its own (as GPT-2 did), and every character is
//! then a word. Here no such detour is taken: a byte's token is its value plus [`FIRST_ID`].

use tokenizers::SplitDelimiterBehavior;
use tokenizers::normalizers::ByteLevel;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};

use super::words::{Known, Rules};

/// The token of byte 0, behind padding and the unknown word.
pub(super) const FIRST_ID: u32 = 2;

/// The bytes' words, by value.
pub(super) fn words() -> impl Iterator<Item = String> {
    // What is no printable character, blanks among it, is moved behind the first 256 characters, in order.
    let printable = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let moved = (0..256).scan(255, move |last, byte| {
        *last += u32::from(!printable(byte));
        Some(if printable(byte) { byte } else { *last })
    });
    moved.filter_map(char::from_u32).map(String::from)
}

/// The rules of a file.
pub(super) fn rules() -> tokenizers::Result<Rules> {
    // No byte's character is a line break, so that a dot is any of them.
    let each = Split::new(SplitPattern::Regex(".".into()), SplitDelimiterBehavior::Isolated, false)?;
    let normalizer = Some(ByteLevel::new().into());
    Ok(Rules { normalizer, splits: Some(each.into()), known: Known::Bytes, markup: None })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rand::{RngExt, SeedableRng};

    use crate::data::Tokenizer;
    use crate::data::tokenizer::UNKNOWN_ID;

    #[test]
    fn a_token_is_a_byte() {
        let tokenizer = Tokenizer::bytes().unwrap();
        assert_eq!(tokenizer.vocabulary_size(), 258);
        assert_eq!(tokenizer.encode_batch(&["aB\0", "", "é"]), [vec![99, 68, 2], vec![UNKNOWN_ID], vec![197, 171]]);
        let words = tokenizer.words();
        assert_eq!((words[2 + 32].as_str(), words[2 + 65].as_str(), words[2 + 255].as_str()), ("Ġ", "A", "ÿ"));
    }

    #[test]
    fn the_file_is_read_back_and_the_library_reads_it_alike() {
        let tokenizer = Tokenizer::bytes().unwrap();
        let json = tokenizer.to_json().unwrap();
        let again = Tokenizer::from_json(Path::new("tokenizer.json"), &json).unwrap();
        assert!(again.reads_bytes());
        assert_eq!((again.to_json().unwrap(), again.words()), (json.clone(), tokenizer.words()));

        let library: tokenizers::Tokenizer = json.parse().unwrap();
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let below = [0x80, 0x800, 0x3000, 0x11_0000];
        for _ in 0..300 {
            let mut letter = || {
                let below = below[random.random_range(0..below.len())];
                char::from_u32(random.random_range(0..below))
            };
            let text: String = (0..20).filter_map(|_| letter()).collect();
            let found = library.encode(text.as_str(), true).unwrap();
            assert_eq!(found.get_ids(), again.encode(&text), "{text:?}");
            assert_eq!(library.decode(found.get_ids(), false).unwrap(), text);
        }
    }

    #[test]
    fn other_byte_vocabularies_are_words() {
        let json = Tokenizer::bytes().unwrap().to_json().unwrap();
        let exchanged = json.replace("\"A\": 67", "\"A\": 68").replace("\"B\": 68", "\"B\": 67");
        assert_ne!(json, exchanged);
        let foreign = Tokenizer::from_json(Path::new("t"), &exchanged).unwrap();
        assert!(!foreign.reads_bytes());
        assert_eq!(foreign.encode("AB!"), [68, 67, 35]);
    }
}
