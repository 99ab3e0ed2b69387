//! Sequences whose tokens are given one by one, with a tag for each: from CoNLL's text, JSON Lines and tables of steps.

use super::examples::{BETWEEN, Examples, LeftOut, RawInputs, RawTargets, ReadOptions};
use super::lines::Lines;
use super::table::missing_column;
use crate::error::{Error, Problem, Result, ensure};
use crate::listing::quoted;
use serde_json::{Map, Value};

/// The columns of tokens and of tags that are looked for where none is named.
pub(super) const TOKENS: &str = "tokens";
pub(super) const TAGS: &str = "tags";

/// The sequences of a file as they are read.
#[derive(Default)]
pub(super) struct Tagged {
    lines: Vec<u64>,
    texts: Vec<String>,
    tags: Vec<String>,
}

/// One sequence.
#[derive(Default)]
pub(super) struct Sequence {
    line: u64,
    steps: usize,
    text: String,
    tags: String,
}

impl Sequence {
    /// Takes a token, which stands on a line, and its tag.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn push(&mut self, line: u64, token: &str, tag: Option<&str>) -> std::result::Result<(), Problem> {
        let step = self.steps + 1;
        let wrong = |what: &str| Err(Problem::from(format!("token {step} {what}")));
        if token.trim().is_empty() {
            return wrong("is empty");
        }
        if token.contains(BETWEEN) || tag.is_some_and(|tag| tag.contains(BETWEEN)) {
            return wrong("has a line break in it, or in its tag");
        }
        if tag.is_some_and(|tag| tag.trim().is_empty()) {
            return wrong("has no tag");
        }
        if self.steps == 0 {
            self.line = line;
        } else {
            self.text.push(BETWEEN);
            self.tags.push(BETWEEN);
        }
        self.text.push_str(token);
        self.tags.push_str(tag.unwrap_or_default().trim());
        self.steps = step;
        Ok(())
    }
}

impl Tagged {
    /// Takes a sequence, unless it is empty.
    pub fn take(&mut self, sequence: &mut Sequence) {
        let Sequence { line, steps, text, tags } = std::mem::take(sequence);
        if steps > 0 {
            self.lines.push(line);
            self.texts.push(text);
            self.tags.push(tags);
        }
    }

    /// What was read; with tags if there are such.
    ///
    /// # Errors
    /// [`Error::Data`] if there is nothing.
    pub fn finish(self, lines: Lines, targets: bool) -> Result<Examples> {
        ensure!(!self.lines.is_empty(), lines.none("has no sequences"));
        let targets = targets.then_some(RawTargets::Tags(self.tags));
        Ok(Examples::of_lines(lines.file, self.lines, RawInputs::Texts(self.texts), targets, lines.left_out))
    }
}

impl Examples {
    /// Examples of a file that has nothing beside them.
    pub(super) fn of_lines(
        place: String,
        lines: Vec<u64>,
        inputs: RawInputs,
        targets: Option<RawTargets>,
        left_out: LeftOut,
    ) -> Examples {
        Examples { place, lines, inputs, targets, targets_place: None, cells: None, left_out }
    }
}

/// The name among these that is wanted: of the usual ones the singular serves, too.
pub(super) fn named<'n>(names: impl IntoIterator<Item = &'n str>, wanted: &str) -> Option<&'n str> {
    let usual = [TOKENS, TAGS].contains(&wanted);
    let singular = wanted.strip_suffix('s').filter(|_| usual);
    let (mut found, mut close) = (None, None);
    for name in names {
        if name == wanted {
            found = Some(name);
        } else if Some(name) == singular {
            close = Some(name);
        }
    }
    found.or(close)
}

/// Reads JSON Lines: an object a line, with a list of tokens and, with `targets`, one of as many tags.
///
/// # Errors
/// [`Error::Data`], with the line, for what is no such object, and for lists of other lengths.
pub(super) fn read_json(mut lines: Lines, targets: bool, options: &ReadOptions) -> Result<Examples> {
    let (mut tagged, mut sequence) = (Tagged::default(), Sequence::default());
    while let Some((line, text)) = lines.next_text()? {
        if text.trim().is_empty() {
            continue;
        }
        let read = object(text, line, targets, options, &mut sequence).map_err(|problem| lines.error(problem));
        match lines.row(read)? {
            Some(()) => tagged.take(&mut sequence),
            None => sequence = Sequence::default(),
        }
    }
    tagged.finish(lines, targets)
}

