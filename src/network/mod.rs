//! The sliced network: it knows the mathematics and plans; an engine runs the plans.

mod backward;
pub mod config;
mod forward;
mod loss;
pub mod optimiser;
pub mod parameters;
mod planner;
mod tokens;
mod warmup;

pub use crate::kernel::activation::Activation;
pub use crate::kernel::adam::Adam;
pub use crate::kernel::sgd::Sgd;
pub use config::{Cell, Config, Direction, Input, Pooling, Reset, Task};
pub use optimiser::{Optimiser, Rule};
pub use parameters::{Parameters, Tensor};
pub use planner::buffer;

use crate::data::batch::{Batch, Inputs, MicroBatch};
use crate::engine::{Device, Engine, Reading, read_f32, write_f32};
use crate::error::{Error, Result};
use crate::kernel::softmax_cross_entropy::TOTALS;
use crate::kernel::step_control::{self, CONTROL};
use crate::plan::{Limits, Plan};
use parameters::Layout;
use planner::{Dropout, Planner};
use std::mem::{Discriminant, discriminant};

/// A network on a device.
pub struct Network {
    config: Config,
    layout: Layout,
    device: Device,
    /// Whether the optimiser's state is on the device; networks that only infer need none.
    has_optimiser: bool,
    /// The rule of the last training step, if the moments are its own.
    rule: Option<Discriminant<Rule>>,
}

/// Loss and hits since they were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Mean loss of the sequences, by their class weights: cross-entropy in nats, or squared error.
    pub loss: f64,
    /// The sum of these weights; the number of sequences where all count alike.
    pub weight: f64,
    /// Share of the sequences that were classified correctly, with all labels right; 0 for regression.
    pub accuracy: f64,
    /// Number of sequences.
    pub sequences: usize,
}

/// Totals on their way from the device.
pub struct PendingTotals(Reading);

impl PendingTotals {
    /// Waits for the steps that these are of.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn finish(self) -> Result<Totals> {
        let words = (self.0)()?;
        let totals: &[f32] = bytemuck::cast_slice(&words);
        let loss = f64::from(totals[0] / totals[3].max(f32::MIN_POSITIVE));
        let correct = f64::from(totals[1] / totals[2].max(1.0));
        Ok(Totals { loss, weight: totals[3].into(), accuracy: correct, sequences: totals[2] as usize })
    }
}

/// The optimiser's state on the host, to go on with training later.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimiserState {
    /// Adam's moments of the flat weights.
    pub moments: [Vec<f32>; 2],
    /// Adam's moments of the embedding; empty if it is frozen.
    pub embedding_moments: [Vec<f32>; 2],
    /// Steps, powers of β and skipped steps; see `kernel::step_control`.
    pub control: Vec<f32>,
}

/// The loss of a batch and the gradient of every weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// Mean loss.
    pub loss: f32,
    /// In the layout of the weights; the embedding's gradient is zero if it is frozen.
    pub gradients: Parameters,
}

impl Network {
    /// A network with random weights; the same seed gives the same bits.
    ///
    /// # Errors
    /// [`Error::Config`] for impossible sizes, [`Error::Limit`] for a network that the device cannot run.
    pub fn new(config: Config, device: Device, seed: u64) -> Result<Network> {
        check_device(&config, &device)?;
        let parameters = Parameters::random(&config, seed);
        Network::start(config, device, &parameters)
    }

