//! How the learning rate changes over a training.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the learning rate is multiplied by, step by step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// 1 throughout.
    #[default]
    Constant,
    /// From near 0 up to 1 over a share of all steps, then down to near 0 along half a cosine (with a warm-up of 0.3, the
    /// one-cycle rate of Smith & Topin, 2019).
    Cosine {
        /// Share of all steps on the way up, at least 0 and less than 1.
        warmup: f32,
    },
    /// Multiplied by `factor` after every `epochs` epochs.
    Step {
        /// Epochs between two changes, at least 1.
        epochs: usize,
        /// What the rate is multiplied by, more than 0.
        factor: f32,
    },
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Constant => write!(f, "constant"),
            Schedule::Cosine { warmup } => write!(f, "cosine:{warmup}"),
            Schedule::Step { epochs, factor } => write!(f, "step:{epochs}:{factor}"),
        }
    }
}

impl Schedule {
    /// # Errors
    /// [`Error::Setting`] for a warm-up or a factor that leaves no rate to learn with.
    pub fn check(&self) -> Result<()> {
        let good = match *self {
            Schedule::Constant => true,
            Schedule::Cosine { warmup } => (0.0..1.0).contains(&warmup),
            Schedule::Step { epochs, factor } => epochs > 0 && factor.is_finite() && factor > 0.0,
        };
        let wanted = "a warm-up of 0 or more and less than 1, or steps of 1 epoch or more by a positive factor";
        if good { Ok(()) } else { Err(Error::setting("schedule", format!("{self:?}"), wanted)) }
    }

    /// The factor of step `step` (from 0) of epoch `epoch` (from 0).
    pub fn factor(&self, (epoch, epochs): (usize, usize), (step, steps): (usize, usize)) -> f32 {
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Cosine { warmup } => {
                let done = ((epoch * steps + step) as f32 + 0.5) / (epochs * steps).max(1) as f32;
                if done < warmup {
                    return done / warmup;
                }
                let left = (done - warmup) / (1.0 - warmup).max(f32::MIN_POSITIVE);
                0.5 * (1.0 + (std::f32::consts::PI * left.min(1.0)).cos())
            }
            Schedule::Step { epochs: every, factor } => factor.powi((epoch / every.max(1)) as i32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_and_fall() {
        assert_eq!(Schedule::Constant.factor((3, 9), (1, 2)), 1.0);
        let cosine = Schedule::Cosine { warmup: 0.25 };
        let factors: Vec<f32> = (0..80).map(|i| cosine.factor((i / 20, 4), (i % 20, 20))).collect();
        assert!(factors[..20].is_sorted() && factors[20..].is_sorted_by(|a, b| a >= b));
        assert!(factors[0] < 0.03 && factors[79] < 0.01 && factors[19] > 0.97 && factors[20] > 0.99);
        assert!(Schedule::Cosine { warmup: 0.0 }.factor((0, 1), (0, 10)) > 0.98);
        let step = Schedule::Step { epochs: 2, factor: 0.1 };
        assert_eq!([0, 1, 2, 3].map(|epoch| step.factor((epoch, 9), (0, 5))), [1.0, 1.0, 0.1, 0.1]);
    }
}
