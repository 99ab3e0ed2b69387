// The plain (Elman) recurrence over one level, forward: h' = phi(x W + b + h U + c).
// A workgroup owns LANES rows; see recurrence/.

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;     // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> slots: array<u32>;          // [P] row of gates of every step
@group(0) @binding(2) var<storage, read> gates: array<f32>;          // [N, H] x W + b
@group(0) @binding(3) var<storage, read> weights: array<f32>;        // [H+1, H] U, then the bias c
@group(0) @binding(4) var<storage, read_write> tape: array<f32>;     // [P, 2H] h after and before the step
@group(0) @binding(5) var<storage, read_write> last: array<f32>;     // [R, W] state after the last step run
@group(0) @binding(6) var<storage, read_write> outputs: array<f32>;  // [P, W] state after every step
@group(1) @binding(0) var<uniform> params: Params;

const WIDTH: u32 = H;
const TAPE: u32 = 2u * H;

// The states of the rows before and after a step, in turn.
var<workgroup> state: array<Lanes, 2 * H>;

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

    var before = 0u;
    for (var t = params.begin; t < end; t++) {
        let live = Indices(t) < own.steps;
        let position = position_of(own, t);
        let slot = slots_of(position);
        let after = H - before;
        for (var j0 = 0u; j0 < H; j0 += THREADS) {
            let j = j0 + thread;
            if (j >= H) { continue; }
            var a = gates_at(slot, j) + weights[H * H + j];
            // The first step begins from h = 0.
            if (t > 0u) {
                for (var i = 0u; i < H; i++) { a += state[before + i] * weights[i * H + j]; }
            }
            let h = state[before + j];
            let next = select(h, activate(a), live);
            state[after + j] = next;
            put_output(own, t, position, j, next);
            if (SAVE == 1u) {
                save(own, t, position, j, next);
                save(own, t, position, H + j, h);
            }
        }
        before = after;
        workgroupBarrier();
    }
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j >= H) { continue; }
        put_last(own, j, state[before + j]);
    }
}
