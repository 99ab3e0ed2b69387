// LSTM, forward: c' = f c + i g, h' = o tanh(c'). Gates i, f, g, o of input and state.

fn unit(s: Step, j: u32) -> Lanes {
    let x_i = gate(s, 0u, j);
    let x_f = gate(s, 1u, j);
    let x_g = gate(s, 2u, j);
    let x_o = gate(s, 3u, j);
    let q = product(s, j);
    let i = sigmoid(x_i + q[0]);
    let f = sigmoid(x_f + q[1]);
    let g = tanh_exact(x_g + q[2]);
    let o = sigmoid(x_o + q[3]);
    let c = second(j);
    let next = f * c + i * g;
    put(1u + MEMORY, j, select(c, next, s.live));
    keep(s, j, 0u, 6u, array<Lanes, 6>(i, f, g, o, c, before(s, j)));
    return o * tanh_exact(next);
}
