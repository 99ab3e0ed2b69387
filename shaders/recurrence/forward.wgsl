// The recurrence over one level, forward: all that is not the cell's own. Constants: those of rows.wgsl, SLOTTED (gates are
// read through slots), SAVE (write the tape). The cell, in cell/, has PHASES and
//   unit(s, j)     the state of unit j after a step; it keeps what the backward pass needs on the tape
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
// Where the second state stands on chip.
const MEMORY_AT: u32 = 2u * H;

// The states of the rows before and after a step, in turn; then the second state.
var<workgroup> state: array<Lanes, (2u + MEMORY) * H>;

// What unit j reads of the input, for a gate.
fn gate(s: Step, which: u32, j: u32) -> Lanes {
    var values = Lanes(0.0);
    for (var l = 0u; l < LANES; l++) {
        values = put_lane(values, l, gates[(index(s.slot, l) * GATES + which) * H + j]);
    }
    return values;
}

// h U + c of unit j, for each gate of the first matrix. The first step begins from h = 0, unless states are given.
fn product(s: Step, j: u32) -> array<Lanes, 4> {
    var q: array<Lanes, 4>;
    if (BIAS == 1u) {
        q[0] = Lanes(weights[H * WIDE + j]);
        if (PRODUCTS > 1u) { q[1] = Lanes(weights[H * WIDE + H + j]); }
        if (PRODUCTS > 2u) { q[2] = Lanes(weights[H * WIDE + 2u * H + j]); }
        if (PRODUCTS > 3u) { q[3] = Lanes(weights[H * WIDE + 3u * H + j]); }
    }
    if (s.t > 0u || FIRST == 1u) {
        for (var i = 0u; i < H; i++) {
            let h = state[s.before + i];
            let at = i * WIDE + j;
            q[0] += h * weights[at];
            if (PRODUCTS > 1u) { q[1] += h * weights[at + H]; }
            if (PRODUCTS > 2u) { q[2] += h * weights[at + 2u * H]; }
            if (PRODUCTS > 3u) { q[3] += h * weights[at + 3u * H]; }
        }
    }
    return q;
}

// Keeps unit j of a column for the backward pass.
fn keep(s: Step, column: u32, j: u32, values: Lanes) {
    if (SAVE == 1u) { save(s, column, j, values); }
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
            state[j] = h;
            if (MEMORY == 1u) { state[MEMORY_AT + j] = c; }
        }
    }
    workgroupBarrier();

    var before = 0u;
    for (var t = params.begin; t < end; t++) {
        var s = step_of(own, t, before);
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
                let h = state[s.before + j];
                let next = select(h, unit(s, j), s.live);
                state[s.after + j] = next;
                keep(s, TAPE - 1u, j, h);
                if (STEPWISE == 1u) {
                    for (var l = 0u; l < LANES; l++) {
                        if (flag(s.live, l)) {
                            outputs[index(s.position, l) * params.stride + params.column + j] = lane(next, l);
                        }
                    }
                }
            }
        }
        before = s.after;
        workgroupBarrier();
    }
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j < H) {
            for (var l = 0u; l < LANES; l++) {
                // Rows that ended in an earlier span keep the state that they ended with.
                if (index(own.steps, l) > params.begin) {
                    states[state_at(own, l, j)] = lane(state[before + j], l);
                    if (MEMORY == 1u) { memories[index(own.row, l) * H + j] = lane(state[MEMORY_AT + j], l); }
                }
            }
        }
    }
}
