// LSTM, forward: c' = f c + i g, h' = o tanh(c'). Gates i, f, g, o of input and state.

fn unit(s: Step, j: u32) -> Lanes {
    let q = product(s, j);
    let i = sigmoid(gate(s, 0u, j) + q[0]);
    let f = sigmoid(gate(s, 1u, j) + q[1]);
    let g = tanh_exact(gate(s, 2u, j) + q[2]);
    let o = sigmoid(gate(s, 3u, j) + q[3]);
    let c = state[MEMORY_AT + j];
    let next = f * c + i * g;
    state[MEMORY_AT + j] = select(c, next, s.live);
    keep(s, 0u, j, i);
    keep(s, 1u, j, f);
    keep(s, 2u, j, g);
    keep(s, 3u, j, o);
    keep(s, 4u, j, c);
    return o * tanh_exact(next);
}
