//! The adapters of this machine: which there are, which one to take, and what it can do.

use crate::error::{Error, Result};
use crate::plan::{Limits, MOST_BYTES, Tuning};
use wgpu::{Backend, DeviceType, DownlevelFlags};

/// One GPU (or software renderer) through one backend.
pub struct Adapter {
    pub(super) adapter: wgpu::Adapter,
    pub name: String,
    pub kind: DeviceType,
    pub backend: Backend,
    pub driver: String,
    pub limits: wgpu::Limits,
    pub features: wgpu::Features,
}

impl Adapter {
    /// Whether this adapter computes on the CPU. The CPU engine is several times faster than any of these, so they
    /// are taken only when asked for.
    pub fn is_software(&self) -> bool {
        let name = self.name.to_lowercase();
        self.kind == DeviceType::Cpu
            || ["llvmpipe", "softpipe", "swiftshader", "lavapipe"].iter().any(|s| name.contains(s))
    }

    /// Name and backend, for messages: `NVIDIA H100 (Vulkan)`.
    pub fn title(&self) -> String {
        format!("{} ({:?})", self.name, self.backend)
    }

    /// Better adapters first: hardware before software, discrete before integrated, native APIs before GL.
    fn rank(&self) -> (bool, u8, bool) {
        let kind = match self.kind {
            DeviceType::DiscreteGpu => 0,
            DeviceType::IntegratedGpu => 1,
            DeviceType::VirtualGpu => 2,
            _ => 3,
        };
        (self.is_software(), kind, self.backend == Backend::Gl)
    }
}

/// Invocations of the largest workgroup among the kernels: what every WebGPU device has, but not every GLES one.
pub const INVOCATIONS: u32 = 256;

/// All adapters that can run the compute shaders, the best first. `gpu:N` names them by their place in this list.
pub fn adapters() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.flags = wgpu::InstanceFlags::empty();
    let instance = wgpu::Instance::new(descriptor);
    let mut found: Vec<Adapter> = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
        .into_iter()
        .filter(|adapter| adapter.get_info().backend != Backend::Noop)
        .filter(|adapter| adapter.get_downlevel_capabilities().flags.contains(DownlevelFlags::COMPUTE_SHADERS))
        .filter(|adapter| adapter.limits().max_compute_invocations_per_workgroup >= INVOCATIONS)
        .map(|adapter| {
            let info = adapter.get_info();
            let (limits, features) = (adapter.limits(), adapter.features());
            let driver = format!("{} {}", info.driver, info.driver_info).trim().to_string();
            Adapter {
                adapter,
                name: info.name,
                kind: info.device_type,
                backend: info.backend,
                driver,
                limits,
                features,
            }
        })
        .collect();
    found.sort_by_key(Adapter::rank);
    found
}

/// What to do where no adapter is found.
pub const INSTALL_ADVICE: &str = "install a Vulkan driver (on Debian and Ubuntu: `apt install libvulkan1 mesa-vulkan-drivers`, \
     which also brings a software adapter; for NVIDIA the vendor's driver)";

/// The adapter at place `at` of [`adapters`].
///
/// # Errors
/// [`Error::NoAdapter`] if there is none, [`Error::NoDevice`] if there are not so many.
pub fn adapter(at: usize) -> Result<Adapter> {
    let mut found = adapters();
    if found.is_empty() {
        return Err(Error::NoAdapter);
    }
    if at >= found.len() {
        let names: Vec<String> = found.iter().enumerate().map(|(i, a)| format!("gpu:{i} is {}", a.title())).collect();
        return Err(Error::NoDevice(format!("there is no gpu:{at}: {}", names.join(", "))));
    }
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
