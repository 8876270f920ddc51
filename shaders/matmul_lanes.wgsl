// C = epilogue(A B) for software adapters with subgroups ("lanes"): up to twice as fast as matmul_rows.wgsl on the same tile.
// An invocation owns ROWS rows x COLS vec4 columns of C, the row block is the same for the whole workgroup, neighbouring invocations
// own neighbouring column groups. Software adapters expand a load lane by lane, so what counts is the number of load instructions:
// the lanes of a subgroup each load another row of A, 4 values of k at once, and hand them round with subgroupBroadcast.
// The subgroup size must be known: LANES = min = max subgroup size (4 or 8), WIDTH a multiple of it.
// Unrolled by hand, since SwiftShader keeps indexed arrays in memory; but not over q, to stay inside the instruction cache.
enable subgroups;

alias T = f32;                 // storage of a, b, bias, gate, c and rowsum; sums are f32
const ROWS: u32 = 16u;         // 8 or 16
const COLS: u32 = 2u;          // 1 or 2
const WIDTH: u32 = 16u;        // invocations of a workgroup
const LANES: u32 = 8u;         // subgroup size, 4 or 8
const TRANS_A: bool = false;   // a is stored K x M
const TRANS_B: bool = false;   // b is stored N x K
const VEC_A: bool = true;      // read a as vec4: needs not TRANS_A and k, lda, a_offset, a_batch multiples of 4
const VEC_B: bool = true;      // read b as vec4: needs not TRANS_B and n, ldb, b_offset, b_batch multiples of 4

