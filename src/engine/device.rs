//! Choosing a device and opening it.

#[cfg(feature = "gpu")]
use super::gpu::{self, Abilities, Adapter, Gpu};
use super::{Engine, block_on, cpu, cpu::Cpu};
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;
use web_time::Duration;

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// A hardware GPU, otherwise the CPU engine; never a software adapter, which is slower than the CPU engine.
    #[default]
    Auto,
    /// The CPU engine, which every machine has.
    Cpu,
    /// The adapter at this place of the list, 0 being the best; a software adapter too.
    Gpu(usize),
}

impl FromStr for Choice {
    type Err = Error;

    /// Reads `auto`, `cpu`, `gpu` or `gpu:N`.
    fn from_str(text: &str) -> Result<Choice> {
        match text {
            "auto" => Ok(Choice::Auto),
            "cpu" => Ok(Choice::Cpu),
            "gpu" => Ok(Choice::Gpu(0)),
            _ => {
                let unknown = || Error::NoDevice(format!("unknown device `{text}`: use auto, cpu, gpu or gpu:N"));
                text.strip_prefix("gpu:").and_then(|at| at.parse().ok()).map(Choice::Gpu).ok_or_else(unknown)
            }
        }
    }
}

/// Which device to open, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Which one.
    pub choice: Choice,
    /// Bytes that the buffers of one step may take; `None` for what the engine takes by itself.
    pub memory: Option<u64>,
    /// How long submitted work may take before a GPU counts as lost; `None` for two minutes.
    pub timeout: Option<Duration>,
}

impl From<Choice> for Opening {
    fn from(choice: Choice) -> Opening {
        Opening { choice, ..Opening::default() }
    }
}

impl Opening {
    /// Opens it.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn open(self) -> Result<Device> {
        let mut device = Device::open(self.choice, self.memory)?;
        if let Some(timeout) = self.timeout {
            device.engine.set_timeout(timeout);
        }
        Ok(device)
    }
}

/// A device that is open: an engine, which it is and why. Displayed, both in one line.
pub struct Device {
    /// Runs the plans.
    pub engine: Box<dyn Engine>,
    /// What it is: `CPU engine, 2 threads`.
    pub name: String,
    /// Why this one was taken: `no GPU was found`.
    pub reason: String,
    /// Whether plans run on this crate's CPU engine.
    pub is_cpu: bool,
    /// Whether a training into a directory first compares the kernels of its network with those of the CPU engine.
    pub self_check: bool,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.reason)
    }
}

impl Device {
    /// A device with an engine of one's own; `name` and `reason` are what it shows.
    pub fn new(engine: impl Engine + 'static, name: impl Into<String>, reason: impl Into<String>) -> Device {
        Device { engine: Box::new(engine), name: name.into(), reason: reason.into(), is_cpu: false, self_check: true }
    }

    /// A hardware GPU, otherwise the CPU.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn auto() -> Result<Device> {
        Device::open(Choice::Auto, None)
    }

    /// The CPU engine.
    pub fn cpu() -> Device {
        Device::cpu_because("as asked", None)
    }

    fn cpu_because(reason: &str, memory: Option<u64>) -> Device {
        let threads = rayon::current_num_threads();
        let engine = Cpu::new(memory.unwrap_or(cpu::DEFAULT_MEMORY));
        Device {
            is_cpu: true,
            self_check: false,
            ..Device::new(engine, format!("CPU engine, {threads} threads"), reason)
        }
    }

    /// [`Device::open_async`], waited for.
    ///
    /// # Errors
    /// Those of [`Device::open_async`] and [`block_on`].
    pub fn open(choice: Choice, memory: Option<u64>) -> Result<Device> {
        block_on(Device::open_async(choice, memory))
    }

    /// Opens what was asked for. `memory` bounds the bytes of one step's buffers.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if there is no such device or it cannot be opened.
    pub async fn open_async(choice: Choice, memory: Option<u64>) -> Result<Device> {
        match choice {
            Choice::Cpu => Ok(Device::cpu_because("as asked", memory)),
            #[cfg(feature = "gpu")]
            Choice::Gpu(at) => Device::on(&gpu::adapter::adapter_async(at).await?, "as asked", memory).await,
            #[cfg(feature = "gpu")]
            Choice::Auto => {
                let adapters = gpu::adapters_async().await;
                let (adapter, reason) = auto_choice(&adapters);
                let Some(adapter) = adapter else { return Ok(Device::cpu_because(reason, memory)) };
                Ok(Device::on(adapter, reason, memory).await.unwrap_or_else(|error| {
                    log::warn!("{error}");
                    Device::cpu_because("the GPU could not be opened", memory)
                }))
            }
            #[cfg(not(feature = "gpu"))]
            Choice::Gpu(_) => Err(Error::NoDevice("srnn was built without its feature `gpu`".into())),
            #[cfg(not(feature = "gpu"))]
            Choice::Auto => Ok(Device::cpu_because("built without the feature `gpu`", memory)),
        }
    }

    #[cfg(feature = "gpu")]
    async fn on(adapter: &Adapter, reason: &str, memory: Option<u64>) -> Result<Device> {
        let engine = Gpu::open_async(adapter, Abilities::All, memory.unwrap_or(gpu::DEFAULT_MEMORY)).await?;
        let software = if adapter.is_software() { ", a software adapter" } else { "" };
        Ok(Device::new(engine, format!("{}{software}", adapter.title()), reason))
    }
}

/// What `auto` takes of these adapters (`None` is the CPU engine), and why.
#[cfg(feature = "gpu")]
pub fn auto_choice(adapters: &[Adapter]) -> (Option<&Adapter>, &'static str) {
    match adapters.first() {
        Some(best) if !best.is_software() => (Some(best), "the best hardware GPU"),
        Some(_) => (None, "no hardware GPU was found; the software adapter is slower than the CPU engine"),
        None => (None, "no GPU was found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, choice) in
            [("auto", Choice::Auto), ("cpu", Choice::Cpu), ("gpu", Choice::Gpu(0)), ("gpu:2", Choice::Gpu(2))]
        {
            assert_eq!(text.parse::<Choice>().unwrap(), choice);
        }
        for text in ["", "GPU", "gpu:", "gpu:x", "cuda", "gpu:-1"] {
            assert!(text.parse::<Choice>().is_err(), "`{text}`");
        }
    }
}
