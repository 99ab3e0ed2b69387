//! The loss of a training plan, by task.

use super::config::{Config, Task};
use super::optimiser::Optimiser;
use super::planner::{Planner, buffer};
use crate::data::batch::{Batch, MicroBatch};
use crate::kernel::element_loss::{self, Form};
use crate::kernel::softmax_cross_entropy::{self, TOTALS};
use crate::plan::View;

/// What is told of a batch, and how it counts.
pub(super) struct Loss<'a> {
    batch: &'a Batch,
    task: Task,
    classes: usize,
    /// What a sequence's loss is multiplied by, so that gradients of micro-batches add up to the mean's.
    scale: f32,
    class_weights: &'a [f32],
    smoothing: f32,
}

impl<'a> Loss<'a> {
    pub fn new(batch: &'a Batch, config: &Config, optimiser: Option<&'a Optimiser>) -> Loss<'a> {
        let class_weights = optimiser.map_or(&[][..], |optimiser| &optimiser.class_weights);
        let smoothing = optimiser.map_or(0.0, |optimiser| optimiser.label_smoothing);
        let whole: f32 = match (config.task, class_weights) {
            (Task::Class, weights @ [_, ..]) => batch.labels.iter().map(|&label| weights[label as usize]).sum(),
            (Task::Class, _) => batch.len() as f32,
            _ => (batch.len() * config.classes) as f32,
        };
        let scale = 1.0 / whole.max(f32::MIN_POSITIVE);
        Loss { batch, task: config.task, classes: config.classes, scale, class_weights, smoothing }
    }

    /// The loss of a part and its gradient into the logits.
    pub fn plan(&self, planner: &mut Planner, name: &str, part: &MicroBatch, [logits, gradient]: [View; 2]) {
        let (count, classes) = (part.sequences.len(), self.classes);
        let totals = planner.persistent(buffer::TOTALS, &[TOTALS]);
        let place = "loss".to_string();
        if self.task == Task::Class {
            let labels = self.batch.labels[part.sequences.clone()].to_vec();
            let labels = planner.plan.upload(&format!("{name}labels"), &[count], labels);
            let weights = match self.class_weights {
                [] => planner.unused("no_class_weights"),
                weights => {
                    let words: Vec<u32> = weights.iter().map(|weight| weight.to_bits()).collect();
                    planner.plan.upload("class_weights", &[classes], words)
                }
            };
            let weighted = !self.class_weights.is_empty();
            let bindings = [logits, labels, weights, gradient, totals];
            planner.plan.dispatches.push(softmax_cross_entropy::dispatch(
                place,
                (count, classes),
                self.scale,
                self.smoothing,
                weighted,
                bindings,
            ));
            return;
        }
        let own = part.sequences.start * classes..part.sequences.end * classes;
        let words: Vec<u32> = self.batch.targets[own].iter().map(|target| target.to_bits()).collect();
        let targets = planner.plan.upload(&format!("{name}targets"), &[count, classes], words);
        let form = if self.task == Task::Labels { Form::BinaryCrossEntropy } else { Form::SquaredError };
        let bindings = [logits, targets, gradient, totals];
        planner.plan.dispatches.push(element_loss::dispatch(place, (count, classes), self.scale, form, bindings));
    }
}