fn object(
    text: &str,
    line: u64,
    targets: bool,
    options: &ReadOptions,
    sequence: &mut Sequence,
) -> std::result::Result<(), Problem> {
    let broken = |error: serde_json::Error| Problem::from(format!("is not valid JSON of an object ({error})"));
    let object: Map<String, Value> = serde_json::from_str(text).map_err(broken)?;
    let list = |wanted: &str, role| {
        let key = named(object.keys().map(String::as_str), wanted);
        let value = key.and_then(|key| object.get(key)).ok_or_else(|| missing_column(wanted, role, object.keys()))?;
        let items = value.as_array().ok_or_else(|| format!("the {role} {} is no list", quoted(wanted)))?;
        let item = |item: &Value| match item {
            Value::String(own) => Ok(own.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(item.to_string()),
            other => Err(format!("the {role} {} lists {other}: each is a text or a number", quoted(wanted))),
        };
        Ok::<_, Problem>(items.iter().map(item).collect::<std::result::Result<Vec<String>, _>>()?)
    };
    let tokens = list(&options.text, "text")?;
    let tags = if targets { Some(list(&options.label, "label")?) } else { None };
    let (count, told) = (tokens.len(), tags.as_ref().map_or(tokens.len(), Vec::len));
    if count != told {
        return Err(format!("has {count} tokens and {told} tags: each token has one").into());
    }
    if count == 0 {
        return Err("has no tokens".to_string().into());
    }
    for (at, token) in tokens.iter().enumerate() {
        sequence.push(line, token, tags.as_ref().map(|tags| tags[at].as_str()))?;
    }
    Ok(())
}

/// Reads CoNLL's text: a token a line with its tag, among other columns, with tabs or blanks between them; a blank line ends a
/// sequence. Remarks (`# id 3`, `# name = text`) in front of a sequence and `-DOCSTART-` are left alone, and in CoNLL-U what is no token of its own
/// (`3-4`, `8.1`). The columns are called by their number, from 1: the first, and the last, or of CoNLL-U the second and the
/// fourth.
///
/// # Errors
/// [`Error::Data`], with the line, for a line with too few columns, or a token without a tag.
pub(super) fn read_conll(mut lines: Lines, targets: bool, universal: bool, options: &ReadOptions) -> Result<Examples> {
    let column = |name: &str, usual: &str| match name.parse::<usize>() {
        Ok(number) if number > 0 => Ok(Some(number - 1)),
        _ if name == usual => Ok(None),
        _ => Err(Error::Config(format!(
            "column {}: those of CoNLL text are called by their number, from 1",
            quoted(name)
        ))),
    };
    let (token, tag) = (column(&options.text, TOKENS)?, column(&options.label, TAGS)?);
    let token = token.unwrap_or(if universal { 1 } else { 0 });
    let (mut tagged, mut sequence, mut width) = (Tagged::default(), Sequence::default(), None);
    while let Some((line, text)) = lines.next_text()? {
        let text = text.trim_end();
        // In plain text `#` may be a token.
        let said = universal || text.starts_with("# id ") || text.contains(" = ");
        let is_comment = text.starts_with('#') && sequence.steps == 0 && said;
        if text.trim().is_empty() || text.starts_with("-DOCSTART-") {
            tagged.take(&mut sequence);
            continue;
        }
        let columns: Vec<&str> = match text.contains('\t') {
            true => text.split('\t').collect(),
            false => text.split([' ', '\t']).filter(|field| !field.is_empty()).collect(),
        };
        if is_comment || (universal && columns[0].contains(['-', '.'])) {
            continue;
        }
        let last = if universal { 3 } else { columns.len() - 1 };
        let at = tag.unwrap_or(last);
        let needed = if targets { token.max(at).max(1) } else { token };
        let few = || format!("has {} columns, and {} are needed", columns.len(), needed + 1);
        let even = *width.get_or_insert(columns.len());
        let uneven = || format!("has {} columns, and the first line of tokens {even}", columns.len());
        let read = match columns.len() > needed {
            true if columns.len() != even => Err(uneven().into()),
            true => sequence.push(line, columns[token], targets.then(|| columns[at])),
            false => Err(few().into()),
        };
        // A line that is left out would move the tags of its sequence.
        read.map_err(|problem| lines.error(problem))?;
    }
    tagged.take(&mut sequence);
    tagged.finish(lines, targets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::fixtures::lines_of;

    fn options() -> ReadOptions {
        ReadOptions { steps: true, text: TOKENS.into(), label: TAGS.into(), ..ReadOptions::default() }
    }

    fn found(read: Result<Examples>) -> std::result::Result<Vec<(u64, String, String)>, String> {
        let examples = read.map_err(|error| error.to_string())?;
        let tags = match &examples.targets {
            Some(RawTargets::Tags(tags)) => tags.clone(),
            _ => vec![String::new(); examples.lines.len()],
        };
        let texts = examples.texts().unwrap().iter().map(|text| text.replace(BETWEEN, " "));
        let rows = examples.lines.iter().zip(texts).zip(tags);
        Ok(rows.map(|((&line, text), tags)| (line, text, tags.replace(BETWEEN, " "))).collect())
    }

    fn conll(
        text: &str,
        universal: bool,
        options: &ReadOptions,
    ) -> std::result::Result<Vec<(u64, String, String)>, String> {
        found(read_conll(lines_of("t", text.as_bytes(), options), true, universal, options))
    }

    fn json(text: &str) -> std::result::Result<Vec<(u64, String, String)>, String> {
        let options = options();
        found(read_json(lines_of("t", text.as_bytes(), &options), true, &options))
    }

    fn row(line: u64, text: &str, tags: &str) -> (u64, String, String) {
        (line, text.into(), tags.into())
    }

    #[test]
    fn lines_of_tokens_and_tags() {
        let text = "-DOCSTART- -X- O O\n# sent = 1\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\n# NN B-NP O\nPeter NNP B-NP B-PER\n";
        let all = conll(text, false, &options());
        assert_eq!(all, Ok(vec![row(3, "EU rejects", "B-ORG O"), row(7, "# Peter", "O B-PER")]));
        let second = ReadOptions { label: "2".into(), ..options() };
        assert_eq!(conll(text, false, &second).unwrap()[0], row(3, "EU rejects", "NNP VBZ"));
        let universal =
            "# text = vámonos\n1-2\tvámonos\t_\t_\n1\tvamos\tir\tVERB\n2\tnos\tnosotros\tPRON\n2.1\tx\ty\tX\n";
        assert_eq!(conll(universal, true, &options()), Ok(vec![row(3, "vamos nos", "VERB PRON")]));
    }

    #[test]
    fn broken_lines_are_named() {
        let error = |text: &str| conll(text, false, &options()).unwrap_err();
        assert_eq!(error("a X\nb\n"), "t:2: has 1 columns, and 2 are needed");
        assert_eq!(error("a\t\n"), "t:1: has 1 columns, and 2 are needed");
        assert_eq!(error("\ta\n"), "t:1: token 1 is empty");
        assert_eq!(error("\n\n"), "t: has no sequences");
        let named = ReadOptions { label: "ner".into(), ..options() };
        let error = conll("a X\n", false, &named).unwrap_err();
        assert_eq!(error, "column `ner`: those of CoNLL text are called by their number, from 1");
    }

    #[test]
    fn objects_with_lists() {
        let text = "{\"tokens\": [\"a b\", 1], \"tags\": [\"X\", 2]}\n\n{\"token\": [\"c\"], \"tag\": [\"X\"]}\n";
        assert_eq!(json(text), Ok(vec![row(1, "a b 1", "X 2"), row(3, "c", "X")]));
        for (text, problem) in [
            ("{\"tokens\": [\"a\", \"b\"], \"tags\": [\"X\"]}", "t:1: has 2 tokens and 1 tags: each token has one"),
            ("{\"tokens\": [], \"tags\": []}", "t:1: has no tokens"),
            ("{\"tokens\": [\"\"], \"tags\": [\"X\"]}", "t:1: token 1 is empty"),
            ("{\"tokens\": \"a b\", \"tags\": []}", "t:1: the text `tokens` is no list"),
            (
                "{\"tokens\": [null], \"tags\": [\"X\"]}",
                "t:1: the text `tokens` lists null: each is a text or a number",
            ),
            ("{\"words\": []}", "t:1: has no column `tokens`, only `words`"),
        ] {
            assert_eq!(json(text), Err(problem.into()), "{text}");
        }
        assert!(json("{").unwrap_err().starts_with("t:1: is not valid JSON of an object (EOF"));
    }
}
