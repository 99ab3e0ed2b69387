// The activation that the cell leaves open, by constant ACTIVATION: 0 tanh, 1 identity, 2 ReLU.

fn activate(x: Lanes) -> Lanes {
    if (ACTIVATION == 0u) { return tanh_exact(x); }
    if (ACTIVATION == 2u) { return select(x, Lanes(0.0), x < Lanes(0.0)); }
    return x;
}

// Its derivative, from its result.
fn slope(y: Lanes) -> Lanes {
    if (ACTIVATION == 0u) { return 1.0 - y * y; }
    if (ACTIVATION == 2u) { return select(Lanes(0.0), Lanes(1.0), y > Lanes(0.0)); }
    return Lanes(1.0);
}
