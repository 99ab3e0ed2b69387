//! A tag for every step: a network learns to tell brackets of two kinds that are open, from a sequence of tokens.
//!
//!     cargo run --release --example tagging
//!
//! What is open at a step depends on all steps before it, over every cut: without the downward pass slices cannot know it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use srnn::data::{Batch, Inputs, Targets};
use srnn::network::{Optimiser, Task};
use srnn::{Config, Device, Network, Slicing};

/// Tokens of a sequence: 0 opens, 1 closes, others say nothing; a step's tag is whether anything is open behind it.
fn sequence(rng: &mut ChaCha8Rng, length: usize) -> (Vec<u32>, Vec<u32>) {
    let mut open = false;
    let step = |_| {
        let token = if rng.random_bool(0.05) { u32::from(open) } else { 2 + rng.random_range(0..6) };
        open = if token < 2 { token == 0 } else { open };
        (token, u32::from(open))
    };
    (0..length).map(step).unzip()
}

fn batch(rng: &mut ChaCha8Rng) -> Batch {
    let (mut tokens, mut tags, mut lengths) = (vec![], vec![], vec![]);
    for _ in 0..32 {
        let length = rng.random_range(100..=256);
        let own = sequence(rng, length);
        tokens.extend(own.0);
        tags.extend(own.1);
        lengths.push(length as u32);
    }
    Batch { inputs: Inputs::Tokens(tokens), lengths, targets: Some(Targets::Classes(tags)) }
}

fn main() -> srnn::Result<()> {
    for downward in [true, false] {
        let config = Config {
            task: Task::Tags,
            downward,
            slicing: Slicing::new(8, 1)?,
            length: 256,
            vocabulary: 8,
            embedding: 8,
            hidden: 16,
            classes: 2,
            ..Config::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut network = Network::new(config, Device::auto()?, 1)?;
        for _ in 0..300 {
            network.train_step(&batch(&mut rng), &Optimiser::adam(1e-2))?;
        }
        let test = batch(&mut rng);
        let Some(Targets::Classes(tags)) = &test.targets else { unreachable!("it was made with tags") };
        let told = network.probabilities(&test)?;
        let right = told.chunks(2).zip(tags).filter(|(p, tag)| u32::from(p[1] > p[0]) == **tag).count();
        let outputs = network.outputs(&test)?;
        println!(
            "downward {downward}: {:.1} % of {} steps; outputs of {} numbers each",
            100.0 * right as f64 / tags.len() as f64,
            tags.len(),
            outputs.len() / tags.len()
        );
    }
    Ok(())
}
