// GRU with the reset gate before the product, backward: the tape n, r, z, r h, h becomes dn, dr, dz, r h, h.
const PHASES: u32 = 2u;

var<workgroup> delta_n: array<Lanes, H>;

fn unit(s: Step, j: u32, g: Lanes) -> Lanes {
    let n = load(s, 0u, j);
    let z = load(s, 2u, j);
    let d_n = g * (1.0 - z) * slope(n);
    give(s, 0u, j, d_n);
    give(s, 2u, j, g * (load(s, 4u, j) - n) * z * (1.0 - z));
    delta_n[j] = select(Lanes(0.0), d_n, s.live);
    return g * z;
}

fn settle(s: Step, j: u32) {
    // The gradient of r h.
    var g = Lanes(0.0);
    for (var i = 0u; i < H; i++) { g += delta_n[i] * weights_transposed[CANDIDATE + i * H + j]; }
    let r = load(s, 1u, j);
    give(s, 1u, j, g * load(s, 4u, j) * r * (1.0 - r));
    carry[j] += select(Lanes(0.0), g * r, s.live);
}
