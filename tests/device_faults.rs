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
use srnn::train::{Interval, Model, Training};
use srnn::{Device, Error, Network, Result};
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
    let case = case(Sizes { length: 512, batch: 200, hidden: 50, ..SIZES }, 3);
    let mut network = network(&case, smallest_engine());
    network.train_step(&case.batch, &Optimiser::default()).unwrap();
    network.engine().wait().unwrap();
    network.engine().set_timeout(Duration::from_millis(1));
    let error = (0..5).find_map(|_| {
        network.train_step(&case.batch, &Optimiser::default()).and_then(|()| network.totals().map(drop)).err()
    });
    if network.device().name.contains("llvmpipe") {
        // It has done its work when the call that submits it returns: nothing is waited for.
        assert!(error.is_none());
        return;
    }
    let error = error.expect("a step that takes no time");
    assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    assert!(error.to_string().contains(" was lost: its work was not done within 0.001 seconds"), "{error}");
    network.engine().set_timeout(Duration::from_secs(100));
    assert!(matches!(network.parameters(), Err(Error::DeviceLost { .. })), "what was lost stays so");
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

/// The CPU engine with faults.
struct Faulty {
    cpu: Cpu,
    calls: Arc<AtomicUsize>,
    /// The call from which on it is lost; never for 0.
    lost_at: usize,
    /// What is added to all numbers that are read.
    off: f32,
}

impl Faulty {
    fn new(lost_at: usize, off: f32) -> Faulty {
        Faulty { cpu: Cpu::new(DEFAULT_MEMORY), calls: Arc::new(AtomicUsize::new(0)), lost_at, off }
    }

    fn call<R>(&mut self, call: impl FnOnce(&mut Cpu) -> Result<R>) -> Result<R> {
        let at = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if self.lost_at > 0 && at >= self.lost_at {
            return Err(Error::DeviceLost { device: "the device".into(), problem: "a test".into() });
        }
        call(&mut self.cpu)
    }
}

impl Engine for Faulty {
    fn limits(&self) -> &Limits {
        self.cpu.limits()
    }
    fn run(&mut self, plan: &Checked) -> Result<()> {
        self.call(|cpu| cpu.run(plan))
    }
    fn begin_timed(&mut self, plan: &Checked) -> Result<Pending<Vec<Timespan>>> {
        self.call(|cpu| cpu.begin_timed(plan))
    }
    fn write(&mut self, buffer: BufferName, words: &[u32]) -> Result<()> {
        self.call(|cpu| cpu.write(buffer, words))
    }
    fn begin_read(&mut self, buffer: BufferName, len: usize) -> Result<Reading> {
        let mut words = self.call(|cpu| cpu.read(buffer, len))?;
        // To add 0 would change the sign of a 0.
        if self.off != 0.0 {
            words.iter_mut().for_each(|word| *word = (f32::from_bits(*word) + self.off).to_bits());
        }
        Ok(ready(Ok(words)))
    }
    fn allocated(&self) -> u64 {
        self.cpu.allocated()
    }
    fn done(&mut self) -> Pending<()> {
        self.cpu.done()
    }
}

fn losing(lost_at: usize) -> (Device, Arc<AtomicUsize>) {
    let engine = Faulty::new(lost_at, 0.0);
    let calls = engine.calls.clone();
    (Device { self_check: false, ..Device::new(engine, "the device", "tests") }, calls)
}

/// Wherever the device is lost, it is opened again once, and training comes to the bits of one that nothing happened to.
#[test]
fn a_training_goes_on_after_its_device_was_lost() {
    let room = tempfile::tempdir().unwrap();
    let recipe = recipe(room.path(), 4);
    let begin = |name: &str, lost_at| {
        let (device, calls) = losing(lost_at);
        let mut training = Training::begin(&recipe, &room.path().join(name), true, device).unwrap();
        training.interval = Interval::Steps(4);
        (training, calls)
    };
    let (mut training, calls) = begin("whole", 0);
    let before = calls.load(Ordering::Relaxed);
    training.run(&mut ()).unwrap();
    let all = calls.load(Ordering::Relaxed);
    drop(training);
    let weights = |name: &str| Model::load(&room.path().join(name)).unwrap().parameters;
    let whole = weights("whole");
    for lost_at in (before + 1..=all).step_by(7) {
        let (mut training, _) = begin("lost", lost_at);
        training.reopen = Some(Box::new(|| Ok(losing(0).0)));
        training.run(&mut ()).unwrap_or_else(|error| panic!("lost at call {lost_at}: {error}"));
        drop(training);
        assert!(weights("lost") == whole, "lost at call {lost_at} of {all}");
    }
    // Twice in a row is too often, and without another device there is nothing to do: what was saved goes on.
    for again in [true, false] {
        let (mut training, _) = begin("lost", (before + all) / 2);
        training.reopen = again.then(|| Box::new(move || Ok(losing(14).0)) as _);
        let error = training.run(&mut ()).err().unwrap();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
        drop(training);
        Training::resume(&room.path().join("lost"), None, losing(0).0).unwrap().run(&mut ()).unwrap();
        assert!(weights("lost") == whole);
    }
}

/// A device whose numbers are off is found before anything is written.
#[test]
fn a_device_that_computes_wrongly_is_refused() {
    let room = tempfile::tempdir().unwrap();
    let recipe = recipe(room.path(), 4);
    let device = |self_check| {
        let device = Device::new(Faulty::new(0, 0.5), "the device", "tests");
        Device { self_check, ..device }
    };
    let folder = room.path().join("model");
    let error = Training::begin(&recipe, &folder, false, device(true)).err().unwrap();
    assert!(matches!(error, Error::WrongKernels { .. }), "{error}");
    assert!(error.to_string().starts_with("the device computes wrongly: "), "{error}");
    assert!(!folder.exists());
    assert!(Training::begin(&recipe, &folder, false, device(false)).is_ok());
}
