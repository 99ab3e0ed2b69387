//! Random numbers for the tests.

/// A small generator (SplitMix64), so that the reference needs no crate.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in (-size, size).
    pub fn within(&mut self, size: f64) -> f64 {
        let unit = ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        size * (2.0 * unit - 1.0)
    }

    /// `count` values uniform in (-size, size).
    pub fn values(&mut self, count: usize, size: f64) -> Vec<f64> {
        (0..count).map(|_| self.within(size)).collect()
    }

    /// Uniform in 0..end.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }
}
