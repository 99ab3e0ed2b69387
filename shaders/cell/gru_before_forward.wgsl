// GRU, forward, with the reset gate before the product: n = phi(x W + b + (r h) U). Gates of the input n, r, z; of the state
// r and z, and n by a matrix of its own, which begins at CANDIDATE.
const PHASES: u32 = 2u;

var<workgroup> reset: Column;     // r h
var<workgroup> update: Column;    // z

fn prepare(s: Step, j: u32) {
    let x_r = gate(s, 1u, j);
    let x_z = gate(s, 2u, j);
    let q = product(s, j);
    let h = before(s, j);
    let r = sigmoid(x_r + q[0]);
    let z = sigmoid(x_z + q[1]);
    reset[j / CHUNK][j % CHUNK] = r * h;
    update[j / CHUNK][j % CHUNK] = z;
    keep(s, j, 1u, 4u, array<Lanes, 6>(r, z, r * h, h, h, h));
}

fn unit(s: Step, j: u32) -> Lanes {
    var a = gate(s, 0u, j);
    if (s.t > 0u || FIRST == 1u) {
        for (var c = 0u; c < WHOLE; c++) { a = add_chunk(a, reset[c], take_chunk(CANDIDATE + CHUNK * c * H + j, H)); }
        for (var i = CHUNK * WHOLE; i < H; i++) { a += reset[i / CHUNK][i % CHUNK] * weight(CANDIDATE + i * H + j); }
    }
    let n = activate(a);
    keep(s, j, 0u, 1u, array<Lanes, 6>(n, n, n, n, n, n));
    return n + update[j / CHUNK][j % CHUNK] * (before(s, j) - n);
}
