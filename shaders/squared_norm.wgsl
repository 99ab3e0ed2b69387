// Sums of squares of one or two gradients, in 64 parts each. A workgroup owns one stretch of a gradient and adds its threads' sums
// up as a tree.

struct Params {
    count: u32,
    stretch: u32,          // numbers of one workgroup
    second_count: u32,
    second_stretch: u32,
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;     // [count]
@group(0) @binding(1) var<storage, read> second: array<f32>;       // [second_count]
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;  // [64], or [128] of both
@group(1) @binding(0) var<uniform> params: Params;

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    var sum = 0.0;
    if (group.x < 64u) {
        let begin = group.x * params.stretch;
        let end = min(begin + params.stretch, params.count);
        for (var at = begin + thread; at < end; at += 256u) { sum += gradient[at] * gradient[at]; }
    } else {
        let begin = (group.x - 64u) * params.second_stretch;
        let end = min(begin + params.second_stretch, params.second_count);
        for (var at = begin + thread; at < end; at += 256u) { sum += second[at] * second[at]; }
    }
    sums[thread] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (thread < half) { sums[thread] += sums[thread + half]; }
        workgroupBarrier();
    }
    if (thread == 0u) { parts[group.x] = sums[0]; }
}
