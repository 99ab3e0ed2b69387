// LSTM, backward: the tape i, f, g, o, c, h becomes di, df, dg, do, c, h.

fn unit(s: Step, j: u32, d_h: Lanes) -> Lanes {
    let i = load(s, 0u, j);
    let f = load(s, 1u, j);
    let g = load(s, 2u, j);
    let o = load(s, 3u, j);
    let c = load(s, 4u, j);
    let given = carry[MEMORY][j / CHUNK][j % CHUNK];
    let y = tanh_exact(f * c + i * g);
    let d_c = given + d_h * o * (1.0 - y * y);
    let d_i = d_c * g * i * (1.0 - i);
    let d_f = d_c * c * f * (1.0 - f);
    let d_g = d_c * i * (1.0 - g * g);
    let d_o = d_h * y * o * (1.0 - o);
    give(s, j, 0u, 4u, array<Lanes, 6>(d_i, d_f, d_g, d_o, c, c));
    carry[MEMORY][j / CHUNK][j % CHUNK] = select(given, d_c * f, s.live);
    // All of the state's gradient goes through the gates.
    return Lanes(0.0);
}
