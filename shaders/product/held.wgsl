// h U, forward, of weights that threads hold in registers from the first step to the last. Threads stand in PARTS of UNITS: the
// thread of part p and unit j holds 16 numbers of unit j's columns of U, from 16 p on, and multiplies them with the states of
// all rows; and it owns unit j of row p, whose sums of all parts it adds. LANES is 1, CHUNK 16; HELD rows, at most PARTS.

const ROWS: u32 = HELD;
const PARTS: u32 = (H + CHUNK - 1u) / CHUNK;
const UNITS: u32 = THREADS / PARTS;

fn unit_of(thread: u32) -> u32 {
    part = thread / UNITS;
    return thread % UNITS;
}
// Parts without a row of their own take one behind the last.
fn row_of(first: u32, thread: u32) -> u32 { return select(params.rows, first + thread / UNITS, owns(thread)); }
fn owns(thread: u32) -> bool { return thread / UNITS < HELD; }

var<private> part: u32;
var<private> held: array<Weights, 4>;
var<private> bias: array<Lanes, 4>;
// The step's gates, which are asked for before its product.
var<private> asked: array<Lanes, 4>;

// By column, row and part.
var<workgroup> state: array<Chunk, (2u + MEMORY) * HELD * PARTS>;
// By part, row, gate and unit.
var<workgroup> sums: array<f32, PARTS * HELD * PRODUCTS * UNITS>;

fn on_chip(column: u32, j: u32) -> Lanes { return state[(column * HELD + part) * PARTS + j / CHUNK][j % CHUNK]; }
fn put(column: u32, j: u32, value: Lanes) { state[(column * HELD + part) * PARTS + j / CHUNK][j % CHUNK] = value; }

// Behind the last row of U there is nothing.
fn weight(at: u32) -> f32 { return select(0.0, own_weight(min(at, H * WIDE - 1u)), at < H * WIDE); }

fn take(j: u32) {
    for (var g = 0u; g < PRODUCTS; g++) {
        held[g] = take_chunk(CHUNK * part * WIDE + g * H + j, WIDE);
        if (BIAS == 1u && j < H) { bias[g] = own_weight(H * WIDE + g * H + j); }
    }
    // Nor are there states behind the last unit.
    if (part < HELD && j >= H && j < PARTS * CHUNK) {
        put(0u, j, 0.0);
        put(1u, j, 0.0);
    }
}

fn ask(s: Step, j: u32) {
    if (part < HELD && j < H) {
        for (var g = 0u; g < GATES; g++) { asked[g] = input_gate(s.slot, g, j); }
    }
    if (s.t > 0u || FIRST == 1u) {
        for (var r = 0u; r < HELD; r++) {
            let h = state[(s.before * HELD + r) * PARTS + part];
            let at = (part * HELD + r) * PRODUCTS * UNITS + j;
            sums[at] = add_chunk(0.0, h, held[0]);
            if (PRODUCTS > 1u) { sums[at + UNITS] = add_chunk(0.0, h, held[1]); }
            if (PRODUCTS > 2u) { sums[at + 2u * UNITS] = add_chunk(0.0, h, held[2]); }
            if (PRODUCTS > 3u) { sums[at + 3u * UNITS] = add_chunk(0.0, h, held[3]); }
        }
    }
}

fn gate(s: Step, which: u32, j: u32) -> Lanes { return asked[which]; }

fn product(s: Step, j: u32) -> array<Lanes, 4> {
    var q = bias;
    if (s.t > 0u || FIRST == 1u) {
        for (var p = 0u; p < PARTS; p++) {
            let at = (p * HELD + part) * PRODUCTS * UNITS + j;
            q[0] += sums[at];
            if (PRODUCTS > 1u) { q[1] += sums[at + UNITS]; }
            if (PRODUCTS > 2u) { q[2] += sums[at + 2u * UNITS]; }
            if (PRODUCTS > 3u) { q[3] += sums[at + 3u * UNITS]; }
        }
    }
    return q;
}
