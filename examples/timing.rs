//! How much faster slicing is: training steps of SRNN(n,k) and of the plain GRU, side by side for growing lengths.
//!
//!     cargo run --release --example timing

use srnn::timing::Bench;
use srnn::{Device, Result};

fn main() -> Result<()> {
    println!("{}", Device::auto()?);
    println!(
        "{:>7} {:>7} {:>12} {:>14} {:>10} {:>11}",
        "T", "slices", "ms a step", "tokens/s", "speed-up", "step bound"
    );
    let bench = Bench { slicings: "rnn,8x2,16x2".parse()?, lengths: vec![512, 2048, 8192], ..Bench::default() };
    bench.run(|timings| {
        for timing in timings {
            println!(
                "{:>7} {:>7} {:>12.2} {:>14.0} {:>9.1}× {:>10.1}×",
                timing.length,
                timing.slicing.to_string(),
                1e3 * timing.median,
                timing.tokens_per_second,
                timing.speedup.unwrap_or(1.0),
                timing.bound,
            );
        }
    })?;
    Ok(())
}
