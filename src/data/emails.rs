//! The e-mails that ship with the crate: ham and spam of the SpamAssassin corpus, without headers. They let every
//! command run on real texts without a download.

use super::examples::Examples;
use super::format::TableFormat;
use super::lines::Lines;
use super::source::unpack;
use super::table::{TableColumns, parse};
use crate::error::Result;

/// A part of the corpus; no text is in two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What a network learns from.
    Train,
    /// What the best epoch is chosen by.
    Valid,
    /// What a finished network is measured on.
    Test,
}

/// Gzipped tables with the columns `label` and `text`.
const TRAIN: &[u8] = include_bytes!("../../data/emails/train.tsv.gz");
const VALID: &[u8] = include_bytes!("../../data/emails/valid.tsv.gz");
const TEST: &[u8] = include_bytes!("../../data/emails/test.tsv.gz");

/// Reads a part of the corpus. Labels are `ham` and `spam`; lines are those of the unpacked table.
///
/// # Errors
/// Those of [`ReadOptions::read`](super::ReadOptions::read), when the crate was built from damaged files.
pub fn emails(part: Part) -> Result<Examples> {
    let (packed, name) = match part {
        Part::Train => (TRAIN, "emails/train.tsv.gz"),
        Part::Valid => (VALID, "emails/valid.tsv.gz"),
        Part::Test => (TEST, "emails/test.tsv.gz"),
    };
    let columns = TableColumns { text: "text".into(), label: Some("label".into()) };
    parse(Lines::new(name.into(), unpack(name, packed, true)?), &columns, Some(TableFormat::Tsv))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::data::Classes;

    #[test]
    fn every_part_has_both_classes_and_no_text_of_another() {
        let mut seen = HashSet::new();
        for part in [Part::Train, Part::Valid, Part::Test] {
            let examples = emails(part).unwrap();
            assert_eq!(Classes::fit(&examples).unwrap().names(), ["ham", "spam"]);
            let texts: HashSet<String> = examples.texts().unwrap().iter().cloned().collect();
            assert!(seen.is_disjoint(&texts), "{part:?}");
            seen.extend(texts);
        }
    }
}
