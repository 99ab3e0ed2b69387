//! Series as the lines of a text give them, one after the other.

use super::lines::Lines;
use crate::data::Sequences;
use crate::error::{Result, ensure};

/// What was read so far.
#[derive(Default)]
pub(super) struct Gathered {
    /// Of all series, and of the line that is being read.
    pub values: Vec<f64>,
    /// How many of them are filled in.
    pub filled: usize,
    ends: Vec<usize>,
    labels: Vec<String>,
    /// [`filled`](Gathered::filled) as it was at the last end.
    had: usize,
}

impl Gathered {
    /// Takes the series whose values were added for the line that was read last, and its label; or takes the values away again.
    ///
    /// # Errors
    /// That of a broken line, if such are not left out.
    pub fn take(&mut self, lines: &mut Lines, label: std::result::Result<String, String>) -> Result<()> {
        let read = label.map_err(|problem| lines.error(problem));
        match lines.row(read)? {
            Some(label) => {
                self.labels.push(label);
                self.ends.push(self.values.len());
                self.had = self.filled;
            }
            None => {
                self.values.truncate(self.ends.last().copied().unwrap_or(0));
                self.filled = self.had;
            }
        }
        Ok(())
    }

    /// The series, each `[T_i, width]`, and their labels.
    ///
    /// # Errors
    /// [`crate::Error::Data`] that the file `has` no series.
    pub fn finish(self, lines: &Lines, width: usize, has: &str) -> Result<(Sequences, Vec<String>)> {
        ensure!(!self.ends.is_empty(), lines.none(has));
        let mut sequences = Sequences::of_ends(width, self.values, self.ends);
        sequences.filled = self.filled;
        Ok((sequences, self.labels))
    }
}
