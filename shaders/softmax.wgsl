// softmax, its logarithm, and the logarithm of the sum of exponentials, along the middle dim of [outer, n, inner], with the
// row's maximum subtracted first. One invocation a row (`thread`: many rows, short rows, CPU adapters) or one workgroup a
// row (`group`). A row whose maximum is infinite or NaN has no softmax (NaN, as in PyTorch); its logsumexp is the maximum.

alias T = f32;          // storage; computed in f32
const MODE: u32 = 0u;   // 0 softmax, 1 log softmax, 2 logsumexp (one result a row)
const WG: u32 = 64u;

struct Params {
  count: u32,           // rows
  n: u32, inner: u32,
  nan: f32,             // as data: WGSL may assume that literals are finite
  minus_inf: f32,
  x_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read_write> out: array<T>;

fn row_start(r: u32) -> u32 {
  return (r / params.inner) * params.n * params.inner + r % params.inner;
}

fn is_nan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

// NaN wins.
fn larger(a: f32, b: f32) -> f32 {
  return select(select(b, a, a > b), a, is_nan(a));
}

fn is_finite(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
}

fn at(i: u32) -> f32 {
  return f32(x[params.x_offset + i]);
}

// The result for an element, given the row's maximum and its sum of exponentials.
fn element(v: f32, top: f32, total: f32) -> T {
  if (!is_finite(top)) {
    return T(params.nan);
  }
  if (MODE == 0u) {
    return T(exp(v - top) / total);
  }
  return T((v - top) - log(total));
}

fn whole(top: f32, total: f32) -> T {
  if (!is_finite(top)) {
    return T(top);
  }
  return T(top + log(total));
}

@compute @workgroup_size(WG)
fn thread(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let r = (group_id.y * groups.x + group_id.x) * WG + local;
  if (r >= params.count) {
    return;
  }
  let start = row_start(r);
  var top = params.minus_inf;
  for (var j = 0u; j < params.n; j++) {
    top = larger(top, at(start + j * params.inner));
  }
  var total = 0.0;
  for (var j = 0u; j < params.n; j++) {
    total += exp(at(start + j * params.inner) - top);
  }
  if (MODE == 2u) {
    out[r] = whole(top, total);
    return;
  }
  for (var j = 0u; j < params.n; j++) {
    let i = start + j * params.inner;
    out[i] = element(at(i), top, total);
  }
}

var<workgroup> slots: array<f32, WG>;

@compute @workgroup_size(WG)
fn group(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let r = group_id.y * groups.x + group_id.x;
  if (r >= params.count) {
    return;
  }
  let start = row_start(r);
  var top = params.minus_inf;
  for (var j = local; j < params.n; j += WG) {
    top = larger(top, at(start + j * params.inner));
  }
  slots[local] = top;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (local < half) {
      slots[local] = larger(slots[local], slots[local + half]);
    }
    workgroupBarrier();
  }
  top = slots[0];
  workgroupBarrier();
  var total = 0.0;
  for (var j = local; j < params.n; j += WG) {
    total += exp(at(start + j * params.inner) - top);
  }
  slots[local] = total;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (local < half) {
      slots[local] += slots[local + half];
    }
    workgroupBarrier();
  }
  total = slots[0];
  if (MODE == 2u) {
    if (local == 0u) {
      out[r] = whole(top, total);
    }
    return;
  }
  for (var j = local; j < params.n; j += WG) {
    let i = start + j * params.inner;
    out[i] = element(at(i), top, total);
  }
}
