// The loss of every number by itself (constant FORM: 0 binary cross-entropy of a sigmoid, 1 squared error), its gradient
// and the totals. A workgroup owns 256 rows, a thread one.

struct Params {
    rows: u32,        // B
    classes: u32,     // C
    scale: f32,       // 1 / numbers of the whole batch
    accumulate: u32,  // 1: add to what stands in totals
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;          // [B, C]
@group(0) @binding(1) var<storage, read> targets: array<f32>;         // [B, C]
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;  // [B, C]
@group(0) @binding(3) var<storage, read_write> totals: array<f32>;    // [groups, 4] losses, hits, rows, their weights
@group(1) @binding(0) var<uniform> params: Params;

fn loss(row: u32) -> vec4<f32> {
    if (row >= params.rows) { return vec4(0.0); }
    var own = 0.0;
    var all = FORM == 0u;
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
        }
    }
    return vec4(own / f32(params.classes), select(0.0, 1.0, all), 1.0, 1.0);
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
