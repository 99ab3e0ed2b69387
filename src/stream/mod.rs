//! Streams without an end: a network reads step after step, and says after each what it says of all that it has read.
//!
//! Slices are counted from the first step ([`Align::Start`]), so that steps to come move none. A stream has a state for each
//! level and layer: each step is one of level 0; when a slice is full, what it passes up is a step of the next level, and the
//! next slice begins anew; the top level goes on without end. What is said passes the states of unfinished slices up as they
//! are, which is what the network says of the steps so far. Where every step is told of, slices also run downwards, from what
//! the level above knew before them, and the output of a step is told at once.

#[cfg(feature = "files")]
pub mod file;
mod pooled;
mod recurrence;

use crate::error::{Error, Result, ensure};
use crate::kernel::product::dense_product;
use crate::network::{Config, Direction, Input, Layout, Parameters, Pooling, Tensor};
use crate::slicing::Align;
use pooled::Pooled;
use recurrence::{Layer, States};
use std::collections::VecDeque;

/// Several streams that one network reads, each with a state of its own, on the calling thread.
///
/// What a stream says after t steps is what [`Network::logits`](crate::Network::logits) says of a sequence of these t steps, or
/// of its last one where every step is told of.
pub struct Stream {
    config: Config,
    /// `[V, D]`; empty where steps are numbers.
    embedding: Vec<f32>,
    /// `[W + 1, C]`
    head: Vec<f32>,
    levels: Vec<Level>,
    /// `[B, W]`: the last outputs of level 0, where every step is told of.
    outputs: Vec<f32>,
    /// Steps that each stream has read, `[B]`.
    steps: Vec<u64>,
}

/// One level of all streams.
struct Level {
    /// Steps of a slice; at the top there is no end of them.
    per_slice: u64,
    /// `[B]`: steps of the slice that is not full.
    counts: Vec<u64>,
    layers: Vec<Layer>,
    /// By layer, from 0 at the beginning of a slice; none where every step is told of and nothing passes up.
    up: Vec<States>,
    /// By layer, from what the level above knew; none where sequences are told of.
    down: Vec<States>,
    pooled: Pooled,
    /// By layer and stream: the last steps that it read, as far as there is context.
    context: Vec<Vec<VecDeque<Vec<f32>>>>,
}

impl Stream {
    /// So many streams that have read nothing.
    ///
    /// # Errors
    /// [`Error::Config`] for a network that does not read forward from a sequence's start, or whose pooling cannot be carried.
    pub fn new(config: &Config, parameters: &Parameters, streams: usize) -> Result<Stream> {
        config.check()?;
        ensure!(
            config.align == Align::Start,
            "the slices of a stream are counted from its start, and those of this network from the end: train it with --align start"
        );
        ensure!(
            config.direction == Direction::Forward,
            "a stream is read forward, and this network reads backward too: train it with --direction forward"
        );
        let layout = Layout::new(config);
        let embedding = config.vocabulary * config.embedding;
        let own = parameters.flat.len() == layout.len && parameters.embedding.len() == embedding;
        ensure!(own, "these are the weights of another network");
        let attends = (0..config.levels()).any(|level| config.pooling_of(level) == Pooling::Attention);
        ensure!(!attends, "attention weighs all outputs of a slice at once: a stream has last, max or mean pooling");
        let (of_steps, width) = (config.task.of_steps(), config.width());
        let top = config.levels() - 1;
        let level = |(p, weights): (usize, &crate::network::parameters::LevelWeights)| {
            let states = || vec![States::new(config, streams); config.layers];
            let context = if p == 0 { config.context } else { 0 };
            Level {
                per_slice: if p == config.slicing.k() as usize {
                    u64::MAX
                } else {
                    config.slicing.steps(config.length, p) as u64
                },
                counts: vec![0; streams],
                layers: weights.layers.iter().map(|units| Layer::new(config, units, parameters)).collect(),
                up: if of_steps && p == top { vec![] } else { states() },
                down: if of_steps { states() } else { vec![] },
                pooled: Pooled::new(config.pooling_of(p), width, streams),
                context: vec![
                    vec![VecDeque::with_capacity(context); streams];
                    if context > 0 { config.layers } else { 0 }
                ],
            }
        };
        let head = parameters.flat[layout.head.offset..][..layout.head.len()].to_vec();
        Ok(Stream {
            config: config.clone(),
            embedding: parameters.embedding.clone(),
            head,
            levels: layout.levels.iter().enumerate().map(level).collect(),
            outputs: vec![0.0; if of_steps { streams * width } else { 0 }],
            steps: vec![0; streams],
        })
    }

