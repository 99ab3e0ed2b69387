// LSTM, backward: the tape i, f, g, o, c, h becomes di, df, dg, do, c, h.

fn unit(s: Step, j: u32, d_h: Lanes) -> Lanes {
    let i = load(s, 0u, j);
    let f = load(s, 1u, j);
    let g = load(s, 2u, j);
    let o = load(s, 3u, j);
    let c = load(s, 4u, j);
    let y = tanh_exact(f * c + i * g);
    let d_c = carry[H + j] + d_h * o * (1.0 - y * y);
    give(s, 0u, j, d_c * g * i * (1.0 - i));
    give(s, 1u, j, d_c * c * f * (1.0 - f));
    give(s, 2u, j, d_c * i * (1.0 - g * g));
    give(s, 3u, j, d_h * y * o * (1.0 - o));
    carry[H + j] = select(carry[H + j], d_c * f, s.live);
    // All of the state's gradient goes through the gates.
    return Lanes(0.0);
}
