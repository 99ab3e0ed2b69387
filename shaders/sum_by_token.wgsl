// Sums rows by groups, in the order in which the host listed them. A workgroup owns one group of one strand,
// a thread its columns thread, thread + 64, ...
// Constant LISTED: groups name their rows in members; otherwise they are the rows starts[g]..starts[g+1].

struct Params {
    groups: u32,
    width: u32,       // columns summed
    stride: u32,      // numbers from row to row of values
    accumulate: u32,  // 1: add to what stands in out
    strands: u32,
    values_apart: u32, // numbers from a strand's values to the next one's
    out_apart: u32,
}

@group(0) @binding(0) var<storage, read> members: array<u32>;     // [P]
@group(0) @binding(1) var<storage, read> starts: array<u32>;      // [groups+1]
@group(0) @binding(2) var<storage, read> values: array<f32>;      // [strands][*, stride]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;   // [strands][groups, width]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let at = group.x + group.y * groups.x;
    let strand = at / params.groups;
    if (strand >= params.strands) { return; }
    let own = at % params.groups;
    let first_value = strand * params.values_apart;
    let first_out = strand * params.out_apart + own * params.width;
    let begin = starts[own];
    let end = starts[own + 1u];
    for (var column = thread; column < params.width; column += 64u) {
        var sum = 0.0;
        if (params.accumulate == 1u) { sum = out[first_out + column]; }
        for (var member = begin; member < end; member++) {
            var row = member;
            if (LISTED == 1u) { row = members[member]; }
            sum += values[first_value + row * params.stride + column];
        }
        out[first_out + column] = sum;
    }
}
