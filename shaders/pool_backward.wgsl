// From the gradient of what slices pass up to the gradient of every step's output; see pool_forward.
// A workgroup owns one slice; a thread owns the columns thread, thread + 64, ...

struct Params {
    rows: u32,   // R
    width: u32,  // W
}

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;                    // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> outputs: array<f32>;                       // [P, W]
@group(0) @binding(2) var<storage, read> attention: array<f32>;                     // [W]
@group(0) @binding(3) var<storage, read> shares: array<f32>;                        // [P] (attention)
@group(0) @binding(4) var<storage, read> pooled: array<f32>;                        // [R, W]
@group(0) @binding(5) var<storage, read> gradient: array<f32>;                      // [R, W] of pooled
@group(0) @binding(6) var<storage, read_write> outputs_gradient: array<f32>;        // [P, W]
@group(0) @binding(7) var<storage, read_write> attention_gradient: array<f32>;      // [R, W], to be summed over the rows
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
            let up = row * params.width + j;
            var g = gradient[up];
            if (MODE == 1u) { g /= f32(steps); }
            // Only the first of equal maxima gets the gradient.
            var open = true;
            for (var t = 0u; t < steps; t++) {
                let at = (first + t) * params.width + j;
                let gets = MODE == 1u || (open && outputs[at] == pooled[up]);
                open = open && !gets;
                outputs_gradient[at] = select(0.0, g, gets);
            }
        }
        return;
    }
    var part = 0.0;
    for (var j = thread; j < params.width; j += 64u) {
        let up = row * params.width + j;
        part += gradient[up] * pooled[up];
        attention_gradient[row * params.width + j] = 0.0;
    }
    let mean = summed(thread, part);
    for (var t = 0u; t < steps; t++) {
        let share = shares[first + t];
        part = 0.0;
        for (var j = thread; j < params.width; j += 64u) {
            part += gradient[row * params.width + j] * outputs[(first + t) * params.width + j];
        }
        let of_score = share * (summed(thread, part) - mean);
        for (var j = thread; j < params.width; j += 64u) {
            let at = (first + t) * params.width + j;
            let y = tanh(clamp(outputs[at], -15.0, 15.0));
            outputs_gradient[at] =
                share * gradient[row * params.width + j] + of_score * attention[j] * (1.0 - y * y);
            attention_gradient[row * params.width + j] += of_score * y;
        }
    }
}
