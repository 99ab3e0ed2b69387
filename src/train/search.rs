//! A search for better settings within a time, by successive halving (Jamieson & Talwalkar, 2016): many candidates are
//! trained for a ninth of the epochs, the best third of them for a third, and the best of those for all.

use super::choice::Open;
use super::prepare::Prepared;
use super::progress::number;
use super::setting::{Setting, sample, setting_of, space};
use super::sources::{Files, Fold};
use super::trial::{self, Trial};
use super::{Keep, Metric, Observer, Recipe, StepReport};
use crate::engine::Device;
use crate::error::{Error, Result, ensure};
use crate::files::{read_file, write_atomically};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, Instant};

/// A candidate that was trained and tested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// What differs from the settings that were chosen or given.
    pub settings: Vec<Setting>,
    /// 0 for a ninth of the epochs, 1 for a third, 2 for all.
    pub rung: usize,
    /// The metric of what was held out, in the mean of the folds.
    #[serde(deserialize_with = "number")]
    pub value: f64,
    /// The loss of what was held out, in the mean of the folds.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// What it took.
    pub seconds: f64,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// All candidates, the best first: of a higher rung, then of a better value, then of a smaller loss.
    pub candidates: Vec<Candidate>,
    /// The settings of the best, with nothing open.
    pub recipe: Recipe,
    /// What validations are judged by.
    pub metric: Metric,
    /// How far the values at the first rung differ by each setting, the largest first: the share of their variance that lies
    /// between its values, and the value with the best mean.
    pub mattered: Vec<(Open, f64, String)>,
    /// Sequences that each candidate was tested on.
    pub tested: usize,
    /// Whether the best is better by no more than chance makes it, so that the recipe is as it was without a search.
    pub is_noise: bool,
    /// Whether the observer stopped it.
    pub stopped: bool,
}

/// A line of the file of a search.
#[derive(Serialize, Deserialize)]
struct Line {
    key: u32,
    candidate: Candidate,
}

/// Shares of the epochs that the candidates of each rung are trained for.
const RUNGS: [f64; 3] = [1.0 / 9.0, 1.0 / 3.0, 1.0];

/// Of how many candidates one goes on to the next rung.
const HALVING: usize = 3;

/// Sequences below which one fold tells too little.
const FEW: usize = 1000;

/// Candidates from which it can be told what mattered.
const ENOUGH: usize = 15;

/// Most candidates of one first rung, and of all.
const MOST_AT_ONCE: usize = 60;
const MOST: usize = 1000;

