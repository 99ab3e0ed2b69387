//! The CPU engine against the plain float64 reference: logits, loss and the gradient of every weight, on random
//! slicings, sizes and ragged batches.

mod network_cases;

use network_cases::{Case, Sizes, case, embedding, labels, model, reference, sequences};
use proptest::prelude::*;
use srnn::Device;
use srnn::compare::{Tolerance, compare};
use srnn::network::Network;

const CLOSE: Tolerance = Tolerance::new(1e-6, 1e-5);

fn check(case: &Case) {
    let Case { config, parameters, batch } = case;
    let mut network = Network::with_parameters(config.clone(), Device::cpu(), parameters).unwrap();
    let (expected, expected_embedding) =
        reference::run_tokens(&model(config, parameters), &embedding(parameters), &sequences(batch), &labels(batch));
    compare(&network.logits(batch).unwrap(), &expected.logits, CLOSE).expect("logits");
    let actual = network.gradients(batch).unwrap();
    compare(&[actual.loss], &[expected.loss], CLOSE).expect("loss");
    let gradients = model(config, &actual.gradients);
    for ((name, actual), (_, expected)) in gradients.named().into_iter().zip(expected.gradients.named()) {
        compare(actual, expected, CLOSE).unwrap_or_else(|error| panic!("gradient of {name}: {error}"));
    }
    compare(&embedding(&actual.gradients), &expected_embedding, CLOSE).expect("gradient of the embedding");
}

#[test]
fn the_papers_slicing() {
    check(&case(Sizes { n: 8, k: 2, length: 512, embedding: 20, hidden: 50, classes: 5, vocabulary: 60, batch: 4 }, 1));
}

#[test]
fn a_plain_gru_longer_than_any_tile() {
    check(&case(Sizes { n: 1, k: 0, length: 37, embedding: 4, hidden: 9, classes: 2, vocabulary: 11, batch: 150 }, 2));
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