    /// One more stream, which has read nothing: its place.
    pub fn add(&mut self) -> usize {
        self.steps.push(0);
        let (streams, width) = (self.len(), self.config.width());
        if self.config.task.of_steps() {
            self.outputs.resize(streams * width, 0.0);
        }
        for level in &mut self.levels {
            level.counts.push(0);
            level.up.iter_mut().chain(&mut level.down).for_each(|states| states.resize(streams));
            level.pooled.resize(streams);
            level.context.iter_mut().for_each(|layer| layer.push(VecDeque::new()));
        }
        streams - 1
    }

    /// Streams that there are, B.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Steps that a stream has read.
    pub fn steps(&self, stream: usize) -> u64 {
        self.steps[stream]
    }

    /// Reads a token of each of these streams, which are all different.
    ///
    /// # Errors
    /// [`Error::Config`] for a stream that there is not, a token beyond the vocabulary, or a network of numbers.
    pub fn push_tokens(&mut self, streams: &[usize], tokens: &[u32]) -> Result<()> {
        let (width, vocabulary) = (self.config.embedding, self.config.vocabulary);
        ensure!(self.config.input == Input::Tokens, "the network reads numbers, and these are tokens");
        self.check_streams(streams, tokens.len())?;
        let beyond = tokens.iter().find(|token| **token as usize >= vocabulary);
        ensure!(beyond.is_none(), "token {} is beyond the vocabulary of {vocabulary}", beyond.unwrap_or(&0));
        let x: Vec<f32> =
            tokens.iter().flat_map(|&token| &self.embedding[token as usize * width..][..width]).copied().collect();
        self.push(streams, x);
        Ok(())
    }

    /// Reads a step of numbers of each of these streams, `[n, D]`, which are all different.
    ///
    /// # Errors
    /// [`Error::Config`] for a stream that there is not, for other than D numbers each, for one that is not finite, or for a
    /// network of tokens.
    pub fn push_numbers(&mut self, streams: &[usize], numbers: &[f32]) -> Result<()> {
        let width = self.config.embedding;
        ensure!(self.config.input == Input::Numbers, "the network reads tokens, and these are numbers");
        let count = numbers.len();
        ensure!(
            count == streams.len() * width,
            "{count} numbers are not a step of {width} for each of {} streams",
            streams.len()
        );
        let finite = numbers.iter().all(|number| number.is_finite());
        ensure!(finite, "a number is not finite");
        self.check_streams(streams, streams.len())?;
        self.push(streams, numbers.to_vec());
        Ok(())
    }

    fn check_streams(&self, streams: &[usize], count: usize) -> Result<()> {
        let there = self.len();
        ensure!(streams.len() == count, "{count} steps for {} streams", streams.len());
        let foreign = streams.iter().find(|stream| **stream >= there);
        ensure!(foreign.is_none(), "stream {} of {there} (counted from 0)", foreign.unwrap_or(&0));
        let mut seen = vec![false; if streams.len() > 1 { there } else { 0 }];
        let twice = streams.len() > 1 && streams.iter().any(|&stream| std::mem::replace(&mut seen[stream], true));
        ensure!(!twice, "a stream reads one step at a time");
        Ok(())
    }

    fn push(&mut self, streams: &[usize], x: Vec<f32>) {
        if streams.is_empty() {
            return;
        }
        self.advance(0, streams, x);
        streams.iter().for_each(|&stream| self.steps[stream] += 1);
    }

