//! Pretrained word vectors in the text layout of GloVe and word2vec.

use std::collections::HashMap;
use std::path::Path;

use super::examples::ReadOptions;
use super::limits::Limits;
use super::lines::Lines;
use super::source::Source;
use crate::data::tokenizer::{PADDING, UNKNOWN};
use crate::error::{Error, Problem, Result, ensure};
use crate::listing::quoted;

/// Reads the vectors of `words` into their rows of `embedding [V, width]`, and tells of how many; the others' rows stay
/// as they are. The file is a text, plain or packed: a word and `width` numbers per line, and on line 1 perhaps
/// word2vec's count and width. Only lines of wanted words are parsed; where a word occurs twice the first counts. The
/// tokenizer's `[PAD]` and `[UNK]` get none. A word with capitals that the file has not takes the vector of its lower case.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read. [`Error::Data`] for another number of values than `width`, with the
/// line; for a value that is no finite number; when no word is found; for damaged packed data.
pub fn read_vectors(path: &Path, words: &[String], embedding: &mut [f32], width: usize) -> Result<usize> {
    // The first line is a word, or two numbers, and no header.
    let options = ReadOptions { limits: Limits::default().of_lines(), header: false, ..ReadOptions::default() };
    parse(Lines::open(&Source::File(path.into()), &options)?, words, embedding, width)
}

fn parse(mut lines: Lines, words: &[String], embedding: &mut [f32], width: usize) -> Result<usize> {
    let wanted = || words.iter().enumerate().filter(|(_, word)| *word != PADDING && *word != UNKNOWN);
    let mut rows: HashMap<&[u8], usize> = wanted().map(|(row, word)| (word.as_bytes(), row)).collect();
    // Most files know no capitals: a word that is not found takes the vector of its lower case.
    let mut lower: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for (row, word) in wanted() {
        let own = word.to_lowercase();
        if own != *word {
            lower.entry(own.into_bytes()).or_default().push(row);
        }
    }
    let known = rows.len();
    let mut values_of = vec![0.0; width];
    let mut found = vec![false; words.len()];
    let mut first = true;
    while let Some(line) = lines.next_bytes()? {
        let (word, values) = line.split_at(line.iter().position(|byte| b" \t".contains(byte)).unwrap_or(line.len()));
        let header = if first { header_width(word, values) } else { None };
        let outcome = match header {
            Some(found) if found == width => Ok(false),
            Some(found) => Err(Problem::VectorWidth { found, wanted: width }),
            // Parsed though nobody wants it, so that a file of another width is refused whatever words it holds.
            None if first || rows.contains_key(word) || lower.contains_key(word) => {
                parse_values(values, &mut values_of, first)
            }
            None => continue,
        };
        if matches!(outcome, Ok(true)) {
            let same = rows.remove(word);
            let alike = lower.remove(word).unwrap_or_default();
            for row in alike.into_iter().filter(|row| rows.contains_key(words[*row].as_bytes())).chain(same) {
                embedding[row * width..][..width].copy_from_slice(&values_of);
                found[row] = true;
            }
        }
        first = false;
        outcome.map_err(|problem| lines.error(problem))?;
    }
    let count = found.iter().filter(|own| **own).count();
    let problem = format!("has a vector for none of the {known} words of the vocabulary");
    ensure!(count > 0, Error::data(lines.file, problem));
    Ok(count)
}

/// The width that word2vec's first line tells: two whole numbers and nothing else.
fn header_width(word: &[u8], values: &[u8]) -> Option<usize> {
    std::str::from_utf8(word).ok()?.parse::<u64>().ok()?;
    std::str::from_utf8(values).ok()?.trim().parse().ok()
}

