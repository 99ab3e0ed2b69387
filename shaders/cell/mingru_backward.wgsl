// Minimal GRU, backward: the tape z, c, h becomes dz, dc, h.

fn unit(s: Step, j: u32, g: Lanes) -> Lanes {
    let z = load(s, 0u, j);
    let c = load(s, 1u, j);
    let h = load(s, 2u, j);
    let d_z = g * (c - h) * z * (1.0 - z);
    let d_c = g * z * slope(c);
    give(s, j, 0u, 2u, array<Lanes, 6>(d_z, d_c, h, h, h, h));
    return g * (1.0 - z);
}
