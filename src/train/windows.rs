//! Long sequences of which every step is told: they are not truncated but cut into windows that overlap, and what is told of the
//! windows is put together again.

use std::ops::Range;

/// A part of a sequence that is read as one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its place among the sequences.
    pub sequence: usize,
    /// The steps of the sequence that are read.
    pub steps: Range<usize>,
    /// Of these, counted from the window's first, those that count: the windows of a sequence share all steps among them.
    pub own: Range<usize>,
}

/// The windows of sequences of these `lengths`, none longer than `most`. Neighbours share `overlap` steps, or up to half of a
/// window; the first half of what is shared belongs to the earlier window.
pub fn windows(lengths: impl Iterator<Item = usize>, most: usize, overlap: usize) -> Vec<Window> {
    let overlap = overlap.min(most / 2);
    let mut all = Vec::new();
    for (sequence, length) in lengths.enumerate() {
        let apart = most - overlap;
        let count = length.saturating_sub(overlap).div_ceil(apart).max(1);
        for at in 0..count {
            let (is_first, is_last) = (at == 0, at + 1 == count);
            let begin = at * apart;
            let steps = begin..if is_last { length } else { begin + most };
            let own = if is_first { 0 } else { overlap / 2 }..if is_last { steps.len() } else { apart + overlap / 2 };
            all.push(Window { sequence, steps, own });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_overlap_and_share_what_they_both_read() {
        let of = |sequence, steps, own| Window { sequence, steps, own };
        let found = windows([4, 12, 0].into_iter(), 6, 3);
        let expected = [of(0, 0..4, 0..4), of(1, 0..6, 0..4), of(1, 3..9, 1..4), of(1, 6..12, 1..6), of(2, 0..0, 0..0)];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn every_step_is_counted_once(length in 0usize..200, most in 1usize..40, overlap in 0usize..60) {
            let mut next = 0;
            for Window { steps, own, .. } in windows([length].into_iter(), most, overlap) {
                prop_assert!(steps.len() <= most && own.end <= steps.len());
                prop_assert_eq!(steps.start + own.start, next);
                next = steps.start + own.end;
            }
            prop_assert_eq!(next, length);
        }
    }
}
