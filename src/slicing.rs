//! How a sequence is cut: SRNN(n, k) of the paper, its levels, slices, steps and rows.
//!
//! A sequence of `T` steps is cut into `n^k` slices. Level 0 runs over the steps of every slice; level `p` ≥ 1 runs
//! over groups of `n` last states of the level below, until one state is left. Sequences are aligned at their end ([`Align`]): what
//! is missing in front is padding, and a slice without a real step is itself a padded step of the level above.

use crate::error::{Error, Problem, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The slicing SRNN(n, k): `n` states go into every merge, and there are `k` merges. `k = 0` is the plain RNN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slicing {
    n: usize,
    k: u32,
}

/// From where the slices of a sequence are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Align {
    /// From its last step, as in the paper: only the first slice may be short.
    #[default]
    End,
    /// From its first step: only the last slice of each level may be short, and steps that are added move no slice. Sequences longer
    /// than T go on at the top level, which then has more than `n` steps.
    Start,
}

/// One level of a ragged batch: every slice that holds at least one real step is a row.
///
/// Rows are ordered (sequence, slice), the slice fastest, so that the states of one level, in row order, are the
/// steps of the next: a merge moves no byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// `[rows, 2]`: the row's first step among all real steps of the level, and the number of its steps (≥ 1).
    pub rows: Vec<[u32; 2]>,
    /// Real steps of all rows together.
    pub steps: usize,
    /// Steps of the longest row.
    pub longest: usize,
}

/// Most steps of a sequence: a billion numbers of tape at H = 10, and room for 32-bit positions in a batch.
pub const LONGEST: usize = 1 << 24;

impl Slicing {
    /// SRNN(n, k).
    ///
    /// # Errors
    /// [`Error::Slicing`] if `n < 2` (a merge of one state is no merge) or if `n^k` exceeds 2³¹.
    pub fn new(n: usize, k: u32) -> Result<Slicing> {
        let problem = match n.checked_pow(k) {
            _ if k == 0 => return Ok(Slicing::plain()),
            _ if n < 2 => "n must be at least 2, as every merge joins n states (the plain RNN is written `1` or `rnn`)",
            Some(slices) if slices <= 1 << 31 => return Ok(Slicing { n, k }),
            _ => "n^k is beyond 2^31 slices",
        };
        Err(Error::Slicing { given: format!("{n}x{k}"), problem: problem.into() })
    }

    /// The plain RNN: one slice, no merge.
    pub fn plain() -> Slicing {
        Slicing { n: 1, k: 0 }
    }

    /// Fan-in of every merge; 1 for the plain RNN.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of merges; the network has `k + 1` levels.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// Number of levels, `k + 1`.
    pub fn levels(&self) -> usize {
        self.k as usize + 1
    }

    /// Slices per sequence at level 0, `n^k`.
    pub fn slices(&self) -> usize {
        self.n.pow(self.k)
    }

    /// `length` padded up to a multiple of `n^k`.
    pub fn padded(&self, length: usize) -> usize {
        length.next_multiple_of(self.slices())
    }

    /// Steps per slice at `level`: `T/n^k` at level 0, `n` above.
    pub fn steps(&self, length: usize, level: usize) -> usize {
        if level == 0 { self.padded(length) / self.slices() } else { self.n }
    }

    /// Steps that must follow one another: `T/n^k + n·k`.
    pub fn sequential_steps(&self, length: usize) -> usize {
        self.steps(length, 0) + self.n * self.k as usize
    }

    /// The bound that the step counts put on the speed-up over the plain RNN: `T / (T/n^k + n·k)`.
    pub fn speedup_bound(&self, length: usize) -> f64 {
        if self.k == 0 { 1.0 } else { length as f64 / self.sequential_steps(length) as f64 }
    }