    /// One more step `x [n, inputs]` of level p of these streams, and what follows from it above.
    fn advance(&mut self, p: usize, streams: &[usize], x: Vec<f32>) {
        let width = self.config.width();
        let level = &mut self.levels[p];
        level.remember(streams, &x, &self.config);
        let passed = level.step(streams, &x, Pass::Up);
        let told = level.step(streams, &x, Pass::Down);
        if let Some(told) = told.filter(|_| p == 0) {
            for (&stream, own) in streams.iter().zip(told.chunks(width)) {
                self.outputs[stream * width..][..width].copy_from_slice(own);
            }
        }
        let (mut full, mut up) = (vec![], vec![]);
        for (at, &stream) in streams.iter().enumerate() {
            let before = level.counts[stream];
            level.counts[stream] = before + 1;
            if let Some(passed) = &passed {
                let own = level.pooled.with(stream, before, &passed[at * width..][..width]);
                level.pooled.keep(stream, &own);
                if before + 1 == level.per_slice {
                    up.extend(level.pooled.passed(own, before + 1));
                }
            }
            if before + 1 == level.per_slice {
                full.push(stream);
            }
        }
        if full.is_empty() {
            return;
        }
        if p + 1 < self.levels.len() {
            self.advance(p + 1, &full, up);
        }
        let (own, above) = self.levels[p..].split_first_mut().expect("level p");
        for &stream in &full {
            own.counts[stream] = 0;
            own.up.iter_mut().for_each(|states| states.begin(stream, None));
            for (layer, states) in own.down.iter_mut().enumerate() {
                let known = above.first().map(|above| &above.down[layer].h[stream * width..][..width]);
                states.begin(stream, known);
            }
            own.warm_up(stream);
        }
    }

    /// What is told of these streams: logits `[n, C]`.
    ///
    /// # Errors
    /// [`Error::Config`] for a stream that there is not, or that has read nothing yet.
    pub fn logits(&mut self, streams: &[usize]) -> Result<Vec<f32>> {
        self.check_streams(streams, streams.len())?;
        let silent = streams.iter().find(|stream| self.steps[**stream] == 0);
        ensure!(silent.is_none(), "stream {} has read nothing yet", silent.unwrap_or(&0));
        let (width, classes) = (self.config.width(), self.config.classes);
        let read = match self.config.task.of_steps() {
            true => streams.iter().flat_map(|stream| &self.outputs[stream * width..][..width]).copied().collect(),
            false => self.read_so_far(streams),
        };
        let (matrix, bias) = self.head.split_at(width * classes);
        let mut logits = bias.repeat(streams.len());
        dense_product((streams.len(), classes, width), &mut logits, true, &read, matrix);
        Ok(logits)
    }

    /// What the logits say, as [`Network::probabilities`](crate::Network::probabilities) has it.
    ///
    /// # Errors
    /// As [`Stream::logits`].
    pub fn probabilities(&mut self, streams: &[usize]) -> Result<Vec<f32>> {
        let logits = self.logits(streams)?;
        Ok(self.config.task.told_by(logits, self.config.classes))
    }

    /// What the top level would pass to the head now, `[n, W]`.
    fn read_so_far(&mut self, streams: &[usize]) -> Vec<f32> {
        let width = self.config.width();
        // What passes up of unfinished slices, by stream.
        let mut carried: Vec<Option<Vec<f32>>> = vec![None; streams.len()];
        for level in &mut self.levels {
            let is_carried: Vec<bool> = carried.iter().map(Option::is_some).collect();
            let with: Vec<usize> = (0..streams.len()).filter(|&at| is_carried[at]).collect();
            let own: Vec<usize> = with.iter().map(|&at| streams[at]).collect();
            let x: Vec<f32> = with.iter().flat_map(|&at| carried[at].take().unwrap_or_default()).collect();
            let outputs = level.try_step(&own, &x);
            for (&at, output) in with.iter().zip(outputs.chunks(width)) {
                let before = level.counts[streams[at]];
                let own = level.pooled.with(streams[at], before, output);
                carried[at] = Some(level.pooled.passed(own, before + 1));
            }
            for (at, &stream) in streams.iter().enumerate().filter(|(at, _)| !is_carried[*at]) {
                let count = level.counts[stream];
                if count > 0 {
                    let last = &level.up.last().expect("a level has a layer").h;
                    let own = level.pooled.of(stream, last).to_vec();
                    carried[at] = Some(level.pooled.passed(own, count));
                }
            }
        }
        carried.into_iter().flat_map(Option::unwrap_or_default).collect()
    }

