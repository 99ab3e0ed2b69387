//! The one door to wgpu: its handles, for programs that share a device with this crate. What goes through here follows
//! wgpu's versions, and nothing else of the crate does.

use super::{Adapter, Gpu, adapter, tuning};
use crate::plan::BufferName;
pub use wgpu;

impl Gpu {
    /// An engine on a device that is open already. Plans may use `memory` bytes. The engine listens to the device's
    /// errors from now on, in place of whoever did.
    pub fn on(device: wgpu::Device, queue: wgpu::Queue, memory: u64) -> Gpu {
        let info = device.adapter_info();
        let tuning = tuning::of(&info);
        let limits = adapter::plan_limits(adapter::title(&info), &device.limits(), memory, tuning);
        Gpu::start(device, queue, &info, limits)
    }
}

/// An adapter's handle.
pub fn adapter(adapter: &Adapter) -> &wgpu::Adapter {
    &adapter.handle
}

/// The device of an engine, and its queue.
pub fn device(gpu: &Gpu) -> (&wgpu::Device, &wgpu::Queue) {
    (&gpu.device, &gpu.queue)
}

/// A buffer of an engine, until a plan or [`write`](crate::engine::Engine::write) needs a longer one.
pub fn buffer(gpu: &Gpu, name: BufferName) -> Option<&wgpu::Buffer> {
    gpu.buffers.get(name)
}

/// Lets an engine have no more than so many bytes for its buffers, as if its device had no more: to try what happens then.
pub fn pretend_memory(gpu: &mut Gpu, bytes: u64) {
    gpu.buffers.pretended = bytes;
}