    /// A network with given weights.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn with_parameters(config: Config, device: Device, parameters: &Parameters) -> Result<Network> {
        check_device(&config, &device)?;
        Network::start(config, device, parameters)
    }

    /// Puts the weights of a network that was checked on its device.
    fn start(config: Config, device: Device, parameters: &Parameters) -> Result<Network> {
        let layout = Layout::new(&config);
        let mut network = Network { config, layout, device, has_optimiser: false, rule: None };
        network.set_parameters(parameters)?;
        write_f32(network.engine(), buffer::TOTALS, &[0.0; TOTALS])?;
        write_f32(network.engine(), buffer::CONTROL, &step_control::START)?;
        Ok(network)
    }

    /// Numbers of the embedding that are trained.
    fn trained_embedding(&self) -> usize {
        let Config { freeze_embedding, vocabulary, embedding, .. } = self.config;
        if freeze_embedding { 0 } else { vocabulary * embedding }
    }

    /// Sizes and slicing.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The device that the network is on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The engine, for measurements and checks.
    pub fn engine(&mut self) -> &mut dyn Engine {
        self.device.engine.as_mut()
    }

    /// The logits `[B, C]` of a batch.
    ///
    /// # Errors
    /// [`Error::Config`] for a batch that does not fit the network, [`Error::Limit`] for a sequence that the device
    /// cannot hold, [`Error::Device`] when the device fails.
    pub fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let mut logits = Vec::with_capacity(batch.len() * self.config.classes);
        for (part, plan) in self.plan_inference(batch)? {
            self.device.engine.run(&plan)?;
            let count = part.sequences.len() * self.config.classes;
            logits.extend(read_f32(self.engine(), buffer::LOGITS, count)?);
        }
        Ok(logits)
    }

    /// What the top level passes to the head `[B, W]`: a vector for each sequence.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn states(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let width = self.config.width();
        let top = self.config.slicing.levels() - 1;
        let buffer = if self.config.head_pooling == Pooling::Last { "states" } else { "pooled" };
        let mut states = Vec::with_capacity(batch.len() * width);
        for (part, plan) in self.plan_inference(batch)? {
            self.device.engine.run(&plan)?;
            let count = part.sequences.len() * width;
            states.extend(read_f32(self.engine(), &format!("level{top}.{buffer}"), count)?);
        }
        Ok(states)
    }

    /// What the logits `[B, C]` say: probabilities of the classes (softmax), of each label (sigmoid), or the numbers
    /// themselves.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn probabilities(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let mut logits = self.logits(batch)?;
        match self.config.task {
            Task::Class => {}
            Task::Labels => {
                logits.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp()));
                return Ok(logits);
            }
            Task::Regression => return Ok(logits),
        }
        for row in logits.chunks_mut(self.config.classes) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|x| *x = (*x - largest).exp());
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= sum);
        }
        Ok(logits)
    }

    /// One training step: forward, backward and optimiser, in one submit. Loss and hits are added to the totals.
    /// Under another rule than the step before, the moments begin anew.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn train_step(&mut self, batch: &Batch, optimiser: &Optimiser) -> Result<()> {
        let plan = self.plan_training(batch, optimiser)?;
        let rule = discriminant(&optimiser.rule);
        if !self.has_optimiser {
            self.reset_optimiser()?;
        } else if self.rule.is_some_and(|before| before != rule) {
            // What one rule keeps as its velocity is the other's first moment.
            self.reset_moments()?;
        }
        self.rule = Some(rule);
        self.device.engine.run(&plan)
    }

    /// The loss of a batch and all gradients, without a step. The totals begin anew.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn gradients(&mut self, batch: &Batch) -> Result<Gradients> {
        let plan = training_plan(&self.config, batch, None, self.device.engine.limits())?;
        write_f32(self.engine(), buffer::TOTALS, &[0.0; TOTALS])?;
        self.device.engine.run(&plan)?;
        let loss = self.totals()?.loss as f32;
        let flat_len = self.layout.len;
        let flat = read_f32(self.engine(), buffer::GRADIENTS, flat_len)?;
        let Config { vocabulary, embedding: width, freeze_embedding, input, .. } = self.config;
        let mut embedding = vec![0.0; vocabulary * width];
        if !freeze_embedding && input == Input::Tokens {
            let distinct = tokens::Distinct::new(batch.tokens(), vocabulary).tokens;
            let rows = read_f32(self.engine(), buffer::EMBEDDING_GRADIENT, distinct.len() * width)?;
            for (token, row) in distinct.iter().zip(rows.chunks(width)) {
                embedding[*token as usize * width..][..width].copy_from_slice(row);
            }
        }
        Ok(Gradients { loss, gradients: Parameters { flat, embedding } })
    }

    /// Loss and hits of all training steps since they were last taken. Waits for the steps.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn totals(&mut self) -> Result<Totals> {
        self.begin_totals()?.finish()
    }

    /// [`Network::totals`] without the wait: so that a GPU does not idle, finish it when the next step is submitted.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn begin_totals(&mut self) -> Result<PendingTotals> {
        let engine = self.engine();
        let reading = engine.begin_read(buffer::TOTALS, TOTALS)?;
        write_f32(engine, buffer::TOTALS, &[0.0; TOTALS])?;
        Ok(PendingTotals(reading))
    }

    /// Steps that were skipped because their gradient was not finite. Waits for the steps.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn skipped_steps(&mut self) -> Result<usize> {
        Ok(read_f32(self.engine(), buffer::CONTROL, CONTROL)?[step_control::SKIPPED] as usize)
    }

    /// The weights, copied from the device.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn parameters(&mut self) -> Result<Parameters> {
        let (len, table) = (self.layout.len, self.config.vocabulary * self.config.embedding);
        let engine = self.engine();
        let flat = read_f32(engine, buffer::WEIGHTS, len)?;
        let embedding = if table == 0 { vec![] } else { read_f32(engine, buffer::EMBEDDING, table)? };
        Ok(Parameters { flat, embedding })
    }

    /// Sets the weights.
    ///
    /// # Errors
    /// [`Error::Config`] for weights of another network, [`Error::Device`] when the device fails.
    pub fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        let table = self.config.vocabulary * self.config.embedding;
        if parameters.flat.len() != self.layout.len || parameters.embedding.len() != table {
            return Err(Error::Config("the weights belong to a network of other sizes".into()));
        }
        let engine = self.engine();
        write_f32(engine, buffer::WEIGHTS, &parameters.flat)?;
        if table > 0 {
            write_f32(engine, buffer::EMBEDDING, &parameters.embedding)?;
        }
        Ok(())
    }

    /// Forgets the optimiser's moments and totals.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn reset_optimiser(&mut self) -> Result<()> {
        self.reset_moments()?;
        write_f32(self.engine(), buffer::TOTALS, &[0.0; TOTALS])
    }

    fn reset_moments(&mut self) -> Result<()> {
        let (len, trained) = (self.layout.len, self.trained_embedding());
        let engine = self.engine();
        let embedding = buffer::EMBEDDING_MOMENTS.map(|name| (name, trained));
        // One by one: the moments of an embedding are large.
        for (name, len) in buffer::MOMENTS.map(|name| (name, len)).into_iter().chain(embedding) {
            if len > 0 {
                write_f32(engine, name, &vec![0.0; len])?;
            }
        }
        write_f32(engine, buffer::CONTROL, &step_control::START)?;
        (self.has_optimiser, self.rule) = (true, None);
        Ok(())
    }

    /// The optimiser's state, copied from the device.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn optimiser_state(&mut self) -> Result<OptimiserState> {
        if !self.has_optimiser {
            self.reset_optimiser()?;
        }
        let len = self.layout.len;
        let trained = self.trained_embedding();
        let engine = self.engine();
        let mut read = |name: &str, len: usize| if len == 0 { Ok(vec![]) } else { read_f32(engine, name, len) };
        let [m, v] = buffer::MOMENTS;
        let [em, ev] = buffer::EMBEDDING_MOMENTS;
        Ok(OptimiserState {
            moments: [read(m, len)?, read(v, len)?],
            embedding_moments: [read(em, trained)?, read(ev, trained)?],
            control: read(buffer::CONTROL, CONTROL)?,
        })
    }

    /// Sets the optimiser's state.
    ///
    /// # Errors
    /// [`Error::Config`] for the state of another network, [`Error::Device`] when the device fails.
    pub fn set_optimiser_state(&mut self, state: &OptimiserState) -> Result<()> {
        let trained = self.trained_embedding();
        let fits = state.moments.iter().all(|m| m.len() == self.layout.len)
            && state.embedding_moments.iter().all(|m| m.len() == trained)
            && state.control.len() == CONTROL;
        if !fits {
            return Err(Error::Config("the optimiser's state belongs to a network of other sizes".into()));
        }
        let engine = self.engine();
        for (name, values) in buffer::MOMENTS.iter().zip(&state.moments) {
            write_f32(engine, name, values)?;
        }
        for (name, values) in buffer::EMBEDDING_MOMENTS.iter().zip(&state.embedding_moments) {
            if trained > 0 {
                write_f32(engine, name, values)?;
            }
        }
        write_f32(engine, buffer::CONTROL, &state.control)?;
        (self.has_optimiser, self.rule) = (true, None);
        Ok(())
    }

    /// The plan of one training step on this network's device.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Limit`] as [`Network::logits`].
    pub fn plan_training<'b>(&self, batch: &'b Batch, optimiser: &Optimiser) -> Result<Plan<'b>> {
        training_plan(&self.config, batch, Some(optimiser), self.device.engine.limits())
    }

    /// The forward plans of a batch, one per micro-batch; each ends with its logits.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Limit`] as [`Network::logits`].
    pub fn plan_inference<'b>(&self, batch: &'b Batch) -> Result<Vec<(MicroBatch, Plan<'b>)>> {
        self.config.check_batch(batch, false)?;
        let limits = self.device.engine.limits();
        fit(batch, 0, limits, |parts| {
            parts
                .iter()
                .map(|part| {
                    let plan = forward_plan(&self.config, &self.layout, (batch, part), limits);
                    plan.check(limits).map(|()| (part.clone(), plan))
                })
                .collect()
        })
    }
}

