// One step of the optimiser. A workgroup owns 256 weights, a thread one. Constant RULE: 0 Adam with decoupled weight decay,
// 1 stochastic gradient descent with momentum. Constant BY_SLOT: the gradient has rows for some rows of the weights only,
// found through slots.

struct Params {
    count: u32,
    width: u32,
    learning_rate: f32,
    beta1: f32,         // of gradient descent, the momentum
    beta2: f32,
    epsilon: f32,
    decay: f32,         // learning rate times weight decay
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;              // [count], or [N, width]
@group(0) @binding(1) var<storage, read> slots: array<u32>;                 // [count / width]
@group(0) @binding(2) var<storage, read> control: array<f32>;               // [8] steps, beta1^t, beta2^t, scale, skipped, norm, take, skipped in a row
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;         // [count]
@group(0) @binding(4) var<storage, read_write> first_moments: array<f32>;   // [count] of gradient descent, the velocity
@group(0) @binding(5) var<storage, read_write> second_moments: array<f32>;  // [count] of Adam
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let at = (group.x + group.y * groups.x) * 256u + thread;
    if (at >= params.count || control[6] == 0.0) { return; }
    var g = 0.0;
    if (BY_SLOT == 1u) {
        let slot = slots[at / params.width];
        if (slot != 0xffffffffu) { g = gradient[slot * params.width + at % params.width]; }
    } else {
        g = gradient[at];
    }
    g *= control[3];
    let w = weights[at];
    var m = params.beta1 * first_moments[at];
    var step: f32;
    if (RULE == 0u) {
        m += (1.0 - params.beta1) * g;
        let v = params.beta2 * second_moments[at] + (1.0 - params.beta2) * g * g;
        second_moments[at] = v;
        let rate = params.learning_rate / (1.0 - control[1]);
        step = rate * m / (sqrt(v) / sqrt(1.0 - control[2]) + params.epsilon);
    } else {
        m += g;
        step = params.learning_rate * m;
    }
    first_moments[at] = m;
    let moved = w - params.decay * w - step;
    // What overflows stays as it is; looked for in the bits, as comparisons with infinity may be taken away.
    if ((bitcast<u32>(moved) & 0x7f800000u) != 0x7f800000u) { weights[at] = moved; }
}
