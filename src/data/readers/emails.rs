//! The e-mails that ship with the crate: ham and spam of the SpamAssassin corpus, without headers. They let every
//! command run on real texts without a download.

use super::binary::read_error;
use super::examples::{Examples, ReadOptions};
use super::format::Format;
use super::limits::Limits;
use super::lines::Lines;
use super::packing::{Packing, unpack};
use super::source::text;
use super::texts;
use crate::error::Result;

/// Reads the corpus: what a network learns from, what the best epoch is chosen by, and what a finished network is
/// measured on; no text is in two of them. Labels are `ham` and `spam`; lines are those of the unpacked tables.
///
/// # Errors
/// Those of [`ReadOptions::read`](super::ReadOptions::read), when the crate was built from damaged files.
pub fn emails() -> Result<[Examples; 3]> {
    let read = |name: &str, packed: &'static [u8]| {
        let (options, limits) = (ReadOptions::default(), Limits::default());
        let (unpacked, count) = unpack(name, packed, Some(Packing::Gzip), &limits)?;
        let reader = text(unpacked, count, limits, None).map_err(|source| read_error(name, source))?;
        let lines = Lines::new(name.into(), reader, &options);
        texts::read(lines, true, Some(Format::Tsv), &options)
    };
    Ok([
        read("emails/train.tsv.gz", include_bytes!("../../../data/emails/train.tsv.gz"))?,
        read("emails/valid.tsv.gz", include_bytes!("../../../data/emails/valid.tsv.gz"))?,
        read("emails/test.tsv.gz", include_bytes!("../../../data/emails/test.tsv.gz"))?,
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::data::Classes;

    #[test]
    fn every_part_has_both_classes_and_no_text_of_another() {
        let mut seen = HashSet::new();
        for examples in emails().unwrap() {
            assert_eq!(Classes::fit(&examples).unwrap().names(), ["ham", "spam"]);
            let texts: HashSet<String> = examples.texts().unwrap().iter().cloned().collect();
            assert!(seen.is_disjoint(&texts), "{}", examples.place);
            seen.extend(texts);
        }
    }
}