struct Params {
  m: u32, n: u32, k: u32, batch: u32,
  lda: u32, ldb: u32,                    // elements between consecutive rows of the stored matrices
  a_offset: u32, b_offset: u32,          // elements
  a_batch: u32, b_batch: u32,            // elements between consecutive matrices, 0 broadcasts
  c_offset: u32, bias_offset: u32, gate_offset: u32, rowsum_offset: u32,
  alpha: f32, slope: f32,
  // The epilogue, as data: a compiled kernel for each combination would cost more than these branches.
  has_bias: u32,                         // 1: add bias[n]
  activation: u32,                       // 0 none, 1 relu, 2 leaky relu, 3 tanh, 4 sigmoid
  gate_activation: u32,                  // not 0: times the derivative of that activation, by its output gate[m, n]
  has_rowsum: u32,                       // 1: also rowsum[m] = sum over k of A[m, k]; batch 1 only
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<T>;
@group(0) @binding(2) var<storage, read> a4: array<vec4<T>>;   // the same memory as a
@group(0) @binding(3) var<storage, read> b: array<T>;
@group(0) @binding(4) var<storage, read> b4: array<vec4<T>>;   // the same memory as b
@group(0) @binding(5) var<storage, read> bias: array<T>;
@group(0) @binding(6) var<storage, read> gate: array<T>;
@group(0) @binding(7) var<storage, read_write> c: array<T>;
@group(0) @binding(8) var<storage, read_write> rowsum: array<T>;

fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// NaN stays NaN.
fn activate(x: f32) -> f32 {
  if (params.activation == 1u) { return select(x, 0.0, x < 0.0); }
  if (params.activation == 2u) { return select(params.slope * x, x, x > 0.0); }
  if (params.activation == 3u) { return select(tanh(clamp(x, -15.0, 15.0)), x, is_nan(x)); }
  if (params.activation == 4u) {
    let e = exp(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
  }
  return x;
}

// A gradient past an activation, by the activation's output y.
fn gated(value: f32, y: f32) -> f32 {
  if (params.gate_activation == 1u) { return select(value, 0.0, y <= 0.0); }
  if (params.gate_activation == 2u) { return value * select(params.slope, 1.0, y > 0.0); }
  if (params.gate_activation == 3u) { return value * (1.0 - y * y); }
  return value * (y * (1.0 - y));
}

// One element of C: `at` counts elements of the dense batch of results.
fn finish(sum: f32, at: u32, column: u32) {
  var value = sum * params.alpha;
  if (params.has_bias != 0u) { value += f32(bias[params.bias_offset + column]); }
  value = activate(value);
  if (params.gate_activation != 0u) { value = gated(value, f32(gate[params.gate_offset + at])); }
  c[params.c_offset + at] = T(value);
}

struct Columns { lo: vec4f, hi: vec4f }   // 4 COLS columns of one row

fn add(sum: Columns, x: f32, y: Columns) -> Columns {
  if (COLS == 1u) { return Columns(sum.lo + x * y.lo, sum.hi); }
  return Columns(sum.lo + x * y.lo, sum.hi + x * y.hi);
}

fn fetchB(at: vec4u) -> vec4f {
  if (VEC_B) { return vec4f(b4[at.x / 4u]); }
  return vec4f(f32(b[at.x]), f32(b[at.y]), f32(b[at.z]), f32(b[at.w]));
}

// Four neighbours along k. What lies beyond k is never used, so it may be anything.
fn fetchA(at: u32, step: u32) -> vec4f {
  if (VEC_A) { return vec4f(a4[at / 4u]); }
  return vec4f(f32(a[at]), f32(a[at + step]), f32(a[at + 2u * step]), f32(a[at + 3u * step]));
}

fn linear(group: vec3u, groups: vec3u) -> u32 {
  return (group.z * groups.y + group.y) * groups.x + group.x;
}

// Where four neighbouring rows of A or columns of B start. Beyond the edge the last one is read again, and its sums are not stored.
fn places(start: u32, first: u32, count: u32, step: u32) -> vec4u {
  return start + min(first + vec4u(0u, 1u, 2u, 3u), vec4u(count - 1u)) * step;
}

@compute @workgroup_size(WIDTH)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  // Workgroups are numbered through all three dimensions; row blocks run fastest, so that a panel of B stays in the cache.
  let down = (params.m + ROWS - 1u) / ROWS;
  let across = (params.n + WIDTH * COLS * 4u - 1u) / (WIDTH * COLS * 4u);
  let id = linear(group, groups);
  if (id >= down * across * params.batch) { return; }
  let matrix = id / (down * across);
  let m0 = (id % down) * ROWS;
  let panel = (id / down) % across;
  let n0 = (panel * WIDTH + local) * COLS * 4u;

  // Everything the loop needs is read here: no software compiler moves it out of the loop.
  let depth = params.k;
  let rowStep = select(params.lda, 1u, TRANS_A);
  let stepA = select(1u, params.lda, TRANS_A);
  let stepB = select(params.ldb, 1u, TRANS_B);
  let columnStep = select(1u, params.ldb, TRANS_B);
  let startA = params.a_offset + matrix * params.a_batch;
  let startB = params.b_offset + matrix * params.b_batch;
  var b0 = places(startB, n0, params.n, columnStep);
  var b1 = places(startB, n0 + 4u, params.n, columnStep);
  let lastRow = params.m - 1u;
  var a0 = startA + min(m0 + lane, lastRow) * rowStep;
  var a1 = startA + min(m0 + LANES + lane, lastRow) * rowStep;
  var a2 = startA + min(m0 + 2u * LANES + lane, lastRow) * rowStep;
  var a3 = startA + min(m0 + 3u * LANES + lane, lastRow) * rowStep;

  var c0: Columns;  var c1: Columns;  var c2: Columns;  var c3: Columns;
  var c4: Columns;  var c5: Columns;  var c6: Columns;  var c7: Columns;
  var c8: Columns;  var c9: Columns;  var c10: Columns;  var c11: Columns;
  var c12: Columns;  var c13: Columns;  var c14: Columns;  var c15: Columns;
  var s0 = 0.0;  var s1 = 0.0;  var s2 = 0.0;  var s3 = 0.0;
  for (var k = 0u; k < depth; k += 4u) {
    // Register i of lane l holds row i * LANES + l.
    var p0 = fetchA(a0, stepA);
    var p1: vec4f;
    var p2: vec4f;
    var p3: vec4f;
    if (ROWS > LANES) { p1 = fetchA(a1, stepA); }
    if (ROWS > 2u * LANES) {
      p2 = fetchA(a2, stepA);
      p3 = fetchA(a3, stepA);
    }
    a0 += 4u * stepA;
    a1 += 4u * stepA;
    a2 += 4u * stepA;
    a3 += 4u * stepA;
    let count = min(4u, depth - k);
    for (var q = 0u; q < count; q++) {
      var y: Columns;
      y.lo = fetchB(b0);
      if (COLS == 2u) { y.hi = fetchB(b1); }
      b0 += stepB;
      b1 += stepB;
      if (LANES == 8u) {
        c0 = add(c0, subgroupBroadcast(p0.x, 0u), y);
        c1 = add(c1, subgroupBroadcast(p0.x, 1u), y);
        c2 = add(c2, subgroupBroadcast(p0.x, 2u), y);
        c3 = add(c3, subgroupBroadcast(p0.x, 3u), y);
        c4 = add(c4, subgroupBroadcast(p0.x, 4u), y);
        c5 = add(c5, subgroupBroadcast(p0.x, 5u), y);
        c6 = add(c6, subgroupBroadcast(p0.x, 6u), y);
        c7 = add(c7, subgroupBroadcast(p0.x, 7u), y);
        if (ROWS == 16u) {
          c8 = add(c8, subgroupBroadcast(p1.x, 0u), y);
          c9 = add(c9, subgroupBroadcast(p1.x, 1u), y);
          c10 = add(c10, subgroupBroadcast(p1.x, 2u), y);
          c11 = add(c11, subgroupBroadcast(p1.x, 3u), y);
          c12 = add(c12, subgroupBroadcast(p1.x, 4u), y);
          c13 = add(c13, subgroupBroadcast(p1.x, 5u), y);
          c14 = add(c14, subgroupBroadcast(p1.x, 6u), y);
          c15 = add(c15, subgroupBroadcast(p1.x, 7u), y);
        }
      } else {
        c0 = add(c0, subgroupBroadcast(p0.x, 0u), y);
        c1 = add(c1, subgroupBroadcast(p0.x, 1u), y);
        c2 = add(c2, subgroupBroadcast(p0.x, 2u), y);
        c3 = add(c3, subgroupBroadcast(p0.x, 3u), y);
        c4 = add(c4, subgroupBroadcast(p1.x, 0u), y);
        c5 = add(c5, subgroupBroadcast(p1.x, 1u), y);
        c6 = add(c6, subgroupBroadcast(p1.x, 2u), y);
        c7 = add(c7, subgroupBroadcast(p1.x, 3u), y);
        if (ROWS == 16u) {
          c8 = add(c8, subgroupBroadcast(p2.x, 0u), y);
          c9 = add(c9, subgroupBroadcast(p2.x, 1u), y);
          c10 = add(c10, subgroupBroadcast(p2.x, 2u), y);
          c11 = add(c11, subgroupBroadcast(p2.x, 3u), y);
          c12 = add(c12, subgroupBroadcast(p3.x, 0u), y);
          c13 = add(c13, subgroupBroadcast(p3.x, 1u), y);
          c14 = add(c14, subgroupBroadcast(p3.x, 2u), y);
          c15 = add(c15, subgroupBroadcast(p3.x, 3u), y);
        }
      }
      s0 += p0.x; s1 += p1.x; s2 += p2.x; s3 += p3.x;
      p0 = p0.yzwx;
      p1 = p1.yzwx;
      p2 = p2.yzwx;
      p3 = p3.yzwx;
    }
  }
  if (params.has_rowsum != 0u && panel == 0u) {
    // Every subgroup of this workgroup holds the same sums.
    let first = params.rowsum_offset + m0 + lane;
    let left = params.m - m0;
    if (lane < left) { rowsum[first] = T(s0); }
    if (ROWS > LANES && lane + LANES < left) { rowsum[first + LANES] = T(s1); }
    if (ROWS > 2u * LANES && lane + 2u * LANES < left) { rowsum[first + 2u * LANES] = T(s2); }
    if (ROWS > 2u * LANES && lane + 3u * LANES < left) { rowsum[first + 3u * LANES] = T(s3); }
  }

  // One loop over the elements of the tile, which no compiler can unroll (it starts at m0): stores and activations are expanded lane by
  // lane, and written out for each element they would be most of the machine code.
  if (n0 >= params.n) { return; }
  var sums = array<vec4f, 32>(
    c0.lo, c0.hi, c1.lo, c1.hi, c2.lo, c2.hi, c3.lo, c3.hi,
    c4.lo, c4.hi, c5.lo, c5.hi, c6.lo, c6.hi, c7.lo, c7.hi,
    c8.lo, c8.hi, c9.lo, c9.hi, c10.lo, c10.hi, c11.lo, c11.hi,
    c12.lo, c12.hi, c13.lo, c13.hi, c14.lo, c14.hi, c15.lo, c15.hi,
  );
  let end = min(m0 + ROWS, params.m) * 8u;
  for (var i = m0 * 8u; i < end; i++) {
    let column = n0 + i % 8u;
    if (i % 8u < COLS * 4u && column < params.n) {
      finish(sums[(i - m0 * 8u) / 4u][i % 4u], (matrix * params.m + i / 8u) * params.n + column, column);
    }
  }
}
