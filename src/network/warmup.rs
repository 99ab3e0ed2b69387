//! The rows of a level with context: what every slice reads before its own steps.

use crate::kernel::gather_rows::NO_ROW;
use crate::slicing::Level;

/// The rows of one level for one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelRows {
    /// `[R, 2]`: first step and number of steps of every row, among the steps that are read.
    pub list: Vec<[u32; 2]>,
    /// Steps read by all rows together, and by the longest.
    pub steps: usize,
    pub longest: usize,
    /// With context.
    pub warmup: Option<Warmup>,
}

/// What context changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warmup {
    /// Which step of the level is read; a step may be read by several rows.
    pub steps_read: Vec<u32>,
    /// `[P]`: where among these the slice that a step belongs to reads it.
    pub own: Vec<u32>,
}

impl Warmup {
    /// Which step of the level each reading is of the slice's own, and [`NO_ROW`] where it is context.
    pub fn own_steps_read(&self) -> Vec<u32> {
        let mut steps = vec![NO_ROW; self.steps_read.len()];
        for (step, &at) in (0..).zip(&self.own) {
            steps[at as usize] = step;
        }
        steps
    }
}

/// The rows of a level of sequences of `lengths` real steps: each slice first reads up to `context` steps of its
/// sequence before it, or after it if rows are read in `reverse`.
pub fn rows_of(level: &Level, lengths: &[u32], context: usize, reverse: bool) -> LevelRows {
    if context == 0 {
        return LevelRows { list: level.rows.clone(), steps: level.steps, longest: level.longest, warmup: None };
    }
    let (mut list, mut longest) = (vec![], 0);
    let mut warmup = Warmup { steps_read: vec![], own: vec![] };
    let mut sequences = lengths.iter().scan(0, |end, &length| {
        *end += length;
        Some(*end - length..*end)
    });
    let mut sequence = 0..0;
    for &[first, steps] in &level.rows {
        if first >= sequence.end {
            sequence = sequences.next().expect("rows belong to sequences");
        }
        let context = context as u32;
        let read = match reverse {
            false => first.saturating_sub(context).max(sequence.start)..first + steps,
            true => first..(first + steps).saturating_add(context).min(sequence.end),
        };
        let at = warmup.steps_read.len() as u32;
        list.push([at, read.len() as u32]);
        warmup.own.extend((first..first + steps).map(|step| at + step - read.start));
        longest = longest.max(read.len());
        warmup.steps_read.extend(read);
    }
    LevelRows { list, steps: warmup.steps_read.len(), longest, warmup: Some(warmup) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slicing;
    use crate::slicing::Align;

    #[test]
    fn context_stays_within_the_sequence() {
        // Sequences of 5 and 2 steps in slices of 2: [0] [1 2] [3 4], [5 6].
        let lengths = [5, 2];
        let level = Slicing::new(3, 1).unwrap().rows(6, Align::End, &lengths).remove(0);
        let plain = rows_of(&level, &lengths, 0, false);
        assert_eq!((plain.list, plain.steps), (vec![[0, 1], [1, 2], [3, 2], [5, 2]], 7));
        let rows = rows_of(&level, &lengths, 1, false);
        assert_eq!(rows.list, [[0, 1], [1, 3], [4, 3], [7, 2]]);
        assert_eq!((rows.steps, rows.longest), (9, 3));
        let warmup = rows.warmup.unwrap();
        assert_eq!(warmup.steps_read, [0, 0, 1, 2, 2, 3, 4, 5, 6]);
        assert_eq!(warmup.own, [0, 2, 3, 5, 6, 7, 8]);
        assert_eq!(warmup.own_steps_read(), [0, NO_ROW, 1, 2, NO_ROW, 3, 4, 5, 6]);
        let reverse = rows_of(&level, &lengths, 9, true).warmup.unwrap();
        assert_eq!(reverse.steps_read, [0, 1, 2, 3, 4, 1, 2, 3, 4, 3, 4, 5, 6]);
        assert_eq!(reverse.own, [0, 5, 6, 9, 10, 11, 12]);
    }
}
