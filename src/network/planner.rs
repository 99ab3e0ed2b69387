//! What the forward and the backward plan share: the plan being made, and views of the weights in it.

use super::config::Config;
use super::parameters::{Affine, Layout};
use crate::kernel::gru_forward::{self, Span};
use crate::plan::{Limits, Plan, Role, View};
use crate::slicing::Level;

/// The names of the persistent buffers.
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
pub(super) struct Planner<'a> {
    pub config: &'a Config,
    pub layout: &'a Layout,
    pub limits: &'a Limits,
    pub plan: Plan,
}

/// The views of one level of one micro-batch, from its forward to its backward pass.
pub(super) struct LevelViews {
    pub level: Level,
    /// `[R, 2]`
    pub rows: View,
    /// `[P, 5H]`, see `gru_forward`; a single number when nothing is saved.
    pub tape: View,
    /// `[R, H]`: the rows' last states.
    pub states: View,
}

impl<'a> Planner<'a> {
    pub fn new(config: &'a Config, layout: &'a Layout, limits: &'a Limits) -> Planner<'a> {
        Planner { config, layout, limits, plan: Plan::default() }
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

    /// The table of embeddings.
    pub fn embedding(&mut self) -> View {
        self.persistent(buffer::EMBEDDING, &[self.config.vocabulary, self.config.embedding])
    }

    /// A binding that a variant of a kernel does not touch.
    pub fn unused(&mut self, name: &str) -> View {
        self.plan.scratch(name, &[1])
    }

    /// The dispatches in which a level's recurrence is run, in order of time: one, unless that would run for too long.
    pub fn spans(&self, level: &Level, slotted: bool) -> Vec<Span> {
        let hidden = self.config.hidden;
        let (rows, steps, end) = (level.rows.len(), level.steps, level.longest);
        let lanes = gru_forward::lanes(rows, hidden, self.limits);
        let whole = Span { rows, steps, begin: 0, end, hidden, slotted, lanes };
        let parts = (whole.operations() / self.limits.dispatch_operations).ceil().max(1.0) as usize;
        // However few the rows, a step takes its time: on a GPU one span is a second or so.
        let most = if self.limits.dispatch_operations.is_finite() { LONGEST_SPAN.div_ceil(hidden) } else { usize::MAX };
        let steps = level.longest.div_ceil(parts).clamp(1, most);
        (0..level.longest)
            .step_by(steps)
            .map(|begin| Span { begin, end: (begin + steps).min(level.longest), ..whole })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_recurrences_are_split_along_time_however_few_the_rows() {
        let config = Config { hidden: 50, ..Config::default() };
        let (layout, limits) = (Layout::new(&config), Limits::webgpu_default());
        let planner = Planner::new(&config, &layout, &limits);
        // One row: little work, and many steps that wait for one another.
        let longest = 262_144;
        let level = Level { rows: vec![[0, longest as u32]], steps: longest, longest };
        let spans = planner.spans(&level, true);
        assert!(spans.len() > 1 && spans.iter().all(|span| (span.end - span.begin) * 50 <= LONGEST_SPAN));
        assert!(spans.windows(2).all(|pair| pair[0].end == pair[1].begin));
        assert_eq!((spans[0].begin, spans[spans.len() - 1].end), (0, longest));
        // A CPU has no watchdog.
        let limits = Limits { dispatch_operations: f64::INFINITY, ..limits };
        assert_eq!(Planner::new(&config, &layout, &limits).spans(&level, true).len(), 1);
    }
}
