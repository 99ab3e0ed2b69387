//! The forward plan: tokens → gates → level by level → logits.

use super::planner::{LevelViews, Planner, buffer};
use super::tokens::Distinct;
use crate::kernel::{gather_rows, gru_forward, matmul};
use crate::plan::View;

/// Views of what all steps of a batch read at level 0.
pub(super) struct TokenViews {
    /// `[N]` distinct tokens.
    pub count: usize,
    /// `[N, D]`: their embeddings.
    pub inputs: View,
    /// `[N, 3H]`: their gates.
    pub gates: View,
}

impl Planner<'_> {
    /// Embeds and projects each distinct token of the batch once.
    pub fn project_tokens(&mut self, distinct: &Distinct) -> TokenViews {
        let (count, width, gates_wide) = (distinct.tokens.len(), self.config.embedding, 3 * self.config.hidden);
        let ids = self.plan.upload("tokens", &[count], distinct.tokens.clone());
        let table = self.embedding();
        let inputs = self.plan.scratch("inputs", &[count, width]);
        let gates = self.plan.scratch("token_gates", &[count, gates_wide]);
        let weights = self.affine(buffer::WEIGHTS, &self.layout.input[0]);
        let place = "embedding".to_string();
        self.plan.dispatches.push(gather_rows::dispatch(place, (count, width), [ids, table, inputs]));
        let sizes = (count, gates_wide, width);
        self.plan.dispatches.push(matmul::project("level 0 gates".into(), sizes, inputs, weights, gates));
        TokenViews { count, inputs, gates }
    }

    /// Runs all levels over sequences of `lengths` real tokens, whose gates stand in `slots` of the tokens' gates.
    /// `name` sets the uploads of micro-batches apart. With `save`, the levels keep what the backward pass needs.
    pub fn levels(
        &mut self,
        name: &str,
        tokens: &TokenViews,
        slots: &[u32],
        lengths: &[u32],
        save: bool,
    ) -> Vec<LevelViews> {
        let hidden = self.config.hidden;
        let slots = self.plan.upload(&format!("{name}slots"), &[slots.len()], slots.to_vec());
        let mut below: Option<View> = None;
        let mut levels = Vec::new();
        for (p, level) in self.config.slicing.rows(self.config.length, lengths).into_iter().enumerate() {
            let gates = match below {
                None => tokens.gates,
                Some(states) => {
                    let gates = self.plan.scratch(&format!("level{p}.gates"), &[level.steps, 3 * hidden]);
                    let weights = self.affine(buffer::WEIGHTS, &self.layout.input[p]);
                    let sizes = (level.steps, 3 * hidden, hidden);
                    self.plan.dispatches.push(matmul::project(
                        format!("level {p} gates"),
                        sizes,
                        states,
                        weights,
                        gates,
                    ));
                    gates
                }
            };
            let count = level.rows.len();
            let rows = self.plan.upload(&format!("{name}level{p}.rows"), &[count, 2], level.rows.concat());
            let tape = match save {
                true => self.plan.scratch(&format!("level{p}.tape"), &[level.steps, 5 * hidden]),
                false => self.unused("no_tape"),
            };
            let states = self.plan.scratch(&format!("level{p}.states"), &[count, hidden]);
            let weights = self.affine(buffer::WEIGHTS, &self.layout.recurrent[p]);
            let slotted = p == 0;
            let step_slots = if slotted { slots } else { self.unused("no_slots") };
            for span in self.spans(&level, slotted) {
                let place = format!("level {p} forward");
                let bindings = [rows, step_slots, gates, weights, tape, states];
                self.plan.dispatches.push(gru_forward::dispatch(place, span, save, bindings));
            }
            below = Some(states);
            levels.push(LevelViews { level, rows, tape, states });
        }
        levels
    }

    /// The classifier over the final states: `[count, C]` logits.
    pub fn logits(&mut self, levels: &[LevelViews]) -> View {
        let top = levels.last().expect("a network has a level");
        let (count, states) = (top.level.rows.len(), top.states);
        let (hidden, classes) = (self.config.hidden, self.config.classes);
        let logits = self.plan.scratch(buffer::LOGITS, &[count, classes]);
        let weights = self.affine(buffer::WEIGHTS, &self.layout.head);
        let sizes = (count, classes, hidden);
        self.plan.dispatches.push(matmul::project("logits".into(), sizes, states, weights, logits));
        logits
    }
}
