// The plain (Elman) recurrence over one level, backward, in place on the tape that rnn_forward wrote.
// A workgroup owns LANES rows; see recurrence/.

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;            // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> weights_transposed: array<f32>;    // [H, H]
@group(0) @binding(2) var<storage, read> outputs_gradient: array<f32>;      // [P, W]
@group(0) @binding(3) var<storage, read_write> tape: array<f32>;            // [P, 2H] h after, h before -> da, h before
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;        // [R, W] of the state, carried over spans
@group(1) @binding(0) var<uniform> params: Params;

const TAPE: u32 = 2u * H;

var<workgroup> carry: array<Lanes, H>;    // gradient of the state
var<workgroup> delta: array<Lanes, H>;    // da of the step

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
            let d_a = (carry[j] + output_gradient(position, j)) * slope(load(position, j));
            save(own, t - 1u, position, j, d_a);
            delta[j] = select(Lanes(0.0), d_a, live);
            carry[j] = select(carry[j], Lanes(0.0), live);
        }
        workgroupBarrier();
        // Nothing is asked of the state before the first step: it is 0.
        if (t > 1u) {
            for (var j0 = 0u; j0 < H; j0 += THREADS) {
                let j = j0 + thread;
                if (j >= H) { continue; }
                var sum = carry[j];
                for (var i = 0u; i < H; i++) { sum += delta[i] * weights_transposed[i * H + j]; }
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
