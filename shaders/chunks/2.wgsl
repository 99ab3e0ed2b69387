// Two numbers of a column of weights, and two terms of an inner product: for software adapters, which wait for no load, and
// whose compilers take seconds for long code.
alias Weights = vec2<f32>;
fn take_chunk(at: u32, wide: u32) -> Weights { return vec2(weight(at), weight(at + wide)); }
fn add_chunk(sum: Lanes, h: Chunk, w: Weights) -> Lanes {
    var own = sum + h[0] * w.x;
    own += h[1] * w.y;
    return own;
}
