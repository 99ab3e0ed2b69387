//! AMD's compiler as Mesa's Vulkan driver has it (RADV with ACO), on its null device, which needs no GPU: what it makes of
//! a compute shader.

use crate::translate::Shader;
use crate::variants::Variant;
use anyhow::{Context, Result, ensure};
use ash::vk;
use std::collections::BTreeMap;
use std::ffi::CStr;

/// What the compiler says of a pipeline, by its own words for each figure.
pub type Statistics = BTreeMap<String, u64>;

/// The driver's null device of one family of GPUs.
pub struct NullDevice {
    device: ash::Device,
    statistics: ash::khr::pipeline_executable_properties::Device,
    /// The driver and its version.
    pub driver: String,
    // Kept loaded for as long as the device.
    _instance: ash::Instance,
    _entry: ash::Entry,
}

impl NullDevice {
    /// Opens the device that the environment names (`RADV_FORCE_FAMILY`, `VK_DRIVER_FILES`).
    ///
    /// # Errors
    /// If there is no Vulkan, or another device than the null one answers.
    pub fn open() -> Result<NullDevice> {
        // SAFETY: the loader of this machine is a Vulkan library; all handles below are used as Vulkan asks, and live for
        // as long as the instance, which is never destroyed: the program ends first.
        unsafe {
            let entry = ash::Entry::load().context("no Vulkan loader (libvulkan.so.1)")?;
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let info = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = entry.create_instance(&info, None)?;
            let physical = *instance.enumerate_physical_devices()?.first().context("no Vulkan device")?;
            let mut driver = vk::PhysicalDeviceDriverProperties::default();
            let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
            instance.get_physical_device_properties2(physical, &mut properties);
            let name = text(&properties.properties.device_name);
            ensure!(name.contains("NULL") || name.contains("Null"), "`{name}` answers in place of RADV's null device");
            let driver = format!("{} {}", text(&driver.driver_name), text(&driver.driver_info));

            let queue = vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0]);
            let extensions = [ash::khr::pipeline_executable_properties::NAME, ash::ext::robustness2::NAME];
            let extensions = extensions.map(CStr::as_ptr);
            let mut statistics = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
            statistics = statistics.pipeline_executable_info(true);
            let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
            let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
            let queues = [queue];
            let info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .enabled_features(&features)
                .push_next(&mut statistics)
                .push_next(&mut robust);
            let device = instance.create_device(physical, &info, None)?;
            let statistics = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
            Ok(NullDevice { device, statistics, driver, _instance: instance, _entry: entry })
        }
    }

    /// Compiles a shader of so many storage buffers, and gives its figures.
    ///
    /// # Errors
    /// What naga or the driver says.
    pub fn statistics(&self, source: &str, buffers: usize) -> Result<Statistics> {
        self.with_pipeline((source, buffers), vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR, |pipeline| {
            let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            // SAFETY: the pipeline was made with the flag for statistics, and is alive.
            let figures = unsafe { self.statistics.get_pipeline_executable_statistics(&info)? };
            let numbers = figures.iter().filter(|own| own.format == vk::PipelineExecutableStatisticFormatKHR::UINT64);
            // SAFETY: the format says that it is this member of the union.
            Ok(numbers.map(|own| (text(&own.name), unsafe { own.value.u64 })).collect())
        })
    }

    /// Compiles a variant, and gives its machine code as text.
    ///
    /// # Errors
    /// What naga or the driver says.
    pub fn assembly(&self, variant: &Variant) -> Result<String> {
        let shader = (&variant.source()[..], variant.kernel.bindings.len());
        self.with_pipeline(shader, vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR, |pipeline| {
            let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            let get = self.statistics.fp().get_pipeline_executable_internal_representations_khr;
            let mut count = 0;
            // SAFETY: the pipeline was made with the flag for these, and is alive. Asked without room for the texts, the
            // driver says how much they need; asked again, it writes so much.
            let mut bytes = unsafe {
                get(self.device.handle(), &info, &mut count, std::ptr::null_mut()).result()?;
                let mut all = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
                get(self.device.handle(), &info, &mut count, all.as_mut_ptr()).result()?;
                let own = all.iter_mut().find(|own| text(&own.name) == "Assembly").context("no assembly")?;
                let mut bytes = vec![0u8; own.data_size];
                own.p_data = bytes.as_mut_ptr().cast();
                get(self.device.handle(), &info, &mut count, all.as_mut_ptr()).result()?;
                bytes
            };
            bytes.retain(|&byte| byte != 0);
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
    }

    fn with_pipeline<T>(
        &self,
        (source, buffers): (&str, usize),
        flags: vk::PipelineCreateFlags,
        ask: impl FnOnce(vk::Pipeline) -> Result<T>,
    ) -> Result<T> {
        let code = Shader::parse(source)?.spirv((1, 6), false)?;
        let device = &self.device;
        let storage = (0..buffers as u32).map(|at| (at, vk::DescriptorType::STORAGE_BUFFER));
        let groups = [storage.collect(), vec![(0, vk::DescriptorType::UNIFORM_BUFFER_DYNAMIC)]];
        // SAFETY: as in `open`; the code is valid SPIR-V, and the layout has what its bindings need. What is made here is
        // used by nobody else and destroyed once.
        unsafe {
            let mut layouts = Vec::new();
            for group in groups {
                let binding = |(at, kind)| {
                    let own = vk::DescriptorSetLayoutBinding::default().binding(at).descriptor_type(kind);
                    own.descriptor_count(1).stage_flags(vk::ShaderStageFlags::COMPUTE)
                };
                let bindings: Vec<_> = group.into_iter().map(binding).collect();
                let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
                layouts.push(device.create_descriptor_set_layout(&info, None)?);
            }
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts);
            let layout = device.create_pipeline_layout(&info, None)?;
            let module = device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default();
            let stage = stage.stage(vk::ShaderStageFlags::COMPUTE).module(module).name(c"main");
            let info = vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout).flags(flags);
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let pipeline = made.map_err(|(_, error)| error)?[0];
            let answer = ask(pipeline);
            device.destroy_pipeline(pipeline, None);
            device.destroy_shader_module(module, None);
            device.destroy_pipeline_layout(layout, None);
            layouts.into_iter().for_each(|layout| device.destroy_descriptor_set_layout(layout, None));
            answer
        }
    }
}

/// A C string of fixed room.
fn text(chars: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().map(|&own| own as u8).take_while(|&own| own != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
