//! How the steps of a level are cut, when the graph runs: which steps each slice reads, and where among what is read a step stands.
//!
//! Steps of a level are `[B·N, …]`: N for each of B sequences, the real ones first. Slices are rows `[S, R, …]` of up to S steps,
//! R = B·M of them, those of a sequence one after the other; behind a row's own steps its sequence's last one is repeated. So what the
//! rows pass up, `[R, W]`, are the steps of the next level, whose N is this one's M.

use super::graph::{Graph, Value};
use super::proto::Numbers;

/// One level.
pub(super) struct Level {
    /// `[B, 1]`: real steps of every sequence, 1 or more.
    pub counts: Value,
    /// N, `[1]`.
    pub steps: Value,
    /// `[B, 1]`: the first step of every sequence, b·N.
    first: Value,
    /// L, `[1]`: steps of a whole slice.
    per_slice: Value,
    /// `[B, 1]`: real slices of every sequence.
    pub slices: Value,
    /// M, `[1]`.
    most: Value,
    /// `[B, 1]`: what the first slice lacks to be whole.
    lack: Value,
    /// `[B, 1]`: the first row of every sequence, b·M.
    first_row: Value,
    /// R, `[1]`.
    rows: Value,
}

/// The steps that the slices of a level read.
pub(super) struct Reading {
    /// `[S, R]`: their places among the level's steps.
    pub steps: Value,
    /// `[R]`: how many of each row are read, in 32 bits.
    pub lengths: Value,
    /// `[S, R, 1]`: whether a place of a row is one of these.
    pub mask: Value,
    /// Steps in front of their own that rows read.
    before: Value,
}

/// A step of a level, within its row.
pub(super) struct Position {
    /// Its row's number within the sequence.
    slice: Value,
    /// The row's first own step, and the one behind its last.
    pub begin: Value,
    pub end: Value,
}

impl Level {
    /// Of sequences `[B, 1]` of so many real steps, N at most; slices of `per_slice` steps, of which the first may be short or, from the
    /// start, the last. Without a size there is one slice.
    pub fn new(g: &mut Graph, counts: Value, steps: Value, per_slice: Option<usize>, from_start: bool) -> Level {
        let per_slice = per_slice.map_or(steps.clone(), |size| g.int(size));
        let divided_up = |g: &mut Graph, steps: &Value| {
            let one = g.int(1);
            let over = g.op("Add", [steps, &per_slice]);
            let over = g.op("Sub", [&over, &one]);
            g.op("Div", [&over, &per_slice])
        };
        let (slices, most) = (divided_up(g, &counts), divided_up(g, &steps));
        let lack = if from_start {
            g.op("Sub", [&counts, &counts])
        } else {
            let whole = g.op("Mul", [&slices, &per_slice]);
            g.op("Sub", [&whole, &counts])
        };
        let batch = g.size(&counts, 0);
        let sequence = g.range(&batch, &[-1, 1]);
        let (first, first_row) = (g.op("Mul", [&sequence, &steps]), g.op("Mul", [&sequence, &most]));
        let rows = g.op("Mul", [&batch, &most]);
        Level { counts, steps, first, per_slice, slices, most, lack, first_row, rows }
    }

    /// The next level's steps, of which there are as many as slices here.
    pub fn above(&self, g: &mut Graph, per_slice: Option<usize>, from_start: bool) -> Level {
        Level::new(g, self.slices.clone(), self.most.clone(), per_slice, from_start)
    }

