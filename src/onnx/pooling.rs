//! What a slice passes up when it is not its last state.

use super::graph::{Graph, Set, Value};
use super::slices::Reading;
use crate::network::Pooling;

/// `[R, W]` of the outputs `[S, R, W]` of rows; `attention` gives the name and the numbers of its vector where they are attended to.
pub(super) fn pooled(
    g: &mut Graph,
    pooling: Pooling,
    outputs: &Value,
    reading: &Reading,
    attention: impl FnOnce(&mut Graph) -> Value,
) -> Value {
    let first = [("axes", Set::Ints(&[0])), ("keepdims", Set::Int(0))];
    let [zero, least] = [0.0, f32::MIN].map(|value| g.float(value));
    let real = |g: &mut Graph, values: &Value, other: &Value| g.op("Where", [&reading.mask, values, other]);
    match pooling {
        Pooling::Max | Pooling::Last => {
            let real = real(g, outputs, &least);
            g.set("ReduceMax", [&real], &first)
        }
        Pooling::Mean => {
            let real = real(g, outputs, &zero);
            let sum = g.sum(&real, 0, false);
            let count = g.cast(&reading.lengths, super::proto::Numbers::Float);
            let count = g.reshape(&count, &[-1, 1]);
            g.op("Div", [&sum, &count])
        }
        Pooling::Attention => {
            let vector = attention(g);
            let scores = g.op("Tanh", [outputs]);
            let scores = g.op("MatMul", [&scores, &vector]);
            let scores = real(g, &scores, &least);
            let shares = g.set("Softmax", [&scores], &[("axis", Set::Int(0))]);
            let real = real(g, outputs, &zero);
            let parts = g.op("Mul", [&real, &shares]);
            g.sum(&parts, 0, false)
        }
    }
}
