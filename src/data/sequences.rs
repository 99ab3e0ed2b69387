//! Sequences of numbers as a file has them.

use crate::error::{Error, Result, ensure};
use std::ops::Range;

/// N sequences `[T_i, D]`, row-major, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequences {
    /// Numbers of one step, D.
    pub width: usize,
    /// How many of the numbers were missing in the file, and were filled in.
    pub filled: usize,
    numbers: Numbers,
    /// `[N + 1]`: the number with which each begins, and the end of the last.
    starts: Vec<usize>,
}

/// Numbers in the precision of their file: those that f32 holds exactly take half the memory, and of the others nothing is
/// lost before they are made normal.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Of a file of f32, of small whole numbers or of bytes.
    Single(Vec<f32>),
    /// Of any other.
    Double(Vec<f64>),
}

impl Numbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Numbers::Single(values) => values.len(),
            Numbers::Double(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of them, in double precision.
    pub fn range(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = f64> + Clone {
        range.map(|at| self.at(at))
    }

    fn at(&self, at: usize) -> f64 {
        match self {
            Numbers::Single(values) => values[at].into(),
            Numbers::Double(values) => values[at],
        }
    }

    /// All of them, in double precision.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = f64> + Clone {
        self.range(0..self.len())
    }

    /// Keeps these ranges alone, in their order.
    fn keep(&mut self, ranges: impl Iterator<Item = Range<usize>>) {
        fn packed<T: Copy>(values: &mut Vec<T>, ranges: impl Iterator<Item = Range<usize>>) {
            let mut end = 0;
            for range in ranges {
                let length = range.len();
                values.copy_within(range, end);
                end += length;
            }
            values.truncate(end);
        }
        match self {
            Numbers::Single(values) => packed(values, ranges),
            Numbers::Double(values) => packed(values, ranges),
        }
    }
}

impl Sequences {
    /// N sequences `[T_i, width]` that end, each, behind so many steps of all: `ends [N]`.
    ///
    /// # Errors
    /// [`Error::Config`] for a sequence without a step, a number that is not finite or is beyond f32, or other numbers than steps
    /// have.
    pub fn new(width: usize, numbers: Numbers, ends: &[usize]) -> Result<Sequences> {
        let (count, steps) = (numbers.len(), ends.last().copied().unwrap_or(0));
        ensure!(
            width > 0 && steps.checked_mul(width) == Some(count),
            "{count} numbers are not {steps} steps of {width}"
        );
        let starts: Vec<usize> = std::iter::once(0).chain(ends.iter().map(|end| end * width)).collect();
        let empty = starts.windows(2).position(|pair| pair[1] <= pair[0]);
        ensure!(empty.is_none(), "sequence {} has no step", empty.unwrap_or_default());
        if let Some(at) = numbers.iter().position(|number| !number.is_finite() || number.abs() > f32::MAX.into()) {
            let row = starts.partition_point(|start| *start <= at) - 1;
            let (step, number) = ((at - starts[row]) / width, numbers.at(at));
            return Err(Error::Config(format!("sequence {row} has {number} at step {step}: numbers must be finite")));
        }
        Ok(Sequences { width, filled: 0, numbers, starts })
    }

    /// Rows of an array `[N, T, width]`, of each the first `kept[n]` steps, or all.
    pub(super) fn of_rows(mut numbers: Numbers, rows: usize, width: usize, kept: Option<&[usize]>) -> Sequences {
        let size = numbers.len() / rows;
        let mut starts = Vec::with_capacity(rows + 1);
        starts.push(0);
        if let Some(kept) = kept {
            numbers.keep(kept.iter().enumerate().map(|(row, steps)| row * size..row * size + steps * width));
            starts.extend(kept.iter().scan(0, |end, steps| {
                *end += steps * width;
                Some(*end)
            }));
        } else {
            starts.extend((1..=rows).map(|row| row * size));
        }
        Sequences { width, filled: 0, numbers, starts }
    }

    /// Sequences of double precision that end at these numbers.
    pub(crate) fn of_ends(width: usize, values: Vec<f64>, ends: impl IntoIterator<Item = usize>) -> Sequences {
        let starts = std::iter::once(0).chain(ends).collect();
        Sequences { width, filled: 0, numbers: Numbers::Double(values), starts }
    }

    /// How many there are, N.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all numbers are whole.
    pub(crate) fn all_whole(&self) -> bool {
        self.numbers.iter().all(|number| number.fract() == 0.0)
    }

    /// The steps of one, `T_i`.
    pub fn steps(&self, row: usize) -> usize {
        (self.starts[row + 1] - self.starts[row]) / self.width
    }

    /// The numbers of one step of one, `[width]`, in double precision.
    pub fn step(&self, row: usize, step: usize) -> impl ExactSizeIterator<Item = f64> + Clone {
        let start = self.starts[row] + step * self.width;
        self.numbers.range(start..start + self.width)
    }

    /// The numbers of one channel of one, `[T_i]`, in double precision; nothing of the others is passed over.
    pub fn column(&self, row: usize, column: usize) -> impl Iterator<Item = f64> {
        (self.starts[row] + column..self.starts[row + 1]).step_by(self.width).map(|at| self.numbers.at(at))
    }

    /// The numbers of one, in double precision.
    pub fn row(&self, row: usize) -> impl ExactSizeIterator<Item = f64> + Clone {
        self.numbers.range(self.starts[row]..self.starts[row + 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_in_memory_are_checked() {
        let of = |values: &[f64], ends: &[usize]| Sequences::new(2, Numbers::Double(values.to_vec()), ends);
        let own = of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[1, 3]).unwrap();
        assert_eq!((own.len(), own.steps(1), own.row(1).collect::<Vec<_>>()), (2, 2, vec![3.0, 4.0, 5.0, 6.0]));
        for (values, ends, told) in [
            (&[1.0, 2.0, 3.0][..], &[1][..], "3 numbers are not 1 steps of 2"),
            (&[1.0, 2.0], &[1, 1], "sequence 1 has no step"),
            (&[1.0, 2.0, 3.0, f64::NAN], &[1, 2], "sequence 1 has NaN at step 0: numbers must be finite"),
            (&[1.0, 1e300], &[1], "at step 0: numbers must be finite"),
        ] {
            let error = of(values, ends).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(Sequences::new(0, Numbers::Single(vec![]), &[]).is_err());
    }
}
