//! The whole network on the GPU: against the float64 reference and the CPU engine, within WebGPU's default limits, and
//! cut up in time and in micro-batches.

mod network_cases;

use network_cases::{
    Case, Sizes, agrees_with_the_reference, case, case_of, classes, config_of, family, gpu, ragged, smallest_engine,
    smallest_gpu,
};
use network_cases::{dropout_has_its_gradient, numbers_agree_with_the_reference};
use srnn::compare::{Tolerance, compare};
use srnn::data::{Batch, Inputs, Targets};
use srnn::engine::gpu::{Gpu, raw};
use srnn::engine::{Engine, read_f32, write_f32};
use srnn::error::LimitKind;
use srnn::network::{
    Adam, Cell, Config, Direction, Layout, Network, Optimiser, Parameters, Plans, Pooling, Rule, Task, buffer,
};
use srnn::plan::{BufferName, Checked, Limits, Plan, Product, Tuning};
use srnn::{Device, Error, Result, Slicing};
use std::collections::BTreeSet;

/// Two orders of rounding.
const CLOSE: Tolerance = Tolerance::new(1e-7, 1e-5);

const PAPER: Sizes =
    Sizes { n: 8, k: 2, length: 128, embedding: 20, hidden: 50, classes: 5, vocabulary: 200, batch: 16 };

/// Ragged networks of all depths.
fn cases() -> Vec<Case> {
    let deep = Sizes { n: 2, k: 3, length: 45, embedding: 7, hidden: 33, classes: 3, vocabulary: 50, batch: 9 };
    let plain = Sizes { n: 1, k: 0, length: 40, embedding: 3, hidden: 9, classes: 2, vocabulary: 7, batch: 70 };
    let wide = Sizes { n: 3, k: 1, length: 20, embedding: 70, hidden: 130, classes: 4, vocabulary: 30, batch: 40 };
    let mut cases: Vec<Case> = [PAPER, deep, plain, wide].into_iter().zip(1..).map(|(s, seed)| case(s, seed)).collect();
    let strands = Sizes { hidden: 32, embedding: 16, vocabulary: 60, ..deep };
    for (heads, pooling) in [(1, Pooling::Last), (2, Pooling::Max)] {
        let config = Config { heads, pooling, direction: Direction::Both, ..config_of(strands) };
        cases.push(case_of(config, strands.batch, 5));
    }
    let tags = Config { task: Task::Tags, cell: Cell::Lstm, direction: Direction::Both, ..config_of(strands) };
    cases.push(case_of(tags, strands.batch, 5));
    cases
}

fn network(case: &Case, device: Device) -> Network {
    Network::with_parameters(case.config.clone(), device, &case.parameters).unwrap()
}

/// What a plan that ends with the gradients leaves: totals, gradient of the weights and of the embeddings.
fn gradients(network: &mut Network, plan: &Checked) -> [Vec<f32>; 3] {
    let engine = network.engine();
    write_f32(engine, buffer::TOTALS, &[0.0; 4]).unwrap();
    engine.run(plan).unwrap();
    [buffer::TOTALS, buffer::GRADIENTS, buffer::EMBEDDING_GRADIENT].map(|name| {
        let spec = plan.buffers.iter().find(|spec| spec.name == name).unwrap();
        read_f32(engine, name, spec.len()).unwrap()
    })
}

/// Checks that two plans for a case leave the same gradients, to rounding, on both engines.
fn same_gradients(case: &Case, one: &Checked, other: &Checked) {
    for device in [Device::cpu(), gpu()] {
        let mut network = network(case, device);
        let expected = gradients(&mut network, one);
        let actual = gradients(&mut network, other);
        for (actual, expected) in actual.iter().zip(&expected) {
            compare(actual, expected, CLOSE).unwrap_or_else(|error| panic!("{}: {error}", network.device()));
        }
    }
}

fn plan<'b>(case: &'b Case, limits: &Limits) -> Checked<'b> {
    try_plan(case, limits).unwrap()
}

/// The first half of a step.
fn try_plan<'b>(case: &'b Case, limits: &Limits) -> Result<Checked<'b>> {
    let plans = Plans { config: &case.config, layout: &Layout::new(&case.config), limits };
    plans.gradients(&case.batch, &Optimiser::default()).map(|(plan, _)| plan)
}

