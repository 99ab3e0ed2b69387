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

/// Which rows the outputs of a layer stand in.
struct Run {
    /// `[S, R, W]` of the level's own rows.
    outputs: Value,
    /// `[R, W]`
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
        let (reading, outputs) = self.down(&cut, read);
        self.told(steps, &cut[0], &reading, &outputs)
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
    fn up(&mut self, p: usize, level: &Level, below: Below) -> Value {
        let config = self.config();
        let context = if p == 0 { config.context } else { 0 };
        let (pooling, layers) = (config.pooling_of(p), config.layers);
        let stepwise = |layer: usize| layer + 1 < layers || pooling != Pooling::Last;
        let place = format!("levels.{p}");
        self.g.at(&place);
        let own = level.reading(&mut self.g, 0, false);
        let run = match context {
            0 => {
                let mut rows = self.rows(&below, &own);
                let mut run = None;
                for layer in 0..layers {
                    let of_layer = self.layer(p, layer, &rows, &own, None, stepwise(layer));
                    rows = of_layer.outputs.clone();
                    run = Some(of_layer);
                }
                run.expect("a level has a layer")
            }
            _ => self.with_context(level, below, &own, &stepwise),
        };
        if pooling == Pooling::Last {
            return run.last;
        }
        self.g.at(format!("{place}.pooling"));
        let weights = &self.weights;
        pooled(&mut self.g, pooling, &run.outputs, &own, |g| {
            let name = format!("levels.{p}.attention");
            let values = &weights.get(&name).values;
            g.weights(name, &[values.len(), 1], values)
        })
    }

    /// All directions of a layer over the same rows: by one operator, or by two where their weights stand apart for others that read with
    /// context.
    fn layer(
        &mut self,
        level: usize,
        layer: usize,
        rows: &Value,
        reading: &Reading,
        first: Option<&Value>,
        stepwise: bool,
    ) -> Run {
        let Config { context, hidden, .. } = *self.config();
        let all = self.config().directions().len();
        let together = if level == 0 && context > 0 { 1 } else { all };
        let (mut outputs, mut last) = (vec![], vec![]);
        for at in (0..all).step_by(together) {
            let place = Place { level, layer, directions: at..at + together };
            let first = first
                .map(|first| if together < all { columns(&mut self.g, first, hidden, at, all) } else { first.clone() });
            let own = self.weights.run(&mut self.g, &place, rows, reading, first.as_ref(), stepwise);
            outputs.push(own.steps);
            last.push(own.last);
        }
        let outputs = if stepwise { self.side_by_side(outputs, 2) } else { Value::none() };
        Run { outputs, last: self.side_by_side(last, 1) }
    }

    /// The layers of level 0, where each direction reads steps of its own before those of a slice.
    fn with_context(
        &mut self,
        level: &Level,
        mut below: Below,
        own: &Reading,
        stepwise: &dyn Fn(usize) -> bool,
    ) -> Run {
        let (context, layers) = (self.config().context, self.config().layers);
        let directions = self.config().directions();
        let hidden = self.config().hidden as i64;
        let within = level.all(&mut self.g);
        let ways: Vec<(Reading, Value)> = directions
            .iter()
            .map(|&reverse| {
                let reading = level.reading(&mut self.g, context, reverse);
                let place = level.place(&mut self.g, &reading, &within);
                let place = self.g.reshape(&place, &[-1]);
                (reading, place)
            })
            .collect();
        let mut run = Run { outputs: Value::none(), last: Value::none() };
        for layer in 0..layers {
            let (mut steps, mut last) = (vec![], vec![]);
            for (direction, (reading, place)) in ways.iter().enumerate() {
                let rows = self.rows(&below, reading);
                let at = Place { level: 0, layer, directions: direction..direction + 1 };
                let out = self.weights.run(&mut self.g, &at, &rows, reading, None, stepwise(layer));
                if stepwise(layer) {
                    let flat = self.g.reshape(&out.steps, &[-1, hidden]);
                    steps.push(self.g.rows(&flat, place));
                }
                last.push(out.last);
            }
            run.last = self.side_by_side(last, 1);
            if stepwise(layer) {
                below = Below::Numbers(self.side_by_side(steps, 1));
            }
        }
        if stepwise(layers - 1) {
            run.outputs = self.rows(&below, own);
        }
        run
    }

