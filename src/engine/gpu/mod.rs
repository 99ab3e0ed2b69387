//! The GPU engine: encodes a plan into one compute pass and one submit.

pub mod adapter;
mod pipelines;
mod timestamps;

pub use adapter::{Adapter, adapters};
pub use pipelines::CHECK_SHADERS;

use super::{Engine, Timespan, cpu::no_buffer};
use crate::error::{Error, Result};
use crate::plan::{Dispatch, Limits, Plan, Role};
use pipelines::Pipelines;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use timestamps::Timestamps;

/// Default budget for the buffers of one step; WebGPU does not tell how much memory a device has.
pub const DEFAULT_MEMORY: u64 = 4 << 30;

/// Plans that may be submitted and not yet done.
const IN_FLIGHT: usize = 3;

/// Which of an adapter's abilities a device is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abilities {
    /// All limits that the adapter offers, and the features that are of use.
    All,
    /// WebGPU's default limits and no feature, to try what any device can run.
    WebGpuDefault,
}

/// Features that are asked for where the adapter has them.
const OF_USE: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY;

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
        let (required_limits, required_features) = match abilities {
            Abilities::All => (adapter.limits.clone(), adapter.features & OF_USE),
            Abilities::WebGpuDefault => (wgpu::Limits::default(), wgpu::Features::empty()),
        };
        let limits = adapter::plan_limits(title.clone(), &required_limits, memory);
        let label = Some("srnn");
        let descriptor = wgpu::DeviceDescriptor { label, required_limits, required_features, ..Default::default() };
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

    /// Brings buffers, parameters and pipelines of a plan onto the device: what its dispatches are to be encoded with.
    fn prepare(&mut self, plan: &Plan) -> Result<Vec<Step>> {
        plan.check(&self.limits)?;
        self.check()?;
        self.prepare_buffers(plan)?;
        let parameters = self.upload_parameters(plan, PARAMETER_STRIDE);
        Ok(plan
            .dispatches
            .iter()
            .enumerate()
            .map(|(at, dispatch)| self.step(plan, dispatch, at, &parameters))
            .collect())
    }

    fn step(&mut self, plan: &Plan, dispatch: &Dispatch, at: usize, parameters: &wgpu::BindGroup) -> Step {
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
        Step {
            pipeline: pipeline.pipeline.clone(),
            bindings,
            parameters: parameters.clone(),
            parameters_at: (at * PARAMETER_STRIDE) as u32,
            workgroups: dispatch.workgroups,
        }
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("plan") })
    }

    /// The first `size` bytes of a buffer, when all work submitted before is done.
    fn read_back<T: bytemuck::Pod>(&mut self, source: &wgpu::Buffer, size: u64, name: &str) -> Result<Vec<T>> {
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
            Some(Err(error)) => return Err(problem(format!("reading `{name}` back failed: {error}"))),
            None => return Err(problem(format!("reading `{name}` back did not end"))),
        }
        let view =
            staging.get_mapped_range(..).map_err(|error| problem(format!("reading `{name}` back failed: {error}")))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }

    fn poll(&self, poll: wgpu::PollType) -> Result<()> {
        self.device
            .poll(poll)
            .map_err(|error| Error::Device { device: self.limits.device.clone(), problem: error.to_string() })?;
        self.check()
    }
}

/// A dispatch, ready to be encoded.
struct Step {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    parameters: wgpu::BindGroup,
    parameters_at: u32,
    workgroups: [u32; 3],
}

impl Step {
    fn encode(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.set_bind_group(1, &self.parameters, &[self.parameters_at]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
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
        let steps = self.prepare(plan)?;
        let mut encoder = self.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            steps.iter().for_each(|step| step.encode(&mut pass));
        }
        self.in_flight.push_back(self.queue.submit([encoder.finish()]));
        if self.in_flight.len() > IN_FLIGHT {
            let submission_index = self.in_flight.pop_front();
            self.poll(wgpu::PollType::Wait { submission_index, timeout: None })?;
        }
        self.check()
    }

    fn run_timed(&mut self, plan: &Plan) -> Result<Vec<Timespan>> {
        if !self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            let ability = "timestamp queries, which timed runs need";
            return Err(Error::Missing { device: self.limits.device.clone(), ability });
        }
        let steps = self.prepare(plan)?;
        if steps.is_empty() {
            self.wait()?;
            return Ok(vec![]);
        }
        let timestamps = Timestamps::new(&self.device, steps.len());
        let mut encoder = self.encoder();
        for (at, step) in steps.iter().enumerate() {
            let timestamp_writes = Some(timestamps.of_pass(at));
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            step.encode(&mut encoder.begin_compute_pass(&descriptor));
        }
        timestamps.resolve(&mut encoder);
        self.queue.submit([encoder.finish()]);
        let ticks = self.read_back(&timestamps.ticks, timestamps.ticks.size(), "timestamps")?;
        let period = 1e-9 * f64::from(self.queue.get_timestamp_period());
        Ok(timestamps::spans(&ticks, period))
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
        self.read_back(&source.clone(), size, buffer)
    }

    fn allocated(&self) -> u64 {
        self.buffers.values().map(wgpu::Buffer::size).sum()
    }

    fn wait(&mut self) -> Result<()> {
        self.in_flight.clear();
        self.poll(wgpu::PollType::wait_indefinitely())
    }
}
