// The LSTM's recurrence over one level, backward, in place on the tape that lstm_forward wrote.
// A workgroup owns LANES rows; see recurrence/.

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;            // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> weights_transposed: array<f32>;    // [4H, H]
@group(0) @binding(2) var<storage, read> outputs_gradient: array<f32>;      // [P, W]
@group(0) @binding(3) var<storage, read_write> tape: array<f32>;            // [P, 6H] i, f, g, o, c, h -> di, df, dg, do, c, h
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;        // [R, W] of the state, carried over spans
@group(0) @binding(5) var<storage, read_write> memory_gradient: array<f32>; // [R, H] of c, carried over spans
@group(1) @binding(0) var<uniform> params: Params;

const TAPE: u32 = 6u * H;

var<workgroup> carry: array<Lanes, H>;        // gradient of the state
var<workgroup> carry_c: array<Lanes, H>;      // gradient of c
var<workgroup> delta: array<Lanes, 4 * H>;    // di, df, dg, do of the step

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let own = own_rows(group, groups);
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j >= H) { continue; }
        carry[j] = first_gradient(own, j);
        // Nothing is asked of c after the last step.
        var g = Lanes(0.0);
        for (var l = 0u; l < LANES; l++) {
            if (index(own.steps, l) > params.end) { g = put_lane(g, l, memory_gradient[index(own.row, l) * H + j]); }
        }
        carry_c[j] = g;
    }

    for (var t = min(params.end, own.longest); t > params.begin; t--) {
        let live = Indices(t) <= own.steps;
        let position = position_of(own, t - 1u);
        // A lane that does not live may meet another row's numbers here: all of its results are dropped.
        for (var j0 = 0u; j0 < H; j0 += THREADS) {
            let j = j0 + thread;
            if (j >= H) { continue; }
            let i = load(position, j);
            let f = load(position, H + j);
            let g = load(position, 2u * H + j);
            let o = load(position, 3u * H + j);
            let c = load(position, 4u * H + j);
            let d_h = carry[j] + output_gradient(position, j);
            let y = tanh_exact(f * c + i * g);
            let d_c = carry_c[j] + d_h * o * (1.0 - y * y);
            let d_i = d_c * g * i * (1.0 - i);
            let d_f = d_c * c * f * (1.0 - f);
            let d_g = d_c * i * (1.0 - g * g);
            let d_o = d_h * y * o * (1.0 - o);
            save(own, t - 1u, position, j, d_i);
            save(own, t - 1u, position, H + j, d_f);
            save(own, t - 1u, position, 2u * H + j, d_g);
            save(own, t - 1u, position, 3u * H + j, d_o);
            delta[j] = select(Lanes(0.0), d_i, live);
            delta[H + j] = select(Lanes(0.0), d_f, live);
            delta[2u * H + j] = select(Lanes(0.0), d_g, live);
            delta[3u * H + j] = select(Lanes(0.0), d_o, live);
            carry_c[j] = select(carry_c[j], d_c * f, live);
            // All of the state's gradient goes through the gates.
            carry[j] = select(carry[j], Lanes(0.0), live);
        }
        workgroupBarrier();
        // Nothing is asked of the state before the first step: it is 0.
        if (t > 1u) {
            for (var j0 = 0u; j0 < H; j0 += THREADS) {
                let j = j0 + thread;
                if (j >= H) { continue; }
                var sum = carry[j];
                for (var k = 0u; k < 4u * H; k++) {
                    sum += delta[k] * weights_transposed[k * H + j];
                }
                carry[j] = sum;
            }
        }
        workgroupBarrier();
    }
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j >= H) { continue; }
        put_gradient(own, j, carry[j]);
        for (var l = 0u; l < LANES; l++) {
            if (index(own.row, l) < params.rows) { memory_gradient[index(own.row, l) * H + j] = lane(carry_c[j], l); }
        }
    }
}
