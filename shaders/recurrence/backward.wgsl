// The recurrence over one level, backward, in place on the tape that the forward one wrote: all that is not the cell's own.
// The cell, in cell/, has PHASES and
//   unit(s, j, g)  turns what the tape keeps of unit j into gradients, from the gradient g of its state after the step; gives
//                  what of the gradient of the state before it needs no product
//   settle(s, j)   where PHASES is 2: what needs the gradients of other units
// A workgroup owns LANES rows of one strand; see rows.wgsl.

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;              // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> weights_transposed: array<f32>;      // [STRANDS][PRODUCTS * H, H], more matrices
@group(0) @binding(2) var<storage, read> outputs_gradient: array<f32>;        // [P, W]
@group(0) @binding(3) var<storage, read_write> tape: array<f32>;              // [STRANDS][P, TAPE * H]
@group(0) @binding(4) var<storage, read_write> states_gradient: array<f32>;   // [R, W] of the last state, then of the first
@group(0) @binding(5) var<storage, read_write> memories_gradient: array<f32>; // [R, W] of the second state alike
@group(1) @binding(0) var<uniform> params: Params;

// The gradient of the state; then of the second state.
var<workgroup> carry: array<Column, 1u + MEMORY>;
// Those gradients of the step that go through the first matrix.
var<workgroup> delta: array<Chunk, (max(PRODUCTS, 1u) * H + CHUNK - 1u) / CHUNK>;

// Unit j of a column of the tape; of lanes that do not live, another row's, as all that they give is dropped.
fn load(s: Step, column: u32, j: u32) -> Lanes {
    var values = Lanes(0.0);
    for (var l = 0u; l < LANES; l++) {
        values = put_lane(values, l, tape[tape_at(index(s.position, l), column, j)]);
    }
    return values;
}

// The gradients of `count` columns of the tape from `first` on.
fn give(s: Step, j: u32, first: u32, count: u32, values: array<Lanes, 6>) {
    save(s, j, first, count, values);
    for (var c = 0u; c < count; c++) {
        if (first + c >= DELTA && first + c < DELTA + PRODUCTS) {
            let i = (first + c - DELTA) * H + j;
            delta[i / CHUNK][i % CHUNK] = select(Lanes(0.0), values[c], s.live);
        }
    }
}

fn weight(at: u32) -> f32 { return weights_transposed[strand * params.weights_apart + at]; }

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let first = first_row(group, groups, LANES);
    let own = own_rows(first);
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j < H) {
            var g = Lanes(0.0);
            var c = Lanes(0.0);
            for (var l = 0u; l < LANES; l++) {
                if (index(own.row, l) < params.rows) {
                    let at = state_at(index(own.row, l), j);
                    if (params.state_given == 1u) { g = put_lane(g, l, states_gradient[at]); }
                    if (MEMORY == 1u && params.memory_given == 1u) { c = put_lane(c, l, memories_gradient[at]); }
                }
            }
            carry[0][j / CHUNK][j % CHUNK] = g;
            if (MEMORY == 1u) { carry[MEMORY][j / CHUNK][j % CHUNK] = c; }
        }
    }

    for (var t = min(params.end, longest(first, LANES)); t > params.begin; t--) {
        let s = step_of(own, t - 1u, 0u);
        for (var j0 = 0u; j0 < H; j0 += THREADS) {
            let j = j0 + thread;
            if (j < H) {
                let given = carry[0][j / CHUNK][j % CHUNK];
                var g = given;
                if (STEPWISE == 1u) {
                    for (var l = 0u; l < LANES; l++) {
                        let of_output = outputs_gradient[state_at(index(s.position, l), j)];
                        g = put_lane(g, l, lane(g, l) + of_output);
                    }
                }
                carry[0][j / CHUNK][j % CHUNK] = select(given, unit(s, j, g), s.live);
            }
        }
        workgroupBarrier();
        if (PHASES == 2u) {
            for (var j0 = 0u; j0 < H; j0 += THREADS) {
                let j = j0 + thread;
                if (j < H) {
                    settle(s, j);
                }
            }
            workgroupBarrier();
        }
        // Nothing is asked of the state before the first step, unless it was given.
        if (PRODUCTS > 0u && (t > 1u || FIRST == 1u)) {
            for (var j0 = 0u; j0 < H; j0 += THREADS) {
                let j = j0 + thread;
                if (j < H) {
                    var sum = carry[0][j / CHUNK][j % CHUNK];
                    for (var c = 0u; c < PRODUCTS * H / CHUNK; c++) {
                        sum = add_chunk(sum, delta[c], take_chunk(CHUNK * c * H + j, H));
                    }
                    for (var i = PRODUCTS * H / CHUNK * CHUNK; i < PRODUCTS * H; i++) {
                        sum += delta[i / CHUNK][i % CHUNK] * weight(i * H + j);
                    }
                    carry[0][j / CHUNK][j % CHUNK] = sum;
                }
            }
        }
        workgroupBarrier();
    }
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j < H) {
            for (var l = 0u; l < LANES; l++) {
                if (index(own.row, l) < params.rows) {
                    let at = state_at(index(own.row, l), j);
                    states_gradient[at] = lane(carry[0][j / CHUNK][j % CHUNK], l);
                    if (MEMORY == 1u) { memories_gradient[at] = lane(carry[MEMORY][j / CHUNK][j % CHUNK], l); }
                }
            }
        }
    }
}
