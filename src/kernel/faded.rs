//! Numbers so small that they count as 0. Below 1.2e-38 float32 has no usual (normal) form, and some processors reckon with
//! what is left a hundred times slower; a GPU takes it for 0 or does not mind.

/// x, or 0 where it is nearer to 0 than `least`; NaN stays NaN.
#[inline(always)]
pub fn nothing_below(least: f32, x: f32) -> f32 {
    if x.abs() < least { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_of_both_signs() {
        for (x, kept) in
            [(1e-28, 1e-28), (-1e-28, -1e-28), (9e-29, 0.0), (-1e-40, 0.0), (f32::NEG_INFINITY, f32::NEG_INFINITY)]
        {
            assert_eq!(nothing_below(1e-28, x), kept);
        }
        assert!(nothing_below(1e-28, f32::NAN).is_nan());
    }
}
