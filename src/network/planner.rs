//! What the forward and the backward plan share: the plan being made, and views of the weights in it.

use super::config::Config;
use super::parameters::{Affine, Layout, Unit};
use super::plans::Plans;
use crate::kernel::dropout::{self, hash};
use crate::kernel::recurrence::Span;
use crate::kernel::sum_partials::Sum;
use crate::plan::{ALIGNMENT, Dispatch, Limits, Plan, Product, View};
use std::collections::BTreeMap;
use std::ops::Range;

/// The names of the buffers that are written and read from outside a plan.
pub mod buffer {
    use crate::plan::BufferName;

    /// The flat buffer of weights.
    pub const WEIGHTS: BufferName = BufferName::of("weights");
    /// The gradient of [`WEIGHTS`], number by number.
    pub const GRADIENTS: BufferName = BufferName::of("weights gradient");
    /// The optimiser's moments of [`WEIGHTS`].
    pub const MOMENTS: [BufferName; 2] = [BufferName::of("first moments"), BufferName::of("second moments")];
    /// The embedding `[V, D]`.
    pub const EMBEDDING: BufferName = BufferName::of("embedding");
    /// The gradient of [`EMBEDDING`]: one row for each distinct token of the batch.
    pub const EMBEDDING_GRADIENT: BufferName = BufferName::of("embedding gradient");
    /// The optimiser's moments of [`EMBEDDING`], `[V, D]` each.
    pub const EMBEDDING_MOMENTS: [BufferName; 2] =
        [BufferName::of("embedding's first moments"), BufferName::of("embedding's second moments")];
    /// The optimiser's control numbers.
    pub const CONTROL: BufferName = BufferName::of("control");
    /// The running totals of loss and hits.
    pub const TOTALS: BufferName = BufferName::of("totals");
    /// All that training keeps from step to step, beside the weights.
    pub const OPTIMISER: [BufferName; 6] =
        [MOMENTS[0], MOMENTS[1], EMBEDDING_MOMENTS[0], EMBEDDING_MOMENTS[1], CONTROL, TOTALS];
    /// `[B, C]` after a forward plan.
    pub const LOGITS: BufferName = BufferName::of("logits");
    /// `[B, W]`: what the top level passes to the head.
    pub const STATES: BufferName = BufferName::of("final states");
    /// `[P, W]`, in place of these where every step is told of: its output.
    pub const OUTPUTS: BufferName = BufferName::of("outputs of steps");
}

/// Hidden units times steps that one dispatch of a recurrence runs one after the other.
const LONGEST_SPAN: usize = 4_000_000;

/// Hidden units below which a step takes no less time.
const FEWEST_UNITS: usize = 50;

/// Makes one plan for one batch.
pub(super) struct Planner<'a, 'b> {
    pub config: &'a Config,
    pub layout: &'a Layout,
    pub limits: &'a Limits,
    pub plan: Plan<'b>,
    /// Whether each direction stands in buffers of its own.
    pub apart: bool,
    /// Weight gradients whose parts are computed, and not added up yet.
    pub sums: Vec<Sum>,
    /// What is dropped in this step; nothing in inference.
    pub dropout: Dropout,
    /// Numbers that each place has dropped some of already, in earlier micro-batches.
    dropped: BTreeMap<[usize; 2], usize>,
}

/// Numbers of several strands of a layer, those of one behind those of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct StrandViews {
    /// Those of all strands.
    pub view: View,
    /// Numbers from one strand's to the next one's: a multiple of [`ALIGNMENT`], or 0 where there are none.
    pub apart: usize,
}

impl StrandViews {
    /// Of a cell or a pass that has none.
    pub const NONE: StrandViews = StrandViews { view: View::NONE, apart: 0 };

    /// Those of some strands.
    pub fn of(&self, strands: &Range<usize>) -> View {
        if self.view == View::NONE {
            return View::NONE;
        }
        let (skipped, len) = (strands.start * self.apart, self.view.len);
        let len = (len - skipped).min(strands.len() * self.apart);
        View { offset: self.view.offset + skipped, len, ..self.view }
    }
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
    pub fn new(Plans { config, layout, limits }: Plans<'a>, apart: bool, dropout: Dropout) -> Planner<'a, 'b> {
        let (plan, sums, dropped) = (Plan::default(), Vec::new(), BTreeMap::new());
        Planner { config, layout, limits, plan, apart, sums, dropout, dropped }
    }

    /// How matrix products bring their tiles.
    pub fn product(&self) -> Product {
        self.limits.tuning.product
    }

    pub fn push(&mut self, dispatch: Dispatch) {
        self.plan.push(dispatch);
    }

    /// Plans something whose scratch nothing needs afterwards, but what it was given.
    pub fn scope<T>(&mut self, plan: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.plan.mark();
        let outcome = plan(self);
        self.plan.release(mark);
        outcome
    }

    /// All weights.
    pub fn weights(&mut self) -> View {
        self.plan.persistent(buffer::WEIGHTS, &[self.layout.len])
    }

    /// The gradients of all weights.
    pub fn gradients(&mut self) -> View {
        self.plan.persistent(buffer::GRADIENTS, &[self.layout.len])
    }

    /// A matrix and its bias among the weights.
    pub fn affine(&mut self, affine: &Affine) -> View {
        View { offset: affine.offset, len: affine.len(), ..self.weights() }
    }

