//! Checks a device: every kernel of a plan, run there and on the CPU engine from the same buffers, compared.

use crate::compare::{Agreement, Mismatch, compare};
use crate::data::batch::{Batch, Inputs, Rows, Targets};
use crate::engine::{Device, Engine, read_f32};
use crate::error::Result;
use crate::kernel::{Access, Kernel};
use crate::network::{
    Activation, Cell, Config, Direction, Network, Optimiser, Parameters, Plans, Pooling, Reset, Rule,
};
use crate::network::{Sgd, Task};
use crate::plan::{Limits, Plan, Tuning};
use crate::slicing::Slicing;

/// What came of one buffer that one dispatch wrote.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Name of the kernel that wrote it.
    pub kernel: &'static str,
    /// Where in the network the dispatch stands: `level 0 forward`.
    pub place: String,
    /// Name of the buffer among the kernel's bindings.
    pub binding: &'static str,
    /// Largest error and the error allowed, or what is wrong.
    pub outcome: std::result::Result<Agreement, Mismatch>,
}

/// Runs each dispatch of `plan` on `device` and on the CPU engine, both from the CPU engine's buffers, and compares
/// what they write. `cpu` must hold the persistent buffers. Of kernels that are not `wanted` the CPU engine gives the numbers
/// alone.
///
/// # Errors
/// What the engines say; numbers that differ are findings, not errors.
pub fn examine(
    device: &mut dyn Engine,
    cpu: &mut dyn Engine,
    plan: &Plan,
    wanted: &dyn Fn(&Kernel) -> bool,
) -> Result<Vec<Finding>> {
    // Makes every buffer, with the uploads in it.
    let mut uploads = plan.with(vec![]);
    uploads.uploads = plan.uploads.clone();
    cpu.run(&uploads.checked(cpu.limits())?)?;
    let mut findings = Vec::new();
    for dispatch in &plan.dispatches {
        let single = plan.with(vec![dispatch.clone()]);
        if !wanted(dispatch.kernel) {
            cpu.run(&single.checked(cpu.limits())?)?;
            continue;
        }
        for view in &dispatch.bindings {
            let spec = &plan.buffers[view.buffer.0];
            let words = cpu.read(spec.name, spec.len())?;
            device.write(spec.name, &words)?;
        }
        let single = single.checked(device.limits())?;
        device.run(&single)?;
        cpu.run(&single)?;
        let bindings = dispatch.bindings.iter().zip(dispatch.kernel.bindings);
        for (view, binding) in bindings.filter(|(_, binding)| binding.access != Access::Read) {
            let spec = &plan.buffers[view.buffer.0];
            let read = |engine: &mut dyn Engine| -> Result<Vec<f32>> {
                Ok(read_f32(engine, spec.name, view.offset + view.len)?.split_off(view.offset))
            };
            findings.push(Finding {
                kernel: dispatch.kernel.name,
                place: dispatch.place.clone(),
                binding: binding.name,
                outcome: compare(&read(device)?, &read(cpu)?, dispatch.kernel.tolerance),
            });
        }
    }
    Ok(findings)
}

/// Examines a device on the kernels of one network: of the training plan of a batch, as the device is tuned and with four rows
/// to a workgroup, as larger batches have them. What the device holds is lost.
///
/// # Errors
/// What the engines say.
pub fn check_network(
    device: &mut dyn Engine,
    config: &Config,
    parameters: &Parameters,
    batch: &Batch,
    optimiser: &Optimiser,
) -> Result<Vec<Finding>> {
    let mut network = Network::with_parameters(config.clone(), Device::cpu(), parameters)?;
    network.reset_optimiser()?;
    let own = device.limits().clone();
    let full = Limits { tuning: Tuning { workgroups: 1, ..own.tuning }, ..own.clone() };
    let mut findings = Vec::new();
    for limits in [Some(&own), Some(&full).filter(|full| full.tuning != own.tuning)].into_iter().flatten() {
        let training = Plans { limits, ..network.plans() }.training(batch, optimiser)?;
        findings.extend(examine(device, network.engine(), &training, &|_| true)?);
    }
    Ok(findings)
}

