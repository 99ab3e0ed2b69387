//! The e-mails that ship with the crate: ham and spam of the SpamAssassin corpus, without headers. They let every
//! command run on real texts without a download.

use super::examples::Examples;
use super::format::Format;
use super::lines::Lines;
use super::source::unpack;
use super::texts;
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

/// Reads a part of the corpus. Labels are `ham` and `spam`; lines are those of the unpacked table.
///
/// # Errors
/// Those of [`ReadOptions::read`](super::ReadOptions::read), when the crate was built from damaged files.
pub fn emails(part: Part) -> Result<Examples> {
    let (packed, name): (&[u8], _) = match part {
        Part::Train => (include_bytes!("../../../data/emails/train.tsv.gz"), "emails/train.tsv.gz"),
        Part::Valid => (include_bytes!("../../../data/emails/valid.tsv.gz"), "emails/valid.tsv.gz"),
        Part::Test => (include_bytes!("../../../data/emails/test.tsv.gz"), "emails/test.tsv.gz"),
    };
    let lines = Lines::new(name.into(), unpack(name, packed, true)?);
    texts::read(lines, ("text", Some("label")), Some(Format::Tsv))
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
