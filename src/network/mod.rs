//! The sliced network: it knows the mathematics and plans; an engine runs the plans.

mod backward;
mod carry;
pub mod config;
mod downward;
mod forward;
mod loss;
pub mod optimiser;
pub mod parameters;
mod planner;
mod plans;
mod state;
mod tokens;
mod warmup;

pub use crate::kernel::activation::Activation;
pub use crate::kernel::cell::{Cell, Reset};
pub use crate::kernel::update::{Adam, Rule, Sgd};
pub use config::{Config, Direction, Input, Pooling, Task};
pub use optimiser::Optimiser;
pub use parameters::{Layout, Parameters, Tensor};
pub use planner::buffer;
pub use plans::Plans;
pub use state::{Gradients, OptimiserState, PendingTotals, Totals};

use crate::data::batch::Batch;
use crate::engine::{Device, Engine, block_on};
use crate::error::{Error, Result, ensure};
use crate::kernel::loss::TOTALS;
use crate::kernel::step_control;
use crate::plan::{BufferName, Checked};
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
    /// The tokens whose embeddings have the gradients that wait to be applied.
    gradients_of: Option<Vec<u32>>,
}

/// Runs a plan. `false` if the device had no memory for its buffers: then plans may use half of what this one would have, and
/// it is to be made anew, in smaller parts.
fn run_or_make_room(engine: &mut dyn Engine, plan: &Checked) -> Result<bool> {
    match engine.run(plan) {
        Err(error @ Error::OutOfMemory { .. }) => {
            if !engine.make_room(plan.memory()) {
                return Err(error);
            }
            log::warn!("{error}; going on with {} for a step", bytesize::ByteSize(engine.limits().memory));
            Ok(false)
        }
        outcome => outcome.map(|()| true),
    }
}

impl Network {
    /// A network with random weights; the same seed gives the same bits.
    ///
    /// # Errors
    /// [`Error::Config`] for impossible sizes, [`Error::Limit`] for a network
    /// that the device cannot run.
    pub fn new(config: Config, device: Device, seed: u64) -> Result<Network> {
        // Before weights are made of impossible sizes.
        let network = Network::unset(config, device)?;
        let parameters = Parameters::random(&network.config, seed);
        network.start(&parameters)
    }

