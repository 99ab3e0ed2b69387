//! The buffers of a device, by name, and the bind groups over them. Both stay from plan to plan: once the largest batch
//! and a small one were seen, a step makes none.

use super::Made;
use super::failure::Failure;
use crate::engine::cpu::buffer_error;
use crate::error::Result;
use crate::plan::{BufferName, BufferSpec, Dispatch, Limits, Plan, Role, View};
use std::collections::HashMap;
use std::num::NonZeroU64;

/// A kernel, and where each of its bindings begins.
type Bound = (&'static str, Vec<(wgpu::Buffer, u64)>);

/// Buffers by name, bind groups by what they bind, and the parameters of a plan's dispatches.
pub(super) struct Buffers {
    device: wgpu::Device,
    queue: wgpu::Queue,
    failure: Failure,
    named: HashMap<BufferName, Named>,
    bound: HashMap<Bound, wgpu::BindGroup>,
    parameters: Option<(wgpu::Buffer, wgpu::BindGroup)>,
    /// The layout of the parameters.
    pub uniform: wgpu::BindGroupLayout,
    pub made: Made,
    /// Bytes that the device is said to have: for tests of one that has no more.
    pub pretended: u64,
}

/// A buffer, and whether it holds what no plan can make anew.
struct Named {
    buffer: wgpu::Buffer,
    stays: bool,
}

/// Bytes from one dispatch's parameters to the next: the largest offset alignment that WebGPU allows.
pub(super) const PARAMETER_STRIDE: usize = 256;

impl Buffers {
    pub fn new(device: wgpu::Device, queue: wgpu::Queue, failure: Failure) -> Buffers {
        let uniform = layout(&device, "parameters", [wgpu::BufferBindingType::Uniform]);
        let (named, bound, made) = (HashMap::new(), HashMap::new(), Made::default());
        Buffers { device, queue, failure, named, bound, parameters: None, uniform, made, pretended: u64::MAX }
    }

    /// A buffer by its name.
    pub fn get(&self, name: BufferName) -> Option<&wgpu::Buffer> {
        self.named.get(&name).map(|named| &named.buffer)
    }

    /// Bytes of all buffers but that of the parameters.
    pub fn bytes(&self) -> u64 {
        self.named.values().map(|named| named.buffer.size()).sum()
    }

    /// Sets the first words of a buffer, which is made anew if it is too short.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and what else the device reports.
    pub fn write(&mut self, name: BufferName, words: &[u32]) -> Result<()> {
        if self.get(name).is_none_or(|buffer| buffer.size() < 4 * words.len() as u64) {
            self.make(name, 4 * words.len().max(1) as u64, true)?;
        }
        self.queue.write_buffer(&self.named[&name].buffer, 0, bytemuck::cast_slice(words));
        Ok(())
    }

    /// Gives back what plans make anew.
    pub fn release(&mut self) {
        self.named.retain(|_, named| named.stays);
        self.bound.clear();
        self.parameters = None;
    }

    /// Makes or grows the buffers of a plan, and uploads its inputs.
    ///
    /// # Errors
    /// [`Error::Plan`](crate::Error::Plan) for a persistent buffer that is longer than it was,
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and what else the device reports.
    pub fn prepare(&mut self, plan: &Plan, limits: &Limits) -> Result<()> {
        for spec in &plan.buffers {
            match self.get(spec.name) {
                Some(buffer) if buffer.size() >= 4 * spec.len() as u64 => {}
                Some(_) if spec.role == Role::Persistent => {
                    return Err(buffer_error(spec.name, "a persistent buffer cannot grow"));
                }
                _ => self.make(spec.name, capacity(spec, plan, limits), spec.role == Role::Persistent)?,
            }
        }
        for (buffer, data) in &plan.uploads {
            self.queue.write_buffer(&self.named[&plan.buffers[buffer.0].name].buffer, 0, bytemuck::cast_slice(data));
        }
        Ok(())
    }

    /// A buffer of `size` bytes, all 0, in the place of the one of this name.
    fn make(&mut self, name: BufferName, size: u64, stays: bool) -> Result<()> {
        if self.bytes() + size > self.pretended {
            self.failure.report_no_memory(name.holds);
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = new_buffer(&self.device, name.holds, size, usage);
        // A buffer that could not be made is none.
        self.failure.check()?;
        self.made.buffers += 1;
        if let Some(old) = self.named.insert(name, Named { buffer, stays }) {
            self.bound.retain(|(_, views), _| views.iter().all(|(buffer, _)| *buffer != old.buffer));
        }
        Ok(())
    }

    /// The bind group of a dispatch. Each view is bound from where it begins to the end of its buffer, so that batches of
    /// other lengths find the same group: shaders know their sizes from parameters and never ask for an array's length.
    pub fn bind(
        &mut self,
        plan: &Plan,
        dispatch: &Dispatch,
        layout: &wgpu::BindGroupLayout,
        limits: &Limits,
    ) -> wgpu::BindGroup {
        let place =
            |view: &View| (self.named[&plan.buffers[view.buffer.0].name].buffer.clone(), 4 * view.offset as u64);
        let key: Bound = (dispatch.kernel.name, dispatch.bindings.iter().map(place).collect());
        if let Some(group) = self.bound.get(&key) {
            return group.clone();
        }
        let entries: Vec<wgpu::BindGroupEntry> = (0..)
            .zip(&key.1)
            .map(|(binding, (buffer, offset))| {
                let size = NonZeroU64::new((buffer.size() - offset).min(limits.binding));
                let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: *offset, size });
                wgpu::BindGroupEntry { binding, resource }
            })
            .collect();
        let label = Some(dispatch.kernel.name);
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout, entries: &entries });
        self.made.bind_groups += 1;
        self.bound.insert(key, group.clone());
        group
    }

    /// The parameters of all dispatches of a plan, [`PARAMETER_STRIDE`] bytes apart.
    ///
    /// One buffer does for all plans, those in flight included: `write_buffer` copies the words at once, and the queue
    /// moves them into the buffer before the next submit's commands and after those of all submits before.
    pub fn parameters(&mut self, plan: &Plan) -> wgpu::BindGroup {
        let mut words = vec![0u32; plan.dispatches.len().max(1) * PARAMETER_STRIDE / 4];
        for (own, dispatch) in words.chunks_mut(PARAMETER_STRIDE / 4).zip(&plan.dispatches) {
            own[..dispatch.parameters.len()].copy_from_slice(&dispatch.parameters);
        }
        let size = 4 * words.len() as u64;
        let (buffer, group) = match self.parameters.take() {
            Some(made) if made.0.size() >= size => made,
            _ => self.make_parameters(size.next_power_of_two()),
        };
        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&words));
        self.parameters = Some((buffer, group.clone()));
        group
    }

    fn make_parameters(&mut self, size: u64) -> (wgpu::Buffer, wgpu::BindGroup) {
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let buffer = new_buffer(&self.device, "parameters", size, usage);
        let size = NonZeroU64::new(PARAMETER_STRIDE as u64);
        let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: &buffer, offset: 0, size });
        let (label, layout) = (Some("parameters"), &self.uniform);
        let entries = &[wgpu::BindGroupEntry { binding: 0, resource }];
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout, entries });
        self.made.buffers += 1;
        self.made.bind_groups += 1;
        (buffer, group)
    }
}

