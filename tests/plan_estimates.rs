//! What a plan promises: at most 40 dispatches at k = 2, and no more memory than it says.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use srnn::data::{Batch, Inputs, Targets};
use srnn::network::{self, Config, Network, Optimiser, Plans};
use srnn::plan::{Checked, Limits};
use srnn::{Device, Slicing};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, which notes how many bytes are in use, and the most that were.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; the counters touch no memory of the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(used, Relaxed);
        // SAFETY: the caller keeps to the contract of `alloc`, which is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    // `alloc_zeroed` and `realloc` come to these two.
}

/// Held by each test, so that no other one allocates meanwhile.
static ALONE: Mutex<()> = Mutex::new(());

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn batch(config: &Config, sequences: usize, full: bool) -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut tokens, mut lengths) = (vec![], vec![]);
    for _ in 0..sequences {
        let length = if full { config.length } else { rng.random_range(1..=config.length) };
        tokens.extend((0..length).map(|_| rng.random_range(0..config.vocabulary as u32)));
        lengths.push(length as u32);
    }
    let classes = (0..sequences).map(|i| (i % config.classes) as u32).collect();
    Batch { inputs: Inputs::Tokens(tokens), lengths, targets: Some(Targets::Classes(classes)) }
}

fn plan<'b>(config: &Config, batch: &'b Batch) -> Checked<'b> {
    Plans { config, layout: &network::Layout::new(config), limits: &Limits::webgpu_default() }
        .training(batch, &Optimiser::default())
        .unwrap()
}

#[test]
fn a_training_step_with_two_merges_is_at_most_forty_dispatches() {
    let _alone = ALONE.lock();
    for (n, length, hidden, sequences) in [(8, 512, 50, 100), (8, 512, 256, 16), (2, 5, 7, 1), (16, 4096, 50, 4)] {
        let config =
            Config { slicing: Slicing::new(n, 2).unwrap(), length, hidden, vocabulary: 5000, ..Config::default() };
        for full in [true, false] {
            let batch = batch(&config, sequences, full);
            let plan = plan(&config, &batch);
            assert!(plan.dispatches.len() <= 40, "SRNN({n},2), T = {length}: {}", *plan);
        }
    }
}

#[test]
fn training_takes_no_more_memory_than_planned() {
    let _alone = ALONE.lock();
    for (length, vocabulary, sequences) in [(512, 30_000, 16), (4096, 500, 8)] {
        let config = Config { length, vocabulary, ..Config::default() };
        let batches = [batch(&config, sequences, false), batch(&config, sequences, true)];
        let planned = plan(&config, &batches[1]).memory() as f64;
        let mut network = Network::new(config, Device::cpu(), 1).unwrap();
        network.train_step(&batches[0], &Optimiser::default()).unwrap();
        network.train_step(&batches[1], &Optimiser::default()).unwrap();
        let held = network.engine().allocated() as f64;
        let before = USED.load(Relaxed);
        PEAK.store(before, Relaxed);
        for batch in batches.iter().cycle().take(4) {
            network.train_step(batch, &Optimiser::default()).unwrap();
        }
        // What the plan and its uploads take on top, until the step is done.
        let passing = (PEAK.load(Relaxed) - before) as f64;
        assert!((0.5 * planned..=planned).contains(&held), "T = {length}: {held} bytes held, {planned} planned");
        assert!(held + passing <= 1.2 * planned, "T = {length}: {held} + {passing} bytes, {planned} planned");
    }
}
