//! The steps that a network reads: of sequences with padding behind them, cut or padded as it is set to, and made normal.

use super::graph::{Graph, Size, Value};
use super::proto::Numbers;
use crate::data::Padding;
use crate::data::batch::{PAD, Truncate};
use crate::network::{Config, Input};
use crate::slicing::Align;

/// What a graph is given, as the network reads it.
pub(super) struct Steps {
    /// `[B·N]` tokens or `[B·N, D]` numbers; behind the real ones of a sequence anything that can be read.
    pub values: Value,
    /// `[B, 1]`: real steps of each, at least 1.
    pub counts: Value,
    /// N, `[1]`.
    pub most: Value,
    /// `[B, 1]`: where in what was given the first of them stands.
    pub first: Value,
    /// T', `[1]`: steps of what was given.
    pub given: Value,
}

/// Numbers `[B, T', D]` of sequences of lengths `[B, 1]` made normal.
pub(super) type Scale<'s> = &'s dyn Fn(&mut Graph, &Value, &Value) -> Value;

/// Adds the inputs, and what leads from them to the steps. Numbers are given in `width` columns, and `scale`, if there is one, makes of
/// them those that the network reads.
pub(super) fn steps(g: &mut Graph, config: &Config, width: usize, scale: Option<Scale>) -> Steps {
    let (batch, length) = (Size::Named("batch"), Size::Named("steps"));
    let given = match config.input {
        Input::Tokens => {
            g.input("tokens", Numbers::Int64, Some(&[batch, length]), "ids, those of a sequence first in its row")
        }
        Input::Numbers => {
            let sizes = [batch, length, Size::Fixed(width)];
            g.input("numbers", Numbers::Float, Some(&sizes), "the steps of a sequence first in its row")
        }
    };
    let says = "real steps of each sequence; what stands behind them is not read";
    let lengths = g.input("lengths", Numbers::Int64, Some(&[Size::Named("batch")]), says);
    g.at("inputs");
    let lengths = g.reshape(&lengths, &[-1, 1]);
    let all = g.size(&given, 1);
    let lengths = g.op("Min", [&lengths, &all]);
    let given = match scale {
        Some(scale) => scale(g, &given, &lengths),
        None => given,
    };
    // Which are read: all of a sequence, or as many as there is room for.
    let none = g.int(0);
    let length = g.int(config.length);
    let (kept, most) = match config.align {
        Align::Start => (lengths.clone(), all.clone()),
        Align::End => (g.op("Min", [&lengths, &length]), g.op("Min", [&all, &length])),
    };
    let first = match config.truncate {
        Truncate::Front => g.op("Sub", [&lengths, &kept]),
        Truncate::Back => g.op("Sub", [&lengths, &lengths]),
    };
    let one = g.int(1);
    let (counts, most, pads) = match config.padding {
        Padding::Masked => (g.op("Max", [&kept, &one]), most, none.clone()),
        // Padding stands in front, and is read.
        Padding::Unmasked => {
            let pads = g.op("Sub", [&length, &kept]);
            (g.op("Add", [&kept, &pads]), length, pads)
        }
    };
    let step = g.range(&most, &[1, -1]);
    let step = g.op("Sub", [&step, &pads]);
    let last = g.op("Sub", [&kept, &one]);
    let within = g.op("Min", [&step, &last]);
    let within = g.op("Max", [&within, &none]);
    let within = g.op("Add", [&within, &first]);
    let count = g.size(&lengths, 0);
    let sequence = g.range(&count, &[-1, 1]);
    let begin = g.op("Mul", [&sequence, &all]);
    let places = g.op("Add", [&within, &begin]);
    let places = g.reshape(&places, &[-1]);
    let values = match config.input {
        Input::Tokens => {
            let flat = g.reshape(&given, &[-1]);
            let own = g.rows(&flat, &places);
            // What is no real step may hold ids that there are none of; an empty sequence is a step of padding.
            let behind = g.op("Less", [&step, &kept]);
            let before = g.op("GreaterOrEqual", [&step, &none]);
            let real = g.op("And", [&behind, &before]);
            let real = g.reshape(&real, &[-1]);
            let pad = g.int(PAD);
            g.op("Where", [&real, &own, &pad])
        }
        Input::Numbers => {
            let flat = g.reshape(&given, &[-1, config.embedding as i64]);
            g.rows(&flat, &places)
        }
    };
    Steps { values, counts, most, first, given: all }
}