/// Examines a device on forward and training plans of networks of every cell, direction, depth, pooling, context, heads
/// and kind of dropout, with ragged sequences and sizes that no tile divides; the plain GRU as the device would run it, and
/// cut into micro-batches and along time. Kernels that are not `wanted` are left out.
///
/// # Errors
/// What the engines say.
pub fn check_up(device: &mut dyn Engine, wanted: &dyn Fn(&Kernel) -> bool) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (at, config) in networks()?.into_iter().enumerate() {
        let batch = ragged_batch(config.task);
        let mut network = Network::new(config.clone(), Device::cpu(), 7)?;
        // As the device would run them, though the CPU engine gives the numbers.
        let mut limits = vec![device.limits().clone()];
        for (_, forward) in (Plans { limits: &limits[0], ..network.plans() }).inference(&batch)? {
            findings.extend(examine(device, network.engine(), &forward, wanted)?);
        }
        let mut optimiser = Optimiser::default();
        if at < PLAIN {
            // The tape of level 0 is the largest buffer: half of it leaves room for micro-batches only.
            let tape = 4 * (5 * config.hidden * batch.steps()) as u64;
            // 8 workgroups are left by 4 rows to each at level 0, and by fewer above.
            let tuning = Tuning { workgroups: 8, ..limits[0].tuning };
            limits.push(Limits { binding: tape / 2, dispatch_operations: 2e6, tuning, ..limits[0].clone() });
        } else {
            let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01 };
            optimiser = Optimiser { rule: Rule::Sgd(sgd), dropout: 0.3, embedding_dropout: 0.1, ..optimiser };
        }
        for limits in limits {
            let training = Plans { limits: &limits, ..network.plans() }.training(&batch, &optimiser)?;
            findings.extend(examine(device, network.engine(), &training, wanted)?);
        }
    }
    Ok(findings)
}

/// Networks, the first of [`networks`], that are examined within narrower limits too.
const PLAIN: usize = 2;

/// Two plain networks, then one of everything else.
fn networks() -> Result<Vec<Config>> {
    use {Activation::*, Direction::*, Pooling::*};
    let slicing = Slicing::new(4, 2)?;
    let (length, vocabulary, embedding, hidden, classes) = (192, 211, 37, 50, 3);
    let gru = Config { slicing, length, vocabulary, embedding, hidden, classes, ..Config::default() };
    let small = Config { hidden: 19, ..gru.clone() };
    let lstm = Config { cell: Cell::Lstm, ..small.clone() };
    let rnn = Config { cell: Cell::Rnn, ..small.clone() };
    let before = Config { reset: Reset::Before, ..small.clone() };
    let mingru = Config { cell: Cell::MinGru, activation: Identity, ..small.clone() };
    Ok(vec![
        gru.clone(),
        Config { slicing: Slicing::plain(), ..gru },
        Config { direction: Both, pooling: Max, head_pooling: Mean, ..lstm.clone() },
        Config { direction: Backward, activation: Identity, ..before.clone() },
        Config { activation: Relu, layers: 2, ..rnn },
        Config {
            direction: Both,
            pooling: Attention,
            head_pooling: Attention,
            layers: 2,
            hidden: 20,
            heads: 4,
            ..small.clone()
        },
        Config { context: 5, direction: Both, pooling: Max, ..before },
        Config { context: 3, layers: 2, ..lstm.clone() },
        Config { direction: Both, layers: 2, pooling: Mean, ..mingru },
        Config { task: Task::Labels, ..small.clone() },
        Config { task: Task::Regression, ..small.clone() },
        Config { task: Task::Tags, direction: Both, ..lstm },
        Config { task: Task::Series, layers: 2, context: 4, direction: Both, ..small.clone() },
        Config { task: Task::Tags, downward: false, context: 6, ..small },
    ])
}

