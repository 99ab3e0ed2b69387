// The LSTM's recurrence over one level, forward: c' = f c + i g, h' = o tanh(c').
// A workgroup owns LANES rows; see recurrence/.

@group(0) @binding(0) var<storage, read> rows: array<vec2<u32>>;     // [R, 2] first step, number of steps
@group(0) @binding(1) var<storage, read> slots: array<u32>;          // [P] row of gates of every step
@group(0) @binding(2) var<storage, read> gates: array<f32>;          // [N, 4H] x W + b: i, f, g, o
@group(0) @binding(3) var<storage, read> weights: array<f32>;        // [H+1, 4H] U, then the bias c
@group(0) @binding(4) var<storage, read_write> tape: array<f32>;     // [P, 6H] i, f, g, o, c and h before the step
@group(0) @binding(5) var<storage, read_write> last: array<f32>;     // [R, W] state after the last step run
@group(0) @binding(6) var<storage, read_write> outputs: array<f32>;  // [P, W] state after every step
@group(0) @binding(7) var<storage, read_write> memory: array<f32>;   // [R, H] c after the last step run
@group(1) @binding(0) var<uniform> params: Params;

const WIDTH: u32 = 4u * H;
const TAPE: u32 = 6u * H;

// The states of the rows before and after a step, in turn.
var<workgroup> state: array<Lanes, 2 * H>;
var<workgroup> cell: array<Lanes, H>;    // c

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
        var c = Lanes(0.0);
        for (var l = 0u; l < LANES; l++) {
            if (index(own.steps, l) > params.begin && params.begin > 0u) {
                c = put_lane(c, l, memory[index(own.row, l) * H + j]);
            }
        }
        cell[j] = c;
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
            var a_i = gates_at(slot, j) + weights[H * WIDTH + j];
            var a_f = gates_at(slot, H + j) + weights[H * WIDTH + H + j];
            var a_g = gates_at(slot, 2u * H + j) + weights[H * WIDTH + 2u * H + j];
            var a_o = gates_at(slot, 3u * H + j) + weights[H * WIDTH + 3u * H + j];
            // The first step begins from h = 0.
            if (t > 0u) {
                for (var k = 0u; k < H; k++) {
                    let h = state[before + k];
                    let at = k * WIDTH + j;
                    a_i += h * weights[at];
                    a_f += h * weights[at + H];
                    a_g += h * weights[at + 2u * H];
                    a_o += h * weights[at + 3u * H];
                }
            }
            let i = sigmoid(a_i);
            let f = sigmoid(a_f);
            let g = tanh_exact(a_g);
            let o = sigmoid(a_o);
            let c = cell[j];
            let h = state[before + j];
            let next_c = f * c + i * g;
            let next = select(h, o * tanh_exact(next_c), live);
            cell[j] = select(c, next_c, live);
            state[after + j] = next;
            put_output(own, t, position, j, next);
            if (SAVE == 1u) {
                save(own, t, position, j, i);
                save(own, t, position, H + j, f);
                save(own, t, position, 2u * H + j, g);
                save(own, t, position, 3u * H + j, o);
                save(own, t, position, 4u * H + j, c);
                save(own, t, position, 5u * H + j, h);
            }
        }
        before = after;
        workgroupBarrier();
    }
    for (var j0 = 0u; j0 < H; j0 += THREADS) {
        let j = j0 + thread;
        if (j >= H) { continue; }
        put_last(own, j, state[before + j]);
        for (var l = 0u; l < LANES; l++) {
            if (index(own.steps, l) > params.begin) { memory[index(own.row, l) * H + j] = lane(cell[j], l); }
        }
    }
}
