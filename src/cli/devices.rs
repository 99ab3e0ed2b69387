//! `srnn devices`

use super::print;
use clap::Args;
use srnn::engine::device::auto_choice;
use srnn::engine::gpu::{Adapter, adapter::INSTALL_ADVICE, adapters};
use srnn::{Error, Result};
use std::process::ExitCode;

/// List the adapters with their limits and features, and what auto takes
#[derive(Args)]
pub struct Devices {}

impl Devices {
    pub fn run(self) -> Result<ExitCode> {
        let found = adapters();
        let mut text = String::new();
        for (at, adapter) in found.iter().enumerate() {
            text += &describe(at, adapter);
        }
        if found.is_empty() {
            text += &format!("{}: {INSTALL_ADVICE}\n", Error::NoAdapter);
        }
        text += &format!("cpu: the CPU engine, {} threads\n", rayon::current_num_threads());
        let (choice, reason) = auto_choice(&found);
        let name = choice.map_or("the CPU engine".to_string(), Adapter::title);
        print(&format!("{text}auto takes {name}: {reason}\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn describe(at: usize, adapter: &Adapter) -> String {
    let limits = &adapter.limits;
    let software = if adapter.is_software() { ", software" } else { "" };
    let of_use = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16;
    let features: Vec<String> = (adapter.features & of_use).iter_names().map(|(name, _)| name.to_lowercase()).collect();
    format!(
        "gpu:{at}: {} ({:?}{software})\n  driver: {}\n  limits: {} MiB a binding, {} MiB a buffer, {} KiB workgroup \
         memory, {} invocations, {} storage buffers\n  features: {}\n",
        adapter.title(),
        adapter.kind,
        adapter.driver,
        limits.max_storage_buffer_binding_size >> 20,
        limits.max_buffer_size >> 20,
        limits.max_compute_workgroup_storage_size >> 10,
        limits.max_compute_invocations_per_workgroup,
        limits.max_storage_buffers_per_shader_stage,
        if features.is_empty() { "none of use here".into() } else { features.join(", ") },
    )
}
