//! What a network keeps on its device: weights, gradients, the optimiser's state and the totals, read and written.

use super::planner::buffer;
use super::{Network, Parameters};
use crate::engine::{Reading, block_on, write_f32};
use crate::error::{Error, Result, ensure};
use crate::kernel::loss::TOTALS;
use crate::kernel::step_control::{self, CONTROL};
use crate::plan::BufferName;

/// Loss and hits since they were last taken, of the sequences; where every step has a target, of the steps that count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Mean loss of the sequences, by their class weights: cross-entropy in nats, or squared error.
    pub loss: f64,
    /// The sum of these weights; the number of sequences where all count alike.
    pub weight: f64,
    /// Share of the sequences that were classified correctly, with all labels right; 0 for regression.
    pub accuracy: f64,
    /// Number of sequences, or of steps.
    pub sequences: usize,
    /// The last steps that were skipped one after the other, as their gradient was not finite; 0 if the last was taken.
    pub skipped_in_a_row: usize,
}

/// Totals on their way from the device.
pub struct PendingTotals {
    totals: Reading,
    control: Reading,
}

impl PendingTotals {
    /// Waits for the steps that these are of.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn finish(self) -> Result<Totals> {
        block_on(self.arrive())
    }

    /// [`PendingTotals::finish`], to be awaited.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub async fn arrive(self) -> Result<Totals> {
        let (words, control) = (self.totals.await?, self.control.await?);
        let totals: &[f32] = bytemuck::cast_slice(&words);
        let loss = f64::from(totals[0] / totals[3].max(f32::MIN_POSITIVE));
        let correct = f64::from(totals[1] / totals[2].max(1.0));
        let skipped_in_a_row = f32::from_bits(control[step_control::SKIPPED_IN_A_ROW]) as usize;
        let (weight, sequences) = (totals[3].into(), totals[2] as usize);
        Ok(Totals { loss, weight, accuracy: correct, sequences, skipped_in_a_row })
    }
}

/// The optimiser's state on the host, to go on with training later to the same bits: the contents of [`buffer::OPTIMISER`], in their order;
/// empty where the embedding is frozen.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimiserState(pub [Vec<f32>; buffer::OPTIMISER.len()]);

impl OptimiserState {
    /// The control numbers, by the names of [`step_control`], and the totals that were not taken yet.
    pub fn control_and_totals(&self) -> [&[f32]; 2] {
        let [.., control, totals] = &self.0;
        [control, totals]
    }
}

/// The loss of a batch and the gradient of every weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// Mean loss, by class weights.
    pub loss: f32,
    /// Of the flat weights, in their layout.
    pub flat: Vec<f32>,
    /// `[N]`: the tokens whose embeddings have a gradient, each once; none if the embedding is frozen.
    pub tokens: Vec<u32>,
    /// `[N, D]`: these.
    pub embedding: Vec<f32>,
}

impl Gradients {
    /// In the layout of the weights, with zeros for all other embeddings `[V, D]`.
    pub fn dense(&self, vocabulary: usize) -> Parameters {
        let width = self.embedding.len() / self.tokens.len().max(1);
        let mut embedding = vec![0.0; vocabulary * width];
        for (&token, row) in self.tokens.iter().zip(self.embedding.chunks(width.max(1))) {
            embedding[token as usize * width..][..width].copy_from_slice(row);
        }
        Parameters { flat: self.flat.clone(), embedding }
    }
}

impl Network {
    /// Numbers of the embedding.
    fn table(&self) -> usize {
        self.config.vocabulary * self.config.embedding
    }

