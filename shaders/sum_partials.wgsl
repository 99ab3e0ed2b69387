// Sums the parts of several arrays, such as weight gradients, each in the order of its parts. A workgroup owns 256 numbers of
// all the sums, which are thought one behind the other; a thread one.

struct Params {
    sums: u32,        // A
    accumulate: u32,  // 1: add to what stands in out
}

@group(0) @binding(0) var<storage, read> sums: array<vec4<u32>>;  // [A+1, 4] first of all numbers, parts, first in partials, in out
@group(0) @binding(1) var<storage, read> partials: array<f32>;    // of each sum [parts, len]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;   // of each sum [len]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let number = (group.x + group.y * groups.x) * 256u + thread;
    // The last entry is the end of the one before.
    if (number >= sums[params.sums].x) { return; }
    // As many turns in every thread: left at different ones, the loop behind this one gave wrong sums on SwiftShader.
    var own = 0u;
    for (var next = 1u; next < params.sums; next++) { own = select(own, next, number >= sums[next].x); }
    let sum = sums[own];
    let len = sums[own + 1u].x - sum.x;
    let at = sum.w + number - sum.x;
    var total = 0.0;
    if (params.accumulate == 1u) { total = out[at]; }
    for (var part = 0u; part < sum.y; part++) {
        total += partials[sum.z + part * len + number - sum.x];
    }
    out[at] = total;
}
