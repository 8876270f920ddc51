// Eigenvalues and eigenvectors of symmetric matrices, one workgroup a matrix, as in Golub and Van Loan, chapter 8: reflections make the matrix tridiagonal,
// their product is formed, and QR steps with implicit shifts make the tridiagonal matrix diagonal. (Jacobi's method moves several times as much memory and waits
// at more barriers; at n = 128 it took five times as long on CPU adapters.) Only the lower triangle is read.
// Invocation i works on columns i, i + WG, … in all but the last phase, so most phases need no barrier for what is in storage. The matrix is divided by a power
// of two near its largest element, so that squares neither overflow nor vanish.

// CPU adapters run a workgroup vector by vector, and each barrier switches between all of them: they take a workgroup of one vector.
const WG: u32 = 128u;
// The most rows: four vectors are kept beside the workgroup.
const MOST: u32 = 768u;
// What is dropped beside the diagonal: in units of the neighbours, and of the largest element of the matrix.
const EPSILON: f32 = 6e-8;
const SMALL: f32 = 1.5e-8;
// Components that differ by rounding errors are equally large.
const ALIKE: f32 = 0.999;

struct Params {
  n: u32,
  count: u32,
  steps: u32,
  nan: f32,
  a_offset: u32,
  work_offset: u32,
  values_offset: u32,
  vectors_offset: u32,
}

// Where a matrix of the batch begins.
struct Places {
  a: u32,
  work: u32,
  values: u32,
  vectors: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
// The matrix, then in row k the k-th reflection; later the eigenvectors as rows.
@group(0) @binding(2) var<storage, read_write> work: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
// The product of the reflections, then the eigenvectors as columns.
@group(0) @binding(4) var<storage, read_write> vectors: array<f32>;

// The tridiagonal matrix: element k of the second stands beside elements k and k + 1 of the first.
var<workgroup> diagonal: array<f32, MOST>;
var<workgroup> beside: array<f32, MOST>;
// A reflection 1 - beta u uᵀ, and w with M - u wᵀ - w uᵀ the reflected matrix; later the cosines and sines of a step.
var<workgroup> u: array<f32, MOST>;
var<workgroup> w: array<f32, MOST>;
// Bits of numbers.
var<workgroup> partial: array<u32, WG>;
// The part of the tridiagonal matrix that a step works on.
var<workgroup> part: vec2u;

// The sum over the workgroup, for all. Everyone adds everything: two barriers instead of a tree of them.
fn total(local: u32, x: f32) -> f32 {
  partial[local] = bitcast<u32>(x);
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < WG; i++) {
    sum += bitcast<f32>(partial[i]);
  }
  workgroupBarrier();
  return sum;
}

// The invocation's first column from `column` on.
fn first_from(column: u32, local: u32) -> u32 {
  return column + (local + WG - column % WG) % WG;
}

// The largest magnitude as bits, which are ordered as the numbers are; infinity and then NaN above all.
fn largest(local: u32, at: u32) -> u32 {
  var top = 0u;
  for (var i = 0u; i < params.n; i++) {
    for (var j = local; j <= i; j += WG) {
      top = max(top, bitcast<u32>(a[at + i * params.n + j]) & 0x7fffffffu);
    }
  }
  partial[local] = top;
  workgroupBarrier();
  for (var i = 0u; i < WG; i++) {
    top = max(top, partial[i]);
  }
  if (local == 0u) {
    part.x = top;
  }
  return workgroupUniformLoad(&part).x;
}

// Both triangles of the matrix, scaled.
fn load(local: u32, at: Places, scale: f32) {
  let n = params.n;
  for (var j = local; j < n; j += WG) {
    for (var i = 0u; i < n; i++) {
      work[at.work + i * n + j] = a[at.a + max(i, j) * n + min(i, j)] * scale;
    }
  }
}

// Reflects all but the first k + 1 rows and columns such that row k has but one element beside the diagonal.
fn reflect(k: u32, local: u32, matrix: u32) {
  let n = params.n;
  let first = first_from(k + 1u, local);
  var squares = 0.0;
  for (var j = first; j < n; j += WG) {
    let x = work[matrix + k * n + j];
    u[j] = x;
    squares += select(x * x, 0.0, j == k + 1u);
  }
  let rest = total(local, squares);
  let x = u[k + 1u];
  let length = sqrt(x * x + rest);
  let corner = select(x + length, x - length, x < 0.0);
  // Where nothing is to be done, beta is 0.
  let beta = select(0.0, 2.0 / (corner * corner + rest), rest > 0.0);
  if (local == k % WG) {
    diagonal[k] = work[matrix + k * n + k];
    beside[k] = select(x, x - corner, rest > 0.0);
    work[matrix + k * n + k] = beta;
  }
  workgroupBarrier();
  if (local == (k + 1u) % WG) {
    u[k + 1u] = corner;
  }
  workgroupBarrier();
  var along = 0.0;
  for (var i = first; i < n; i += WG) {
    work[matrix + k * n + i] = u[i];
    var dot = 0.0;
    for (var j = k + 1u; j < n; j++) {
      dot += work[matrix + j * n + i] * u[j];
    }
    w[i] = beta * dot;
    along += u[i] * w[i];
  }
  let share = 0.5 * beta * total(local, along);
  for (var i = first; i < n; i += WG) {
    w[i] -= share * u[i];
  }
  workgroupBarrier();
  for (var i = first; i < n; i += WG) {
    let u_i = u[i];
    let w_i = w[i];
    for (var j = k + 1u; j < n; j++) {
      work[matrix + j * n + i] -= u[j] * w_i + w[j] * u_i;
    }
  }
  workgroupBarrier();
}

