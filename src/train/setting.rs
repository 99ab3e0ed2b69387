//! Settings that a search varies: what each may be, and candidates that differ from what was chosen.

use super::Recipe;
use super::choice::{Open, name as named};
use crate::data::Scale;
use crate::network::{Direction, Pooling};
use crate::slicing::Slicing;
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One setting of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// What numbers are compared with.
    Normalise(Scale),
    /// The longest sequence that is read whole.
    Length(usize),
    /// How sequences are cut.
    Slices(Slicing),
    /// How slices are read.
    Direction(Direction),
    /// What slices pass up.
    Pool(Pooling),
    /// Steps that every slice reads before its own.
    Context(usize),
    /// Hidden units.
    Hidden(usize),
    /// Sequences of a batch.
    Batch(usize),
    /// How far a step goes.
    LearningRate(f32),
    /// What is dropped.
    Dropout(f32),
}

impl Setting {
    /// Which setting it is.
    pub fn open(self) -> Open {
        match self {
            Setting::Normalise(_) => Open::Normalise,
            Setting::Length(_) => Open::Length,
            Setting::Slices(_) => Open::Slices,
            Setting::Direction(_) => Open::Direction,
            Setting::Pool(_) => Open::Pool,
            Setting::Context(_) => Open::Context,
            Setting::Hidden(_) => Open::Hidden,
            Setting::Batch(_) => Open::Batch,
            Setting::LearningRate(_) => Open::LearningRate,
            Setting::Dropout(_) => Open::Dropout,
        }
    }

    /// Decides it.
    pub(super) fn apply(self, recipe: &mut Recipe) {
        let is_embedding_open = recipe.open.contains(&Open::EmbeddingDropout);
        let (network, options) = (&mut recipe.network, &mut recipe.options);
        match self {
            Setting::Normalise(scale) => recipe.scale = scale,
            Setting::Length(length) => network.length = length,
            Setting::Slices(slicing) => network.slicing = slicing,
            Setting::Direction(direction) => network.direction = direction,
            // Where steps are told of, the head reads their own outputs.
            Setting::Pool(pooling) if network.task.of_steps() => network.pooling = pooling,
            Setting::Pool(pooling) => (network.pooling, network.head_pooling) = (pooling, pooling),
            Setting::Context(context) => network.context = context,
            Setting::Hidden(hidden) => network.hidden = hidden,
            Setting::Batch(batch) => options.batch = batch,
            Setting::LearningRate(rate) => options.optimiser.rule = options.optimiser.rule.with_learning_rate(rate),
            Setting::Dropout(share) => {
                options.optimiser.dropout = share;
                // One that was given stays.
                if is_embedding_open {
                    options.optimiser.embedding_dropout = share;
                }
            }
        }
    }
}

impl fmt::Display for Setting {
    /// As the command's options say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.open();
        match self {
            Setting::Normalise(scale) => write!(f, "--{name} {}", named(scale)),
            Setting::Slices(slicing) => write!(f, "--{name} {slicing}"),
            Setting::Direction(direction) => write!(f, "--{name} {}", named(direction)),
            Setting::Pool(pooling) => write!(f, "--{name} {}", named(pooling)),
            Setting::Length(count) | Setting::Context(count) | Setting::Hidden(count) | Setting::Batch(count) => {
                write!(f, "--{name} {count}")
            }
            Setting::LearningRate(share) | Setting::Dropout(share) => write!(f, "--{name} {share}"),
        }
    }
}

