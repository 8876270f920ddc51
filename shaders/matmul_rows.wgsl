// C = epilogue(A B) for software adapters ("rows").
// An invocation owns ROWS rows x COLS vec4 columns of C, the row block is the same for the whole workgroup, neighbouring invocations
// own neighbouring column groups. No workgroup memory: a barrier splits the SIMD loop of software adapters and costs 3-4 times.
// k advances one at a time: loads are expanded lane by lane, and a longer body leaves the instruction cache.
// Unrolled by hand, since SwiftShader keeps indexed arrays in memory.

alias T = f32;                 // storage of a, b, bias, gate, c and rowsum; sums are f32
const ROWS: u32 = 16u;         // 4, 8 or 16
const COLS: u32 = 2u;          // 1 or 2
const WIDTH: u32 = 16u;        // invocations of a workgroup
const TRANS_A: bool = false;   // a is stored K x M
const TRANS_B: bool = false;   // b is stored N x K
const VEC_A: bool = false;     // read a as vec4: needs TRANS_A and m, lda, a_offset, a_batch multiples of 4
const VEC_B: bool = true;      // read b as vec4: needs not TRANS_B and n, ldb, b_offset, b_batch multiples of 4

// The epilogue: as the params say, or fixed for adapters that compile fast and branch slowly.
const BIAS: u32 = 2u;          // 0 no, 1 yes, 2 as params.has_bias says
const ACTIVATION: u32 = 9u;    // a number as in params.activation, or 9: as that says
const GATE: u32 = 9u;          // likewise, params.gate_activation

