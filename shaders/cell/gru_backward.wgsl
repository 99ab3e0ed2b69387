// GRU, backward: the tape n, r, z, q, h becomes dn, dr, dz, dq, h.

fn unit(s: Step, j: u32, g: Lanes) -> Lanes {
    let n = load(s, 0u, j);
    let r = load(s, 1u, j);
    let z = load(s, 2u, j);
    let q = load(s, 3u, j);
    let h = load(s, 4u, j);
    let d_n = g * (1.0 - z) * slope(n);
    let d_r = d_n * q * r * (1.0 - r);
    let d_z = g * (h - n) * z * (1.0 - z);
    give(s, j, 0u, 4u, array<Lanes, 6>(d_n, d_r, d_z, d_n * r, h, h));
    return g * z;
}
