// One number of a column of weights, and one term of an inner product: for software adapters, which wait for no load, and
// whose compilers take seconds for long code.
alias Weights = f32;
fn take_chunk(at: u32, wide: u32) -> Weights { return weight(at); }
fn add_chunk(sum: Lanes, h: Chunk, w: Weights) -> Lanes { return sum + h[0] * w; }