struct Params {
  m: u32, n: u32, k: u32, batch: u32,
  lda: u32, ldb: u32,                    // elements between consecutive rows of the stored matrices
  a_offset: u32, b_offset: u32,          // elements
  a_batch: u32, b_batch: u32,            // elements between consecutive matrices, 0 broadcasts
  c_offset: u32, bias_offset: u32, gate_offset: u32, rowsum_offset: u32,
  alpha: f32, slope: f32,
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

fn with_bias() -> bool {
  return BIAS == 1u || (BIAS == 2u && params.has_bias != 0u);
}

fn activation() -> u32 {
  if (ACTIVATION == 9u) { return params.activation; }
  return ACTIVATION;
}

fn gate_activation() -> u32 {
  if (GATE == 9u) { return params.gate_activation; }
  return GATE;
}

fn is_nan(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

// NaN stays NaN.
fn activate(x: vec4f) -> vec4f {
  if (activation() == 1u) { return select(x, vec4f(0.0), x < vec4f(0.0)); }
  if (activation() == 2u) { return select(params.slope * x, x, x > vec4f(0.0)); }
  if (activation() == 3u) { return select(tanh(clamp(x, vec4f(-15.0), vec4f(15.0))), x, is_nan(x)); }
  if (activation() == 4u) {
    let e = exp(-abs(x));
    return select(e, vec4f(1.0), x >= vec4f(0.0)) / (1.0 + e);
  }
  return x;
}

// A gradient past an activation, by the activation's output y.
fn gated(value: vec4f, y: vec4f) -> vec4f {
  if (gate_activation() == 1u) { return select(value, vec4f(0.0), y <= vec4f(0.0)); }
  if (gate_activation() == 2u) { return value * select(vec4f(params.slope), vec4f(1.0), y > vec4f(0.0)); }
  if (gate_activation() == 3u) { return value * (1.0 - y * y); }
  return value * (y * (1.0 - y));
}

// Four neighbours of a row of C, of which `count` exist: `at` counts elements of the dense batch of results.
fn finish(sum: vec4f, at: u32, column: u32, count: u32) {
  let there = min(vec4u(0u, 1u, 2u, 3u), vec4u(count - 1u));
  var value = sum * params.alpha;
  if (with_bias()) {
    let i = params.bias_offset + column + there;
    value += vec4f(f32(bias[i.x]), f32(bias[i.y]), f32(bias[i.z]), f32(bias[i.w]));
  }
  value = activate(value);
  if (gate_activation() != 0u) {
    let i = params.gate_offset + at + there;
    value = gated(value, vec4f(f32(gate[i.x]), f32(gate[i.y]), f32(gate[i.z]), f32(gate[i.w])));
  }
  let i = params.c_offset + at;
  c[i] = T(value.x);
  if (count > 1u) { c[i + 1u] = T(value.y); }
  if (count > 2u) { c[i + 2u] = T(value.z); }
  if (count > 3u) { c[i + 3u] = T(value.w); }
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

// Four neighbouring rows.
fn fetchA(at: vec4u) -> vec4f {
  if (VEC_A) { return vec4f(a4[at.x / 4u]); }
  return vec4f(f32(a[at.x]), f32(a[at.y]), f32(a[at.z]), f32(a[at.w]));
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
  var a0 = places(startA, m0, params.m, rowStep);
  var a1 = places(startA, m0 + 4u, params.m, rowStep);
  var a2 = places(startA, m0 + 8u, params.m, rowStep);
  var a3 = places(startA, m0 + 12u, params.m, rowStep);

  var c0: Columns;  var c1: Columns;  var c2: Columns;  var c3: Columns;
  var c4: Columns;  var c5: Columns;  var c6: Columns;  var c7: Columns;
  var c8: Columns;  var c9: Columns;  var c10: Columns;  var c11: Columns;
  var c12: Columns;  var c13: Columns;  var c14: Columns;  var c15: Columns;
  var s0: vec4f;  var s1: vec4f;  var s2: vec4f;  var s3: vec4f;
  if (n0 >= params.n) { return; }
  for (var k = 0u; k < depth; k++) {
    var y: Columns;
    y.lo = fetchB(b0);
    if (COLS == 2u) { y.hi = fetchB(b1); }
    b0 += stepB;
    b1 += stepB;
    let p0 = fetchA(a0);
    c0 = add(c0, p0.x, y);
    c1 = add(c1, p0.y, y);
    c2 = add(c2, p0.z, y);
    c3 = add(c3, p0.w, y);
    s0 += p0;
    if (ROWS > 4u) {
      let p1 = fetchA(a1);
      c4 = add(c4, p1.x, y);
      c5 = add(c5, p1.y, y);
      c6 = add(c6, p1.z, y);
      c7 = add(c7, p1.w, y);
      s1 += p1;
    }
    if (ROWS > 8u) {
      let p2 = fetchA(a2);
      c8 = add(c8, p2.x, y);
      c9 = add(c9, p2.y, y);
      c10 = add(c10, p2.z, y);
      c11 = add(c11, p2.w, y);
      s2 += p2;
      let p3 = fetchA(a3);
      c12 = add(c12, p3.x, y);
      c13 = add(c13, p3.y, y);
      c14 = add(c14, p3.z, y);
      c15 = add(c15, p3.w, y);
      s3 += p3;
    }
    a0 += stepA;
    a1 += stepA;
    a2 += stepA;
    a3 += stepA;
  }

  // A loop that no compiler can unroll (it starts at m0) keeps the machine code small: stores and activations are expanded lane by lane.
  var sums = array<Columns, 16>(
    c0, c1, c2, c3,
    c4, c5, c6, c7,
    c8, c9, c10, c11,
    c12, c13, c14, c15,
  );
  let endRow = min(m0 + ROWS, params.m);
  if (params.has_rowsum != 0u && n0 == 0u) {
    var rows = array<vec4f, 4>(s0, s1, s2, s3);
    for (var m = m0; m < endRow; m++) { rowsum[params.rowsum_offset + m] = T(rows[(m - m0) / 4u][(m - m0) % 4u]); }
  }
  for (var m = m0; m < endRow; m++) {
    let at = (matrix * params.m + m) * params.n;
    let sum = sums[m - m0];
    finish(sum.lo, at + n0, n0, min(4u, params.n - n0));
    if (COLS == 2u && n0 + 4u < params.n) { finish(sum.hi, at + n0 + 4u, n0 + 4u, min(4u, params.n - n0 - 4u)); }
  }
}
