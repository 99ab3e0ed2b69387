//! `srnn devices`

use super::print;
use clap::Args;
use srnn::engine::device::auto_choice;
use srnn::engine::gpu::{Adapter, DEFAULT_MEMORY, adapter::INSTALL_ADVICE, adapters};
use srnn::{Error, Result};

/// List the adapters with their limits and features, and what auto takes
#[derive(Args)]
pub struct Devices {}

impl Devices {
    pub fn run(self) -> Result<()> {
        let found = adapters();
        let mut text: String = found.iter().enumerate().map(|(at, adapter)| describe(at, adapter)).collect();
        if found.is_empty() {
            text += &format!("{}: {INSTALL_ADVICE}\n", Error::NoAdapter);
        }
        text += &format!("cpu: the CPU engine, {} threads\n", rayon::current_num_threads());
        let (choice, reason) = auto_choice(&found);
        let name = choice.map_or("the CPU engine".to_string(), Adapter::title);
        print(&format!("{text}auto takes {name}: {reason}\n"))
    }
}

fn describe(at: usize, adapter: &Adapter) -> String {
    let limits = adapter.limits(DEFAULT_MEMORY);
    let software = if adapter.is_software() { ", software" } else { "" };
    let features = adapter.features();
    format!(
        "gpu:{at}: {} ({}{software})\n  driver: {}\n  limits: {} MiB a binding, {} KiB workgroup memory, {} \
         storage buffers\n  features: {}\n",
        adapter.title(),
        adapter.kind(),
        adapter.driver(),
        limits.binding >> 20,
        limits.workgroup_memory >> 10,
        limits.storage_buffers,
        if features.is_empty() { "none of use here".into() } else { features.join(", ") },
    )
}
