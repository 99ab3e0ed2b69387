//! Which parts of a stranger's `tokenizer.json` are read. The `tokenizers` crate panics on some, or asks for any amount of
//! memory; what is not known here to be harmless is refused by its name.

use serde_json::Value;

/// The two parts of a file that are looked at, each once.
#[derive(serde::Deserialize)]
struct Parts {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
}

/// How many times as long a text may become by a file's replacements.
const MOST_GROWTH: usize = 16;

/// How many parts a file may have, and how many of them may be regular expressions, each of which may take 10 MB.
const MOST_PARTS: usize = 64;
const MOST_PATTERNS: usize = 8;

/// Checks the normalizer and the pre-tokenizer of a file.
///
/// # Errors
/// What is no JSON, or is not read, in words.
pub(super) fn check(json: &str) -> Result<(), String> {
    // A second part of the same name is an error here, and the `tokenizers` crate would read both.
    let file: Parts = serde_json::from_str(json).map_err(|fault| format!("is no word-level tokenizer ({fault})"))?;
    let (mut parts, mut patterns) = (0, 0);
    let mut count = |part: &Value| {
        parts += 1;
        patterns += usize::from(part["pattern"]["Regex"].is_string());
        let many = || format!("it has over {MOST_PARTS} parts, or over {MOST_PATTERNS} regular expressions");
        if parts <= MOST_PARTS && patterns <= MOST_PATTERNS { Ok(()) } else { Err(many()) }
    };
    let mut growth = 1;
    each("normalizer", &file.normalizer, "normalizers", 0, &mut |kind, part| {
        count(part).and(match kind {
            "NFC" | "NFD" | "NFKC" | "NFKD" | "Lowercase" | "Strip" | "StripAccents" => Ok(()),
            "Replace" | "BertNormalizer" | "ByteLevel" => {
                let own = match kind {
                    "Replace" => growth_of(part),
                    // Two bytes for each, or blanks around ideographs.
                    "ByteLevel" => 2,
                    _ => 4,
                };
                growth = own.saturating_mul(growth);
                let longer = || format!("its replacements may make a text over {MOST_GROWTH} times as long");
                if growth <= MOST_GROWTH { Ok(()) } else { Err(longer()) }
            }
            _ => Err(unread("normalizer", kind)),
        })
    })?;
    let mut growth = 1;
    each("pre_tokenizer", &file.pre_tokenizer, "pretokenizers", 0, &mut |kind, part| {
        count(part).and(match kind {
            "Whitespace" | "WhitespaceSplit" | "Punctuation" | "Digits" | "BertPreTokenizer" | "CharDelimiterSplit"
            | "Split" | "UnicodeScripts" => Ok(()),
            "ByteLevel" if growth < MOST_GROWTH => {
                growth *= 2;
                Ok(())
            }
            _ => Err(unread("pre-tokenizer", kind)),
        })
    })
}

fn unread(what: &str, kind: &str) -> String {
    format!("its {what} {} is not read here", crate::listing::quoted(kind))
}

/// Calls `check` with the type of every part, also within sequences.
fn each(
    what: &str,
    part: &Value,
    list: &str,
    depth: usize,
    check: &mut dyn FnMut(&str, &Value) -> Result<(), String>,
) -> Result<(), String> {
    match part["type"].as_str() {
        _ if part.is_null() => Ok(()),
        None => Err(format!("its {what} has no type")),
        Some("Sequence") if depth < 8 => {
            let parts = part[list].as_array().ok_or_else(|| format!("its {what} is a sequence of nothing"))?;
            parts.iter().try_for_each(|part| each(what, part, list, depth + 1, check))
        }
        Some(kind) => check(kind, part),
    }
}

/// By how much a replacement may lengthen what it replaces: a pattern may match nothing, and so stand between all letters.
fn growth_of(part: &Value) -> usize {
    let content = part["content"].as_str().map_or(usize::MAX, str::len);
    match part["pattern"]["String"].as_str() {
        Some("") => usize::MAX,
        Some(text) => content.div_ceil(text.len()).max(1),
        None => content.saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn all_of(parts: Vec<Value>) -> Value {
        json!({"type": "Sequence", "normalizers": parts})
    }

    #[test]
    fn parts() {
        let of = |normalizer: Value, splits: Value| {
            check(&json!({"normalizer": normalizer, "pre_tokenizer": splits, "model": {}}).to_string())
        };
        assert!(
            check("{\"normalizer\": {\"type\": \"Precompiled\"}, \"normalizer\": null}")
                .unwrap_err()
                .contains("duplicate")
        );
        assert!(check("[1").is_err());
        let bytes = json!({"type": "ByteLevel"});
        let long = all_of(vec![json!({"type": "NFC"}); 65]);
        assert!(of(long, Value::Null).unwrap_err().starts_with("it has over 64 parts"));
        let split = json!({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Isolated", "invert": false});
        let splits = |count| json!({"type": "Sequence", "pretokenizers": vec![split.clone(); count]});
        assert!(of(Value::Null, splits(8)).is_ok() && of(Value::Null, splits(9)).is_err());
        let many = all_of(vec![bytes.clone(); 30]);
        assert!(of(many, Value::Null).is_err() && of(all_of(vec![bytes.clone(); 4]), Value::Null).is_ok());
        let many = json!({"type": "Sequence", "pretokenizers": vec![bytes; 30]});
        assert!(of(Value::Null, many).is_err());
        let replace =
            |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
        let all = all_of;
        let none = Value::Null;
        assert_eq!(of(none.clone(), none.clone()), Ok(()));
        let quote = replace(json!({"String": "``"}), "\"");
        assert_eq!(of(all(vec![json!({"type": "NFC"}), quote]), json!({"type": "Whitespace"})), Ok(()));
        let charsmap = json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"});
        assert_eq!(of(charsmap, none.clone()).unwrap_err(), "its normalizer `Precompiled` is not read here");
        let longer = replace(json!({"String": "a"}), "aaaaaaaa");
        assert_eq!(of(all(vec![longer.clone()]), none.clone()), Ok(()));
        assert!(of(all(vec![longer; 9]), none.clone()).unwrap_err().contains("over 16 times as long"));
        assert!(of(replace(json!({"String": ""}), "a"), none.clone()).is_err());
        assert!(of(replace(json!({"Regex": "x*"}), &"a".repeat(16)), none.clone()).is_err());
        let fixed = json!({"type": "Sequence", "pretokenizers": [{"type": "FixedLength", "length": 0}]});
        assert_eq!(of(none.clone(), fixed).unwrap_err(), "its pre-tokenizer `FixedLength` is not read here");
        assert!(
            of(json!({"type": 7}), none.clone()).is_err() && of(json!({"type": "Sequence"}), none.clone()).is_err()
        );
        let deep = (0..40).fold(json!({"type": "NFC"}), |part, _| all(vec![part]));
        assert!(of(deep, none).is_err());
    }
}
