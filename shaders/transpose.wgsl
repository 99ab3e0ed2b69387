// Transposes a small matrix. A workgroup owns 256 numbers of the output, a thread one.

struct Params {
    m: u32,
    n: u32,
}

@group(0) @binding(0) var<storage, read> matrix: array<f32>;      // [M, N]
@group(0) @binding(1) var<storage, read_write> out: array<f32>;   // [N, M]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let at = (group.x + group.y * groups.x) * 256u + thread;
    if (at >= params.m * params.n) { return; }
    out[at] = matrix[(at % params.m) * params.n + at / params.m];
}
