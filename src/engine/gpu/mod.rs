//! The GPU engine: encodes a plan into one compute pass and one submit.

pub mod adapter;
mod arrival;
mod buffers;
mod cache;
mod failure;
mod pipelines;
pub mod raw;
mod timestamps;
pub mod tuning;

pub use adapter::{Adapter, adapters, adapters_async};
pub use cache::CACHE;
pub use failure::DEFAULT_TIMEOUT;
pub use pipelines::CHECK_SHADERS;

use super::{Engine, MaybeSend, Pending, Reading, Timespan, block_on, cpu::buffer_error, ready};
use crate::error::{Error, Result, ensure};
use crate::plan::{BufferName, Checked, Dispatch, Limits};
use arrival::arrival;
use buffers::{Buffers, PARAMETER_STRIDE};
use failure::Failure;
use pipelines::Pipelines;
use std::collections::VecDeque;
use timestamps::Timestamps;
use web_time::Duration;

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
const OF_USE: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::PIPELINE_CACHE);

/// How many objects a device was asked for since it was opened; a step that makes none is as cheap as can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Buffers: those of plans, and those of their parameters.
    pub buffers: usize,
    /// Bind groups: of the storage buffers of a kernel, or of its parameters.
    pub bind_groups: usize,
    /// Compiled pipelines, one for each kernel with each set of constants.
    pub pipelines: usize,
}

/// Runs plans on one GPU.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    limits: Limits,
    pipelines: Pipelines,
    buffers: Buffers,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    failure: Failure,
}

impl Gpu {
    /// [`Gpu::open_async`], waited for.
    ///
    /// # Errors
    /// Those of [`Gpu::open_async`] and [`block_on`].
    pub fn open(adapter: &Adapter, abilities: Abilities, memory: u64) -> Result<Gpu> {
        block_on(Gpu::open_async(adapter, abilities, memory))
    }

    /// Opens a device on an adapter. Plans may use `memory` bytes.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if the adapter gives no device.
    pub async fn open_async(adapter: &Adapter, abilities: Abilities, memory: u64) -> Result<Gpu> {
        let title = adapter.title();
        let (required_limits, required_features) = match abilities {
            Abilities::All => (adapter.handle.limits(), adapter.handle.features() & OF_USE),
            Abilities::WebGpuDefault => (wgpu::Limits::default(), wgpu::Features::empty()),
        };
        let limits = adapter::plan_limits(title.clone(), &required_limits, memory, tuning::of(&adapter.info));
        let label = Some("srnn");
        let descriptor = wgpu::DeviceDescriptor { label, required_limits, required_features, ..Default::default() };
        let (device, queue) = adapter
            .handle
            .request_device(&descriptor)
            .await
            .map_err(|error| Error::NoDevice(format!("{title} could not be opened: {error}")))?;
        Ok(Gpu::start(device, queue, &adapter.info, limits))
    }

    fn start(device: wgpu::Device, queue: wgpu::Queue, adapter: &wgpu::AdapterInfo, limits: Limits) -> Gpu {
        let failure = Failure::of(device.clone(), limits.device.clone());
        let buffers = Buffers::new(device.clone(), queue.clone(), failure.clone());
        let pipelines = Pipelines::new(device.clone(), adapter, buffers.uniform.clone());
        Gpu { device, queue, limits, pipelines, buffers, in_flight: VecDeque::new(), failure }
    }

    /// What was made so far.
    pub fn made(&self) -> Made {
        Made { pipelines: self.pipelines.count(), ..self.buffers.made }
    }

