//! The forward plan: steps → gates → layer by layer, level by level → logits; `downward` has the way back down.

use super::config::{Config, Input, Pooling};
use super::downward::DownViews;
use super::planner::{Dropped, Planner, StrandViews, buffer};
use super::warmup::{LevelRows, rows_of};
use crate::kernel::gather_rows;
use crate::kernel::matmul::{self, Columns};
use crate::kernel::pool_forward::{self, Pool};
use crate::kernel::recurrence::{self, ForwardViews, Span};
use crate::kernel::strands::Strands;
use crate::network::tokens::Distinct;
use crate::plan::View;
use crate::slicing::Level;
use std::ops::Range;
use std::rc::Rc;

/// Steps that are projected once, however many rows read them: the distinct tokens of a batch, or all of its steps.
pub(super) struct StepViews {
    /// N of them.
    pub count: usize,
    /// `[N, D]`
    pub inputs: View,
    /// `[N, G·H]` by strand: their gates, by group of strands.
    pub gates: Vec<StrandViews>,
    /// `[P]`: which of them each step is; `None` if each is its own.
    pub slots: Option<Vec<u32>>,
    /// Of the embeddings.
    pub dropped: Option<Dropped>,
}

/// The recurrences of a layer that run in one dispatch, from their forward to their backward pass: those of a group of strands
/// ([`Config::groups`]).
pub(super) struct RunViews {
    /// Where in the network they are, in words.
    pub place: String,
    /// Which of the layer's strands these are.
    pub strands: Range<usize>,
    /// Rows and steps of which it runs over; with context more than there are.
    pub rows: Rc<LevelRows>,
    pub rows_view: View,
    pub span: Span,
    /// What the cell keeps of every step, by strand of the run; nothing when nothing is saved.
    pub tape: StrandViews,
    /// Slots by step, for summing gradients; `None` where the tape's steps are the inputs'.
    pub slots: Option<Vec<u32>>,
}

/// One layer of one level.
pub(super) struct LayerViews {
    /// What it reads, `[P, inputs]`; at level 0 the steps' own views stand for it.
    pub inputs: Option<View>,
    /// Of what it reads.
    pub dropped: Option<Dropped>,
    /// By group of strands.
    pub runs: Vec<RunViews>,
    /// `[P, W]`: every step's output in its own slice, the strands side by side; nothing where only the last counts.
    pub outputs: View,
}

/// All levels of one micro-batch, from their forward to their backward pass.
pub(super) struct Passes {
    /// From level 0 upwards: the last state of each slice, or what is pooled, is a step of the next level. All levels, or,
    /// where steps are told of, those below the top.
    pub up: Vec<LevelViews>,
    /// From level 0 on, where steps are told of.
    pub down: Vec<DownViews>,
    pub head: HeadViews,
}

/// What the head reads.
pub(super) struct HeadViews {
    /// Sequences or steps.
    pub count: usize,
    /// `[count, W]`
    pub inputs: View,
    /// Of outputs; what passes up has been dropped already.
    pub dropped: Option<Dropped>,
}

/// One level of one micro-batch, upwards.
pub(super) struct LevelViews {
    /// Slices, and their steps together.
    pub count: usize,
    pub steps: usize,
    pub layers: Vec<LayerViews>,
    /// The pooling of outputs, if the last states do not pass up.
    pub pool: Option<PoolViews>,
    /// `[R, W]`: what passes up, after dropout.
    pub up: View,
    pub dropped: Option<Dropped>,
}

/// One pooling, from its forward to its backward pass.
pub(super) struct PoolViews {
    pub pool: Pool,
    /// `[R, 2]`: the slices' own steps.
    pub rows: View,
    /// `[P]`: the shares of attention.
    pub shares: View,
    /// `[R, W]`
    pub pooled: View,
}

/// Where in the network something is planned.
#[derive(Clone, Copy)]
pub(super) struct At<'l> {
    pub p: usize,
    pub level: &'l Level,
    /// Whether this is the downward pass.
    pub down: bool,
    /// Whether there will be a backward pass.
    pub save: bool,
}

/// What a group of strands of a level reads, the same in all of its layers.
pub(super) struct Way {
    strands: Range<usize>,
    rows: Rc<LevelRows>,
    /// `[R, 2]`: the list of rows.
    list: View,
    /// With context: which step of the layer below each step is, and `[P]`, where among them a step's own output is.
    steps_read: Option<View>,
    own: Option<View>,
}

/// What a layer reads.
#[derive(Clone, Copy)]
pub(super) enum Below<'s> {
    /// The batch's own steps: those projected, and which of them each step is.
    Steps(&'s StepViews, Option<&'s [u32]>),
    /// `[P, inputs]`: what the layer or level below gives.
    Outputs(View),
}

