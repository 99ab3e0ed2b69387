//! The first half of a training step: forward, loss, and backward level by level, down to the gradients of all weights.

use super::config::Input;
use super::forward::{LayerViews, LevelViews, Passes, PoolViews, RunViews, StepViews, of};
use super::loss::Loss;
use super::parameters::{Affine, Unit};
use super::planner::{Planner, StrandViews, buffer};
use super::tokens::{Distinct, Groups};
use crate::data::batch::{Batch, MicroBatch};
use crate::kernel::matmul::{self, Columns, Out};
use crate::kernel::pool_backward::{self, Views};
use crate::kernel::recurrence::{self, BackwardViews, Span, matrix_offset};
use crate::kernel::strands::Strands;
use crate::kernel::sum_partials::{self, Sum};
use crate::kernel::transpose::{self, Matrix};
use crate::kernel::{gather_rows, sum_by_token};
use crate::plan::{ALIGNMENT, View};

/// What the backward pass of a micro-batch has at hand everywhere.
#[derive(Clone, Copy)]
pub(super) struct Back<'v> {
    steps: &'v StepViews,
    /// U of every unit transposed, by level and layer.
    transposed: &'v [Vec<StrandViews>],
    /// Room for the gradients of the gates of level 0, by group; none where no slots are read.
    gates: &'v [StrandViews],
    /// Whether gradients add to those of an earlier micro-batch.
    accumulate: bool,
    /// The same of the gates of level 0, which may be a micro-batch's own.
    gates_accumulate: bool,
    /// Whether W and U have gradients of this micro-batch already, of the downward pass.
    again: bool,
}

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
                        let passes = planner.passes(steps, slots, lengths, true);
                        let (accumulate, gates_accumulate, again) = (i > 0, i > 0, false);
                        let (transposed, gates) = (&transposed[..], &gradient[..]);
                        let back = Back { steps, transposed, gates, accumulate, gates_accumulate, again };
                        planner.backward_from_loss(&passes, back, loss, part);
                        // Those of a whole batch wait for level 0's.
                        if parts.len() > 1 {
                            planner.sum_gradients(i > 0);
                        }
                    }
                    None => {
                        let steps = planner.project_numbers(batch.values_of(part));
                        let slots = steps.slots.as_deref();
                        let gates = slots.map(|_| planner.gates_gradient(steps.count)).unwrap_or_default();
                        let passes = planner.passes(&steps, slots, lengths, true);
                        let (steps, transposed, gates) = (&steps, &transposed[..], &gates[..]);
                        let (accumulate, gates_accumulate, again) = (i > 0, false, false);
                        let back = Back { steps, transposed, gates, accumulate, gates_accumulate, again };
                        planner.backward_from_loss(&passes, back, loss, part);
                        planner.steps_backward(steps, gates, i > 0);
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

    /// Room for the gradients of the gates of level 0, `[count, G·H]` by strand, summed by distinct token or by step; by group.
    fn gates_gradient(&mut self, count: usize) -> Vec<StrandViews> {
        let wide = self.layout.levels[0].layers[0][0].input.outputs;
        let groups = self.config.groups(0, self.apart);
        groups.map(|strands| self.scratch_of_strands("gates gradient", strands.len(), count * wide)).collect()
    }

    /// U of every unit transposed, by level and layer, in one dispatch.
    fn transposed_weights(&mut self) -> Vec<Vec<StrandViews>> {
        let (layout, units, cell) = (self.layout, self.config.units(), self.config.recurrence());
        // The matrices of a unit are as far apart as among the weights, and those of all units are alike.
        let apart = match cell.matrices.last() {
            Some(last) => matrix_offset(cell, cell.matrices.len() - 1, units) + last.gates.len() * units * units,
            None => return layout.levels.iter().map(|level| vec![StrandViews::NONE; level.layers.len()]).collect(),
        };
        let apart = apart.next_multiple_of(ALIGNMENT);
        let layers = layout.levels.iter().flat_map(|level| &level.layers);
        let out = self.plan.scratch("transposed U", &[layers.map(|layer| layer.len() * apart).sum()]);
        let (mut matrices, mut begin) = (Vec::new(), 0);
        let mut place = |layer: &Vec<Unit>| {
            let view = View { offset: out.offset + begin, len: layer.len() * apart, ..out };
            for unit in layer {
                matrices.extend(unit.recurrent.iter().enumerate().map(|(at, matrix)| {
                    let to = begin + matrix_offset(cell, at, units);
                    Matrix { to, from: matrix.offset, m: units, n: matrix.outputs }
                }));
                begin += apart;
            }
            StrandViews { view, apart }
        };
        let views = layout.levels.iter().map(|level| level.layers.iter().map(&mut place).collect()).collect();
        let list = self.plan.upload("matrices of U", &[matrices.len(), 4], transpose::list(&matrices));
        let weights = self.weights();
        self.push(transpose::dispatch("recurrent weights".into(), &matrices, [list, weights, out]));
        views
    }

    /// Loss, gradient of the head, and everything below it down to the gates of level 0.
    fn backward_from_loss(&mut self, passes: &Passes, mut back: Back, loss: &Loss, part: &MicroBatch) {
        let Passes { up, down, head: read } = passes;
        let logits = self.logits(read);
        let (width, classes, count) = (self.config.width(), self.config.classes, read.count);
        let gradient = self.plan.scratch("logits gradient", &[count, classes]);
        loss.plan(self, part, [logits, gradient]);
        let [states, delta] = [Columns::all(read.inputs, width), Columns::all(gradient, classes)];
        let head = &self.layout.head;
        self.weight_gradient("head", head, Strands::ONE, count, [states, delta], back.accumulate);
        let of_head = self.plan.scratch("states gradient", &[count, width]);
        let weights = self.affine(head);
        let place = "final states gradient".into();
        let how = (self.product(), Strands::ONE);
        self.push(matmul::input_gradient(place, how, (count, width, classes), delta, weights, of_head.into()));
        let mut gradient = self.drop_backward(read.dropped, of_head);
        // Of what each level reads, as far as it comes down again.
        let mut of_inputs = vec![View::NONE; up.len()];
        if let Some(level0) = down.first() {
            of_inputs = self.downward_backward(down, back, gradient);
            gradient = of_inputs[down.len() - 1];
            self.sum_steps(&level0.layers[0], back);
        }
        let Some(level0) = up.first() else { return };
        if !down.is_empty() {
            // The same weights again: their gradients add up.
            self.sum_gradients(back.accumulate);
            back.again = true;
        }
        for (p, level) in up.iter().enumerate().rev() {
            gradient = self.level_backward(p, level, back, gradient, of_inputs[p]);
        }
        self.sum_steps(&level0.layers[0], back);
        if !down.is_empty() {
            self.sum_gradients(true);
        }
    }

    /// One level upwards, from the gradient of what it passes up to that of what it reads, `[P, W]`, which is added to `into`
    /// if that is something; at level 0 it is nothing.
    fn level_backward(&mut self, p: usize, level: &LevelViews, back: Back, up: View, into: View) -> View {
        let up = self.drop_backward(level.dropped, up);
        // The gradient of every step's output of a layer; nothing where only the last ones count.
        if back.again {
            // Attention has no gradient of the downward pass: it is summed by itself.
            self.sum_gradients(true);
        }
        let mut gradient = self.pool_backward(p, level, up, back.accumulate).unwrap_or(View::NONE);
        if back.again {
            self.sum_gradients(back.accumulate);
        }
        for (l, layer) in level.layers.iter().enumerate().rev() {
            let into = if l == 0 { into } else { View::NONE };
            let below = self.layer_backward([p, l], layer, level.steps, back, [gradient, up], into);
            gradient = if l > 0 { self.drop_backward(layer.dropped, below) } else { below };
        }
        gradient
    }

    /// One layer, from the gradients of its outputs and of its states to that of what it reads, which is added to `into` if
    /// that is something. The states are the last ones, where they pass up; or the first ones, whose gradient is left there.
    pub(super) fn layer_backward(
        &mut self,
        [p, l]: [usize; 2],
        layer: &LayerViews,
        steps: usize,
        back: Back,
        [outputs, states]: [View; 2],
        into: View,
    ) -> View {
        let below = match layer.inputs {
            Some(_) if into == View::NONE => self.plan.scratch("states gradient", &[steps, self.config.width()]),
            Some(_) => into,
            None => View::NONE,
        };
        let inputs = layer.inputs.unwrap_or(back.steps.inputs);
        for run in &layer.runs {
            self.scope(|planner| {
                planner.run_backward(run, [outputs, states], back.transposed[p][l]);
                let add = [back.accumulate || back.again, into != View::NONE || run.strands.start > 0];
                planner.units_backward([p, l], run, steps, [inputs, below], add);
            });
        }
        below
    }

    /// The recurrences of a run backward, from the gradients of their outputs and states.
    fn run_backward(&mut self, run: &RunViews, [outputs, states]: [View; 2], transposed: StrandViews) {
        let (cell, shape) = (self.config.recurrence(), [run.rows.list.len(), run.span.stride]);
        let outputs_gradient = self.own_gradient(run, outputs);
        let states_gradient = match run.span.stepwise && !run.span.first {
            true => self.plan.scratch("carried gradient", &shape),
            false => states,
        };
        let memories_gradient = self.memories("memories gradient", &shape);
        let views = BackwardViews {
            rows: run.rows_view,
            weights_transposed: transposed.of(&run.strands),
            outputs_gradient,
            tape: run.tape.view,
            states_gradient,
            memories_gradient,
        };
        let place = format!("{} backward", run.place);
        let strands = Strands::new(run.strands.len(), [0, transposed.apart, run.tape.apart]);
        for span in self.spans(Span { strands, ..run.span }, run.rows.longest).into_iter().rev() {
            // What the span behind this one left; of the last one, what comes from above.
            let given = if span.end < run.rows.longest { [true; 2] } else { [!run.span.stepwise, false] };
            self.push(recurrence::backward_dispatch(cell, place.clone(), span, given, views));
        }
    }

    /// The gradient of the outputs of one direction, from that of the outputs `[P, W]` of all: with context it reads other
    /// slices' steps, too, whose outputs nothing reads.
    fn own_gradient(&mut self, run: &RunViews, side_by_side: View) -> View {
        let Some(warmup) = run.rows.warmup.as_ref().filter(|_| run.span.stepwise) else { return side_by_side };
        let (steps, units) = (run.rows.steps, self.config.units());
        let width = run.strands.len() * units;
        let ids = self.plan.upload("own steps read", &[steps], warmup.own_steps_read());
        let out = self.plan.scratch("outputs gradient with context", &[steps, width]);
        let place = format!("{} own outputs gradient", run.place);
        let column = run.strands.start * units;
        let from = Columns { column, ..Columns::all(side_by_side, self.config.width()) };
        self.push(gather_rows::dispatch(place, (steps, width), ids, from, Columns::all(out, width)));
        out
    }

    /// The gradients of the weights of a run's units, from their tapes, and of what they read, from `inputs` to `below`; at
    /// level 0 the gradients of W wait for the sums by slot. Those of weights, and of what is read, may be added to what is
    /// there.
    fn units_backward(
        &mut self,
        [p, l]: [usize; 2],
        run: &RunViews,
        count: usize,
        [inputs, below]: [View; 2],
        [accumulate, add]: [bool; 2],
    ) {
        let (hidden, cell) = (self.config.units(), self.config.recurrence());
        let RunViews { tape, ref strands, .. } = *run;
        let units = &self.layout.levels[p].layers[l][strands.clone()];
        let (unit, apart) = (&units[0], units[0].apart());
        let place = &run.place;
        let on_tape =
            |column: usize| Columns { column: column * hidden, ..Columns::all(tape.view, cell.tape * hidden) };
        for (matrix, affine) in cell.matrices.iter().zip(&unit.recurrent) {
            let operands = [on_tape(matrix.state), on_tape(matrix.delta)];
            let strands = Strands::new(units.len(), [tape.apart, tape.apart, apart]);
            self.weight_gradient(&format!("{place} U"), affine, strands, run.rows.steps, operands, accumulate);
        }
        let (width, wide) = (unit.input.inputs, unit.input.outputs);
        let (delta, delta_apart) = match &run.slots {
            None => (on_tape(0), tape.apart),
            // Summed by token or step later.
            Some(_) if below == View::NONE => return,
            // With context a step is read by several rows.
            Some(slots) => {
                let out = self.scratch_of_strands("gates gradient", units.len(), count * wide);
                self.sum_run(slots, run, (count, out), false);
                (Columns::all(out.view, wide), out.apart)
            }
        };
        let (operands, strands) = ([Columns::all(inputs, width), delta], [0, delta_apart, apart]);
        let strands = Strands::new(units.len(), strands);
        self.weight_gradient(&format!("{place} W"), &unit.input, strands, count, operands, accumulate);
        if below != View::NONE {
            let weights = self.input_weights(units);
            let (place, sizes) = (format!("{place} inputs gradient"), (count, width, wide));
            let how = (self.product(), Strands::new(units.len(), [delta_apart, weights.apart, 0]));
            let out = Out { accumulate: add, ..below.into() };
            self.push(matmul::input_gradient(place, how, sizes, delta, weights.view, out));
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
            self.weight_gradient(&place, affine, Strands::ONE, pool.rows, [parts, parts], accumulate);
        }
        Some(outputs_gradient)
    }

    /// The gradient of a matrix and its bias, and of those of further strands: at once where the rows are few, else in parts,
    /// which wait for [`Planner::sum_gradients`].
    fn weight_gradient(
        &mut self,
        place: &str,
        affine: &Affine,
        strands: Strands<3>,
        rows: usize,
        operands: [Columns; 2],
        accumulate: bool,
    ) {
        let place = format!("{place} gradient");
        let Strands { count, apart: [a, b, apart] } = strands;
        let (sizes, bias) = ((affine.inputs, affine.outputs, rows), affine.bias.is_some());
        let splits = matmul::splits(rows);
        if splits == 1 {
            let len = (count - 1) * apart + affine.len();
            let view = View { offset: affine.offset, len, ..self.gradients() };
            let (how, out) = ((self.product(), strands), Out { accumulate, ..view.into() });
            self.push(matmul::weight_gradient(place, how, sizes, bias, operands, out));
            return;
        }
        let each = splits * affine.len();
        let first = match self.partials() {
            // As many gradients wait for their sums as one binding holds.
            used if 4 * (used + count * each) as u64 > self.limits.binding => {
                self.sum_gradients(accumulate);
                0
            }
            used => used,
        };
        let out = Out { first, ..self.room_for_partials(first + count * each).into() };
        let how = (self.product(), Strands::new(count, [a, b, each]));
        self.push(matmul::weight_gradient(place, how, sizes, bias, operands, out));
        self.sums.extend((0..count).map(|strand| {
            let (from, to) = (first + strand * each, affine.offset + strand * apart);
            Sum { len: affine.len(), parts: splits, from, to }
        }));
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
    fn sum_steps(&mut self, layer: &LayerViews, back: Back) {
        for (run, &out) in layer.runs.iter().zip(back.gates) {
            let slots = run.slots.as_ref().expect("level 0 reads through slots");
            self.sum_run(slots, run, (back.steps.count, out), back.gates_accumulate || back.again);
        }
    }

    /// Into `out [count, G·H]` of every strand, in two passes unless no token is frequent.
    fn sum_run(&mut self, slots: &[u32], run: &RunViews, (count, out): (usize, StrandViews), accumulate: bool) {
        let (hidden, cell, strands) = (self.config.units(), self.config.recurrence(), run.strands.len());
        let (wide, tape_wide) = (cell.gates.len() * hidden, cell.tape * hidden);
        let groups = Groups::new(slots, count);
        let pieces = groups.pieces.len() - 1;
        let one_pass = groups.one_piece_each();
        let members = self.plan.upload("members", &[groups.members.len()], groups.members);
        let starts = self.plan.upload("pieces", &[pieces + 1], groups.pieces);
        self.scope(|planner| {
            let sums = match one_pass {
                true => out,
                false => planner.scratch_of_strands("sums of pieces", strands, pieces * wide),
            };
            let (sizes, bindings) = ((pieces, wide, tape_wide), [members, starts, run.tape.view, sums.view]);
            let add = one_pass && accumulate;
            let apart = Strands::new(strands, [run.tape.apart, sums.apart]);
            planner.push(sum_by_token::dispatch("tokens in pieces".into(), sizes, apart, slots.len(), add, bindings));
            if one_pass {
                return;
            }
            let starts = planner.plan.upload("pieces of tokens", &[count + 1], groups.tokens);
            let (sizes, bindings) = ((count, wide, wide), [View::NONE, starts, sums.view, out.view]);
            let apart = Strands::new(strands, [sums.apart, out.apart]);
            planner.push(sum_by_token::dispatch("tokens".into(), sizes, apart, pieces, accumulate, bindings));
        });
    }

    /// The gradients of W of level 0, over the distinct tokens or the steps of a part.
    fn steps_backward(&mut self, steps: &StepViews, gradient: &[StrandViews], accumulate: bool) {
        for (strands, gradient) in self.config.groups(0, self.apart).zip(gradient) {
            let units = &self.layout.levels[0].layers[0][strands.clone()];
            let (input, place) = (&units[0].input, format!("level 0{} W", of(&strands)));
            let operands = [Columns::all(steps.inputs, input.inputs), Columns::all(gradient.view, input.outputs)];
            let strands = Strands::new(units.len(), [0, gradient.apart, units[0].apart()]);
            self.weight_gradient(&place, input, strands, steps.count, operands, accumulate);
        }
    }

    /// The gradients of the distinct tokens' embeddings.
    fn embedding_backward(&mut self, steps: &StepViews, gradient: &[StrandViews]) {
        let width = self.config.embedding;
        let out = self.plan.output(buffer::EMBEDDING_GRADIENT, &[steps.count, width]);
        let into = match steps.dropped {
            Some(_) => self.plan.scratch("gradient after dropout", &[steps.count, width]),
            None => out,
        };
        for (strands, gradient) in self.config.groups(0, self.apart).zip(gradient) {
            let units = &self.layout.levels[0].layers[0][strands.clone()];
            let weights = self.input_weights(units);
            let wide = units[0].input.outputs;
            let how = (self.product(), Strands::new(units.len(), [gradient.apart, weights.apart, 0]));
            let (sizes, delta) = ((steps.count, width, wide), Columns::all(gradient.view, wide));
            let (place, out) =
                (format!("embedding gradient{}", of(&strands)), Out { accumulate: strands.start > 0, ..into.into() });
            self.push(matmul::input_gradient(place, how, sizes, delta, weights.view, out));
        }
        if let Some(dropped) = steps.dropped {
            self.drop_into(dropped, into, out, "embedding gradient");
        }
    }
}
