//! The first half of a training step: forward, loss, and backward level by level, down to the gradients of all weights.

use super::config::Input;
use super::forward::{LevelViews, PoolViews, RunViews, StepViews, of, of_layer};
use super::loss::Loss;
use super::parameters::{Affine, Unit};
use super::planner::{Planner, buffer};
use super::tokens::{Distinct, Groups};
use crate::data::batch::{Batch, MicroBatch};
use crate::kernel::matmul::{self, Columns};
use crate::kernel::pool_backward::{self, Views};
use crate::kernel::recurrence::{self, BackwardViews, matrix_offset};
use crate::kernel::sum_partials::{self, Sum};
use crate::kernel::transpose::{self, Matrix};
use crate::kernel::{gather_rows, sum_by_token};
use crate::plan::{ALIGNMENT, View};

/// The gradients of the gates of level 0, `[N, G·H]` by direction: summed by distinct token, or by step.
type GatesGradient = Vec<View>;

impl<'b> Planner<'_, 'b> {
    /// Forward, loss and backward of a batch, run in micro-batches `parts` whose gradients add up. Gives the distinct
    /// tokens of the batch, whose embeddings have gradients.
    pub fn gradients_of(&mut self, batch: &'b Batch, parts: &[MicroBatch], loss: &Loss) -> Option<Distinct> {
        let tokens = (self.config.input == Input::Tokens).then(|| {
            let distinct = Distinct::new(batch.tokens(), self.config.vocabulary);
            let steps = self.project_tokens(&distinct);
            let gradient = self.gates_gradient(steps.count);
            (distinct, steps, gradient)
        });
        let transposed = self.transposed_weights();
        for (i, part) in parts.iter().enumerate() {
            self.scope(|planner| {
                let lengths = &batch.lengths[part.sequences.clone()];
                match &tokens {
                    Some((_, steps, gradient)) => {
                        let slots = steps.slots.as_ref().map(|slots| &slots[part.tokens.clone()]);
                        let levels = planner.levels(steps, slots, lengths, true);
                        planner.backward_from_loss(&levels, steps, &transposed, loss, part, i > 0);
                        planner.sum_steps(&levels[0], steps.count, gradient, i > 0);
                        // Those of a whole batch wait for level 0's.
                        if parts.len() > 1 {
                            planner.sum_gradients(i > 0);
                        }
                    }
                    None => {
                        let steps = planner.project_numbers(batch.values_of(part));
                        let levels = planner.levels(&steps, steps.slots.as_deref(), lengths, true);
                        planner.backward_from_loss(&levels, &steps, &transposed, loss, part, i > 0);
                        if steps.slots.is_some() {
                            let gradient = planner.gates_gradient(steps.count);
                            planner.sum_steps(&levels[0], steps.count, &gradient, false);
                            planner.steps_backward(&steps, &gradient, i > 0);
                        }
                        planner.sum_gradients(i > 0);
                    }
                }
            });
        }
        tokens.map(|(distinct, steps, gradient)| {
            self.steps_backward(&steps, &gradient, false);
            self.sum_gradients(false);
            if !self.config.freeze_embedding {
                self.embedding_backward(&steps, &gradient);
            }
            distinct
        })
    }

    /// Room for the gradients of the gates of `count` steps.
    fn gates_gradient(&mut self, count: usize) -> GatesGradient {
        let units = self.layout.levels[0].layers[0].iter();
        units.map(|unit| self.plan.scratch("gates gradient", &[count, unit.input.outputs])).collect()
    }

    /// U of every unit transposed, by level, layer and direction, in one dispatch.
    fn transposed_weights(&mut self) -> Vec<Vec<Vec<View>>> {
        let (layout, hidden, cell) = (self.layout, self.config.hidden, self.config.recurrence());
        // The matrices of a unit are as far apart as among the weights.
        let len = |unit: &Unit| match unit.recurrent.last() {
            Some(last) => matrix_offset(cell, unit.recurrent.len() - 1, hidden) + hidden * last.outputs,
            None => 0,
        };
        let units = layout.levels.iter().flat_map(|level| &level.layers).flatten();
        let out = match units.map(|unit| len(unit).next_multiple_of(ALIGNMENT)).sum() {
            0 => View::NONE,
            end => self.plan.scratch("transposed U", &[end]),
        };
        let mut matrices = Vec::new();
        let mut begin = 0;
        let mut place = |unit: &Unit| {
            let view = View { offset: begin, len: len(unit), ..out };
            begin += view.len.next_multiple_of(ALIGNMENT);
            matrices.extend(unit.recurrent.iter().enumerate().map(|(at, matrix)| {
                let to = view.offset + matrix_offset(cell, at, hidden);
                Matrix { to, from: matrix.offset, m: hidden, n: matrix.outputs }
            }));
            if view.len > 0 { view } else { View::NONE }
        };
        let mut views: Vec<Vec<Vec<View>>> = Vec::new();
        for level in &layout.levels {
            views.push(level.layers.iter().map(|units| units.iter().map(&mut place).collect()).collect());
        }
        if !matrices.is_empty() {
            let list = self.plan.upload("matrices of U", &[matrices.len(), 4], transpose::list(&matrices));
            let weights = self.weights();
            self.push(transpose::dispatch("recurrent weights".into(), &matrices, [list, weights, out]));
        }
        views
    }

    /// Loss, gradient of the head, and everything below it but what slots belong to.
    fn backward_from_loss(
        &mut self,
        levels: &[LevelViews],
        steps: &StepViews,
        transposed: &[Vec<Vec<View>>],
        loss: &Loss,
        part: &MicroBatch,
        accumulate: bool,
    ) {
        let logits = self.logits(levels);
        let (width, classes, count) = (self.config.width(), self.config.classes, part.sequences.len());
        let gradient = self.plan.scratch("logits gradient", &[count, classes]);
        loss.plan(self, part, [logits, gradient]);
        let top = levels.last().expect("a network has a level");
        let [states, delta] = [Columns::all(top.up, width), Columns::all(gradient, classes)];
        let head = &self.layout.head;
        self.weight_gradient("head", head, count, [states, delta], accumulate);
        let mut up = self.plan.scratch("states gradient", &[count, width]);
        let weights = self.affine(head);
        let place = "final states gradient".into();
        self.push(matmul::input_gradient(place, self.product(), (count, width, classes), delta, weights, false, up));
        for (p, level) in levels.iter().enumerate().rev() {
            up = self.level_backward(p, level, steps, &transposed[p], up, accumulate);
        }
    }

    /// One level, from the gradient of what it passes up to that of what it reads, `[P, W]`; at level 0 that is nothing.
    fn level_backward(
        &mut self,
        p: usize,
        level: &LevelViews,
        steps: &StepViews,
        transposed: &[Vec<View>],
        up: View,
        accumulate: bool,
    ) -> View {
        let width = self.config.width();
        let up = self.drop_backward(level.dropped, up);
        // The gradient of every step's output of a layer; nothing where only the last ones count.
        let mut of_outputs = self.pool_backward(p, level, up, accumulate).unwrap_or(View::NONE);
        for (l, layer) in level.layers.iter().enumerate().rev() {
            let below = match layer.inputs {
                Some(_) => self.plan.scratch("states gradient", &[level.steps, width]),
                None => View::NONE,
            };
            for (d, run) in layer.runs.iter().enumerate() {
                let inputs = layer.inputs.unwrap_or(steps.inputs);
                self.scope(|planner| {
                    planner.run_backward([p, l, d], run, [of_outputs, up, transposed[l][d]]);
                    planner.unit_backward([p, l, d], run, level.steps, inputs, below, accumulate);
                });
            }
            of_outputs = if l > 0 { self.drop_backward(layer.dropped, below) } else { below };
        }
        of_outputs
    }

    /// One recurrence backward, from the gradient of its outputs or, where only the last count, of what passes up.
    fn run_backward(&mut self, [p, l, d]: [usize; 3], run: &RunViews, [outputs, up, weights_transposed]: [View; 3]) {
        let (cell, count) = (self.config.recurrence(), run.rows.list.len());
        let outputs_gradient = self.own_gradient([p, l, d], run, outputs);
        let states_gradient = match run.span.stepwise {
            true => self.plan.scratch("carried gradient", &[count, run.span.stride]),
            false => up,
        };
        let memories_gradient = self.memories("memories gradient", count);
        let RunViews { rows_view: rows, tape, .. } = *run;
        let views =
            BackwardViews { rows, weights_transposed, outputs_gradient, tape, states_gradient, memories_gradient };
        let place = format!("level {p}{}{} backward", of_layer(l), of(d));
        for span in self.spans(run.span, run.rows.longest).into_iter().rev() {
            // What the span behind this one left; of the last one, what comes from above.
            let given = if span.end < run.rows.longest { [true; 2] } else { [!run.span.stepwise, false] };
            self.push(recurrence::backward_dispatch(cell, place.clone(), span, given, views));
        }
    }

    /// The gradient of the outputs of one recurrence, from that of the outputs `[P, W]` of all directions: with context
    /// it reads other slices' steps, too, whose outputs nothing reads.
    fn own_gradient(&mut self, [p, l, d]: [usize; 3], run: &RunViews, side_by_side: View) -> View {
        let Some(warmup) = run.rows.warmup.as_ref().filter(|_| run.span.stepwise) else { return side_by_side };
        let (steps, hidden) = (run.rows.steps, self.config.hidden);
        let ids = self.plan.upload("own steps read", &[steps], warmup.own_steps_read());
        let out = self.plan.scratch("outputs gradient with context", &[steps, hidden]);
        let place = format!("level {p}{}{} own outputs gradient", of_layer(l), of(d));
        let from = Columns { column: d * hidden, ..Columns::all(side_by_side, self.config.width()) };
        self.push(gather_rows::dispatch(place, (steps, hidden), ids, from, Columns::all(out, hidden)));
        out
    }

    /// The gradients of one unit's weights, from its tape, and of what it reads, which go `below`; at level 0 the gradients
    /// of W wait for the sums by slot.
    fn unit_backward(
        &mut self,
        [p, l, d]: [usize; 3],
        run: &RunViews,
        count: usize,
        inputs: View,
        below: View,
        accumulate: bool,
    ) {
        let (hidden, cell) = (self.config.hidden, self.config.recurrence());
        let unit = &self.layout.levels[p].layers[l][d];
        let place = format!("level {p}{}{}", of_layer(l), of(d));
        let on_tape = |column: usize| Columns { column: column * hidden, ..Columns::all(run.tape, cell.tape * hidden) };
        for (matrix, affine) in cell.matrices.iter().zip(&unit.recurrent) {
            let operands = [on_tape(matrix.state), on_tape(matrix.delta)];
            self.weight_gradient(&format!("{place} U"), affine, run.rows.steps, operands, accumulate);
        }
        let (width, wide) = (unit.input.inputs, unit.input.outputs);
        let delta = match &run.slots {
            None => on_tape(0),
            // Summed by token or step later.
            Some(_) if below == View::NONE => return,
            // With context a step is read by several rows.
            Some(slots) => {
                let out = self.plan.scratch("gates gradient", &[count, wide]);
                self.sum_run(slots, run.tape, (count, out), false);
                Columns::all(out, wide)
            }
        };
        let operands = [Columns::all(inputs, width), delta];
        self.weight_gradient(&format!("{place} W"), &unit.input, count, operands, accumulate);
        if below != View::NONE {
            let weights = self.affine(&unit.input);
            let (place, sizes) = (format!("{place} inputs gradient"), (count, width, wide));
            self.push(matmul::input_gradient(place, self.product(), sizes, delta, weights, d > 0, below));
        }
    }

    /// From the gradient of what passes up to that of every step's output `[P, W]`, if they were pooled, and the gradient
    /// of attention.
    fn pool_backward(&mut self, p: usize, level: &LevelViews, gradient: View, accumulate: bool) -> Option<View> {
        let PoolViews { pool, rows, shares, pooled } = *level.pool.as_ref()?;
        let affine = self.layout.levels[p].attention.as_ref();
        let outputs = level.layers.last().expect("a level has a layer").outputs;
        let outputs_gradient = self.plan.scratch("outputs gradient", &[pool.steps, pool.width]);
        let (attention, attention_gradient) = match affine {
            Some(affine) => (self.affine(affine), self.plan.scratch("attention gradient", &[pool.rows, pool.width])),
            None => (View::NONE, View::NONE),
        };
        let views = Views { rows, outputs, attention, shares, pooled, gradient, outputs_gradient, attention_gradient };
        self.push(pool_backward::dispatch(format!("level {p} pooling backward"), pool, views));
        if let Some(affine) = affine {
            // The sum over the rows, as the gradient of a bias.
            let parts = Columns::all(attention_gradient, pool.width);
            let place = format!("level {p} attention");
            self.weight_gradient(&place, affine, pool.rows, [parts, parts], accumulate);
        }
        Some(outputs_gradient)
    }

    /// The gradient of a matrix and its bias: at once where the rows are few, else in parts, which wait for
    /// [`Planner::sum_gradients`].
    fn weight_gradient(&mut self, place: &str, affine: &Affine, rows: usize, operands: [Columns; 2], accumulate: bool) {
        let place = format!("{place} gradient");
        let gradient = View { offset: affine.offset, len: affine.len(), ..self.gradients() };
        let (sizes, bias) = ((affine.inputs, affine.outputs, rows), affine.bias.is_some());
        let splits = matmul::splits(rows);
        if splits == 1 {
            self.push(matmul::weight_gradient(place, self.product(), sizes, bias, operands, accumulate, (gradient, 0)));
            return;
        }
        let need = splits * affine.len();
        let from = match self.partials() {
            // As many gradients wait for their sums as one binding holds.
            used if 4 * (used + need) as u64 > self.limits.binding => {
                self.sum_gradients(accumulate);
                0
            }
            used => used,
        };
        let out = (self.room_for_partials(from + need), from);
        self.push(matmul::weight_gradient(place, self.product(), sizes, bias, operands, false, out));
        self.sums.push(Sum { len: affine.len(), parts: splits, from, to: affine.offset });
    }

    /// Numbers of the parts of weight gradients that wait for their sums.
    fn partials(&self) -> usize {
        self.sums.last().map_or(0, |sum| (sum.from + sum.parts * sum.len).next_multiple_of(ALIGNMENT))
    }

    /// The buffer of all such parts, which grows to the most that ever wait.
    fn room_for_partials(&mut self, count: usize) -> View {
        self.scope(|planner| planner.plan.scratch("partial gradients", &[count]))
    }

    /// Sums the weight gradients that were computed in parts since the last time, in one dispatch.
    fn sum_gradients(&mut self, accumulate: bool) {
        if self.sums.is_empty() {
            return;
        }
        let (count, gradients) = (self.partials(), self.gradients());
        let partials = self.room_for_partials(count);
        let sums = std::mem::take(&mut self.sums);
        let list = self.plan.upload("sums of gradients", &[sums.len() + 1, 4], sum_partials::list(&sums));
        self.push(sum_partials::dispatch("gradients".into(), &sums, accumulate, [list, partials, gradients]));
    }

    /// Sums the gate gradients on the tapes of level 0 by distinct token or step.
    fn sum_steps(&mut self, level: &LevelViews, count: usize, gradient: &GatesGradient, accumulate: bool) {
        for (run, &out) in level.layers[0].runs.iter().zip(gradient) {
            let slots = run.slots.as_ref().expect("level 0 reads through slots");
            self.sum_run(slots, run.tape, (count, out), accumulate);
        }
    }

    /// Into `out [count, G·H]`, in two passes unless no token is frequent.
    fn sum_run(&mut self, slots: &[u32], tape: View, (count, out): (usize, View), accumulate: bool) {
        let (hidden, cell) = (self.config.hidden, self.config.recurrence());
        let (wide, tape_wide) = (cell.gates.len() * hidden, cell.tape * hidden);
        let groups = Groups::new(slots, count);
        let pieces = groups.pieces.len() - 1;
        let one_pass = groups.one_piece_each();
        let members = self.plan.upload("members", &[groups.members.len()], groups.members);
        let starts = self.plan.upload("pieces", &[pieces + 1], groups.pieces);
        self.scope(|planner| {
            let sums = if one_pass { out } else { planner.plan.scratch("sums of pieces", &[pieces, wide]) };
            let (sizes, bindings) = ((pieces, wide, tape_wide), [members, starts, tape, sums]);
            let add = one_pass && accumulate;
            planner.push(sum_by_token::dispatch("tokens in pieces".into(), sizes, slots.len(), add, bindings));
            if one_pass {
                return;
            }
            let starts = planner.plan.upload("pieces of tokens", &[count + 1], groups.tokens);
            let (sizes, bindings) = ((count, wide, wide), [View::NONE, starts, sums, out]);
            planner.push(sum_by_token::dispatch("tokens".into(), sizes, pieces, accumulate, bindings));
        });
    }

    /// The gradients of W of level 0, over the distinct tokens or the steps of a part.
    fn steps_backward(&mut self, steps: &StepViews, gradient: &GatesGradient, accumulate: bool) {
        for (d, (unit, &delta)) in self.layout.levels[0].layers[0].iter().zip(gradient).enumerate() {
            let operands = [Columns::all(steps.inputs, unit.input.inputs), Columns::all(delta, unit.input.outputs)];
            self.weight_gradient(&format!("level 0{} W", of(d)), &unit.input, steps.count, operands, accumulate);
        }
    }

    /// The gradients of the distinct tokens' embeddings.
    fn embedding_backward(&mut self, steps: &StepViews, gradient: &GatesGradient) {
        let width = self.config.embedding;
        let out = self.plan.output(buffer::EMBEDDING_GRADIENT, &[steps.count, width]);
        let into = match steps.dropped {
            Some(_) => self.plan.scratch("gradient after dropout", &[steps.count, width]),
            None => out,
        };
        for (d, (unit, &delta)) in self.layout.levels[0].layers[0].iter().zip(gradient).enumerate() {
            let wide = unit.input.outputs;
            let weights = self.affine(&unit.input);
            let (place, sizes) = (format!("embedding gradient{}", of(d)), (steps.count, width, wide));
            let delta = Columns::all(delta, wide);
            self.push(matmul::input_gradient(place, self.product(), sizes, delta, weights, d > 0, into));
        }
        if let Some(dropped) = steps.dropped {
            self.drop_into(dropped, into, out, "embedding gradient");
        }
    }
}
