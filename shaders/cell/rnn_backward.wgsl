// Plain (Elman) unit, backward: the tape h', h becomes da, h.

fn unit(s: Step, j: u32, g: Lanes) -> Lanes {
    let d = g * slope(load(s, 0u, j));
    give(s, j, 0u, 1u, array<Lanes, 6>(d, d, d, d, d, d));
    // All of the state's gradient goes through the activation.
    return Lanes(0.0);
}
