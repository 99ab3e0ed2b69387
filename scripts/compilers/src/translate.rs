//! A shader in the languages of the backends, by naga with the options of wgpu's backends and of srnn's pipelines: bounds
//! are checked, loops are not bounded, workgroup memory is not set to zeros.

use anyhow::{Context, Result, anyhow, bail};
use naga::back::{self, PipelineConstants, glsl, hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ResourceBinding, ShaderStage, StorageAccess};
use std::collections::BTreeMap;

/// A valid shader.
pub struct Shader {
    module: Module,
    info: ModuleInfo,
}

const MAIN: &str = "main";

/// Indices of what lies on chip or in a struct are clamped; accesses beyond a buffer are the driver's to refuse where it
/// can (`robustBufferAccess2`), otherwise indices of buffers are clamped, too.
fn policies(buffer: BoundsCheckPolicy) -> BoundsCheckPolicies {
    let index = BoundsCheckPolicy::Restrict;
    BoundsCheckPolicies { index, buffer, image_load: buffer, binding_array: BoundsCheckPolicy::Unchecked }
}

impl Shader {
    /// # Errors
    /// For what is no valid WGSL, with the place.
    pub fn parse(source: &str) -> Result<Shader> {
        let module = naga::front::wgsl::parse_str(source).map_err(|error| anyhow!(error.emit_to_string(source)))?;
        let info = Validator::new(ValidationFlags::all(), Capabilities::default())
            .validate(&module)
            .map_err(|error| anyhow!(error.emit_to_string(source)))?;
        let main = Some((ShaderStage::Compute, MAIN));
        let (module, info) =
            back::pipeline_constants::process_overrides(&module, &info, main, &PipelineConstants::default())
                .map(|(module, info)| (module.into_owned(), info.into_owned()))?;
        Ok(Shader { module, info })
    }

    /// Bindings with their address spaces, by group and number.
    fn bindings(&self) -> BTreeMap<ResourceBinding, AddressSpace> {
        self.module.global_variables.iter().filter_map(|(_, own)| Some((own.binding?, own.space))).collect()
    }

    /// SPIR-V 1.6, for a driver of Vulkan 1.3 that has `robustBufferAccess2` or (`clamped`) has not; 1.0 for the oldest
    /// drivers.
    pub fn spirv(&self, version: (u8, u8), clamped: bool) -> Result<Vec<u32>> {
        let buffer = if clamped { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
        let options = spv::Options {
            lang_version: version,
            flags: spv::WriterFlags::empty(),
            bounds_check_policies: policies(buffer),
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: false,
            ..spv::Options::default()
        };
        let entry = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: MAIN.into() };
        Ok(spv::write_vec(&self.module, &self.info, &options, Some(&entry))?)
    }

    /// GLSL ES 3.1. Uniforms and storage buffers are numbered apart, in order.
    pub fn glsl(&self) -> Result<String> {
        let (mut uniforms, mut storage, mut binding_map) = (0, 0, glsl::BindingMap::default());
        for (binding, space) in self.bindings() {
            let next = if space == AddressSpace::Uniform { &mut uniforms } else { &mut storage };
            binding_map.insert(binding, *next);
            *next += 1;
        }
        let options = glsl::Options {
            version: glsl::Version::Embedded { version: 310, is_webgl: false },
            writer_flags: glsl::WriterFlags::ADJUST_COORDINATE_SPACE | glsl::WriterFlags::FORCE_POINT_SIZE,
            binding_map,
            zero_initialize_workgroup_memory: false,
        };
        let (shader_stage, entry_point) = (ShaderStage::Compute, MAIN.into());
        let entry = glsl::PipelineOptions { shader_stage, entry_point, multiview: None };
        let mut text = String::new();
        let policies = policies(BoundsCheckPolicy::Unchecked);
        glsl::Writer::new(&mut text, &self.module, &self.info, &options, &entry, policies)?.write()?;
        Ok(text)
    }

    /// HLSL of shader model 5.1 (for FXC) or 6.0 (for DXC). Registers are handed out in order, one counter a class.
    pub fn hlsl(&self, shader_model: hlsl::ShaderModel) -> Result<String> {
        let (mut uniforms, mut read, mut written) = (0, 0, 0);
        let mut binding_map = hlsl::BindingMap::default();
        for (binding, space) in self.bindings() {
            let next = match space {
                AddressSpace::Uniform => &mut uniforms,
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => &mut written,
                AddressSpace::Storage { .. } => &mut read,
                other => bail!("a binding in {other:?}"),
            };
            binding_map.insert(binding, hlsl::BindTarget { register: *next, ..Default::default() });
            *next += 1;
        }
        let options = hlsl::Options {
            shader_model,
            binding_map,
            fake_missing_bindings: false,
            // wgpu keeps the number of workgroups behind the uniforms.
            special_constants_binding: Some(hlsl::BindTarget { register: uniforms, ..Default::default() }),
            zero_initialize_workgroup_memory: false,
            restrict_indexing: true,
            force_loop_bounding: false,
            ..hlsl::Options::default()
        };
        let entry = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, MAIN.into())) };
        let mut text = String::new();
        let written = hlsl::Writer::new(&mut text, &options, &entry).write(&self.module, &self.info, None)?;
        let name = written.entry_point_names.into_iter().next().context("no entry point")??;
        anyhow::ensure!(name == MAIN, "the entry point is called {name}");
        Ok(text)
    }

    /// Metal 3.0. Buffers are numbered in order; behind them come the sizes of those of unknown length.
    pub fn metal(&self) -> Result<String> {
        let mut resources = msl::EntryPointResources::default();
        for (slot, (binding, space)) in (0..).zip(self.bindings()) {
            let mutable = matches!(space, AddressSpace::Storage { access } if access.contains(StorageAccess::STORE));
            let target = msl::BindTarget { buffer: Some(slot), mutable, ..Default::default() };
            resources.resources.insert(binding, target);
            resources.sizes_buffer = Some(slot + 1);
        }
        let options = msl::Options {
            lang_version: (3, 0),
            per_entry_point_map: [(MAIN.to_string(), resources)].into(),
            fake_missing_bindings: false,
            bounds_check_policies: policies(BoundsCheckPolicy::Restrict),
            zero_initialize_workgroup_memory: false,
            force_loop_bounding: false,
            ..msl::Options::default()
        };
        let entry =
            msl::PipelineOptions { entry_point: Some((ShaderStage::Compute, MAIN.into())), ..Default::default() };
        let (text, translated) = msl::write_string(&self.module, &self.info, &options, &entry)?;
        for name in translated.entry_point_names {
            name?;
        }
        Ok(text)
    }
}
