// Forward: what a step reads, and where the states go. Constants: SLOTTED (gates are read through slots), SAVE (write the
// tape). A cell declares WIDTH, the numbers of a row of gates.

fn slots_of(position: Indices) -> Indices {
    var slot = position;
    if (SLOTTED == 1u) {
        for (var l = 0u; l < LANES; l++) { slot = put_index(slot, l, slots[index(position, l)]); }
    }
    return slot;
}

fn gates_at(slot: Indices, column: u32) -> Lanes {
    var values = Lanes(0.0);
    for (var l = 0u; l < LANES; l++) {
        values = put_lane(values, l, gates[index(slot, l) * WIDTH + column]);
    }
    return values;
}

// The state of unit j that the rows begin with: 0, or what an earlier span left.
fn first_state(own: Own, j: u32) -> Lanes {
    var h = Lanes(0.0);
    for (var l = 0u; l < LANES; l++) {
        if (index(own.steps, l) > params.begin && params.begin > 0u) {
            h = put_lane(h, l, last[index(own.row, l) * params.stride + params.column + j]);
        }
    }
    return h;
}

// Rows that ended in an earlier span keep the state that they ended with.
fn put_last(own: Own, j: u32, h: Lanes) {
    for (var l = 0u; l < LANES; l++) {
        if (index(own.steps, l) > params.begin) {
            last[index(own.row, l) * params.stride + params.column + j] = lane(h, l);
        }
    }
}

fn put_output(own: Own, t: u32, position: Indices, j: u32, h: Lanes) {
    if (STEPWISE == 1u) {
        for (var l = 0u; l < LANES; l++) {
            if (t < index(own.steps, l)) {
                outputs[index(position, l) * params.stride + params.column + j] = lane(h, l);
            }
        }
    }
}
