//! The forward plan: steps → gates → layer by layer, level by level → logits.

use super::config::{Config, Input, Pooling};
use super::parameters::Unit;
use super::planner::{Dropped, Planner, buffer};
use super::warmup::{Rows, rows_of};
use crate::kernel::gather_rows;
use crate::kernel::matmul::{self, Columns};
use crate::kernel::pool_forward::{self, Mode, Pool};
use crate::kernel::recurrence::{self, ForwardViews, Span};
use crate::network::tokens::Distinct;
use crate::plan::View;
use crate::slicing::Level;

/// Steps that are projected once, however many rows read them: the distinct tokens of a batch, or all of its steps.
pub(super) struct StepViews {
    /// N of them.
    pub count: usize,
    /// `[N, D]`
    pub inputs: View,
    /// `[N, G·H]` by direction: their gates.
    pub gates: Vec<View>,
    /// `[P]`: which of them each step is; `None` if each is its own.
    pub slots: Option<Vec<u32>>,
    /// Of the embeddings.
    pub dropped: Option<Dropped>,
}

/// One recurrence, from its forward to its backward pass.
pub(super) struct RunViews {
    /// Rows and steps of which it runs over; with context more than there are.
    pub rows: Rows,
    pub rows_view: View,
    pub span: Span,
    /// What the cell keeps of every step; a single number when nothing is saved.
    pub tape: View,
    /// Slots by step, for summing gradients; `None` where the tape's steps are the inputs'.
    pub slots: Option<Vec<u32>>,
}

/// One layer of one level.
pub(super) struct LayerViews {
    /// What it reads, `[P, inputs]`; at level 0 the steps' own views stand for it.
    pub inputs: Option<View>,
    /// Of what it reads.
    pub dropped: Option<Dropped>,
    /// By direction.
    pub runs: Vec<RunViews>,
    /// `[P, W]`: every step's output in its own slice, the directions side by side; unused where only the last counts.
    pub outputs: View,
}

/// One level of one micro-batch.
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

impl Config {
    /// Whether level 0 reads its steps through slots.
    fn slotted(&self) -> bool {
        self.input == Input::Tokens || self.context > 0
    }
}

