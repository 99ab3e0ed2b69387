// Rows of a table by index, or zeros, alone or added to what is there. A workgroup owns one row of the output.

const NO_ROW: u32 = 0xffffffffu;

struct Params {
    count: u32,        // N
    width: u32,        // D
    from_stride: u32,  // numbers from row to row of table
    from_column: u32,  // where the rows begin in those of table
    to_stride: u32,    // numbers from row to row of out
    to_column: u32,    // where the rows begin in those of out
    accumulate: u32,   // 1: add to what is there
}

@group(0) @binding(0) var<storage, read> ids: array<u32>;         // [N]
@group(0) @binding(1) var<storage, read> table: array<f32>;       // [V, from_stride]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;   // [N, to_stride]
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
        var value = 0.0;
        if (id != NO_ROW) { value = table[id * params.from_stride + params.from_column + column]; }
        let at = row * params.to_stride + params.to_column + column;
        if (params.accumulate == 1u) { value += out[at]; }
        out[at] = value;
    }
}
