//! What a network tells of every sequence of a data set, put together from the windows in which long ones are read.

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