    /// Brings buffers, parameters and pipelines of a plan onto the device: what its dispatches are to be encoded with.
    fn prepare(&mut self, plan: &Checked) -> Result<Vec<Encoded>> {
        self.failure.check()?;
        self.pipelines.prepare(plan);
        self.buffers.prepare(plan, &self.limits)?;
        let parameters = self.buffers.parameters(plan);
        let step = |(at, dispatch): (usize, &Dispatch)| {
            let pipeline = self.pipelines.get(dispatch);
            Encoded {
                pipeline: pipeline.pipeline.clone(),
                bindings: self.buffers.bind(plan, dispatch, &pipeline.bindings, &self.limits),
                parameters: parameters.clone(),
                parameters_at: (at * PARAMETER_STRIDE) as u32,
                workgroups: dispatch.workgroups,
            }
        };
        Ok(plan.dispatches.iter().enumerate().map(step).collect())
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("plan") })
    }

    /// Submits a copy of the first `size` bytes of a buffer; what is given ends with it.
    fn begin_read_back<T: bytemuck::Pod>(
        &self,
        source: &wgpu::Buffer,
        size: u64,
        name: &str,
    ) -> impl Future<Output = Result<Vec<T>>> + MaybeSend + use<T> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = buffers::new_buffer(&self.device, "read-back", size, usage);
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(source, 0, &staging, 0, size);
        let submission = self.queue.submit([encoder.finish()]);
        let (callback, mapped) = arrival();
        staging.slice(..).map_async(wgpu::MapMode::Read, callback);
        let failure = self.failure.clone();
        let name = name.to_owned();
        async move {
            // Runs the callback on native systems; the browser does so by itself.
            failure.wait(Some(submission))?;
            let problem =
                |error: &dyn std::fmt::Display| failure.error(format!("reading `{name}` back failed: {error}"));
            mapped.await.map_err(|error| problem(&error))?;
            failure.check()?;
            let view = staging.get_mapped_range(..).map_err(|error| problem(&error))?;
            Ok(bytemuck::pod_collect_to_vec(&view))
        }
    }
}

/// A dispatch, ready to be encoded.
struct Encoded {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    parameters: wgpu::BindGroup,
    parameters_at: u32,
    workgroups: [u32; 3],
}

impl Encoded {
    fn encode(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.set_bind_group(1, &self.parameters, &[self.parameters_at]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        if self.failure.is_lost() {
            // What is lost may never be idle, for which wgpu would wait at the end of its queue: it is left as it is.
            std::mem::forget((self.device.clone(), self.queue.clone()));
        }
    }
}

impl Engine for Gpu {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn run(&mut self, plan: &Checked) -> Result<()> {
        let steps = self.prepare(plan)?;
        let mut encoder = self.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            steps.iter().for_each(|step| step.encode(&mut pass));
        }
        self.in_flight.push_back(self.queue.submit([encoder.finish()]));
        if self.in_flight.len() > IN_FLIGHT {
            self.failure.wait(self.in_flight.pop_front())?;
        }
        self.failure.check()
    }

    fn begin_timed(&mut self, plan: &Checked) -> Result<Pending<Vec<Timespan>>> {
        if !self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            let ability = "timestamp queries, which timed runs need";
            return Err(Error::Missing { device: self.limits.device.clone(), ability });
        }
        let steps = self.prepare(plan)?;
        if steps.is_empty() {
            return Ok(ready(Ok(vec![])));
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
        let ticks = self.begin_read_back(&timestamps.ticks, timestamps.ticks.size(), "timestamps");
        let period = 1e-9 * f64::from(self.queue.get_timestamp_period());
        Ok(Box::pin(async move { Ok(timestamps::spans(&ticks.await?, period)) }))
    }

    fn write(&mut self, buffer: BufferName, words: &[u32]) -> Result<()> {
        self.buffers.write(buffer, words)?;
        self.failure.check()
    }

    fn begin_read(&mut self, buffer: BufferName, len: usize) -> Result<Reading> {
        let size = 4 * len as u64;
        let source = self.buffers.get(buffer).ok_or_else(|| buffer_error(buffer, "no such buffer"))?;
        let has = source.size() / 4;
        ensure!(len as u64 <= has, buffer_error(buffer, &format!("{len} elements asked of {has}")));
        if len == 0 {
            return Ok(ready(Ok(vec![])));
        }
        Ok(Box::pin(self.begin_read_back(source, size, buffer.holds)))
    }

    fn allocated(&self) -> u64 {
        self.buffers.bytes()
    }

    fn done(&mut self) -> Pending<()> {
        let (callback, done) = arrival();
        self.queue.on_submitted_work_done(move || callback(()));
        let failure = self.failure.clone();
        Box::pin(async move {
            failure.wait(None)?;
            done.await;
            failure.check()
        })
    }

    fn set_timeout(&mut self, timeout: Duration) {
        self.failure.set_timeout(timeout);
    }

    fn make_room(&mut self, needed: u64) -> bool {
        self.buffers.release();
        // What stays is of no plan's choosing.
        let (kept, before) = (self.buffers.bytes(), self.limits.memory.min(needed));
        self.limits.memory = kept + before.saturating_sub(kept) / 2;
        before > kept
    }
}
