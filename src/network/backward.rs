//! The training plan: forward, loss, backward level by level, and the optimiser's step.

use super::forward::TokenViews;
use super::parameters::Affine;
use super::planner::{LevelViews, Planner, buffer};
use super::tokens::{Distinct, Groups};
use crate::data::batch::{Batch, MicroBatch};
use crate::kernel::adam::{self, Adam, Rows};
use crate::kernel::matmul::{self, Columns};
use crate::kernel::softmax_cross_entropy::{self, TOTALS};
use crate::kernel::squared_norm::{self, PARTS};
use crate::kernel::step_control::{self, CONTROL};
use crate::kernel::sum_by_token::{self, Members};
use crate::kernel::{gru_backward, sum_partials, transpose};
use crate::plan::{Plan, View};
use serde::{Deserialize, Serialize};

/// How a training step moves the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimiser {
    pub adam: Adam,
    /// Gradients are scaled down to this global norm; `None` leaves them alone.
    pub clip: Option<f32>,
}

impl Default for Optimiser {
    fn default() -> Optimiser {
        Optimiser { adam: Adam::default(), clip: Some(1.0) }
    }
}

impl Planner<'_> {
    /// The plan of one training step on a batch, run in micro-batches `parts` whose gradients add up. Without an
    /// optimiser it ends with the gradients.
    pub fn training(mut self, batch: &Batch, parts: &[MicroBatch], optimiser: Option<&Optimiser>) -> Plan {
        let distinct = Distinct::new(&batch.tokens, self.config.vocabulary);
        let tokens = self.project_tokens(&distinct);
        let transposed = self.transposed_weights();
        let token_gradient = self.plan.scratch("token_gates.gradient", &[tokens.count, 3 * self.config.hidden]);
        let scale = 1.0 / batch.len() as f32;
        for (i, part) in parts.iter().enumerate() {
            let name = if i == 0 { String::new() } else { format!("part{i}.") };
            let accumulate = i > 0;
            let slots = &distinct.slots[part.tokens.clone()];
            let levels = self.levels(&name, &tokens, slots, &batch.lengths[part.sequences.clone()], true);
            self.loss_and_head(&name, &levels, &batch.labels[part.sequences.clone()], scale, accumulate);
            self.levels_backward(&levels, &transposed, accumulate);
            let tape = levels[0].tape;
            self.sum_by_token(&name, slots, tape, (tokens.count, token_gradient), accumulate);
        }
        self.tokens_backward(&tokens, token_gradient);
        if let Some(optimiser) = optimiser {
            self.step(&distinct, optimiser);
        }
        self.plan
    }

    /// Every level's U `[H, 3H]` as `[3H, H]`.
    fn transposed_weights(&mut self) -> Vec<View> {
        let hidden = self.config.hidden;
        (0..self.config.slicing.levels())
            .map(|p| {
                let weights = self.affine(buffer::WEIGHTS, &self.layout.recurrent[p]);
                let out = self.plan.scratch(&format!("level{p}.transposed"), &[3 * hidden, hidden]);
                let place = format!("level {p} recurrent weights");
                self.plan.dispatches.push(transpose::dispatch(place, (hidden, 3 * hidden), [weights, out]));
                out
            })
            .collect()
    }

    fn gradient_of_states(&mut self, p: usize, rows: usize) -> View {
        self.plan.scratch(&format!("level{p}.states.gradient"), &[rows, self.config.hidden])
    }

    /// Loss, gradient of the classifier, and gradient of the final states.
    fn loss_and_head(&mut self, name: &str, levels: &[LevelViews], labels: &[u32], scale: f32, accumulate: bool) {
        let logits = self.logits(levels);
        let (hidden, classes, count) = (self.config.hidden, self.config.classes, labels.len());
        let labels = self.plan.upload(&format!("{name}labels"), &[count], labels.to_vec());
        let gradient = self.plan.scratch("logits.gradient", &[count, classes]);
        let totals = self.persistent(buffer::TOTALS, &[TOTALS]);
        let bindings = [logits, labels, gradient, totals];
        self.plan.dispatches.push(softmax_cross_entropy::dispatch("loss".into(), (count, classes), scale, bindings));
        let top = levels.last().expect("a network has a level");
        let delta = Columns::all(gradient, classes);
        let states = Columns::all(top.states, hidden);
        self.weight_gradient("classifier", &self.layout.head, count, (states, delta), (classes, 0), accumulate);
        let into = self.gradient_of_states(levels.len() - 1, count);
        let weights = self.affine(buffer::WEIGHTS, &self.layout.head);
        let place = "final states gradient".into();
        self.plan.dispatches.push(matmul::input_gradient(place, (count, hidden, classes), delta, weights, into));
    }

    /// From the gradient of the final states down to the tape of level 0, with the gradients of all weights but W of
    /// level 0, which belongs to the tokens.
    fn levels_backward(&mut self, levels: &[LevelViews], transposed: &[View], accumulate: bool) {
        let hidden = self.config.hidden;
        for (p, views) in levels.iter().enumerate().rev() {
            let gradient = self.gradient_of_states(p, views.level.rows.len());
            for span in self.spans(&views.level, p == 0).into_iter().rev() {
                let bindings = [views.rows, transposed[p], views.tape, gradient];
                self.plan.dispatches.push(gru_backward::dispatch(format!("level {p} backward"), span, bindings));
            }
            // The tape now holds ∂r ∂z ∂n ∂q h: ∂U belongs to (∂r, ∂z, ∂q), ∂W to (∂r, ∂z, ∂n).
            let tape = Columns::all(views.tape, 5 * hidden);
            let before = Columns { column: 4 * hidden, ..tape };
            let steps = views.level.steps;
            let recurrent = &self.layout.recurrent[p];
            self.weight_gradient(
                &format!("level {p} U"),
                recurrent,
                steps,
                (before, tape),
                (2 * hidden, hidden),
                accumulate,
            );
            if p > 0 {
                let below = Columns::all(levels[p - 1].states, hidden);
                let input = &self.layout.input[p];
                self.weight_gradient(&format!("level {p} W"), input, steps, (below, tape), (3 * hidden, 0), accumulate);
                let into = self.gradient_of_states(p - 1, steps);
                let weights = self.affine(buffer::WEIGHTS, input);
                let (place, sizes) = (format!("level {p} inputs gradient"), (steps, hidden, 3 * hidden));
                self.plan.dispatches.push(matmul::input_gradient(place, sizes, tape, weights, into));
            }
        }
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
        let splits = matmul::splits(rows);
        if splits == 1 {
            let dispatch = matmul::weight_gradient(place, sizes, [x, delta], gap, accumulate, gradient);
            self.plan.dispatches.push(dispatch);
            return;
        }
        let partials = self.plan.scratch("partial_gradients", &[splits, affine.len()]);
        let dispatch = matmul::weight_gradient(place.clone(), sizes, [x, delta], gap, false, partials);
        self.plan.dispatches.push(dispatch);
        let sizes = (splits, affine.len());
        self.plan.dispatches.push(sum_partials::dispatch(place, sizes, accumulate, [partials, gradient]));
    }

    /// Sums the gate gradients on the tape of level 0 by distinct token: in two passes, unless no token is frequent.
    fn sum_by_token(&mut self, name: &str, slots: &[u32], tape: View, (count, out): (usize, View), accumulate: bool) {
        let (wide, tape_wide) = (3 * self.config.hidden, 5 * self.config.hidden);
        let groups = Groups::new(slots, count);
        let pieces = groups.pieces.len() - 1;
        let one_pass = groups.one_piece_each();
        let members = self.plan.upload(&format!("{name}members"), &[groups.members.len()], groups.members);
        let piece_starts = self.plan.upload(&format!("{name}pieces"), &[pieces + 1], groups.pieces);
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
        let token_starts = self.plan.upload(&format!("{name}token_pieces"), &[count + 1], groups.tokens);
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

    /// The gradients of W of level 0 and of the embeddings, over the distinct tokens.
    fn tokens_backward(&mut self, tokens: &TokenViews, gradient: View) {
        let (width, wide) = (self.config.embedding, 3 * self.config.hidden);
        let delta = Columns::all(gradient, wide);
        let inputs = Columns::all(tokens.inputs, width);
        let input = &self.layout.input[0];
        self.weight_gradient("level 0 W", input, tokens.count, (inputs, delta), (wide, 0), false);
        if !self.config.freeze_embedding {
            let into = self.plan.scratch(buffer::EMBEDDING_GRADIENT, &[tokens.count, width]);
            let weights = self.affine(buffer::WEIGHTS, input);
            let (place, sizes) = ("embedding gradient".into(), (tokens.count, width, wide));
            self.plan.dispatches.push(matmul::input_gradient(place, sizes, delta, weights, into));
        }
    }

    /// Clipping by the global norm, and Adam.
    fn step(&mut self, distinct: &Distinct, optimiser: &Optimiser) {
        let Optimiser { adam, clip } = *optimiser;
        let len = self.layout.len;
        let [vocabulary, width] = [self.config.vocabulary, self.config.embedding];
        let touched = distinct.tokens.len() * width;
        let tables = if self.config.freeze_embedding { 1 } else { 2 };
        let parts = self.plan.scratch("squared_norms", &[tables * PARTS]);
        let gradient = self.persistent(buffer::GRADIENTS, &[len]);
        let first = View { len: PARTS, ..parts };
        self.plan.dispatches.push(squared_norm::dispatch("weights".into(), len, [gradient, first]));
        let embedding_gradient = self.plan.scratch(buffer::EMBEDDING_GRADIENT, &[distinct.tokens.len(), width]);
        if tables == 2 {
            let second = View { offset: PARTS, len: PARTS, ..parts };
            let bindings = [embedding_gradient, second];
            self.plan.dispatches.push(squared_norm::dispatch("embedding".into(), touched, bindings));
        }
        let control = self.persistent(buffer::CONTROL, &[CONTROL]);
        let clip = clip.unwrap_or(f32::INFINITY);
        let betas = [adam.beta1, adam.beta2];
        let count = tables * PARTS;
        self.plan.dispatches.push(step_control::dispatch("step".into(), count, clip, betas, [parts, control]));

        let no_slots = self.unused("no_slots");
        let weights = self.persistent(buffer::WEIGHTS, &[len]);
        let [m, v] = buffer::MOMENTS.map(|name| self.persistent(name, &[len]));
        let bindings = [gradient, no_slots, control, weights, m, v];
        self.plan.dispatches.push(adam::dispatch("weights".into(), len, Rows::Flat, adam, bindings));
        if tables == 2 {
            let slots = self.plan.upload("token_slots", &[vocabulary], distinct.slot_of.clone());
            let table = self.embedding();
            let [m, v] = buffer::EMBEDDING_MOMENTS.map(|name| self.persistent(name, &[vocabulary, width]));
            let bindings = [embedding_gradient, slots, control, table, m, v];
            let rows = Rows::BySlot { width };
            self.plan.dispatches.push(adam::dispatch("embedding".into(), vocabulary * width, rows, adam, bindings));
        }
    }
}