/// Plans the smallest inference, which tells whether the device can run this network at all.
fn check_device(config: &Config, device: &Device) -> Result<()> {
    config.check()?;
    let inputs = match config.input {
        Input::Tokens => Inputs::Tokens(vec![0]),
        Input::Numbers => Inputs::Numbers { width: config.embedding, values: vec![0.0; config.embedding] },
    };
    let smallest = Batch { inputs, lengths: vec![1], targets: None };
    let limits = device.engine.limits();
    let whole = MicroBatch { sequences: 0..1, tokens: 0..1 };
    forward_plan(config, &Layout::new(config), (&smallest, &whole), limits).check(limits)
}

fn forward_plan<'b>(
    config: &Config,
    layout: &Layout,
    (batch, part): (&'b Batch, &MicroBatch),
    limits: &Limits,
) -> Plan<'b> {
    let mut planner = Planner::new(config, layout, limits, Dropout::default());
    let steps = match config.input {
        Input::Tokens => {
            let tokens = &batch.tokens()[part.tokens.clone()];
            planner.project_tokens(&tokens::Distinct::new(tokens, config.vocabulary))
        }
        Input::Numbers => planner.project_numbers("", batch.values_of(part)),
    };
    let lengths = &batch.lengths[part.sequences.clone()];
    let levels = planner.levels("", &steps, steps.slots.as_deref(), lengths, false);
    planner.logits(&levels);
    planner.plan
}

/// The plan of one training step for a device with these limits, which need not be at hand: as few micro-batches as
/// fit. Without an optimiser the plan ends with the gradients.
///
/// # Errors
/// [`Error::Config`] for a batch that does not fit the network, [`Error::Limit`] if not even a single sequence fits.
pub fn training_plan<'b>(
    config: &Config,
    batch: &'b Batch,
    optimiser: Option<&Optimiser>,
    limits: &Limits,
) -> Result<Plan<'b>> {
    config.check_batch(batch, true)?;
    let mut dropout = Dropout::default();
    if let Some(optimiser) = optimiser {
        optimiser.check(config.classes)?;
        let Optimiser { dropout: states, embedding_dropout: embedding, seed, .. } = *optimiser;
        dropout = Dropout { states, embedding, seed };
    }
    let layout = Layout::new(config);
    // The tape of level 0 is the largest buffer of a micro-batch.
    let tape = 4 * (config.recurrence().tape * config.hidden * batch.steps()) as u64;
    fit(batch, tape, limits, |parts| {
        let plan = Planner::new(config, &layout, limits, dropout).training(batch, parts, optimiser);
        plan.check(limits).map(|()| plan)
    })
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