/// Looks for better values of those settings that are open in a recipe whose choices are made, for so long. `journal` keeps
/// every candidate that is done, and a search that was stopped goes on from there.
///
/// # Errors
/// What trainings say, but for candidates that the device cannot hold or that diverge; [`Error::Io`] for the journal.
pub fn run(
    recipe: &Recipe,
    files: &Files,
    time: Duration,
    journal: &Path,
    open: &mut dyn FnMut() -> Result<Device>,
    observer: &mut dyn Observer,
) -> Result<Found> {
    let texts = files.train.texts().is_some();
    let count = files.train.lines.len();
    let metric = recipe.options.metric.unwrap_or(Metric::of(recipe.network.task));
    let space = space(recipe, texts);
    let none = "there is nothing to search: all settings that a search varies are given";
    ensure!(!space.is_empty(), Error::Config(none.into()));
    let mut sum = flate2::Crc::new();
    sum.update(&serde_json::to_vec(recipe).expect("plain data"));
    sum.update(&Prepared::of(recipe, files)?.data.checksum().to_le_bytes());
    let key = sum.sum();
    let (tested, folds) = if count < FEW { (3, 3) } else { (1, 10) };
    let done = read_journal(journal, key)?;
    let spent: f64 = done.iter().map(|own| own.seconds).sum();
    let deadline = Instant::now() + time.saturating_sub(Duration::from_secs_f64(spent));
    let stopped = false;
    let mut search =
        Search { recipe, files, metric, tested, folds, journal, key, done, deadline, open, observer, stopped };
    let mut random = ChaCha8Rng::seed_from_u64(recipe.options.seed);
    let first = search.candidate(&[], 0)?;
    // What is chosen in the end is trained once more, or twice.
    let each = first.as_ref().map_or(1.0, |own| own.seconds.max(0.01));
    let last = each / RUNGS[0] / tested as f64 * if recipe.refit { 2.0 } else { 1.0 };
    search.deadline = deadline.checked_sub(Duration::from_secs_f64(last)).unwrap_or(deadline);
    // What was begun before is taken up: what is in the journal takes no time.
    let mut seen: Vec<Vec<Setting>> = vec![vec![]];
    for own in &search.done {
        if !seen.contains(&own.settings) {
            seen.push(own.settings.clone());
        }
    }
    let mut begun = seen[1..].to_vec();
    // Rungs begin anew as long as there is time.
    while !search.is_over() && seen.len() < MOST {
        let left = search.deadline.saturating_duration_since(Instant::now()).as_secs_f64();
        // Each of the rungs takes about as long as the first.
        let wanted = ((left / (RUNGS.len() as f64 * each)) as usize).clamp(2, MOST_AT_ONCE);
        let mut settings = std::mem::take(&mut begun);
        while settings.len() < wanted
            && let Some(own) = sample(recipe, &space, &mut random, &seen)
        {
            seen.push(own.clone());
            settings.push(own);
        }
        if settings.is_empty() {
            break;
        }
        search.bracket(settings)?;
    }
    let Search { done: mut all, stopped, .. } = search;
    let mattered = mattered(recipe, &space, all.iter().filter(|own| own.rung == 0), metric);
    sort(&mut all, metric);
    let tested = count * tested / folds;
    let is_noise = all.first().is_some_and(|best| is_noise(best, &all, metric, tested));
    let mut best = recipe.clone();
    if !is_noise {
        all.first().iter().flat_map(|own| &own.settings).for_each(|setting| setting.apply(&mut best));
    }
    best.open.clear();
    Ok(Found { candidates: all, recipe: best, metric, mattered, tested, is_noise, stopped })
}

/// Whether the best is hardly better than what was chosen without a search: by no more than one standard error of a share of so
/// many sequences. Of many candidates some are as much better by chance.
fn is_noise(best: &Candidate, all: &[Candidate], metric: Metric, tested: usize) -> bool {
    let base = all.iter().find(|own| own.settings.is_empty() && own.rung == best.rung);
    let Some(base) = base.filter(|_| !matches!(metric, Metric::Loss | Metric::R2)) else { return false };
    let share = base.value.clamp(0.0, 1.0);
    best.value - base.value <= (share * (1.0 - share) / tested.max(1) as f64).sqrt()
}

/// The better candidate first.
fn sort(candidates: &mut [Candidate], metric: Metric) {
    // What has no value is the worst.
    let better = |value: f64| match metric {
        _ if value.is_nan() => f64::NEG_INFINITY,
        Metric::Loss => -value,
        _ => value,
    };
    candidates.sort_by(|a, b| {
        let rung = b.rung.cmp(&a.rung);
        rung.then(better(b.value).total_cmp(&better(a.value))).then(a.loss.total_cmp(&b.loss))
    });
}

/// What trainings of a search share.
struct Search<'a> {
    recipe: &'a Recipe,
    files: &'a Files,
    metric: Metric,
    /// How many of how many folds each candidate is tested on.
    tested: usize,
    folds: usize,
    journal: &'a Path,
    key: u32,
    /// All candidates that were trained, each once.
    done: Vec<Candidate>,
    deadline: Instant,
    open: &'a mut dyn FnMut() -> Result<Device>,
    observer: &'a mut dyn Observer,
    stopped: bool,
}

/// Stops a training when its time is over.
struct Until<'a> {
    deadline: Instant,
    observer: &'a mut dyn Observer,
}

