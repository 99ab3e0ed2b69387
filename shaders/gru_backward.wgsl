// The recurrence of one level, backward, in place on the tape that gru_forward wrote.
// A workgroup owns 4 neighbouring rows (slices), one per lane of a vec4, and loops over their steps from the last to
// the first with the gradients on chip; a thread owns hidden units thread, thread + THREADS, ...
// Constants: H hidden units, THREADS per workgroup.

struct Params {
    rows: u32,   // R
    begin: u32,  // steps end-1 down to begin of every row are run
    end: u32,
}

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;            // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> weights_transposed: array<f32>;    // [3H, H]
@group(0) @binding(2) var<storage, read_write> tape: array<f32>;            // [P, 5H] r, z, n, q, h -> dr, dz, dn, dq, h
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;        // [R, H] of the state, carried over spans
@group(1) @binding(0) var<uniform> params: Params;

var<workgroup> carry: array<vec4<f32>, H>;        // gradient of the state
var<workgroup> delta: array<vec4<f32>, 3 * H>;    // dr, dz, dq of the step

fn load(position: vec4<u32>, column: u32) -> vec4<f32> {
    let at = position * (5u * H) + column;
    return vec4(tape[at.x], tape[at.y], tape[at.z], tape[at.w]);
}

fn save(live: vec4<bool>, position: vec4<u32>, column: u32, value: vec4<f32>) {
    let at = position * (5u * H) + column;
    if (live.x) { tape[at.x] = value.x; }
    if (live.y) { tape[at.y] = value.y; }
    if (live.z) { tape[at.z] = value.z; }
    if (live.w) { tape[at.w] = value.w; }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let first_row = (group.x + group.y * groups.x) * 4u;
    let row = vec4(first_row, first_row + 1u, first_row + 2u, first_row + 3u);
    let present = row < vec4(params.rows);
    // Rows beyond the last read row 0 and never live.
    let safe = select(vec4(0u), row, present);
    let row0 = rows[safe.x];
    let row1 = rows[safe.y];
    let row2 = rows[safe.z];
    let row3 = rows[safe.w];
    let first = vec4(row0.x, row1.x, row2.x, row3.x);
    let steps = select(vec4(0u), vec4(row0.y, row1.y, row2.y, row3.y), present);
    let longest = max(max(steps.x, steps.y), max(steps.z, steps.w));
    let carried = safe * H;
    for (var j = thread; j < H; j += THREADS) {
        carry[j] = vec4(
            gradient[carried.x + j], gradient[carried.y + j], gradient[carried.z + j], gradient[carried.w + j]);
    }

    for (var t = min(params.end, longest); t > params.begin; t--) {
        let live = vec4(t) <= steps;
        let position = select(vec4(0u), first + (t - 1u), live);
        // A lane that does not live may meet another row's numbers here: all of its results are dropped.
        for (var j = thread; j < H; j += THREADS) {
            let r = load(position, j);
            let z = load(position, H + j);
            let n = load(position, 2u * H + j);
            let q = load(position, 3u * H + j);
            let h = load(position, 4u * H + j);
            let g = carry[j];
            let d_n = g * (1.0 - z) * (1.0 - n * n);
            let d_r = d_n * q * r * (1.0 - r);
            let d_z = g * (h - n) * z * (1.0 - z);
            let d_q = d_n * r;
            save(live, position, j, d_r);
            save(live, position, H + j, d_z);
            save(live, position, 2u * H + j, d_n);
            save(live, position, 3u * H + j, d_q);
            delta[j] = select(vec4(0.0), d_r, live);
            delta[H + j] = select(vec4(0.0), d_z, live);
            delta[2u * H + j] = select(vec4(0.0), d_q, live);
            carry[j] = select(g, g * z, live);
        }
        workgroupBarrier();
        // Nothing is asked of the state before the first step: it is 0.
        if (t > 1u) {
            for (var j = thread; j < H; j += THREADS) {
                var sum = carry[j];
                for (var i = 0u; i < 3u * H; i++) {
                    sum += delta[i] * weights_transposed[i * H + j];
                }
                carry[j] = sum;
            }
        }
        workgroupBarrier();
    }

    for (var j = thread; j < H; j += THREADS) {
        let g = carry[j];
        if (present.x) { gradient[row.x * H + j] = g.x; }
        if (present.y) { gradient[row.y * H + j] = g.y; }
        if (present.z) { gradient[row.z * H + j] = g.z; }
        if (present.w) { gradient[row.w * H + j] = g.w; }
    }
}
