//! When the passes of a plan began and ended, by the device's own clock.

use super::buffers::new_buffer;
use crate::engine::Timespan;

/// Timestamps of a plan's passes, two each.
pub(super) struct Timestamps {
    sets: Vec<wgpu::QuerySet>,
    passes: usize,
    /// Ticks `[passes, 2]` once the plan is done: begin and end, 64 bits each.
    pub ticks: wgpu::Buffer,
}

/// Passes of one query set.
const PASSES: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

/// Bytes of a pass's two ticks.
const PASS_BYTES: u64 = 2 * wgpu::QUERY_SIZE as u64;

impl Timestamps {
    /// Room for `passes` passes, at least one.
    pub fn new(device: &wgpu::Device, passes: usize) -> Timestamps {
        let set = |count: usize| {
            let (label, ty) = (Some("timestamps"), wgpu::QueryType::Timestamp);
            device.create_query_set(&wgpu::QuerySetDescriptor { label, ty, count: 2 * count as u32 })
        };
        let sets = (0..passes).step_by(PASSES).map(|first| set(PASSES.min(passes - first))).collect();
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let ticks = new_buffer(device, "timestamps", passes as u64 * PASS_BYTES, usage);
        Timestamps { sets, passes, ticks }
    }

    /// What pass `at` is to write.
    pub fn of_pass(&self, at: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        let begin = 2 * (at % PASSES) as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[at / PASSES],
            beginning_of_pass_write_index: Some(begin),
            end_of_pass_write_index: Some(begin + 1),
        }
    }

    /// Puts all of them into `ticks`, after the passes.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        for (first, set) in (0..self.passes).step_by(PASSES).zip(&self.sets) {
            encoder.resolve_query_set(set, 0..set.count(), &self.ticks, first as u64 * PASS_BYTES);
        }
    }
}

/// Ticks `[passes, 2]`, `period` seconds each, as spans from the first of them.
pub(super) fn spans(ticks: &[u64], period: f64) -> Vec<Timespan> {
    let seconds = |tick: u64| tick.saturating_sub(ticks[0]) as f64 * period;
    ticks.chunks_exact(2).map(|pass| Timespan { begin: seconds(pass[0]), end: seconds(pass[1]) }).collect()
}
