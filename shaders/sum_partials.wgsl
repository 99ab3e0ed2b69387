// Sums the parts of a weight gradient in their order. A workgroup owns 256 numbers of the output, a thread one.

struct Params {
    splits: u32,
    len: u32,
    accumulate: u32,  // 1: add to what stands in out
}

@group(0) @binding(0) var<storage, read> partials: array<f32>;    // [splits, len]
@group(0) @binding(1) var<storage, read_write> out: array<f32>;   // [len]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let at = (group.x + group.y * groups.x) * 256u + thread;
    if (at >= params.len) { return; }
    var sum = 0.0;
    if (params.accumulate == 1u) { sum = out[at]; }
    for (var split = 0u; split < params.splits; split++) {
        sum += partials[split * params.len + at];
    }
    out[at] = sum;
}
