// Sum of squares in 64 parts. A workgroup owns one stretch of the gradient and adds its threads' sums up as a tree.

struct Params {
    count: u32,
    stretch: u32,  // numbers of one workgroup
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;     // [count]
@group(0) @binding(1) var<storage, read_write> parts: array<f32>;  // [64]
@group(1) @binding(0) var<uniform> params: Params;

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let begin = group.x * params.stretch;
    let end = min(begin + params.stretch, params.count);
    var sum = 0.0;
    for (var at = begin + thread; at < end; at += 256u) {
        sum += gradient[at] * gradient[at];
    }
    sums[thread] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (thread < half) { sums[thread] += sums[thread + half]; }
        workgroupBarrier();
    }
    if (thread == 0u) { parts[group.x] = sums[0]; }
}
