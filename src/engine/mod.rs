//! Engines run plans: on a GPU through wgpu, or on the CPU through the kernels' twins.

pub mod cpu;
pub mod device;
#[cfg(feature = "gpu")]
pub mod gpu;
mod pending;
mod words;

pub use device::{Choice, Device, Opening};
pub use pending::{MaybeSend, Pending, block_on, ready};

use crate::error::{Error, Result};
use crate::plan::{BufferName, Checked, Limits};
use web_time::{Duration, Instant};

/// When one dispatch of a plan ran, in seconds from the start of the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timespan {
    /// When its work began.
    pub begin: f64,
    /// When its work was done.
    pub end: f64,
}

/// Elements of a buffer on their way.
pub type Reading = Pending<Vec<u32>>;

/// Runs plans and keeps their buffers, by name, from one plan to the next.
pub trait Engine: MaybeSend {
    /// What the device can do, and its name.
    fn limits(&self) -> &Limits;

    /// Uploads the inputs of a plan, which was checked against this engine's limits or narrower ones, and runs its
    /// dispatches in order. On a GPU the call returns when the work is submitted.
    ///
    /// # Errors
    /// [`Error::Plan`] for a plan that does not fit the engine's buffers, [`Error::Device`] when the device fails.
    fn run(&mut self, plan: &Checked) -> Result<()>;

    /// Runs a plan as [`Engine::run`] and tells when each dispatch ran. On a GPU every dispatch gets a pass of its own,
    /// so that the whole takes longer than a plain run.
    ///
    /// # Errors
    /// [`Error::Missing`] if the device cannot tell the time, and those of [`Engine::run`].
    fn begin_timed(&mut self, plan: &Checked) -> Result<Pending<Vec<Timespan>>>;

    /// [`Engine::begin_timed`], and its end.
    ///
    /// # Errors
    /// Those of [`Engine::begin_timed`] and [`block_on`].
    fn run_timed(&mut self, plan: &Checked) -> Result<Vec<Timespan>> {
        block_on(self.begin_timed(plan)?)
    }

    /// Sets the first words of a buffer, which is made if it is not there or shorter.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails.
    fn write(&mut self, buffer: BufferName, words: &[u32]) -> Result<()>;

    /// Asks for the first `len` elements of a buffer as all work submitted so far leaves them; what is submitted or
    /// written later does not change them. The device works on meanwhile.
    ///
    /// # Errors
    /// [`Error::Plan`] if there is no such buffer or it is shorter; of this call and of the reading's,
    /// [`Error::Device`] when the device fails.
    fn begin_read(&mut self, buffer: BufferName, len: usize) -> Result<Reading>;

    /// [`Engine::begin_read`], and its end.
    ///
    /// # Errors
    /// Those of [`Engine::begin_read`] and [`block_on`].
    fn read(&mut self, buffer: BufferName, len: usize) -> Result<Vec<u32>> {
        block_on(self.begin_read(buffer, len)?)
    }

    /// How long submitted work may take before the device counts as lost, where an engine can tell.
    fn set_timeout(&mut self, _timeout: Duration) {}

    /// Takes bytes that the caller holds in the machine's memory from what plans may use, where that is the same memory.
    fn hold(&mut self, _bytes: u64) {}

    /// After [`Error::OutOfMemory`] for a plan of `needed` bytes: lets plans use half of them, and gives back what plans make
    /// anew. `false` if the engine cannot.
    fn make_room(&mut self, _needed: u64) -> bool {
        false
    }

    /// Bytes of all buffers that plans and [`Engine::write`] made.
    fn allocated(&self) -> u64;

    /// Ends when all work submitted so far is done, with [`Error::Device`] if the device has failed.
    fn done(&mut self) -> Pending<()>;

    /// Waits until all submitted work is done.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails, and those of [`block_on`].
    fn wait(&mut self) -> Result<()> {
        block_on(self.done())
    }
}

/// The least seconds of a plan's dispatches in `repeats` runs after one that does not count: by the device's clock or,
/// where it has none, by the host's.
///
/// # Errors
/// Those of [`Engine::run`].
pub fn fastest(engine: &mut dyn Engine, plan: &Checked, repeats: usize) -> Result<f64> {
    engine.run(plan)?;
    engine.wait()?;
    let mut least = f64::INFINITY;
    for _ in 0..repeats {
        let seconds = match engine.run_timed(plan) {
            Ok(times) => times.iter().map(|time| time.end - time.begin).sum(),
            Err(Error::Missing { .. }) => {
                let start = Instant::now();
                engine.run(plan)?;
                engine.wait()?;
                start.elapsed().as_secs_f64()
            }
            Err(error) => return Err(error),
        };
        // A coarse clock may say 0.
        least = least.min(seconds.max(1e-9));
    }
    Ok(least)
}

/// [`Engine::write`] for floats.
///
/// # Errors
/// Those of [`Engine::write`].
pub fn write_f32(engine: &mut dyn Engine, buffer: BufferName, values: &[f32]) -> Result<()> {
    engine.write(buffer, bytemuck::cast_slice(values))
}

/// [`Engine::read`] for floats.
///
/// # Errors
/// Those of [`Engine::read`].
pub fn read_f32(engine: &mut dyn Engine, buffer: BufferName, len: usize) -> Result<Vec<f32>> {
    Ok(engine.read(buffer, len)?.into_iter().map(f32::from_bits).collect())
}
