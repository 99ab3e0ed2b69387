// GRU, forward, with the reset gate before the product: n = phi(x W + b + (r h) U). Gates of the input n, r, z; of the state
// r and z, and n by a matrix of its own, which begins at CANDIDATE.
const PHASES: u32 = 2u;

var<workgroup> reset: array<Lanes, H>;     // r h
var<workgroup> update: array<Lanes, H>;    // z

fn prepare(s: Step, j: u32) {
    let q = product(s, j);
    let r = sigmoid(gate(s, 1u, j) + q[0]);
    reset[j] = r * state[s.before + j];
    update[j] = sigmoid(gate(s, 2u, j) + q[1]);
    keep(s, 1u, j, r);
    keep(s, 2u, j, update[j]);
    keep(s, 3u, j, reset[j]);
}

fn unit(s: Step, j: u32) -> Lanes {
    var a = gate(s, 0u, j);
    if (s.t > 0u || FIRST == 1u) {
        for (var i = 0u; i < H; i++) { a += reset[i] * weights[CANDIDATE + i * H + j]; }
    }
    let n = activate(a);
    keep(s, 0u, j, n);
    return n + update[j] * (state[s.before + j] - n);
}
