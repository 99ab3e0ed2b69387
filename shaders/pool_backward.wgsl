// From the gradient of what slices pass up to the gradient of every step's output; see pool_forward.
// A workgroup owns one slice; a thread owns the columns thread, thread + 64, ...

struct Params {
    rows: u32,    // R
    width: u32,   // numbers of an output that are pooled
    stride: u32,  // numbers from output to output
    up_stride: u32, // numbers from row to row of pooled
    column: u32,  // where this direction begins in pooled
}

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;                    // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> outputs: array<f32>;                       // [P, stride]
@group(0) @binding(2) var<storage, read> attention: array<f32>;                     // [width]
@group(0) @binding(3) var<storage, read> shares: array<f32>;                        // [P] (attention)
@group(0) @binding(4) var<storage, read> pooled: array<f32>;                        // [R, up_stride]
@group(0) @binding(5) var<storage, read> gradient: array<f32>;                      // [R, up_stride] of pooled
@group(0) @binding(6) var<storage, read_write> outputs_gradient: array<f32>;        // [P, stride]
@group(0) @binding(7) var<storage, read_write> attention_gradient: array<f32>;      // [R, width], to be summed over the rows
@group(1) @binding(0) var<uniform> params: Params;

var<workgroup> parts: array<f32, 64>;

// The sum over all threads' parts.
fn summed(thread: u32, part: f32) -> f32 {
    workgroupBarrier();
    parts[thread] = part;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (thread < half) { parts[thread] += parts[thread + half]; }
        workgroupBarrier();
    }
    return parts[0];
}

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
    if (MODE != 2u) {
        for (var j = thread; j < params.width; j += 64u) {
            let up = row * params.up_stride + params.column + j;
            var g = gradient[up];
            if (MODE == 1u) { g /= f32(steps); }
            // Only the first of equal maxima gets the gradient.
            var open = true;
            for (var t = 0u; t < steps; t++) {
                let at = (first + t) * params.stride + j;
                let gets = MODE == 1u || (open && outputs[at] == pooled[up]);
                open = open && !gets;
                outputs_gradient[at] = select(0.0, g, gets);
            }
        }
        return;
    }
    var part = 0.0;
    for (var j = thread; j < params.width; j += 64u) {
        let up = row * params.up_stride + params.column + j;
        part += gradient[up] * pooled[up];
        attention_gradient[row * params.width + j] = 0.0;
    }
    let mean = summed(thread, part);
    for (var t = 0u; t < steps; t++) {
        let share = shares[first + t];
        part = 0.0;
        for (var j = thread; j < params.width; j += 64u) {
            part += gradient[row * params.up_stride + params.column + j] * outputs[(first + t) * params.stride + j];
        }
        let of_score = share * (summed(thread, part) - mean);
        for (var j = thread; j < params.width; j += 64u) {
            let at = (first + t) * params.stride + j;
            let y = tanh(clamp(outputs[at], -15.0, 15.0));
            outputs_gradient[at] =
                share * gradient[row * params.up_stride + params.column + j] + of_score * attention[j] * (1.0 - y * y);
            attention_gradient[row * params.width + j] += of_score * y;
        }
    }
}
