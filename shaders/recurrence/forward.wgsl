// The recurrence over one level, forward: all that is neither the cell's own nor the product's with U. Constants: those of
// rows.wgsl, SLOTTED (gates are read through slots), SAVE (write the tape), HELD (see product/).
// The product, in product/, has
//   ROWS               of a workgroup
//   unit_of, row_of    the unit and the row that a thread begins with
//   owns               whether a thread has a row at all
//   on_chip, put       what a unit has on chip: its states before and after a step, in turn, then its second state
//   take, ask          what is done before the first step, and what a step begins with
//   gate(s, which, j)  what unit j reads of the input, for a gate
//   product(s, j)      h U + c of unit j, for each gate of the first matrix: 0 at first, unless states are given
// The cell, in cell/, has PHASES and
//   unit(s, j)     the state of unit j after a step; it keeps on the tape what the backward pass needs, the state before the
//                  step behind it
//   prepare(s, j)  where PHASES is 2: what all units do before the first of them can be computed
// A workgroup owns ROWS rows of one strand. What belongs to a strand stands ..._apart numbers behind what belongs to the one
// before.

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;       // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> slots: array<u32>;            // [P] row of gates of every step
@group(0) @binding(2) var<storage, read> gates: array<f32>;            // [STRANDS][N, GATES * H] x W + b
@group(0) @binding(3) var<storage, read> weights: array<f32>;          // [STRANDS][H+1, PRODUCTS * H] U, its bias, more matrices
@group(0) @binding(4) var<storage, read_write> tape: array<f32>;       // [STRANDS][P, TAPE * H] what the cell keeps, state before
@group(0) @binding(5) var<storage, read_write> states: array<f32>;     // [R, W] the first state, then the last one
@group(0) @binding(6) var<storage, read_write> outputs: array<f32>;    // [P, W] state after every step
@group(0) @binding(7) var<storage, read_write> memories: array<f32>;   // [R, W] second state alike
@group(1) @binding(0) var<uniform> params: Params;

const WIDE: u32 = PRODUCTS * H;

// A number of the strand's weights.
fn own_weight(at: u32) -> f32 { return weights[strand * params.weights_apart + at]; }

// What unit j reads of the input, for a gate: of the gates in row `slot`.
fn input_gate(slot: u32, which: u32, j: u32) -> f32 {
    return gates[strand * params.gates_apart + (slot * GATES + which) * H + j];
}

// Unit j of the states before the step, and of the second one.
fn before(s: Step, j: u32) -> Lanes { return on_chip(s.before, j); }
fn second(j: u32) -> Lanes { return on_chip(1u + MEMORY, j); }

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
    let group_row = first_row(group, groups, ROWS);
    let own = own_rows(row_of(group_row, thread));
    let end = min(params.end, longest(group_row, ROWS));
    let first_unit = unit_of(thread);
    take(first_unit);
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + first_unit;
        if (j < H && owns(thread)) {
            var h = Lanes(0.0);
            var c = Lanes(0.0);
            for (var l = 0u; l < LANES; l++) {
                if (FIRST == 1u && index(own.row, l) < params.rows) {
                    let at = state_at(index(own.row, l), j);
                    h = put_lane(h, l, states[at]);
                    if (MEMORY == 1u && params.memory_given == 1u) { c = put_lane(c, l, memories[at]); }
                }
            }
            put(0u, j, h);
            if (MEMORY == 1u) { put(1u + MEMORY, j, c); }
        }
    }
    workgroupBarrier();

    var current = 0u;
    for (var t = params.begin; t < end; t++) {
        var s = step_of(own, t, current);
        if (SLOTTED == 1u) {
            for (var l = 0u; l < LANES; l++) { s.slot = put_index(s.slot, l, slots[index(s.position, l)]); }
        }
        if (HELD > 0u) {
            ask(s, first_unit);
            workgroupBarrier();
        }
        if (PHASES == 2u) {
            for (var j0 = 0u; j0 < H; j0 += THREADS) {
                let j = j0 + first_unit;
                if (j < H) {
                    prepare(s, j);
                }
            }
            workgroupBarrier();
        }
        for (var j0 = 0u; j0 < H; j0 += THREADS) {
            let j = j0 + first_unit;
            if (j < H && owns(thread)) {
                let next = select(before(s, j), unit(s, j), s.live);
                put(s.after, j, next);
                if (STEPWISE == 1u) {
                    for (var l = 0u; l < LANES; l++) {
                        if (flag(s.live, l)) {
                            outputs[state_at(index(s.position, l), j)] = lane(next, l);
                        }
                    }
                }
            }
        }
        current = s.after;
        workgroupBarrier();
    }
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + first_unit;
        if (j < H && owns(thread)) {
            for (var l = 0u; l < LANES; l++) {
                // Rows that ended in an earlier span keep the state that they ended with.
                if (index(own.steps, l) > params.begin) {
                    let at = state_at(index(own.row, l), j);
                    states[at] = lane(on_chip(current, j), l);
                    if (MEMORY == 1u) { memories[at] = lane(second(j), l); }
                }
            }
        }
    }
}
