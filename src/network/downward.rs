//! The downward pass, where steps are told of: from the top level down, every slice is run once more, from what the level above
//! knew before it, so that each step of level 0 has all that was read before it, over all cuts.
//!
//! With O_p `[P, W]` the outputs of level p and I_p `[R, W]` the states that its slices begin with (0 at the top): slice s of
//! level p − 1 begins with O_p at the step before s, and the first slice of a row with I_p of that row. By layer alike, and by
//! direction. Only states h are handed down, as only they are handed up: the memory of an LSTM begins at 0.

use super::backward::Back;
use super::carry::Carry;
use super::forward::{At, Below, HeadViews, LayerViews, LevelViews};
use super::planner::Planner;
use crate::kernel::gather_rows;
use crate::kernel::matmul::Columns;
use crate::plan::{Dispatch, View};
use crate::slicing::Level;

/// One level of one micro-batch, downwards.
pub(super) struct DownViews {
    /// Slices, and their steps together.
    count: usize,
    steps: usize,
    pub layers: Vec<LayerViews>,
    /// By direction, what its steps hand down; nothing at level 0.
    carries: Vec<CarryViews>,
}

/// The indices of [`Carry`].
struct CarryViews {
    before: View,
    after: View,
    parents: View,
    firsts: View,
}

/// Gathers rows, or adds them up.
type Gather = fn(String, (usize, usize), View, Columns, Columns) -> Dispatch;

impl Planner<'_, '_> {
    /// Runs all levels from the top down, over what `up` has passed up, and `below` at level 0; gives also the outputs of
    /// level 0.
    pub fn downward(
        &mut self,
        levels: &[Level],
        lengths: &[u32],
        below: Below,
        up: &[LevelViews],
        save: bool,
    ) -> (Vec<DownViews>, HeadViews) {
        let config = self.config;
        // Slices that know what came before them need no context.
        let context = if levels.len() == 1 { config.context } else { 0 };
        let mut first = vec![View::NONE; config.layers];
        let mut down = Vec::new();
        for (p, level) in levels.iter().enumerate().rev() {
            let at = At { p, level, down: true, save };
            let ways = self.ways(at, lengths, context);
            let mut below = if p == 0 { below } else { Below::Outputs(up[p - 1].up) };
            let carries = if p == 0 { vec![] } else { self.carries(level) };
            let mut views = DownViews { count: level.rows.len(), steps: level.steps, layers: vec![], carries };
            for (layer, first) in first.iter_mut().enumerate() {
                // The recurrence puts the last states in the place of the first.
                let next = self.first_of_rows(p, &views, *first);
                let layer = self.layer(at, layer, &ways, below, *first);
                self.first_behind_steps(p, &views, [*first, layer.outputs, next]);
                (*first, below) = (next, Below::Outputs(layer.outputs));
                views.layers.push(layer);
            }
            down.push(views);
        }
        down.reverse();
        let outputs = down[0].layers.last().expect("a level has a layer").outputs;
        let (count, place) = (levels[0].steps, [levels.len(), 0]);
        let (inputs, dropped) = self.drop(place, self.dropout.states, count * config.width(), outputs);
        (down, HeadViews { count, inputs, dropped })
    }

    fn carries(&mut self, level: &Level) -> Vec<CarryViews> {
        let of = |&reverse: &bool| {
            let Carry { before, after, parents, firsts } = Carry::new(level, reverse);
            let mut upload = |holds, ids: Vec<u32>| self.plan.upload(holds, &[ids.len()], ids);
            CarryViews {
                before: upload("steps before", before),
                after: upload("steps after", after),
                parents: upload("rows of first steps", parents),
                firsts: upload("first steps", firsts),
            }
        };
        self.config.directions().iter().map(of).collect()
    }

    /// Room for the first states of the level below, `[P, W]`, with those of first slices; the others are 0.
    fn first_of_rows(&mut self, p: usize, level: &DownViews, first: View) -> View {
        if level.carries.is_empty() {
            return View::NONE;
        }
        let next = self.plan.scratch("first states", &[level.steps, self.config.width()]);
        if first != View::NONE {
            let place = format!("level {p} down first states of rows");
            self.gather(&place, gather_rows::dispatch, level, level.steps, |carry| carry.parents, [first, next]);
        }
        next
    }

    /// Adds those of all other slices.
    fn first_behind_steps(&mut self, p: usize, level: &DownViews, [first, outputs, next]: [View; 3]) {
        let gather: Gather = if first == View::NONE { gather_rows::dispatch } else { gather_rows::add_dispatch };
        let place = format!("level {p} down first states");
        self.gather(&place, gather, level, level.steps, |carry| carry.before, [outputs, next]);
    }

    /// By direction, `count` rows of its columns.
    fn gather(
        &mut self,
        place: &str,
        gather: Gather,
        level: &DownViews,
        count: usize,
        ids: impl Fn(&CarryViews) -> View,
        [from, to]: [View; 2],
    ) {
        let (hidden, width) = (self.config.hidden, self.config.width());
        for (direction, carry) in level.carries.iter().enumerate() {
            let own = |view| Columns { column: direction * hidden, ..Columns::all(view, width) };
            self.push(gather(place.into(), (count, hidden), ids(carry), own(from), own(to)));
        }
    }

    /// From the gradient `[P, W]` of the outputs of level 0 to those of what every level reads, `[P, W]` each; at level 0 that
    /// is nothing.
    pub fn downward_backward(&mut self, down: &[DownViews], back: Back, of_outputs: View) -> Vec<View> {
        let width = self.config.width();
        // Of the first states of the level below, by layer.
        let mut of_first = vec![View::NONE; self.config.layers];
        let mut of_inputs = Vec::new();
        for (p, level) in down.iter().enumerate() {
            let is_top = p + 1 == down.len();
            let mut of_outputs = if p == 0 { of_outputs } else { View::NONE };
            for (l, layer) in level.layers.iter().enumerate().rev() {
                let handed = std::mem::replace(&mut of_first[l], View::NONE);
                if p > 0 {
                    of_outputs = self.outputs_of_first(p, level, [handed, of_outputs]);
                }
                if !is_top {
                    of_first[l] = self.plan.scratch("first states gradient", &[level.count, width]);
                }
                let below =
                    self.layer_backward([p, l], layer, level.steps, back, [of_outputs, of_first[l]], View::NONE);
                of_outputs = if l > 0 { self.drop_backward(layer.dropped, below) } else { below };
                if p > 0 && !is_top {
                    // First slices have handed on what their row began with.
                    let place = format!("level {p} down first states gradient of rows");
                    let (add, to) = (gather_rows::add_dispatch, [handed, of_first[l]]);
                    self.gather(&place, add, level, level.count, |carry| carry.firsts, to);
                }
            }
            of_inputs.push(of_outputs);
        }
        of_inputs
    }

    /// The gradient of outputs, from that of the first states of the level below, and what there is of it already.
    fn outputs_of_first(&mut self, p: usize, level: &DownViews, [handed, outputs]: [View; 2]) -> View {
        let place = format!("level {p} down first states gradient");
        let (gather, out): (Gather, View) = match outputs == View::NONE {
            true => {
                let out = self.plan.scratch("outputs gradient", &[level.steps, self.config.width()]);
                (gather_rows::dispatch, out)
            }
            false => (gather_rows::add_dispatch, outputs),
        };
        self.gather(&place, gather, level, level.steps, |carry| carry.after, [handed, out]);
        out
    }
}
