// The loss by log-sum-exp, its gradient into the logits, and the running totals.
// One workgroup owns the whole batch, so that the totals need no second dispatch; a thread owns the sequences
// thread, thread + 256, ...

struct Params {
    rows: u32,     // B
    classes: u32,  // C
    scale: f32,    // 1 / weights of the whole batch's sequences
    smoothing: f32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;          // [B, C]
@group(0) @binding(1) var<storage, read> labels: array<u32>;          // [B]
@group(0) @binding(2) var<storage, read> class_weights: array<f32>;   // [C] (constant WEIGHTED)
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;  // [B, C]
@group(0) @binding(4) var<storage, read_write> totals: array<f32>;    // [4] losses, hits, sequences, their weights
@group(1) @binding(0) var<uniform> params: Params;

var<workgroup> losses: array<f32, 256>;
var<workgroup> hits: array<f32, 256>;
var<workgroup> weights: array<f32, 256>;

fn weight(c: u32) -> f32 {
    if (WEIGHTED == 1u) { return class_weights[c]; }
    return 1.0;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    var loss = 0.0;
    var hit = 0.0;
    var weighed = 0.0;
    let spread = params.smoothing / f32(params.classes);
    for (var row = thread; row < params.rows; row += 256u) {
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
        for (var c = 0u; c < params.classes; c++) {
            sum += exp(logits[at + c] - largest);
        }
        let own = (1.0 - params.smoothing) * weight(label);
        var whole = own;
        for (var c = 0u; c < params.classes; c++) { whole += spread * weight(c); }
        let log_sum = log(sum);
        for (var c = 0u; c < params.classes; c++) {
            let truth = spread * weight(c) + select(0.0, own, c == label);
            gradient[at + c] = (exp(logits[at + c] - largest) / sum * whole - truth) * params.scale;
            // Nothing is added to largest: where it is large, the sum of logarithms would round the others away.
            if (truth != 0.0) { loss += truth * (log_sum + (largest - logits[at + c])); }
        }
        weighed += weight(label);
        hit += select(0.0, 1.0, best == label);
    }
    losses[thread] = loss;
    hits[thread] = hit;
    weights[thread] = weighed;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (thread < half) {
            losses[thread] += losses[thread + half];
            hits[thread] += hits[thread + half];
            weights[thread] += weights[thread + half];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        totals[0] += losses[0];
        totals[1] += hits[0];
        totals[2] += f32(params.rows);
        totals[3] += weights[0];
    }
}