// The product of the reflections, from the last to the first: each meets only what is below and right of its row.
fn multiply(local: u32, at: Places) {
  let n = params.n;
  for (var j = local; j < n; j += WG) {
    for (var i = 0u; i < n; i++) {
      vectors[at.vectors + i * n + j] = select(0.0, 1.0, i == j);
    }
  }
  for (var left = n; left > 2u; left--) {
    let k = left - 3u;
    let first = first_from(k + 1u, local);
    for (var j = first; j < n; j += WG) {
      u[j] = work[at.work + k * n + j];
    }
    workgroupBarrier();
    let beta = work[at.work + k * n + k];
    for (var j = first; j < n; j += WG) {
      var dot = 0.0;
      for (var i = k + 1u; i < n; i++) {
        dot += u[i] * vectors[at.vectors + i * n + j];
      }
      let share = beta * dot;
      for (var i = k + 1u; i < n; i++) {
        vectors[at.vectors + i * n + j] -= share * u[i];
      }
    }
    workgroupBarrier();
  }
  storageBarrier();
  for (var j = local; j < n; j += WG) {
    for (var i = 0u; i < n; i++) {
      work[at.work + i * n + j] = vectors[at.vectors + j * n + i];
    }
  }
}

// Can an element between two of the diagonal be dropped?
fn vanishes(x: f32, before: f32, after: f32) -> bool {
  return abs(x) <= max(SMALL, EPSILON * (abs(before) + abs(after)));
}

// The last part up to row `most` that is not diagonal yet, as its first and its last row; equal where there is none.
fn find_part(most: u32) -> vec2u {
  var last = most;
  while (last > 0u && vanishes(beside[last - 1u], diagonal[last - 1u], diagonal[last])) {
    last--;
  }
  var first = last;
  while (first > 0u && !vanishes(beside[first - 1u], diagonal[first - 1u], diagonal[first])) {
    first--;
  }
  return vec2u(first, last);
}

// One QR step on a part; a single invocation's work. Leaves its rotations in u and w and gives the next part.
fn step(first: u32, last: u32) -> vec2u {
  // Wilkinson's shift: the eigenvalue of the last two rows that is closer to the last element.
  let end = beside[last - 1u];
  let half_gap = 0.5 * (diagonal[last - 1u] - diagonal[last]);
  let root = sqrt(half_gap * half_gap + end * end);
  let shift = diagonal[last] - end * (end / (half_gap + select(root, -root, half_gap < 0.0)));
  // Row k: its elements on the diagonal and beside it, and what the rotation of rows k and k + 1 is to bring from z to x.
  var on = diagonal[first];
  var off = beside[first];
  var x = on - shift;
  var z = off;
  var before = 0.0;
  var start = first;
  for (var k = first; k < last; k++) {
    let squares = x * x + z * z;
    let scale = inverseSqrt(max(squares, 1e-37));
    var cosine = select(1.0, x * scale, squares > 1e-37);
    var sine = select(0.0, z * scale, squares > 1e-37);
    // Roots may be off by a few units: one of Newton's steps, or lengths would drift. Added, since a factor near 1 rounds down more finely than up.
    let mend = 0.5 - 0.5 * (cosine * cosine + sine * sine);
    cosine += cosine * mend;
    sine += sine * mend;
    let next = diagonal[k + 1u];
    let change = (next - on) * sine + 2.0 * cosine * off;
    let ready = on + sine * change;
    if (k > first) {
      let left = cosine * x + sine * z;
      let gone = vanishes(left, before, ready);
      beside[k - 1u] = select(left, 0.0, gone);
      start = select(start, k, gone);
    }
    diagonal[k] = ready;
    before = ready;
    on = next - sine * change;
    x = cosine * change - off;
    if (k + 1u < last) {
      let e = beside[k + 1u];
      z = sine * e;
      off = cosine * e;
    }
    u[k] = cosine;
    w[k] = sine;
  }
  diagonal[last] = on;
  let gone = vanishes(x, before, on);
  beside[last - 1u] = select(x, 0.0, gone);
  if (!gone) {
    return vec2u(start, last);
  }
  if (start + 1u < last) {
    return vec2u(start, last - 1u);
  }
  return find_part(start);
}

