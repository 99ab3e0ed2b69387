//! Networks that tell of every step. Upwards as others; then from the top level down each slice is read once more, from what
//! the level above knew before it: its output at the slice before, or, for the first slice of a slice above, what that one
//! began with itself. "Before" is meant in the order of reading.

use super::linear::{add, row};
use super::{LevelTrace, Model, Told};
use std::ops::Range;

/// The state `[H]` of every slice, by layer and direction.
type Firsts = Vec<Vec<Vec<Vec<f64>>>>;

/// One sequence, read up and down.
struct Trace {
    up: Vec<LevelTrace>,
    /// By level, from 0.
    down: Vec<LevelTrace>,
}

impl Model {
    /// One sequence `[len, D]` to the outputs of its steps, each `[W]`.
    pub(super) fn outputs(&self, sequence: &[f64]) -> Vec<Vec<f64>> {
        let (_, real) = self.padded(sequence);
        let trace = self.up_and_down(sequence);
        trace.down[0].layers[self.spec.layers - 1].outputs[real].to_vec()
    }

    fn up_and_down(&self, sequence: &[f64]) -> Trace {
        let top = self.levels.len() - 1;
        let mut steps = vec![self.padded(sequence)];
        let mut up = Vec::new();
        for p in 0..top {
            let (x, real) = &steps[p];
            let trace = self.read_level(p, x, real);
            let passed = self.passed_up(p, &trace);
            steps.push(passed);
            up.push(trace);
        }
        // Where slices know what came before, they need no context.
        let context = if self.spec.told == Told::StepsOfSlices || top == 0 { self.spec.context } else { 0 };
        let mut down: Vec<LevelTrace> = Vec::new();
        let mut firsts = self.no_states(1);
        for p in (0..=top).rev() {
            let (x, real) = &steps[p];
            let slices = self.slices(p, x.len()).len();
            if firsts[0][0].len() < slices {
                firsts = self.no_states(slices);
            }
            let trace = self.read_level_from(p, x, real, context, |l, d, s| firsts[l][d][s].clone());
            let mut below = self.no_states(x.len());
            for (l, of_layer) in below.iter_mut().enumerate() {
                for (d, of_direction) in of_layer.iter_mut().enumerate() {
                    for (step, state) in of_direction.iter_mut().enumerate().filter(|(step, _)| real.contains(step)) {
                        *state = match self.before(d, &trace.own, step) {
                            Ok(before) => trace.layers[l].outputs[before][row(d, self.hidden)].to_vec(),
                            Err(slice) => firsts[l][d][slice].clone(),
                        };
                    }
                }
            }
            firsts = below;
            down.push(trace);
        }
        down.reverse();
        Trace { up, down }
    }

    fn no_states(&self, slices: usize) -> Firsts {
        let directions = self.spec.backward().len();
        vec![vec![vec![vec![0.0; self.hidden]; slices]; directions]; self.spec.layers]
    }

    /// The step that direction d reads before a step, in its slice; of the first one, the slice.
    fn before(&self, d: usize, own: &[Range<usize>], step: usize) -> Result<usize, usize> {
        let slice = own.iter().position(|own| own.contains(&step)).expect("real steps have a slice");
        match self.spec.backward()[d] {
            false if step > own[slice].start => Ok(step - 1),
            true if step + 1 < own[slice].end => Ok(step + 1),
            _ => Err(slice),
        }
    }

    /// One sequence and the gradient `[len, W]` into its outputs to that into its steps, `[len, D]`; those of the weights
    /// are added to `gradients`.
    pub(super) fn outputs_back(&self, sequence: &[f64], upstream: &[f64], gradients: &mut Model) -> Vec<f64> {
        let (_, real) = self.padded(sequence);
        let Trace { up, down } = self.up_and_down(sequence);
        let width = self.width();
        let nothing = |p: usize| vec![vec![vec![0.0; width]; down[p].layers[0].outputs.len()]; self.spec.layers];
        let mut of_layers = nothing(0);
        for (step, g) in real.clone().zip(upstream.chunks(width)) {
            of_layers[self.spec.layers - 1][step].copy_from_slice(g);
        }
        // Of the slices that are about to be read back, what first slices below have handed on.
        let mut of_firsts = self.no_states(down[0].own.len());
        let mut of_inputs = Vec::new();
        for (p, trace) in down.iter().enumerate() {
            let own = |l: usize, d: usize, s: usize, g: &[f64]| add(&mut of_firsts[l][d][s], g);
            of_inputs.push(self.layers_back(p, trace, of_layers, &mut gradients.levels[p], own));
            let Some(above) = down.get(p + 1) else { break };
            of_layers = nothing(p + 1);
            let mut of_above = self.no_states(above.own.len());
            for (l, of_layer) in of_firsts.iter().enumerate() {
                for (d, of_direction) in of_layer.iter().enumerate() {
                    for (s, g) in of_direction.iter().enumerate().filter(|(s, _)| !trace.own[*s].is_empty()) {
                        match self.before(d, &above.own, s) {
                            Ok(before) => add(&mut of_layers[l][before][row(d, self.hidden)], g),
                            Err(slice) => add(&mut of_above[l][d][slice], g),
                        }
                    }
                }
            }
            of_firsts = of_above;
        }
        for (p, trace) in up.iter().enumerate().rev() {
            let passed = of_inputs[p + 1].clone();
            let of_own = self.level_back(p, trace, &passed, &mut gradients.levels[p]);
            of_inputs[p].iter_mut().zip(&of_own).for_each(|(sum, own)| add(sum, own));
        }
        of_inputs[0][real].concat()
    }
}
