// out[o, j, i] = x[o, index[o, j, i], i]: picks along the middle dim of [outer, n, inner]. One invocation an element of the
// result [outer, m, inner]. A GPU cannot throw: an index outside of 0 to n-1 gives a value that nobody takes for an element.

alias T = f32;   // elements, copied as they are
alias C = f32;   // the same as a 32-bit type: f32 for f16
alias I = i32;   // indices: i32 or u32
const WG: u32 = 256u;

struct Params {
  count: u32,    // elements of out
  n: u32, m: u32, inner: u32,
  outside: u32,  // bits of what stands for an element that does not exist
  x_offset: u32, index_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read> index: array<I>;
@group(0) @binding(3) var<storage, read_write> out: array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let e = (group.y * groups.x + group.x) * WG + local;
  if (e >= params.count) {
    return;
  }
  let o = e / (params.m * params.inner);
  let i = e % params.inner;
  // A negative index becomes a large one.
  let k = u32(index[params.index_offset + e]);
  if (k >= params.n) {
    out[e] = T(bitcast<C>(params.outside));
    return;
  }
  out[e] = x[params.x_offset + (o * params.n + k) * params.inner + i];
}
