// C = epilogue(A B) for GPUs ("tiles").
// A workgroup owns a TILE_M x TILE_N tile of C and walks along k in steps of TILE_K: all invocations copy a slab of A and of B to
// workgroup memory, then each multiplies PER_M x PER_N of it in registers. An invocation's rows and columns lie TILE / PER apart, so
// that neighbours read neighbouring words of workgroup memory and write neighbouring words of C. Slabs are padded by one
// column against bank conflicts, and filled along whichever direction is contiguous in the operand's memory.

alias T = f32;                 // storage of a, b, bias, gate, c and rowsum; sums are f32
const TILE_M: u32 = 64u;
const TILE_N: u32 = 64u;
const TILE_K: u32 = 16u;
const PER_M: u32 = 4u;         // rows of an invocation, divides TILE_M
const PER_N: u32 = 4u;         // columns of an invocation, divides TILE_N
const TRANS_A: bool = false;   // a is stored K x M
const TRANS_B: bool = false;   // b is stored N x K

const ACROSS: u32 = TILE_N / PER_N;
const DOWN: u32 = TILE_M / PER_M;
const INVOCATIONS: u32 = ACROSS * DOWN;

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
@group(0) @binding(2) var<storage, read> b: array<T>;
@group(0) @binding(3) var<storage, read> bias: array<T>;
@group(0) @binding(4) var<storage, read> gate: array<T>;
@group(0) @binding(5) var<storage, read_write> c: array<T>;
@group(0) @binding(6) var<storage, read_write> rowsum: array<T>;

var<workgroup> slabA: array<f32, TILE_K * (TILE_M + 1u)>;   // [k][m]
var<workgroup> slabB: array<f32, TILE_K * (TILE_N + 1u)>;   // [k][n]

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

fn linear(group: vec3u, groups: vec3u) -> u32 {
  return (group.z * groups.y + group.y) * groups.x + group.x;
}

fn copyA(start: u32, m0: u32, k0: u32, local: u32) {
  for (var e = local; e < TILE_M * TILE_K; e += INVOCATIONS) {
    let m = select(e / TILE_K, e % TILE_M, TRANS_A);
    let k = select(e % TILE_K, e / TILE_M, TRANS_A);
    var value = 0.0;
    if (m0 + m < params.m && k0 + k < params.k) {
      value = f32(a[start + select((m0 + m) * params.lda + k0 + k, (k0 + k) * params.lda + m0 + m, TRANS_A)]);
    }
    slabA[k * (TILE_M + 1u) + m] = value;
  }
}

fn copyB(start: u32, n0: u32, k0: u32, local: u32) {
  for (var e = local; e < TILE_N * TILE_K; e += INVOCATIONS) {
    let n = select(e % TILE_N, e / TILE_K, TRANS_B);
    let k = select(e / TILE_N, e % TILE_K, TRANS_B);
    var value = 0.0;
    if (n0 + n < params.n && k0 + k < params.k) {
      value = f32(b[start + select((k0 + k) * params.ldb + n0 + n, (n0 + n) * params.ldb + k0 + k, TRANS_B)]);
    }
    slabB[k * (TILE_N + 1u) + n] = value;
  }
}

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  // Workgroups are numbered through all three dimensions; row blocks run fastest.
  let blocksDown = (params.m + TILE_M - 1u) / TILE_M;
  let blocksAcross = (params.n + TILE_N - 1u) / TILE_N;
  let id = linear(group, groups);
  if (id >= blocksDown * blocksAcross * params.batch) { return; }
  let matrix = id / (blocksDown * blocksAcross);
  let m0 = (id % blocksDown) * TILE_M;
  let n0 = ((id / blocksDown) % blocksAcross) * TILE_N;
  let x = local % ACROSS;
  let y = local / ACROSS;

  var sums: array<array<f32, PER_N>, PER_M>;
  var rows: array<f32, PER_M>;
  for (var k0 = 0u; k0 < params.k; k0 += TILE_K) {
    copyA(params.a_offset + matrix * params.a_batch, m0, k0, local);
    copyB(params.b_offset + matrix * params.b_batch, n0, k0, local);
    workgroupBarrier();
    for (var k = 0u; k < TILE_K; k++) {
      var fromB: array<f32, PER_N>;
      for (var j = 0u; j < PER_N; j++) { fromB[j] = slabB[k * (TILE_N + 1u) + j * ACROSS + x]; }
      for (var i = 0u; i < PER_M; i++) {
        let fromA = slabA[k * (TILE_M + 1u) + i * DOWN + y];
        rows[i] += fromA;
        for (var j = 0u; j < PER_N; j++) { sums[i][j] += fromA * fromB[j]; }
      }
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < PER_M; i++) {
    let m = m0 + i * DOWN + y;
    if (m >= params.m) { break; }
    if (params.has_rowsum != 0u && n0 + x == 0u) { rowsum[params.rowsum_offset + m] = T(rows[i]); }
    for (var j = 0u; j < PER_N; j++) {
      let n = n0 + j * ACROSS + x;
      if (n < params.n) { finish(sums[i][j], (matrix * params.m + m) * params.n + n, n); }
    }
  }
}
