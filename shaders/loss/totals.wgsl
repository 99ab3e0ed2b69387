// The end of every loss: losses, hits, rows and their weights of a workgroup, added up as a tree.

var<workgroup> sums: array<vec4<f32>, 256>;

fn add_up(group: u32, thread: u32, own: vec4<f32>) {
    sums[thread] = own;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (thread < half) { sums[thread] += sums[thread + half]; }
        workgroupBarrier();
    }
    if (thread < 4u) {
        var total = sums[0][thread];
        if (params.accumulate == 1u) { total += totals[4u * group + thread]; }
        totals[4u * group + thread] = total;
    }
}
