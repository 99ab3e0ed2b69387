// h U, forward, of weights that every step reads anew. A thread owns hidden units thread, thread + THREADS, ... of LANES rows.

const ROWS: u32 = LANES;
fn unit_of(thread: u32) -> u32 { return thread; }
fn row_of(first: u32, thread: u32) -> u32 { return first; }
fn owns(thread: u32) -> bool { return true; }
fn take(j: u32) {}
fn ask(s: Step, j: u32) {}

var<workgroup> state: array<Column, 2u + MEMORY>;

fn on_chip(column: u32, j: u32) -> Lanes { return state[column][j / CHUNK][j % CHUNK]; }
fn put(column: u32, j: u32, value: Lanes) { state[column][j / CHUNK][j % CHUNK] = value; }

fn gate(s: Step, which: u32, j: u32) -> Lanes {
    var values = Lanes(0.0);
    for (var l = 0u; l < LANES; l++) {
        values = put_lane(values, l, input_gate(index(s.slot, l), which, j));
    }
    return values;
}

fn weight(at: u32) -> f32 { return own_weight(at); }

fn product(s: Step, j: u32) -> array<Lanes, 4> {
    var q: array<Lanes, 4>;
    if (BIAS == 1u) {
        q[0] = Lanes(weight(H * WIDE + j));
        if (PRODUCTS > 1u) { q[1] = Lanes(weight(H * WIDE + H + j)); }
        if (PRODUCTS > 2u) { q[2] = Lanes(weight(H * WIDE + 2u * H + j)); }
        if (PRODUCTS > 3u) { q[3] = Lanes(weight(H * WIDE + 3u * H + j)); }
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
            q[0] += h * weight(at);
            if (PRODUCTS > 1u) { q[1] += h * weight(at + H); }
            if (PRODUCTS > 2u) { q[2] += h * weight(at + 2u * H); }
            if (PRODUCTS > 3u) { q[3] += h * weight(at + 3u * H); }
        }
    }
    return q;
}
