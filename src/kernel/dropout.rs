//! Dropout (Srivastava et al., 2014) by counter: whether a number is dropped depends on the seed and on its place alone,
//! so that every engine drops the same ones, and the backward pass needs no mask in memory.

use super::prelude::*;

kernel! {
    /// The kernel: numbers set to 0 by seed and place, the others scaled up.
    "dropout",
    reads: { values: f32 "[count]" },
    writes: { out: f32 "[count]" },
    parameters: { count: usize, offset: usize, seed: u32, threshold: u32, scale: f32 },
    tolerance: [0.0, 1e-6],
}

/// `out = values`, of which a share of `rate` becomes 0 and the others grow by 1 / (1 − rate). `offset` is the place of
/// the first number among those of all micro-batches.
pub fn dispatch(place: String, (count, offset): (usize, usize), rate: f32, seed: u32, bindings: [View; 2]) -> Dispatch {
    let threshold = (f64::from(rate) * 2f64.powi(32)) as u32;
    let params = Params { count, offset, seed, threshold, scale: 1.0 / (1.0 - rate) };
    let cost = Cost { operations: 10.0 * count as f64, bytes: 8.0 * count as f64 };
    KERNEL.dispatch(place, bindings, vec![], params, grid(count.div_ceil(256)), cost)
}

/// PCG's output function over its generator (Jarzynski & Olano, "Hash Functions for GPU Rendering", 2020).
pub fn hash(x: u32) -> u32 {
    let state = x.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    (word >> 22) ^ word
}

fn twin(_: &Dispatch, params: Params, Slices { values, out }: Slices) {
    let Params { count, offset, seed, threshold, scale } = params;
    let key = hash(seed);
    const CHUNK: usize = 4096;
    let chunks = values[..count].par_chunks(CHUNK).zip(out[..count].par_chunks_mut(CHUNK));
    chunks.enumerate().with_min_len(threads::at_least(1)).for_each(|(chunk, (values, out))| {
        let first = (offset + chunk * CHUNK) as u32;
        for ((at, value), out) in (first..).zip(values).zip(out) {
            *out = if hash(at ^ key) < threshold { 0.0 } else { value * scale };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_the_rate_is_dropped_and_neighbours_differ() {
        for (seed, rate) in [(1u32, 0.1), (2, 0.5), (77, 0.9)] {
            let threshold = (rate * 2f64.powi(32)) as u32;
            let dropped: Vec<bool> = (0..100_000u32).map(|at| hash(at ^ hash(seed)) < threshold).collect();
            let share = |of: &dyn Fn(&[bool]) -> bool| dropped.windows(2).filter(|w| of(w)).count() as f64 / 99_999.0;
            assert!((share(&|w| w[0]) - rate).abs() < 0.01);
            assert!((share(&|w| w[0] && w[1]) - rate * rate).abs() < 0.01);
        }
    }
}
