//! What is to be told of each sequence of a data set, or of every step of each.

use super::spans::Spans;
use crate::data::batch::{Rows, Targets};
use crate::error::{Error, Result, ensure};
use std::ops::Range;
use std::sync::Arc;

/// Targets of N sequences, in about as much memory as a file has for them.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// `[N]`: the class of each.
    Classes(Vec<u32>),
    /// Some of C labels for each.
    Labels(Marks),
    /// `[N, C]`: numbers, on the scale that the network is trained on.
    Numbers(Rows),
    /// Of every step of each.
    Steps(StepsTold),
}

/// Targets of the steps of N sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct StepsTold {
    /// Those of all steps: classes, or numbers.
    own: Box<Told>,
    /// `[N + 1]`: the step on which each sequence begins, and the end of the last.
    starts: Vec<usize>,
    /// The names of tags that mark spans.
    pub(super) marks: Option<Arc<[String]>>,
}

impl StepsTold {
    /// Targets of sequences of these lengths, one after the other.
    pub fn new(own: Told, lengths: impl Iterator<Item = usize>) -> StepsTold {
        StepsTold { own: Box::new(own), starts: starts(lengths), marks: None }
    }

    /// The same, of tags with these names.
    pub fn named(self, names: &[String]) -> StepsTold {
        let marks = Spans::are_marked(names).then(|| names.into());
        StepsTold { marks, ..self }
    }

    /// Those of some steps of each sequence.
    pub(super) fn cut(&self, parts: impl Iterator<Item = (usize, Range<usize>)>) -> StepsTold {
        let parts: Vec<Range<usize>> =
            parts.map(|(row, part)| self.starts[row] + part.start..self.starts[row] + part.end).collect();
        let lengths: Vec<usize> = parts.iter().map(ExactSizeIterator::len).collect();
        let steps: Vec<usize> = parts.into_iter().flatten().collect();
        StepsTold { marks: self.marks.clone(), ..StepsTold::new(self.own.select(&steps), lengths.into_iter()) }
    }

    /// Steps of a sequence.
    pub(super) fn steps(&self, row: usize) -> usize {
        self.starts[row + 1] - self.starts[row]
    }
}

/// Where sequences of these lengths begin, and where the last ends.
pub(super) fn starts(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let ends = lengths.scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

/// Which of `width` labels each of N sequences has: few of many, so that they are listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Marks {
    /// How many labels there are, C.
    width: usize,
    /// The labels of the first sequence, then those of the next.
    labels: Vec<u32>,
    /// `[N]`: where the labels of each end.
    ends: Vec<usize>,
}

impl Marks {
    /// Of no sequence as yet.
    pub fn new(width: usize) -> Marks {
        Marks { width, labels: vec![], ends: vec![] }
    }

    /// Adds the labels of the next sequence, each below `width`.
    pub fn push(&mut self, labels: impl IntoIterator<Item = u32>) {
        self.labels.extend(labels);
        self.ends.push(self.labels.len());
    }

    fn row(&self, row: usize) -> &[u32] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.labels[start..self.ends[row]]
    }
}