/// Parses a line's values; false when the line is of another word, one with blanks in it (GloVe 840B has `. . .`).
/// `first`: on the first line another number of values is the file's width, later on it is damage.
fn parse_values(values: &[u8], into: &mut [f32], first: bool) -> std::result::Result<bool, Problem> {
    let values = std::str::from_utf8(values).map_err(|_| "has values that are not numbers")?;
    let count = values.split_ascii_whitespace().count();
    let number = |part: &str| part.parse::<f32>().is_ok();
    // A word may have blanks in it, and numbers: `at 5`. On the first line more numbers are another width.
    if count > into.len() && (!first || !values.split_ascii_whitespace().all(number)) {
        return Ok(false);
    }
    if count != into.len() {
        return Err(match first {
            true => Problem::VectorWidth { found: count, wanted: into.len() },
            false => format!("has {count} values, not {}: the file is damaged or cut short", into.len()).into(),
        });
    }
    for ((number, slot), part) in (1..).zip(into).zip(values.split_ascii_whitespace()) {
        let value = part.parse().ok().filter(|value: &f32| value.is_finite());
        *slot = value.ok_or_else(|| format!("value {number} is {}, not a finite number", quoted(part)))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::fixtures::opened_lines;

    fn read(text: &str, words: &[&str], width: usize) -> std::result::Result<Vec<f32>, String> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        let lines = opened_lines("g.txt", text.as_bytes());
        let mut rows = vec![0.0; words.len() * width];
        let count = parse(lines, &words, &mut rows, width).map_err(|e| e.to_string())?;
        assert_eq!(count, rows.chunks(width).filter(|row| row.iter().any(|value| *value != 0.0)).count());
        Ok(rows)
    }

    fn fails(text: &str, message: &str) {
        assert_eq!(read(text, &["[UNK]", "a", "b"], 2), Err(message.to_string()), "{text:?}");
    }

    #[test]
    fn words_with_blanks_and_numbers_in_them() {
        let text = "the 9 9\na 1 2\na 5 3 4\nb 6 7\n";
        assert_eq!(read(text, &["a", "b"], 2).unwrap(), [1.0, 2.0, 6.0, 7.0]);
    }

    #[test]
    fn keeps_the_words_asked_for() {
        let text = "the 9 9\nb 1 -2.5e-1\nx not parsed\na 3 4 \r\nb 7 7\n[UNK] 8 8\n";
        let vectors = read(text, &["[PAD]", "[UNK]", "a", "é", "b"], 2).unwrap();
        assert_eq!(vectors, [0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 1.0, -0.25]);
    }

    #[test]
    fn word2vec_header_and_words_with_blanks() {
        assert_eq!(read("2 3\na 1 2 3\n", &["a"], 3).unwrap(), [1.0, 2.0, 3.0]);
        let vectors = read("x 1 2\n. . . 5 6\n. 7 8\n", &["."], 2).unwrap();
        assert_eq!(vectors, [7.0, 8.0]);
        // A number is a word too.
        assert_eq!(read("7 1 2\n", &["7"], 2).unwrap(), [1.0, 2.0]);
    }

    #[test]
    fn another_width_is_refused_on_the_first_line() {
        fails("the 1 2 3\n", "g.txt:1: has 3 values, and the embedding has 2");
        fails("the 1\na 1\n", "g.txt:1: has 1 values, and the embedding has 2");
        fails("900 3\na 1 2 3\n", "g.txt:1: has 3 values, and the embedding has 2");
        fails("PK\n", "g.txt:1: has 0 values, and the embedding has 2");
    }

    #[test]
    fn damaged_lines_are_named() {
        fails("the 1 2\na 1", "g.txt:2: has 1 values, not 2: the file is damaged or cut short");
        fails("the 1 2\nx\na 1 nan\n", "g.txt:3: value 2 is `nan`, not a finite number");
        fails("a 1e99 0\n", "g.txt:1: value 1 is `1e99`, not a finite number");
        fails("a 0 0,5\n", "g.txt:1: value 2 is `0,5`, not a finite number");
    }

    #[test]
    fn no_word_at_all() {
        fails("", "g.txt: has a vector for none of the 2 words of the vocabulary");
        fails("x 1 2\n", "g.txt: has a vector for none of the 2 words of the vocabulary");
    }
}