    /// Checks that `length` steps leave no slice for ever empty.
    ///
    /// # Errors
    /// [`Error::Slicing`] if `length` is 0 or there are more slices than steps.
    pub fn check(&self, length: usize) -> Result<()> {
        let problem = if length == 0 {
            "a sequence needs at least one step".into()
        } else if length > LONGEST {
            format!("{length} steps: at most {LONGEST} are possible").into()
        } else if self.slices() > length {
            Problem::EmptySlices { slices: self.slices(), length }
        } else {
            return Ok(());
        };
        Err(Error::Slicing { given: self.to_string(), problem })
    }

    /// The rows of every level for sequences of `lengths` real steps (each from 1 to `length`, or more where they are aligned
    /// at their start).
    pub fn rows(&self, length: usize, align: Align, lengths: &[u32]) -> Vec<Level> {
        let mut real: Vec<usize> = lengths.iter().map(|&l| l as usize).collect();
        let level = |level| {
            let endless = align == Align::Start && level + 1 == self.levels();
            let per_slice = if endless { usize::MAX } else { self.steps(length, level) };
            let mut own = Level::default();
            own.rows.reserve(real.iter().map(|steps| steps.div_ceil(per_slice)).sum());
            for real in &mut real {
                let slices = real.div_ceil(per_slice);
                let short = if align == Align::End { 0 } else { slices - 1 };
                for slice in 0..slices {
                    // All others are whole.
                    let steps = if slice == short { *real - (slices - 1) * per_slice } else { per_slice };
                    own.rows.push([own.steps as u32, steps as u32]);
                    own.steps += steps;
                    own.longest = own.longest.max(steps);
                }
                *real = slices;
            }
            own
        };
        (0..self.levels()).map(level).collect()
    }
}

impl fmt::Display for Slicing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.k == 0 { write!(f, "rnn") } else { write!(f, "{}x{}", self.n, self.k) }
    }
}

impl FromStr for Slicing {
    type Err = Error;

    /// Reads `8x2` (n = 8, k = 2), or `1` or `rnn` for the plain RNN.
    fn from_str(text: &str) -> Result<Slicing> {
        let wrong = || Error::Slicing {
            given: text.into(),
            problem: "write NxK such as 8x2 (8 states per merge, 2 merges), or rnn for the plain network".into(),
        };
        let text = text.trim();
        if text.eq_ignore_ascii_case("rnn") || text == "1" {
            return Ok(Slicing::plain());
        }
        let (n, k) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
        Slicing::new(n.parse().map_err(|_| wrong())?, k.parse().map_err(|_| wrong())?)
    }
}

impl TryFrom<String> for Slicing {
    type Error = Error;
    fn try_from(text: String) -> Result<Slicing> {
        text.parse()
    }
}

