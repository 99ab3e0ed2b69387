//! How a training step moves the weights: its settings, and the second half of its plan.

use super::planner::{Planner, buffer};
use super::tokens::slots_of;
use crate::error::{Result, ensure};
use crate::kernel::squared_norm::{self, PARTS};
use crate::kernel::step_control::{self, CONTROL};
use crate::kernel::update::{self, Adam, Rule, Sgd};
use crate::plan::View;
use serde::{Deserialize, Serialize};
use std::ops::Range;

impl Rule {
    /// The size of a step.
    pub fn learning_rate(&self) -> f32 {
        match self {
            Rule::Adam(adam) => adam.learning_rate,
            Rule::Sgd(sgd) => sgd.learning_rate,
        }
    }

    /// Refuses numbers that would make weights infinite.
    fn check(&self) -> Result<()> {
        let (share, finite) = (0.0..1.0, 0.0..f32::INFINITY);
        let numbers = match *self {
            Rule::Adam(Adam { learning_rate, beta1, beta2, epsilon, weight_decay }) => vec![
                ("learning rate", learning_rate, finite.clone()),
                ("beta1", beta1, share.clone()),
                ("beta2", beta2, share),
                ("epsilon", epsilon, f32::MIN_POSITIVE..f32::INFINITY),
                ("weight decay", weight_decay, finite),
            ],
            Rule::Sgd(Sgd { learning_rate, momentum, weight_decay }) => vec![
                ("learning rate", learning_rate, finite.clone()),
                ("momentum", momentum, share),
                ("weight decay", weight_decay, finite),
            ],
        };
        for (name, value, range) in numbers {
            let Range { start, end } = range;
            let within = range.contains(&value);
            ensure!(within, "{name} {value}: it must be at least {start:?} and less than {end:?}");
        }
        Ok(())
    }

    /// The same rule with steps of another size.
    pub fn with_learning_rate(self, learning_rate: f32) -> Rule {
        match self {
            Rule::Adam(adam) => Rule::Adam(Adam { learning_rate, ..adam }),
            Rule::Sgd(sgd) => Rule::Sgd(Sgd { learning_rate, ..sgd }),
        }
    }
}

/// How a training step moves the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Optimiser {
    /// Adam with its usual numbers by default.
    pub rule: Rule,
    /// Gradients are scaled down to this global norm; `None` leaves them alone.
    pub clip: Option<f32>,
    /// Share of what passes up between levels and layers, and into the head, that is dropped at random.
    pub dropout: f32,
    /// Share of the embeddings of the distinct tokens that is dropped.
    pub embedding_dropout: f32,
    /// Decides what is dropped; give every step another.
    pub seed: u32,
    /// ε: the truth is 1 − ε of a class, and ε is spread over all.
    pub label_smoothing: f32,
    /// How much sequences of each class count; empty for all alike.
    pub class_weights: Vec<f32>,
}

impl Default for Optimiser {
    fn default() -> Optimiser {
        Optimiser {
            rule: Rule::Adam(Adam::default()),
            clip: Some(1.0),
            dropout: 0.0,
            embedding_dropout: 0.0,
            seed: 0,
            label_smoothing: 0.0,
            class_weights: Vec::new(),
        }
    }
}

impl Optimiser {
    /// Adam with this learning rate, the rest as by default.
    pub fn adam(learning_rate: f32) -> Optimiser {
        Optimiser { rule: Rule::Adam(Adam { learning_rate, ..Adam::default() }), ..Optimiser::default() }
    }

    /// Checks the settings for a network of this many classes.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the setting.
    pub fn check(&self, classes: usize) -> Result<()> {
        let shares = [
            ("dropout", self.dropout),
            ("embedding dropout", self.embedding_dropout),
            ("label smoothing", self.label_smoothing),
        ];
        for (name, share) in shares {
            ensure!((0.0..1.0).contains(&share), "{name} {share}: it must be at least 0 and less than 1");
        }
        let norm = self.clip.unwrap_or(f32::INFINITY);
        ensure!(norm > 0.0, "clipping at norm {norm}: it must be positive, or None");
        self.rule.check()?;
        let count = self.class_weights.len();
        ensure!([0, classes].contains(&count), "{count} class weights for {classes} classes");
        for &weight in &self.class_weights {
            ensure!(weight.is_finite() && weight > 0.0, "a class weight is {weight}: it must be a positive number");
        }
        Ok(())
    }
}

