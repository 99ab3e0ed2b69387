//! A training step in its two halves, and plans whose buffers do not agree.

use srnn::network::{Config, Gradients, Network, Optimiser, Rule, Sgd};
use srnn::plan::{BufferName, Limits, Plan};
use srnn::{Device, Slicing};

fn network(freeze_embedding: bool) -> Network {
    let slicing = Slicing::new(2, 1).unwrap();
    let config = Config {
        slicing,
        length: 8,
        vocabulary: 12,
        embedding: 3,
        hidden: 5,
        classes: 3,
        freeze_embedding,
        ..Config::default()
    };
    Network::new(config, Device::cpu(), 7).unwrap()
}

/// Dropout, smoothing and class weights: all that the first half may see of a step's settings.
fn optimiser() -> Optimiser {
    Optimiser {
        dropout: 0.2,
        embedding_dropout: 0.1,
        seed: 3,
        label_smoothing: 0.1,
        class_weights: vec![1.0, 2.0, 0.5],
        ..Optimiser::adam(0.01)
    }
}

#[test]
fn both_halves_are_the_step_bit_for_bit() {
    for freeze in [false, true] {
        let (mut whole, mut halves) = (network(freeze), network(freeze));
        let batch = whole.config().batch(&[&[3, 4, 5, 6, 4], &[7, 8], &[9]], &[0, 2, 1]);
        for _ in 0..3 {
            whole.train_step(&batch, &optimiser()).unwrap();
            halves.compute_gradients(&batch, &optimiser()).unwrap();
            halves.apply_gradients(&optimiser()).unwrap();
        }
        assert_eq!(whole.parameters().unwrap(), halves.parameters().unwrap());
        assert_eq!(whole.optimiser_state().unwrap(), halves.optimiser_state().unwrap());
        assert_eq!(whole.totals().unwrap(), halves.totals().unwrap());
    }
}

#[test]
fn gradients_see_what_the_step_sees() {
    let (mut stepping, mut looking) = (network(false), network(false));
    let batch = looking.config().batch(&[&[3, 4, 5], &[7, 8]], &[0, 2]);
    stepping.train_step(&batch, &optimiser()).unwrap();
    let of_step = stepping.totals().unwrap();
    let found = looking.gradients(&batch, &optimiser()).unwrap();
    assert_eq!(found.loss, of_step.loss as f32);
    let plain = looking.gradients(&batch, &Optimiser::default()).unwrap();
    assert_ne!(found.loss, plain.loss);
    assert_ne!(found.flat, plain.flat);
}

#[test]
fn gradients_are_changed_in_between() {
    let rule = Rule::Sgd(Sgd { learning_rate: 1.0, momentum: 0.0, weight_decay: 0.0 });
    let descent = Optimiser { rule, clip: None, ..Optimiser::default() };
    let mut network = network(false);
    let before = network.parameters().unwrap();
    let batch = network.config().batch(&[&[3, 4, 5], &[7, 8]], &[0, 2]);
    let found = network.gradients(&batch, &descent).unwrap();
    // Gradients of other tokens than the batch's: those of 3 go to 10.
    let tokens: Vec<u32> = found.tokens.iter().map(|&token| if token == 3 { 10 } else { token }).collect();
    let doubled = |values: &[f32]| values.iter().map(|value| 2.0 * value).collect::<Vec<f32>>();
    let changed = Gradients { tokens, flat: doubled(&found.flat), embedding: doubled(&found.embedding), ..found };
    network.set_gradients(&changed).unwrap();
    assert_eq!(network.read_gradients().unwrap().embedding, changed.embedding);
    network.apply_gradients(&descent).unwrap();
    let (after, dense) = (network.parameters().unwrap(), changed.dense(12));
    let moved =
        |before: &[f32], gradient: &[f32]| before.iter().zip(gradient).map(|(b, g)| b - g).collect::<Vec<f32>>();
    assert_eq!(after.flat, moved(&before.flat, &dense.flat));
    assert_eq!(after.embedding, moved(&before.embedding, &dense.embedding));
    assert_eq!(after.embedding[9..12], before.embedding[9..12]);
}

#[test]
fn gradients_that_are_not_there_or_of_another_network_are_refused() {
    let mut network = network(false);
    let error = network.apply_gradients(&Optimiser::default()).unwrap_err().to_string();
    assert!(error.contains("there are no gradients"), "{error}");
    let batch = network.config().batch(&[&[3, 4]], &[0]);
    let found = network.gradients(&batch, &Optimiser::default()).unwrap();
    for wrong in [
        Gradients { flat: found.flat[1..].to_vec(), ..found.clone() },
        Gradients { embedding: found.embedding[1..].to_vec(), ..found.clone() },
        Gradients { tokens: vec![3, 3], ..found.clone() },
        Gradients { tokens: vec![3, 12], ..found.clone() },
    ] {
        assert!(network.set_gradients(&wrong).unwrap_err().to_string().contains("other sizes"));
    }
}

/// Found in every build, not in debug builds alone.
#[test]
fn a_buffer_in_two_roles_is_refused() {
    const NAME: BufferName = BufferName::of("weights");
    let mut plan = Plan::default();
    plan.persistent(NAME, &[4]);
    assert!(plan.clone().checked(&Limits::webgpu_default()).is_ok());
    plan.output(NAME, &[4]);
    let Err(error) = plan.checked(&Limits::webgpu_default()) else { panic!("two roles") };
    let text = error.to_string();
    assert!(text.contains("`weights`") && text.contains("Persistent") && text.contains("Output"), "{text}");
}
