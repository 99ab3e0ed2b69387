//! A stream says after every step what the network says of all steps so far.

mod network_cases;

use network_cases::{Sizes, case_of, config_of};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use srnn::compare::{Tolerance, compare};
use srnn::data::{Batch, Inputs, Rows};
use srnn::network::{Activation, Cell, Config, Direction, Input, Network, Parameters, Pooling, Reset, Task};
use srnn::slicing::Align;
use srnn::{Device, Slicing, Stream};

const CLOSE: Tolerance = Tolerance::new(1e-6, 1e-6);
const SIZES: Sizes = Sizes { n: 3, k: 2, length: 25, embedding: 4, hidden: 6, classes: 3, vocabulary: 9, batch: 1 };

/// Longer than T, which goes on at the top level.
const STEPS: usize = 70;

/// Networks of every cell, depth, slicing, pooling, context and task that can stream.
fn family() -> Vec<Config> {
    use Pooling::*;
    let gru = Config { align: Align::Start, ..config_of(SIZES) };
    let lstm = Config { cell: Cell::Lstm, ..gru.clone() };
    let before = Config { reset: Reset::Before, ..gru.clone() };
    let slicing = |n, k| Slicing::new(n, k).unwrap();
    let classes = [
        gru.clone(),
        Config { layers: 3, ..lstm.clone() },
        Config { cell: Cell::Rnn, activation: Activation::Relu, slicing: slicing(2, 4), ..gru.clone() },
        Config { cell: Cell::MinGru, pooling: Max, head_pooling: Mean, ..gru.clone() },
        Config { pooling: Mean, head_pooling: Max, layers: 2, context: 2, ..before.clone() },
        Config { context: 7, layers: 2, ..lstm.clone() },
        Config { heads: 3, slicing: slicing(5, 1), head_pooling: Max, ..gru.clone() },
        Config { slicing: Slicing::plain(), head_pooling: Mean, layers: 2, ..lstm.clone() },
        Config { task: Task::Regression, ..before.clone() },
    ];
    let tags = |config: Config| Config { task: Task::Tags, ..config };
    let steps = [
        tags(gru.clone()),
        tags(Config { layers: 2, slicing: slicing(2, 3), pooling: Max, ..lstm.clone() }),
        tags(Config { context: 3, heads: 2, ..before }),
        tags(Config { cell: Cell::MinGru, slicing: Slicing::plain(), ..gru.clone() }),
        tags(Config { downward: false, context: 2, layers: 2, ..lstm }),
        Config { task: Task::Series, slicing: slicing(4, 2), ..gru },
    ];
    classes.into_iter().chain(steps).collect()
}

/// What the network says of the first t steps of a sequence, for every t: of all of them, or of the last.
fn said(network: &mut Network, tokens: &[u32]) -> Vec<Vec<f32>> {
    let config = network.config().clone();
    let of_first = |steps: usize| Inputs::Tokens(tokens[..steps].to_vec());
    let mut all = Vec::new();
    for steps in 1..=tokens.len() {
        let batch = Batch { inputs: of_first(steps), lengths: vec![steps as u32], targets: None };
        let logits = network.logits(&batch).unwrap();
        all.push(logits[logits.len() - config.classes..].to_vec());
    }
    all
}

