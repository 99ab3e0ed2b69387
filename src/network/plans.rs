//! The plans of a network: inference, and a training step as a whole or in its two halves.

use super::config::{Config, Input};
use super::loss::Loss;
use super::optimiser::Optimiser;
use super::parameters::Layout;
use super::planner::{Dropout, Planner};
use super::tokens::Distinct;
use crate::data::batch::{Batch, Inputs, MicroBatch, Rows};
use crate::engine::Device;
use crate::error::{Error, Result};
use crate::plan::{Checked, Limits};

/// The forward plan of each micro-batch, of which there are as few as fit; each ends with its logits.
///
/// # Errors
/// [`Error::Config`] for a batch that does not fit the network, [`Error::Limit`] if not even a single sequence fits.
pub fn inference_plans<'b>(
    config: &Config,
    layout: &Layout,
    batch: &'b Batch,
    limits: &Limits,
) -> Result<Vec<(MicroBatch, Checked<'b>)>> {
    config.check_batch(batch, false)?;
    let plan = |part: &MicroBatch| Ok((part.clone(), forward_plan(config, layout, (batch, part), limits)?));
    fit(batch, 0, limits, |parts| parts.iter().map(plan).collect())
}

fn forward_plan<'b>(
    config: &Config,
    layout: &Layout,
    (batch, part): (&'b Batch, &MicroBatch),
    limits: &Limits,
) -> Result<Checked<'b>> {
    let mut planner = Planner::new(config, layout, limits, Dropout::default());
    let steps = match config.input {
        Input::Tokens => {
            let tokens = &batch.tokens()[part.tokens.clone()];
            planner.project_tokens(&Distinct::new(tokens, config.vocabulary))
        }
        Input::Numbers => planner.project_numbers(batch.values_of(part)),
    };
    let lengths = &batch.lengths[part.sequences.clone()];
    let levels = planner.levels(&steps, steps.slots.as_deref(), lengths, false);
    planner.logits(&levels);
    planner.plan.checked(limits)
}

/// The plan of one training step for a device with these limits, which need not be at hand: both halves, in as few
/// micro-batches as fit.
///
/// # Errors
/// Those of [`inference_plans`]; [`Error::Config`] for settings that cannot work.
pub fn training_plan<'b>(
    config: &Config,
    layout: &Layout,
    batch: &'b Batch,
    optimiser: &Optimiser,
    limits: &Limits,
) -> Result<Checked<'b>> {
    let update = |planner: &mut Planner<'_, 'b>, distinct: Option<&[u32]>| planner.update(distinct, optimiser);
    plan_gradients(config, layout, batch, optimiser, limits, update).map(|(plan, _)| plan)
}

/// The first half of a training step: forward and backward. It leaves the gradients, and adds to the totals.
///
/// # Errors
/// Those of [`training_plan`].
pub fn gradient_plan<'b>(
    config: &Config,
    layout: &Layout,
    batch: &'b Batch,
    optimiser: &Optimiser,
    limits: &Limits,
) -> Result<Checked<'b>> {
    plan_gradients(config, layout, batch, optimiser, limits, |_, _| {}).map(|(plan, _)| plan)
}

/// The second half of a training step: norm, clipping and update, from the gradients that are there. `distinct` are the
/// tokens whose embeddings have one, `None` if the embedding has none.
///
/// # Errors
/// [`Error::Config`] for settings that cannot work.
pub fn apply_plan(
    config: &Config,
    layout: &Layout,
    distinct: Option<&[u32]>,
    optimiser: &Optimiser,
    limits: &Limits,
) -> Result<Checked<'static>> {
    optimiser.check(config.classes)?;
    let mut planner = Planner::new(config, layout, limits, Dropout::default());
    planner.update(distinct, optimiser);
    planner.plan.checked(limits)
}

/// The first half, and what is planned behind it. Gives also the distinct tokens, none of numbers.
pub(super) fn plan_gradients<'b>(
    config: &Config,
    layout: &Layout,
    batch: &'b Batch,
    optimiser: &Optimiser,
    limits: &Limits,
    then: impl Fn(&mut Planner<'_, 'b>, Option<&[u32]>),
) -> Result<(Checked<'b>, Vec<u32>)> {
    config.check_batch(batch, true)?;
    optimiser.check(config.classes)?;
    let Optimiser { dropout: states, embedding_dropout: embedding, seed, .. } = *optimiser;
    let dropout = Dropout { states, embedding, seed };
    let loss = Loss::new(batch, config, optimiser);
    // The tape of level 0 is the largest buffer of a micro-batch.
    let tape = 4 * (config.recurrence().tape * config.hidden * batch.steps()) as u64;
    fit(batch, tape, limits, |parts| {
        let mut planner = Planner::new(config, layout, limits, dropout);
        let distinct = planner.gradients_of(batch, parts, &loss);
        then(&mut planner, distinct.as_ref().map(|distinct| &distinct.tokens[..]));
        let tokens = distinct.map_or_else(Vec::new, |distinct| distinct.tokens);
        planner.plan.checked(limits).map(|plan| (plan, tokens))
    })
}

/// Plans the smallest inference, which tells whether the device can run this network at all.
///
/// # Errors
/// [`Error::Config`] for impossible sizes, [`Error::Limit`] for a network that the device cannot run.
pub(super) fn check_device(config: &Config, layout: &Layout, device: &Device) -> Result<()> {
    let inputs = match config.input {
        Input::Tokens => Inputs::Tokens(vec![0]),
        Input::Numbers => Inputs::Numbers(Rows { width: config.embedding, values: vec![0.0; config.embedding] }),
    };
    let smallest = Batch { inputs, lengths: vec![1], targets: None };
    let whole = MicroBatch { sequences: 0..1, tokens: 0..1 };
    forward_plan(config, layout, (&smallest, &whole), device.engine.limits()).map(drop)
}

/// Tries as few micro-batches as hold a buffer of `largest` bytes, then twice as many as long as the limits say no.
fn fit<T>(batch: &Batch, largest: u64, limits: &Limits, attempt: impl Fn(&[MicroBatch]) -> Result<T>) -> Result<T> {
    let mut parts = largest.div_ceil(limits.binding.min(limits.memory).max(1)).max(1) as usize;
    loop {
        let cut = batch.split(parts);
        match attempt(&cut) {
            Err(Error::Limit { .. }) if cut.len() < batch.len() => {
                log::debug!("{parts} micro-batches do not fit, trying more");
                parts *= 2;
            }
            outcome => return outcome,
        }
    }
}
