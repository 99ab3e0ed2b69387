// GRU, forward: h' = (1 - z) n + z h, the reset gate after the product. Gates of the input n, r, z; of the state r, z, n.

fn unit(s: Step, j: u32) -> Lanes {
    let q = product(s, j);
    let r = sigmoid(gate(s, 1u, j) + q[0]);
    let z = sigmoid(gate(s, 2u, j) + q[1]);
    let n = activate(gate(s, 0u, j) + r * q[2]);
    keep(s, 0u, j, n);
    keep(s, 1u, j, r);
    keep(s, 2u, j, z);
    keep(s, 3u, j, q[2]);
    return n + z * (state[s.before + j] - n);
}
