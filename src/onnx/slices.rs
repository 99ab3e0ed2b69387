//! How the steps of a level are cut, when the graph runs: which steps each slice reads, and where among what is read a step stands.
//!
//! Steps of a level are `[B·N, …]`: N for each of B sequences, the real ones first. Slices are rows `[S, R, …]` of up to S steps,
//! R = B·M of them, those of a sequence one after the other; behind a row's own steps others of its sequence are read, and nobody asks what
//! comes of them. So what the rows pass up, `[R, W]`, are the steps of the next level, whose N is this one's M.
//!
//! Where a recurrence runs backward its rows are turned round, each from its own last step. So every recurrence runs forward from a row's
//! first place over all of them, without lengths, which not every runtime takes where they are computed.

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

/// The steps that the slices of a level read, in the order of reading.
pub(super) struct Reading {
    /// `[S, R]`: their places among the level's steps.
    pub steps: Value,
    /// `[R]`: how many of each row are its own, in 32 bits.
    pub lengths: Value,
    /// `[S, R, 1]`: whether a place of a row is one of these.
    pub mask: Value,
    /// `[R]`: where a row's last own step stands among what comes of all places, `[S·R, …]`.
    pub last: Value,
    /// `[B·N]`: where each of the level's steps stands there.
    pub places: Value,
}

/// Which steps a slice reads: from `begin`, or in `reverse` from the one before `end`.
pub(super) struct Span {
    /// Its number within the sequence.
    slice: Value,
    pub begin: Value,
    pub end: Value,
    reverse: bool,
}

impl Span {
    /// The step at a place of its row.
    fn step(&self, g: &mut Graph, place: &Value) -> Value {
        match self.reverse {
            true => self.turned(g, place),
            false => g.op("Add", [place, &self.begin]),
        }
    }

    /// The place of a step in its row.
    fn place(&self, g: &mut Graph, step: &Value) -> Value {
        match self.reverse {
            true => self.turned(g, step),
            false => g.op("Sub", [step, &self.begin]),
        }
    }

    /// A place as seen from the other end, which is its own way back.
    fn turned(&self, g: &mut Graph, at: &Value) -> Value {
        let one = g.int(1);
        let last = g.op("Sub", [&self.end, &one]);
        g.op("Sub", [&last, at])
    }
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
        let slice = g.range(&self.most, &[1, -1]);
        let span = self.span(g, slice, context, reverse);
        let [one, axis, longer] = [1, 2, context].map(|value| g.int(value));
        let lengths = g.op("Sub", [&span.end, &span.begin]);
        // Rows of no real slice read a step that nobody asks for, so that all have a last one.
        let lengths = g.op("Max", [&lengths, &one]);
        let lengths = g.reshape(&lengths, &[-1]);
        let longest = g.op("Add", [&self.per_slice, &longer]);
        let longest = g.op("Min", [&longest, &self.steps]);
        let place = g.range(&longest, &[-1, 1, 1]);
        let within = span.step(g, &place);
        let steps = self.flat(g, &within);
        let steps = g.reshape(&steps, &[0, -1]);
        let place = g.reshape(&place, &[-1, 1]);
        let mask = g.op("Less", [&place, &lengths]);
        let mask = g.op("Unsqueeze", [&mask, &axis]);
        let last = g.op("Sub", [&lengths, &one]);
        let last = g.op("Mul", [&last, &self.rows]);
        let row = g.range(&self.rows, &[-1]);
        let last = g.op("Add", [&last, &row]);
        let lengths = g.cast(&lengths, Numbers::Int32);
        Reading { steps, lengths, mask, last, places: self.places(g, context, reverse) }
    }

    /// `[B·N]`: where all steps stand among what comes of such a reading.
    fn places(&self, g: &mut Graph, context: usize, reverse: bool) -> Value {
        let all = self.all(g);
        let span = self.span_of(g, &all, context, reverse);
        let place = span.place(g, &all);
        let before = g.op("Mul", [&place, &self.rows]);
        let row = self.row(g, &span);
        let places = g.op("Add", [&before, &row]);
        g.reshape(&places, &[-1])
    }

    /// What slices read that begin `context` steps early or, in `reverse`, end so much late.
    fn span(&self, g: &mut Graph, slice: Value, context: usize, reverse: bool) -> Span {
        let (before, behind) = if reverse { (0, context) } else { (context, 0) };
        let first = g.op("Mul", [&slice, &self.per_slice]);
        let first = g.op("Sub", [&first, &self.lack]);
        let [before, behind, zero] = [before, behind, 0].map(|value| g.int(value));
        let begin = g.op("Sub", [&first, &before]);
        let begin = g.op("Max", [&begin, &zero]);
        let end = g.op("Add", [&first, &self.per_slice]);
        let end = g.op("Add", [&end, &behind]);
        let end = g.op("Min", [&end, &self.counts]);
        Span { slice, begin, end, reverse }
    }

    /// The same of the slices that steps `[B, …]` are in, which are counted within their sequences.
    pub fn span_of(&self, g: &mut Graph, within: &Value, context: usize, reverse: bool) -> Span {
        let slice = g.op("Add", [within, &self.lack]);
        let slice = g.op("Div", [&slice, &self.per_slice]);
        self.span(g, slice, context, reverse)
    }

    /// Where a slice stands among all rows.
    pub fn row(&self, g: &mut Graph, span: &Span) -> Value {
        g.op("Add", [&span.slice, &self.first_row])
    }

    /// Where among all steps those of a sequence are, which are counted within it: its first or last one where there is no such.
    pub fn flat(&self, g: &mut Graph, within: &Value) -> Value {
        let real = self.real(g, within);
        g.op("Add", [&real, &self.first])
    }

    /// A step of a sequence, or its first or last one where there is no such.
    fn real(&self, g: &mut Graph, within: &Value) -> Value {
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
}
