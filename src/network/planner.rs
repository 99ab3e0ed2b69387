//! What the forward and the backward plan share: the plan being made, and views of the weights in it.

use super::config::Config;
use super::parameters::{Affine, Layout, Unit};
use crate::kernel::dropout::{self, hash};
use crate::kernel::recurrence::Span;
use crate::plan::{Limits, Plan, Role, View};
use std::collections::BTreeMap;

/// The names of the buffers that are written and read from outside a plan.
pub mod buffer {
    /// The flat buffer of weights, its gradient and Adam's moments.
    pub const WEIGHTS: &str = "weights";
    pub const GRADIENTS: &str = "weights.gradient";
    pub const MOMENTS: [&str; 2] = ["weights.moment1", "weights.moment2"];
    /// The embedding `[V, D]`, its gradient by distinct token, and Adam's moments.
    pub const EMBEDDING: &str = "embedding";
    pub const EMBEDDING_GRADIENT: &str = "embedding.gradient";
    pub const EMBEDDING_MOMENTS: [&str; 2] = ["embedding.moment1", "embedding.moment2"];
    /// The optimiser's control numbers, and the running totals of loss and hits.
    pub const CONTROL: &str = "control";
    pub const TOTALS: &str = "totals";
    /// `[B, C]` after a forward plan.
    pub const LOGITS: &str = "logits";
}

/// Hidden units times steps that one dispatch of a recurrence runs one after the other.
const LONGEST_SPAN: usize = 4_000_000;

/// Makes one plan for one batch.
pub(super) struct Planner<'a, 'b> {
    pub config: &'a Config,
    pub layout: &'a Layout,
    pub limits: &'a Limits,
    pub plan: Plan<'b>,
    /// What is dropped in this step; nothing in inference.
    pub dropout: Dropout,
    /// Numbers that each place has dropped some of already, in earlier micro-batches.
    dropped: BTreeMap<String, usize>,
}

/// What a training step drops at random.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Dropout {
    /// Share of what passes up between levels and layers, and into the head.
    pub states: f32,
    /// Share of the embeddings of the distinct tokens.
    pub embedding: f32,
    pub seed: u32,
}

/// One dropout, so that its gradient drops the same numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped {
    count: usize,
    offset: usize,
    rate: f32,
    seed: u32,
}

impl<'a, 'b> Planner<'a, 'b> {
    pub fn new(config: &'a Config, layout: &'a Layout, limits: &'a Limits, dropout: Dropout) -> Planner<'a, 'b> {
        Planner { config, layout, limits, plan: Plan::default(), dropout, dropped: BTreeMap::new() }
    }

    /// The whole of a persistent buffer.
    pub fn persistent(&mut self, name: &str, shape: &[usize]) -> View {
        self.plan.whole(name, shape, Role::Persistent)
    }

    /// A matrix and its bias within a buffer laid out as the weights are.
    pub fn affine(&mut self, name: &str, affine: &Affine) -> View {
        let whole = self.persistent(name, &[self.layout.len]);
        View { offset: affine.offset, len: affine.len(), ..whole }
    }

    /// The recurrent weights of a unit, all of its matrices.
    pub fn recurrent(&mut self, unit: &Unit) -> View {
        let first = self.affine(buffer::WEIGHTS, &unit.recurrent);
        let end = unit.candidate.as_ref().map_or(first.offset + first.len, |affine| affine.offset + affine.len());
        View { len: end - first.offset, ..first }
    }

    /// The table of embeddings.
    pub fn embedding(&mut self) -> View {
        self.persistent(buffer::EMBEDDING, &[self.config.vocabulary, self.config.embedding])
    }

    /// A binding that a variant of a kernel does not touch.
    pub fn unused(&mut self, name: &str) -> View {
        self.plan.scratch(name, &[1])
    }

    /// `values` of `count` numbers with a share dropped, and what their gradient needs; or themselves if `rate` is 0.
    pub fn drop(&mut self, place: &str, rate: f32, count: usize, values: View) -> (View, Option<Dropped>) {
        if rate == 0.0 {
            return (values, None);
        }
        // Every place of the network has random numbers of its own.
        let seed = place.bytes().fold(self.dropout.seed, |seed, byte| hash(seed ^ u32::from(byte)));
        let offset = self.dropped.entry(place.into()).or_default();
        let dropped = Dropped { count, offset: *offset, rate, seed };
        *offset += count;
        let out = self.plan.scratch(&format!("{place}.dropped"), &[count]);
        self.push_dropout(place, dropped, [values, out]);
        (out, Some(dropped))
    }

    /// From the gradient of what was left to the gradient of the values.
    pub fn drop_backward(&mut self, place: &str, dropped: Option<Dropped>, gradient: View) -> View {
        let Some(dropped) = dropped else { return gradient };
        let out = self.plan.scratch(&format!("{place}.kept.gradient"), &[dropped.count]);
        self.push_dropout(&format!("{place} gradient"), dropped, [gradient, out]);
        out
    }

    /// One dropout of so many numbers.
    pub fn push_dropout(&mut self, place: &str, Dropped { count, offset, rate, seed }: Dropped, bindings: [View; 2]) {
        let bindings = bindings.map(|view| View { len: count, ..view });
        self.plan.dispatches.push(dropout::dispatch(place.into(), (count, offset), rate, seed, bindings));
    }

    /// The dispatches in which a level's recurrence is run, in order of time: one, unless that would run for too long.
    pub fn spans(&self, whole: Span, longest: usize) -> Vec<Span> {
        let (hidden, cell) = (self.config.hidden, self.config.recurrence());
        let whole = Span { lanes: cell.lanes(whole.rows, hidden, self.limits), end: longest, ..whole };
        let parts = (whole.operations(cell) / self.limits.dispatch_operations).ceil().max(1.0) as usize;
        // However few the rows, a step takes its time: on a GPU one span is a second or so.
        let most = if self.limits.dispatch_operations.is_finite() { LONGEST_SPAN.div_ceil(hidden) } else { usize::MAX };
        let steps = longest.div_ceil(parts).clamp(1, most);
        (0..longest).step_by(steps).map(|begin| Span { begin, end: (begin + steps).min(longest), ..whole }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_recurrences_are_split_along_time_however_few_the_rows() {
        let config = Config { hidden: 50, ..Config::default() };
        let (layout, limits) = (Layout::new(&config), Limits::webgpu_default());
        let planner = Planner::new(&config, &layout, &limits, Dropout::default());
        // One row: little work, and many steps that wait for one another.
        let longest = 262_144;
        let whole = Span::whole(1, longest, longest, 50);
        let spans = planner.spans(whole, longest);
        assert!(spans.len() > 1 && spans.iter().all(|span| (span.end - span.begin) * 50 <= LONGEST_SPAN));
        assert!(spans.windows(2).all(|pair| pair[0].end == pair[1].begin));
        assert_eq!((spans[0].begin, spans[spans.len() - 1].end), (0, longest));
        // A CPU has no watchdog.
        let limits = Limits { dispatch_operations: f64::INFINITY, ..limits };
        let planner = Planner::new(&config, &layout, &limits, Dropout::default());
        assert_eq!(planner.spans(whole, longest).len(), 1);
    }
}
