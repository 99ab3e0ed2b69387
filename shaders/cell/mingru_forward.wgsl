// Minimal GRU, forward: h' = (1 - z) h + z c. Gates z and c read the input alone.

fn unit(s: Step, j: u32) -> Lanes {
    let z = sigmoid(gate(s, 0u, j));
    let c = activate(gate(s, 1u, j));
    keep(s, 0u, j, z);
    keep(s, 1u, j, c);
    let h = state[s.before + j];
    return h + z * (c - h);
}
