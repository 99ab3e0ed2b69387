//! The loss of a training plan, by what its targets are.

use super::config::Config;
use super::optimiser::Optimiser;
use super::planner::{Planner, buffer};
use crate::data::batch::{Batch, MicroBatch, Targets};
use crate::kernel::element_loss::{self, Form};
use crate::kernel::softmax_cross_entropy::{self, TOTALS};
use crate::plan::View;

/// The targets of a batch, and how they count.
pub(super) struct Loss<'a> {
    batch: &'a Batch,
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
        let whole: f32 = match (&batch.targets, class_weights) {
            (Some(Targets::Classes(classes)), weights @ [_, ..]) => classes.iter().map(|&c| weights[c as usize]).sum(),
            (Some(Targets::Classes(_)), _) => batch.len() as f32,
            _ => (batch.len() * config.classes) as f32,
        };
        let scale = 1.0 / whole.max(f32::MIN_POSITIVE);
        Loss { batch, classes: config.classes, scale, class_weights, smoothing }
    }

    /// The loss of a part and its gradient into the logits.
    pub fn plan(&self, planner: &mut Planner, name: &str, part: &MicroBatch, [logits, gradient]: [View; 2]) {
        let (count, classes) = (part.sequences.len(), self.classes);
        let totals = planner.persistent(buffer::TOTALS, &[TOTALS]);
        let place = "loss".to_string();
        let (form, targets) = match &self.batch.targets {
            Some(Targets::Classes(labels)) => {
                let labels = labels[part.sequences.clone()].to_vec();
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
            Some(Targets::Labels { values, .. }) => (Form::BinaryCrossEntropy, values),
            Some(Targets::Numbers { values, .. }) => (Form::SquaredError, values),
            None => unreachable!("a batch without targets is refused before it is planned"),
        };
        let own = part.sequences.start * classes..part.sequences.end * classes;
        let words: Vec<u32> = targets[own].iter().map(|target| target.to_bits()).collect();
        let targets = planner.plan.upload(&format!("{name}targets"), &[count, classes], words);
        let bindings = [logits, targets, gradient, totals];
        planner.plan.dispatches.push(element_loss::dispatch(place, (count, classes), self.scale, form, bindings));
    }
}
