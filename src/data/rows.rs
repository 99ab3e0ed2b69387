//! Rows of numbers: steps of sequences, or what is to be told of each sequence.

use std::ops::Range;

/// N rows of `width` numbers each: f32 as a network reads them, f64 as a file has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<T = f32> {
    /// Numbers of one row.
    pub width: usize,
    /// `[N, width]`, row-major.
    pub values: Vec<T>,
}

impl<T: Copy> Rows<T> {
    /// How many rows there are, N; `None` if the numbers do not divide by their width.
    pub fn count(&self) -> Option<usize> {
        (self.width > 0 && self.values.len().is_multiple_of(self.width)).then(|| self.values.len() / self.width)
    }

    /// The numbers of neighbouring rows.
    pub fn range(&self, rows: Range<usize>) -> &[T] {
        &self.values[rows.start * self.width..rows.end * self.width]
    }

    /// The numbers of one row.
    pub fn row(&self, row: usize) -> &[T] {
        self.range(row..row + 1)
    }

    /// The rows at these places.
    pub fn select(&self, rows: &[usize]) -> Rows<T> {
        let values = rows.iter().flat_map(|&row| self.row(row)).copied().collect();
        Rows { width: self.width, values }
    }
}
