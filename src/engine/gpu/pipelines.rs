//! Compute pipelines: one per kernel and set of constants, made on first use.

use crate::kernel::{Access, Kernel};
use std::collections::HashMap;

/// A pipeline and the layout of its storage bindings.
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub bindings: wgpu::BindGroupLayout,
}

/// Kernel and constants.
type Key = (&'static str, Vec<(&'static str, u32)>);

/// All pipelines made so far.
pub(super) struct Pipelines {
    uniform: wgpu::BindGroupLayout,
    checks: wgpu::ShaderRuntimeChecks,
    made: HashMap<Key, Pipeline>,
}

/// Set to 1, this environment variable turns every run-time check of shaders on, for debugging.
pub const CHECK_SHADERS: &str = "SRNN_CHECK_SHADERS";

impl Pipelines {
    /// No pipeline yet; `uniform` is the layout of the parameters.
    pub fn new(uniform: wgpu::BindGroupLayout) -> Pipelines {
        let all = std::env::var(CHECK_SHADERS).is_ok_and(|value| value == "1");
        // The bounding of loops costs about 3×, the checks of bounds little.
        let checks = wgpu::ShaderRuntimeChecks { force_loop_bounding: all, ..wgpu::ShaderRuntimeChecks::checked() };
        Pipelines { uniform, checks, made: HashMap::new() }
    }

    /// How many were made.
    pub fn count(&self) -> usize {
        self.made.len()
    }

    /// The pipeline of a kernel with these constants.
    pub fn get(
        &mut self,
        device: &wgpu::Device,
        kernel: &'static Kernel,
        constants: &[(&'static str, u32)],
    ) -> &Pipeline {
        let key = (kernel.name, constants.to_vec());
        let (uniform, checks) = (&self.uniform, self.checks);
        self.made.entry(key).or_insert_with(|| make(device, kernel, constants, uniform, checks))
    }
}

fn make(
    device: &wgpu::Device,
    kernel: &Kernel,
    constants: &[(&'static str, u32)],
    uniform: &wgpu::BindGroupLayout,
    checks: wgpu::ShaderRuntimeChecks,
) -> Pipeline {
    let start = std::time::Instant::now();
    let label = Some(kernel.name);
    let source =
        wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(kernel.source(constants).into()) };
    // SAFETY: the shaders are this crate's own. Only the bounding of loops is off: every loop counts up or down to a
    // bound that is a constant, a uniform or a number of steps that the host wrote, so that all of them end.
    let module = unsafe { device.create_shader_module_trusted(source, checks) };
    let entries: Vec<wgpu::BindGroupLayoutEntry> = kernel
        .bindings
        .iter()
        .zip(0..)
        .map(|(spec, binding)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: spec.access == Access::Read },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    let bindings = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(&bindings), Some(uniform)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            // Every kernel writes its workgroup memory before it reads it.
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    });
    log::debug!("pipeline {} {constants:?} made in {:?}", kernel.name, start.elapsed());
    Pipeline { pipeline, bindings }
}
