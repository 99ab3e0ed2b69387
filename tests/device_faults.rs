//! A device that is lost, does not answer or has no memory: one typed error, no panic, and a training that goes on.

mod network_cases;
mod training_cases;

use network_cases::{Case, Sizes, case, smallest_engine};
use srnn::compare::{Tolerance, compare};
use srnn::engine::cpu::{Cpu, DEFAULT_MEMORY};
use srnn::engine::gpu::raw;
use srnn::engine::{Engine, Pending, Reading, Timespan, ready};
use srnn::network::Optimiser;
use srnn::plan::{BufferName, Checked, Limits};
use srnn::train::{Interval, Model, Recipe, Sources, Training};
use srnn::{Device, Error, Network, Result};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use training_cases::recipe;

const SIZES: Sizes = Sizes { n: 4, k: 1, length: 32, embedding: 8, hidden: 16, classes: 3, vocabulary: 40, batch: 12 };

fn network(case: &Case, engine: impl Engine + 'static) -> Network {
    let name = engine.limits().device.clone();
    Network::with_parameters(case.config.clone(), Device::new(engine, name, "tests"), &case.parameters).unwrap()
}

/// All that a training asks of a network, one call after the other.
type Call<'a> = Box<dyn Fn(&mut Network) -> Result<()> + 'a>;

fn calls(case: &Case) -> Vec<Call<'_>> {
    let optimiser = Optimiser::default();
    let own = optimiser.clone();
    vec![
        Box::new(move |network| network.train_step(&case.batch, &optimiser)),
        Box::new(|network| network.begin_totals()?.finish().map(drop)),
        Box::new(|network| network.logits(&case.batch).map(drop)),
        Box::new(move |network| network.gradients(&case.batch, &own).map(drop)),
        Box::new(|network| network.parameters().map(drop)),
        Box::new(|network| network.optimiser_state().map(drop)),
        Box::new(|network| network.reset_optimiser()),
        Box::new(|network| network.set_parameters(&case.parameters)),
        Box::new(|network| network.skipped_steps().map(drop)),
        Box::new(|network| network.engine().wait()),
    ]
}

