// Plain (Elman) unit, backward: the tape h', h becomes da, h.

fn unit(s: Step, j: u32, g: Lanes) -> Lanes {
    give(s, 0u, j, g * slope(load(s, 0u, j)));
    // All of the state's gradient goes through the activation.
    return Lanes(0.0);
}
