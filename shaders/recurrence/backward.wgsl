// Backward: the gradient of the state that the rows begin with, and what every step's output adds to it.

fn first_gradient(own: Own, j: u32) -> Lanes {
    var g = Lanes(0.0);
    if (params.fresh == 1u) { return g; }
    for (var l = 0u; l < LANES; l++) {
        if (index(own.row, l) < params.rows) {
            g = put_lane(g, l, gradient[index(own.row, l) * params.stride + params.column + j]);
        }
    }
    return g;
}

fn put_gradient(own: Own, j: u32, g: Lanes) {
    for (var l = 0u; l < LANES; l++) {
        if (index(own.row, l) < params.rows) {
            gradient[index(own.row, l) * params.stride + params.column + j] = lane(g, l);
        }
    }
}

// The gradient of a step's output; of rows that have no such step, anything.
fn output_gradient(position: Indices, j: u32) -> Lanes {
    var g = Lanes(0.0);
    if (STEPWISE == 1u) {
        for (var l = 0u; l < LANES; l++) {
            g = put_lane(g, l, outputs_gradient[index(position, l) * params.stride + params.column + j]);
        }
    }
    return g;
}
