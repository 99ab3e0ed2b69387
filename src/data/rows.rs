//! Rows of numbers: steps of sequences, or what is to be told of each sequence.

use std::ops::Range;

/// N rows of `width` numbers each.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Numbers of one row.
    pub width: usize,
    /// `[N, width]`, row-major.
    pub values: Vec<f32>,
}

impl Rows {
    /// How many rows there are, N; `None` if the numbers do not divide by their width.
    pub fn count(&self) -> Option<usize> {
        (self.width > 0 && self.values.len().is_multiple_of(self.width)).then(|| self.values.len() / self.width)
    }

    /// The numbers of neighbouring rows.
    pub fn range(&self, rows: Range<usize>) -> &[f32] {
        &self.values[rows.start * self.width..rows.end * self.width]
    }

    /// The numbers of one row.
    pub fn row(&self, row: usize) -> &[f32] {
        self.range(row..row + 1)
    }

    /// The rows at these places.
    pub fn select(&self, rows: &[usize]) -> Rows {
        let values = rows.iter().flat_map(|&row| self.row(row)).copied().collect();
        Rows { width: self.width, values }
    }
}
