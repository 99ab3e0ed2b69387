//! The GPU engine: encodes a plan into one compute pass and one submit.

pub mod adapter;
mod pipelines;

pub use adapter::{Adapter, adapters};
pub use pipelines::CHECK_SHADERS;

use super::{Engine, cpu::no_buffer};
use crate::error::{Error, Result};
use crate::plan::{Limits, Plan, Role};
use pipelines::Pipelines;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// Default budget for the buffers of one step; WebGPU does not tell how much memory a device has.
pub const DEFAULT_MEMORY: u64 = 4 << 30;

/// Plans that may be submitted and not yet done.
const IN_FLIGHT: usize = 3;

/// Which of an adapter's abilities a device is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abilities {
    /// All limits that the adapter offers.
    All,
    /// WebGPU's default limits, to try what any device can run.
    WebGpuDefault,
}

/// Runs plans on one GPU.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    limits: Limits,
    pipelines: Pipelines,
    uniform_layout: wgpu::BindGroupLayout,
    buffers: HashMap<String, wgpu::Buffer>,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    /// The first error that the device reported outside a call; wgpu would otherwise abort the program.
    failure: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// Opens a device on an adapter. Plans may use `memory` bytes.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if the adapter gives no device.
    pub fn open(adapter: &Adapter, abilities: Abilities, memory: u64) -> Result<Gpu> {
        let title = adapter.title();
        let required_limits = match abilities {
            Abilities::All => adapter.limits.clone(),
            Abilities::WebGpuDefault => wgpu::Limits::default(),
        };
        let limits = adapter::plan_limits(title.clone(), &required_limits, memory);
        let descriptor = wgpu::DeviceDescriptor { label: Some("srnn"), required_limits, ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.adapter.request_device(&descriptor))
            .map_err(|error| Error::NoDevice(format!("{title} could not be opened: {error}")))?;
        let failure = Arc::new(Mutex::new(None));
        let first = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let advice = match error {
                wgpu::Error::OutOfMemory { .. } => ": use a smaller --memory, so that batches are split",
                _ => "",
            };
            report(&first, format!("{error}{advice}"));
        }));
        let first = failure.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the engine also counts as losing the device.
            if reason != wgpu::DeviceLostReason::Destroyed {
                report(&first, format!("the device was lost ({message}); open it again, or use --device cpu"));
            }
        });
        let uniform_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("parameters"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: true,
                    min_binding_size: None,
                },
                count: None,
            }],
        });
        let pipelines = Pipelines::new(uniform_layout.clone());
        let (buffers, in_flight) = (HashMap::new(), VecDeque::new());
        Ok(Gpu { device, queue, limits, pipelines, uniform_layout, buffers, in_flight, failure })
    }

    /// The first error that was reported, if any: what came after it is not to be trusted.
    fn check(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        match failure {
            Some(problem) => Err(Error::Device { device: self.limits.device.clone(), problem }),
            None => Ok(()),
        }
    }

    fn make_buffer(&self, name: &str, words: usize) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let size = 4 * words as u64;
        self.device.create_buffer(&wgpu::BufferDescriptor { label: Some(name), size, usage, mapped_at_creation: false })
    }

    fn prepare_buffers(&mut self, plan: &Plan) -> Result<()> {
        for spec in &plan.buffers {
            let needed = 4 * spec.len() as u64;
            match self.buffers.get(&spec.name) {
                Some(buffer) if buffer.size() >= needed => {}
                Some(_) if spec.role == Role::Persistent => {
                    return Err(no_buffer(&spec.name, "a persistent buffer cannot grow"));
                }
                _ => {
                    let buffer = self.make_buffer(&spec.name, spec.len());
                    self.buffers.insert(spec.name.clone(), buffer);
                }
            }
        }
        for (buffer, data) in &plan.uploads {
            self.queue.write_buffer(&self.buffers[&plan.buffers[buffer.0].name], 0, bytemuck::cast_slice(data));
        }
        Ok(())
    }

    /// The parameters of all dispatches in one uniform buffer, `stride` bytes apart.
    fn upload_parameters(&self, plan: &Plan, stride: usize) -> wgpu::BindGroup {
        let mut words = vec![0u32; plan.dispatches.len().max(1) * stride / 4];
        for (own, dispatch) in words.chunks_mut(stride / 4).zip(&plan.dispatches) {
            own[..dispatch.parameters.len()].copy_from_slice(&dispatch.parameters);
        }
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let size = 4 * words.len() as u64;
        let label = Some("parameters");
        let buffer =
            self.device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false });
        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&words));
        let size = std::num::NonZeroU64::new(stride as u64);
        let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: &buffer, offset: 0, size });
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label,
            layout: &self.uniform_layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource }],
        })
    }

    fn poll(&self, poll: wgpu::PollType) -> Result<()> {
        self.device
            .poll(poll)
            .map_err(|error| Error::Device { device: self.limits.device.clone(), problem: error.to_string() })?;
        self.check()
    }
}

