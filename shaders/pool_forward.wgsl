// What a slice passes up: the maximum, the mean or an attention-weighted sum of its outputs (constant MODE 0, 1, 2).
// A workgroup owns one slice; a thread owns the columns thread, thread + 64, ...

struct Params {
    rows: u32,   // R
    width: u32,  // W
}

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;        // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> outputs: array<f32>;           // [P, W]
@group(0) @binding(2) var<storage, read> attention: array<f32>;         // [W]
@group(0) @binding(3) var<storage, read_write> shares: array<f32>;      // [P] of each step in its slice (attention)
@group(0) @binding(4) var<storage, read_write> pooled: array<f32>;      // [R, W]
@group(1) @binding(0) var<uniform> params: Params;

var<workgroup> parts: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.x + group.y * groups.x;
    if (row >= params.rows) { return; }
    let first = rows[row].x;
    let steps = rows[row].y;
    if (MODE == 2u) {
        var largest = -3.4e38;
        for (var t = 0u; t < steps; t++) {
            var part = 0.0;
            for (var j = thread; j < params.width; j += 64u) {
                // Clamped, as some devices' tanh overflows.
                part += attention[j] * tanh(clamp(outputs[(first + t) * params.width + j], -15.0, 15.0));
            }
            parts[thread] = part;
            workgroupBarrier();
            for (var half = 32u; half > 0u; half /= 2u) {
                if (thread < half) { parts[thread] += parts[thread + half]; }
                workgroupBarrier();
            }
            let score = parts[0];
            largest = max(largest, score);
            if (thread == 0u) { shares[first + t] = score; }
            workgroupBarrier();
        }
        storageBarrier();
        var sum = 0.0;
        for (var t = 0u; t < steps; t++) { sum += exp(shares[first + t] - largest); }
        storageBarrier();
        for (var t = thread; t < steps; t += 64u) { shares[first + t] = exp(shares[first + t] - largest) / sum; }
        storageBarrier();
    }
    for (var j = thread; j < params.width; j += 64u) {
        var value = outputs[first * params.width + j];
        if (MODE == 2u) { value *= shares[first]; }
        for (var t = 1u; t < steps; t++) {
            let own = outputs[(first + t) * params.width + j];
            if (MODE == 0u) {
                // Written so that NaN stays NaN.
                value = select(value, own, own > value || own != own);
            } else if (MODE == 1u) {
                value += own;
            } else {
                value += shares[first + t] * own;
            }
        }
        if (MODE == 1u) { value /= f32(steps); }
        pooled[row * params.width + j] = value;
    }
}
