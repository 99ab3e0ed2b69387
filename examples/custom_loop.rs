//! One's own training loop: a task made up on the fly, a learning rate that falls, and the loss now and then.
//!
//!     cargo run --release --example custom_loop
//!
//! The task is long-range: a sequence of 256 tokens begins with one of four marks, and noise follows. Which was it?

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use srnn::data::{Batch, Inputs, Targets};
use srnn::network::Optimiser;
use srnn::{Config, Device, Network, Result, Slicing};

const LENGTH: usize = 256;
const MARKS: u32 = 4;
const STEPS: usize = 600;

fn main() -> Result<()> {
    let config = Config {
        slicing: Slicing::new(4, 3)?, // 64 slices of 4 steps: the mark is 16 steps away from the last state, not 256
        length: LENGTH,
        vocabulary: 20,
        embedding: 16,
        hidden: 32,
        classes: MARKS as usize,
        ..Config::default()
    };
    let device = Device::auto()?;
    println!("{device}");
    let mut network = Network::new(config, device, 1)?;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for step in 1..=STEPS {
        let rate = 5e-3 * (1.0 - step as f32 / (STEPS + 1) as f32);
        let optimiser = Optimiser::adam(rate);
        network.train_step(&random_batch(64, &mut rng), &optimiser)?;
        // Reading the totals waits for the device, so it is not done at every step.
        if step % 100 == 0 {
            let totals = network.totals()?;
            println!("step {step}: loss {:.4}, accuracy {:.1} %", totals.loss, 100.0 * totals.accuracy);
        }
    }
    Ok(())
}

fn random_batch(count: usize, rng: &mut ChaCha8Rng) -> Batch {
    let marks: Vec<u32> = (0..count).map(|_| rng.random_range(0..MARKS)).collect();
    let mut tokens = Vec::with_capacity(count * LENGTH);
    for &mark in &marks {
        tokens.push(mark);
        tokens.extend((1..LENGTH).map(|_| rng.random_range(MARKS..20)));
    }
    let lengths = vec![LENGTH as u32; count];
    Batch { inputs: Inputs::Tokens(tokens), lengths, targets: Some(Targets::Classes(marks)) }
}