impl Planner<'_, '_> {
    /// The second half of a training step: clipping by the global norm, and the optimiser's step, from the gradients that
    /// the first half left. Of the embedding, those of the `distinct` tokens; `None` if it has no gradients.
    pub fn update(&mut self, distinct: Option<&[u32]>, optimiser: &Optimiser) {
        let (len, width, vocabulary) = (self.layout.len, self.config.embedding, self.config.vocabulary);
        let distinct = distinct.filter(|_| !self.config.freeze_embedding);
        let tables = 1 + usize::from(distinct.is_some());
        let parts = self.plan.scratch("squared norms", &[tables * PARTS]);
        let gradient = self.gradients();
        let rows_gradient = distinct.map(|distinct| {
            let count = distinct.len();
            (self.plan.output(buffer::EMBEDDING_GRADIENT, &[count, width]), count * width)
        });
        self.push(squared_norm::dispatch("gradients".into(), (gradient, len), rows_gradient, parts));
        let control = self.plan.persistent(buffer::CONTROL, &[CONTROL]);
        let clip = optimiser.clip.unwrap_or(f32::INFINITY);
        let betas = match optimiser.rule {
            Rule::Adam(adam) => [adam.beta1, adam.beta2],
            Rule::Sgd(_) => [0.0; 2],
        };
        self.push(step_control::dispatch("step".into(), tables * PARTS, clip, betas, [parts, control]));

        let weights = self.weights();
        let [m, v] = buffer::MOMENTS.map(|name| self.plan.persistent(name, &[len]));
        let bindings = [gradient, View::NONE, control, weights, m, v];
        self.push(update::dispatch("weights".into(), (1, len), optimiser.rule, bindings));
        if let (Some(distinct), Some((gradient, _))) = (distinct, rows_gradient) {
            let slots = self.plan.upload("slots of tokens", &[vocabulary], slots_of(distinct, vocabulary));
            let table = self.embedding();
            let [m, v] = buffer::EMBEDDING_MOMENTS.map(|name| self.plan.persistent(name, &[vocabulary, width]));
            let bindings = [gradient, slots, control, table, m, v];
            self.push(update::dispatch("embedding".into(), (vocabulary, width), optimiser.rule, bindings));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::network::{Config, Network};

    #[test]
    fn settings_that_would_ruin_the_weights_are_refused() {
        let of = |rule: Rule| Optimiser { rule, ..Optimiser::default() };
        let adam = Adam::default();
        for (bad, words) in [
            (Optimiser { clip: Some(0.0), ..Optimiser::default() }, "clipping at norm 0: it must be positive"),
            (Optimiser { clip: Some(f32::NAN), ..Optimiser::default() }, "clipping at norm NaN"),
            (Optimiser::adam(f32::NAN), "learning rate NaN: it must be at least 0.0 and less than inf"),
            (of(Rule::Adam(Adam { beta1: 1.0, ..adam })), "beta1 1: it must be at least 0.0 and less than 1.0"),
            (of(Rule::Adam(Adam { epsilon: 0.0, ..adam })), "epsilon 0: it must be at least 1.1754944e-38"),
            (of(Rule::Sgd(Sgd { learning_rate: 0.1, momentum: -0.1, weight_decay: 0.0 })), "momentum -0.1: "),
        ] {
            let error = bad.check(2).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
        Optimiser { clip: Some(f32::INFINITY), ..Optimiser::default() }.check(2).unwrap();
    }

    #[test]
    fn another_rule_begins_with_moments_of_its_own() {
        let config = Config { vocabulary: 40, embedding: 3, hidden: 4, length: 64, classes: 2, ..Config::default() };
        let mut network = Network::new(config, Device::cpu(), 1).unwrap();
        let batch = network.config().batch(&[&[3, 4, 5], &[6, 7]], &[0, 1]);
        let sgd = Rule::Sgd(Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0 });
        for _ in 0..5 {
            network.train_step(&batch, &Optimiser { rule: sgd, ..Optimiser::default() }).unwrap();
        }
        let before = network.parameters().unwrap();
        let other = network.config().batch(&[&[8, 9]], &[1]);
        network.train_step(&other, &Optimiser::adam(1e-3)).unwrap();
        let after = network.parameters().unwrap();
        let moved = |(before, after): (&f32, &f32)| (after - before).abs();
        let largest = before.embedding.iter().zip(&after.embedding).map(moved).fold(0.0, f32::max);
        assert!((0.9e-3..1.1e-3).contains(&largest), "a first step of Adam is as long as its rate, not {largest}");
        assert_eq!(network.totals().unwrap().sequences, 5 * 2 + 1);
    }
}