impl From<Slicing> for String {
    fn from(slicing: Slicing) -> String {
        slicing.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_papers_table_of_steps_and_bounds() {
        for (t, text, steps, bound) in [
            (512, "16x1", 48, 10.7),
            (512, "8x2", 24, 21.3),
            (512, "4x3", 20, 25.6),
            (512, "2x8", 18, 28.4),
            (32768, "128x1", 384, 85.3),
            (32768, "32x2", 96, 341.3),
            (32768, "16x3", 56, 585.1),
            (32768, "8x4", 40, 819.2),
        ] {
            let slicing: Slicing = text.parse().unwrap();
            assert_eq!(slicing.sequential_steps(t), steps, "{text} at {t}");
            assert!((slicing.speedup_bound(t) - bound).abs() < 0.06, "{text} at {t}");
        }
        assert_eq!(Slicing::plain().sequential_steps(512), 512);
        assert_eq!(Slicing::plain().speedup_bound(512), 1.0);
    }

    #[test]
    fn text_forms() {
        for (text, shown) in [("8x2", "8x2"), ("1", "rnn"), ("RNN", "rnn"), (" 4X3 ", "4x3"), ("8x0", "rnn")] {
            assert_eq!(text.parse::<Slicing>().unwrap().to_string(), shown);
        }
        for text in ["", "8", "8x", "x2", "1x3", "0x2", "-2x2", "8x2x2", "8x99", "axb"] {
            assert!(text.parse::<Slicing>().is_err(), "`{text}` should be refused");
        }
    }

    #[test]
    fn too_many_slices_are_refused() {
        let slicing = Slicing::new(8, 4).unwrap();
        assert!(slicing.check(4096).is_ok());
        assert!(slicing.check(4095).unwrap_err().to_string().contains("leave slices empty"));
        assert!(Slicing::plain().check(0).is_err());
        assert!(Slicing::plain().check(usize::MAX).is_err());
    }

    #[test]
    fn rows_of_a_ragged_batch() {
        // T = 8, four slices of two steps; sequences of 8, 3 and 1 real steps.
        let levels = Slicing::new(2, 2).unwrap().rows(8, Align::End, &[8, 3, 1]);
        assert_eq!(levels[0].rows, [[0, 2], [2, 2], [4, 2], [6, 2], [8, 1], [9, 2], [11, 1]]);
        assert_eq!(levels[1].rows, [[0, 2], [2, 2], [4, 2], [6, 1]]);
        assert_eq!(levels[2].rows, [[0, 2], [2, 1], [3, 1]]);
        // From the start, where the longest goes on at the top: 11 steps in slices of two, two and as many as there are.
        let levels = Slicing::new(2, 2).unwrap().rows(8, Align::Start, &[11, 3, 1]);
        assert_eq!(levels[0].rows, [[0, 2], [2, 2], [4, 2], [6, 2], [8, 2], [10, 1], [11, 2], [13, 1], [14, 1]]);
        assert_eq!(levels[1].rows, [[0, 2], [2, 2], [4, 2], [6, 2], [8, 1]]);
        assert_eq!(levels[2].rows, [[0, 3], [3, 1], [4, 1]]);
        let plain = Slicing::plain().rows(8, Align::Start, &[20, 1]);
        assert_eq!((&plain[0].rows[..], plain[0].longest), (&[[0, 20], [20, 1]][..], 20));
    }

    proptest! {
        /// The compact rows agree with padding spelled out: a mask over [T], merged level by level.
        #[test]
        fn rows_agree_with_explicit_masks(n in 2usize..5, k in 0u32..4, extra in 0usize..40, lens in prop::collection::vec(1usize..200, 1..6)) {
            let slicing = Slicing::new(n, k).unwrap();
            let length = slicing.slices() + extra;
            let lengths: Vec<u32> = lens.iter().map(|&l| l.min(length) as u32).collect();
            let levels = slicing.rows(length, Align::End, &lengths);
            let padded = slicing.padded(length);
            let mut masks: Vec<Vec<bool>> = lengths.iter().map(|&l| (0..padded).map(|t| t >= padded - l as usize).collect()).collect();
            for (p, level) in levels.iter().enumerate() {
                let per_slice = slicing.steps(length, p);
                let mut expected = Vec::new();
                for mask in &mut masks {
                    let counts: Vec<usize> = mask.chunks(per_slice).map(|slice| slice.iter().filter(|&&real| real).count()).collect();
                    expected.extend(counts.iter().filter(|&&c| c > 0).copied());
                    *mask = counts.iter().map(|&c| c > 0).collect();
                }
                let steps: Vec<usize> = level.rows.iter().map(|r| r[1] as usize).collect();
                prop_assert_eq!(&steps, &expected);
                prop_assert_eq!(level.steps, expected.iter().sum::<usize>());
                let mut first = 0;
                for row in &level.rows {
                    prop_assert_eq!(row[0], first);
                    first += row[1];
                }
            }
            prop_assert!(masks.iter().all(|mask| mask == &[true]));
            prop_assert_eq!(levels.last().unwrap().rows.len(), lengths.len());
        }
    }
}
