// The loss of classes by log-sum-exp, its gradient into the logits, and the totals. A workgroup owns 256 rows, a thread one.

struct Params {
    rows: u32,        // B
    classes: u32,     // C
    scale: f32,       // 1 / weights of the whole batch's rows
    smoothing: f32,
    accumulate: u32,  // 1: add to what stands in totals
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;          // [B, C]
@group(0) @binding(1) var<storage, read> labels: array<u32>;          // [B]
@group(0) @binding(2) var<storage, read> class_weights: array<f32>;   // [C] (constant WEIGHTED)
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;  // [B, C]
@group(0) @binding(4) var<storage, read_write> totals: array<f32>;    // [groups, 4] losses, hits, rows, their weights
@group(1) @binding(0) var<uniform> params: Params;

fn weight(c: u32) -> f32 {
    if (WEIGHTED == 1u) { return class_weights[c]; }
    return 1.0;
}

fn loss(row: u32) -> vec4<f32> {
    if (row >= params.rows) { return vec4(0.0); }
    let spread = params.smoothing / f32(params.classes);
    let at = row * params.classes;
    let label = labels[row];
    var largest = logits[at];
    var best = 0u;
    for (var c = 1u; c < params.classes; c++) {
        if (logits[at + c] > largest) {
            largest = logits[at + c];
            best = c;
        }
    }
    var sum = 0.0;
    for (var c = 0u; c < params.classes; c++) { sum += exp(logits[at + c] - largest); }
    let own = (1.0 - params.smoothing) * weight(label);
    var whole = own;
    for (var c = 0u; c < params.classes; c++) { whole += spread * weight(c); }
    let log_sum = log(sum);
    var loss = 0.0;
    for (var c = 0u; c < params.classes; c++) {
        let truth = spread * weight(c) + select(0.0, own, c == label);
        gradient[at + c] = (exp(logits[at + c] - largest) / sum * whole - truth) * params.scale;
        // Nothing is added to largest: where it is large, the sum of logarithms would round the others away.
        if (truth != 0.0) { loss += truth * (log_sum + (largest - logits[at + c])); }
    }
    return vec4(loss, select(0.0, 1.0, best == label), 1.0, weight(label));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let own = group.x + group.y * groups.x;
    add_up(own, thread, loss(own * 256u + thread));
}
