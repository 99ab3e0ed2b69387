//! Choosing a device and opening it.

use super::gpu::{self, Abilities, Adapter, Gpu};
use super::{Engine, cpu, cpu::Cpu};
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// A hardware GPU, otherwise the CPU engine; never a software adapter, which is slower than the CPU engine.
    #[default]
    Auto,
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
            _ => text
                .strip_prefix("gpu:")
                .and_then(|n| n.parse().ok())
                .map(Choice::Gpu)
                .ok_or_else(|| Error::NoDevice(format!("unknown device `{text}`: use auto, cpu, gpu or gpu:N"))),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Auto => write!(f, "auto"),
            Choice::Cpu => write!(f, "cpu"),
            Choice::Gpu(at) => write!(f, "gpu:{at}"),
        }
    }
}

/// A device that is open: an engine, which it is and why. Displayed, both in one line.
pub struct Device {
    pub engine: Box<dyn Engine>,
    /// `CPU engine, 2 threads`.
    pub name: String,
    /// `no GPU was found`.
    pub reason: String,
    /// Whether plans run on an adapter, not on the CPU engine.
    pub is_gpu: bool,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.reason)
    }
}

impl Device {
    /// A hardware GPU, otherwise the CPU.
    pub fn auto() -> Result<Device> {
        Device::open(Choice::Auto, None)
    }

    /// The CPU engine.
    pub fn cpu() -> Device {
        Device::cpu_because("as asked", None)
    }

    fn cpu_because(reason: &str, memory: Option<u64>) -> Device {
        let threads = rayon::current_num_threads();
        let engine = Box::new(Cpu::new(memory.unwrap_or(cpu::DEFAULT_MEMORY)));
        Device { engine, name: format!("CPU engine, {threads} threads"), reason: reason.into(), is_gpu: false }
    }

    fn gpu(adapter: &Adapter, reason: &str, memory: Option<u64>) -> Result<Device> {
        let engine = Box::new(Gpu::open(adapter, Abilities::All, memory.unwrap_or(gpu::DEFAULT_MEMORY))?);
        let software = if adapter.is_software() { ", a software adapter" } else { "" };
        Ok(Device { engine, name: format!("{}{software}", adapter.title()), reason: reason.into(), is_gpu: true })
    }

    /// Opens what was asked for. `memory` bounds the bytes of one step's buffers.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if there is no such device or it cannot be opened.
    pub fn open(choice: Choice, memory: Option<u64>) -> Result<Device> {
        match choice {
            Choice::Cpu => Ok(Device::cpu_because("as asked", memory)),
            Choice::Gpu(at) => Device::gpu(&gpu::adapter::adapter(at)?, "as asked", memory),
            Choice::Auto => match auto_choice(&gpu::adapters()) {
                (Some(adapter), reason) => Device::gpu(adapter, reason, memory).or_else(|error| {
                    log::warn!("{error}");
                    Ok(Device::cpu_because("the GPU could not be opened", memory))
                }),
                (None, reason) => Ok(Device::cpu_because(reason, memory)),
            },
        }
    }
}

/// What `auto` takes of these adapters (`None` is the CPU engine), and why.
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
