//! The levels of a network, from the bottom up and, where steps are told of, down again.

use super::cells::{Place, Weights, columns};
use super::graph::{Graph, Value};
use super::inputs::Steps;
use super::pooling::pooled;
use super::slices::{Level, Reading};
use crate::network::{Config, Input, Pooling};
use crate::slicing::Align;

/// What the steps of a level are.
#[derive(Clone)]
enum Below {
    /// `[B·N]`, which are embedded when they are read.
    Tokens(Value),
    /// `[B·N, D]`.
    Numbers(Value),
}

/// A network that becomes a graph.
pub(super) struct Network<'n> {
    pub weights: Weights<'n>,
    pub g: Graph,
}

/// What comes of a layer, directions side by side.
struct Run {
    /// `[B·N, W]`: of each of the level's steps.
    steps: Value,
    /// `[R, W]`: of the step of each slice that was read last.
    last: Value,
}

impl Network<'_> {
    fn config(&self) -> &Config {
        self.weights.config
    }

    /// What the head reads of such steps: `[B, W]`, or of each of the steps that were given `[B, T', W]`; then also `[B, T', 1]`, whether
    /// it is a real one.
    pub fn read(&mut self, steps: &Steps) -> (Value, Option<Value>) {
        let mut below = match self.config().input {
            Input::Tokens => Below::Tokens(steps.values.clone()),
            Input::Numbers => Below::Numbers(steps.values.clone()),
        };
        let levels = self.config().levels();
        let from_start = self.config().align == Align::Start;
        self.g.at("levels.0.slices");
        let (counts, most) = (steps.counts.clone(), steps.most.clone());
        let size = self.per_slice(0);
        let mut cut = vec![Level::new(&mut self.g, counts, most, size, from_start)];
        for p in 1..levels {
            let size = self.per_slice(p);
            self.g.at(format!("levels.{p}.slices"));
            let above = cut[p - 1].above(&mut self.g, size, from_start);
            cut.push(above);
        }
        let told_of_steps = self.config().task.of_steps();
        let upward = levels - usize::from(told_of_steps);
        let mut read = vec![below.clone()];
        for (p, level) in cut[..upward].iter().enumerate() {
            below = Below::Numbers(self.up(p, level, below));
            read.push(below.clone());
        }
        if !told_of_steps {
            let Below::Numbers(states) = below else { unreachable!("a network has a level") };
            return (states, None);
        }
        let outputs = self.down(&cut, read);
        self.told(steps, &cut[0], &outputs)
    }

    /// Steps of a slice of a level; `None` where it has all there are.
    fn per_slice(&self, p: usize) -> Option<usize> {
        let Config { slicing, length, align, .. } = *self.config();
        let endless = align == Align::Start && p + 1 == slicing.levels();
        (!endless).then(|| slicing.steps(length, p))
    }

    /// The steps `[S, R, D]` that were read.
    fn rows(&mut self, below: &Below, reading: &Reading) -> Value {
        let g = &mut self.g;
        match below {
            Below::Numbers(values) => g.rows(values, &reading.steps),
            Below::Tokens(tokens) => {
                let tokens = g.rows(tokens, &reading.steps);
                let table = self.weights.constant(g, crate::network::parameters::EMBEDDING);
                g.rows(&table, &tokens)
            }
        }
    }

    /// What the slices of a level pass up, `[R, W]`.
    fn up(&mut self, p: usize, level: &Level, mut below: Below) -> Value {
        let config = self.config();
        let context = if p == 0 { config.context } else { 0 };
        let (pooling, layers) = (config.pooling_of(p), config.layers);
        self.g.at(format!("levels.{p}"));
        let readings = self.readings(level, context);
        let mut last = None;
        for layer in 0..layers {
            let run = self.layer(p, layer, &below, &readings, None);
            below = Below::Numbers(run.steps);
            last = Some(run.last);
        }
        if pooling == Pooling::Last {
            return last.expect("a level has a layer");
        }
        self.g.at(format!("levels.{p}.pooling"));
        let own = level.reading(&mut self.g, 0, false);
        let outputs = self.rows(&below, &own);
        let weights = &self.weights;
        pooled(&mut self.g, pooling, &outputs, &own, |g| {
            let name = format!("levels.{p}.attention");
            let values = &weights.get(&name).values;
            g.weights(name, &[values.len(), 1], values)
        })
    }

    /// What each direction reads of the slices of a level.
    fn readings(&mut self, level: &Level, context: usize) -> Vec<Reading> {
        let directions = self.config().directions();
        directions.iter().map(|&reverse| level.reading(&mut self.g, context, reverse)).collect()
    }

    /// A layer over what is below it, each direction over its own reading of that and from its own columns of `first [R, W]`.
    fn layer(&mut self, level: usize, layer: usize, below: &Below, readings: &[Reading], first: Option<&Value>) -> Run {
        let hidden = self.config().hidden;
        let (mut steps, mut last) = (vec![], vec![]);
        for (direction, reading) in readings.iter().enumerate() {
            let rows = self.rows(below, reading);
            let first = first.map(|first| columns(&mut self.g, first, hidden, direction, readings.len()));
            let place = Place { level, layer, direction };
            let states = self.weights.run(&mut self.g, &place, &rows, reading, first.as_ref());
            steps.push(self.g.rows(&states, &reading.places));
            last.push(self.g.rows(&states, &reading.last));
        }
        Run { steps: self.side_by_side(steps), last: self.side_by_side(last) }
    }

    /// `[…, W]` of the columns of one direction or two.
    fn side_by_side(&mut self, columns: Vec<Value>) -> Value {
        match &columns[..] {
            [first, second] => self.g.concat([first, second], 1),
            _ => columns[0].clone(),
        }
    }

    /// Every level from the top down, over what it read on the way up: the outputs of level 0, `[B·N, W]`.
    fn down(&mut self, cut: &[Level], read: Vec<Below>) -> Value {
        let layers = self.config().layers;
        // Slices that know what came before them need no context.
        let context = if cut.len() == 1 { self.config().context } else { 0 };
        let mut first: Vec<Option<Value>> = vec![None; layers];
        let mut outputs = Value::none();
        for (p, (level, mut below)) in cut.iter().zip(read).enumerate().rev() {
            self.g.at(format!("levels.{p}.down"));
            let readings = self.readings(level, context);
            for (layer, first) in first.iter_mut().enumerate() {
                outputs = self.layer(p, layer, &below, &readings, first.as_ref()).steps;
                if p > 0 {
                    self.g.at(format!("levels.{p}.down.layers.{layer}"));
                    *first = Some(self.handed_down(level, &outputs, first.as_ref()));
                }
                below = Below::Numbers(outputs.clone());
            }
        }
        outputs
    }

    /// What the slices of the level below begin with, `[B·N, W]`: the output at the step before each in its row, `before` in the order of
    /// reading, or what its row began with.
    fn handed_down(&mut self, level: &Level, outputs: &Value, first: Option<&Value>) -> Value {
        let (directions, hidden) = (self.config().directions(), self.config().hidden);
        let g = &mut self.g;
        let all = level.all(g);
        let span = level.span_of(g, &all, 0, false);
        let of_row = match first {
            Some(first) => {
                let row = level.row(g, &span);
                let row = g.reshape(&row, &[-1]);
                g.rows(first, &row)
            }
            None => g.float(0.0),
        };
        let sides = directions.iter().enumerate().map(|(direction, &reverse)| {
            let one = g.int(if reverse { -1 } else { 1 });
            let earlier = g.op("Sub", [&all, &one]);
            let is_inner = match reverse {
                true => g.op("Less", [&earlier, &span.end]),
                false => g.op("GreaterOrEqual", [&earlier, &span.begin]),
            };
            let is_inner = g.reshape(&is_inner, &[-1, 1]);
            let earlier = level.flat(g, &earlier);
            let earlier = g.reshape(&earlier, &[-1]);
            let before = g.rows(outputs, &earlier);
            let states = g.op("Where", [&is_inner, &before, &of_row]);
            columns(g, &states, hidden, direction, directions.len())
        });
        let sides = sides.collect();
        self.side_by_side(sides)
    }

    /// The outputs of level 0 at the steps that were given, and which of these are real.
    fn told(&mut self, steps: &Steps, level: &Level, outputs: &Value) -> (Value, Option<Value>) {
        let g = &mut self.g;
        g.at("told");
        let given = g.range(&steps.given, &[1, -1]);
        let within = g.op("Sub", [&given, &steps.first]);
        let none = g.int(0);
        let behind = g.op("Less", [&within, &level.counts]);
        let before = g.op("GreaterOrEqual", [&within, &none]);
        let real = g.op("And", [&behind, &before]);
        let axis = g.int(2);
        let real = g.op("Unsqueeze", [&real, &axis]);
        let within = level.flat(g, &within);
        (g.rows(outputs, &within), Some(real))
    }
}