#[test]
fn a_stream_says_after_every_step_what_the_network_says() {
    for (seed, config) in (1..).zip(family()) {
        let case = case_of(config.clone(), 1, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut network = Network::with_parameters(config.clone(), Device::cpu(), &case.parameters).unwrap();
        // Three streams, of which one begins later and one reads half as often.
        let sequences: [Vec<u32>; 3] =
            [0; 3].map(|_| (0..STEPS).map(|_| rng.random_range(0..config.vocabulary as u32)).collect());
        let expected = sequences.each_ref().map(|tokens| said(&mut network, tokens));
        let mut stream = Stream::new(&config, &case.parameters, 1).unwrap();
        assert_eq!([stream.add(), stream.add()], [1, 2]);
        for turn in 0..STEPS {
            let reads: Vec<usize> =
                [true, turn >= 4, turn % 2 == 0].iter().enumerate().filter(|own| *own.1).map(|own| own.0).collect();
            let tokens: Vec<u32> = reads.iter().map(|&own| sequences[own][stream.steps(own) as usize]).collect();
            stream.push_tokens(&reads, &tokens).unwrap();
            if turn < 4 {
                assert!(stream.logits(&[0, 1, 2]).unwrap_err().to_string().contains("stream 1 has read nothing yet"));
                continue;
            }
            let logits = stream.logits(&[0, 1, 2]).unwrap();
            for (own, logits) in logits.chunks(config.classes).enumerate() {
                let steps = stream.steps(own) as usize;
                let expected = &expected[own][steps - 1];
                compare(logits, expected, CLOSE).unwrap_or_else(|error| panic!("{config:?}, {steps} steps: {error}"));
            }
        }
    }
}

#[test]
fn states_are_taken_up_and_streams_begin_anew() {
    for (seed, config) in (1..).zip(family()) {
        let case = case_of(config.clone(), 1, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let token = |rng: &mut ChaCha8Rng| rng.random_range(0..config.vocabulary as u32);
        let mut one = Stream::new(&config, &case.parameters, 2).unwrap();
        for _ in 0..37 {
            let tokens = [token(&mut rng), token(&mut rng)];
            one.push_tokens(&[1, 0], &tokens).unwrap();
        }
        let states = one.states();
        let mut other = Stream::new(&config, &case.parameters, 2).unwrap();
        let find =
            |name: &str| states.iter().find(|own| own.name == name).map(|own| (own.shape.clone(), own.values.clone()));
        other.set_states(find).unwrap();
        assert_eq!(other.steps(0), 37);
        for _ in 0..20 {
            let tokens = [token(&mut rng), token(&mut rng)];
            one.push_tokens(&[0, 1], &tokens).unwrap();
            other.push_tokens(&[0, 1], &tokens).unwrap();
            let [own, others] = [&mut one, &mut other].map(|stream| stream.logits(&[0, 1]).unwrap());
            assert_eq!(own, others, "{config:?}");
        }
        // As if nothing had been read.
        let mut fresh = Stream::new(&config, &case.parameters, 1).unwrap();
        other.restart(1).unwrap();
        for _ in 0..30 {
            let own = token(&mut rng);
            fresh.push_tokens(&[0], &[own]).unwrap();
            other.push_tokens(&[1], &[own]).unwrap();
            let (own, expected) = (other.logits(&[1]).unwrap(), fresh.logits(&[0]).unwrap());
            compare(&own, &expected, CLOSE).unwrap();
        }
        let foreign = other.set_states(|name| find(name).filter(|_| name != "levels.0.counts"));
        assert!(foreign.unwrap_err().to_string().contains("`levels.0.counts`"));
    }
}

#[test]
fn numbers_stream_too() {
    let config =
        Config { input: Input::Numbers, vocabulary: 0, task: Task::Series, align: Align::Start, ..config_of(SIZES) };
    let parameters = Parameters::random(&config, 3);
    let mut network = Network::with_parameters(config.clone(), Device::cpu(), &parameters).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let values: Vec<f32> = (0..STEPS * config.embedding).map(|_| rng.random_range(-1.0..1.0)).collect();
    let inputs = Inputs::Numbers(Rows { width: config.embedding, values: values.clone() });
    let expected = network.logits(&Batch { inputs, lengths: vec![STEPS as u32], targets: None }).unwrap();
    let mut stream = Stream::new(&config, &parameters, 1).unwrap();
    for (step, expected) in values.chunks(config.embedding).zip(expected.chunks(config.classes)) {
        stream.push_numbers(&[0], step).unwrap();
        compare(&stream.logits(&[0]).unwrap(), expected, CLOSE).unwrap();
    }
    for (numbers, words) in [(vec![f32::NAN; 4], "not finite"), (vec![0.0; 3], "3 numbers are not a step of 4")] {
        assert!(stream.push_numbers(&[0], &numbers).unwrap_err().to_string().contains(words));
    }
}

#[test]
fn what_cannot_stream_is_refused() {
    let good = Config { align: Align::Start, ..config_of(SIZES) };
    let error = |config: Config| Stream::new(&config, &Parameters::random(&config, 1), 1).err().unwrap().to_string();
    assert!(error(Config { align: Align::End, ..good.clone() }).contains("--align start"));
    assert!(error(Config { direction: Direction::Both, ..good.clone() }).contains("--direction forward"));
    assert!(error(Config { pooling: Pooling::Attention, ..good.clone() }).contains("attention"));
    let mut stream = Stream::new(&good, &Parameters::random(&good, 1), 2).unwrap();
    for (streams, tokens, words) in [
        (&[2][..], &[1][..], "stream 2 of 2"),
        (&[0, 0], &[1, 1], "one step at a time"),
        (&[0], &[9], "token 9"),
        (&[0, 1], &[1], "1 steps for 2 streams"),
    ] {
        let error = stream.push_tokens(streams, tokens).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(stream.push_numbers(&[0], &[0.0; 4]).is_err() && stream.steps(0) == 0);
}
