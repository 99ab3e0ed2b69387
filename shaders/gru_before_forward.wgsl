// The GRU's recurrence over one level, forward, with the reset gate before the product: n = phi(x W + b + (r h) U).
// A workgroup owns LANES rows; see recurrence/.

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;     // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> slots: array<u32>;          // [P] row of gates of every step
@group(0) @binding(2) var<storage, read> gates: array<f32>;          // [N, 3H] x W + b: r, z, n
@group(0) @binding(3) var<storage, read> weights: array<f32>;        // [H, 2H] U of r and z, then from CANDIDATE on [H, H] of n
@group(0) @binding(4) var<storage, read_write> tape: array<f32>;     // [P, 5H] r, z, n, r h, h before the step
@group(0) @binding(5) var<storage, read_write> last: array<f32>;     // [R, W] state after the last step run
@group(0) @binding(6) var<storage, read_write> outputs: array<f32>;  // [P, W] state after every step
@group(1) @binding(0) var<uniform> params: Params;

const WIDTH: u32 = 3u * H;
const TAPE: u32 = 5u * H;

var<workgroup> state: array<Lanes, H>;
var<workgroup> reset: array<Lanes, H>;     // r h
var<workgroup> update: array<Lanes, H>;    // z

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let own = own_rows(group, groups);
    let end = min(params.end, own.longest);
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j >= H) { continue; }
        state[j] = first_state(own, j);
    }
    workgroupBarrier();

    for (var t = params.begin; t < end; t++) {
        let live = Indices(t) < own.steps;
        let position = position_of(own, t);
        let slot = slots_of(position);
        for (var j0 = 0u; j0 < H; j0 += THREADS) {
            let j = j0 + thread;
            if (j >= H) { continue; }
            var a_r = gates_at(slot, j);
            var a_z = gates_at(slot, H + j);
            // The first step begins from h = 0.
            if (t > 0u) {
                for (var i = 0u; i < H; i++) {
                    let h = state[i];
                    a_r += h * weights[i * 2u * H + j];
                    a_z += h * weights[i * 2u * H + H + j];
                }
            }
            let r = sigmoid(a_r);
            let z = sigmoid(a_z);
            reset[j] = r * state[j];
            update[j] = z;
            if (SAVE == 1u) {
                save(own, t, position, j, r);
                save(own, t, position, H + j, z);
                save(own, t, position, 3u * H + j, r * state[j]);
                save(own, t, position, 4u * H + j, state[j]);
            }
        }
        workgroupBarrier();
        for (var j0 = 0u; j0 < H; j0 += THREADS) {
            let j = j0 + thread;
            if (j >= H) { continue; }
            var a_n = gates_at(slot, 2u * H + j);
            if (t > 0u) {
                for (var i = 0u; i < H; i++) { a_n += reset[i] * weights[CANDIDATE + i * H + j]; }
            }
            let n = activate(a_n);
            let h = state[j];
            let next = select(h, n + update[j] * (h - n), live);
            state[j] = next;
            put_output(own, t, position, j, next);
            if (SAVE == 1u) { save(own, t, position, 2u * H + j, n); }
        }
        workgroupBarrier();
    }
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j >= H) { continue; }
        put_last(own, j, state[j]);
    }
}
