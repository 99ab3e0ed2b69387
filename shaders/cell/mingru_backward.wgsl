// Minimal GRU, backward: the tape z, c, h becomes dz, dc, h.

fn unit(s: Step, j: u32, g: Lanes) -> Lanes {
    let z = load(s, 0u, j);
    let c = load(s, 1u, j);
    give(s, 0u, j, g * (c - load(s, 2u, j)) * z * (1.0 - z));
    give(s, 1u, j, g * z * slope(c));
    return g * (1.0 - z);
}
