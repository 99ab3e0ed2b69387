//! Settings that are left open, and what is chosen for them when the data is known.
//!
//! The rules were found on some data sets and confirmed on others: docs/results.md has the table.

use super::recipe::{Recipe, Tokens};
use super::survey::{OWN_SCALES, UNEVEN};
use super::{Dataset, Keep, Metric, Schedule, Told};
use crate::data::{Channels, Scale};
use crate::network::{Direction, Input, Pooling, Task};
use crate::slicing::Slicing;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use strum::{Display, EnumIter, IntoEnumIterator};

/// A setting that can be left open. Its name is that of its option on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Display, EnumIter)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum Open {
    /// Words or characters, of texts.
    Tokens,
    /// What numbers are compared with.
    Normalise,
    /// The longest sequence that is read whole.
    Length,
    /// How sequences are cut.
    Slices,
    /// How slices are read.
    Direction,
    /// What slices pass up.
    Pool,
    /// Steps that every slice reads before its own.
    Context,
    /// Hidden units.
    Hidden,
    /// Width of the token embedding, of texts.
    Embedding,
    /// Sequences of a batch.
    Batch,
    /// Passes over the training data.
    Epochs,
    /// How far a step goes.
    LearningRate,
    /// How that changes over the training.
    Schedule,
    /// What is dropped between levels, and before the head.
    Dropout,
    /// What is dropped of embeddings, of texts.
    EmbeddingDropout,
    /// Training words that become unknown, of texts.
    WordDropout,
    /// Epochs without a better validation after which training stops.
    Patience,
    /// What a validation is judged by.
    Metric,
    /// Whether another training on all sequences follows.
    Refit,
}

impl Open {
    /// All of them: nothing is decided.
    pub fn all() -> BTreeSet<Open> {
        Open::iter().collect()
    }
}

