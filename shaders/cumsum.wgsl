// Running sums along the middle dim of [outer, n, inner]. `row`: one invocation a row, in order (many rows, short rows, CPU
// adapters). `chunk`: one workgroup sums CHUNK elements of a row and notes their total; the totals are summed in the same way
// by another call, and `add` gives each chunk what lies before it. Always in the same order: the same bits in every run.

alias T = f32;             // elements of out (and of x)
alias A = f32;             // what is summed in: f32 for f16
const WG: u32 = 256u;
const CHUNK: u32 = WG * 4u;

struct Params {
  count: u32,              // row: rows; chunk: workgroups; add: elements
  n: u32, inner: u32,
  chunks: u32,             // of a row
  x_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read_write> out: array<T>;
@group(0) @binding(3) var<storage, read_write> totals: array<A>;   // [outer * inner, chunks]
@group(0) @binding(4) var<storage, read> sums: array<A>;           // the running sums of totals

fn row_start(r: u32) -> u32 {
  return (r / params.inner) * params.n * params.inner + r % params.inner;
}

@compute @workgroup_size(WG)
fn row(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let r = (group_id.y * groups.x + group_id.x) * WG + local;
  if (r >= params.count) {
    return;
  }
  var at = row_start(r);
  var total = A(0);
  for (var j = 0u; j < params.n; j++) {
    total += A(x[params.x_offset + at]);
    out[at] = T(total);
    at += params.inner;
  }
}

var<workgroup> running: array<A, WG>;

@compute @workgroup_size(WG)
fn chunk(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let c = group_id.y * groups.x + group_id.x;
  if (c >= params.count) {
    return;
  }
  let start = row_start(c / params.chunks);
  let first = (c % params.chunks) * CHUNK + local * 4u;
  var v = vec4<A>();
  for (var q = 0u; q < 4u; q++) {
    if (first + q < params.n) {
      v[q] = A(x[params.x_offset + start + (first + q) * params.inner]);
    }
  }
  v.y += v.x;
  v.z += v.y;
  v.w += v.z;
  running[local] = v.w;
  workgroupBarrier();
  for (var distance = 1u; distance < WG; distance *= 2u) {
    var sum = running[local];
    if (local >= distance) {
      sum = running[local - distance] + sum;
    }
    workgroupBarrier();
    running[local] = sum;
    workgroupBarrier();
  }
  if (local > 0u) {
    v += vec4<A>(running[local - 1u]);
  }
  for (var q = 0u; q < 4u; q++) {
    if (first + q < params.n) {
      out[start + (first + q) * params.inner] = T(v[q]);
    }
  }
  if (local == 0u) {
    totals[c] = running[WG - 1u];
  }
}

@compute @workgroup_size(WG)
fn add(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let e = (group_id.y * groups.x + group_id.x) * WG + local;
  if (e >= params.count) {
    return;
  }
  let inner = params.inner;
  let c = ((e / inner) % params.n) / CHUNK;
  if (c > 0u) {
    let r = (e / (inner * params.n)) * inner + e % inner;
    out[e] = T(sums[r * params.chunks + c - 1u] + A(out[e]));
  }
}
