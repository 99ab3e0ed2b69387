//! Compute pipelines: one per kernel and set of constants, made on first use, and kept compiled on disk where the
//! backend can do so.

use super::buffers::layout;
use super::cache;
use crate::kernel::{Access, Kernel};
use crate::plan::{Dispatch, Plan};
#[cfg(not(target_arch = "wasm32"))]
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// A pipeline and the layout of its storage bindings.
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub bindings: wgpu::BindGroupLayout,
}

/// Kernel and constants.
type Key = (&'static str, Vec<(&'static str, u32)>);

/// All pipelines made so far.
pub(super) struct Pipelines {
    device: wgpu::Device,
    uniform: wgpu::BindGroupLayout,
    checks: wgpu::ShaderRuntimeChecks,
    disk: Option<Disk>,
    made: HashMap<Key, Pipeline>,
}

/// Set to 1, this environment variable turns every run-time check of shaders on, for debugging.
pub const CHECK_SHADERS: &str = "SRNN_CHECK_SHADERS";

impl Pipelines {
    /// No pipeline yet; `uniform` is the layout of the parameters.
    pub fn new(device: wgpu::Device, adapter: &wgpu::AdapterInfo, uniform: wgpu::BindGroupLayout) -> Pipelines {
        let all = std::env::var(CHECK_SHADERS).is_ok_and(|value| value == "1");
        // The bounding of loops costs about 3×, the checks of bounds little.
        let checks = wgpu::ShaderRuntimeChecks { force_loop_bounding: all, ..wgpu::ShaderRuntimeChecks::checked() };
        let disk = Disk::open(&device, adapter);
        Pipelines { device, uniform, checks, disk, made: HashMap::new() }
    }

    /// How many were made.
    pub fn count(&self) -> usize {
        self.made.len()
    }

    /// Makes the pipelines that a plan needs and that are not there yet, all at once on all threads.
    pub fn prepare(&mut self, plan: &Plan) {
        let new = plan.dispatches.iter().map(|dispatch| (key(dispatch), dispatch.kernel));
        let missing: BTreeMap<Key, &'static Kernel> = new.filter(|(key, _)| !self.made.contains_key(key)).collect();
        if missing.is_empty() {
            return;
        }
        let start = web_time::Instant::now();
        let make = |(key, kernel): (Key, &Kernel)| {
            let pipeline = self.make(kernel, &key.1);
            (key, pipeline)
        };
        // On the web a device stays on one thread, and compiles on threads of its own.
        #[cfg(not(target_arch = "wasm32"))]
        let missing = missing.into_par_iter();
        #[cfg(target_arch = "wasm32")]
        let missing = missing.into_iter();
        let made: Vec<(Key, Pipeline)> = missing.map(make).collect();
        log::debug!("{} pipelines made in {:?}", made.len(), start.elapsed());
        self.made.extend(made);
        if let Some(disk) = &mut self.disk {
            disk.save();
        }
    }

    /// The pipeline of a dispatch; [`Pipelines::prepare`] made it.
    pub fn get(&self, dispatch: &Dispatch) -> &Pipeline {
        &self.made[&key(dispatch)]
    }

    fn make(&self, kernel: &Kernel, constants: &[(&'static str, u32)]) -> Pipeline {
        let label = Some(kernel.name);
        let source =
            wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(kernel.source(constants).into()) };
        // SAFETY: the shaders are this crate's own. Only the bounding of loops is off: every loop counts up or down to
        // a bound that is a constant, a uniform or a number of steps that the host wrote, so that all of them end.
        let module = unsafe { self.device.create_shader_module_trusted(source, self.checks) };
        let read_only = kernel.bindings.iter().map(|spec| spec.access == Access::Read);
        let kinds = read_only.map(|read_only| wgpu::BufferBindingType::Storage { read_only });
        let bindings = layout(&self.device, kernel.name, kinds);
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&bindings), Some(&self.uniform)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: self.disk.as_ref().map(|disk| &disk.cache),
        });
        Pipeline { pipeline, bindings }
    }
}

fn key(dispatch: &Dispatch) -> Key {
    (dispatch.kernel.name, dispatch.constants.clone())
}

/// The driver's compiled pipelines, and the file that they are kept in.
struct Disk {
    cache: wgpu::PipelineCache,
    path: PathBuf,
    /// What the file holds, so that it is written only when there is something new.
    sum: Option<u32>,
}

/// Bytes of the checksum in front of the driver's data.
const SUM: usize = 4;

impl Disk {
    /// `None` where the backend keeps no pipelines, or the user wants no cache.
    fn open(device: &wgpu::Device, adapter: &wgpu::AdapterInfo) -> Option<Disk> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let path = cache::path(&wgpu::util::pipeline_cache_key(adapter)?)?;
        let contents = cache::read(&path);
        let data = contents.as_deref().and_then(verified);
        let descriptor = wgpu::PipelineCacheDescriptor { label: Some("pipelines"), data, fallback: true };
        // SAFETY: the data are what `get_data` gave for an adapter of the same key: `save` alone writes this file, whole,
        // in a folder that the user alone can write to, unless SRNN_CACHE names another; the checksum tells if it was
        // damaged since. wgpu checks the driver's version.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(Disk { cache, path, sum: data.map(checksum) })
    }

    /// Writes the file, unless it holds the same already.
    fn save(&mut self) {
        let Some(data) = self.cache.get_data() else { return };
        let sum = checksum(&data);
        if self.sum != Some(sum) && cache::write(&self.path, &[&sum.to_le_bytes(), &data[..]].concat()) {
            self.sum = Some(sum);
        }
    }
}

fn checksum(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

/// The data of a file whose checksum is right.
fn verified(contents: &[u8]) -> Option<&[u8]> {
    let (sum, data) = contents.split_at_checked(SUM)?;
    (sum == checksum(data).to_le_bytes()).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_files_are_not_given_to_the_driver() {
        let data = b"compiled";
        let whole = [&checksum(data).to_le_bytes(), &data[..]].concat();
        assert_eq!(verified(&whole), Some(&data[..]));
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!((verified(&damaged), verified(&whole[..at])), (None, None));
        }
    }
}