fn report(failure: &Mutex<Option<String>>, problem: String) {
    log::debug!("device error: {problem}");
    failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(problem);
}

/// Bytes from one dispatch's parameters to the next: the largest offset alignment that WebGPU allows.
const PARAMETER_STRIDE: usize = 256;

impl Engine for Gpu {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn run(&mut self, plan: &Plan) -> Result<()> {
        plan.check(&self.limits)?;
        self.check()?;
        self.prepare_buffers(plan)?;
        let parameters = self.upload_parameters(plan, PARAMETER_STRIDE);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("plan") });
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for (at, dispatch) in plan.dispatches.iter().enumerate() {
                let pipeline = self.pipelines.get(&self.device, dispatch.kernel, &dispatch.constants);
                let entries: Vec<wgpu::BindGroupEntry> = dispatch
                    .bindings
                    .iter()
                    .zip(0..)
                    .map(|(view, binding)| {
                        let buffer = &self.buffers[&plan.buffers[view.buffer.0].name];
                        let (offset, size) = (4 * view.offset as u64, std::num::NonZeroU64::new(4 * view.len as u64));
                        let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size });
                        wgpu::BindGroupEntry { binding, resource }
                    })
                    .collect();
                let bindings = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(dispatch.kernel.name),
                    layout: &pipeline.bindings,
                    entries: &entries,
                });
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, &bindings, &[]);
                pass.set_bind_group(1, &parameters, &[(at * PARAMETER_STRIDE) as u32]);
                let [x, y, z] = dispatch.workgroups;
                pass.dispatch_workgroups(x, y, z);
            }
        }
        self.in_flight.push_back(self.queue.submit([encoder.finish()]));
        if self.in_flight.len() > IN_FLIGHT {
            let submission_index = self.in_flight.pop_front();
            self.poll(wgpu::PollType::Wait { submission_index, timeout: None })?;
        }
        self.check()
    }

    fn write(&mut self, buffer: &str, words: &[u32]) -> Result<()> {
        let fits = |b: &wgpu::Buffer| b.size() == 4 * words.len() as u64;
        if !self.buffers.get(buffer).is_some_and(fits) {
            let made = self.make_buffer(buffer, words.len().max(1));
            self.buffers.insert(buffer.into(), made);
        }
        self.queue.write_buffer(&self.buffers[buffer], 0, bytemuck::cast_slice(words));
        self.check()
    }

    fn read(&mut self, buffer: &str, len: usize) -> Result<Vec<u32>> {
        let size = 4 * len as u64;
        let source = self.buffers.get(buffer).ok_or_else(|| no_buffer(buffer, "no such buffer"))?;
        if source.size() < size {
            return Err(no_buffer(buffer, &format!("{len} elements asked of {}", source.size() / 4)));
        }
        if len == 0 {
            return Ok(Vec::new());
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let label = Some("read-back");
        let staging =
            self.device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        encoder.copy_buffer_to_buffer(source, 0, &staging, 0, size);
        self.queue.submit([encoder.finish()]);
        let mapped = Arc::new(Mutex::new(None));
        let result = mapped.clone();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |outcome| {
            *result.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(outcome);
        });
        self.wait()?;
        let problem = |problem: String| Error::Device { device: self.limits.device.clone(), problem };
        match mapped.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take() {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(problem(format!("reading `{buffer}` back failed: {error}"))),
            None => return Err(problem(format!("reading `{buffer}` back did not end"))),
        }
        let view = staging
            .get_mapped_range(..)
            .map_err(|error| problem(format!("reading `{buffer}` back failed: {error}")))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }

    fn wait(&mut self) -> Result<()> {
        self.in_flight.clear();
        self.poll(wgpu::PollType::wait_indefinitely())
    }
}
