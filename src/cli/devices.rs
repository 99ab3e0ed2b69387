//! `srnn devices`

use super::print;
use crate::engine::device::auto_choice;
use crate::engine::gpu::{Adapter, DEFAULT_MEMORY, adapter::INSTALL_ADVICE, adapters};
use crate::plan::Limits;
use crate::{Error, Result};
use clap::Args;

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
    let Limits { binding, workgroup_memory, storage_buffers, .. } = adapter.limits(DEFAULT_MEMORY);
    let software = if adapter.is_software() { ", software" } else { "" };
    let (title, kind, driver) = (adapter.title(), adapter.kind(), adapter.driver());
    let (binding, workgroup_memory) = (binding >> 20, workgroup_memory >> 10);
    let limits =
        format!("{binding} MiB a binding, {workgroup_memory} KiB workgroup memory, {storage_buffers} storage buffers");
    let features = adapter.features().join(", ");
    let features = if features.is_empty() { "none of use here" } else { &features };
    format!("gpu:{at}: {title} ({kind}{software})\n  driver: {driver}\n  limits: {limits}\n  features: {features}\n")
}
