//! What a forecast is worth beside those that need no network: the last value, and the value of a season before.

use crate::data::{Examples, RawInputs, RawTargets};
use crate::train::metrics::NumberErrors;

/// The errors of a naive forecast, by number.
pub struct Naive {
    /// In a word or two.
    pub name: String,
    pub errors: Vec<NumberErrors>,
}

/// The naive forecasts `ahead` steps ahead of these sequences: the last value; with a `season` also that of as many whole
/// seasons before as are needed, where the sequence goes back that far, else the last value.
pub fn forecasts(examples: &Examples, ahead: usize, season: Option<usize>) -> Vec<Naive> {
    let (RawInputs::Numbers(x), Some(RawTargets::Steps(y))) = (&examples.inputs, &examples.targets) else {
        return vec![];
    };
    let back = season.map(|season| (format!("season of {season}"), season * ahead.div_ceil(season) - ahead));
    let kinds = [("last value".to_string(), 0)].into_iter().chain(back);
    kinds
        .map(|(name, back)| {
            let errors = (0..y.width).map(|column| {
                let mut pairs = vec![];
                for row in 0..y.len() {
                    let values: Vec<f64> = x.column(row, column).collect();
                    let told = (0..values.len()).map(|step| values[step.checked_sub(back).unwrap_or(step)]);
                    pairs.extend(told.zip(y.column(row, column)));
                }
                NumberErrors::of(&pairs)
            });
            Naive { name, errors: errors.collect() }
        })
        .collect()
}