/// A buffer of `size` bytes, all 0.
pub(super) fn new_buffer(device: &wgpu::Device, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let label = Some(label);
    device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
}

/// The layout of a group of bindings, of which uniforms are bound where a dispatch's own begins.
pub(super) fn layout(
    device: &wgpu::Device,
    label: &str,
    kinds: impl IntoIterator<Item = wgpu::BufferBindingType>,
) -> wgpu::BindGroupLayout {
    let entry = |(binding, kind)| {
        let has_dynamic_offset = kind == wgpu::BufferBindingType::Uniform;
        let ty = wgpu::BindingType::Buffer { ty: kind, has_dynamic_offset, min_binding_size: None };
        wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None }
    };
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..).zip(kinds).map(entry).collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries })
}

/// Bytes for a buffer of a plan. What changes from batch to batch gets up to an eighth more than it needs, so that a
/// slightly larger batch still fits; all of a plan's buffers together stay within the memory that plans may use.
fn capacity(spec: &BufferSpec, plan: &Plan, limits: &Limits) -> u64 {
    let needed = 4 * spec.len() as u64;
    let tight = plan.memory() + plan.memory() / 8 > limits.memory;
    if spec.role == Role::Persistent || tight {
        return needed;
    }
    let eighth: u64 = (1 << needed.ilog2()) / 8;
    needed.next_multiple_of(eighth.max(4)).min(limits.binding).max(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_that_grow_get_at_most_an_eighth_more() {
        let limits = Limits { memory: 1 << 20, binding: 1 << 18, ..Limits::webgpu_default() };
        let of = |len: usize, role| {
            let mut plan = Plan::default();
            plan.scratch("a", &[len]);
            capacity(&BufferSpec { role, ..plan.buffers[0].clone() }, &plan, &limits)
        };
        for len in (1..70_000).chain([230_000, 240_000, 262_143]) {
            let (needed, made) = (4 * len as u64, of(len, Role::Scratch));
            assert!(made >= needed && made % 4 == 0 && 8 * made <= 9 * needed, "{len}: {made}");
            assert!(made <= needed.max(limits.binding));
            assert_eq!(of(len, Role::Persistent), needed);
        }
        assert_eq!(of(9000, Role::Input), of(8500, Role::Input));
        // As much as plans may use.
        assert_eq!(of(240_000, Role::Scratch), 960_000);
    }
}
