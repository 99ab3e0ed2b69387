// The GRU's recurrence over one level, backward, in place on the tape that gru_forward wrote.
// A workgroup owns LANES rows; see recurrence/.

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;            // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> weights_transposed: array<f32>;    // [3H, H]
@group(0) @binding(2) var<storage, read> outputs_gradient: array<f32>;      // [P, W]
@group(0) @binding(3) var<storage, read_write> tape: array<f32>;            // [P, 5H] r, z, n, q, h -> dr, dz, dn, dq, h
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;        // [R, W] of the state, carried over spans
@group(1) @binding(0) var<uniform> params: Params;

const TAPE: u32 = 5u * H;

var<workgroup> carry: array<Lanes, H>;        // gradient of the state
var<workgroup> delta: array<Lanes, 3 * H>;    // dr, dz, dq of the step

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
    }

    for (var t = min(params.end, own.longest); t > params.begin; t--) {
        let live = Indices(t) <= own.steps;
        let position = position_of(own, t - 1u);
        // A lane that does not live may meet another row's numbers here: all of its results are dropped.
        for (var j0 = 0u; j0 < H; j0 += THREADS) {
            let j = j0 + thread;
            if (j >= H) { continue; }
            let r = load(position, j);
            let z = load(position, H + j);
            let n = load(position, 2u * H + j);
            let q = load(position, 3u * H + j);
            let h = load(position, 4u * H + j);
            let g = carry[j] + output_gradient(position, j);
            let d_n = g * (1.0 - z) * slope(n);
            let d_r = d_n * q * r * (1.0 - r);
            let d_z = g * (h - n) * z * (1.0 - z);
            let d_q = d_n * r;
            save(own, t - 1u, position, j, d_r);
            save(own, t - 1u, position, H + j, d_z);
            save(own, t - 1u, position, 2u * H + j, d_n);
            save(own, t - 1u, position, 3u * H + j, d_q);
            delta[j] = select(Lanes(0.0), d_r, live);
            delta[H + j] = select(Lanes(0.0), d_z, live);
            delta[2u * H + j] = select(Lanes(0.0), d_q, live);
            carry[j] = select(carry[j], g * z, live);
        }
        workgroupBarrier();
        // Nothing is asked of the state before the first step: it is 0.
        if (t > 1u) {
            for (var j0 = 0u; j0 < H; j0 += THREADS) {
                let j = j0 + thread;
                if (j >= H) { continue; }
                var sum = carry[j];
                for (var i = 0u; i < 3u * H; i++) {
                    sum += delta[i] * weights_transposed[i * H + j];
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
    }
}
