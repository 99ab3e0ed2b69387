// Plain (Elman) unit, forward: h' = phi(x W + b + h U + c).

fn unit(s: Step, j: u32) -> Lanes {
    let x = gate(s, 0u, j);
    let q = product(s, j);
    let next = activate(x + q[0]);
    let h = before(s, j);
    keep(s, j, 0u, 2u, array<Lanes, 6>(next, h, h, h, h, h));
    return next;
}