/// What each setting that is open may be.
pub(super) fn space(recipe: &Recipe, texts: bool) -> Vec<Vec<Setting>> {
    let length = recipe.network.length;
    let mut slicings = vec![Slicing::plain()];
    for steps in [8, 16, 32, 64] {
        let slices = length / steps;
        if slices >= 2 {
            slicings.extend(Slicing::new(slices, 1));
        }
        let n = (slices as f64).sqrt().round() as usize;
        if n >= 2 && n * n <= length {
            slicings.extend(Slicing::new(n, 2));
        }
    }
    slicings.dedup();
    let around = |of: f32| [of / 3.0, of / 2.0, of, of * 2.0].map(|rate| (rate * 1e5).round() / 1e5);
    let batch = recipe.options.batch;
    let all = [
        slicings.into_iter().map(Setting::Slices).collect(),
        [Direction::Forward, Direction::Both].map(Setting::Direction).to_vec(),
        [Pooling::Last, Pooling::Max, Pooling::Mean, Pooling::Attention].map(Setting::Pool).to_vec(),
        [0, 4, 8, 16].map(Setting::Context).to_vec(),
        [32, 48, 64, 96].map(Setting::Hidden).to_vec(),
        [0.0, 0.1, 0.2, 0.4, 0.5].map(Setting::Dropout).to_vec(),
        around(recipe.options.optimiser.rule.learning_rate()).map(Setting::LearningRate).to_vec(),
        [batch / 2, batch, batch * 2].into_iter().filter(|batch| *batch >= 4).map(Setting::Batch).collect(),
        if texts { vec![] } else { [Scale::Channel, Scale::Sequence].map(Setting::Normalise).to_vec() },
        [length / 2, length, length * 2].into_iter().filter(|_| texts).map(Setting::Length).collect::<Vec<_>>(),
    ];
    let is_open = |own: &Vec<Setting>| own.first().is_some_and(|first| recipe.open.contains(&first.open()));
    all.into_iter().filter(is_open).collect()
}

/// A candidate that was not seen yet: half of the settings as they are, the others at random. `None` if there is hardly one
/// left.
pub(super) fn sample(
    recipe: &Recipe,
    space: &[Vec<Setting>],
    random: &mut ChaCha8Rng,
    seen: &[Vec<Setting>],
) -> Option<Vec<Setting>> {
    for _ in 0..1000 {
        let mut settings = vec![];
        for values in space {
            let drawn = *values.choose(random)?;
            let differs = setting_of(recipe, drawn.open()) != Some(drawn);
            if random.random_bool(0.5) && differs {
                settings.push(drawn);
            }
        }
        let mut own = recipe.clone();
        settings.iter().for_each(|setting| setting.apply(&mut own));
        // What is drawn is decided.
        own.open.clear();
        if own.network.check().is_ok() && own.check_forecast().is_ok() && !seen.contains(&settings) {
            return Some(settings);
        }
    }
    None
}

/// What a recipe says of a setting.
pub(super) fn setting_of(recipe: &Recipe, open: Open) -> Option<Setting> {
    let (network, options) = (&recipe.network, &recipe.options);
    Some(match open {
        Open::Normalise => Setting::Normalise(recipe.scale),
        Open::Length => Setting::Length(network.length),
        Open::Slices => Setting::Slices(network.slicing),
        Open::Direction => Setting::Direction(network.direction),
        Open::Pool => Setting::Pool(network.pooling),
        Open::Context => Setting::Context(network.context),
        Open::Hidden => Setting::Hidden(network.hidden),
        Open::Batch => Setting::Batch(options.batch),
        Open::LearningRate => Setting::LearningRate(options.optimiser.rule.learning_rate()),
        Open::Dropout => Setting::Dropout(options.optimiser.dropout),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::*;
    use crate::data::Source;
    use rand::SeedableRng;
    use std::collections::BTreeSet;

    #[test]
    fn candidates_differ_in_what_is_open_alone() {
        let mut recipe = Recipe { open: Open::all(), ..Recipe::of(Sources::of(Source::Stdin)) };
        recipe.open.remove(&Open::Direction);
        let space = space(&recipe, true);
        assert!(space.iter().all(|own| own[0].open() != Open::Direction && own[0].open() != Open::Normalise));
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut seen = vec![vec![]];
        for _ in 0..50 {
            let settings = sample(&recipe, &space, &mut random, &seen).unwrap();
            let mut own = recipe.clone();
            settings.iter().for_each(|setting| setting.apply(&mut own));
            assert!(own != recipe && own.network.check().is_ok());
            assert!(settings.iter().all(|setting| setting_of(&own, setting.open()) == Some(*setting)));
            seen.push(settings);
        }
        let none = Recipe { open: BTreeSet::new(), ..recipe };
        assert_eq!(sample(&none, &super::space(&none, true), &mut random, &[vec![]]), None);
    }
}
