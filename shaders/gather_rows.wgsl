// Rows of a table by index. A workgroup owns one row of the output.

struct Params {
    count: u32,  // N
    width: u32,  // D
}

@group(0) @binding(0) var<storage, read> ids: array<u32>;         // [N]
@group(0) @binding(1) var<storage, read> table: array<f32>;       // [V, D]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;   // [N, D]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.x + group.y * groups.x;
    if (row >= params.count) { return; }
    let id = ids[row];
    for (var column = thread; column < params.width; column += 64u) {
        out[row * params.width + column] = table[id * params.width + column];
    }
}
