// The loss of every number by itself (constant FORM: 0 binary cross-entropy of a sigmoid, 1 squared error), its gradient
// and the running totals. One workgroup owns the whole batch; a thread owns the sequences thread, thread + 256, ...

struct Params {
    rows: u32,     // B
    classes: u32,  // C
    scale: f32,    // 1 / numbers of the whole batch
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;          // [B, C]
@group(0) @binding(1) var<storage, read> targets: array<f32>;         // [B, C]
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;  // [B, C]
@group(0) @binding(3) var<storage, read_write> totals: array<f32>;    // [4] losses, hits, sequences, weights
@group(1) @binding(0) var<uniform> params: Params;

var<workgroup> losses: array<f32, 256>;
var<workgroup> hits: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    var loss = 0.0;
    var hit = 0.0;
    for (var row = thread; row < params.rows; row += 256u) {
        var own = 0.0;
        var all = true;
        for (var c = 0u; c < params.classes; c++) {
            let at = row * params.classes + c;
            let x = logits[at];
            let y = targets[at];
            if (FORM == 0u) {
                let e = exp(-abs(x));
                own += max(x, 0.0) - x * y + log(1.0 + e);
                gradient[at] = (select(e, 1.0, x >= 0.0) / (1.0 + e) - y) * params.scale;
                all = all && ((x > 0.0) == (y > 0.5));
            } else {
                own += (x - y) * (x - y);
                gradient[at] = 2.0 * (x - y) * params.scale;
                all = false;
            }
        }
        loss += own / f32(params.classes);
        hit += select(0.0, 1.0, all);
    }
    losses[thread] = loss;
    hits[thread] = hit;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (thread < half) {
            losses[thread] += losses[thread + half];
            hits[thread] += hits[thread + half];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        totals[0] += losses[0];
        totals[1] += hits[0];
        totals[2] += f32(params.rows);
        totals[3] += f32(params.rows);
    }
}
