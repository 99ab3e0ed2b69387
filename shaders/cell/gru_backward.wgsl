// GRU, backward: the tape n, r, z, q, h becomes dn, dr, dz, dq, h.

fn unit(s: Step, j: u32, g: Lanes) -> Lanes {
    let n = load(s, 0u, j);
    let r = load(s, 1u, j);
    let z = load(s, 2u, j);
    let q = load(s, 3u, j);
    let d_n = g * (1.0 - z) * slope(n);
    give(s, 0u, j, d_n);
    give(s, 1u, j, d_n * q * r * (1.0 - r));
    give(s, 2u, j, g * (load(s, 4u, j) - n) * z * (1.0 - z));
    give(s, 3u, j, d_n * r);
    return g * z;
}
