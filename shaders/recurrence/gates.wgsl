// Exact at the ends: no overflow, and NaN stays NaN.

fn sigmoid(x: Lanes) -> Lanes {
    let e = exp(-abs(x));
    return select(e, Lanes(1.0), x >= Lanes(0.0)) / (1.0 + e);
}

fn tanh_exact(x: Lanes) -> Lanes {
    let e = exp(-2.0 * abs(x));
    return sign(x) * (1.0 - e) / (1.0 + e);
}
