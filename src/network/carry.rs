//! What the steps of a level hand down to the slices below them: each slice begins with what the level above knew before it.

use crate::kernel::gather_rows::NO_ROW;
use crate::slicing::Level;

/// The indices of one level and one direction. Step s of the level stands for slice s of the level below; "before" is meant
/// in the order of reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carry {
    /// `[P]`: the step before each in its own row, with whose output slice s begins; none before the first.
    pub before: Vec<u32>,
    /// `[P]`: the step after each, alike.
    pub after: Vec<u32>,
    /// `[P]`: the row that a step is the first of, with whose first state slice s begins; none for the others.
    pub parents: Vec<u32>,
    /// `[R]`: the first step of each row.
    pub firsts: Vec<u32>,
}

impl Carry {
    /// Of a level whose rows are read from their first step to their last, or in `reverse`.
    pub fn new(level: &Level, reverse: bool) -> Carry {
        let mut carry = Carry::default();
        for (row, &[begin, steps]) in (0..).zip(&level.rows) {
            let end = begin + steps;
            let earlier = |step| if step > begin { step - 1 } else { NO_ROW };
            let later = |step| if step + 1 < end { step + 1 } else { NO_ROW };
            let first = if reverse { end - 1 } else { begin };
            let (before, after) = ((begin..end).map(earlier), (begin..end).map(later));
            if reverse {
                carry.before.extend(after);
                carry.after.extend(before);
            } else {
                carry.before.extend(before);
                carry.after.extend(after);
            }
            carry.parents.extend((begin..end).map(|step| if step == first { row } else { NO_ROW }));
            carry.firsts.push(first);
        }
        carry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slicing;
    use crate::slicing::Align;

    #[test]
    fn a_slice_begins_behind_the_one_before_it() {
        // Five and two slices below, in rows of two from the end: [0] [1 2] [3 4], [5 6].
        let level = Slicing::new(3, 1).unwrap().rows(6, Align::End, &[5, 2]).remove(0);
        let none = NO_ROW;
        let forward = Carry::new(&level, false);
        assert_eq!(forward.before, [none, none, 1, none, 3, none, 5]);
        assert_eq!(forward.after, [none, 2, none, 4, none, 6, none]);
        assert_eq!(forward.parents, [0, 1, none, 2, none, 3, none]);
        assert_eq!(forward.firsts, [0, 1, 3, 5]);
        let backward = Carry::new(&level, true);
        assert_eq!((&backward.before, &backward.after), (&forward.after, &forward.before));
        assert_eq!(backward.parents, [0, none, 1, none, 2, none, 3]);
        assert_eq!(backward.firsts, [0, 2, 4, 6]);
    }
}