    /// The weights, copied from the device.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn parameters(&mut self) -> Result<Parameters> {
        block_on(self.parameters_async())
    }

    /// [`Network::parameters`], to be awaited.
    ///
    /// # Errors
    /// As there.
    pub async fn parameters_async(&mut self) -> Result<Parameters> {
        let (len, table) = (self.layout.len, self.table());
        let flat = self.read(buffer::WEIGHTS, len).await?;
        Ok(Parameters { flat, embedding: self.read(buffer::EMBEDDING, table).await? })
    }

    /// Sets the weights.
    ///
    /// # Errors
    /// [`Error::Config`] for weights of another network, [`Error::Device`] when the device fails.
    pub fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        let lens = [parameters.flat.len(), parameters.embedding.len()];
        ensure!(lens == [self.layout.len, self.table()], "the weights belong to a network of other sizes");
        self.write(buffer::WEIGHTS, &parameters.flat)?;
        self.write(buffer::EMBEDDING, &parameters.embedding)
    }

    /// The gradients that the last call of [`Network::compute_gradients`] left, copied from the device, and the loss since
    /// the totals were last taken, which begin anew.
    ///
    /// # Errors
    /// [`Error::Config`] if there are none, [`Error::Device`] when the device fails.
    pub fn read_gradients(&mut self) -> Result<Gradients> {
        block_on(self.read_gradients_async())
    }

    /// [`Network::read_gradients`], to be awaited.
    ///
    /// # Errors
    /// As there.
    pub async fn read_gradients_async(&mut self) -> Result<Gradients> {
        let Some(tokens) = self.gradients_of.clone() else { return Err(no_gradients()) };
        let loss = self.begin_totals()?.arrive().await?.loss as f32;
        let flat = self.read(buffer::GRADIENTS, self.layout.len).await?;
        let tokens = if self.config.freeze_embedding { vec![] } else { tokens };
        let embedding = self.read(buffer::EMBEDDING_GRADIENT, tokens.len() * self.config.embedding).await?;
        Ok(Gradients { loss, flat, tokens, embedding })
    }

    /// Puts gradients in the place of those that were computed: sums over several machines, say. Their tokens may be others.
    ///
    /// # Errors
    /// [`Error::Config`] for gradients of another network, [`Error::Device`] when the device fails.
    pub fn set_gradients(&mut self, gradients: &Gradients) -> Result<()> {
        let Gradients { flat, tokens, embedding, .. } = gradients;
        let vocabulary = self.config.vocabulary;
        let mut seen = vec![false; vocabulary];
        let once = |&token: &u32| seen.get_mut(token as usize).is_some_and(|seen| !std::mem::replace(seen, true));
        let expected = [self.layout.len, tokens.len() * self.config.embedding];
        let fit = [flat.len(), embedding.len()] == expected && tokens.iter().all(once);
        ensure!(fit, "the gradients belong to a network of other sizes");
        self.write(buffer::GRADIENTS, flat)?;
        self.write(buffer::EMBEDDING_GRADIENT, embedding)?;
        self.gradients_of = Some(tokens.clone());
        Ok(())
    }

    /// The optimiser's buffers with their lengths.
    fn optimiser_buffers(&self) -> [(BufferName, usize); buffer::OPTIMISER.len()] {
        let trained = if self.config.freeze_embedding { 0 } else { self.table() };
        let lens = [self.layout.len, self.layout.len, trained, trained, CONTROL, TOTALS];
        std::array::from_fn(|at| (buffer::OPTIMISER[at], lens[at]))
    }

    /// Forgets the optimiser's moments and totals.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn reset_optimiser(&mut self) -> Result<()> {
        self.reset_moments()?;
        self.write(buffer::TOTALS, &[0.0; TOTALS])
    }

    /// Forgets the moments alone.
    pub(super) fn reset_moments(&mut self) -> Result<()> {
        // One by one: the moments of an embedding are large.
        for (name, len) in self.optimiser_buffers().into_iter().filter(|(name, _)| *name != buffer::TOTALS) {
            let start = if name == buffer::CONTROL { step_control::START.to_vec() } else { vec![0.0; len] };
            self.write(name, &start)?;
        }
        (self.has_optimiser, self.rule) = (true, None);
        Ok(())
    }

    /// The optimiser's state, copied from the device.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn optimiser_state(&mut self) -> Result<OptimiserState> {
        block_on(self.optimiser_state_async())
    }

    /// [`Network::optimiser_state`], to be awaited.
    ///
    /// # Errors
    /// As there.
    pub async fn optimiser_state_async(&mut self) -> Result<OptimiserState> {
        if !self.has_optimiser {
            self.reset_moments()?;
        }
        let mut state = OptimiserState(Default::default());
        for (own, (name, len)) in state.0.iter_mut().zip(self.optimiser_buffers()) {
            *own = self.read(name, len).await?;
        }
        Ok(state)
    }

    /// Sets the optimiser's state.
    ///
    /// # Errors
    /// [`Error::Config`] for the state of another network, [`Error::Device`] when the device fails.
    pub fn set_optimiser_state(&mut self, state: &OptimiserState) -> Result<()> {
        let buffers = self.optimiser_buffers();
        let fit = state.0.iter().zip(&buffers).all(|(own, (_, len))| own.len() == *len);
        ensure!(fit, "the optimiser's state belongs to a network of other sizes");
        for (own, (name, _)) in state.0.iter().zip(buffers) {
            self.write(name, own)?;
        }
        (self.has_optimiser, self.rule) = (true, None);
        Ok(())
    }

    /// Steps that were skipped because their gradient was not finite. Waits for the steps.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    pub fn skipped_steps(&mut self) -> Result<usize> {
        block_on(self.skipped_steps_async())
    }

    /// [`Network::skipped_steps`], to be awaited.
    ///
    /// # Errors
    /// As there.
    pub async fn skipped_steps_async(&mut self) -> Result<usize> {
        Ok(self.read(buffer::CONTROL, CONTROL).await?[step_control::SKIPPED] as usize)
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
        let totals = self.engine().begin_read(buffer::TOTALS, TOTALS)?;
        let control = self.engine().begin_read(buffer::CONTROL, CONTROL)?;
        self.write(buffer::TOTALS, &[0.0; TOTALS])?;
        Ok(PendingTotals { totals, control })
    }

    /// The first `len` numbers of a buffer, which need not be there if there are none.
    pub(super) async fn read(&mut self, name: BufferName, len: usize) -> Result<Vec<f32>> {
        if len == 0 {
            return Ok(vec![]);
        }
        Ok(self.engine().begin_read(name, len)?.await?.into_iter().map(f32::from_bits).collect())
    }

    /// Sets a buffer, if there is anything in it.
    pub(super) fn write(&mut self, name: BufferName, values: &[f32]) -> Result<()> {
        if values.is_empty() { Ok(()) } else { write_f32(self.engine(), name, values) }
    }
}

/// What is wrong where gradients are asked for before there are any.
pub(super) fn no_gradients() -> Error {
    Error::Config("there are no gradients: compute them first".into())
}
