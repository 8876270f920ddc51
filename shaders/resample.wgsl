// out[o, j, i] = sum over t of weight[j, t] x[o, first[j] + t, i]: every line along the middle dim of [outer, n, inner] times a band matrix. Average pooling,
// interpolation and padding by copies are this along height and then along width; so are their gradients, with the transposed band.
// One invocation an element of the result. What has weight 0 is not read: a NaN reaches only what is made of it.

alias T = f32;         // elements; sums are f32
const WG: u32 = 256u;

struct Params {
  count: u32,          // elements of out
  n: u32, m: u32, inner: u32,
  taps: u32,           // columns of weight
  x_offset: u32, first_offset: u32, weight_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read> first: array<i32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let e = (group.y * groups.x + group.x) * WG + local;
  if (e >= params.count) {
    return;
  }
  let i = e % params.inner;
  let j = e / params.inner % params.m;
  let o = e / (params.inner * params.m);
  let start = params.x_offset + o * params.n * params.inner + i;
  let begin = u32(first[params.first_offset + j]);
  var sum = 0.0;
  for (var t = 0u; t < params.taps; t++) {
    let w = weight[params.weight_offset + j * params.taps + t];
    if (w != 0.0) {
      sum += w * f32(x[start + (begin + t) * params.inner]);
    }
  }
  out[e] = T(sum);
}
