// What the recurrences of all cells share. A workgroup owns LANES neighbouring rows (slices), one per lane of a Lanes
// (see lanes/), and loops over their steps with the states on chip; a thread owns hidden units thread, thread + THREADS, ...
// Loops over units begin at a number that is the same for all threads: Microsoft's FXC, which DX12 compiles with where no
// DXC is installed, takes the barriers behind a loop that begins at `thread` for barriers in varying flow (X3663).
// Constants: H hidden units, THREADS per workgroup, LANES 1, 2 or 4, REVERSE (rows are read from their last step to their
// first), STEPWISE (every step's output, or its gradient, counts). A cell that has a choice has ACTIVATION too.
// A cell declares the bindings and TAPE, the numbers that a step has on the tape; its last H are the state before the step.

struct Params {
    rows: u32,    // R
    begin: u32,   // steps begin..end of every row are run
    end: u32,
    stride: u32,  // W: numbers from row to row of the states and outputs, which directions share side by side
    column: u32,  // the first one of this direction
    fresh: u32,   // 1: no gradient comes from the rows' last states (backward)
}

// The rows of a workgroup.
struct Own {
    row: Indices,
    first: Indices,
    steps: Indices,
    longest: u32,
}

fn own_rows(group: vec3<u32>, groups: vec3<u32>) -> Own {
    var own: Own;
    own.row = (group.x + group.y * groups.x) * LANES + LANE;
    for (var l = 0u; l < LANES; l++) {
        // Rows beyond the last have no steps.
        if (index(own.row, l) < params.rows) {
            let row = rows[index(own.row, l)];
            own.first = put_index(own.first, l, row.x);
            own.steps = put_index(own.steps, l, row.y);
            own.longest = max(own.longest, row.y);
        }
    }
    return own;
}

// Where the t-th step to be read stands; of rows that have no such step, anywhere.
fn position_of(own: Own, t: u32) -> Indices {
    var at = Indices(t);
    if (REVERSE == 1u) { at = own.steps - Indices(1u) - at; }
    return select(Indices(0u), own.first + at, Indices(t) < own.steps);
}

fn load(position: Indices, column: u32) -> Lanes {
    var values = Lanes(0.0);
    for (var l = 0u; l < LANES; l++) {
        values = put_lane(values, l, tape[index(position, l) * TAPE + column]);
    }
    return values;
}

// Writes the lanes whose rows have a step t.
fn save(own: Own, t: u32, position: Indices, column: u32, values: Lanes) {
    for (var l = 0u; l < LANES; l++) {
        if (t < index(own.steps, l)) { tape[index(position, l) * TAPE + column] = lane(values, l); }
    }
}