impl Observer for Until<'_> {
    fn step(&mut self, step: &StepReport) {
        self.observer.step(step);
    }

    fn stop(&self) -> bool {
        self.observer.stop() || Instant::now() >= self.deadline
    }
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        self.stopped || Instant::now() >= self.deadline
    }

    /// All rungs, from these settings. Ends where the time does.
    fn bracket(&mut self, settings: Vec<Vec<Setting>>) -> Result<()> {
        // What was chosen without a search is always compared with.
        let base = self.done.iter().find(|own| own.settings.is_empty() && own.rung == 0).cloned();
        let mut rung: Vec<Candidate> = base.iter().cloned().collect();
        rung.extend(self.candidates(settings.iter(), 0)?);
        for next in 1..RUNGS.len() {
            sort(&mut rung, self.metric);
            rung.truncate((rung.len() / HALVING).max(1));
            if next + 1 == RUNGS.len() && !rung.iter().any(|own| own.settings.is_empty()) {
                rung.extend(base.clone());
            }
            rung = self.candidates(rung.iter().map(|own| &own.settings), next)?;
            if rung.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// These candidates at a rung, as far as there is time.
    fn candidates<'b>(
        &mut self,
        settings: impl Iterator<Item = &'b Vec<Setting>>,
        rung: usize,
    ) -> Result<Vec<Candidate>> {
        let mut found = vec![];
        for own in settings {
            if !self.is_over() {
                found.extend(self.candidate(own, rung)?);
            }
        }
        Ok(found)
    }

    /// A candidate at a rung: as it is in the journal, or trained. `None` if the time was over, or it cannot be trained.
    fn candidate(&mut self, settings: &[Setting], rung: usize) -> Result<Option<Candidate>> {
        if let Some(own) = self.done.iter().find(|own| own.settings == settings && own.rung == rung) {
            return Ok(Some(own.clone()));
        }
        let mut recipe = Recipe { refit: false, ..self.recipe.clone() };
        settings.iter().for_each(|setting| setting.apply(&mut recipe));
        recipe.open.clear();
        (recipe.options.keep, recipe.options.patience, recipe.sources.valid_fraction) = (Keep::Last, None, 0.0);
        let epochs = recipe.options.epochs as f64 * RUNGS[rung];
        recipe.options.epochs = epochs.ceil().max(2.0) as usize;
        // Less than two epochs are two of a part of the data.
        recipe.sources.share = (epochs / recipe.options.epochs as f64).clamp(0.01, 1.0);
        let mut trials: Vec<Trial> = vec![];
        for index in 0..self.tested {
            let fold = Fold { index, of: self.folds };
            let mut until = Until { deadline: self.deadline, observer: &mut *self.observer };
            match trial::of_fold(&recipe, self.files, fold, &mut *self.open, &mut until) {
                Ok(Some(trial)) => trials.push(trial),
                Ok(None) => {
                    self.stopped = self.observer.stop();
                    return Ok(None);
                }
                Err(Error::Diverged(_) | Error::Limit { .. } | Error::OutOfMemory { .. } | Error::Config(_))
                    if !settings.is_empty() =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        let mean = |of: &dyn Fn(&Trial) -> f64| trials.iter().map(of).sum::<f64>() / trials.len() as f64;
        let candidate = Candidate {
            settings: settings.to_vec(),
            rung,
            value: mean(&|trial| self.metric.value(&trial.evaluation)),
            loss: mean(&|trial| trial.evaluation.loss),
            seconds: trials.iter().map(|trial| trial.seconds).sum(),
        };
        self.done.push(candidate.clone());
        let line = |own: &Candidate| {
            serde_json::to_string(&Line { key: self.key, candidate: own.clone() }).expect("plain data") + "\n"
        };
        let text: String = self.done.iter().map(line).collect();
        write_atomically(self.journal, text.as_bytes())?;
        Ok(Some(candidate))
    }
}

/// The candidates of a journal that are of this search; none if there is no journal.
fn read_journal(path: &Path, key: u32) -> Result<Vec<Candidate>> {
    if !path.exists() {
        return Ok(vec![]);
    }
    let bytes = read_file(path)?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parsed = lines.map(serde_json::from_slice::<Line>).collect::<serde_json::Result<Vec<_>>>();
    let foreign = |error| Error::data(path.display(), format!("this is no journal of a search: {error}"));
    Ok(parsed.map_err(foreign)?.into_iter().filter(|line| line.key == key).map(|line| line.candidate).collect())
}

/// Of each setting, how much of the variance of the values lies between its own values, and which of these has the best mean.
fn mattered<'a>(
    recipe: &Recipe,
    space: &[Vec<Setting>],
    candidates: impl Iterator<Item = &'a Candidate>,
    metric: Metric,
) -> Vec<(Open, f64, String)> {
    let candidates: Vec<&Candidate> = candidates.collect();
    if candidates.len() < ENOUGH {
        return vec![];
    }
    let better = |value: f64| if metric == Metric::Loss { -value } else { value };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let values: Vec<f64> = candidates.iter().map(|own| better(own.value)).collect();
    let whole = mean(&values);
    let variance: f64 = values.iter().map(|value| (value - whole).powi(2)).sum();
    let of = |own: &Vec<Setting>| {
        let open = own.first()?.open();
        let setting = |own: &Candidate| {
            let told = own.settings.iter().find(|setting| setting.open() == open).copied();
            told.or_else(|| setting_of(recipe, open))
        };
        let mut groups: Vec<(Setting, Vec<f64>)> = vec![];
        for (own, value) in candidates.iter().zip(&values) {
            let setting = setting(own)?;
            match groups.iter_mut().find(|(known, _)| *known == setting) {
                Some((_, values)) => values.push(*value),
                None => groups.push((setting, vec![*value])),
            }
        }
        let between: f64 = groups.iter().map(|(_, own)| own.len() as f64 * (mean(own) - whole).powi(2)).sum();
        let (best, _) = groups.iter().max_by(|(_, a), (_, b)| mean(a).total_cmp(&mean(b)))?;
        let told = best.to_string();
        let value = told.rsplit(' ').next()?;
        Some((open, if variance > 0.0 { between / variance } else { 0.0 }, value.to_string()))
    };
    let mut found: Vec<_> = space.iter().filter_map(of).collect();
    found.sort_by(|(_, a, _), (_, b, _)| b.total_cmp(a));
    found
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::super::recipe::Tokens;
    use super::*;
    use crate::data::Source;
    use crate::network::{Config, Direction};
    use crate::slicing::Slicing;
    use std::collections::BTreeSet;

    fn candidate(settings: &[Setting], rung: usize, value: f64, loss: f64) -> Candidate {
        Candidate { settings: settings.to_vec(), rung, value, loss, seconds: 1.0 }
    }

    fn recipe() -> Recipe {
        Recipe { open: Open::all(), ..Recipe::of(Sources::of(Source::Stdin)) }
    }

    #[test]
    fn the_better_of_the_higher_rung_comes_first() {
        let [a, b, c, d] = [(0, 0.9, 0.1), (1, 0.7, 0.3), (1, 0.8, 0.4), (1, 0.8, 0.2)]
            .map(|(rung, value, loss)| candidate(&[], rung, value, loss));
        let mut all = vec![a.clone(), b.clone(), c.clone(), d.clone()];
        sort(&mut all, Metric::Accuracy);
        assert_eq!(all, [d.clone(), c.clone(), b.clone(), a.clone()]);
        sort(&mut all, Metric::Loss);
        assert_eq!(all, [b, d, c, a]);
    }

    #[test]
    fn what_chance_makes_is_no_find() {
        let base = candidate(&[], 2, 0.8, 0.5);
        let better = |value| candidate(&[Setting::Hidden(64)], 2, value, 0.5);
        let noise = |value, metric, tested| is_noise(&better(value), &[better(value), base.clone()], metric, tested);
        // The standard error of 0.8 is 0.04 of 100 sequences, and 0.004 of 10,000.
        assert!(noise(0.83, Metric::Accuracy, 100) && !noise(0.85, Metric::Accuracy, 100));
        assert!(!noise(0.83, Metric::Accuracy, 10_000) && !noise(0.81, Metric::R2, 100));
        assert!(!is_noise(&better(0.81), &[better(0.81), candidate(&[], 1, 0.8, 0.5)], Metric::Accuracy, 100));
    }

    #[test]
    fn what_makes_the_difference_is_found() {
        let recipe = recipe();
        let space = vec![
            [32, 50, 64].map(Setting::Hidden).to_vec(),
            [Direction::Forward, Direction::Both].map(Setting::Direction).to_vec(),
        ];
        let all: Vec<Candidate> = (0..20)
            .map(|at| {
                let mut settings = vec![[Setting::Hidden(32), Setting::Hidden(64)][at / 2 % 2]];
                settings.extend((at % 2 == 0).then_some(Setting::Direction(Direction::Both)));
                candidate(&settings, 0, if at % 2 == 0 { 0.9 } else { 0.5 }, 1.0)
            })
            .collect();
        let found = mattered(&recipe, &space, all.iter(), Metric::Accuracy);
        assert_eq!((found[0].0, found[0].2.as_str()), (Open::Direction, "both"));
        assert!(found[0].1 > 0.999 && found[1].1 < 1e-9, "{found:?}");
        assert!(mattered(&recipe, &space, all.iter().take(10), Metric::Accuracy).is_empty());
    }

    /// A search that is taken up finds what it had done, and goes on from it.
    #[test]
    fn a_search_goes_on_from_its_journal() {
        let room = tempfile::tempdir().unwrap();
        let table = room.path().join("reviews.tsv");
        let rows = (0..40).map(|row| ["a great film\tgood\n", "an awful film\tbad\n"][row % 2]).collect::<String>();
        std::fs::write(&table, format!("text\tlabel\n{rows}")).unwrap();
        let network = Config { slicing: Slicing::plain(), length: 8, embedding: 4, hidden: 4, ..Config::default() };
        let recipe = Recipe {
            network,
            tokens: Tokens::Words { min_count: 1 },
            open: BTreeSet::from([Open::Hidden, Open::Direction, Open::Dropout]),
            ..Recipe::of(Sources::of(Source::File(table.clone())))
        };
        let files = recipe.sources.read().unwrap();
        let recipe = recipe.decided(&files, &mut Device::cpu()).unwrap();
        let journal = room.path().join("journal");
        let mut opened = 0;
        let mut search = |seconds: f64| {
            let mut open = || {
                opened += 1;
                Ok(Device::cpu())
            };
            run(&recipe, &files, Duration::from_secs_f64(seconds), &journal, &mut open, &mut ()).unwrap()
        };
        let found = search(1.0);
        let text = std::fs::read_to_string(&journal).unwrap();
        assert_eq!(text.lines().count(), found.candidates.len());
        assert!(found.candidates.len() > 5 && found.recipe.open.is_empty() && !found.stopped);
        // The time is over: what is there is what was found.
        let again = search(1e-6);
        assert_eq!(again.candidates, found.candidates);
        assert_eq!(again.recipe, found.recipe);
        // Of other data nothing is known.
        std::fs::write(&table, format!("text\tlabel\n{rows}a good film\tgood\n")).unwrap();
        let other = recipe.sources.read().unwrap();
        let none = run(&recipe, &other, Duration::ZERO, &journal, &mut || Ok(Device::cpu()), &mut ()).unwrap();
        assert!(none.candidates.is_empty());
        std::fs::write(&journal, "{}\n").unwrap();
        let broken =
            run(&recipe, &files, Duration::from_secs(1), &journal, &mut || Ok(Device::cpu()), &mut ()).unwrap_err();
        assert!(broken.to_string().contains("this is no journal of a search"), "{broken}");
        assert!(opened >= found.candidates.len());
    }
}
