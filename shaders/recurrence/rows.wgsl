// What the recurrences of all cells share, forward and backward. A workgroup owns LANES neighbouring rows (slices) of one
// strand, one per lane of a Lanes (see lanes/), and loops over their steps with the states on chip; a thread owns hidden units
// thread, thread + THREADS, ... A strand is one head in one direction: a recurrence of its own over the same rows.
// Loops over units begin at a number that is the same for all threads, and none of their turns is cut short by `continue`:
// Microsoft's FXC, which DX12 compiles with where no DXC is installed, takes the barriers behind any other loop for barriers
// in varying flow (X3663, X4026).
//
// Inner products along H, unless U is held (see product/), are taken in chunks of CHUNK terms (see chunks/): with sixteen, all
// weights are asked for before the first is used, as a GPU waits for each load that is used at once, and compilers leave long
// loops as they are. Columns on chip lie in such chunks, so that a place within one is a constant, which needs no check of
// bounds; the few units behind the last whole chunk are a short loop. Loads that a step can begin with come before its product,
// and the stores of a row stand together.
//
// Constants of a dispatch: H hidden units of a strand, STRANDS, of which those from FORWARD on read rows from their last step
// to their first, THREADS per workgroup, LANES 1, 2 or 4, CHUNK 2 or 16, STEPWISE (every step's output, or its gradient,
// counts), FIRST (the first states are given, and their gradients asked for; otherwise they are 0), ACTIVATION (the one that
// the cell leaves open).
// Constants of a cell: GATES that read the input, PRODUCTS gates that read the state by the first matrix of U, BIAS (it has
// one), TAPE (H times so many numbers of a step on the tape, the last H of them the state before it), DELTA (the first of
// the tape's columns that belong to that matrix), MEMORY (there is a second state).

const WHOLE: u32 = H / CHUNK;  // chunks without a gap
alias Chunk = array<Lanes, CHUNK>;
alias Column = array<Chunk, (H + CHUNK - 1u) / CHUNK>;

struct Params {
    rows: u32,          // R
    begin: u32,         // steps begin..end of every row are run
    end: u32,
    stride: u32,        // W: numbers from row to row of the states and outputs, where strands stand side by side
    column: u32,        // the first one of the first strand
    gates_apart: u32,   // numbers from a strand's gates to those of the next (forward)
    weights_apart: u32, // and from its weights
    tape_apart: u32,    // and from its tape
    state_given: u32,   // 1: a gradient comes from the last states (backward)
    memory_given: u32,  // 1: and one from the last memories; forward, the first ones are given with the states
}

// The rows of a workgroup.
struct Own {
    row: Indices,
    first: Indices,
    steps: Indices,
}

// One step of them.
struct Step {
    t: u32,             // steps that came before
    live: Flags,        // lanes whose rows have this step
    position: Indices,  // where it stands among all steps; anywhere in lanes that do not live
    slot: Indices,      // its row of gates (forward)
    before: u32,        // which of the columns on chip has the states before it, and which those after it (forward)
    after: u32,
}

// The workgroup's own.
var<private> strand: u32;

// Finds the strand, and the first of its `own` rows.
fn first_row(group: vec3<u32>, groups: vec3<u32>, own: u32) -> u32 {
    let at = group.x + group.y * groups.x;
    if (STRANDS == 1u) { return at * own; }
    let of_strand = (params.rows + own - 1u) / own;
    // Read back from a variable it would be no number that is the same for all threads, as barriers ask.
    let which = min(at / of_strand, STRANDS - 1u);
    strand = which;
    // Workgroups behind the last have no rows.
    return (at - which * of_strand) * own;
}

// LANES rows from `first` on.
fn own_rows(first: u32) -> Own {
    var own: Own;
    own.row = first + LANE;
    for (var l = 0u; l < LANES; l++) {
        // Rows beyond the last have no steps.
        if (index(own.row, l) < params.rows) {
            let row = rows[index(own.row, l)];
            own.first = put_index(own.first, l, row.x);
            own.steps = put_index(own.steps, l, row.y);
        }
    }
    return own;
}

// Steps of the longest of `count` rows from `first` on.
fn longest(first: u32, count: u32) -> u32 {
    var steps = 0u;
    for (var row = first; row < min(first + count, params.rows); row++) { steps = max(steps, rows[row].y); }
    return steps;
}

fn step_of(own: Own, t: u32, before: u32) -> Step {
    let live = Indices(t) < own.steps;
    var at = Indices(t);
    if (strand >= FORWARD) { at = own.steps - Indices(1u) - at; }
    let position = select(Indices(0u), own.first + at, live);
    return Step(t, live, position, position, before, 1u - before);
}

// Where unit j of a row, or of a step, stands among the states or outputs of all strands.
fn state_at(row: u32, j: u32) -> u32 { return row * params.stride + params.column + strand * H + j; }

// Where unit j of a column of the tape stands.
fn tape_at(position: u32, column: u32, j: u32) -> u32 { return strand * params.tape_apart + (position * TAPE + column) * H + j; }

// Writes unit j of `count` columns of the tape from `first` on, in the lanes that live.
fn save(s: Step, j: u32, first: u32, count: u32, values: array<Lanes, 6>) {
    for (var l = 0u; l < LANES; l++) {
        if (flag(s.live, l)) {
            let at = tape_at(index(s.position, l), first, j);
            tape[at] = lane(values[0], l);
            if (count > 1u) { tape[at + H] = lane(values[1], l); }
            if (count > 2u) { tape[at + 2u * H] = lane(values[2], l); }
            if (count > 3u) { tape[at + 3u * H] = lane(values[3], l); }
            if (count > 4u) { tape[at + 4u * H] = lane(values[4], l); }
            if (count > 5u) { tape[at + 5u * H] = lane(values[5], l); }
        }
    }
}

// Exact at the ends: no overflow, and NaN stays NaN.
fn sigmoid(x: Lanes) -> Lanes {
    let e = exp(-abs(x));
    return select(e, Lanes(1.0), x >= Lanes(0.0)) / (1.0 + e);
}

fn tanh_exact(x: Lanes) -> Lanes {
    let e = exp(-2.0 * abs(x));
    return sign(x) * (1.0 - e) / (1.0 + e);
}

// The activation that the cell leaves open, by constant ACTIVATION: 0 tanh, 1 identity, 2 ReLU.
fn activate(x: Lanes) -> Lanes {
    if (ACTIVATION == 0u) { return tanh_exact(x); }
    if (ACTIVATION == 2u) { return select(x, Lanes(0.0), x < Lanes(0.0)); }
    return x;
}

// Its derivative, from its result.
fn slope(y: Lanes) -> Lanes {
    if (ACTIVATION == 0u) { return 1.0 - y * y; }
    if (ACTIVATION == 2u) { return select(Lanes(0.0), Lanes(1.0), y > Lanes(0.0)); }
    return Lanes(1.0);
}
