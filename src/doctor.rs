//! Checks a device: every kernel of a plan, run there and on the CPU engine from the same buffers, compared.

use crate::compare::{Mismatch, compare};
use crate::data::batch::Batch;
use crate::engine::{Engine, cpu::Cpu, cpu::DEFAULT_MEMORY};
use crate::error::Result;
use crate::kernel::{Access, step_control};
use crate::network::{Config, Network, Optimiser, Parameters, buffer, training_plan};
use crate::plan::Plan;
use crate::slicing::Slicing;

/// What came of one buffer that one dispatch wrote.
#[derive(Clone, Debug)]
pub struct Finding {
    pub kernel: &'static str,
    pub place: String,
    pub binding: &'static str,
    /// Numbers compared.
    pub count: usize,
    /// Largest error and the error allowed, or what is wrong.
    pub outcome: std::result::Result<crate::compare::Agreement, Mismatch>,
}

/// Runs each dispatch of `plan` on `device` and on the CPU engine, both from the CPU engine's buffers, and compares
/// what they write. `cpu` must hold the persistent buffers.
///
/// # Errors
/// What the engines say; numbers that differ are findings, not errors.
pub fn examine(device: &mut dyn Engine, cpu: &mut Cpu, plan: &Plan) -> Result<Vec<Finding>> {
    // Makes every buffer, with the uploads in it.
    cpu.run(&Plan { dispatches: vec![], ..plan.clone() })?;
    let mut findings = Vec::new();
    for dispatch in &plan.dispatches {
        let single = Plan { uploads: vec![], dispatches: vec![dispatch.clone()], ..plan.clone() };
        for view in &dispatch.bindings {
            let spec = &plan.buffers[view.buffer.0];
            let words = cpu.read(&spec.name, spec.len())?;
            device.write(&spec.name, &words)?;
        }
        device.run(&single)?;
        cpu.run(&single)?;
        for (view, binding) in dispatch.bindings.iter().zip(dispatch.kernel.bindings) {
            if binding.access == Access::Read {
                continue;
            }
            let spec = &plan.buffers[view.buffer.0];
            let read = |engine: &mut dyn Engine| -> Result<Vec<f32>> {
                let words = engine.read(&spec.name, view.offset + view.len)?;
                Ok(words[view.offset..].iter().map(|&word| f32::from_bits(word)).collect())
            };
            let (actual, expected) = (read(device)?, read(cpu)?);
            findings.push(Finding {
                kernel: dispatch.kernel.name,
                place: dispatch.place.clone(),
                binding: binding.name,
                count: view.len,
                outcome: compare(&actual, &expected, dispatch.kernel.tolerance),
            });
        }
    }
    Ok(findings)
}

/// Examines a device on a forward and a training plan of a sliced network and of a plain one, with ragged sequences
/// and sizes that no tile divides.
///
/// # Errors
/// What the engines say.
pub fn check_up(device: &mut dyn Engine) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for slicing in [Slicing::new(4, 2)?, Slicing::plain()] {
        let config =
            Config { slicing, length: 96, vocabulary: 211, embedding: 37, hidden: 50, classes: 3, ..Config::default() };
        let parameters = Parameters::random(&config, 7);
        let (tokens, lengths): (Vec<Vec<u32>>, Vec<u32>) = [96u32, 71, 40, 40, 17, 9, 1]
            .map(|l| ((0..l).map(|i| (i * i + 5 * l) % 211).collect(), l))
            .into_iter()
            .unzip();
        let batch = Batch { tokens: tokens.concat(), lengths, labels: vec![0, 1, 2, 0, 1, 2, 0] };
        let training = training_plan(&config, &batch, Some(&Optimiser::default()), device.limits())?;
        let mut cpu = Cpu::new(DEFAULT_MEMORY);
        let table = vec![0.0f32; parameters.embedding.len()];
        let flat = vec![0.0f32; parameters.flat.len()];
        let persistent = [
            (buffer::WEIGHTS, &parameters.flat),
            (buffer::GRADIENTS, &flat),
            (buffer::MOMENTS[0], &flat),
            (buffer::MOMENTS[1], &flat),
            (buffer::EMBEDDING, &parameters.embedding),
            (buffer::EMBEDDING_MOMENTS[0], &table),
            (buffer::EMBEDDING_MOMENTS[1], &table),
            (buffer::CONTROL, &step_control::START.to_vec()),
        ];
        for (name, values) in persistent {
            cpu.write(name, bytemuck::cast_slice(values))?;
        }
        let network = Network::with_parameters(config, crate::engine::Device::cpu(), &parameters)?;
        for (_, forward) in network.plan_inference(&batch)? {
            findings.extend(examine(device, &mut cpu, &forward)?);
        }
        findings.extend(examine(device, &mut cpu, &training)?);
    }
    Ok(findings)
}
