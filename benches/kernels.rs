//! Every dispatch of a training step of SRNN(8,2), on its own: `cargo bench` (the CPU engine), or with
//! `SRNN_BENCH_DEVICE=gpu` on a GPU that has timestamps. `cargo bench -- 'level 0'` chooses; criterion compares with the
//! run before. For whole steps see `srnn bench`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use srnn::data::{Batch, Inputs, Targets};
use srnn::network::Optimiser;
use srnn::plan::{Dispatch, Plan};
use srnn::{Choice, Config, Device, Network};
use std::time::Duration;

const BATCH: usize = 32;

fn kernels(criterion: &mut Criterion) {
    let choice: Choice = std::env::var("SRNN_BENCH_DEVICE").map_or(Choice::Cpu, |name| name.parse().expect("a device"));
    let config = Config { vocabulary: 10_000, ..Config::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let batch = Batch {
        inputs: Inputs::Tokens((0..BATCH * config.length).map(|_| rng.random_range(0..10_000)).collect()),
        lengths: vec![config.length as u32; BATCH],
        targets: Some(Targets::Classes((0..BATCH as u32).map(|i| i % 2).collect())),
    };
    let device = Device::open(choice, None).expect("a device");
    let name = device.name.clone();
    let mut network = Network::new(config, device, 1).expect("a network");
    let optimiser = Optimiser::default();
    // From here on every buffer holds what a training step leaves in it.
    network.train_step(&batch, &optimiser).expect("a step");
    let whole = network.plans().training(&batch, &optimiser).expect("a plan");
    let mut group = criterion.benchmark_group(name);
    for dispatch in &whole.dispatches {
        let plan = whole.with(before(dispatch, &whole)).checked(network.engine().limits()).expect("a plan");
        let name = BenchmarkId::new(dispatch.kernel.name, &dispatch.place);
        group.throughput(Throughput::Elements(dispatch.cost.operations as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let run = |_| network.engine().run_timed(&plan).expect("a run").pop().expect("a dispatch");
                (0..count).map(run).map(|span| Duration::from_secs_f64(span.end - span.begin)).sum()
            });
        });
    }
}

/// A dispatch, after what must run before it each time: the backward recurrence overwrites what it reads.
fn before(dispatch: &Dispatch, plan: &Plan) -> Vec<Dispatch> {
    let forward = dispatch.place.replace("backward", "forward");
    let makes = |other: &&Dispatch| other.place == forward && other.place != dispatch.place;
    plan.dispatches.iter().filter(makes).chain([dispatch]).cloned().collect()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2));
    targets = kernels
}
criterion_main!(benches);
