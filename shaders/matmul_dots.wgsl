// C = epilogue(A B) for few columns (matrix-vector, N <= 4) and as the plain form of all the others ("dots").
// A unit of work is COLS neighbouring columns of one row of C. SPLIT invocations share a unit, each takes every SPLIT-th k, and one of
// them adds their sums up in a fixed order through workgroup memory: SPLIT 1 without any, more when there are few units and k is long.

alias T = f32;                 // storage of a, b, bias, gate, c and rowsum; sums are f32
const COLS: u32 = 1u;          // 1 to 4
const SPLIT: u32 = 1u;         // divides WIDTH
const WIDTH: u32 = 64u;        // invocations of a workgroup
const TRANS_A: bool = false;   // a is stored K x M
const TRANS_B: bool = false;   // b is stored N x K

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
@group(0) @binding(2) var<storage, read> b: array<T>;
@group(0) @binding(3) var<storage, read> bias: array<T>;
@group(0) @binding(4) var<storage, read> gate: array<T>;
@group(0) @binding(5) var<storage, read_write> c: array<T>;
@group(0) @binding(6) var<storage, read_write> rowsum: array<T>;

struct Part { sum: vec4f, row: f32 }

var<workgroup> parts: array<Part, WIDTH>;

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

fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// NaN stays NaN.
fn activate(x: f32) -> f32 {
  if (activation() == 1u) { return select(x, 0.0, x < 0.0); }
  if (activation() == 2u) { return select(params.slope * x, x, x > 0.0); }
  if (activation() == 3u) { return select(tanh(clamp(x, -15.0, 15.0)), x, is_nan(x)); }
  if (activation() == 4u) {
    let e = exp(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
  }
  return x;
}

// A gradient past an activation, by the activation's output y.
fn gated(value: f32, y: f32) -> f32 {
  if (gate_activation() == 1u) { return select(value, 0.0, y <= 0.0); }
  if (gate_activation() == 2u) { return value * select(params.slope, 1.0, y > 0.0); }
  if (gate_activation() == 3u) { return value * (1.0 - y * y); }
  return value * (y * (1.0 - y));
}

// One element of C: `at` counts elements of the dense batch of results.
fn finish(sum: f32, at: u32, column: u32) {
  var value = sum * params.alpha;
  if (with_bias()) { value += f32(bias[params.bias_offset + column]); }
  value = activate(value);
  if (gate_activation() != 0u) { value = gated(value, f32(gate[params.gate_offset + at])); }
  c[params.c_offset + at] = T(value);
}

fn linear(group: vec3u, groups: vec3u) -> u32 {
  return (group.z * groups.y + group.y) * groups.x + group.x;
}

@compute @workgroup_size(WIDTH)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  // Workgroups are numbered through all three dimensions; each holds WIDTH / SPLIT units.
  let across = (params.n + COLS - 1u) / COLS;
  let unit = linear(group, groups) * (WIDTH / SPLIT) + local / SPLIT;
  let inside = unit < across * params.m * params.batch;
  let n0 = (unit % across) * COLS;
  let m = (unit / across) % params.m;
  let matrix = unit / (across * params.m);

  var part: Part;
  if (inside) {
    let first = local % SPLIT;
    let stepA = select(1u, params.lda, TRANS_A);
    let stepB = select(params.ldb, 1u, TRANS_B);
    let columnStep = select(1u, params.ldb, TRANS_B);
    let columns = min(n0 + vec4u(0u, 1u, 2u, 3u), vec4u(params.n - 1u)) * columnStep;
    var atA = params.a_offset + matrix * params.a_batch + m * select(params.lda, 1u, TRANS_A) + first * stepA;
    var atB = params.b_offset + matrix * params.b_batch + columns + first * stepB;
    let depth = params.k;
    for (var k = first; k < depth; k += SPLIT) {
      let x = f32(a[atA]);
      part.row += x;
      part.sum.x += x * f32(b[atB.x]);
      if (COLS > 1u) { part.sum.y += x * f32(b[atB.y]); }
      if (COLS > 2u) { part.sum.z += x * f32(b[atB.z]); }
      if (COLS > 3u) { part.sum.w += x * f32(b[atB.w]); }
      atA += SPLIT * stepA;
      atB += SPLIT * stepB;
    }
  }
  if (SPLIT > 1u) {
    parts[local] = part;
    workgroupBarrier();
    if (local % SPLIT == 0u) {
      for (var i = 1u; i < SPLIT; i++) {
        part.sum += parts[local + i].sum;
        part.row += parts[local + i].row;
      }
    }
  }
  if (inside && local % SPLIT == 0u) {
    if (params.has_rowsum != 0u && n0 == 0u) { rowsum[params.rowsum_offset + m] = T(part.row); }
    let at = (matrix * params.m + m) * params.n + n0;
    for (var j = 0u; j < min(COLS, params.n - n0); j++) { finish(part.sum[j], at + j, n0 + j); }
  }
}
