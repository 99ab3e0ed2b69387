// GRU, forward: h' = (1 - z) n + z h, the reset gate after the product. Gates of the input n, r, z; of the state r, z, n.

fn unit(s: Step, j: u32) -> Lanes {
    let x_n = gate(s, 0u, j);
    let x_r = gate(s, 1u, j);
    let x_z = gate(s, 2u, j);
    let q = product(s, j);
    let r = sigmoid(x_r + q[0]);
    let z = sigmoid(x_z + q[1]);
    let n = activate(x_n + r * q[2]);
    let h = before(s, j);
    keep(s, j, 0u, 5u, array<Lanes, 6>(n, r, z, q[2], h, h));
    return n + z * (h - n);
}
