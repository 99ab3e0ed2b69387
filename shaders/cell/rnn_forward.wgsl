// Plain (Elman) unit, forward: h' = phi(x W + b + h U + c).

fn unit(s: Step, j: u32) -> Lanes {
    let q = product(s, j);
    let h = activate(gate(s, 0u, j) + q[0]);
    keep(s, 0u, j, h);
    return h;
}
