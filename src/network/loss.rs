//! The loss of a training plan, by what its targets are.

use super::config::Config;
use super::optimiser::Optimiser;
use super::planner::{Planner, buffer};
use crate::data::batch::{Batch, MicroBatch, Rows, Targets};
use crate::kernel::element_loss::{self, Form};
use crate::kernel::loss::{TOTALS, groups};
use crate::kernel::softmax_cross_entropy;
use crate::kernel::sum_partials::{self, Sum};
use crate::plan::View;

/// The targets of a batch, and how they count.
pub(super) struct Loss<'a> {
    batch: &'a Batch,
    config: &'a Config,
    /// What a sequence's or step's loss is multiplied by, so that gradients of micro-batches add up to the mean's.
    scale: f32,
    class_weights: &'a [f32],
    smoothing: f32,
}

impl<'a> Loss<'a> {
    pub fn new(batch: &'a Batch, config: &'a Config, optimiser: &'a Optimiser) -> Loss<'a> {
        let Optimiser { class_weights, label_smoothing: smoothing, .. } = optimiser;
        let whole: f32 = match (&batch.targets, &class_weights[..]) {
            (Some(Targets::Classes(classes)), weights @ [_, ..]) => classes.iter().map(|&c| weights[c as usize]).sum(),
            (Some(Targets::Classes(classes)), _) => classes.len() as f32,
            _ => (config.told_of(batch) * config.classes) as f32,
        };
        let scale = 1.0 / whole.max(f32::MIN_POSITIVE);
        Loss { batch, config, scale, class_weights, smoothing: *smoothing }
    }

    /// The loss of a part and its gradient into the logits; adds to the totals.
    pub fn plan(&self, planner: &mut Planner, part: &MicroBatch, [logits, gradient]: [View; 2]) {
        let told = self.config.told(part);
        let (sizes @ (count, classes), place) = ((told.len(), self.config.classes), "loss".to_string());
        let totals = planner.plan.persistent(buffer::TOTALS, &[TOTALS]);
        let groups = groups(count);
        // Several workgroups have totals of their own, which are added up.
        let own = if groups == 1 { totals } else { planner.plan.scratch("totals of groups", &[groups, TOTALS]) };
        let words = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
        let mut elements = |form: Form, rows: &Rows| {
            let targets = planner.plan.upload("targets", &[count, classes], words(rows.range(told.clone())));
            let bindings = [logits, targets, gradient, own];
            element_loss::dispatch(place.clone(), sizes, self.scale, form, groups == 1, bindings)
        };
        let dispatch = match &self.batch.targets {
            Some(Targets::Labels(rows)) => elements(Form::BinaryCrossEntropy, rows),
            Some(Targets::Numbers(rows)) => elements(Form::SquaredError, rows),
            Some(Targets::Classes(labels)) => {
                let labels = labels[told.clone()].to_vec();
                let labels = planner.plan.upload("labels", &[count], labels);
                let weights = match self.class_weights {
                    [] => View::NONE,
                    weights => planner.plan.upload("class weights", &[classes], words(weights)),
                };
                let bindings = [logits, labels, weights, gradient, own];
                softmax_cross_entropy::dispatch(place, sizes, (self.scale, self.smoothing), groups == 1, bindings)
            }
            None => unreachable!("a batch without targets is refused before it is planned"),
        };
        planner.push(dispatch);
        if groups > 1 {
            let sums = [Sum { len: TOTALS, parts: groups, from: 0, to: 0 }];
            let list = planner.plan.upload("sums of totals", &[2, 4], sum_partials::list(&sums));
            planner.push(sum_partials::dispatch("totals".into(), &sums, true, [list, own, totals]));
        }
    }
}