impl Config {
    /// Whether level 0 reads its steps through slots.
    fn slotted(&self) -> bool {
        self.input == Input::Tokens || self.context > 0
    }

    /// Whether the outputs of all steps of a layer count, not only its last states.
    fn stepwise(&self, At { p, down, .. }: At, layer: usize) -> bool {
        down || layer + 1 < self.layers || self.pooling_of(p) != Pooling::Last
    }
}

impl<'b> Planner<'_, 'b> {
    /// Embeds and projects each distinct token of the batch once.
    pub fn project_tokens(&mut self, distinct: &Distinct) -> StepViews {
        let (count, width) = (distinct.tokens.len(), self.config.embedding);
        let ids = self.plan.upload("distinct tokens", &[count], distinct.tokens.clone());
        let table = self.embedding();
        let inputs = self.plan.scratch("inputs", &[count, width]);
        let [from, to] = [table, inputs].map(|view| Columns::all(view, width));
        self.push(gather_rows::dispatch("embedding".into(), (count, width), ids, from, to));
        let (inputs, dropped) = self.drop(EMBEDDED, self.dropout.embedding, count * width, inputs);
        let gates = self.project_level0(count, inputs);
        StepViews { count, inputs, gates, slots: Some(distinct.slots.clone()), dropped }
    }

    /// Projects steps of numbers `[N, D]`.
    pub fn project_numbers(&mut self, values: &'b [f32]) -> StepViews {
        let width = self.config.embedding;
        let count = values.len() / width;
        let words: &[u32] = bytemuck::cast_slice(values);
        let inputs = self.plan.upload("inputs as numbers", &[count, width], words);
        let gates = self.project_level0(count, inputs);
        let slots = self.config.slotted().then(|| (0..count as u32).collect());
        StepViews { count, inputs, gates, slots, dropped: None }
    }

    fn project_level0(&mut self, count: usize, inputs: View) -> Vec<StrandViews> {
        self.config.groups(0, self.apart).map(|strands| self.project([0, 0], &strands, count, inputs)).collect()
    }

    /// The gates `[count, G·H]` of some strands of a layer of a level.
    fn project(&mut self, [p, l]: [usize; 2], strands: &Range<usize>, count: usize, inputs: View) -> StrandViews {
        let units = &self.layout.levels[p].layers[l][strands.clone()];
        let place = format!("level {p}{}{} gates", of_layer(l), of(strands));
        let (width, wide) = (units[0].input.inputs, units[0].input.outputs);
        let gates = self.scratch_of_strands("gates", units.len(), count * wide);
        let weights = self.input_weights(units);
        let how = (self.product(), Strands::new(units.len(), [0, weights.apart, gates.apart]));
        let inputs = inputs.first(count * width);
        self.push(matmul::project(place, how, (count, wide, width), inputs, weights.view, gates.view));
        gates
    }

    /// Runs all levels over sequences of `lengths` real steps; `slots` tell which of the projected steps theirs are. With
    /// `save`, the levels keep what the backward pass needs.
    pub fn passes(&mut self, steps: &StepViews, slots: Option<&[u32]>, lengths: &[u32], save: bool) -> Passes {
        let config = self.config;
        let mut levels = config.slicing.rows(config.length, config.align, lengths);
        levels.truncate(config.levels());
        let below = Below::Steps(steps, slots);
        let upward = levels.len() - usize::from(config.task.of_steps());
        let mut up: Vec<LevelViews> = Vec::new();
        for (p, level) in levels[..upward].iter().enumerate() {
            let at = At { p, level, down: false, save };
            let ways = self.ways(at, lengths, if p == 0 { config.context } else { 0 });
            let below = up.last().map_or(below, |level| Below::Outputs(level.up));
            let views = self.level(at, &ways, below);
            up.push(views);
        }
        if config.task.of_steps() {
            let (down, head) = self.downward(&levels, lengths, below, &up, save);
            return Passes { up, down, head };
        }
        let top = up.last().expect("a network has a level");
        let head = HeadViews { count: top.count, inputs: top.up, dropped: None };
        Passes { up, down: vec![], head }
    }

    /// What the groups of strands of a level read.
    pub(super) fn ways(&mut self, at: At, lengths: &[u32], context: usize) -> Vec<Way> {
        let groups = self.config.groups(at.p, self.apart).map(|strands| {
            let reverse = self.config.reads_backward(strands.start);
            self.way(at, strands, rows_of(at.level, lengths, context, reverse))
        });
        groups.collect()
    }

    /// Uploads what a group of strands reads in all layers of a level.
    fn way(&mut self, at: At, strands: Range<usize>, rows: LevelRows) -> Way {
        let level = at.level;
        let list = self.plan.upload("rows", &[level.rows.len(), 2], rows.list.concat());
        let (mut steps_read, mut own) = (None, None);
        if let Some(warmup) = &rows.warmup {
            if self.config.layers > 1 {
                let read = warmup.steps_read.clone();
                steps_read = Some(self.plan.upload("steps read", &[read.len()], read));
            }
            if self.config.stepwise(at, 0) {
                let steps = warmup.own.clone();
                own = Some(self.plan.upload("own steps", &[level.steps], steps));
            }
        }
        Way { strands, rows: Rc::new(rows), list, steps_read, own }
    }

    fn level(&mut self, at: At, ways: &[Way], mut below: Below) -> LevelViews {
        let At { p, level, .. } = at;
        let (count, width) = (level.rows.len(), self.config.width());
        let passed = match p + 1 == self.config.levels() {
            true => self.plan.output(buffer::STATES, &[count, width]),
            false => self.plan.scratch("states", &[count, width]),
        };
        let mut layers: Vec<LayerViews> = Vec::new();
        for layer in 0..self.config.layers {
            let views = self.layer(at, layer, ways, below, passed);
            below = Below::Outputs(views.outputs);
            layers.push(views);
        }
        let outputs = layers.last().expect("a level has a layer").outputs;
        let pool = (self.config.pooling_of(p) != Pooling::Last).then(|| {
            let rows = match &ways[0].rows.warmup {
                None => ways[0].list,
                Some(_) => self.plan.upload("slices", &[count, 2], level.rows.concat()),
            };
            self.pool(p, level, [rows, outputs, passed])
        });
        let (up, dropped) = self.drop([p, 0], self.dropout.states, count * width, passed);
        LevelViews { count, steps: level.steps, layers, pool, up, dropped }
    }

    /// One layer with all of its strands. `states [R, W]` is, upwards, where the last states go if they pass up; downwards, it
    /// has the first ones, or there are none.
    pub(super) fn layer(&mut self, at: At, layer: usize, ways: &[Way], below: Below, states: View) -> LayerViews {
        let At { p, level, .. } = at;
        let (steps, width) = (level.steps, self.config.width());
        let (below, dropped) = match below {
            Below::Outputs(outputs) if layer > 0 => {
                let pass = if at.down { self.config.levels() } else { 0 };
                let (left, dropped) = self.drop([p + pass, layer], self.dropout.states, steps * width, outputs);
                (Below::Outputs(left), dropped)
            }
            _ => (below, None),
        };
        let outputs = match self.config.stepwise(at, layer) {
            true if at.down && p == 0 && layer + 1 == self.config.layers => {
                self.plan.output(buffer::OUTPUTS, &[steps, width])
            }
            true => self.plan.scratch("outputs", &[steps, width]),
            false => View::NONE,
        };
        let runs = ways.iter().enumerate();
        let runs = runs.map(|(group, way)| self.run(at, [layer, group], way, below, [outputs, states])).collect();
        let inputs = match below {
            Below::Steps(..) => None,
            Below::Outputs(outputs) => Some(outputs),
        };
        LayerViews { inputs, dropped, runs, outputs }
    }

    /// The recurrences of a group of strands of layer l. Their outputs go to their columns of `outputs`, if they count;
    /// `states` are those of the layer.
    fn run(
        &mut self,
        at: At,
        [l, group]: [usize; 2],
        way: &Way,
        below: Below,
        [outputs, states]: [View; 2],
    ) -> RunViews {
        let At { p, level, down, save } = at;
        let (config, cell, rows) = (self.config, self.config.recurrence(), &way.rows);
        let (units, width, count) = (config.units(), config.width(), level.rows.len());
        let (strands, first) = (way.strands.clone(), way.strands.start * units);
        let weights = self.recurrent(&self.layout.levels[p].layers[l][strands.clone()]);
        let own_width = strands.len() * units;
        let pass = if down && config.levels() > 1 { " down" } else { "" };
        let place = format!("level {p}{pass}{}{}", of_layer(l), of(&strands));
        let tape = match save {
            true => self.scratch_of_strands("tape", strands.len(), rows.steps * cell.tape * units),
            false => StrandViews::NONE,
        };
        let stepwise = outputs != View::NONE;
        // With context each direction reads steps of its own: their outputs do not stand side by side.
        let own = way.own.filter(|_| stepwise);
        let (stride, column) = if own.is_some() { (own_width, 0) } else { (width, first) };
        let (span, slots) = self.scope(|planner| {
            let gates = match below {
                Below::Steps(steps, _) => steps.gates[group],
                Below::Outputs(outputs) => planner.project([p, l], &strands, level.steps, outputs),
            };
            let (read, slots) = planner.slots(way, below);
            let span = Span {
                strands: Strands::new(strands.len(), [gates.apart, weights.apart, tape.apart]),
                forward: strands.clone().filter(|&strand| !config.reads_backward(strand)).count(),
                slotted: read.is_some(),
                stepwise,
                first: down && states != View::NONE,
                activation: config.activation,
                stride,
                column,
                ..Span::whole(count, rows.steps, rows.longest, units)
            };
            let side_by_side = outputs;
            let outputs = match own {
                Some(_) => planner.plan.scratch("outputs with context", &[rows.steps, own_width]),
                None => outputs,
            };
            // Where outputs count, last states do not; but spans carry them.
            let states = match stepwise && !span.first {
                true => planner.plan.scratch("carried states", &[count, stride]),
                false => states,
            };
            let memories = planner.memories("memories", &[count, stride]);
            let [gates, weights, tape] = [gates, weights, tape].map(|strands| strands.view);
            let views = ForwardViews { rows: way.list, slots, gates, weights, tape, states, outputs, memories };
            for span in planner.spans(span, rows.longest) {
                planner.push(recurrence::forward_dispatch(cell, format!("{place} forward"), span, save, views));
            }
            if let Some(own) = own {
                let (place, sizes) = (format!("{place} own outputs"), (level.steps, own_width));
                let to = Columns { column: first, ..Columns::all(side_by_side, width) };
                planner.push(gather_rows::dispatch(place, sizes, own, Columns::all(outputs, own_width), to));
            }
            (span, read)
        });
        RunViews { place, strands, rows: rows.clone(), rows_view: way.list, span, tape, slots }
    }

    /// `[R, W]` for the second states, or their gradients, of a cell that has such.
    pub fn memories(&mut self, holds: &'static str, shape: &[usize]) -> View {
        match self.config.recurrence().memory {
            true => self.plan.scratch(holds, shape),
            false => View::NONE,
        }
    }

    /// Which gates each step of a way reads, if not its own: as numbers and as a view.
    fn slots(&mut self, way: &Way, below: Below) -> (Option<Vec<u32>>, View) {
        let warmup = way.rows.warmup.as_ref();
        match below {
            Below::Steps(_, None) => (None, View::NONE),
            Below::Steps(_, Some(slots)) => {
                let slots: Vec<u32> = match warmup {
                    Some(warmup) => warmup.steps_read.iter().map(|&step| slots[step as usize]).collect(),
                    None => slots.to_vec(),
                };
                let view = self.plan.upload("slots", &[slots.len()], slots.clone());
                (Some(slots), view)
            }
            Below::Outputs(_) => (warmup.map(|warmup| warmup.steps_read.clone()), way.steps_read.unwrap_or(View::NONE)),
        }
    }

    /// The outputs `[P, W]` of each slice, one of the `rows`, pooled into what it passes up.
    fn pool(&mut self, p: usize, level: &Level, [rows, outputs, pooled]: [View; 3]) -> PoolViews {
        let (count, steps, width) = (level.rows.len(), level.steps, self.config.width());
        let (shares, attention) = match &self.layout.levels[p].attention {
            Some(attention) => (self.plan.scratch("shares", &[steps]), self.affine(attention)),
            None => (View::NONE, View::NONE),
        };
        let pool = Pool { pooling: self.config.pooling_of(p), rows: count, steps, width };
        let bindings = [rows, outputs, attention, shares, pooled];
        self.push(pool_forward::dispatch(format!("level {p} pooling"), pool, bindings));
        PoolViews { pool, rows, shares, pooled }
    }

    /// The head over what it reads: `[count, C]` logits.
    pub fn logits(&mut self, head: &HeadViews) -> View {
        let (width, classes) = (self.config.width(), self.config.classes);
        let logits = self.plan.output(buffer::LOGITS, &[head.count, classes]);
        let weights = self.affine(&self.layout.head);
        let how = (self.product(), Strands::ONE);
        self.push(matmul::project("logits".into(), how, (head.count, classes, width), head.inputs, weights, logits));
        logits
    }
}

/// The place of the embeddings' dropout: no level's.
const EMBEDDED: [usize; 2] = [usize::MAX; 2];

/// Names the strands of the second direction, where they run by themselves.
pub(super) fn of(strands: &Range<usize>) -> &'static str {
    if strands.start == 0 { "" } else { " reversed" }
}

/// Names the layers above the first.
pub(super) fn of_layer(layer: usize) -> String {
    if layer == 0 { String::new() } else { format!(" layer {layer}") }
}
