//! What a slice passes up so far, where that is not its last state: the largest of its outputs, or their mean.

use crate::network::Pooling;

/// Of all streams.
#[derive(Clone)]
pub(super) struct Pooled {
    pooling: Pooling,
    width: usize,
    /// `[B, W]`: the largest so far, or the sum.
    pub values: Vec<f32>,
}

impl Pooled {
    pub fn new(pooling: Pooling, width: usize, streams: usize) -> Pooled {
        let streams = if pooling == Pooling::Last { 0 } else { streams };
        Pooled { pooling, width, values: vec![0.0; streams * width] }
    }

    /// Makes room for so many streams.
    pub fn resize(&mut self, streams: usize) {
        if self.pools() {
            self.values.resize(streams * self.width, 0.0);
        }
    }

    /// Whether outputs are pooled at all.
    pub fn pools(&self) -> bool {
        self.pooling != Pooling::Last
    }

    /// The pooled outputs of a slice of which `before` steps were read, and this `output [W]` of one more; of the last state
    /// the output itself.
    pub fn with(&self, stream: usize, before: u64, output: &[f32]) -> Vec<f32> {
        let own = if self.pools() && before > 0 { &self.values[stream * self.width..][..self.width] } else { &[] };
        let pairs = output.iter().zip(own);
        match self.pooling {
            _ if own.is_empty() => output.to_vec(),
            Pooling::Max => pairs.map(|(output, own)| output.max(*own)).collect(),
            _ => pairs.map(|(output, own)| output + own).collect(),
        }
    }

    /// Keeps what [`Pooled::with`] gave.
    pub fn keep(&mut self, stream: usize, values: &[f32]) {
        if self.pools() {
            self.values[stream * self.width..][..self.width].copy_from_slice(values);
        }
    }

    /// What passes up of such values of so many steps.
    pub fn passed(&self, mut values: Vec<f32>, steps: u64) -> Vec<f32> {
        if self.pooling == Pooling::Mean {
            values.iter_mut().for_each(|value| *value /= steps as f32);
        }
        values
    }

    /// The values of a stream, or its state where that is what passes up.
    pub fn of<'v>(&'v self, stream: usize, h: &'v [f32]) -> &'v [f32] {
        let all = if self.pools() { &self.values } else { h };
        &all[stream * self.width..][..self.width]
    }
}