impl Told {
    /// How many sequences they are of.
    ///
    /// # Errors
    /// [`Error::Config`] if numbers do not divide by their width, or a label is none of so many.
    pub fn count(&self) -> Result<usize> {
        match self {
            Told::Classes(classes) => Ok(classes.len()),
            Told::Labels(Marks { width, labels, ends }) => {
                let foreign = labels.iter().find(|&&label| label as usize >= *width);
                match foreign {
                    Some(label) => Err(Error::Config(format!("there are {width} labels, and {label} is none of them"))),
                    None => Ok(ends.len()),
                }
            }
            Told::Numbers(rows) => {
                rows.count().ok_or_else(|| Error::Config("the targets do not divide by their width".into()))
            }
            Told::Steps(StepsTold { own, starts, .. }) => {
                let (count, steps) = (own.count()?, starts[starts.len() - 1]);
                let other = format!("{steps} steps and {count} targets make no data set");
                ensure!(count == steps, Error::Config(other));
                Ok(starts.len() - 1)
            }
        }
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> u64 {
        let bytes = match self {
            Told::Classes(classes) => size_of_val(&classes[..]),
            Told::Labels(marks) => size_of_val(&marks.labels[..]) + size_of_val(&marks.ends[..]),
            Told::Numbers(rows) => size_of_val(&rows.values[..]),
            Told::Steps(steps) => return steps.own.bytes() + size_of_val(&steps.starts[..]) as u64,
        };
        bytes as u64
    }

    /// How often each of so many classes or labels occurs; nothing of numbers.
    #[cfg(feature = "files")]
    pub(super) fn occurrences(&self, classes: usize) -> Vec<usize> {
        let own = match self {
            Told::Classes(classes) => classes,
            Told::Labels(marks) => &marks.labels,
            Told::Numbers(_) => return vec![],
            Told::Steps(steps) => return steps.own.occurrences(classes),
        };
        let mut counts = vec![0; classes];
        own.iter().for_each(|&class| counts[class as usize] += 1);
        counts
    }

    /// The labels of a sequence; none of other targets.
    pub(super) fn has(&self, row: usize) -> &[u32] {
        match self {
            Told::Labels(marks) => marks.row(row),
            _ => &[],
        }
    }

    /// These and then those of other sequences, of the same kind.
    pub(super) fn join(self, other: Told) -> Told {
        match (self, other) {
            (Told::Classes(own), Told::Classes(others)) => Told::Classes([own, others].concat()),
            (Told::Labels(mut own), Told::Labels(others)) => {
                (0..others.ends.len()).for_each(|row| own.push(others.row(row).iter().copied()));
                Told::Labels(own)
            }
            (Told::Numbers(mut own), Told::Numbers(others)) => {
                own.values.extend(others.values);
                Told::Numbers(own)
            }
            (Told::Steps(own), Told::Steps(others)) => {
                let lengths = [&own.starts, &others.starts].into_iter().flat_map(|own| own.windows(2));
                let starts = starts(lengths.map(|ends| ends[1] - ends[0]));
                Told::Steps(StepsTold { own: Box::new(own.own.join(*others.own)), starts, marks: own.marks })
            }
            (own, _) => own,
        }
    }

    /// Those of the sequences at these places.
    pub fn select(&self, rows: &[usize]) -> Told {
        match self {
            Told::Classes(classes) => Told::Classes(rows.iter().map(|&row| classes[row]).collect()),
            Told::Labels(marks) => {
                let mut own = Marks::new(marks.width);
                rows.iter().for_each(|&row| own.push(marks.row(row).iter().copied()));
                Told::Labels(own)
            }
            Told::Numbers(numbers) => Told::Numbers(numbers.select(rows)),
            Told::Steps(steps) => Told::Steps(steps.cut(rows.iter().map(|&row| (row, 0..steps.steps(row))))),
        }
    }

    /// Those of the sequences at these places, as a batch has them.
    pub fn of_batch(&self, rows: &[usize]) -> Targets {
        match self {
            Told::Classes(classes) => Targets::Classes(rows.iter().map(|&row| classes[row]).collect()),
            Told::Labels(marks) => {
                let width = marks.width;
                let mut values = vec![0.0; rows.len() * width];
                for (&row, own) in rows.iter().zip(values.chunks_mut(width)) {
                    marks.row(row).iter().for_each(|&label| own[label as usize] = 1.0);
                }
                Targets::Labels(Rows { width, values })
            }
            Told::Numbers(numbers) => Targets::Numbers(numbers.select(rows)),
            Told::Steps(StepsTold { own, starts, .. }) => {
                own.of_batch(&rows.iter().flat_map(|&row| starts[row]..starts[row + 1]).collect::<Vec<usize>>())
            }
        }
    }

    /// Adds what tells them apart from others to a checksum.
    #[cfg(feature = "files")]
    pub(super) fn add_to(&self, sum: &mut flate2::Crc) {
        match self {
            Told::Classes(classes) => sum.update(bytemuck::cast_slice(classes)),
            Told::Labels(marks) => (0..marks.ends.len()).for_each(|row| match self.of_batch(&[row]) {
                Targets::Labels(rows) => sum.update(bytemuck::cast_slice(&rows.values)),
                _ => unreachable!("labels stay labels"),
            }),
            Told::Numbers(rows) => sum.update(bytemuck::cast_slice(&rows.values)),
            Told::Steps(steps) => steps.own.add_to(sum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_listed_and_become_rows() {
        let mut marks = Marks::new(3);
        [&[0, 2][..], &[], &[1]].into_iter().for_each(|own| marks.push(own.iter().copied()));
        let told = Told::Labels(marks);
        let rows = |told: &Told, rows: &[usize]| match told.of_batch(rows) {
            Targets::Labels(Rows { width: 3, values }) => values,
            other => panic!("{other:?}"),
        };
        assert_eq!(rows(&told, &[2, 0, 1]), [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        let own = told.select(&[1, 0]);
        assert_eq!((own.count().unwrap(), rows(&own, &[1, 0])), (2, vec![1.0, 0.0, 1.0, 0.0, 0.0, 0.0]));
        let mut foreign = Marks::new(2);
        foreign.push([2]);
        let error = Told::Labels(foreign).count().unwrap_err().to_string();
        assert_eq!(error, "there are 2 labels, and 2 is none of them");
    }

    #[cfg(feature = "files")]
    #[test]
    fn checksums() {
        let of = |rows: &[&[u32]]| {
            let mut marks = Marks::new(3);
            rows.iter().for_each(|own| marks.push(own.iter().copied()));
            Told::Labels(marks)
        };
        let told = of(&[&[0, 2], &[], &[1]]);
        let sum = |told: &Told| {
            let mut sum = flate2::Crc::new();
            told.add_to(&mut sum);
            sum.sum()
        };
        assert_ne!(sum(&told), sum(&told.select(&[0, 2, 1])));
        assert_eq!(sum(&told), sum(&told.select(&[0, 1, 2])));
    }
}
