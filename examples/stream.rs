//! A network reads a stream without an end, step by step, and says after each what it says of all that it has read.
//!
//!     cargo run --release --example stream -- 100000
//!
//! prints, for GRUs of 50 units, how many microseconds a step takes on one core, alone and with what is said after each.

use srnn::network::{Input, Parameters, Task};
use srnn::slicing::Align;
use srnn::{Config, Device, Network, Slicing, Stream};
use std::time::Instant;

fn main() -> srnn::Result<()> {
    let steps: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    for slices in ["rnn", "8x2", "32x2"] {
        let config = Config {
            slicing: slices.parse::<Slicing>()?,
            // Slices are counted from the first step, so that steps to come move none.
            align: Align::Start,
            length: 8192,
            input: Input::Numbers,
            vocabulary: 0,
            embedding: 8,
            hidden: 50,
            task: Task::Class,
            classes: 3,
            ..Config::default()
        };
        // In earnest these are the weights of a model that was trained: `Model::load(folder)?.parameters`.
        let parameters = Parameters::random(&config, 1);
        let mut stream = Stream::new(&config, &parameters, 1)?;
        let step = |at: usize| -> [f32; 8] { std::array::from_fn(|channel| (at as f32 / (channel + 3) as f32).sin()) };

        let begin = Instant::now();
        for at in 0..steps {
            stream.push_numbers(&[0], &step(at))?;
        }
        let read = begin.elapsed().as_secs_f64() / steps as f64;
        let begin = Instant::now();
        for at in 0..steps {
            stream.push_numbers(&[0], &step(steps + at))?;
            stream.logits(&[0])?;
        }
        let said = begin.elapsed().as_secs_f64() / steps as f64;
        println!("{slices}: {:.2} µs to read a step, {:.2} to say something after it too", 1e6 * read, 1e6 * said);

        // The same as the network says of the whole sequence, here of the first thousand steps.
        let mut again = Stream::new(&config, &parameters, 1)?;
        let first: Vec<f32> = (0..1000).flat_map(step).collect();
        for row in first.chunks(8) {
            again.push_numbers(&[0], row)?;
        }
        let batch = srnn::data::Batch::of_numbers(&[&first], 8, config.length, config.truncate)?;
        let whole = Network::with_parameters(config, Device::cpu(), &parameters)?.logits(&batch)?;
        let apart = again.logits(&[0])?.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("  after 1,000 steps it says {:?}: {apart:e} from what the network says of them", again.logits(&[0])?);
    }
    Ok(())
}