    /// Lets a stream begin anew.
    ///
    /// # Errors
    /// [`Error::Config`] for one that there is not.
    pub fn restart(&mut self, stream: usize) -> Result<()> {
        self.check_streams(&[stream], 1)?;
        for level in &mut self.levels {
            level.counts[stream] = 0;
            level.up.iter_mut().chain(&mut level.down).for_each(|states| states.begin(stream, None));
            level.context.iter_mut().for_each(|layer| layer[stream].clear());
        }
        self.steps[stream] = 0;
        Ok(())
    }

    /// The states of all streams, as tensors `[B, …]` by name; counts stand in three parts, as f32 is exact up to 2²⁴.
    pub fn states(&self) -> Vec<Tensor> {
        let streams = self.len();
        let mut all = vec![counts("steps", &self.steps)];
        let mut push = |name: String, width: usize, values: Vec<f32>| {
            all.push(Tensor { name, shape: vec![streams, width], values });
        };
        let width = self.config.width();
        if self.config.task.of_steps() {
            push("outputs".into(), width, self.outputs.clone());
        }
        for (p, level) in self.levels.iter().enumerate() {
            for (pass, states) in [("up", &level.up), ("down", &level.down)] {
                for (layer, states) in states.iter().enumerate() {
                    push(format!("levels.{p}.{pass}.h_l{layer}"), width, states.h.clone());
                    if states.has_memory {
                        push(format!("levels.{p}.{pass}.memory_l{layer}"), width, states.memory.clone());
                    }
                }
            }
            if level.pooled.pools() {
                push(format!("levels.{p}.pooled"), width, level.pooled.values.clone());
            }
            for (layer, own) in level.context.iter().enumerate() {
                let of_stream = self.config.context * level.layers[layer].width();
                let mut values = vec![0.0; streams * of_stream];
                for (stream, steps) in own.iter().enumerate() {
                    let places = values[stream * of_stream..].iter_mut();
                    places.zip(steps.iter().flatten()).for_each(|(place, value)| *place = *value);
                }
                push(format!("levels.{p}.context_l{layer}"), of_stream, values);
            }
        }
        all.extend(
            self.levels.iter().enumerate().map(|(p, level)| counts(&format!("levels.{p}.counts"), &level.counts)),
        );
        all
    }