    /// `[…, W]` of the columns of one direction or two, which are the numbers of this axis.
    fn side_by_side(&mut self, columns: Vec<Value>, axis: i64) -> Value {
        match &columns[..] {
            [first, second] => self.g.concat([first, second], axis),
            _ => columns[0].clone(),
        }
    }

    /// Every level from the top down, over what it read on the way up: of level 0 its rows, and their outputs `[S, R, W]`.
    fn down(&mut self, cut: &[Level], read: Vec<Below>) -> (Reading, Value) {
        let layers = self.config().layers;
        // Slices that know what came before them need no context.
        let context = if cut.len() == 1 { self.config().context } else { 0 };
        let mut first: Vec<Option<Value>> = vec![None; layers];
        for (p, level) in cut.iter().enumerate().rev() {
            self.g.at(format!("levels.{p}.down"));
            let own = level.reading(&mut self.g, 0, false);
            if context > 0 {
                let run = self.with_context(level, read[p].clone(), &own, &|_| true);
                return (own, run.outputs);
            }
            let mut rows = self.rows(&read[p], &own);
            for (layer, first) in first.iter_mut().enumerate() {
                let run = self.layer(p, layer, &rows, &own, first.as_ref(), true);
                if p > 0 {
                    self.g.at(format!("levels.{p}.down.layers.{layer}"));
                    *first = Some(self.handed_down(level, &own, &run.outputs, first.as_ref()));
                }
                rows = run.outputs;
            }
            if p == 0 {
                return (own, rows);
            }
        }
        unreachable!("there is a level 0")
    }

    /// What the slices of the level below begin with, `[B·N, W]`: the output at the step before each in its row, `before` in the order of
    /// reading, or what its row began with.
    fn handed_down(&mut self, level: &Level, reading: &Reading, outputs: &Value, first: Option<&Value>) -> Value {
        let (directions, hidden) = (self.config().directions(), self.config().hidden);
        let g = &mut self.g;
        let width = directions.len() * hidden;
        let all = level.all(g);
        let position = level.position(g, &all);
        let flat = g.reshape(outputs, &[-1, width as i64]);
        let of_row = match first {
            Some(first) => {
                let row = level.row(g, &position);
                let row = g.reshape(&row, &[-1]);
                g.rows(first, &row)
            }
            None => g.float(0.0),
        };
        let sides = directions.iter().enumerate().map(|(direction, &reverse)| {
            let one = g.int(if reverse { -1 } else { 1 });
            let earlier = g.op("Sub", [&all, &one]);
            let is_inner = match reverse {
                true => g.op("Less", [&earlier, &position.end]),
                false => g.op("GreaterOrEqual", [&earlier, &position.begin]),
            };
            let is_inner = g.reshape(&is_inner, &[-1, 1]);
            let earlier = level.real(g, &earlier);
            let place = level.place(g, reading, &earlier);
            let place = g.reshape(&place, &[-1]);
            let before = g.rows(&flat, &place);
            let states = g.op("Where", [&is_inner, &before, &of_row]);
            columns(g, &states, hidden, direction, directions.len())
        });
        let sides = sides.collect();
        self.side_by_side(sides, 1)
    }

    /// The outputs of level 0 at the steps that were given, and which of these are real.
    fn told(&mut self, steps: &Steps, level: &Level, reading: &Reading, outputs: &Value) -> (Value, Option<Value>) {
        let width = self.config().width() as i64;
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
        let within = level.real(g, &within);
        let place = level.place(g, reading, &within);
        let flat = g.reshape(outputs, &[-1, width]);
        (g.rows(&flat, &place), Some(real))
    }
}