    /// Room for `each` numbers of every one of `strands`.
    pub fn scratch_of_strands(&mut self, holds: &'static str, strands: usize, each: usize) -> StrandViews {
        let apart = each.next_multiple_of(ALIGNMENT);
        StrandViews { view: self.plan.scratch(holds, &[(strands - 1) * apart + each]), apart }
    }

    /// W and its bias of the units of a layer.
    pub fn input_weights(&mut self, units: &[Unit]) -> StrandViews {
        let ends = units.iter().map(|unit| (unit.input.offset, unit.input.offset + unit.input.len()));
        self.weights_between(units, ends.collect())
    }

    /// The recurrent weights of the units of a layer, all of their matrices.
    pub fn recurrent(&mut self, units: &[Unit]) -> StrandViews {
        let ends = units.iter().filter_map(|unit| {
            let (first, last) = (unit.recurrent.first()?, unit.recurrent.last()?);
            Some((first.offset, last.offset + last.len()))
        });
        self.weights_between(units, ends.collect())
    }

    fn weights_between(&mut self, units: &[Unit], ends: Vec<(usize, usize)>) -> StrandViews {
        let (Some(&(begin, _)), Some(&(_, end))) = (ends.first(), ends.last()) else { return StrandViews::NONE };
        let view = View { offset: begin, len: end - begin, ..self.weights() };
        StrandViews { view, apart: units[0].apart() }
    }

    /// The table of embeddings.
    pub fn embedding(&mut self) -> View {
        self.plan.persistent(buffer::EMBEDDING, &[self.config.vocabulary, self.config.embedding])
    }

    /// `values` of `count` numbers with a share dropped, and what their gradient needs; or themselves if `rate` is 0.
    /// Every place of the network has random numbers of its own.
    pub fn drop(&mut self, place: [usize; 2], rate: f32, count: usize, values: View) -> (View, Option<Dropped>) {
        if rate == 0.0 {
            return (values, None);
        }
        let seed = place.iter().fold(self.dropout.seed, |seed, &at| hash(seed ^ at as u32));
        let offset = self.dropped.entry(place).or_default();
        let dropped = Dropped { count, offset: *offset, rate, seed };
        *offset += count;
        (self.apply(dropped, values, "dropout"), Some(dropped))
    }

    /// From the gradient of what was left to the gradient of the values.
    pub fn drop_backward(&mut self, dropped: Option<Dropped>, gradient: View) -> View {
        dropped.map_or(gradient, |dropped| self.apply(dropped, gradient, "dropout backward"))
    }

    fn apply(&mut self, dropped: Dropped, values: View, place: &str) -> View {
        let out = self.plan.scratch("numbers after dropout", &[dropped.count]);
        self.drop_into(dropped, values, out, place);
        out
    }

    /// One dropout of so many numbers.
    pub fn drop_into(&mut self, Dropped { count, offset, rate, seed }: Dropped, values: View, out: View, place: &str) {
        let bindings = [values, out].map(|view| view.first(count));
        self.push(dropout::dispatch(place.into(), (count, offset), rate, seed, bindings));
    }

    /// The dispatches in which a level's recurrence is run, in order of time: one, unless that would run for too long.
    /// Each begins with the states that the one before left.
    pub fn spans(&self, whole: Span, longest: usize) -> Vec<Span> {
        let (hidden, cell) = (whole.hidden, self.config.recurrence());
        let lanes = cell.lanes((whole.rows, whole.strands.count), hidden, self.limits);
        let product = cell.product(lanes, hidden, self.limits);
        let whole = Span { lanes, product, end: longest, ..whole };
        let parts = (whole.operations(cell) / self.limits.dispatch_operations).ceil().max(1.0) as usize;
        // However few the rows, a step takes its time: on a GPU one span is a second or so.
        let most = if self.limits.dispatch_operations.is_finite() {
            LONGEST_SPAN.div_ceil(hidden.max(FEWEST_UNITS))
        } else {
            usize::MAX
        };
        let steps = longest.div_ceil(parts).clamp(1, most);
        let span = |begin| {
            let carried = begin > 0;
            let (first, memory) = (whole.first || carried, whole.memory || carried);
            Span { begin, end: (begin + steps).min(longest), first, memory, ..whole }
        };
        (0..longest).step_by(steps).map(span).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_recurrences_are_split_along_time_however_few_the_rows() {
        let config = Config { hidden: 50, ..Config::default() };
        let (layout, limits) = (Layout::new(&config), Limits::webgpu_default());
        let plans = Plans { config: &config, layout: &layout, limits: &limits };
        let planner = Planner::new(plans, false, Dropout::default());
        // One row: little work, and many steps that wait for one another.
        let longest = 262_144;
        let whole = Span::whole(1, longest, longest, 50);
        let spans = planner.spans(whole, longest);
        assert!(spans.len() > 1 && spans.iter().all(|span| (span.end - span.begin) * 50 <= LONGEST_SPAN));
        assert!(spans.windows(2).all(|pair| pair[0].end == pair[1].begin));
        assert!(!spans[0].first && spans[1..].iter().all(|span| span.first));
        assert_eq!((spans[0].begin, spans[spans.len() - 1].end), (0, longest));
        // A CPU has no watchdog.
        let limits = Limits { dispatch_operations: f64::INFINITY, ..limits.clone() };
        let planner = Planner::new(Plans { limits: &limits, ..plans }, false, Dropout::default());
        assert_eq!(planner.spans(whole, longest).len(), 1);
    }
}
