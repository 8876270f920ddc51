// Spectral normalisation of a matrix that one workgroup can walk: power iterations, sigma and weight / sigma in one
// dispatch, and the gradient in another. The weight is (outer, rows, inner), row-major; its matrix has `rows` rows and
// outer * inner columns, which makes the first dim (outer = 1) or any other the rows without a copy.
// Larger matrices take ordinary products (packages/nn/src/nn/spectral-norm.ts).

const WG: u32 = 256u;
// The most rows and columns: both vectors are kept beside the workgroup.
const MOST: u32 = 1024u;

struct Params {
  rows: u32,
  columns: u32,
  inner: u32,
  iterations: u32,
  eps: f32,
  w_offset: u32,
  u_offset: u32,
  v_offset: u32,
  normal_offset: u32,
  saved_offset: u32,
  g_offset: u32,
  dw_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> u: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<f32>;
// weight / sigma, in the order of the weight.
@group(0) @binding(4) var<storage, read_write> normal: array<f32>;
// What the gradient needs: the u and v that were used, then sigma.
@group(0) @binding(5) var<storage, read_write> saved: array<f32>;
@group(0) @binding(6) var<storage, read> g: array<f32>;
@group(0) @binding(7) var<storage, read_write> dw: array<f32>;

var<workgroup> left: array<f32, MOST>;
var<workgroup> right: array<f32, MOST>;
var<workgroup> partial: array<f32, WG>;

fn index(row: u32, column: u32) -> u32 {
  let inner = params.inner;
  return (column / inner) * (params.rows * inner) + row * inner + column % inner;
}

// The sum of x over the workgroup.
fn total(local: u32, x: f32) -> f32 {
  partial[local] = x;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (local < half) {
      partial[local] += partial[local + half];
    }
    workgroupBarrier();
  }
  let sum = partial[0];
  workgroupBarrier();
  return sum;
}

fn at_row(row: u32) -> f32 {
  var sum = 0.0;
  for (var c = 0u; c < params.columns; c++) {
    sum += w[params.w_offset + index(row, c)] * right[c];
  }
  return sum;
}

fn at_column(column: u32) -> f32 {
  var sum = 0.0;
  let first = params.w_offset + index(0u, column);
  for (var r = 0u; r < params.rows; r++) {
    sum += w[first + r * params.inner] * left[r];
  }
  return sum;
}

fn fetch(local: u32) {
  for (var r = local; r < params.rows; r += WG) {
    left[r] = u[params.u_offset + r];
  }
  for (var c = local; c < params.columns; c += WG) {
    right[c] = v[params.v_offset + c];
  }
  workgroupBarrier();
}

// left = normalised W right.
fn iterate_left(local: u32) {
  var squares = 0.0;
  for (var r = local; r < params.rows; r += WG) {
    let x = at_row(r);
    left[r] = x;
    squares += x * x;
  }
  let scale = 1.0 / max(sqrt(total(local, squares)), params.eps);
  for (var r = local; r < params.rows; r += WG) {
    left[r] *= scale;
  }
  workgroupBarrier();
}

// right = normalised Wᵀ left.
fn iterate_right(local: u32) {
  var squares = 0.0;
  for (var c = local; c < params.columns; c += WG) {
    let x = at_column(c);
    right[c] = x;
    squares += x * x;
  }
  let scale = 1.0 / max(sqrt(total(local, squares)), params.eps);
  for (var c = local; c < params.columns; c += WG) {
    right[c] *= scale;
  }
  workgroupBarrier();
}

// sigma = leftᵀ W right; then weight / sigma, and what the gradient needs.
fn divide(local: u32) {
  var dot = 0.0;
  for (var r = local; r < params.rows; r += WG) {
    dot += left[r] * at_row(r);
  }
  let sigma = total(local, dot);
  let n = params.rows * params.columns;
  for (var i = local; i < n; i += WG) {
    normal[params.normal_offset + i] = w[params.w_offset + i] / sigma;
  }
  for (var r = local; r < params.rows; r += WG) {
    saved[params.saved_offset + r] = left[r];
  }
  for (var c = local; c < params.columns; c += WG) {
    saved[params.saved_offset + params.rows + c] = right[c];
  }
  if (local == 0u) {
    saved[params.saved_offset + params.rows + params.columns] = sigma;
  }
}

// Training: u and v take their iterations first, in place.
@compute @workgroup_size(WG)
fn train(@builtin(local_invocation_index) local: u32) {
  fetch(local);
  for (var i = 0u; i < params.iterations; i++) {
    iterate_left(local);
    iterate_right(local);
  }
  for (var r = local; r < params.rows; r += WG) {
    u[params.u_offset + r] = left[r];
  }
  for (var c = local; c < params.columns; c += WG) {
    v[params.v_offset + c] = right[c];
  }
  divide(local);
}

// Evaluation: u and v stay as they are.
@compute @workgroup_size(WG)
fn evaluate(@builtin(local_invocation_index) local: u32) {
  fetch(local);
  divide(local);
}

// dw = (g - <g, weight / sigma> u vᵀ) / sigma
@compute @workgroup_size(WG)
fn backward(@builtin(local_invocation_index) local: u32) {
  let n = params.rows * params.columns;
  let sigma = saved[params.saved_offset + params.rows + params.columns];
  var dot = 0.0;
  for (var i = local; i < n; i += WG) {
    dot += g[params.g_offset + i] * w[params.w_offset + i];
  }
  let along = total(local, dot) / sigma;
  let inner = params.inner;
  for (var i = local; i < n; i += WG) {
    let row = (i / inner) % params.rows;
    let column = i / (inner * params.rows) * inner + i % inner;
    let outer = saved[params.saved_offset + row] * saved[params.saved_offset + params.rows + column];
    dw[params.dw_offset + i] = (g[params.g_offset + i] - along * outer) / sigma;
  }
}