/// Of these calls, those that only write.
const WRITES: [usize; 2] = [6, 7];

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn a_device_that_is_lost_is_a_typed_error_at_every_call() {
    let case = case(SIZES, 3);
    let calls = calls(&case);
    for lost_at in 0..calls.len() {
        let engine = smallest_engine();
        let (device, _) = raw::device(&engine);
        let device = device.clone();
        let mut network = network(&case, engine);
        calls[..lost_at].iter().for_each(|call| call(&mut network).unwrap());
        device.destroy();
        for (at, call) in calls.iter().enumerate().skip(lost_at) {
            match call(&mut network) {
                // What is written is told only by what comes after it.
                Ok(()) => assert!(WRITES.contains(&at), "lost before call {lost_at}, and call {at} went well"),
                Err(error) => {
                    assert!(matches!(error, Error::DeviceLost { .. }), "call {at}, lost before {lost_at}: {error}");
                }
            }
        }
    }
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn a_device_that_does_not_answer_is_lost() {
    let case = case(Sizes { length: 256, batch: 50, hidden: 50, ..SIZES }, 3);
    let calls = calls(&case);
    for (at, call) in calls.iter().enumerate() {
        let mut network = network(&case, smallest_engine());
        calls[..at].iter().for_each(|call| call(&mut network).unwrap());
        network.engine().wait().unwrap();
        network.engine().set_timeout(Duration::from_millis(1));
        let step = |network: &mut Network| network.train_step(&case.batch, &Optimiser::default());
        let error = (0..5).find_map(|_| {
            let outcome = step(&mut network).and_then(|()| call(&mut network));
            outcome.and_then(|()| network.engine().wait()).err()
        });
        if error.is_none() && network.device().name.contains("llvmpipe") {
            // It has mostly done its work when the call that submits it returns: nothing is waited for.
            continue;
        }
        let error = error.expect("a step that takes no time");
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
        assert!(error.to_string().contains(" was lost: its work was not done within 0.001 seconds"), "{error}");
        network.engine().set_timeout(Duration::from_secs(100));
        assert!(matches!(network.parameters(), Err(Error::DeviceLost { .. })), "what was lost stays so");
    }
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn where_memory_is_short_batches_are_split() {
    let case = case(Sizes { length: 64, batch: 48, ..SIZES }, 3);
    let train = |memory: Option<u64>| {
        let mut engine = smallest_engine();
        raw::pretend_memory(&mut engine, memory.unwrap_or(u64::MAX));
        let mut network = network(&case, engine);
        network.train_step(&case.batch, &Optimiser::default())?;
        let logits = network.logits(&case.batch)?;
        Ok((network.parameters()?.flat, logits, network.engine().allocated(), network.engine().limits().memory))
    };
    let (whole, whole_logits, bytes, budget) = train(None).unwrap();
    let (parts, parts_logits, fewer, halved) = train(Some(bytes * 6 / 10)).unwrap();
    assert!(fewer <= bytes * 6 / 10 && halved < budget, "{fewer} of {bytes}, {halved} of {budget}");
    compare(&parts, &whole, Tolerance::new(1e-6, 1e-4)).unwrap();
    compare(&parts_logits, &whole_logits, Tolerance::new(1e-5, 1e-4)).unwrap();
    // Where not even the moments find room, it is an error, and the network is as before.
    let error: Result<_> = train(Some(bytes / 20));
    assert!(matches!(error, Err(Error::OutOfMemory { .. }) | Err(Error::Limit { .. })), "{:?}", error.err());
}

/// The CPU engine with a fault.
struct Faulty {
    cpu: Cpu,
    limits: Limits,
    calls: Arc<AtomicUsize>,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Lost from this call on.
    Lost(usize),
    /// Without memory at this call, if it runs a plan.
    Short(usize),
    /// Something is added to what this call reads.
    Off(usize),
}

impl Faulty {
    fn new(fault: Fault) -> Faulty {
        let cpu = Cpu::new(DEFAULT_MEMORY);
        Faulty { limits: cpu.limits().clone(), cpu, calls: Arc::new(AtomicUsize::new(0)), fault }
    }

    /// The number of this call, from 1.
    fn call(&mut self) -> Result<usize> {
        let at = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        match self.fault {
            Fault::Lost(from) if at >= from => {
                Err(Error::DeviceLost { device: "the device".into(), problem: "a test".into() })
            }
            _ => Ok(at),
        }
    }
}

impl Engine for Faulty {
    fn limits(&self) -> &Limits {
        &self.limits
    }
    fn run(&mut self, plan: &Checked) -> Result<()> {
        if Fault::Short(self.call()?) == self.fault {
            return Err(Error::OutOfMemory { device: "the device".into(), problem: "a test".into() });
        }
        self.cpu.run(plan)
    }
    fn begin_timed(&mut self, plan: &Checked) -> Result<Pending<Vec<Timespan>>> {
        self.call()?;
        self.cpu.begin_timed(plan)
    }
    fn write(&mut self, buffer: BufferName, words: &[u32]) -> Result<()> {
        self.call()?;
        self.cpu.write(buffer, words)
    }
    fn begin_read(&mut self, buffer: BufferName, len: usize) -> Result<Reading> {
        let off = Fault::Off(self.call()?) == self.fault;
        let mut words = self.cpu.read(buffer, len)?;
        if off {
            words.iter_mut().for_each(|word| *word = (f32::from_bits(*word) + 0.5).to_bits());
        }
        Ok(ready(Ok(words)))
    }
    fn make_room(&mut self, needed: u64) -> bool {
        self.limits.memory = self.cpu.allocated().max(needed - needed / 8);
        true
    }
    fn allocated(&self) -> u64 {
        self.cpu.allocated()
    }
    fn done(&mut self) -> Pending<()> {
        self.cpu.done()
    }
}

fn faulty(fault: Fault) -> (Device, Arc<AtomicUsize>) {
    let engine = Faulty::new(fault);
    let calls = engine.calls.clone();
    (Device { self_check: false, ..Device::new(engine, "the device", "tests") }, calls)
}

/// A training of four epochs with a test behind it, in a room of its own.
struct Trainings {
    room: tempfile::TempDir,
    recipe: Recipe,
}

impl Trainings {
    fn new() -> Trainings {
        let room = tempfile::tempdir().unwrap();
        let recipe = recipe(room.path(), 4);
        let sources = Sources { test: Some(recipe.sources.train.clone()), ..recipe.sources };
        Trainings { recipe: Recipe { sources, ..recipe }, room }
    }

    fn begin(&self, name: &str, fault: Fault) -> (Training, Arc<AtomicUsize>) {
        let (device, calls) = faulty(fault);
        let mut training = Training::begin(&self.recipe, &self.room.path().join(name), true, device).unwrap();
        training.interval = Interval::Steps(4);
        (training, calls)
    }

    fn weights(&self, name: &str) -> Vec<f32> {
        Model::load(&self.room.path().join(name)).unwrap().parameters.flat
    }

    /// The calls of a training to which nothing happens, named `whole`.
    fn calls(&self) -> RangeInclusive<usize> {
        let (mut training, calls) = self.begin("whole", Fault::None);
        let before = calls.load(Ordering::Relaxed);
        assert!(training.run(&mut ()).unwrap().test.is_some());
        before + 1..=calls.load(Ordering::Relaxed)
    }
}

/// Wherever the device is lost, it is opened again once, and training comes to the bits of one that nothing happened to.
#[test]
fn a_training_goes_on_after_its_device_was_lost() {
    let trainings = Trainings::new();
    let calls = trainings.calls();
    let (whole, all) = (trainings.weights("whole"), *calls.end());
    // The last of them belong to the test.
    for lost_at in calls.clone().step_by(7).chain([all - 1, all]) {
        let (mut training, _) = trainings.begin("lost", Fault::Lost(lost_at));
        training.reopen = Some(Box::new(|| Ok(faulty(Fault::None).0)));
        let outcome = training.run(&mut ()).unwrap_or_else(|error| panic!("lost at call {lost_at}: {error}"));
        assert!(outcome.test.is_some());
        drop(training);
        assert!(trainings.weights("lost") == whole, "lost at call {lost_at} of {all}");
    }
    // Twice in a row is too often, and without another device there is nothing to do: what was saved goes on.
    for again in [true, false] {
        let (mut training, _) = trainings.begin("lost", Fault::Lost((calls.start() + all) / 2));
        training.reopen = again.then(|| Box::new(|| Ok(faulty(Fault::Lost(14)).0)) as _);
        let error = training.run(&mut ()).err().unwrap();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
        drop(training);
        let folder = trainings.room.path().join("lost");
        Training::resume(&folder, None, faulty(Fault::None).0).unwrap().run(&mut ()).unwrap();
        assert!(trainings.weights("lost") == whole);
    }
}

/// Whenever memory is short, the step is repeated in parts.
#[test]
fn a_training_goes_on_when_memory_is_short() {
    let trainings = Trainings::new();
    let calls = trainings.calls();
    let (whole, mut short) = (trainings.weights("whole"), 0);
    for at in calls.step_by(2) {
        let (mut training, _) = trainings.begin("short", Fault::Short(at));
        let before = training.trainer.network.device().engine.limits().memory;
        training.run(&mut ()).unwrap_or_else(|error| panic!("short at call {at}: {error}"));
        short += usize::from(training.trainer.network.device().engine.limits().memory < before);
        drop(training);
        compare(&trainings.weights("short"), &whole, Tolerance::new(1e-5, 1e-3)).unwrap();
    }
    assert!(short >= 10, "it was short {short} times");
}

/// A device whose numbers are off is found before anything is written.
#[test]
fn a_device_that_computes_wrongly_is_refused() {
    let trainings = Trainings::new();
    let folder = trainings.room.path().join("model");
    let begin = |fault, self_check| {
        let (device, calls) = faulty(fault);
        (Training::begin(&trainings.recipe, &folder, false, Device { self_check, ..device }), calls)
    };
    let mut refused = 0;
    let (whole, calls) = begin(Fault::None, true);
    whole.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    for at in 1..=calls.load(Ordering::Relaxed) {
        match begin(Fault::Off(at), true).0 {
            // Not every call reads.
            Ok(training) => {
                drop(training);
                std::fs::remove_dir_all(&folder).unwrap();
            }
            Err(error) => {
                assert!(matches!(error, Error::WrongKernels { .. }), "{error}");
                assert!(error.to_string().starts_with("the device computes wrongly: "), "{error}");
                assert!(!folder.exists());
                refused += 1;
            }
        }
    }
    assert!(refused >= 10, "{refused} of {calls:?} calls");
    assert!(begin(Fault::Off(1), false).0.is_ok());
}
