// GRU with the reset gate before the product, backward: the tape n, r, z, r h, h becomes dn, dr, dz, r h, h.
const PHASES: u32 = 2u;

var<workgroup> delta_n: Column;

fn unit(s: Step, j: u32, g: Lanes) -> Lanes {
    let n = load(s, 0u, j);
    let z = load(s, 2u, j);
    let h = load(s, 4u, j);
    let d_n = g * (1.0 - z) * slope(n);
    let d_z = g * (h - n) * z * (1.0 - z);
    give(s, j, 0u, 1u, array<Lanes, 6>(d_n, d_n, d_n, d_n, d_n, d_n));
    give(s, j, 2u, 1u, array<Lanes, 6>(d_z, d_z, d_z, d_z, d_z, d_z));
    delta_n[j / CHUNK][j % CHUNK] = select(Lanes(0.0), d_n, s.live);
    return g * z;
}

fn settle(s: Step, j: u32) {
    let r = load(s, 1u, j);
    let h = load(s, 4u, j);
    // The gradient of r h.
    var g = Lanes(0.0);
    for (var c = 0u; c < WHOLE; c++) { g = add_chunk(g, delta_n[c], take_chunk(CANDIDATE + CHUNK * c * H + j, H)); }
    for (var i = CHUNK * WHOLE; i < H; i++) { g += delta_n[i / CHUNK][i % CHUNK] * weight(CANDIDATE + i * H + j); }
    let d_r = g * h * r * (1.0 - r);
    give(s, j, 1u, 1u, array<Lanes, 6>(d_r, d_r, d_r, d_r, d_r, d_r));
    carry[0][j / CHUNK][j % CHUNK] += select(Lanes(0.0), g * r, s.live);
}
