// Transposes several small matrices. A workgroup owns 256 numbers of the output, a thread one.

struct Params {
    matrices: u32,  // A
    end: u32,       // numbers of the output, with the gaps between matrices
}

@group(0) @binding(0) var<storage, read> matrices: array<vec4<u32>>;  // [A, 4] first in out, first in weights, M, N
@group(0) @binding(1) var<storage, read> weights: array<f32>;         // of each matrix [M, N]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;       // of each matrix [N, M]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let number = (group.x + group.y * groups.x) * 256u + thread;
    if (number >= params.end) { return; }
    var own = 0u;
    for (var next = 1u; next < params.matrices; next++) { own = select(own, next, number >= matrices[next].x); }
    let matrix = matrices[own];
    let at = number - matrix.x;
    if (at >= matrix.z * matrix.w) { return; }
    out[number] = weights[matrix.y + (at % matrix.z) * matrix.w + at / matrix.z];
}
