//! The plans of a network: inference, and a training step as a whole or in its two halves.

use super::config::{Config, Input};
use super::loss::Loss;
use super::optimiser::Optimiser;
use super::parameters::Layout;
use super::planner::{Dropout, Planner};
use super::tokens::Distinct;
use crate::data::batch::{Batch, Inputs, MicroBatch, Rows};
use crate::error::{Error, Result};
use crate::plan::{Checked, Limits};

/// Makes the plans of one network for a device with these limits, which need not be at hand.
#[derive(Clone, Copy)]
pub struct Plans<'a> {
    /// What the network is.
    pub config: &'a Config,
    /// Where its weights stand.
    pub layout: &'a Layout,
    /// What plans must fit.
    pub limits: &'a Limits,
}

impl<'a> Plans<'a> {
    /// The forward plan of each micro-batch, of which there are as few as fit; each ends with its logits.
    ///
    /// # Errors
    /// [`Error::Config`] for a batch that does not fit the network, [`Error::Limit`] if not even a single sequence fits.
    pub fn inference<'b>(self, batch: &'b Batch) -> Result<Vec<(MicroBatch, Checked<'b>)>> {
        self.config.check_batch(batch, false)?;
        self.fit(
            batch,
            |_| 0,
            |parts, apart| {
                let plan = |part: &MicroBatch| Ok((part.clone(), self.forward(batch, part, apart)?));
                parts.iter().map(plan).collect()
            },
        )
    }

    fn forward<'b>(self, batch: &'b Batch, part: &MicroBatch, apart: bool) -> Result<Checked<'b>> {
        let mut planner = Planner::new(self, apart, Dropout::default());
        let steps = match self.config.input {
            Input::Tokens => {
                let tokens = &batch.tokens()[part.tokens.clone()];
                planner.project_tokens(&Distinct::new(tokens, self.config.vocabulary))
            }
            Input::Numbers => planner.project_numbers(batch.values_of(part)),
        };
        let lengths = &batch.lengths[part.sequences.clone()];
        let passes = planner.passes(&steps, steps.slots.as_deref(), lengths, false);
        planner.logits(&passes.head);
        planner.plan.checked(self.limits)
    }

    /// The plan of one training step: both halves, in as few micro-batches as fit.
    ///
    /// # Errors
    /// Those of [`Plans::inference`]; [`Error::Config`] for settings that cannot work.
    pub fn training<'b>(self, batch: &'b Batch, optimiser: &Optimiser) -> Result<Checked<'b>> {
        let update = |planner: &mut Planner<'_, 'b>, distinct: Option<&[u32]>| planner.update(distinct, optimiser);
        self.gradients_then(batch, optimiser, update).map(|(plan, _)| plan)
    }

    /// The first half of a training step: forward and backward. It leaves the gradients, and adds to the totals. Gives
    /// also the distinct tokens, whose embeddings have gradients; none of numbers.
    ///
    /// # Errors
    /// Those of [`Plans::training`].
    pub fn gradients<'b>(self, batch: &'b Batch, optimiser: &Optimiser) -> Result<(Checked<'b>, Vec<u32>)> {
        self.gradients_then(batch, optimiser, |_, _| {})
    }

    /// The second half of a training step: norm, clipping and update, from the gradients that are there. `distinct` are
    /// the tokens whose embeddings have one, `None` if the embedding has none.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work.
    pub fn update(self, distinct: Option<&[u32]>, optimiser: &Optimiser) -> Result<Checked<'static>> {
        optimiser.check(self.config.classes)?;
        let mut planner = Planner::new(self, false, Dropout::default());
        planner.update(distinct, optimiser);
        planner.plan.checked(self.limits)
    }

    /// The first half, and what is planned behind it.
    fn gradients_then<'b>(
        self,
        batch: &'b Batch,
        optimiser: &Optimiser,
        then: impl Fn(&mut Planner<'_, 'b>, Option<&[u32]>),
    ) -> Result<(Checked<'b>, Vec<u32>)> {
        let config = self.config;
        config.check_batch(batch, true)?;
        optimiser.check(config.classes)?;
        let Optimiser { dropout: states, embedding_dropout: embedding, seed, .. } = *optimiser;
        let loss = Loss::new(batch, config, optimiser);
        // The tape of level 0 is the largest buffer of a micro-batch.
        let tape = |apart: bool| {
            let strands = config.groups(0, apart).next().expect("there is a strand").len();
            4 * (config.recurrence().tape * strands * config.units() * batch.steps()) as u64
        };
        self.fit(batch, tape, |parts, apart| {
            let mut planner = Planner::new(self, apart, Dropout { states, embedding, seed });
            let tokens = planner.gradients_of(batch, parts, &loss).map(|distinct| distinct.tokens);
            then(&mut planner, tokens.as_deref());
            Ok((planner.plan.checked(self.limits)?, tokens.unwrap_or_default()))
        })
    }

    /// Plans the smallest inference, which tells whether the device can run this network at all.
    ///
    /// # Errors
    /// [`Error::Config`] for impossible sizes, [`Error::Limit`] for a network that the device cannot run.
    pub(super) fn check(self) -> Result<()> {
        let inputs = match self.config.input {
            Input::Tokens => Inputs::Tokens(vec![0]),
            Input::Numbers => {
                Inputs::Numbers(Rows { width: self.config.embedding, values: vec![0.0; self.config.embedding] })
            }
        };
        let smallest = Batch { inputs, lengths: vec![1], targets: None };
        self.forward(&smallest, &MicroBatch { sequences: 0..1, tokens: 0..1 }, true).map(drop)
    }

    /// Tries as few micro-batches as hold a buffer of `largest` bytes, then twice as many as long as the limits say no; where
    /// that does not help, with the directions apart in smaller buffers.
    fn fit<T>(
        self,
        batch: &Batch,
        largest: impl Fn(bool) -> u64,
        attempt: impl Fn(&[MicroBatch], bool) -> Result<T>,
    ) -> Result<T> {
        let parts = |apart| largest(apart).div_ceil(self.limits.binding.min(self.limits.memory).max(1)).max(1) as usize;
        let can_part = self.config.directions().len() > 1;
        let (mut apart, mut count) = (false, parts(false));
        loop {
            let cut = batch.split(count);
            match attempt(&cut, apart) {
                Err(Error::Limit { .. }) if cut.len() < batch.len() => {
                    log::debug!("{count} micro-batches do not fit, trying more");
                    count *= 2;
                }
                Err(Error::Limit { .. }) if can_part && !apart => {
                    log::debug!("both directions together do not fit, trying them apart");
                    (apart, count) = (true, parts(true));
                }
                outcome => return outcome,
            }
        }
    }
}
