// The recurrence over one level, forward: all that is not the cell's own. Constants: those of rows.wgsl, SLOTTED (gates are
// read through slots), SAVE (write the tape). The cell, in cell/, has PHASES and
//   unit(s, j)     the state of unit j after a step; it keeps on the tape what the backward pass needs, the state before the
//                  step behind it
//   prepare(s, j)  where PHASES is 2: what all units do before the first of them can be computed
// A workgroup owns LANES rows; see rows.wgsl.

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;       // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> slots: array<u32>;            // [P] row of gates of every step
@group(0) @binding(2) var<storage, read> gates: array<f32>;            // [N, GATES * H] x W + b
@group(0) @binding(3) var<storage, read> weights: array<f32>;          // [H+1, PRODUCTS * H] U, then its bias; more matrices
@group(0) @binding(4) var<storage, read_write> tape: array<f32>;       // [P, TAPE * H] what the cell keeps, state before the step
@group(0) @binding(5) var<storage, read_write> states: array<f32>;     // [R, W] the first state, then the last one
@group(0) @binding(6) var<storage, read_write> outputs: array<f32>;    // [P, W] state after every step
@group(0) @binding(7) var<storage, read_write> memories: array<f32>;   // [R, H] second state alike
@group(1) @binding(0) var<uniform> params: Params;

const WIDE: u32 = PRODUCTS * H;

// The states of the rows before and after a step, in turn; then the second state.
var<workgroup> state: array<Column, 2u + MEMORY>;

// Unit j of the states before the step, and of the second one.
fn before(s: Step, j: u32) -> Lanes { return state[s.before][j / CHUNK][j % CHUNK]; }
fn second(j: u32) -> Lanes { return state[1u + MEMORY][j / CHUNK][j % CHUNK]; }

// What unit j reads of the input, for a gate.
fn gate(s: Step, which: u32, j: u32) -> Lanes {
    var values = Lanes(0.0);
    for (var l = 0u; l < LANES; l++) {
        values = put_lane(values, l, gates[(index(s.slot, l) * GATES + which) * H + j]);
    }
    return values;
}

fn weight(at: u32) -> f32 { return weights[at]; }

// h U + c of unit j, for each gate of the first matrix. The first step begins from h = 0, unless states are given.
fn product(s: Step, j: u32) -> array<Lanes, 4> {
    var q: array<Lanes, 4>;
    if (BIAS == 1u) {
        q[0] = Lanes(weights[H * WIDE + j]);
        if (PRODUCTS > 1u) { q[1] = Lanes(weights[H * WIDE + H + j]); }
        if (PRODUCTS > 2u) { q[2] = Lanes(weights[H * WIDE + 2u * H + j]); }
        if (PRODUCTS > 3u) { q[3] = Lanes(weights[H * WIDE + 3u * H + j]); }
    }
    if (PRODUCTS > 0u && (s.t > 0u || FIRST == 1u)) {
        for (var c = 0u; c < WHOLE; c++) {
            let at = CHUNK * c * WIDE + j;
            var w: array<Weights, 4>;
            w[0] = take_chunk(at, WIDE);
            if (PRODUCTS > 1u) { w[1] = take_chunk(at + H, WIDE); }
            if (PRODUCTS > 2u) { w[2] = take_chunk(at + 2u * H, WIDE); }
            if (PRODUCTS > 3u) { w[3] = take_chunk(at + 3u * H, WIDE); }
            let h = state[s.before][c];
            q[0] = add_chunk(q[0], h, w[0]);
            if (PRODUCTS > 1u) { q[1] = add_chunk(q[1], h, w[1]); }
            if (PRODUCTS > 2u) { q[2] = add_chunk(q[2], h, w[2]); }
            if (PRODUCTS > 3u) { q[3] = add_chunk(q[3], h, w[3]); }
        }
        for (var i = CHUNK * WHOLE; i < H; i++) {
            let h = state[s.before][i / CHUNK][i % CHUNK];
            let at = i * WIDE + j;
            q[0] += h * weights[at];
            if (PRODUCTS > 1u) { q[1] += h * weights[at + H]; }
            if (PRODUCTS > 2u) { q[2] += h * weights[at + 2u * H]; }
            if (PRODUCTS > 3u) { q[3] += h * weights[at + 3u * H]; }
        }
    }
    return q;
}

// Keeps unit j of columns for the backward pass.
fn keep(s: Step, j: u32, first: u32, count: u32, values: array<Lanes, 6>) {
    if (SAVE == 1u) { save(s, j, first, count, values); }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let own = own_rows(group, groups);
    let end = min(params.end, own.longest);
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j < H) {
            var h = Lanes(0.0);
            var c = Lanes(0.0);
            for (var l = 0u; l < LANES; l++) {
                if (FIRST == 1u && index(own.row, l) < params.rows) {
                    h = put_lane(h, l, states[state_at(own, l, j)]);
                    if (MEMORY == 1u) { c = put_lane(c, l, memories[index(own.row, l) * H + j]); }
                }
            }
            state[0][j / CHUNK][j % CHUNK] = h;
            if (MEMORY == 1u) { state[1u + MEMORY][j / CHUNK][j % CHUNK] = c; }
        }
    }
    workgroupBarrier();

    var current = 0u;
    for (var t = params.begin; t < end; t++) {
        var s = step_of(own, t, current);
        if (SLOTTED == 1u) {
            for (var l = 0u; l < LANES; l++) { s.slot = put_index(s.slot, l, slots[index(s.position, l)]); }
        }
        if (PHASES == 2u) {
            for (var j0 = 0u; j0 < H; j0 += THREADS) {
                let j = j0 + thread;
                if (j < H) {
                    prepare(s, j);
                }
            }
            workgroupBarrier();
        }
        for (var j0 = 0u; j0 < H; j0 += THREADS) {
            let j = j0 + thread;
            if (j < H) {
                let next = select(before(s, j), unit(s, j), s.live);
                state[s.after][j / CHUNK][j % CHUNK] = next;
                if (STEPWISE == 1u) {
                    for (var l = 0u; l < LANES; l++) {
                        if (flag(s.live, l)) {
                            outputs[index(s.position, l) * params.stride + params.column + j] = lane(next, l);
                        }
                    }
                }
            }
        }
        current = s.after;
        workgroupBarrier();
    }
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j < H) {
            for (var l = 0u; l < LANES; l++) {
                // Rows that ended in an earlier span keep the state that they ended with.
                if (index(own.steps, l) > params.begin) {
                    states[state_at(own, l, j)] = lane(state[current][j / CHUNK][j % CHUNK], l);
                    if (MEMORY == 1u) { memories[index(own.row, l) * H + j] = lane(second(j), l); }
                }
            }
        }
    }
}