// Turns columns j, j + WG, j + 2 WG and j + 3 WG of a part's rows: what is read beside the matrix serves all of them.
fn turn_four(rows: vec2u, j: u32, matrix: u32) {
  let n = params.n;
  var row = matrix + rows.x * n + j;
  var x = vec4f(work[row], work[row + WG], work[row + 2u * WG], work[row + 3u * WG]);
  for (var k = rows.x; k < rows.y; k++) {
    let below = row + n;
    let y = vec4f(work[below], work[below + WG], work[below + 2u * WG], work[below + 3u * WG]);
    let cosine = u[k];
    let sine = w[k];
    let turned = cosine * x + sine * y;
    work[row] = turned.x;
    work[row + WG] = turned.y;
    work[row + 2u * WG] = turned.z;
    work[row + 3u * WG] = turned.w;
    x = cosine * y - sine * x;
    row = below;
  }
  work[row] = x.x;
  work[row + WG] = x.y;
  work[row + 2u * WG] = x.z;
  work[row + 3u * WG] = x.w;
}

fn turn_one(rows: vec2u, j: u32, matrix: u32) {
  let n = params.n;
  var row = matrix + rows.x * n + j;
  var x = work[row];
  for (var k = rows.x; k < rows.y; k++) {
    let y = work[row + n];
    work[row] = u[k] * x + w[k] * y;
    x = u[k] * y - w[k] * x;
    row += n;
  }
  work[row] = x;
}

// Makes the tridiagonal matrix diagonal, and turns the rows of `work` along.
fn diagonalise(local: u32, matrix: u32) {
  let n = params.n;
  if (local == 0u) {
    part = find_part(n - 1u);
  }
  for (var taken = 0u; taken < params.steps; taken++) {
    let rows = workgroupUniformLoad(&part);
    if (rows.x == rows.y) {
      break;
    }
    if (local == 0u) {
      part = step(rows.x, rows.y);
    }
    workgroupBarrier();
    var j = local;
    for (; j + 3u * WG < n; j += 4u * WG) {
      turn_four(rows, j, matrix);
    }
    for (; j < n; j += WG) {
      turn_one(rows, j, matrix);
    }
  }
  storageBarrier();
  workgroupBarrier();
}

// Writes the eigenvector of row k as the column of its rank, of length 1 and with its sign fixed.
fn finish(k: u32, at: Places, scale: f32) {
  let n = params.n;
  let value = diagonal[k];
  var rank = 0u;
  for (var i = 0u; i < n; i++) {
    rank += u32(diagonal[i] < value || (diagonal[i] == value && i < k));
  }
  values[at.values + rank] = value * scale;
  let row = at.work + k * n;
  var top = 0.0;
  var squares = 0.0;
  for (var i = 0u; i < n; i++) {
    let x = work[row + i];
    top = max(top, abs(x));
    squares += x * x;
  }
  var first = 0u;
  while (first < n - 1u && abs(work[row + first]) < ALIKE * top) {
    first++;
  }
  let factor = select(1.0, -1.0, work[row + first] < 0.0) / sqrt(squares);
  for (var i = 0u; i < n; i++) {
    vectors[at.vectors + i * n + rank] = work[row + i] * factor;
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let which = group.y * groups.x + group.x;
  if (which >= params.count) {
    return;
  }
  let n = params.n;
  let square = which * n * n;
  let at = Places(params.a_offset + square, params.work_offset + square, params.values_offset + which * n, params.vectors_offset + square);
  let exponent = largest(local, at.a) >> 23u;
  if (exponent == 255u) {
    for (var j = local; j < n; j += WG) {
      values[at.values + j] = params.nan;
      for (var i = 0u; i < n; i++) {
        vectors[at.vectors + i * n + j] = params.nan;
      }
    }
    return;
  }
  // The power of two below the largest element, and one over it: both are numbers that are not denormal.
  let bits = clamp(exponent, 1u, 253u);
  load(local, at, bitcast<f32>((254u - bits) << 23u));
  for (var k = 0u; k + 2u < n; k++) {
    reflect(k, local, at.work);
  }
  storageBarrier();
  workgroupBarrier();
  // What is left is tridiagonal; elements of other invocations' columns are read.
  if (local == 0u) {
    for (var k = max(n, 2u) - 2u; k < n; k++) {
      diagonal[k] = work[at.work + k * n + k];
      if (k + 1u < n) {
        beside[k] = work[at.work + k * n + k + 1u];
      }
    }
  }
  storageBarrier();
  workgroupBarrier();
  multiply(local, at);
  diagonalise(local, at.work);
  for (var k = local; k < n; k += WG) {
    finish(k, at, bitcast<f32>(bits << 23u));
  }
}