    /// Takes over streams of the same network, from the states that [`Stream::states`] gave: as many as these are of.
    ///
    /// # Errors
    /// [`Error::Config`], naming the tensor that is missing, has another shape or cannot be; nothing is changed then.
    pub fn set_states(&mut self, find: impl Fn(&str) -> Option<(Vec<usize>, Vec<f32>)>) -> Result<()> {
        let (mut found, mut streams) = (Vec::new(), None);
        for Tensor { name, shape, .. } in self.states() {
            let missing = || Error::Config(format!("the state has no tensor `{name}`: it is of another network"));
            let (own, values) = find(&name).ok_or_else(missing)?;
            let needed = vec![*streams.get_or_insert(own.first().copied().unwrap_or(0)), shape[1]];
            ensure!(own == needed, "tensor `{name}` of the state is {own:?}, and {needed:?} is needed");
            ensure!(values.iter().all(|value| value.is_finite()), "tensor `{name}` of the state is not finite");
            found.push(values);
        }
        let steps = of_counts(&found[0]);
        let counts: Vec<Vec<u64>> = found[found.len() - self.levels.len()..].iter().map(|own| of_counts(own)).collect();
        let mut levels = self.levels.iter().zip(&counts);
        let fits = levels.all(|(level, counts)| counts.iter().all(|count| *count < level.per_slice));
        ensure!(fits, "the state counts more steps of a slice than it has");
        let mut found = found.into_iter().skip(1);
        let mut next = || found.next().expect("one for each");
        if self.config.task.of_steps() {
            self.outputs = next();
        }
        for (level, counts) in self.levels.iter_mut().zip(counts) {
            level.counts = counts;
            for states in level.up.iter_mut().chain(&mut level.down) {
                states.h = next();
                if states.has_memory {
                    states.memory = next();
                }
            }
            if level.pooled.pools() {
                level.pooled.values = next();
            }
            for (layer, own) in level.context.iter_mut().enumerate() {
                let (values, width, most) = (next(), level.layers[layer].width(), self.config.context);
                // As many as there were.
                let there = |(values, steps): (&[f32], &u64)| {
                    values.chunks(width).take((*steps).min(most as u64) as usize).map(<[f32]>::to_vec).collect()
                };
                *own = values.chunks(most * width).zip(&steps).map(there).collect();
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// Counts `[B]` as a tensor `[B, 3]` of 22 bits each, the lowest first.
fn counts(name: &str, counts: &[u64]) -> Tensor {
    let parts = |count: &u64| [0, 22, 44].map(|shift| (count >> shift & 0x3f_ffff) as f32);
    Tensor { name: name.into(), shape: vec![counts.len(), 3], values: counts.iter().flat_map(parts).collect() }
}

fn of_counts(values: &[f32]) -> Vec<u64> {
    values.chunks(3).map(|parts| parts.iter().rev().fold(0, |all, part| all << 22 | *part as u64 & 0x3f_ffff)).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Up,
    Down,
}

impl Level {
    /// Runs all layers over a step of some streams; the outputs of the last, `[n, W]`; `None` if there is no such pass.
    fn step(&mut self, streams: &[usize], x: &[f32], pass: Pass) -> Option<Vec<f32>> {
        let all = if pass == Pass::Up { &mut self.up } else { &mut self.down };
        let mut x = (!all.is_empty()).then(|| x.to_vec())?;
        for (layer, states) in self.layers.iter_mut().zip(all) {
            let mut own = states.select(streams);
            layer.step(&x, &mut own);
            states.put(streams, &own);
            x = own.h;
        }
        Some(x)
    }

    /// The outputs of the last layer after a step that is not kept.
    fn try_step(&mut self, streams: &[usize], x: &[f32]) -> Vec<f32> {
        let mut x = x.to_vec();
        if !streams.is_empty() {
            for (layer, states) in self.layers.iter_mut().zip(&self.up) {
                let mut own = states.select(streams);
                layer.step(&x, &mut own);
                x = own.h;
            }
        }
        x
    }

    /// Keeps what each layer reads, for the slices to come.
    fn remember(&mut self, streams: &[usize], x: &[f32], config: &Config) {
        if self.context.is_empty() {
            return;
        }
        // The layers above the first read what those below put out; these states are those after the step.
        let mut x = x.to_vec();
        let of_steps = if self.up.is_empty() { &self.down } else { &self.up };
        let mut own: Vec<States> = of_steps.iter().map(|states| states.select(streams)).collect();
        for (layer, (states, memory)) in self.layers.iter_mut().zip(own.iter_mut().zip(&mut self.context)) {
            for (&stream, step) in streams.iter().zip(x.chunks(layer.width())) {
                if memory[stream].len() == config.context {
                    memory[stream].pop_front();
                }
                memory[stream].push_back(step.to_vec());
            }
            if config.layers > 1 {
                layer.step(&x, states);
                x = states.h.clone();
            }
        }
    }

    /// Reads the context of a stream's next slice, from the state 0.
    fn warm_up(&mut self, stream: usize) {
        let states = if self.up.is_empty() { &mut self.down } else { &mut self.up };
        for ((layer, states), memory) in self.layers.iter_mut().zip(states).zip(&self.context) {
            for step in &memory[stream] {
                let mut own = states.select(&[stream]);
                layer.step(step, &mut own);
                states.put(&[stream], &own);
            }
        }
    }
}