impl<'b> Planner<'_, 'b> {
    /// Embeds and projects each distinct token of the batch once.
    pub fn project_tokens(&mut self, distinct: &Distinct) -> StepViews {
        let (count, width) = (distinct.tokens.len(), self.config.embedding);
        let ids = self.plan.upload("tokens", &[count], distinct.tokens.clone());
        let table = self.embedding();
        let inputs = self.plan.scratch("inputs", &[count, width]);
        let place = "embedding".to_string();
        let [from, to] = [table, inputs].map(|view| Columns::all(view, width));
        self.plan.dispatches.push(gather_rows::dispatch(place, (count, width), ids, from, to));
        let (inputs, dropped) = self.drop("inputs", self.dropout.embedding, count * width, inputs);
        let gates = self.project_level0(count, inputs);
        StepViews { count, inputs, gates, slots: Some(distinct.slots.clone()), dropped }
    }

    /// Projects steps of numbers `[N, D]`; `name` sets the uploads of micro-batches apart.
    pub fn project_numbers(&mut self, name: &str, values: &'b [f32]) -> StepViews {
        let width = self.config.embedding;
        let count = values.len() / width;
        let words: &[u32] = bytemuck::cast_slice(values);
        let inputs = self.plan.upload(&format!("{name}inputs"), &[count, width], words);
        let gates = self.project_level0(count, inputs);
        let slots = self.config.slotted().then(|| (0..count as u32).collect());
        StepViews { count, inputs, gates, slots, dropped: None }
    }

    fn project_level0(&mut self, count: usize, inputs: View) -> Vec<View> {
        let layout = self.layout;
        let units = layout.levels[0].layers[0].iter().enumerate();
        units
            .map(|(d, unit)| {
                self.project(&format!("level 0 gates{}", of(d)), unit, count, inputs, &format!("step_gates{d}"))
            })
            .collect()
    }

    fn project(&mut self, place: &str, unit: &Unit, count: usize, inputs: View, name: &str) -> View {
        let (width, wide) = (unit.input.inputs, unit.input.outputs);
        let gates = self.plan.scratch(name, &[count, wide]);
        let weights = self.affine(buffer::WEIGHTS, &unit.input);
        let inputs = View { len: count * width, ..inputs };
        self.plan.dispatches.push(matmul::project(place.into(), (count, wide, width), inputs, weights, gates));
        gates
    }

    /// Runs all levels over sequences of `lengths` real steps. `name` sets the uploads of micro-batches apart, `slots`
    /// tell which of the projected steps theirs are. With `save`, the levels keep what the backward pass needs.
    pub fn levels(
        &mut self,
        name: &str,
        steps: &StepViews,
        slots: Option<&[u32]>,
        lengths: &[u32],
        save: bool,
    ) -> Vec<LevelViews> {
        let mut below = None;
        let mut levels = Vec::new();
        for (p, level) in self.config.slicing.rows(self.config.length, lengths).into_iter().enumerate() {
            let context = if p == 0 { self.config.context } else { 0 };
            let rows = |reverse: bool| rows_of(&level, lengths, context, reverse);
            let rows: Vec<Rows> = self.config.directions().iter().map(|&reverse| rows(reverse)).collect();
            let views = match below {
                None => self.level(name, (p, &level), rows, Some((steps, slots)), None, save),
                Some(up) => self.level(name, (p, &level), rows, None, Some(up), save),
            };
            below = Some(views.up);
            levels.push(views);
        }
        levels
    }

    fn level(
        &mut self,
        name: &str,
        (p, level): (usize, &Level),
        rows: Vec<Rows>,
        bottom: Option<(&StepViews, Option<&[u32]>)>,
        below: Option<View>,
        save: bool,
    ) -> LevelViews {
        let layout = self.layout;
        let (config, cell) = (self.config, self.config.recurrence());
        let (hidden, width, count) = (config.hidden, config.width(), level.rows.len());
        let pooling = config.pooling_of(p);
        let last = self.plan.scratch(&format!("level{p}.states"), &[count, width]);
        let mut layers: Vec<LayerViews> = Vec::new();
        let mut inputs = below;
        for layer in 0..config.layers {
            let top = layer + 1 == config.layers;
            let stepwise = !top || pooling != Pooling::Last;
            let mut dropped = None;
            if let (true, Some(own)) = (layer > 0, inputs) {
                let place = format!("level{p}.layer{layer}.inputs");
                let (left, own) = self.drop(&place, self.dropout.states, level.steps * width, own);
                (inputs, dropped) = (Some(left), own);
            }
            let mut runs = Vec::new();
            let mut shared = self.unused("no_outputs");
            for (d, (rows, &reverse)) in rows.iter().zip(config.directions()).enumerate() {
                let unit = &layout.levels[p].layers[layer][d];
                let place = format!("level {p}{}{}", of_layer(layer), of(d));
                let (gates, slots) = match (layer, bottom) {
                    (0, Some((steps, slots))) => {
                        let read = |slots: &[u32]| match &rows.warmup {
                            Some(warmup) => warmup.steps_read.iter().map(|&step| slots[step as usize]).collect(),
                            None => slots.to_vec(),
                        };
                        (steps.gates[d], slots.map(read))
                    }
                    _ => {
                        let inputs = inputs.expect("a level above the first, or a layer");
                        let buffer = format!("level{p}.gates{d}");
                        let gates = self.project(&format!("{place} gates"), unit, level.steps, inputs, &buffer);
                        (gates, rows.warmup.as_ref().map(|warmup| warmup.steps_read.clone()))
                    }
                };
                let slot_view = match &slots {
                    Some(slots) => {
                        let steps = if layer == 0 { "slots" } else { "steps_read" };
                        self.plan.upload(&format!("{name}level{p}.{steps}{d}"), &[slots.len()], slots.clone())
                    }
                    None => self.unused("no_slots"),
                };
                let list = rows.list.concat();
                let rows_view = self.plan.upload(&format!("{name}level{p}.rows{d}"), &[count, 2], list);
                // With context each direction reads steps of its own: their outputs do not stand side by side.
                let apart = rows.warmup.is_some() && stepwise;
                let (stride, column) = if apart { (hidden, 0) } else { (width, d * hidden) };
                let span = Span {
                    slotted: slots.is_some(),
                    reverse,
                    stepwise,
                    activation: config.activation,
                    stride,
                    column,
                    ..Span::whole(count, rows.steps, rows.longest, hidden)
                };
                let own = format!("level{p}.layer{layer}");
                let tape = match save {
                    true => self.plan.scratch(&format!("{own}.tape{d}"), &[rows.steps, cell.tape * hidden]),
                    false => self.unused("no_tape"),
                };
                let outputs = match stepwise {
                    true if apart => self.plan.scratch(&format!("level{p}.outputs_read{d}"), &[rows.steps, hidden]),
                    true => self.plan.scratch(&format!("{own}.outputs"), &[level.steps, width]),
                    false => self.unused("no_outputs"),
                };
                // Where outputs count, last states do not; but spans carry them.
                let last = match stepwise {
                    true => self.plan.scratch(&format!("level{p}.carried"), &[count, stride]),
                    false => last,
                };
                let memory = match cell.memory {
                    true => self.plan.scratch(&format!("level{p}.memory"), &[count, hidden]),
                    false => self.unused("no_memory"),
                };
                let weights = self.recurrent(unit);
                let views =
                    ForwardViews { rows: rows_view, slots: slot_view, gates, weights, tape, last, outputs, memory };
                for span in self.spans(span, rows.longest) {
                    let dispatch = recurrence::forward(cell, format!("{place} forward"), span, save, views);
                    self.plan.dispatches.push(dispatch);
                }
                shared = outputs;
                if let (Some(warmup), true) = (&rows.warmup, apart) {
                    shared = self.plan.scratch(&format!("{own}.outputs"), &[level.steps, width]);
                    let ids = self.plan.upload(&format!("{name}level{p}.own{d}"), &[level.steps], warmup.own.clone());
                    let (from, to) =
                        (Columns::all(outputs, hidden), Columns { column: d * hidden, ..Columns::all(shared, width) });
                    let gather =
                        gather_rows::dispatch(format!("{place} own outputs"), (level.steps, hidden), ids, from, to);
                    self.plan.dispatches.push(gather);
                }
                let rows = rows.clone();
                runs.push(RunViews { rows, rows_view, span, tape, slots });
            }
            let below = (layer > 0 || p > 0).then_some(inputs).flatten();
            inputs = Some(shared);
            layers.push(LayerViews { inputs: below, dropped, runs, outputs: shared });
        }
        let outputs = inputs.expect("a level has a layer");
        let run = &layers[0].runs[0];
        let own_rows = run.rows.warmup.is_none().then_some(run.rows_view);
        let pool = pooling.mode().map(|mode| {
            let upload = || self.plan.upload(&format!("{name}level{p}.slices"), &[count, 2], level.rows.concat());
            let rows = own_rows.unwrap_or_else(upload);
            self.pool((p, level), mode, rows, outputs)
        });
        let place = format!("level{p}.up");
        let passed = pool.as_ref().map_or(last, |pool| pool.pooled);
        let (up, dropped) = self.drop(&place, self.dropout.states, count * width, passed);
        LevelViews { count, steps: level.steps, layers, pool, up, dropped }
    }

    /// The outputs `[P, W]` of each slice, one of the `rows`, pooled into what it passes up.
    fn pool(&mut self, (p, level): (usize, &Level), mode: Mode, rows: View, outputs: View) -> PoolViews {
        let layout = self.layout;
        let (count, steps, width) = (level.rows.len(), level.steps, self.config.width());
        let pooled = self.plan.scratch(&format!("level{p}.pooled"), &[count, width]);
        let (shares, attention) = match &layout.levels[p].attention {
            Some(attention) => {
                let shares = self.plan.scratch(&format!("level{p}.shares"), &[steps]);
                (shares, self.affine(buffer::WEIGHTS, attention))
            }
            None => (self.unused("no_shares"), self.unused("no_attention")),
        };
        let pool = Pool { mode, rows: count, steps, width };
        let bindings = [rows, outputs, attention, shares, pooled];
        self.plan.dispatches.push(pool_forward::dispatch(format!("level {p} pooling"), pool, bindings));
        PoolViews { pool, rows, shares, pooled }
    }

    /// The head over what the top level passes up: `[count, C]` logits.
    pub fn logits(&mut self, levels: &[LevelViews]) -> View {
        let top = levels.last().expect("a network has a level");
        let (count, states) = (top.count, top.up);
        let (width, classes) = (self.config.width(), self.config.classes);
        let logits = self.plan.scratch(buffer::LOGITS, &[count, classes]);
        let weights = self.affine(buffer::WEIGHTS, &self.layout.head);
        let sizes = (count, classes, width);
        self.plan.dispatches.push(matmul::project("logits".into(), sizes, states, weights, logits));
        logits
    }
}

/// Names the second direction.
pub(super) fn of(direction: usize) -> &'static str {
    if direction == 0 { "" } else { " reversed" }
}

/// Names the layers above the first.
pub(super) fn of_layer(layer: usize) -> String {
    if layer == 0 { String::new() } else { format!(" layer {layer}") }
}
