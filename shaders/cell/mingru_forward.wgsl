// Minimal GRU, forward: h' = (1 - z) h + z c. Gates z and c read the input alone.

fn unit(s: Step, j: u32) -> Lanes {
    let z = sigmoid(gate(s, 0u, j));
    let c = activate(gate(s, 1u, j));
    let h = before(s, j);
    keep(s, j, 0u, 3u, array<Lanes, 6>(z, c, h, h, h, h));
    return h + z * (c - h);
}
