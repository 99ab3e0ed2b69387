//! Engines run plans: on a GPU through wgpu, or on the CPU through the kernels' twins.

pub mod cpu;
pub mod device;
pub mod gpu;
mod words;

pub use device::{Choice, Device};

use crate::error::Result;
use crate::plan::{Limits, Plan};

/// When one dispatch of a plan ran, in seconds from the start of the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timespan {
    pub begin: f64,
    pub end: f64,
}

/// Runs plans and keeps their buffers, by name, from one plan to the next.
pub trait Engine: Send {
    /// What the device can do, and its name.
    fn limits(&self) -> &Limits;

    /// Checks the plan against the limits, uploads its inputs and runs its dispatches in order. On a GPU the call
    /// returns when the work is submitted.
    fn run(&mut self, plan: &Plan) -> Result<()>;

    /// Runs a plan as [`Engine::run`], waits for it, and tells when each dispatch ran. On a GPU every dispatch gets a
    /// pass of its own, so that the whole takes longer than a plain run.
    ///
    /// # Errors
    /// [`Error::Missing`](crate::Error::Missing) if the device cannot tell the time, and those of [`Engine::run`].
    fn run_timed(&mut self, plan: &Plan) -> Result<Vec<Timespan>>;

    /// Sets the contents of a buffer, which is made if it is not there.
    fn write(&mut self, buffer: &str, words: &[u32]) -> Result<()>;

    /// The first `len` elements of a buffer, when all work submitted before is done.
    ///
    /// # Errors
    /// [`Error::Plan`](crate::Error::Plan) if there is no such buffer or it is shorter.
    fn read(&mut self, buffer: &str, len: usize) -> Result<Vec<u32>>;

    /// Bytes of all buffers that the engine holds.
    fn allocated(&self) -> u64;

    /// Waits until all submitted work is done.
    fn wait(&mut self) -> Result<()>;
}

/// [`Engine::write`] for floats.
pub fn write_f32(engine: &mut dyn Engine, buffer: &str, values: &[f32]) -> Result<()> {
    engine.write(buffer, bytemuck::cast_slice(values))
}

/// [`Engine::read`] for floats.
pub fn read_f32(engine: &mut dyn Engine, buffer: &str, len: usize) -> Result<Vec<f32>> {
    Ok(engine.read(buffer, len)?.into_iter().map(f32::from_bits).collect())
}
