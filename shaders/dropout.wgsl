// Sets numbers to 0 at random and scales the others up; the same seed drops the same ones, so that it serves the
// gradient too. A workgroup owns 256 numbers, a thread one.

struct Params {
    count: u32,
    offset: u32,     // place of the first number among those of all micro-batches
    seed: u32,
    threshold: u32,  // a number is dropped where its random one is below
    scale: f32,      // of those that stay
}

@group(0) @binding(0) var<storage, read> values: array<f32>;      // [count]
@group(0) @binding(1) var<storage, read_write> out: array<f32>;   // [count]
@group(1) @binding(0) var<uniform> params: Params;

// PCG's output function over its generator (Jarzynski & Olano, "Hash Functions for GPU Rendering", 2020).
fn hash(x: u32) -> u32 {
    let state = x * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let at = (group.x + group.y * groups.x) * 256u + thread;
    if (at >= params.count) { return; }
    let random = hash((at + params.offset) ^ hash(params.seed));
    out[at] = select(values[at] * params.scale, 0.0, random < params.threshold);
}
