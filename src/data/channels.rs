//! What sequences of numbers look like, channel by channel, before they are made normal.

use super::Sequences;

/// What is seen of N sequences `[T_i, D]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Channels {
    /// `[D]`
    pub each: Vec<Channel>,
    /// Share of the sequences that end in steps of zeros alone, a twentieth of their length or more.
    pub padded: f64,
    /// Values that were missing in the file and were filled in.
    pub filled: usize,
}

/// A channel, in the units of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// The least number.
    pub least: f64,
    /// The largest number.
    pub largest: f64,
    /// Of all steps from their mean.
    pub deviation: f64,
    /// Of a sequence's steps from their own mean: of one in ten sequences at most, of the middle one, of nine in ten at most.
    pub own: [f64; 3],
}

impl Channels {
    /// Looks at these rows, of which there must be one.
    pub fn of(sequences: &Sequences, rows: &[usize]) -> Channels {
        let each = (0..sequences.width).map(|column| Channel::of(sequences, rows, column)).collect();
        let padded = rows.iter().filter(|&&row| is_padded(sequences, row)).count() as f64 / rows.len().max(1) as f64;
        Channels { each, padded, filled: sequences.filled }
    }

    /// The share of a channel's deviation that lies within the middle sequence; of several channels the middle one's. It is
    /// small where sequences have scales or offsets of their own.
    pub fn within(&self) -> f64 {
        let share = |channel: &Channel| if channel.deviation > 0.0 { channel.own[1] / channel.deviation } else { 1.0 };
        let mut shares: Vec<f64> = self.each.iter().map(share).collect();
        shares.sort_unstable_by(f64::total_cmp);
        shares[shares.len() / 2]
    }
}

/// Count, mean, and sum of squared differences from it, of numbers one after the other (Welford, 1962).
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
    }

    fn deviation(&self) -> f64 {
        (self.squares / self.count.max(1.0)).sqrt()
    }
}

impl Channel {
    fn of(sequences: &Sequences, rows: &[usize], column: usize) -> Channel {
        let (mut least, mut largest, mut all) = (f64::INFINITY, f64::NEG_INFINITY, Moments::default());
        let deviation = |&row: &usize| {
            let mut own = Moments::default();
            for value in sequences.column(row, column) {
                (least, largest) = (least.min(value), largest.max(value));
                all.add(value);
                own.add(value);
            }
            own.deviation()
        };
        let mut own: Vec<f64> = rows.iter().map(deviation).collect();
        own.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| own.get(((own.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or(0.0);
        Channel { least, largest, deviation: all.deviation(), own: [at(0.1), at(0.5), at(0.9)] }
    }
}

/// Whether a sequence ends in steps of zeros, a twentieth of its length or more, and does not begin so, as images with a margin
/// do.
fn is_padded(sequences: &Sequences, row: usize) -> bool {
    let steps = sequences.steps(row);
    let is_zero = |step: usize| sequences.step(row, step).all(|value| value == 0.0);
    let behind = (0..steps).rev().take_while(|&step| is_zero(step)).count();
    behind > 1 && 20 * behind >= steps && !is_zero(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_deviations_and_padding() {
        // Two channels: 5 and 15 in turn, and 1 throughout, then zeros.
        let sequence = |real: usize| {
            (0..10).flat_map(move |at| if at < real { [5.0 + 10.0 * (at % 2) as f64, 1.0] } else { [0.0, 0.0] })
        };
        let values: Vec<f64> = [10, 6, 8, 7].into_iter().flat_map(sequence).collect();
        let sequences = Sequences::of_ends(2, values, [20, 40, 60, 80]);
        let found = Channels::of(&sequences, &[0, 1, 2, 3]);
        assert_eq!((found.each[0].least, found.each[0].largest, found.padded, found.filled), (0.0, 15.0, 0.75, 0));
        let [least, middle, most] = found.each[0].own;
        assert!((least - 5.0).abs() < 1e-9 && (middle - 5.7).abs() < 0.3 && (most - 6.0).abs() < 0.3, "{found:?}");
        assert_eq!(found.each[1].own[0], 0.0);
        let one = Channels::of(&sequences, &[0]);
        assert_eq!((one.each[0].deviation, one.padded), (5.0, 0.0));
    }
}
