// Sixteen numbers of a column of weights, and sixteen terms of an inner product: for devices that wait for a load.
struct Weights {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}
fn take_four(at: u32, wide: u32) -> vec4<f32> {
    return vec4(weight(at), weight(at + wide), weight(at + 2u * wide), weight(at + 3u * wide));
}
fn take_chunk(at: u32, wide: u32) -> Weights {
    return Weights(
        take_four(at, wide), take_four(at + 4u * wide, wide), take_four(at + 8u * wide, wide), take_four(at + 12u * wide, wide));
}
fn add_chunk(sum: Lanes, h: Chunk, w: Weights) -> Lanes {
    var own = sum + h[0] * w.a.x;
    own += h[1] * w.a.y;
    own += h[2] * w.a.z;
    own += h[3] * w.a.w;
    own += h[4] * w.b.x;
    own += h[5] * w.b.y;
    own += h[6] * w.b.z;
    own += h[7] * w.b.w;
    own += h[8] * w.c.x;
    own += h[9] * w.c.y;
    own += h[10] * w.c.z;
    own += h[11] * w.c.w;
    own += h[12] * w.d.x;
    own += h[13] * w.d.y;
    own += h[14] * w.d.z;
    own += h[15] * w.d.w;
    return own;
}
