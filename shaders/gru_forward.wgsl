// The recurrence of one level, forward: h' = (1 - z) n + z h with the reset gate after the product.
// A workgroup owns 4 neighbouring rows (slices), one per lane of a vec4, and loops over their steps with the states
// on chip; a thread owns hidden units thread, thread + THREADS, ...
// Constants: H hidden units, THREADS per workgroup, SLOTTED (gates are read through slots), SAVE (write the tape).

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

// The states of the 4 rows before and after a step, in turn.
var<workgroup> state: array<vec4<f32>, 2 * H>;

// Both forms are exact at the ends: no overflow, and NaN stays NaN.
fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(x));
    return select(e, vec4(1.0), x >= vec4(0.0)) / (1.0 + e);
}

fn tanh_exact(x: vec4<f32>) -> vec4<f32> {
    let e = exp(-2.0 * abs(x));
    return sign(x) * (1.0 - e) / (1.0 + e);
}

fn gates_at(slot: vec4<u32>, column: u32) -> vec4<f32> {
    let at = slot * (3u * H) + column;
    return vec4(gates[at.x], gates[at.y], gates[at.z], gates[at.w]);
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
    let end = min(params.end, longest);

    let carried = safe * H;
    for (var j = thread; j < H; j += THREADS) {
        var h = vec4(0.0);
        if (params.begin > 0u) {
            h = vec4(last[carried.x + j], last[carried.y + j], last[carried.z + j], last[carried.w + j]);
        }
        state[j] = h;
    }
    workgroupBarrier();

    var before = 0u;
    for (var t = params.begin; t < end; t++) {
        let live = vec4(t) < steps;
        let position = select(vec4(0u), first + t, live);
        var slot = position;
        if (SLOTTED == 1u) {
            slot = vec4(slots[position.x], slots[position.y], slots[position.z], slots[position.w]);
        }
        let after = H - before;
        for (var j = thread; j < H; j += THREADS) {
            var q_r = vec4(weights[H * 3u * H + j]);
            var q_z = vec4(weights[H * 3u * H + H + j]);
            var q_n = vec4(weights[H * 3u * H + 2u * H + j]);
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
                save(live, position, j, r);
                save(live, position, H + j, z);
                save(live, position, 2u * H + j, n);
                save(live, position, 3u * H + j, q_n);
                save(live, position, 4u * H + j, h);
            }
        }
        before = after;
        workgroupBarrier();
    }

    // Rows that ended in an earlier span keep the state that they ended with.
    let ran = steps > vec4(params.begin);
    for (var j = thread; j < H; j += THREADS) {
        let h = state[before + j];
        if (ran.x) { last[row.x * H + j] = h.x; }
        if (ran.y) { last[row.y * H + j] = h.y; }
        if (ran.z) { last[row.z * H + j] = h.z; }
        if (ran.w) { last[row.w * H + j] = h.w; }
    }
}
