//! Trainings in memory alone, of which nothing is kept but what they reach: cross-validation and searches make many of them.

use super::prepare::Prepared;
use super::sources::{Files, Fold};
use super::{Ending, Evaluation, Keep, Observer, Recipe, Schedule, Sources, TargetEncoder, Trainer};
use crate::engine::Device;
use crate::error::{Error, Result, ensure};
use crate::network::Network;
use std::collections::BTreeSet;
use web_time::Instant;

/// What a network reached on sequences that it was not trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Of the part that was held out.
    pub evaluation: Evaluation,
    /// What training and testing took.
    pub seconds: f64,
}

/// Refuses more folds than there are sequences for.
///
/// # Errors
/// [`Error::Setting`], and what the data says.
pub fn check_folds(recipe: &Recipe, files: &Files, of: usize) -> Result<()> {
    let count = files.train.lines.len();
    ensure!(
        !files.in_time,
        Error::setting("folds", of, "left out where sequences are so few that their ends are held out")
    );
    let (task, all) = (recipe.network.task, (0..count).collect::<Vec<_>>());
    let targets = TargetEncoder::fit(task, files, &all)?;
    let (told, classes) = (targets.encode(&files.train)?, targets.names().len());
    for index in 0..of {
        let sources = Sources { fold: Some(Fold { index, of }), valid: None, ..recipe.sources.clone() };
        let split = sources.split(files, Some(&told), classes);
        let wanted = format!("fewer: of {count} sequences not every part would have some");
        ensure!(split.is_ok(), Error::setting("folds", of, wanted));
    }
    Ok(())
}

/// Trains by a recipe that is decided on all sequences but those of one fold, and tests on these. Nothing of them is seen
/// before: where the recipe validates, it does so on a part of the others, and where it trains anew on all, it trains on all
/// others, for as many epochs as it would. `None` if the observer stopped it.
///
/// # Errors
/// As [`Training::begin`](super::Training::begin) and [`Training::run`](super::Training::run).
pub fn of_fold(
    recipe: &Recipe,
    files: &Files,
    fold: Fold,
    open: &mut dyn FnMut() -> Result<Device>,
    observer: &mut dyn Observer,
) -> Result<Option<Trial>> {
    let start = Instant::now();
    let refit = recipe.refit;
    let mut recipe = Recipe { open: BTreeSet::new(), refit: false, ..recipe.clone() };
    // The others are split too.
    (recipe.sources.fold, recipe.sources.valid) = (Some(fold), None);
    if refit {
        if !matches!(recipe.options.schedule, Schedule::Cosine { .. }) {
            let Some((_, best)) = run(Prepared::of(&recipe, files)?, open()?, observer)? else { return Ok(None) };
            recipe.options.epochs = best;
        }
        (recipe.sources.valid_fraction, recipe.options.keep, recipe.options.patience) = (0.0, Keep::Last, None);
    }
    let run = run(Prepared::of(&recipe, files)?, open()?, observer)?;
    Ok(run.map(|(evaluation, _)| Trial { evaluation, seconds: start.elapsed().as_secs_f64() }))
}

/// Trains what was prepared, and tests it; also the best epoch.
fn run(mut prepared: Prepared, mut device: Device, observer: &mut dyn Observer) -> Result<Option<(Evaluation, usize)>> {
    prepared.fit_device(&mut device)?;
    let (parameters, _) = prepared.initial()?;
    let Prepared { config, options, data, .. } = prepared;
    let batch = options.batch;
    let mut trainer = Trainer::new(Network::with_parameters(config, device, &parameters)?, options);
    drop(parameters);
    if trainer.fit(&data.train, &data.valid, observer)? == Ending::Stopped {
        return Ok(None);
    }
    let best = trainer.progress.best().map_or(1, |best| best.epoch);
    let test = data.test.as_ref();
    ensure!(test.is_some(), Error::Config("there is nothing to test with".into()));
    let evaluation = test.map(|test| Evaluation::of(&mut trainer.network, test, batch)).transpose()?;
    Ok(evaluation.map(|evaluation| (evaluation, best)))
}

/// Mean and standard deviation (divided by one less than their count) of some numbers.
pub fn mean_and_spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_spreads() {
        let (mean, spread) = mean_and_spread(&[1.0, 2.0, 4.5]);
        assert!((mean - 2.5).abs() < 1e-12 && (spread - 1.8027756377319946).abs() < 1e-12);
        assert_eq!(mean_and_spread(&[3.0]), (3.0, 0.0));
    }
}
