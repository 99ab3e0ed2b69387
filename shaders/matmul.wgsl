// A tiled matrix product in three forms (constant FORM):
//   0 project          out [M, N] = a [M, K] * b [K, N] + row K of b
//   1 input gradient   out [M, N] = a [M, K] * transpose of b [N, K]
//   2 weight gradient  out [splits, M, N]: per part of the K rows, transpose of [a | 1] * b; a is [K, M-1]
// of every strand, but for an input gradient, which is summed over the strands.
// A workgroup owns 64 x 64 numbers of the output (of one part and one strand); a thread owns 8 x 8 of them: 4 and, 32 further
// on, 4 more in both directions, so that neighbouring threads read neighbouring vectors of the tiles.
// Constant AT_ONCE: a thread asks for all that it brings for the tiles before it keeps any of it (4 items of both), as a GPU waits
// for each load that is used at once; or for one item after the other (1), which is a third faster on llvmpipe.

struct Params {
    m: u32,
    n: u32,
    k: u32,
    a_stride: u32,   // numbers from row to row of a
    a_column: u32,   // first column of a that counts
    b_stride: u32,
    b_column: u32,   // and of b
    out_first: u32,  // first number of out that is the product's own
    per_split: u32,  // rows of the sum in one part
    accumulate: u32, // 1: add to what stands in out (gradients)
    bias: u32,       // 1: a column of ones stands behind a (weight gradients)
    strands: u32,
    a_apart: u32,    // numbers from a strand's a to the next one's
    b_apart: u32,
    out_apart: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;           // [M, K] or [K, M-1], rows a_stride apart
@group(0) @binding(1) var<storage, read> b: array<f32>;           // [K+1, N], [N, K] or [K, N], rows b_stride apart
@group(0) @binding(2) var<storage, read_write> out: array<f32>;   // from out_first on [splits, M, N]
@group(1) @binding(0) var<uniform> params: Params;

// 16 steps of the sum; 4 neighbouring rows (of a) or columns (of b) to a vec4.
var<workgroup> tile_a: array<vec4<f32>, 256>;    // [16, 64]
var<workgroup> tile_b: array<vec4<f32>, 256>;    // [16, 64]

// The strand whose product is at hand: where its operands begin, and its own numbers of out.
var<private> first_a: u32;
var<private> first_b: u32;
var<private> first_out: u32;

fn take_strand(strand: u32) {
    first_a = strand * params.a_apart + params.a_column;
    first_b = strand * params.b_apart + params.b_column;
    first_out = strand * params.out_apart + params.out_first;
}

// Numbers beyond an edge are 0, and are read where there is no edge: a branch would have every load wait for itself.
fn load_a(row: u32, step: u32, end: u32) -> f32 {
    let inside = (row < params.m) & (step < end);
    if (FORM == 2u) {
        // The column of ones behind a sums the rows of b: the gradient of the bias.
        let ones = (params.bias == 1u) & (row == params.m - 1u);
        let value = a[select(0u, step * params.a_stride + first_a + row, inside & !ones)];
        return select(select(0.0, value, inside), 1.0, inside & ones);
    }
    return select(0.0, a[select(0u, row * params.a_stride + first_a + step, inside)], inside);
}

fn load_b(step: u32, column: u32, end: u32) -> f32 {
    let inside = (column < params.n) & (step < end);
    var at = step * params.b_stride + first_b + column;
    if (FORM == 1u) { at = column * params.b_stride + first_b + step; }
    return select(0.0, b[select(0u, at, inside)], inside);
}

// Four numbers for the tiles: neighbouring threads read neighbouring numbers, along the steps where rows are contiguous in
// them.
fn item_a(item: u32, first_row: u32, slab: u32, end: u32) -> vec4<f32> {
    var row = first_row + 4u * (item / 16u);
    var step = slab + item % 16u;
    if (FORM == 2u) {
        row = first_row + 4u * (item % 16u);
        step = slab + item / 16u;
    }
    return vec4(load_a(row, step, end), load_a(row + 1u, step, end), load_a(row + 2u, step, end), load_a(row + 3u, step, end));
}

fn item_b(item: u32, first_column: u32, slab: u32, end: u32) -> vec4<f32> {
    var column = first_column + 4u * (item % 16u);
    var step = slab + item / 16u;
    if (FORM == 1u) {
        column = first_column + 4u * (item / 16u);
        step = slab + item % 16u;
    }
    return vec4(
        load_b(step, column, end), load_b(step, column + 1u, end), load_b(step, column + 2u, end), load_b(step, column + 3u, end));
}

// Where an item stands in a tile, as it was read or with steps and the other side exchanged.
fn exchanged(item: u32) -> u32 { return item % 16u * 16u + item / 16u; }

fn keep_a(item: u32, values: vec4<f32>) {
    if (FORM == 2u) { tile_a[item] = values; } else { tile_a[exchanged(item)] = values; }
}

fn keep_b(item: u32, values: vec4<f32>) {
    if (FORM == 1u) { tile_b[exchanged(item)] = values; } else { tile_b[item] = values; }
}

fn store(split: u32, row: u32, column: u32, sum: vec4<f32>) {
    if (row >= params.m) { return; }
    for (var i = 0u; i < 4u; i++) {
        if (column + i < params.n) {
            var value = sum[i];
            if (FORM == 0u) { value += b[first_b + params.k * params.b_stride + column + i]; }
            let at = first_out + (split * params.m + row) * params.n + column + i;
            if (FORM != 0u && params.accumulate == 1u) { value += out[at]; }
            out[at] = value;
        }
    }
}

// A row of a thread's own: four columns, and 32 further on four more.
fn store_row(split: u32, row: u32, column: u32, first: vec4<f32>, second: vec4<f32>) {
    store(split, row, column, first);
    store(split, row, column + 32u, second);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let column_tiles = (params.n + 63u) / 64u;
    let first_row = (group.x + group.y * groups.x) * 64u;
    let first_column = (group.z % column_tiles) * 64u;
    let splits = (params.k + params.per_split - 1u) / params.per_split;
    let part = group.z / column_tiles;
    let split = part % splits;
    let begin = split * params.per_split;
    let end = min(begin + params.per_split, params.k);
    var strand = part / splits;
    take_strand(strand);
    // An input gradient is summed over all strands: their slabs follow one another.
    var stop = end;
    if (FORM == 1u) { stop = (end + 15u) / 16u * 16u * params.strands; }
    var passed = 0u;

    let row = thread / 8u;      // of 8 groups of 4 rows, twice
    let column = thread % 8u;   // of 8 groups of 4 columns, twice
    // sumRC: row R of the thread's own, the first or the second four columns.
    var sum00 = vec4(0.0);
    var sum01 = vec4(0.0);
    var sum10 = vec4(0.0);
    var sum11 = vec4(0.0);
    var sum20 = vec4(0.0);
    var sum21 = vec4(0.0);
    var sum30 = vec4(0.0);
    var sum31 = vec4(0.0);
    var sum40 = vec4(0.0);
    var sum41 = vec4(0.0);
    var sum50 = vec4(0.0);
    var sum51 = vec4(0.0);
    var sum60 = vec4(0.0);
    var sum61 = vec4(0.0);
    var sum70 = vec4(0.0);
    var sum71 = vec4(0.0);
    for (var at = begin; at < stop; at += 16u) {
        let slab = at - passed;
        if (AT_ONCE == 1u) {
            for (var item = thread; item < 256u; item += 64u) {
                keep_a(item, item_a(item, first_row, slab, end));
                keep_b(item, item_b(item, first_column, slab, end));
            }
        } else {
            let a0 = item_a(thread, first_row, slab, end);
            let a1 = item_a(64u + thread, first_row, slab, end);
            let a2 = item_a(128u + thread, first_row, slab, end);
            let a3 = item_a(192u + thread, first_row, slab, end);
            let b0 = item_b(thread, first_column, slab, end);
            let b1 = item_b(64u + thread, first_column, slab, end);
            let b2 = item_b(128u + thread, first_column, slab, end);
            let b3 = item_b(192u + thread, first_column, slab, end);
            keep_a(thread, a0);
            keep_a(64u + thread, a1);
            keep_a(128u + thread, a2);
            keep_a(192u + thread, a3);
            keep_b(thread, b0);
            keep_b(64u + thread, b1);
            keep_b(128u + thread, b2);
            keep_b(192u + thread, b3);
        }
        workgroupBarrier();
        for (var step = 0u; step < 16u; step++) {
            let a0 = tile_a[step * 16u + row];
            let a1 = tile_a[step * 16u + 8u + row];
            let b0 = tile_b[step * 16u + column];
            let b1 = tile_b[step * 16u + 8u + column];
            sum00 += a0.x * b0;
            sum01 += a0.x * b1;
            sum10 += a0.y * b0;
            sum11 += a0.y * b1;
            sum20 += a0.z * b0;
            sum21 += a0.z * b1;
            sum30 += a0.w * b0;
            sum31 += a0.w * b1;
            sum40 += a1.x * b0;
            sum41 += a1.x * b1;
            sum50 += a1.y * b0;
            sum51 += a1.y * b1;
            sum60 += a1.z * b0;
            sum61 += a1.z * b1;
            sum70 += a1.w * b0;
            sum71 += a1.w * b1;
        }
        workgroupBarrier();
        if (FORM == 1u && slab + 16u >= end) {
            passed = at + 16u;
            strand++;
            take_strand(strand);
        }
    }
    let out_row = first_row + 4u * row;
    let out_column = first_column + 4u * column;
    store_row(split, out_row, out_column, sum00, sum01);
    store_row(split, out_row + 1u, out_column, sum10, sum11);
    store_row(split, out_row + 2u, out_column, sum20, sum21);
    store_row(split, out_row + 3u, out_column, sum30, sum31);
    store_row(split, out_row + 32u, out_column, sum40, sum41);
    store_row(split, out_row + 33u, out_column, sum50, sum51);
    store_row(split, out_row + 34u, out_column, sum60, sum61);
    store_row(split, out_row + 35u, out_column, sum70, sum71);
}
