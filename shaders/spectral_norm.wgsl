// Spectral normalisation of a matrix that one workgroup can walk: power iterations, sigma and weight / sigma in one
// dispatch, and the gradient in another. The weight is (outer, rows, inner), row-major; its matrix has `rows` rows and
// outer * inner columns, which makes the first dim (outer = 1) or any other the rows without a copy.
// Larger matrices take ordinary products (packages/nn/src/nn/spectral-norm.ts).

const WG: u32 = 128u;
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

// The sum of x over the workgroup. Everyone adds everything: two barriers instead of a tree of them, which CPU adapters pay dearly for.
fn total(local: u32, x: f32) -> f32 {
  partial[local] = x;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < WG; i++) {
    sum += partial[i];
  }
  workgroupBarrier();
  return sum;
}

fn at_row(row: u32) -> f32 {
  let inner = params.inner;
  var sum = 0.0;
  var c = 0u;
  for (var first = params.w_offset + row * inner; c < params.columns; first += params.rows * inner) {
    for (var i = 0u; i < inner; i++) {
      sum += w[first + i] * right[c];
      c++;
    }
  }
  return sum;
}

fn at_column(column: u32) -> f32 {
  var sum = 0.0;
  let inner = params.inner;
  let first = params.w_offset + (column / inner) * (params.rows * inner) + column % inner;
  for (var r = 0u; r < params.rows; r++) {
    sum += w[first + r * inner] * left[r];
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

// Writes weight / sigma, and what the gradient needs.
fn divide(local: u32, sigma: f32) {
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

// u and v take their iterations in place (none in evaluation, where they stay as they are); then sigma = uᵀ W v.
@compute @workgroup_size(WG)
fn normalise(@builtin(local_invocation_index) local: u32) {
  fetch(local);
  for (var i = 0u; i < params.iterations; i++) {
    iterate_left(local);
    iterate_right(local);
  }
  if (params.iterations > 0u) {
    for (var r = local; r < params.rows; r += WG) {
      u[params.u_offset + r] = left[r];
    }
    for (var c = local; c < params.columns; c += WG) {
      v[params.v_offset + c] = right[c];
    }
  }
  var dot = 0.0;
  for (var c = local; c < params.columns; c += WG) {
    dot += at_column(c) * right[c];
  }
  divide(local, total(local, dot));
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
    var row = i / inner;
    var column = i - row * inner;
    if (inner != params.columns) {
      let slab = row / params.rows;
      row -= slab * params.rows;
      column += slab * inner;
    }
    let outer = saved[params.saved_offset + row] * saved[params.saved_offset + params.rows + column];
    dw[params.dw_offset + i] = (g[params.g_offset + i] - along * outer) / sigma;
  }
}
