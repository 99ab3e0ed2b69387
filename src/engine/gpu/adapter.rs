//! The adapters of this machine: which there are, which one to take, and what it can do.

use crate::engine::block_on;
use crate::error::{Error, Result, ensure};
use crate::kernel::recurrence::MOST_THREADS;
use crate::plan::{Limits, MOST_BYTES, Tuning};
use wgpu::{Backend, DeviceType, DownlevelFlags, Features};

/// One GPU (or software renderer) through one backend.
pub struct Adapter {
    pub(super) handle: wgpu::Adapter,
    pub(super) info: wgpu::AdapterInfo,
}

impl Adapter {
    /// Whether this adapter computes on the CPU. The CPU engine is several times faster than any of these, so they
    /// are taken only when asked for.
    pub fn is_software(&self) -> bool {
        is_software(&self.info)
    }

    /// Name and backend, for messages: `NVIDIA H100 (Vulkan)`.
    pub fn title(&self) -> String {
        title(&self.info)
    }

    /// What it is: `DiscreteGpu`.
    pub fn kind(&self) -> String {
        format!("{:?}", self.info.device_type)
    }

    /// The driver and its version, as far as they are known.
    pub fn driver(&self) -> String {
        driver(&self.info)
    }

    /// The most that plans may ask of it with `memory` bytes.
    pub fn limits(&self, memory: u64) -> Limits {
        plan_limits(self.title(), &self.handle.limits(), memory, super::tuning::of(&self.info))
    }

    /// Its features that kernels could use: `timestamp_query`.
    pub fn features(&self) -> Vec<String> {
        let of_use = Features::TIMESTAMP_QUERY | Features::SUBGROUP | Features::SHADER_F16;
        (self.handle.features() & of_use).iter_names().map(|(name, _)| name.to_lowercase()).collect()
    }

    /// Better adapters first: hardware before software, discrete before integrated, native APIs before GL.
    fn rank(&self) -> (bool, u8, bool) {
        let kind = match self.info.device_type {
            DeviceType::DiscreteGpu => 0,
            DeviceType::IntegratedGpu => 1,
            DeviceType::VirtualGpu => 2,
            _ => 3,
        };
        (self.is_software(), kind, self.info.backend == Backend::Gl)
    }
}

pub(super) fn is_software(info: &wgpu::AdapterInfo) -> bool {
    let name = info.name.to_lowercase();
    info.device_type == DeviceType::Cpu
        // The last is the name of Windows' own, WARP.
        || ["llvmpipe", "softpipe", "swiftshader", "lavapipe", "basic render"].iter().any(|s| name.contains(s))
        || info.backend == Backend::Dx12 && under_wine()
}

/// Whether Windows is Wine, which gives its DX12 the name and kind of a GPU of its choice, whatever is below. What there is
/// in truth is seen by Vulkan, which it hands through.
fn under_wine() -> bool {
    let own = |root| std::path::Path::new(&root).join("system32").join("wineboot.exe").is_file();
    cfg!(windows) && std::env::var_os("SystemRoot").is_some_and(own)
}

pub(super) fn title(info: &wgpu::AdapterInfo) -> String {
    format!("{} ({:?})", info.name, info.backend)
}

pub(super) fn driver(info: &wgpu::AdapterInfo) -> String {
    format!("{} {}", info.driver, info.driver_info).trim().to_string()
}

/// Invocations of the largest workgroup among the kernels: what every WebGPU device has, but not every GLES one.
pub const INVOCATIONS: u32 = MOST_THREADS as u32;

/// [`adapters_async`], waited for. On the web there are none, as nothing can be waited for.
pub fn adapters() -> Vec<Adapter> {
    block_on(async { Ok(adapters_async().await) }).unwrap_or_default()
}

/// All adapters that can run the compute shaders, the best first. `gpu:N` names them by their place in this list.
pub async fn adapters_async() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.flags = wgpu::InstanceFlags::empty();
    let instance = wgpu::Instance::new(descriptor);
    let mut found: Vec<Adapter> = instance
        .enumerate_adapters(wgpu::Backends::all())
        .await
        .into_iter()
        .filter(|adapter| adapter.get_info().backend != Backend::Noop)
        .filter(|adapter| adapter.get_downlevel_capabilities().flags.contains(DownlevelFlags::COMPUTE_SHADERS))
        .filter(|adapter| adapter.limits().max_compute_invocations_per_workgroup >= INVOCATIONS)
        .map(|handle| Adapter { info: handle.get_info(), handle })
        .collect();
    found.sort_by_key(Adapter::rank);
    found
}

/// What to do where no adapter is found.
pub const INSTALL_ADVICE: &str = "install a Vulkan driver (on Debian and Ubuntu: `apt install libvulkan1 mesa-vulkan-drivers`, \
     which also brings a software adapter; for NVIDIA the vendor's driver)";

/// [`adapter_async`], waited for.
///
/// # Errors
/// Those of [`adapter_async`] and [`block_on`].
pub fn adapter(at: usize) -> Result<Adapter> {
    block_on(adapter_async(at))
}

/// The adapter at place `at` of [`adapters`].
///
/// # Errors
/// [`Error::NoAdapter`] if there is none, [`Error::NoDevice`] if there are not so many.
pub async fn adapter_async(at: usize) -> Result<Adapter> {
    let mut found = adapters_async().await;
    ensure!(!found.is_empty(), Error::NoAdapter);
    let names =
        found.iter().enumerate().map(|(i, a)| format!("gpu:{i} is {}", a.title())).collect::<Vec<_>>().join(", ");
    ensure!(at < found.len(), Error::NoDevice(format!("there is no gpu:{at}: {names}")));
    Ok(found.swap_remove(at))
}

/// The limits that a plan is checked against.
pub(super) fn plan_limits(device: String, limits: &wgpu::Limits, memory: u64, tuning: Tuning) -> Limits {
    Limits {
        device,
        binding: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(MOST_BYTES),
        workgroup_memory: limits.max_compute_workgroup_storage_size,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        workgroups: limits.max_compute_workgroups_per_dimension,
        memory,
        tuning,
        ..Limits::webgpu_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::AdapterInfo;

    #[test]
    fn software_by_kind_or_name() {
        let named = |kind, name: &str| AdapterInfo { name: name.into(), ..AdapterInfo::new(kind, Backend::Dx12) };
        for (kind, name) in [
            (DeviceType::Cpu, "anything"),
            (DeviceType::IntegratedGpu, "Microsoft Basic Render Driver"),
            (DeviceType::VirtualGpu, "llvmpipe (LLVM 15.0.6, 256 bits)"),
            (DeviceType::Other, "SwiftShader Device (Subzero)"),
        ] {
            assert!(is_software(&named(kind, name)), "{name}");
        }
        assert!(!is_software(&named(DeviceType::IntegratedGpu, "Intel(R) Iris(R) Xe Graphics")));
    }
}
