// out[o, k, i] = x[o, k, i] + the sum of source[o, j, i] over the j whose index is k; sources [outer, m, inner], result
// [outer, n, inner]. One invocation a result, which adds its sources in the order of j: no atomics, so the sum is the same
// bit for bit in every run. `scan` looks through all m indices; `sorted` finds its sources by bisection in indices that
// were sorted before (stably, so both give the same bits). Indices outside of 0 to n-1 meet no result and are ignored.

alias T = f32;               // elements
alias A = f32;               // what is summed in: f32 for f16
alias I = i32;               // indices: i32 or u32
const FLAT: bool = false;    // the index has one entry a slice [m], not one an element [outer, m, inner]
const WG: u32 = 64u;

struct Params {
  count: u32,                // elements of out
  n: u32, m: u32, inner: u32,
  x_offset: u32, index_offset: u32, source_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read> index: array<I>;     // as given for scan, sorted for sorted
@group(0) @binding(3) var<storage, read> order: array<i32>;   // where each of the sorted came from
@group(0) @binding(4) var<storage, read> source: array<T>;
@group(0) @binding(5) var<storage, read_write> out: array<T>;

@compute @workgroup_size(WG)
fn scan(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let e = (group.y * groups.x + group.x) * WG + local;
  if (e >= params.count) {
    return;
  }
  let inner = params.inner;
  let i = e % inner;
  let k = I((e / inner) % params.n);
  let row = (e / (inner * params.n)) * params.m * inner + i;
  let first = params.index_offset + select(row, 0u, FLAT);
  let step = select(inner, 1u, FLAT);
  var total = A(x[params.x_offset + e]);
  for (var j = 0u; j < params.m; j++) {
    if (index[first + j * step] == k) {
      total += A(source[params.source_offset + row + j * inner]);
    }
  }
  out[e] = T(total);
}

@compute @workgroup_size(WG)
fn sorted(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let e = (group.y * groups.x + group.x) * WG + local;
  if (e >= params.count) {
    return;
  }
  let inner = params.inner;
  let i = e % inner;
  let k = I((e / inner) % params.n);
  let row = (e / (inner * params.n)) * params.m * inner + i;
  let first = select(row, 0u, FLAT);
  let step = select(inner, 1u, FLAT);
  // The first place whose index is not below k.
  var low = 0u;
  var high = params.m;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (index[first + middle * step] < k) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  var total = A(x[params.x_offset + e]);
  for (var s = low; s < params.m; s++) {
    if (index[first + s * step] != k) {
      break;
    }
    let j = u32(order[first + s * step]);
    total += A(source[params.source_offset + row + j * inner]);
  }
  out[e] = T(total);
}
