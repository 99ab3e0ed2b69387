//! Spans of tags, and how many of them are told: names in a text, events in a signal. Tags are `B-x` where a span of kind x begins,
//! `I-x` where it goes on, in some schemes `E-x` where it ends and `S-x` where one step is all of it, and `O` outside.

use super::metrics::LabelCounts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Spans of each kind that were told rightly, wrongly, or not at all: a span counts if its kind and both of its ends are right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spans(pub BTreeMap<String, LabelCounts>);

/// A span: its kind, its first step and the step behind its last.
type Span<'t> = (&'t str, usize, usize);

impl Spans {
    /// Whether tags of these names mark spans.
    pub fn are_marked(names: &[String]) -> bool {
        let marks = |name: &String| {
            name.len() > 2 && name.is_char_boundary(2) && ["B-", "I-", "E-", "S-"].contains(&&name[..2])
        };
        names.iter().all(|name| name == "O" || marks(name)) && names.iter().any(|name| name.starts_with("B-"))
    }

    /// Counts the spans of a sequence, by the tags of its steps that were told and the true ones.
    pub fn add(&mut self, told: &[&str], truth: &[&str]) {
        let [told, truth] = [told, truth].map(|tags| spans(tags).into_iter().collect::<BTreeSet<Span>>());
        for &span in told.union(&truth) {
            let counts = self.0.entry(span.0.to_string()).or_default();
            match (told.contains(&span), truth.contains(&span)) {
                (true, true) => counts.hits += 1,
                (true, false) => counts.false_alarms += 1,
                _ => counts.misses += 1,
            }
        }
    }

    /// Those of all kinds together.
    pub fn micro(&self) -> LabelCounts {
        self.0.values().fold(LabelCounts::default(), |sum, own| LabelCounts {
            hits: sum.hits + own.hits,
            false_alarms: sum.false_alarms + own.false_alarms,
            misses: sum.misses + own.misses,
        })
    }
}

/// The spans of a sequence, as `conlleval` of the CoNLL tasks and `seqeval` find them: a span also begins where its first tag is
/// no `B-` but another kind, or nothing, came before.
fn spans<'t>(tags: &[&'t str]) -> Vec<Span<'t>> {
    let mut found = Vec::new();
    let (mut before, mut kind, mut begin) = ('O', "", 0);
    for (at, tag) in tags.iter().copied().chain(["O"]).enumerate() {
        let mark = tag.chars().next().unwrap_or('O');
        let own = tag.split_once('-').map_or("", |(_, own)| own);
        let open = before != 'O';
        let ends = open && (matches!(before, 'E' | 'S') || matches!(mark, 'B' | 'S' | 'O') || own != kind);
        if ends {
            found.push((kind, begin, at));
        }
        if mark != 'O' && (ends || !open) {
            begin = at;
        }
        (before, kind) = (mark, own);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_as_seqeval_finds_them() {
        fn of(tags: &'static str) -> Vec<Span<'static>> {
            spans(&tags.split(' ').collect::<Vec<_>>())
        }
        assert_eq!(of("B-a I-a O B-b"), [("a", 0, 2), ("b", 3, 4)]);
        // Another kind, a span without a beginning, and two side by side.
        assert_eq!(of("I-a I-b B-b I-b O I-a"), [("a", 0, 1), ("b", 1, 2), ("b", 2, 4), ("a", 5, 6)]);
        assert_eq!(of("S-a B-a I-a E-a I-a O"), [("a", 0, 1), ("a", 1, 4), ("a", 4, 5)]);
        assert_eq!(of("O O"), []);
    }

    #[test]
    fn counts_by_kind() {
        let mut spans = Spans::default();
        spans.add(&["B-a", "I-a", "O", "B-b"], &["B-a", "I-a", "O", "B-a"]);
        assert_eq!(spans.0["a"], LabelCounts { hits: 1, false_alarms: 0, misses: 1 });
        assert_eq!(spans.micro(), LabelCounts { hits: 1, false_alarms: 1, misses: 1 });
        let names = |names: &[&str]| Spans::are_marked(&names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
        assert!(
            names(&["O", "B-x", "I-x", "S-y"])
                && !names(&["O", "NN"])
                && !names(&["I-x", "O"])
                && !names(&["é-x", "B-x"])
        );
    }
}
