//! The CPU engine against the plain float64 reference: logits, loss and the gradient of every weight, on random
//! slicings, sizes and ragged batches.

mod network_cases;

use network_cases::numbers_agree_with_the_reference;
use network_cases::{Case, Sizes, agrees_with_the_reference, case, dropout_has_its_gradient, family};
use proptest::prelude::*;
use srnn::Device;
use srnn::compare::{Tolerance, compare};
use srnn::data::{Batch, Inputs, Rows};
use srnn::engine::cpu::Cpu;
use srnn::network::{Config, Input, Network, Optimiser, Parameters};

/// The CPU engine with all work shared among its threads: of small plans it is not.
fn shared() -> Device {
    Device::new(Cpu::new(1 << 30).sharing_all(), "CPU engine", "shared among its threads")
}

fn check(case: &Case) {
    agrees_with_the_reference(case, Device::cpu());
    agrees_with_the_reference(case, shared());
}

#[test]
fn the_papers_slicing() {
    check(&case(Sizes { n: 8, k: 2, length: 512, embedding: 20, hidden: 50, classes: 5, vocabulary: 60, batch: 4 }, 1));
}

#[test]
fn a_plain_gru_longer_than_any_tile() {
    check(&case(Sizes { n: 1, k: 0, length: 37, embedding: 4, hidden: 9, classes: 2, vocabulary: 11, batch: 150 }, 2));
}

#[test]
fn every_cell_direction_depth_pooling_and_context() {
    family().iter().for_each(check);
}

#[test]
fn numbers_in_place_of_tokens() {
    family().iter().for_each(|case| numbers_agree_with_the_reference(case, Device::cpu()));
}

/// A case whose steps are numbers, not tokens.
fn of_numbers(case: Case) -> Case {
    let width = case.config.embedding;
    let values = (0..case.batch.steps() * width).map(|at| (at as f32 * 0.7).sin()).collect();
    let config = Config { input: Input::Numbers, vocabulary: 0, ..case.config };
    let parameters = Parameters { embedding: vec![], ..case.parameters };
    let batch = Batch { inputs: Inputs::Numbers(Rows { width, values }), ..case.batch };
    Case { config, parameters, batch }
}

#[test]
fn micro_batches_add_up_to_the_same_gradients() {
    const CLOSE: Tolerance = Tolerance::new(1e-6, 1e-5);
    let all = family().into_iter().chain(family().into_iter().map(of_numbers));
    for Case { config, parameters, batch } in all {
        let on = |memory: u64| {
            let device = Device::new(Cpu::new(memory), "CPU engine", "of little memory");
            let mut network = Network::with_parameters(config.clone(), device, &parameters).ok()?;
            let optimiser = Optimiser::default();
            let plan = network.plans().gradients(&batch, &optimiser).ok()?.0;
            let parts = plan.dispatches.iter().filter(|dispatch| dispatch.place == "loss").count();
            let memory = plan.memory();
            Some((parts, memory, network.gradients(&batch, &optimiser).unwrap()))
        };
        let (one, memory, whole) = on(1 << 30).unwrap();
        // The least memory that does.
        let (several, _, cut) = (1..100).find_map(|percent| on(memory * percent / 100)).unwrap();
        assert!(one == 1 && several > 1, "{config:?}: {several} parts");
        compare(&cut.flat, &whole.flat, CLOSE).unwrap_or_else(|error| panic!("{config:?}: {error}"));
    }
}

#[test]
fn dropout_and_its_gradient() {
    family().iter().for_each(|case| dropout_has_its_gradient(case, Device::cpu));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn random_networks(
        (n, k) in prop_oneof![Just((1usize, 0u32)), (2usize..5, 1u32..4)],
        extra in 0usize..30,
        embedding in 1usize..9,
        hidden in 1usize..20,
        classes in 2usize..5,
        vocabulary in 1usize..40,
        batch in 1usize..8,
        seed in any::<u64>(),
    ) {
        let length = n.pow(k) + extra;
        check(&case(Sizes { n, k, length, embedding, hidden, classes, vocabulary, batch }, seed));
    }
}