    /// A network with given weights.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn with_parameters(config: Config, device: Device, parameters: &Parameters) -> Result<Network> {
        Network::unset(config, device)?.start(parameters)
    }

    /// A network that the device can run, without weights yet.
    fn unset(config: Config, device: Device) -> Result<Network> {
        config.check()?;
        let layout = Layout::new(&config);
        let network = Network { config, layout, device, has_optimiser: false, rule: None, gradients_of: None };
        network.plans().check()?;
        Ok(network)
    }

    fn start(mut self, parameters: &Parameters) -> Result<Network> {
        self.set_parameters(parameters)?;
        self.write(buffer::TOTALS, &[0.0; TOTALS])?;
        self.write(buffer::CONTROL, &step_control::START)?;
        Ok(self)
    }

    /// Sizes and slicing.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where its weights stand.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The device that the network is on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The engine, for measurements and checks.
    pub fn engine(&mut self) -> &mut dyn Engine {
        self.device.engine.as_mut()
    }

    /// The logits of a batch: `[B, C]`, or `[P, C]` where every step is told of.
    ///
    /// # Errors
    /// [`Error::Config`] for a batch that does not fit the network,
    /// [`Error::Limit`] for a sequence that the device cannot hold,
    /// [`Error::Device`] when the device fails.
    pub fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        block_on(self.logits_async(batch))
    }

    /// [`Network::logits`], to be awaited.
    ///
    /// # Errors
    /// As there.
    pub async fn logits_async(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        self.infer(batch, buffer::LOGITS, self.config.classes).await
    }

    /// What the top level passes to the head `[B, W]`: a vector for each sequence.
    ///
    /// # Errors
    /// As [`Network::logits`]; [`Error::Config`] of a network that tells of steps, which has [`Network::outputs`].
    pub fn states(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        block_on(self.states_async(batch))
    }

    /// [`Network::states`], to be awaited.
    ///
    /// # Errors
    /// As there.
    pub async fn states_async(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        ensure!(!self.config.task.of_steps(), "the network tells of steps: it has outputs, and no final states");
        self.infer(batch, buffer::STATES, self.config.width()).await
    }

    /// The outputs `[P, W]` of all steps of a batch, those of the last layer of level 0: with the downward pass they have seen
    /// all that their direction reads before them.
    ///
    /// # Errors
    /// As [`Network::logits`]; [`Error::Config`] of a network that tells of sequences, which has [`Network::states`].
    pub fn outputs(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        block_on(self.outputs_async(batch))
    }

    /// [`Network::outputs`], to be awaited.
    ///
    /// # Errors
    /// As there.
    pub async fn outputs_async(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        ensure!(
            self.config.task.of_steps(),
            "the network tells of sequences: it has final states, and no outputs of steps"
        );
        self.infer(batch, buffer::OUTPUTS, self.config.width()).await
    }

    /// `width` numbers for each sequence or step.
    async fn infer(&mut self, batch: &Batch, output: BufferName, width: usize) -> Result<Vec<f32>> {
        'smaller: loop {
            let mut all = Vec::with_capacity(self.config.told_of(batch) * width);
            for (part, plan) in self.plans().inference(batch)? {
                if !run_or_make_room(self.device.engine.as_mut(), &plan)? {
                    // Gradients that waited to be applied have made room, too.
                    self.gradients_of = None;
                    continue 'smaller;
                }
                all.extend(self.read(output, self.config.told(&part).len() * width).await?);
            }
            return Ok(all);
        }
    }

    /// What the logits say, in their shape: probabilities of the classes (softmax), of each label (sigmoid), or the numbers
    /// themselves.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn probabilities(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        block_on(self.probabilities_async(batch))
    }

    /// [`Network::probabilities`], to be awaited.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub async fn probabilities_async(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let logits = self.logits_async(batch).await?;
        Ok(self.config.task.told_by(logits, self.config.classes))
    }

    /// One training step: forward, backward and optimiser, in one submit. Loss and hits are added to the totals.
    /// Under another rule than the step before, the moments begin anew.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn train_step(&mut self, batch: &Batch, optimiser: &Optimiser) -> Result<()> {
        loop {
            let plan = self.plans().training(batch, optimiser)?;
            self.prepare_optimiser(optimiser)?;
            self.gradients_of = None;
            if run_or_make_room(self.device.engine.as_mut(), &plan)? {
                return Ok(());
            }
        }
    }

    /// The first half of a training step: the gradients, as the step would see them with its class weights, smoothing and
    /// dropout. They stay on the device, to be read, changed or applied; loss and hits are added to the totals.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn compute_gradients(&mut self, batch: &Batch, optimiser: &Optimiser) -> Result<()> {
        self.gradients_of = None;
        loop {
            let (plan, tokens) = self.plans().gradients(batch, optimiser)?;
            if run_or_make_room(self.device.engine.as_mut(), &plan)? {
                self.gradients_of = Some(tokens);
                return Ok(());
            }
        }
    }

    /// The second half of a training step, by the gradients that were computed or set.
    ///
    /// # Errors
    /// [`Error::Config`] if there are none, or for settings that cannot work;
    /// [`Error::Device`] when the device fails.
    pub fn apply_gradients(&mut self, optimiser: &Optimiser) -> Result<()> {
        let Some(tokens) = self.gradients_of.take() else { return Err(state::no_gradients()) };
        let distinct = (self.config.input == Input::Tokens).then_some(&tokens[..]);
        let plan = self.plans().update(distinct, optimiser)?;
        self.prepare_optimiser(optimiser)?;
        self.device.engine.run(&plan)
    }

    /// The loss of a batch and all gradients, without a step: [`Network::compute_gradients`], read. The totals begin anew.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn gradients(&mut self, batch: &Batch, optimiser: &Optimiser) -> Result<Gradients> {
        self.write(buffer::TOTALS, &[0.0; TOTALS])?;
        self.compute_gradients(batch, optimiser)?;
        self.read_gradients()
    }

    /// Sees to moments of the optimiser's own rule.
    fn prepare_optimiser(&mut self, optimiser: &Optimiser) -> Result<()> {
        let rule = discriminant(&optimiser.rule);
        // What one rule keeps as its velocity is the other's first moment.
        if !self.has_optimiser || self.rule.is_some_and(|before| before != rule) {
            self.reset_moments()?;
        }
        self.rule = Some(rule);
        Ok(())
    }

    /// Makes the plans of this network on its device.
    pub fn plans(&self) -> Plans<'_> {
        Plans { config: &self.config, layout: &self.layout, limits: self.device.engine.limits() }
    }
}
