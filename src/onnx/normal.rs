//! Numbers made normal within the graph, and those that are told in their own units again: in 64 bits, rounded last.

use super::graph::{Graph, Value};
use super::proto::Numbers;
use crate::data::normalisation::ROUNDING;
use crate::data::scaling::FARTHEST;
use crate::data::{Normalisation, Scaling};

/// What the network tells, `[…, C]`, less the normalisation.
pub(super) fn undo(g: &mut Graph, own: &Normalisation, told: &Value) -> Value {
    let [mean, deviation] = columns(g, "targets", own);
    let told = g.cast(told, Numbers::Double);
    let told = g.op("Mul", [&told, &deviation]);
    let told = g.op("Add", [&told, &mean]);
    g.cast(&told, Numbers::Float)
}

/// Numbers `[B, T', D]` of sequences of lengths `[B, 1]` as the network reads them, `[B, T', D]` or `[B, T', 3·D]`.
pub(super) fn scaled(g: &mut Graph, scaling: &Scaling, numbers: &Value, lengths: &Value) -> Value {
    let numbers = g.cast(numbers, Numbers::Double);
    let channels = columns(g, "channels", &scaling.channels);
    let scaled = match &scaling.logs {
        None => normal(g, &numbers, &channels),
        Some(logs) => by_itself(g, &numbers, lengths, &channels, logs),
    };
    g.cast(&scaled, Numbers::Float)
}

/// Each sequence by its own mean and deviation, beside which the logarithm of that deviation and that mean stand.
fn by_itself(g: &mut Graph, numbers: &Value, lengths: &Value, channels: &[Value; 2], logs: &Normalisation) -> Value {
    let all = g.size(numbers, 1);
    let step = g.range(&all, &[1, -1]);
    let real = g.op("Less", [&step, lengths]);
    let axis = g.int(2);
    let real = g.op("Unsqueeze", [&real, &axis]);
    let one = g.int(1);
    let count = g.op("Max", [lengths, &one]);
    let count = g.op("Unsqueeze", [&count, &axis]);
    let count = g.cast(&count, Numbers::Double);
    let none = g.double(0.0);
    // Where nothing real stands, nothing may spoil a sum.
    let numbers = g.op("Where", [&real, numbers, &none]);
    let mean_of = |g: &mut Graph, values: &Value| {
        let values = g.op("Where", [&real, values, &none]);
        let sum = g.sum(&values, 1, true);
        g.op("Div", [&sum, &count])
    };
    // Seen from the first of them, numbers that are all the same have no rounding.
    let [from, to, along] = [0, 1, 1].map(|value| g.int(value));
    let first = g.op("Slice", [&numbers, &from, &to, &along]);
    let offsets = g.op("Sub", [&numbers, &first]);
    let offset = mean_of(g, &offsets);
    let mean = g.op("Add", [&first, &offset]);
    let less = g.op("Sub", [&numbers, &mean]);
    let squares = g.op("Mul", [&less, &less]);
    let variance = mean_of(g, &squares);
    let deviation = g.op("Sqrt", [&variance]);
    let size = g.op("Abs", [&mean]);
    let rounding = g.double(ROUNDING);
    let rounding = g.op("Mul", [&size, &rounding]);
    let least = g.double(f32::MIN_POSITIVE.into());
    let (blurred, tiny) = (g.op("LessOrEqual", [&deviation, &rounding]), g.op("Less", [&deviation, &least]));
    let constant = g.op("Or", [&blurred, &tiny]);
    let unit = g.double(1.0);
    let deviation = g.op("Where", [&constant, &unit, &deviation]);
    let numbers = g.op("Div", [&less, &deviation]);

    let [usual, spread] = columns(g, "logs", logs);
    let spread = g.op("Max", [&spread, &unit]);
    let log = g.op("Log", [&deviation]);
    let log = normal(g, &log, &[usual, spread]);
    let lowest = g.double(-FARTHEST);
    let log = g.op("Where", [&constant, &lowest, &log]);
    let log = near(g, &log);
    let mean = normal(g, &mean, channels);
    let mean = near(g, &mean);
    let beside = g.concat([&log, &mean], 2);
    let keep = g.ints(&[1]);
    let shape = g.concat([&keep, &all, &keep], 0);
    let beside = g.op("Expand", [&beside, &shape]);
    g.concat([&numbers, &beside], 2)
}

/// Less the mean, divided by the deviation.
fn normal(g: &mut Graph, values: &Value, [mean, deviation]: &[Value; 2]) -> Value {
    let values = g.op("Sub", [values, mean]);
    g.op("Div", [&values, deviation])
}

fn near(g: &mut Graph, values: &Value) -> Value {
    let [lowest, highest] = [-FARTHEST, FARTHEST].map(|value| g.double(value));
    let values = g.op("Max", [values, &lowest]);
    g.op("Min", [&values, &highest])
}

fn columns(g: &mut Graph, of: &str, own: &Normalisation) -> [Value; 2] {
    [g.doubles(&format!("{of}.mean"), &own.mean), g.doubles(&format!("{of}.deviation"), &own.deviation)]
}