/// Whether a letter is of a script that puts no blanks between words.
fn is_unspaced(letter: char) -> bool {
    // Thai, Lao, Tibetan; Burmese; Khmer; kana; ideographs.
    matches!(letter, '\u{E00}'..='\u{FFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
        | '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Texts that tell how a language is written.
const LOOKED_AT: usize = 10_000;

/// Characters between two blanks, in the mean, beyond which these are no words: those of German have seven.
const LONGEST_WORDS: usize = 14;

/// Share of the sequences that the chosen length holds whole.
const WHOLE_NUMBERS: f64 = 0.99;
const WHOLE_TEXTS: f64 = 0.95;

/// Steps of the windows in which sequences are read whose every step is told of.
const LONGEST_WINDOW: usize = 512;

impl Recipe {
    /// What was chosen for the settings that were open, of inputs that are texts or numbers, as it would be given.
    pub fn chosen(&self, texts: bool) -> Vec<(Open, String)> {
        let (network, options) = (&self.network, &self.options);
        let of_numbers = |open: &Open| *open == Open::Normalise;
        let of_texts =
            |open: &Open| matches!(open, Open::Tokens | Open::Embedding | Open::EmbeddingDropout | Open::WordDropout);
        // Where steps are told of, tokens are given, and no state is pooled for the head.
        let of_sequences =
            |open: &Open| matches!(open, Open::Tokens | Open::Pool | Open::Context) && network.task.of_steps();
        let fits = |open: &&Open| (if texts { !of_numbers(open) } else { !of_texts(open) }) && !of_sequences(open);
        let value = |open: &Open| match open {
            Open::Tokens => self.tokens.to_string(),
            Open::Normalise => name(&self.scale),
            Open::Length => network.length.to_string(),
            Open::Slices => network.slicing.to_string(),
            Open::Direction => name(&network.direction),
            Open::Pool => name(&network.pooling),
            Open::Context => network.context.to_string(),
            Open::Hidden => network.hidden.to_string(),
            Open::Embedding => network.embedding.to_string(),
            Open::Batch => options.batch.to_string(),
            Open::Epochs => options.epochs.to_string(),
            Open::LearningRate => options.optimiser.rule.learning_rate().to_string(),
            Open::Schedule => options.schedule.to_string(),
            Open::Dropout => options.optimiser.dropout.to_string(),
            Open::EmbeddingDropout => options.optimiser.embedding_dropout.to_string(),
            Open::WordDropout => options.word_dropout.to_string(),
            Open::Patience => options.patience.unwrap_or(0).to_string(),
            Open::Metric => options.metric.unwrap_or(Metric::of(network.task)).to_string(),
            Open::Refit => ["no", "yes"][usize::from(self.refit)].into(),
        };
        self.open.iter().filter(fits).map(|open| (*open, value(open))).collect()
    }

    fn is_open(&self, open: Open) -> bool {
        self.open.contains(&open)
    }

    /// Chooses what the numbers of a channel are compared with: other sequences, unless these have scales of their own.
    pub(super) fn choose_scale(&mut self, channels: &Channels) {
        let forecasts = self.sources.reading.ahead.is_some();
        if self.is_open(Open::Normalise) && channels.within() < OWN_SCALES && !forecasts {
            self.scale = Scale::Sequence;
        }
    }

    /// Chooses what a token is: a character, where words are not kept apart by blanks.
    pub(super) fn choose_tokens(&mut self, texts: &[String]) {
        let Tokens::Words { min_count } = self.tokens else { return };
        if !self.is_open(Open::Tokens) {
            return;
        }
        let (mut pieces, mut characters, mut unspaced) = (0, 0, 0);
        for text in texts.iter().take(LOOKED_AT) {
            pieces += text.split_whitespace().count();
            characters += text.chars().filter(|own| !own.is_whitespace()).count();
            unspaced += text.chars().filter(|own| is_unspaced(*own)).count();
        }
        if characters > LONGEST_WORDS * pieces || 3 * unspaced > characters {
            self.tokens = Tokens::Characters { min_count };
        }
    }

    /// Halves the length, if it is open and long enough; whether it did.
    pub(super) fn shorten(&mut self) -> bool {
        let half = self.network.length / 2;
        let slices = if self.is_open(Open::Slices) { 1 } else { self.network.slicing.slices() };
        let context = if self.is_open(Open::Context) { 0 } else { self.network.context };
        if !self.is_open(Open::Length) || half < slices.max(context + 1) {
            return false;
        }
        self.network.length = half;
        let rules = self.rules(self.network.input == Input::Tokens);
        self.choose_network(&rules);
        true
    }

    /// Chooses the rest of what is open for these sequences to train on.
    pub(super) fn choose(&mut self, train: &Dataset) {
        let texts = train.width().is_none();
        if self.is_open(Open::Length) {
            let fixed = if self.is_open(Open::Slices) { 1 } else { self.network.slicing.slices() };
            let whole = whole(train, if texts { WHOLE_TEXTS } else { WHOLE_NUMBERS });
            // What is longer is read in windows.
            let most = if self.network.task.of_steps() { LONGEST_WINDOW } else { usize::MAX };
            self.network.length = whole.min(most).max(fixed);
        }
        let rules = self.rules(texts);
        self.choose_network(&rules);
        self.choose_training(&rules, train);
    }

    fn rules(&self, texts: bool) -> Rules {
        match (texts, self.network.task.of_steps()) {
            (true, false) => TEXTS,
            (true, true) => TOKENS,
            (false, false) => NUMBERS,
            (false, true) => STEPS,
        }
    }

    fn choose_network(&mut self, rules: &Rules) {
        if self.is_open(Open::Embedding) && self.network.input == Input::Tokens {
            self.network.embedding = rules.embedding;
        }
        self.choose_slices(rules);
        if self.is_open(Open::Direction) {
            // A forecast cannot see what it is to tell.
            let forecasts = self.sources.reading.ahead.is_some();
            self.network.direction = if forecasts { Direction::Forward } else { Direction::Both };
        }
        if self.is_open(Open::Pool) {
            (self.network.pooling, self.network.head_pooling) = (rules.pooling, rules.pooling);
        }
        if self.is_open(Open::Context) {
            let slice = self.network.slicing.steps(self.network.length, 0);
            self.network.context = if self.network.slicing.k() == 0 { 0 } else { rules.context.min(slice) };
        }
        if self.is_open(Open::Hidden) {
            // Heads share the units out evenly.
            self.network.hidden = rules.hidden.next_multiple_of(self.network.heads.max(1));
        }
    }

    fn choose_slices(&mut self, rules: &Rules) {
        if self.is_open(Open::Slices) {
            let length = self.network.length;
            let given = !self.is_open(Open::Context) && self.network.context > 0;
            let least = match length {
                64.. => rules.slices,
                // Context is for slices.
                2.. if given => 2,
                _ => 1,
            };
            let slices = (length / rules.slice).max(least);
            let sliced = Slicing::new(slices, 1).ok().filter(|_| slices > 1);
            self.network.slicing = sliced.unwrap_or(Slicing::plain());
        }
    }

    fn choose_training(&mut self, rules: &Rules, train: &Dataset) {
        let (count, texts) = (train.windows_of(&self.network), train.width().is_none());
        let is_open = |open| self.open.contains(&open);
        let options = &mut self.options;
        if is_open(Open::Batch) {
            let [share, least, most] = rules.batch;
            options.batch = (count / share).clamp(least, most);
        }
        if is_open(Open::Epochs) {
            let updates = count.div_ceil(options.batch.max(1));
            options.epochs = rules.updates.div_ceil(updates).clamp(rules.epochs, 500);
        }
        if is_open(Open::LearningRate) {
            options.optimiser.rule = options.optimiser.rule.with_learning_rate(rules.learning_rate);
        }
        if is_open(Open::Schedule) {
            options.schedule = Schedule::Cosine { warmup: 0.3 };
        }
        if is_open(Open::Dropout) {
            options.optimiser.dropout = rules.dropout;
        }
        if is_open(Open::EmbeddingDropout) {
            options.optimiser.embedding_dropout = options.optimiser.dropout.min(rules.embedding_dropout);
        }
        if is_open(Open::WordDropout) && texts {
            options.word_dropout = if count < MANY_TEXTS { rules.word_dropout } else { 0.1 };
        }
        if is_open(Open::Patience) && options.keep == Keep::Best {
            options.patience = Some((options.epochs / 3).max(5));
        }
        if is_open(Open::Metric) && train.marks().is_some() {
            options.metric = Some(Metric::SpanF1);
        } else if is_open(Open::Metric) && self.network.task == Task::Class && is_uneven(train) {
            options.metric = Some(Metric::MacroF1);
        }
        if is_open(Open::Refit) {
            self.refit = options.keep == Keep::Best && self.sources.valid.is_none() && count < SMALL;
        }
    }
}

/// What is chosen for all texts, or for all numbers.
#[derive(Clone, Copy)]
struct Rules {
    /// Steps of a slice, at least.
    slice: usize,
    /// Slices of sequences of 64 steps or more, at least.
    slices: usize,
    pooling: Pooling,
    context: usize,
    hidden: usize,
    learning_rate: f32,
    dropout: f32,
    /// Updates of the weights that a small set needs.
    updates: usize,
    /// Epochs that a large set needs.
    epochs: usize,
    /// Of the embedding of tokens.
    embedding: usize,
    embedding_dropout: f32,
    word_dropout: f32,
    /// A batch is such a share of the sequences or windows, at least and at most so many.
    batch: [usize; 3],
}

const TEXTS: Rules = Rules {
    slice: 64,
    slices: 8,
    pooling: Pooling::Attention,
    context: 16,
    hidden: 64,
    learning_rate: 3e-3,
    dropout: 0.4,
    updates: 600,
    epochs: 6,
    embedding: 200,
    embedding_dropout: 1.0,
    word_dropout: 0.3,
    batch: [60, 16, 100],
};

/// Of tokens that are told of each for itself.
const TOKENS: Rules = Rules {
    slice: 64,
    slices: 8,
    pooling: Pooling::Last,
    context: 0,
    hidden: 96,
    learning_rate: 6e-3,
    dropout: 0.5,
    updates: 1000,
    epochs: 8,
    embedding: 128,
    embedding_dropout: 0.4,
    word_dropout: 0.1,
    batch: [120, 8, 32],
};

const NUMBERS: Rules = Rules {
    slice: 16,
    slices: 2,
    pooling: Pooling::Max,
    context: 8,
    hidden: 48,
    learning_rate: 5e-3,
    dropout: 0.2,
    updates: 1500,
    epochs: 10,
    ..TEXTS
};

/// Of numbers of which every step is told.
const STEPS: Rules = Rules { pooling: Pooling::Last, context: 0, batch: [60, 8, 32], ..NUMBERS };

/// Texts that are enough to learn rare words from.
const MANY_TEXTS: usize = 10_000;

/// The length that holds such a share of the sequences whole.
fn whole(train: &Dataset, share: f64) -> usize {
    let count = train.len();
    let mut steps: Vec<usize> = (0..count).map(|row| train.steps(row)).collect();
    steps.sort_unstable();
    steps[((count as f64 * share).ceil() as usize).clamp(1, count) - 1]
}

/// Sequences below which those that are held out are missed in training.
const SMALL: usize = 2000;

/// Whether the most frequent class has many times the sequences of the rarest.
fn is_uneven(train: &Dataset) -> bool {
    let Some(told) = &train.targets else { return false };
    let classes = match told {
        Told::Classes(own) => own.iter().max().map_or(0, |largest| *largest as usize + 1),
        _ => 0,
    };
    let counts = told.occurrences(classes);
    let (least, most) = (counts.iter().min().copied().unwrap_or(1), counts.iter().max().copied().unwrap_or(1));
    most as f64 > UNEVEN * least.max(1) as f64
}

/// The name that a setting has in files and on the command line.
pub(super) fn name(setting: &impl Serialize) -> String {
    serde_json::to_value(setting).ok().and_then(|value| value.as_str().map(str::to_string)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::*;
    use crate::data::{Channel, Source};

    fn open() -> Recipe {
        Recipe { open: Open::all(), ..Recipe::of(Sources::of(Source::Stdin)) }
    }

    fn chosen(recipe: &Recipe, texts: bool) -> String {
        recipe.chosen(texts).iter().map(|(open, value)| format!("{open} {value}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn for_numbers() {
        // 300 series of 100 steps, but for two of 400.
        let rows: Vec<Vec<f32>> = (0..300).map(|row| vec![0.0; if row < 2 { 400 } else { 100 }]).collect();
        let data = Dataset::of_numbers(&rows, 1).unwrap();
        let train = data.with_targets(Told::Classes((0..300).map(|row| u32::from(row % 10 == 0)).collect())).unwrap();
        let mut recipe = open();
        recipe.choose(&train);
        let expected = "normalise channel, length 100, slices 6x1, direction both, pool max, context 8, hidden 48, batch 16, \
                        epochs 79, learning-rate 0.005, schedule cosine:0.3, dropout 0.2, patience 26, metric macro-f1, refit yes";
        assert_eq!(chosen(&recipe, false), expected);
        // What is given stays.
        let mut given = open();
        given.open.retain(|open| ![Open::Slices, Open::Batch, Open::Refit].contains(open));
        (given.network.slicing, given.options.batch) = (Slicing::new(2, 9).unwrap(), 50);
        given.choose(&train);
        assert_eq!((given.network.length, given.options.epochs, given.refit), (512, 250, false));
        let mut plain = Recipe::of(Sources::of(Source::Stdin));
        plain.choose(&train);
        assert_eq!(plain, Recipe::of(Sources::of(Source::Stdin)));
        // Shorter, until it fits; what goes by the length goes with it.
        assert!(recipe.shorten());
        assert_eq!((recipe.network.length, recipe.network.slicing.slices()), (50, 1));
        assert!(recipe.network.context == 0 && recipe.network.check().is_ok());
    }

    #[test]
    fn for_texts() {
        let texts: Vec<Vec<u32>> = (0..12_000).map(|row| vec![3; if row % 20 == 0 { 900 } else { 300 }]).collect();
        let train = Dataset::new(&texts, (0..12_000).map(|row| row % 2).collect()).unwrap();
        let mut recipe = open();
        recipe.choose(&train);
        let expected = "tokens words, length 300, slices 8x1, direction both, pool attention, context 16, hidden 64, embedding 200, \
                        batch 100, epochs 6, learning-rate 0.003, schedule cosine:0.3, dropout 0.4, embedding-dropout 0.4, \
                        word-dropout 0.1, patience 5, metric accuracy, refit no";
        assert_eq!(chosen(&recipe, true), expected);
    }

    #[test]
    fn words_or_characters() {
        let of = |text: &str| {
            let mut recipe = open();
            recipe.choose_tokens(&[text.to_string()]);
            recipe.tokens.to_string()
        };
        assert_eq!(of("a film that is good"), "words");
        assert_eq!(of("Donaudampfschifffahrt is a word, and Rindfleischetikettierung too"), "words");
        assert_eq!(of("\u{6211}\u{5f88} \u{559c}\u{6b22} iPhone"), "chars");
        assert_eq!(of("\u{e2a}\u{e27}\u{e31}\u{e2a}\u{e14}\u{e35}"), "chars");
        assert_eq!(of("ACGTACGTTGCAACGTACGT ACGTTTGACCAGTACCATGA"), "chars");
        assert_eq!(of(""), "words");
    }

    #[test]
    fn scales_of_their_own() {
        let of = |within: f64| {
            let channel = Channel { least: 0.0, largest: 9.0, deviation: 2.0, own: [0.0, 2.0 * within, 2.0] };
            let mut recipe = open();
            recipe.choose_scale(&Channels { each: vec![channel], padded: 0.0, filled: 0 });
            recipe.scale
        };
        assert_eq!([of(0.1), of(0.3), of(1.0)], [Scale::Sequence, Scale::Channel, Scale::Channel]);
    }
}
