//! The training plan: forward, loss, backward level by level, and the optimiser's step.

use super::config::{Cell, Input};
use super::forward::{LevelViews, PoolViews, RunViews, StepViews, of, of_layer};
use super::loss::Loss;
use super::optimiser::Optimiser;
use super::parameters::{Affine, Unit};
use super::planner::{Planner, buffer};
use super::tokens::{Distinct, Groups};
use crate::data::batch::{Batch, MicroBatch};
use crate::kernel::matmul::{self, Columns};
use crate::kernel::recurrence::{self, BackwardViews, candidate_offset};
use crate::kernel::sum_by_token::{self, Members};
use crate::kernel::{gather_rows, pool_backward, sum_partials, transpose};
use crate::plan::{Plan, View};

impl<'b> Planner<'_, 'b> {
    /// The plan of one training step on a batch, run in micro-batches `parts` whose gradients add up. Without an
    /// optimiser it ends with the gradients.
    pub fn training(mut self, batch: &'b Batch, parts: &[MicroBatch], optimiser: Option<&Optimiser>) -> Plan<'b> {
        let tokens = (self.config.input == Input::Tokens).then(|| {
            let distinct = Distinct::new(batch.tokens(), self.config.vocabulary);
            let steps = self.project_tokens(&distinct);
            (distinct, steps)
        });
        let transposed = self.transposed_weights();
        let loss = Loss::new(batch, self.config, optimiser);
        for (i, part) in parts.iter().enumerate() {
            let name = if i == 0 { String::new() } else { format!("part{i}.") };
            let accumulate = i > 0;
            let lengths = &batch.lengths[part.sequences.clone()];
            let numbers = tokens.is_none().then(|| self.project_numbers(&name, batch.values_of(part)));
            let steps = tokens.as_ref().map(|(_, steps)| steps).or(numbers.as_ref()).expect("tokens or numbers");
            let slots = match &steps.slots {
                Some(slots) if tokens.is_some() => Some(&slots[part.tokens.clone()]),
                slots => slots.as_deref(),
            };
            let levels = self.levels(&name, steps, slots, lengths, true);
            self.loss_and_head(&name, &levels, &loss, part, accumulate);
            self.levels_backward(&name, &levels, steps, &transposed, accumulate);
            if slots.is_some() {
                self.sum_by_token(&name, &levels[0], steps.count, accumulate && tokens.is_some());
            }
            if slots.is_some() && tokens.is_none() {
                self.steps_backward(steps, accumulate);
            }
        }
        if let Some((_, steps)) = &tokens {
            self.steps_backward(steps, false);
            if !self.config.freeze_embedding {
                self.embedding_backward(steps);
            }
        }
        if let Some(optimiser) = optimiser {
            self.step(tokens.as_ref().map(|(distinct, _)| distinct), optimiser);
        }
        self.plan
    }

    /// U of every unit transposed, by level, layer and direction.
    fn transposed_weights(&mut self) -> Vec<Vec<Vec<View>>> {
        let layout = self.layout;
        let levels = layout.levels.iter().enumerate();
        levels
            .map(|(p, level)| {
                let layers = level.layers.iter().enumerate();
                let layers = layers.map(|(layer, units)| {
                    let units = units.iter().enumerate();
                    units.map(|(d, unit)| self.transposed(p, layer, d, unit)).collect()
                });
                layers.collect()
            })
            .collect()
    }

    fn transposed(&mut self, p: usize, layer: usize, d: usize, unit: &Unit) -> View {
        let name = format!("level{p}.layer{layer}.transposed{d}");
        let place = format!("level {p}{}{} recurrent weights", of_layer(layer), of(d));
        let hidden = self.config.hidden;
        // Both matrices of a cell whose candidate stands apart, as far apart as they are among the weights.
        let first = (hidden, unit.recurrent.outputs);
        let end = unit.candidate.as_ref().map_or(first.0 * first.1, |_| candidate_offset(hidden) + hidden * hidden);
        let out = self.plan.scratch(&name, &[end]);
        let weights = self.affine(buffer::WEIGHTS, &unit.recurrent);
        let to = View { len: first.0 * first.1, ..out };
        self.plan.dispatches.push(transpose::dispatch(place.clone(), first, [weights, to]));
        if let Some(candidate) = &unit.candidate {
            let weights = self.affine(buffer::WEIGHTS, candidate);
            let to = View { offset: candidate_offset(hidden), len: hidden * hidden, ..out };
            self.plan.dispatches.push(transpose::dispatch(place, (hidden, hidden), [weights, to]));
        }
        out
    }

    /// The gradient of what the slices of level `p` pass up, after dropout.
    fn gradient_of_states(&mut self, p: usize, rows: usize) -> View {
        self.plan.scratch(&format!("level{p}.states.gradient"), &[rows, self.config.width()])
    }

    /// Loss, gradient of the head, and gradient of the final states.
    fn loss_and_head(&mut self, name: &str, levels: &[LevelViews], loss: &Loss, part: &MicroBatch, accumulate: bool) {
        let logits = self.logits(levels);
        let (width, classes, count) = (self.config.width(), self.config.classes, part.sequences.len());
        let gradient = self.plan.scratch("logits.gradient", &[count, classes]);
        loss.plan(self, name, part, [logits, gradient]);
        let top = levels.last().expect("a network has a level");
        let delta = Columns::all(gradient, classes);
        let states = Columns::all(top.up, width);
        let layout = self.layout;
        self.weight_gradient("head", &layout.head, count, (states, delta), (classes, 0), accumulate);
        let into = self.gradient_of_states(levels.len() - 1, count);
        let weights = self.affine(buffer::WEIGHTS, &layout.head);
        let place = "final states gradient".into();
        self.plan.dispatches.push(matmul::input_gradient(place, (count, width, classes), delta, weights, false, into));
    }

    /// From the gradient of the final states down to the tapes of level 0, with the gradients of all weights but those
    /// that slots belong to.
    fn levels_backward(
        &mut self,
        name: &str,
        levels: &[LevelViews],
        steps: &StepViews,
        transposed: &[Vec<Vec<View>>],
        accumulate: bool,
    ) {
        let (width, hidden) = (self.config.width(), self.config.hidden);
        let layout = self.layout;
        for (p, level) in levels.iter().enumerate().rev() {
            let up = self.gradient_of_states(p, level.count);
            let up = self.drop_backward(&format!("level{p}.up"), level.dropped, up);
            // The gradient of every step's output of a layer; `None` where only the last ones count.
            let mut of_outputs = level.pool.as_ref().map(|pool| self.pool_backward(p, level, pool, up, accumulate));
            for (l, layer) in level.layers.iter().enumerate().rev() {
                for (d, run) in layer.runs.iter().enumerate() {
                    let own = of_outputs.map(|gradient| self.outputs_gradient(name, [p, l, d], run, gradient));
                    self.run_backward([p, l, d], run, own, up, transposed[p][l][d]);
                    let unit = &layout.levels[p].layers[l][d];
                    let tape = Columns::all(run.tape, self.config.recurrence().tape * hidden);
                    self.recurrent_gradient([p, l, d], unit, run.rows.steps, tape, accumulate);
                    let (wide, count) = (unit.input.outputs, level.steps);
                    let (inputs, delta) = match (layer.inputs, &run.slots) {
                        (Some(inputs), None) => (inputs, tape),
                        (Some(inputs), Some(slots)) => {
                            // With context a step is read by several rows.
                            let out = self.plan.scratch(&format!("level{p}.gates{d}.gradient"), &[count, wide]);
                            self.sum_run(&format!("{name}read."), d, slots, run.tape, (count, out), false);
                            (inputs, Columns::all(out, wide))
                        }
                        (None, None) => (steps.inputs, tape),
                        // Summed by token or step later.
                        (None, Some(_)) => continue,
                    };
                    let place = format!("level {p}{}{}", of_layer(l), of(d));
                    let x = Columns::all(inputs, unit.input.inputs);
                    let place_of_w = format!("{place} W");
                    self.weight_gradient(&place_of_w, &unit.input, count, (x, delta), (wide, 0), accumulate);
                    if layer.inputs.is_some() {
                        let into = match l {
                            0 => self.gradient_of_states(p - 1, count),
                            _ => self.plan.scratch(&format!("level{p}.layer{l}.inputs.gradient"), &[count, width]),
                        };
                        let weights = self.affine(buffer::WEIGHTS, &unit.input);
                        let (place, sizes) = (format!("{place} inputs gradient"), (count, width, wide));
                        self.plan.dispatches.push(matmul::input_gradient(place, sizes, delta, weights, d > 0, into));
                    }
                }
                if l > 0 {
                    let place = format!("level{p}.layer{l}.inputs");
                    let gradient = self.plan.scratch(&format!("{place}.gradient"), &[level.steps, width]);
                    of_outputs = Some(self.drop_backward(&place, layer.dropped, gradient));
                }
            }
        }
    }

    /// The gradient of the outputs of one recurrence, from that of the outputs `[P, W]` of all directions: with context
    /// it reads other slices' steps, too, whose outputs nothing reads.
    fn outputs_gradient(&mut self, name: &str, [p, l, d]: [usize; 3], run: &RunViews, side_by_side: View) -> View {
        let Some(warmup) = &run.rows.warmup else { return side_by_side };
        let (steps, hidden) = (run.rows.steps, self.config.hidden);
        let ids = self.plan.upload(&format!("{name}level{p}.own_read{d}"), &[steps], warmup.own_steps_read());
        let out = self.plan.scratch(&format!("level{p}.outputs_read{d}.gradient"), &[steps, hidden]);
        let place = format!("level {p}{}{} own outputs gradient", of_layer(l), of(d));
        let from = Columns { column: d * hidden, ..Columns::all(side_by_side, self.config.width()) };
        let to = Columns::all(out, hidden);
        self.plan.dispatches.push(gather_rows::dispatch(place, (steps, hidden), ids, from, to));
        out
    }

    /// One recurrence backward, from the gradient of its outputs or, where only the last count, of what passes up.
    fn run_backward(
        &mut self,
        [p, l, d]: [usize; 3],
        run: &RunViews,
        of_outputs: Option<View>,
        up: View,
        transposed: View,
    ) {
        let (cell, hidden) = (self.config.recurrence(), self.config.hidden);
        let count = run.rows.list.len();
        let (outputs_gradient, gradient) = match of_outputs {
            Some(outputs) => (outputs, self.plan.scratch("states.gradient.carried", &[count, run.span.stride])),
            None => (self.unused("no_outputs"), up),
        };
        let memory_gradient = match cell.memory {
            true => self.plan.scratch("memory.gradient", &[count, hidden]),
            false => self.unused("no_memory"),
        };
        let views = BackwardViews {
            rows: run.rows_view,
            weights_transposed: transposed,
            outputs_gradient,
            tape: run.tape,
            gradient,
            memory_gradient,
        };
        let place = format!("level {p}{}{} backward", of_layer(l), of(d));
        for span in self.spans(run.span, run.rows.longest).into_iter().rev() {
            let fresh = run.span.stepwise && span.end == run.rows.longest;
            self.plan.dispatches.push(recurrence::backward(cell, place.clone(), span, fresh, views));
        }
    }

    /// ∂U and its bias from the tape, which now holds gradients, and the state before each step in the end.
    fn recurrent_gradient(
        &mut self,
        [p, l, d]: [usize; 3],
        unit: &Unit,
        steps: usize,
        tape: Columns,
        accumulate: bool,
    ) {
        let hidden = self.config.hidden;
        let place = format!("level {p}{}{} U", of_layer(l), of(d));
        let before = Columns { column: tape.stride - hidden, ..tape };
        let wide = unit.recurrent.outputs;
        match &unit.candidate {
            // The tape: ∂r ∂z ∂n (r∘h) h. U of the candidate multiplies r∘h.
            Some(candidate) => {
                self.weight_gradient(&place, &unit.recurrent, steps, (before, tape), (wide, 0), accumulate);
                let reset = Columns { column: 3 * hidden, ..tape };
                let delta = Columns { column: 2 * hidden, ..tape };
                let place = format!("{place} candidate");
                self.weight_gradient(&place, candidate, steps, (reset, delta), (hidden, 0), accumulate);
            }
            // The tape: ∂r ∂z ∂n ∂q h. ∂U belongs to (∂r, ∂z, ∂q), ∂W to (∂r, ∂z, ∂n).
            None if self.config.cell == Cell::Gru => {
                let gap = (2 * hidden, hidden);
                self.weight_gradient(&place, &unit.recurrent, steps, (before, tape), gap, accumulate);
            }
            None => self.weight_gradient(&place, &unit.recurrent, steps, (before, tape), (wide, 0), accumulate),
        }
    }

    /// From the gradient of what passes up to that of every step's output `[P, W]`, and the gradient of attention.
    fn pool_backward(
        &mut self,
        p: usize,
        level: &LevelViews,
        views: &PoolViews,
        gradient: View,
        accumulate: bool,
    ) -> View {
        let layout = self.layout;
        let attention = layout.levels[p].attention.as_ref();
        let PoolViews { pool, rows, shares, pooled } = *views;
        let outputs = level.layers.last().expect("a level has a layer").outputs;
        let outputs_gradient = self.plan.scratch(&format!("level{p}.outputs.gradient"), &[pool.steps, pool.width]);
        let (vector, attention_gradient) = match attention {
            Some(affine) => {
                let parts = self.plan.scratch("attention.gradient", &[pool.rows, pool.width]);
                (self.affine(buffer::WEIGHTS, affine), parts)
            }
            None => (self.unused("no_attention"), self.unused("no_attention_gradient")),
        };
        let views = pool_backward::Views {
            rows,
            outputs,
            attention: vector,
            shares,
            pooled,
            gradient,
            outputs_gradient,
            attention_gradient,
        };
        self.plan.dispatches.push(pool_backward::dispatch(format!("level {p} pooling backward"), pool, views));
        if let Some(affine) = attention {
            // The sum over the rows, as the gradient of a bias.
            let parts = Columns::all(attention_gradient, pool.width);
            let place = format!("level {p} attention");
            self.weight_gradient(&place, affine, pool.rows, (parts, parts), (pool.width, 0), accumulate);
        }
        outputs_gradient
    }

    /// The gradient of a matrix and its bias: in one dispatch where the rows are few, else in parts that are summed.
    fn weight_gradient(
        &mut self,
        place: &str,
        affine: &Affine,
        rows: usize,
        (x, delta): (Columns, Columns),
        gap: (usize, usize),
        accumulate: bool,
    ) {
        let place = format!("{place} gradient");
        let gradient = self.affine(buffer::GRADIENTS, affine);
        let sizes = (affine.inputs, affine.outputs, rows);
        let bias = affine.bias.is_some();
        let splits = matmul::splits(rows);
        if splits == 1 {
            let dispatch = matmul::weight_gradient(place, sizes, bias, [x, delta], gap, accumulate, gradient);
            self.plan.dispatches.push(dispatch);
            return;
        }
        let partials = self.plan.scratch("partial_gradients", &[splits, affine.len()]);
        let dispatch = matmul::weight_gradient(place.clone(), sizes, bias, [x, delta], gap, false, partials);
        self.plan.dispatches.push(dispatch);
        let sizes = (splits, affine.len());
        self.plan.dispatches.push(sum_partials::dispatch(place, sizes, accumulate, [partials, gradient]));
    }

    /// Sums the gate gradients on the tapes of level 0 by distinct token.
    fn sum_by_token(&mut self, name: &str, level: &LevelViews, count: usize, accumulate: bool) {
        for (d, run) in level.layers[0].runs.iter().enumerate() {
            let slots = run.slots.as_ref().expect("level 0 reads through slots");
            let out = self.step_gates_gradient(d, count);
            self.sum_run(name, d, slots, run.tape, (count, out), accumulate);
        }
    }

    /// Into `out [count, G·H]`, in two passes unless no token is frequent.
    fn sum_run(
        &mut self,
        name: &str,
        d: usize,
        slots: &[u32],
        tape: View,
        (count, out): (usize, View),
        accumulate: bool,
    ) {
        let (hidden, cell) = (self.config.hidden, self.config.recurrence());
        let (wide, tape_wide) = (cell.gates * hidden, cell.tape * hidden);
        let groups = Groups::new(slots, count);
        let pieces = groups.pieces.len() - 1;
        let one_pass = groups.one_piece_each();
        let members = self.plan.upload(&format!("{name}members{d}"), &[groups.members.len()], groups.members);
        let piece_starts = self.plan.upload(&format!("{name}pieces{d}"), &[pieces + 1], groups.pieces);
        let sums = if one_pass { out } else { self.plan.scratch("piece_gradients", &[pieces, wide]) };
        self.plan.dispatches.push(sum_by_token::dispatch(
            "tokens in pieces".into(),
            (pieces, wide, tape_wide),
            slots.len(),
            Members::Listed,
            one_pass && accumulate,
            [members, piece_starts, tape, sums],
        ));
        if one_pass {
            return;
        }
        let token_starts = self.plan.upload(&format!("{name}token_pieces{d}"), &[count + 1], groups.tokens);
        let no_members = self.unused("no_members");
        self.plan.dispatches.push(sum_by_token::dispatch(
            "tokens".into(),
            (count, wide, wide),
            pieces,
            Members::Consecutive,
            accumulate,
            [no_members, token_starts, sums, out],
        ));
    }

    fn step_gates_gradient(&mut self, d: usize, count: usize) -> View {
        let wide = self.config.recurrence().gates * self.config.hidden;
        self.plan.scratch(&format!("step_gates{d}.gradient"), &[count, wide])
    }

    /// The gradients of W of level 0, over the distinct tokens or the steps of a part.
    fn steps_backward(&mut self, steps: &StepViews, accumulate: bool) {
        let layout = self.layout;
        for (d, unit) in layout.levels[0].layers[0].iter().enumerate() {
            let (width, wide) = (unit.input.inputs, unit.input.outputs);
            let delta = Columns::all(self.step_gates_gradient(d, steps.count), wide);
            let inputs = Columns::all(steps.inputs, width);
            let place = format!("level 0{} W", of(d));
            self.weight_gradient(&place, &unit.input, steps.count, (inputs, delta), (wide, 0), accumulate);
        }
    }

    /// The gradients of the distinct tokens' embeddings.
    fn embedding_backward(&mut self, steps: &StepViews) {
        let layout = self.layout;
        let width = self.config.embedding;
        let name = if steps.dropped.is_some() { "embedding.dropped.gradient" } else { buffer::EMBEDDING_GRADIENT };
        let into = self.plan.scratch(name, &[steps.count, width]);
        for (d, unit) in layout.levels[0].layers[0].iter().enumerate() {
            let wide = unit.input.outputs;
            let delta = Columns::all(self.step_gates_gradient(d, steps.count), wide);
            let weights = self.affine(buffer::WEIGHTS, &unit.input);
            let (place, sizes) = (format!("embedding gradient{}", of(d)), (steps.count, width, wide));
            self.plan.dispatches.push(matmul::input_gradient(place, sizes, delta, weights, d > 0, into));
        }
        if let Some(dropped) = steps.dropped {
            let out = self.plan.scratch(buffer::EMBEDDING_GRADIENT, &[steps.count, width]);
            self.push_dropout("embedding gradient", dropped, [into, out]);
        }
    }
}