/// Enough tokens for weight gradients in several parts, in sequences from full length to a single token.
fn ragged_batch(task: Task) -> Batch {
    let lengths: Vec<u32> = vec![192, 171, 140, 90, 90, 40, 17, 9, 1];
    let tokens = lengths.iter().flat_map(|&length| (0..length).map(move |i| (i * i + 5 * length) % 211)).collect();
    let count = if task.of_steps() { lengths.iter().sum() } else { lengths.len() as u32 };
    let values = (0..3 * count).map(|i| (i % 2) as f32).collect();
    let targets = match task {
        Task::Class | Task::Tags => Targets::Classes((0..count).map(|i| i % 3).collect()),
        Task::Labels => Targets::Labels(Rows { width: 3, values }),
        Task::Regression | Task::Series => Targets::Numbers(Rows { width: 3, values }),
    };
    Batch { inputs: Inputs::Tokens(tokens), lengths, targets: Some(targets) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::{Cpu, DEFAULT_MEMORY};
    use crate::engine::{Pending, Reading, Timespan, ready};
    use crate::kernel::kernels;
    use crate::plan::{BufferName, Checked, Product};
    use std::collections::BTreeSet;

    #[test]
    fn every_kernel_is_examined_in_every_variant() {
        let findings = check_up(&mut Cpu::new(DEFAULT_MEMORY), &|_| true).unwrap();
        for kernel in kernels() {
            assert!(findings.iter().any(|finding| finding.kernel == kernel.name), "{}", kernel.name);
        }
        assert!(findings.iter().all(|finding| finding.outcome.is_ok()));
        // Micro-batches and spans repeat the places of a plan.
        let count = |place: &str| findings.iter().filter(|finding| finding.place == place).count();
        assert!(count("level 0 backward") > 2 * 2 * 2 && count("loss") > 2 * 2 * 2);
    }

    #[test]
    fn only_what_is_wanted_is_examined() {
        let findings = check_up(&mut Cpu::new(DEFAULT_MEMORY), &|kernel| kernel.name == "transpose").unwrap();
        assert!(!findings.is_empty() && findings.iter().all(|finding| finding.kernel == "transpose"));
    }

    /// Runs plans rightly, within limits of its own, and notes how they compute products; adds to everything that is read.
    struct Off {
        cpu: Cpu,
        limits: Limits,
        products: BTreeSet<(&'static str, u32)>,
    }

    impl Engine for Off {
        fn limits(&self) -> &Limits {
            &self.limits
        }
        fn run(&mut self, plan: &Checked) -> Result<()> {
            let constants = plan.dispatches.iter().flat_map(|dispatch| &dispatch.constants);
            self.products.extend(constants.filter(|(name, _)| ["CHUNK", "HELD"].contains(name)));
            self.cpu.run(plan)
        }
        fn begin_timed(&mut self, plan: &Checked) -> Result<Pending<Vec<Timespan>>> {
            self.cpu.begin_timed(plan)
        }
        fn write(&mut self, buffer: BufferName, words: &[u32]) -> Result<()> {
            self.cpu.write(buffer, words)
        }
        fn begin_read(&mut self, buffer: BufferName, len: usize) -> Result<Reading> {
            let words = self.cpu.read(buffer, len)?;
            let off = words.into_iter().map(|word| (f32::from_bits(word) * 1.01 + 0.01).to_bits()).collect();
            Ok(ready(Ok(off)))
        }
        fn allocated(&self) -> u64 {
            self.cpu.allocated()
        }
        fn done(&mut self) -> Pending<()> {
            self.cpu.done()
        }
    }

    #[test]
    fn a_kernel_that_is_off_is_found_and_plans_are_as_the_device_is_tuned() {
        let [paired, held] = [Product::Paired, Product::Held].map(|product| {
            let cpu = Cpu::new(DEFAULT_MEMORY);
            let limits = Limits { tuning: Tuning { workgroups: 8, product }, ..cpu.limits().clone() };
            let mut device = Off { cpu, limits, products: BTreeSet::new() };
            let findings = check_up(&mut device, &|_| true).unwrap();
            assert!(findings.iter().all(|finding| finding.outcome.is_err()));
            device.products
        });
        assert_eq!(paired, BTreeSet::from([("CHUNK", 2), ("HELD", 0)]));
        assert!(held.contains(&("HELD", 2)) && !held.contains(&("CHUNK", 2)), "{held:?}");
    }
}
