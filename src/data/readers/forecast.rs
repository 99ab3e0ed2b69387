//! Forecasts: what is told of a step is what the sequence itself holds some steps later.

use super::examples::{Examples, RawInputs, RawTargets};
use crate::data::Sequences;
use crate::error::{Error, Result, ensure};

impl Examples {
    /// With the numbers that stand `ahead` steps later as targets of every step; the last steps, which have none, are left out.
    ///
    /// # Errors
    /// [`Error::Data`] for texts, or for a sequence of which no step is left; [`Error::Setting`] for 0 steps.
    pub(super) fn with_forecasts(self, ahead: usize) -> Result<Examples> {
        ensure!(ahead > 0, Error::setting("ahead", ahead, "at least 1"));
        let RawInputs::Numbers(own) = &self.inputs else {
            return Err(Error::data(&self.place, "holds texts, and forecasts are of numbers"));
        };
        let width = own.width;
        let (mut inputs, mut targets, mut ends) = (vec![], vec![], vec![]);
        for row in 0..own.len() {
            let steps = own.steps(row);
            let short = || format!("has {steps} steps, of which none has a target {ahead} steps ahead");
            ensure!(steps > ahead, Error::data(format_args!("{}:{}", self.place, self.lines[row]), short()));
            inputs.extend(own.row(row).take((steps - ahead) * width));
            targets.extend(own.row(row).skip(ahead * width));
            ends.push(inputs.len());
        }
        let filled = own.filled;
        let mut inputs = Sequences::of_ends(width, inputs, ends.clone());
        inputs.filled = filled;
        let targets = Some(RawTargets::Steps(Sequences::of_ends(width, targets, ends)));
        Ok(Examples { inputs: RawInputs::Numbers(inputs), targets, targets_place: None, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::fixtures::rows_of;

    #[test]
    fn targets_are_what_comes_later() {
        let inputs = RawInputs::Numbers(Sequences::of_ends(2, (0..14).map(f64::from).collect(), [6, 14]));
        let own = Examples::of_lines("t".into(), vec![1, 5], inputs, None, Default::default());
        let found = own.clone().with_forecasts(2).unwrap();
        let (RawInputs::Numbers(x), Some(RawTargets::Steps(y))) = (found.inputs, found.targets) else { panic!() };
        assert_eq!(rows_of(&x), [vec![0.0, 1.0], vec![6.0, 7.0, 8.0, 9.0]]);
        assert_eq!(rows_of(&y), [vec![4.0, 5.0], vec![10.0, 11.0, 12.0, 13.0]]);
        let error = own.clone().with_forecasts(3).unwrap_err().to_string();
        assert_eq!(error, "t:1: has 3 steps, of which none has a target 3 steps ahead");
        assert!(own.with_forecasts(0).is_err());
    }
}
