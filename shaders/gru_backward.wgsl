// The recurrence of one level, backward, in place on the tape that gru_forward wrote.
// A workgroup owns LANES neighbouring rows (slices), one per lane of a Lanes (see lanes/), and loops over their steps
// from the last to the first with the gradients on chip; a thread owns hidden units thread, thread + THREADS, ...
// Constants: H hidden units, THREADS per workgroup, LANES 1, 2 or 4.

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

var<workgroup> carry: array<Lanes, H>;        // gradient of the state
var<workgroup> delta: array<Lanes, 3 * H>;    // dr, dz, dq of the step

fn load(position: Indices, column: u32) -> Lanes {
    var values = Lanes(0.0);
    for (var l = 0u; l < LANES; l++) {
        values = put_lane(values, l, tape[index(position, l) * (5u * H) + column]);
    }
    return values;
}

// Writes the lanes whose rows have a step before t.
fn save(t: u32, steps: Indices, position: Indices, column: u32, values: Lanes) {
    for (var l = 0u; l < LANES; l++) {
        if (t <= index(steps, l)) { tape[index(position, l) * (5u * H) + column] = lane(values, l); }
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = (group.x + group.y * groups.x) * LANES + LANE;
    var first = Indices(0u);
    var steps = Indices(0u);
    var longest = 0u;
    for (var l = 0u; l < LANES; l++) {
        // Rows beyond the last have no steps.
        if (index(row, l) < params.rows) {
            let own = rows[index(row, l)];
            first = put_index(first, l, own.x);
            steps = put_index(steps, l, own.y);
            longest = max(longest, own.y);
        }
    }
    for (var j = thread; j < H; j += THREADS) {
        var g = Lanes(0.0);
        for (var l = 0u; l < LANES; l++) {
            if (index(row, l) < params.rows) { g = put_lane(g, l, gradient[index(row, l) * H + j]); }
        }
        carry[j] = g;
    }

    for (var t = min(params.end, longest); t > params.begin; t--) {
        let live = Indices(t) <= steps;
        let position = select(Indices(0u), first + (t - 1u), live);
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
            save(t, steps, position, j, d_r);
            save(t, steps, position, H + j, d_z);
            save(t, steps, position, 2u * H + j, d_n);
            save(t, steps, position, 3u * H + j, d_q);
            delta[j] = select(Lanes(0.0), d_r, live);
            delta[H + j] = select(Lanes(0.0), d_z, live);
            delta[2u * H + j] = select(Lanes(0.0), d_q, live);
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
        for (var l = 0u; l < LANES; l++) {
            if (index(row, l) < params.rows) { gradient[index(row, l) * H + j] = lane(carry[j], l); }
        }
    }
}
