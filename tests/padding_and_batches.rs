//! What stands around a sequence changes nothing: padding, other sequences of the batch, what was truncated.

mod network_cases;

use network_cases::{Case, Sizes, case, classes, embedding, model, reference};
use proptest::prelude::*;
use srnn::Device;
use srnn::compare::{Tolerance, compare};
use srnn::data::batch::{Batch, PAD, Padding, Truncate};
use srnn::network::{Config, Network, Optimiser};

/// Products of matrices of other heights may round in another order.
const CLOSE: Tolerance = Tolerance::new(1e-6, 1e-6);

const SLICINGS: [(usize, u32); 6] = [(1, 0), (2, 1), (4, 1), (2, 2), (3, 2), (2, 4)];

fn small(n: usize, k: u32, seed: u64) -> Case {
    case(Sizes { n, k, length: 21, embedding: 5, hidden: 11, classes: 3, vocabulary: 13, batch: 7 }, seed)
}

fn network(case: &Case) -> Network {
    Network::with_parameters(case.config.clone(), Device::cpu(), &case.parameters).unwrap()
}

/// The sequences of a batch.
fn sequences(batch: &Batch) -> Vec<&[u32]> {
    let mut rest = batch.tokens();
    batch.lengths.iter().map(|&length| rest.split_off(..length as usize).unwrap()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn whatever_stands_in_the_padding_changes_no_bit() {
    for (n, k) in SLICINGS {
        let case = small(n, k, 1);
        let width = case.config.length;
        let outcome = |filler: u32| {
            let ids: Vec<u32> = sequences(&case.batch)
                .into_iter()
                .flat_map(|tokens| {
                    let padding = std::iter::repeat_n(filler, width - tokens.len());
                    padding.chain(tokens.iter().copied())
                })
                .collect();
            let batch = Batch::from_padded(&ids, width, &case.batch.lengths, classes(&case.batch)).unwrap();
            let mut network = network(&case);
            let logits = network.logits(&batch).unwrap();
            let actual = network.gradients(&batch, &Optimiser::default()).unwrap();
            [&logits[..], &[actual.loss], &actual.flat, &actual.embedding].map(bits)
        };
        let expected = outcome(0);
        // Another token, and none of the vocabulary.
        assert!(outcome(7) == expected && outcome(u32::MAX) == expected, "{}", case.config.slicing);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_sequence_alone_gives_the_logits_that_it_gives_in_any_batch(
        slicing in prop::sample::select(&SLICINGS[..]),
        seed in any::<u64>(),
        order in Just((0..7).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let case = small(slicing.0, slicing.1, seed);
        let all = sequences(&case.batch);
        let mut network = network(&case);
        let in_order: Vec<&[u32]> = order.iter().map(|&at| all[at]).collect();
        let batch = case.config.batch(&in_order, &[]);
        let together = network.logits(&batch).unwrap();
        for (&at, in_batch) in order.iter().zip(together.chunks(case.config.classes)) {
            let alone = network.logits(&case.config.batch(&[all[at]], &[])).unwrap();
            compare(&alone, in_batch, CLOSE).unwrap_or_else(|error| panic!("sequence {at}: {error}"));
        }
    }
}

#[test]
fn unmasked_padding_is_the_token_0_read_in_front() {
    for (n, k) in SLICINGS {
        let Case { config, parameters, batch } = small(n, k, 2);
        let config = Config { padding: Padding::Unmasked, ..config };
        let unpadded = sequences(&batch);
        let mut network = Network::with_parameters(config.clone(), Device::cpu(), &parameters).unwrap();
        let padded = config.batch(&unpadded, classes(&batch));
        let actual = network.logits(&padded).unwrap();
        let explicit: Vec<Vec<usize>> = unpadded
            .iter()
            .map(|tokens| {
                let pads = std::iter::repeat_n(PAD, config.length - tokens.len());
                pads.chain(tokens.iter().copied()).map(|token| token as usize).collect()
            })
            .collect();
        let model = model(&config, &parameters);
        let expected =
            model.logits(&model.states(&reference::embed(&embedding(&parameters), config.embedding, &explicit)));
        compare(&actual, &expected, CLOSE).unwrap_or_else(|error| panic!("{}: {error}", config.slicing));
        // And it does make a difference.
        let masked = network.logits(&batch).unwrap();
        assert!(compare(&masked, &expected, CLOSE).is_err());
    }
}

#[test]
fn of_a_long_sequence_one_end_is_read() {
    for (n, k) in SLICINGS {
        let case = small(n, k, 3);
        let long: Vec<u32> = (0..50).map(|i| (i * i + 3) % 13).collect();
        let length = case.config.length;
        let mut network = network(&case);
        let mut outcomes = Vec::new();
        for (truncate, kept) in [(Truncate::Front, &long[50 - length..]), (Truncate::Back, &long[..length])] {
            let config = Config { truncate, ..case.config.clone() };
            let cut = network.logits(&config.batch(&[&long], &[])).unwrap();
            assert_eq!(bits(&cut), bits(&network.logits(&config.batch(&[kept], &[])).unwrap()), "{truncate:?}");
            outcomes.push(cut);
        }
        assert_ne!(outcomes[0], outcomes[1], "the two ends are not alike");
    }
}
