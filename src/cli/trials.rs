//! `srnn train --folds` and `--search`: many trainings before the one that is kept, and their tables.

use super::{Reporter, interrupt, note, print, table};
use crate::train::search::{self, Candidate, Found};
use crate::train::sources::{Files, Fold};
use crate::train::trial::{self, mean_and_spread};
use crate::train::{Evaluation, Metric, Observer, Recipe};
use crate::{Device, Result};
use indicatif::HumanCount;
use std::path::Path;
use std::time::Duration;

/// Watches nothing but Ctrl-C.
struct Interrupt;

impl Observer for Interrupt {
    fn stop(&self) -> bool {
        interrupt::asked()
    }
}

/// Tests each of so many parts of the training data by a network that is trained on the others. `None` if it was stopped.
pub fn folds(
    recipe: &Recipe,
    files: &Files,
    of: usize,
    open: &mut dyn FnMut() -> Result<Device>,
) -> Result<Option<Vec<Evaluation>>> {
    let metric = recipe.options.metric.unwrap_or(Metric::of(recipe.network.task));
    let mut evaluations = vec![];
    trial::check_folds(recipe, files, of)?;
    for index in 0..of {
        let mut reporter = Reporter::new(format!("fold {}/{of}  ", index + 1), &recipe.network, metric).only_progress();
        let trial = trial::of_fold(recipe, files, Fold { index, of }, open, &mut reporter)?;
        drop(reporter);
        let Some(trial) = trial else { return Ok(None) };
        let words = metric.words(metric.value(&trial.evaluation));
        note(format_args!("fold {}/{of}: {words}, {:.1} s", index + 1, trial.seconds));
        evaluations.push(trial.evaluation);
    }
    // An area is of two classes at least, and a fold may have one.
    let values: Vec<f64> = evaluations.iter().map(|own| metric.value(own)).filter(|value| value.is_finite()).collect();
    let (mean, spread) = mean_and_spread(&values);
    let (count, spread) = (values.len(), metric.number(spread));
    print(&format!("{count} folds: {} in the mean, ± {spread} (standard deviation)\n", metric.words(mean)))?;
    Ok(Some(evaluations))
}

/// Searches for so many minutes, and tells what was found. `None` if it was stopped.
pub fn search(
    recipe: &Recipe,
    files: &Files,
    minutes: f64,
    journal: &Path,
    open: &mut dyn FnMut() -> Result<Device>,
) -> Result<Option<Recipe>> {
    let time = Duration::from_secs_f64(60.0 * minutes);
    note(format_args!("searching for {minutes} minutes; what is done is kept in {}", journal.display()));
    let found = search::run(recipe, files, time, journal, open, &mut Interrupt)?;
    if found.stopped {
        return Ok(None);
    }
    tell(&found)?;
    Ok(Some(found.recipe))
}

/// Candidates that are listed.
const LISTED: usize = 12;

fn tell(found: &Found) -> Result<()> {
    let row = |own: &Candidate| {
        let settings: Vec<String> = own.settings.iter().map(|setting| setting.to_string()).collect();
        let settings = if settings.is_empty() { "(as chosen without a search)".into() } else { settings.join(" ") };
        let epochs = ["1/9", "1/3", "all"][own.rung.min(2)];
        [
            settings,
            epochs.into(),
            found.metric.words(own.value),
            format!("{:.4}", own.loss),
            format!("{:.1}", own.seconds),
        ]
    };
    let header = ["settings", "epochs", "held out", "loss", "seconds"];
    // What was chosen without a search is always among them.
    let base = found.candidates.iter().position(|own| own.settings.is_empty());
    let shown = found.candidates.iter().enumerate().filter(|(at, _)| *at < LISTED || Some(*at) == base);
    let rows = table(header, shown.map(|(_, own)| row(own)));
    let tried = HumanCount(found.candidates.len() as u64);
    print(&format!("{tried} trainings, the best first:\n\n{rows}\n\n"))?;
    let mattered: Vec<String> = found
        .mattered
        .iter()
        .filter(|(_, share, _)| *share > 0.05)
        .take(5)
        .map(|(open, share, best)| format!("--{open} ({:.0} % of the differences, best with {best})", 100.0 * share))
        .collect();
    if !mattered.is_empty() {
        print(&format!("what mattered: {}\n", mattered.join(", ")))?;
    }
    if found.candidates.first().is_some_and(|own| own.settings.is_empty()) {
        note("nothing was better than what was chosen without a search");
    } else if found.is_noise {
        note(format_args!(
            "the best is better by no more than chance makes it with {} sequences that are held out: what was chosen without a search \
             stays",
            HumanCount(found.tested as u64)
        ));
    }
    Ok(())
}