/// A whole step.
fn step<'b>(config: &Config, batch: &'b Batch, optimiser: &Optimiser, limits: &Limits) -> Result<Checked<'b>> {
    Plans { config, layout: &Layout::new(config), limits }.training(batch, optimiser)
}

fn dispatches_of(plan: &Plan, place: &str) -> usize {
    plan.dispatches.iter().filter(|d| d.place == place).count()
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn the_whole_family_agrees_with_the_reference() {
    for (at, case) in family().iter().enumerate() {
        agrees_with_the_reference(case, gpu());
        if at % 5 == 0 {
            numbers_agree_with_the_reference(case, gpu());
            dropout_has_its_gradient(case, gpu);
        }
    }
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn gradients_agree_with_the_reference() {
    for case in cases() {
        agrees_with_the_reference(&case, gpu());
    }
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn gradients_agree_with_the_cpu_engine() {
    for case in cases() {
        let limits = Limits::webgpu_default();
        let plan = plan(&case, &limits);
        let [actual, expected] = [gpu(), Device::cpu()].map(|device| gradients(&mut network(&case, device), &plan));
        for (actual, expected) in actual.iter().zip(&expected) {
            compare(actual, expected, CLOSE).unwrap();
        }
    }
}

/// The losses of `steps` training steps, each on a batch of its own, and what is left at the end.
fn train(case: &Case, device: Device, steps: u64) -> (Vec<f64>, Network) {
    let mut network = network(case, device);
    let optimiser = Optimiser::adam(5e-3);
    let losses = (0..steps)
        .map(|step| {
            network.train_step(&ragged(&case.config, case.batch.len(), 100 + step), &optimiser).unwrap();
            network.totals().unwrap().loss
        })
        .collect();
    (losses, network)
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn thirty_training_steps_follow_the_cpu_engine() {
    let case = case(PAPER, 1);
    let [(actual, mut on_gpu), (expected, mut on_cpu)] = [gpu(), Device::cpu()].map(|device| train(&case, device, 30));
    for (step, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
        compare(&[*actual], &[*expected], Tolerance::new(1e-4, 0.0)).unwrap_or_else(|e| panic!("step {step}: {e}"));
    }
    let [actual, expected] = [&mut on_gpu, &mut on_cpu].map(|network| network.optimiser_state().unwrap().0[4].clone());
    compare(&actual, &expected, Tolerance::new(0.0, 1e-4)).expect("steps, powers of β, scale, skipped and norm");
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn the_same_seed_gives_the_same_bits() {
    let case = case(PAPER, 1);
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    for device in [gpu, Device::cpu] {
        let [one, other] = [(); 2].map(|()| {
            let (losses, mut network) = train(&case, device(), 5);
            let Parameters { flat, embedding } = network.parameters().unwrap();
            assert_ne!(flat, case.parameters.flat);
            (losses.iter().map(|loss| loss.to_bits()).collect::<Vec<u64>>(), bits(&flat), bits(&embedding))
        });
        assert!(one == other, "{}", device());
    }
}

/// Totals that are asked for are those of the steps so far, whenever they are fetched.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn totals_on_their_way_are_of_their_moment() {
    let case = case(PAPER, 1);
    for device in [gpu, Device::cpu] {
        let (expected, _) = train(&case, device(), 3);
        let (mut network, optimiser) = (network(&case, device()), Optimiser::adam(5e-3));
        let pending = [100, 101, 102].map(|seed| {
            network.train_step(&ragged(&case.config, case.batch.len(), seed), &optimiser).unwrap();
            network.begin_totals().unwrap()
        });
        network.train_step(&case.batch, &optimiser).unwrap();
        assert_eq!(pending.map(|totals| totals.finish().unwrap().loss).as_slice(), expected, "{}", device());
        assert_eq!(network.totals().unwrap().sequences, case.batch.len());
    }
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn a_recurrence_cut_along_time_gives_the_same_gradients() {
    for case in cases() {
        let whole = plan(&case, &Limits::webgpu_default());
        assert_eq!(dispatches_of(&whole, "level 0 forward"), 1);
        let operations = whole.dispatches.iter().find(|d| d.place == "level 0 forward").unwrap().cost.operations;
        let cut = plan(&case, &Limits { dispatch_operations: operations / 3.0, ..Limits::webgpu_default() });
        assert!(dispatches_of(&cut, "level 0 forward") > 1, "{}", *cut);
        assert_eq!(dispatches_of(&cut, "level 0 backward"), dispatches_of(&cut, "level 0 forward"));
        same_gradients(&case, &whole, &cut);
    }
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn micro_batches_add_up_to_the_same_gradients() {
    for case in cases() {
        let whole = plan(&case, &Limits::webgpu_default());
        let memory = whole.memory();
        let tight = (1..100).map(|percent| Limits { memory: memory * percent / 100, ..Limits::webgpu_default() });
        // The least memory that does: micro-batches as small as can be.
        let mut tight = tight.filter_map(|limits| try_plan(&case, &limits).ok());
        let cut = tight.next().expect("less memory is enough for micro-batches");
        assert!(dispatches_of(&cut, "loss") > 1, "{}", *cut);
        same_gradients(&case, &whole, &cut);
    }
}

/// Both directions share a buffer of gates, which micro-batches of few tokens cannot cut; where it is too large, each has its own.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn directions_are_apart_where_together_they_do_not_fit() {
    let sizes = Sizes { n: 2, k: 1, length: 40, embedding: 4, hidden: 8, classes: 2, vocabulary: 400, batch: 12 };
    for (layers, heads) in [(1, 1), (2, 2)] {
        let case = case_of(Config { direction: Direction::Both, layers, heads, ..config_of(sizes) }, sizes.batch, 6);
        let distinct: BTreeSet<u32> = case.batch.tokens().iter().copied().collect();
        let gates = 4 * 2 * 3 * (sizes.hidden * distinct.len()) as u64;
        let whole = plan(&case, &Limits::webgpu_default());
        let apart = plan(&case, &Limits { binding: gates * 3 / 4, ..Limits::webgpu_default() });
        let of_one = |plan: &Plan| dispatches_of(plan, "level 0 reversed forward");
        assert_eq!((of_one(&whole), of_one(&apart) > 0), (0, true), "{}", *apart);
        same_gradients(&case, &whole, &apart);
    }
}

/// Micro-batches end in one step of the optimiser, which moves every weight as the whole batch would.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn micro_batches_make_one_step() {
    let case = case(PAPER, 3);
    let optimiser = Optimiser {
        rule: Rule::Adam(Adam { epsilon: 1e-3, ..Adam::default() }),
        clip: Some(0.1),
        ..Optimiser::default()
    };
    let plan = |limits: &Limits| step(&case.config, &case.batch, &optimiser, limits).unwrap();
    let whole = plan(&Limits::webgpu_default());
    let cut = plan(&Limits { memory: whole.memory() * 6 / 10, ..Limits::webgpu_default() });
    assert!(dispatches_of(&cut, "loss") > 1 && dispatches_of(&cut, "step") == 1, "{}", *cut);
    for device in [gpu, Device::cpu] {
        let [expected, actual] = [&whole, &cut].map(|plan| {
            let mut network = network(&case, device());
            network.engine().run(plan).unwrap();
            let Parameters { flat, embedding } = network.parameters().unwrap();
            let moved = |new: Vec<f32>, old: &[f32]| new.iter().zip(old).map(|(n, o)| n - o).collect::<Vec<f32>>();
            [moved(flat, &case.parameters.flat), moved(embedding, &case.parameters.embedding)]
        });
        for (actual, expected) in actual.iter().zip(&expected) {
            // A step of about 1e-3, of which the rounding of weights of about 1 is seen.
            compare(actual, expected, Tolerance::new(2e-7, 1e-4)).unwrap();
        }
    }
}

/// Two long sequences, cut as the paper cuts 32,768 steps, on a device that has no more than any other.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn very_long_sequences_within_webgpus_limits() {
    for (n, k) in [(8, 4), (32, 2)] {
        let length = 32_768;
        let sizes = Sizes { n, k, length, embedding: 16, hidden: 50, classes: 2, vocabulary: 500, batch: 1 };
        let mut case = case(sizes, 4);
        let short = 20_001;
        let tokens = [case.batch.tokens(), &case.batch.tokens()[length - short..]].concat();
        case.batch.lengths.push(short as u32);
        let targets = Some(Targets::Classes([classes(&case.batch), &[1]].concat()));
        case.batch = Batch { inputs: Inputs::Tokens(tokens), targets, ..case.batch };
        let limits = Limits::webgpu_default();
        let optimiser = Optimiser::default();
        step(&case.config, &case.batch, &optimiser, &limits).unwrap();
        let [actual, expected] = [smallest_gpu(), Device::cpu()].map(|device| {
            let mut network = network(&case, device);
            network.train_step(&case.batch, &optimiser).unwrap();
            let totals = network.totals().unwrap();
            assert_eq!(totals.sequences, 2);
            let parameters = network.parameters().unwrap();
            assert_ne!(parameters.flat, case.parameters.flat);
            assert!(parameters.flat.iter().chain(&parameters.embedding).all(|weight| weight.is_finite()));
            totals.loss
        });
        compare(&[actual], &[expected], Tolerance::new(1e-4, 0.0)).unwrap();
    }
}

/// Planned, not run: it needs no GPU.
#[test]
fn a_hundred_very_long_sequences_can_be_planned() {
    for (n, k) in [(8, 4), (32, 2)] {
        let config = Config { slicing: Slicing::new(n, k).unwrap(), length: 32_768, ..Config::default() };
        let batch = Batch {
            inputs: Inputs::Tokens((0..100 * 32_768).map(|i| i % 30_000).collect()),
            lengths: vec![32_768; 100],
            targets: Some(Targets::Classes(vec![0; 100])),
        };
        let limits = Limits::webgpu_default();
        let plan = step(&config, &batch, &Optimiser::default(), &limits).unwrap();
        assert!(dispatches_of(&plan, "loss") > 1 && dispatches_of(&plan, "step") == 1);
    }
}

/// As wide as WebGPU's default limits allow.
const WIDEST: Sizes = Sizes { n: 2, k: 1, length: 4, embedding: 3, hidden: 1024, classes: 2, vocabulary: 5, batch: 3 };

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn the_widest_network_within_webgpus_limits() {
    agrees_with_the_reference(&case(WIDEST, 5), smallest_gpu());
}

#[test]
fn a_hidden_size_beyond_the_limits_is_refused_by_name() {
    let Case { config, batch, .. } = case(WIDEST, 5);
    let limits = Limits::webgpu_default();
    step(&config, &batch, &Optimiser::default(), &limits).unwrap();
    let wider = Config { hidden: WIDEST.hidden + 8, ..config };
    let Err(error) = step(&wider, &batch, &Optimiser::default(), &limits) else { panic!("1032 units are too many") };
    assert!(
        matches!(error, Error::Limit { needed: 16_576, limit: 16_384, kind: LimitKind::WorkgroupMemory, .. }),
        "{error}"
    );
    let text = error.to_string();
    for part in ["gru_backward", "workgroup memory", "WebGPU's default limits"] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

/// Few rows are spread over more workgroups, up to what fills the device; the results are the same bits.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn rows_share_workgroups_only_on_a_full_device() {
    let case = case(PAPER, 8);
    let mut network = network(&case, gpu());
    let mut run = |workgroups| {
        let plan = plan(
            &case,
            &Limits { tuning: Tuning { workgroups, product: Product::Paired }, ..Limits::webgpu_default() },
        );
        let lanes = |place| {
            let dispatch = plan.dispatches.iter().find(|d| d.place == place).unwrap();
            dispatch.constants.iter().find(|(name, _)| *name == "LANES").unwrap().1
        };
        (["level 0 forward", "level 1 backward", "level 2 forward"].map(lanes), gradients(&mut network, &plan))
    };
    // Some 600, 90 and 16 rows.
    let (lanes, expected) = run(1);
    assert_eq!(lanes, [4, 4, 4]);
    for (workgroups, lanes) in [(4, [4, 4, 4]), (8, [4, 4, 2]), (16, [4, 4, 1]), (64, [4, 1, 1]), (10_000, [1, 1, 1])] {
        assert_eq!(run(workgroups), (lanes, expected.clone()), "{workgroups} workgroups");
    }
}

/// A plan runs in the order of its dispatches, timed or not, and leaves the same numbers.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn timed_runs_tell_when_each_dispatch_ran() {
    let case = case(PAPER, 6);
    let limits = Limits::webgpu_default();
    let plan = plan(&case, &limits);
    for device in [gpu(), Device::cpu()] {
        let mut network = network(&case, device);
        let expected = gradients(&mut network, &plan);
        let times = network.engine().run_timed(&plan).unwrap();
        assert_eq!(times.len(), plan.dispatches.len());
        assert!(times.iter().all(|time| 0.0 <= time.begin && time.begin <= time.end), "{times:?}");
        assert!(times.windows(2).all(|pair| pair[0].begin <= pair[1].begin), "{times:?}");
        let longest = plan.dispatches.iter().zip(&times).max_by(|a, b| {
            let [a, b] = [a.1, b.1].map(|time| time.end - time.begin);
            a.total_cmp(&b)
        });
        assert!(longest.unwrap().1.end > longest.unwrap().1.begin && times[times.len() - 1].end < 60.0, "{times:?}");
        assert_eq!(gradients(&mut network, &plan), expected);
        assert_eq!(network.engine().run_timed(&Plan::default().checked(&limits).unwrap()).unwrap(), []);
        // More passes than a query set holds.
        let many = plan.with(vec![plan.dispatches[0].clone(); 2100]).checked(&limits).unwrap();
        let times = network.engine().run_timed(&many).unwrap();
        assert!(times.len() == 2100 && times.windows(2).all(|pair| pair[0].begin <= pair[1].begin));
    }
    let mut smallest = network(&case, smallest_gpu());
    let error = smallest.engine().run_timed(&plan).unwrap_err();
    assert!(error.to_string().contains("no timestamp queries, which timed runs need"), "{error}");
}

/// After the largest batch and a small one (whose weight gradients need one part only), a training step makes no object
/// of the device, whatever its lengths.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn a_warm_training_step_makes_nothing() {
    let case = case(PAPER, 7);
    let mut gpu = smallest_engine();
    gpu.write(buffer::WEIGHTS, bytemuck::cast_slice(&case.parameters.flat)).unwrap();
    gpu.write(buffer::EMBEDDING, bytemuck::cast_slice(&case.parameters.embedding)).unwrap();
    let mut step = |batch: &Batch| {
        // With the same lanes for few rows and for many: others are other pipelines.
        let limits = Limits { tuning: Tuning { workgroups: 1, product: Product::Paired }, ..gpu.limits().clone() };
        let plan = step(&case.config, batch, &Optimiser::default(), &limits).unwrap();
        gpu.run(&plan).unwrap();
        let outlives_its_batch: Plan = plan.with(plan.dispatches.clone());
        (gpu.made(), gpu.allocated(), outlives_its_batch)
    };
    let vocabulary = PAPER.vocabulary as u32;
    let largest = Batch {
        inputs: Inputs::Tokens((0..vocabulary).cycle().take(PAPER.batch * PAPER.length).collect()),
        lengths: vec![PAPER.length as u32; PAPER.batch],
        targets: Some(Targets::Classes(vec![0; PAPER.batch])),
    };
    let (made, allocated, plan) = step(&largest);
    assert!(made.buffers > 20 && made.bind_groups > 20 && made.pipelines > 8, "{made:?}");
    assert!((plan.memory()..plan.memory() * 12 / 10).contains(&allocated), "{allocated} bytes for {plan}");
    let (warm, ..) = step(&ragged(&case.config, 1, 1));
    for (seed, count) in [16, 9, 1, 16, 2, 5, 16].into_iter().enumerate() {
        let (made, _, plan) = step(&ragged(&case.config, count, seed as u64));
        assert_eq!(made, warm, "{count} sequences\n{plan}");
    }
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn readings_are_awaited_on_a_device_that_another_program_opened() {
    let owner = smallest_engine();
    let (device, queue) = raw::device(&owner);
    let mut gpu = Gpu::on(device.clone(), queue.clone(), 1 << 20);
    assert_eq!(gpu.limits().memory, 1 << 20);
    gpu.write(BufferName::of("a"), &[1, 2, 3]).unwrap();
    let read = pollster::block_on(async {
        let before = gpu.begin_read(BufferName::of("a"), 2)?;
        gpu.write(BufferName::of("a"), &[4])?;
        let after = gpu.begin_read(BufferName::of("a"), 3)?;
        gpu.done().await?;
        // In another order than they were asked for.
        let after = after.await?;
        Ok::<_, Error>((before.await?, after))
    });
    assert_eq!(read.unwrap(), (vec![1, 2], vec![4, 2, 3]));
    assert!(
        raw::buffer(&gpu, BufferName::of("a")).is_some_and(|buffer| buffer.size() >= 12)
            && raw::buffer(&gpu, BufferName::of("b")).is_none()
    );
}
