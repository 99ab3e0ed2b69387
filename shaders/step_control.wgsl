// Clipping and skipping: one thread adds the parts of the squared norm up in their order and decides about the step.

struct Params {
    count: u32,
    clip: f32,
    beta1: f32,
    beta2: f32,
}

@group(0) @binding(0) var<storage, read> parts: array<f32>;          // [count]
@group(0) @binding(1) var<storage, read_write> control: array<f32>;  // [8] steps, beta1^t, beta2^t, scale, skipped, norm, take, skipped in a row
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
    var sum = 0.0;
    for (var i = 0u; i < params.count; i++) {
        sum += parts[i];
    }
    // Whether a number is finite is read from its bits: compilers may take comparisons with NaN or infinity away.
    let finite = (bitcast<u32>(sum) & 0x7f800000u) != 0x7f800000u;
    let norm = sqrt(sum);
    control[5] = norm;
    if (finite) {
        control[0] += 1.0;
        control[1] *= params.beta1;
        control[2] *= params.beta2;
        control[3] = 1.0;
        if (norm > params.clip) { control[3] = params.clip / norm; }
        control[6] = 1.0;
        control[7] = 0.0;
    } else {
        control[4] += 1.0;
        control[7] += 1.0;
        control[6] = 0.0;
    }
}
