//! What a network tells of every sequence of a data set, put together from the windows in which long ones are read, and its final
//! states.

use super::Dataset;
use crate::error::Result;
use crate::network::Network;

/// Hands what is told of each sequence to `take`, with its place, in their order: `[C]`, or `[T_i, C]` where every step is told of.
/// `batch` sequences or windows are read at once.
///
/// # Errors
/// As [`Network::probabilities`], and those of `take`.
pub fn answers(
    network: &mut Network,
    data: &mut Dataset,
    batch: usize,
    mut take: impl FnMut(usize, &[f32]) -> Result<()>,
) -> Result<()> {
    let config = network.config().clone();
    let (steps, width) = (config.task.of_steps(), config.classes);
    data.cut_into_windows(&config);
    let all: Vec<usize> = (0..data.len()).collect();
    let mut told: Vec<f32> = vec![];
    for rows in all.chunks(batch.max(1)) {
        let probabilities = network.probabilities(&data.batch(&config, rows, |_| false)?)?;
        let mut rest = &probabilities[..];
        for &row in rows {
            let own;
            if !steps {
                (own, rest) = rest.split_at(width);
                take(row, own)?;
                continue;
            }
            (own, rest) = rest.split_at(data.steps(row) * width);
            let kept = data.own_steps(row);
            told.extend(&own[kept.start * width..kept.end * width]);
            let sequence = data.sequence_of(row);
            if row + 1 == data.len() || data.sequence_of(row + 1) != sequence {
                take(sequence, &told)?;
                told.clear();
            }
        }
    }
    Ok(())
}

/// The final states of all sequences, `[N, W]`, in their order. `batch` of them, of about one length, are read at once; after each `go_on`
/// may end it.
///
/// # Errors
/// As [`Network::states`], and those of `go_on`.
pub fn states(
    network: &mut Network,
    data: &Dataset,
    batch: usize,
    mut go_on: impl FnMut() -> Result<()>,
) -> Result<Vec<f32>> {
    let config = network.config().clone();
    let width = config.width();
    let mut states = vec![0.0; data.len() * width];
    for rows in data.by_length(batch.max(1), config.most_steps()) {
        let own = network.states(&data.batch(&config, &rows, |_| false)?)?;
        for (row, state) in rows.iter().zip(own.chunks(width)) {
            states[row * width..][..width].copy_from_slice(state);
        }
        go_on()?;
    }
    Ok(states)
}