    /// What slices read that begin `context` steps early or, in `reverse`, end so much late.
    pub fn reading(&self, g: &mut Graph, context: usize, reverse: bool) -> Reading {
        let (before, behind) = if reverse { (0, context) } else { (context, 0) };
        let slice = g.range(&self.most, &[1, -1]);
        let before = g.int(before);
        let begin = self.begin(g, &slice, &before);
        let end = self.end(g, &slice, behind);
        let one = g.int(1);
        let lengths = g.op("Sub", [&end, &begin]);
        // Rows of no real slice read a step that nobody asks for, as not every runtime takes rows of none.
        let lengths = g.op("Max", [&lengths, &one]);
        let lengths = g.reshape(&lengths, &[-1]);
        let context = g.int(context);
        let longest = g.op("Add", [&self.per_slice, &context]);
        let longest = g.op("Min", [&longest, &self.steps]);
        let step = g.range(&longest, &[-1, 1, 1]);
        let within = g.op("Add", [&step, &begin]);
        let steps = self.flat(g, &within);
        let steps = self.in_rows(g, &steps);
        let step = g.reshape(&step, &[-1, 1]);
        let mask = g.op("Less", [&step, &lengths]);
        let last = g.int(2);
        let mask = g.op("Unsqueeze", [&mask, &last]);
        let lengths = g.cast(&lengths, Numbers::Int32);
        Reading { steps, lengths, mask, before }
    }

    /// `[S, B, M]` to `[S, R]`.
    fn in_rows(&self, g: &mut Graph, values: &Value) -> Value {
        let shape = g.int(-1);
        let shape = g.concat([&shape, &self.rows], 0);
        g.op("Reshape", [values, &shape])
    }

    /// The first step of a slice that begins some steps before its own.
    fn begin(&self, g: &mut Graph, slice: &Value, before: &Value) -> Value {
        let begin = g.op("Mul", [slice, &self.per_slice]);
        let begin = g.op("Sub", [&begin, &self.lack]);
        let begin = g.op("Sub", [&begin, before]);
        let zero = g.int(0);
        g.op("Max", [&begin, &zero])
    }

    /// The step behind the last of a slice that ends some steps behind its own.
    fn end(&self, g: &mut Graph, slice: &Value, behind: usize) -> Value {
        let behind = g.int(behind);
        let end = g.op("Mul", [slice, &self.per_slice]);
        let end = g.op("Sub", [&end, &self.lack]);
        let end = g.op("Add", [&end, &self.per_slice]);
        let end = g.op("Add", [&end, &behind]);
        g.op("Min", [&end, &self.counts])
    }

    /// Where among all steps those of a sequence are, which are counted within it; beyond its last, that.
    fn flat(&self, g: &mut Graph, within: &Value) -> Value {
        let real = self.real(g, within);
        g.op("Add", [&real, &self.first])
    }

    /// A step of a sequence, or its first or last one where there is no such.
    pub fn real(&self, g: &mut Graph, within: &Value) -> Value {
        let [zero, one] = [0, 1].map(|value| g.int(value));
        let last = g.op("Sub", [&self.counts, &one]);
        let real = g.op("Min", [within, &last]);
        g.op("Max", [&real, &zero])
    }

    /// All steps `[B, N]`, counted within their sequences.
    pub fn all(&self, g: &mut Graph) -> Value {
        let all = g.range(&self.steps, &[1, -1]);
        self.real(g, &all)
    }

    /// Where steps `[B, …]`, counted within their sequences, stand in their rows.
    pub fn position(&self, g: &mut Graph, within: &Value) -> Position {
        let slice = g.op("Add", [within, &self.lack]);
        let slice = g.op("Div", [&slice, &self.per_slice]);
        let none = g.int(0);
        let (begin, end) = (self.begin(g, &slice, &none), self.end(g, &slice, 0));
        Position { slice, begin, end }
    }

    /// Where steps stand among the outputs `[S·R, …]` of what was read.
    pub fn place(&self, g: &mut Graph, reading: &Reading, within: &Value) -> Value {
        let slice = self.position(g, within).slice;
        let begin = self.begin(g, &slice, &reading.before);
        let step = g.op("Sub", [within, &begin]);
        let before = g.op("Mul", [&step, &self.rows]);
        let row = g.op("Add", [&slice, &self.first_row]);
        g.op("Add", [&before, &row])
    }

    /// The rows `[B, …]` among all, of steps at such positions.
    pub fn row(&self, g: &mut Graph, position: &Position) -> Value {
        g.op("Add", [&position.slice, &self.first_row])
    }
}
