// The recurrence of one level, forward: h' = (1 - z) n + z h with the reset gate after the product.
// A workgroup owns LANES neighbouring rows (slices), one per lane of a Lanes (see lanes/), and loops over their steps
// with the states on chip; a thread owns hidden units thread, thread + THREADS, ...
// Constants: H hidden units, THREADS per workgroup, SLOTTED (gates are read through slots), SAVE (write the tape),
// LANES 1, 2 or 4.

struct Params {
    rows: u32,   // R
    begin: u32,  // steps begin..end of every row are run
    end: u32,
}

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;     // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> slots: array<u32>;          // [P] row of gates of every step
@group(0) @binding(2) var<storage, read> gates: array<f32>;          // [N, 3H] x W + b: r, z, n
@group(0) @binding(3) var<storage, read> weights: array<f32>;        // [H+1, 3H] U, then the bias c
@group(0) @binding(4) var<storage, read_write> tape: array<f32>;     // [P, 5H] r, z, n, q, h before the step
@group(0) @binding(5) var<storage, read_write> last: array<f32>;     // [R, H] state after the last step run
@group(1) @binding(0) var<uniform> params: Params;

// The states of the rows before and after a step, in turn.
var<workgroup> state: array<Lanes, 2 * H>;

// Both forms are exact at the ends: no overflow, and NaN stays NaN.
fn sigmoid(x: Lanes) -> Lanes {
    let e = exp(-abs(x));
    return select(e, Lanes(1.0), x >= Lanes(0.0)) / (1.0 + e);
}

fn tanh_exact(x: Lanes) -> Lanes {
    let e = exp(-2.0 * abs(x));
    return sign(x) * (1.0 - e) / (1.0 + e);
}

fn gates_at(slot: Indices, column: u32) -> Lanes {
    var values = Lanes(0.0);
    for (var l = 0u; l < LANES; l++) {
        values = put_lane(values, l, gates[index(slot, l) * (3u * H) + column]);
    }
    return values;
}

// Writes the lanes whose rows have a step t.
fn save(t: u32, steps: Indices, position: Indices, column: u32, values: Lanes) {
    for (var l = 0u; l < LANES; l++) {
        if (t < index(steps, l)) { tape[index(position, l) * (5u * H) + column] = lane(values, l); }
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
    let end = min(params.end, longest);

    for (var j = thread; j < H; j += THREADS) {
        var h = Lanes(0.0);
        for (var l = 0u; l < LANES; l++) {
            if (index(steps, l) > params.begin && params.begin > 0u) {
                h = put_lane(h, l, last[index(row, l) * H + j]);
            }
        }
        state[j] = h;
    }
    workgroupBarrier();

    var before = 0u;
    for (var t = params.begin; t < end; t++) {
        let live = Indices(t) < steps;
        let position = select(Indices(0u), first + t, live);
        var slot = position;
        if (SLOTTED == 1u) {
            for (var l = 0u; l < LANES; l++) {
                slot = put_index(slot, l, slots[index(position, l)]);
            }
        }
        let after = H - before;
        for (var j = thread; j < H; j += THREADS) {
            var q_r = Lanes(weights[H * 3u * H + j]);
            var q_z = Lanes(weights[H * 3u * H + H + j]);
            var q_n = Lanes(weights[H * 3u * H + 2u * H + j]);
            // The first step begins from h = 0.
            if (t > 0u) {
                for (var i = 0u; i < H; i++) {
                    let h = state[before + i];
                    let at = i * 3u * H + j;
                    q_r += h * weights[at];
                    q_z += h * weights[at + H];
                    q_n += h * weights[at + 2u * H];
                }
            }
            let h = state[before + j];
            let r = sigmoid(gates_at(slot, j) + q_r);
            let z = sigmoid(gates_at(slot, H + j) + q_z);
            let n = tanh_exact(gates_at(slot, 2u * H + j) + r * q_n);
            state[after + j] = select(h, n + z * (h - n), live);
            if (SAVE == 1u) {
                save(t, steps, position, j, r);
                save(t, steps, position, H + j, z);
                save(t, steps, position, 2u * H + j, n);
                save(t, steps, position, 3u * H + j, q_n);
                save(t, steps, position, 4u * H + j, h);
            }
        }
        before = after;
        workgroupBarrier();
    }

    // Rows that ended in an earlier span keep the state that they ended with.
    for (var j = thread; j < H; j += THREADS) {
        for (var l = 0u; l < LANES; l++) {
            if (index(steps, l) > params.begin) { last[index(row, l) * H + j] = lane(state[before + j], l); }
        }
    }
}
