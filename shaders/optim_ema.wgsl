// Exponential moving averages of up to six tensors in one dispatch. The averages lie one after another in `average`; how
// far they move is read from `hyper`, where optim_tick.wgsl puts it.

const WG: u32 = 64u;

struct Params {
  // Elements of each tensor.
  n0: u32,
  n1: u32,
  n2: u32,
  n3: u32,
  n4: u32,
  n5: u32,
  p0_offset: u32,
  p1_offset: u32,
  p2_offset: u32,
  p3_offset: u32,
  p4_offset: u32,
  p5_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> average: array<f32>;
@group(0) @binding(2) var<storage, read> p0: array<f32>;
@group(0) @binding(3) var<storage, read> p1: array<f32>;
@group(0) @binding(4) var<storage, read> p2: array<f32>;
@group(0) @binding(5) var<storage, read> p3: array<f32>;
@group(0) @binding(6) var<storage, read> p4: array<f32>;
@group(0) @binding(7) var<storage, read> p5: array<f32>;
@group(0) @binding(8) var<storage, read> hyper: array<f32>;

fn pull(i: u32, x: f32) {
  let old = average[i];
  average[i] = old + hyper[3] * (x - old);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * WG + local;
  var j = i;
  if (j < params.n0) {
    pull(i, p0[params.p0_offset + j]);
    return;
  }
  j -= params.n0;
  if (j < params.n1) {
    pull(i, p1[params.p1_offset + j]);
    return;
  }
  j -= params.n1;
  if (j < params.n2) {
    pull(i, p2[params.p2_offset + j]);
    return;
  }
  j -= params.n2;
  if (j < params.n3) {
    pull(i, p3[params.p3_offset + j]);
    return;
  }
  j -= params.n3;
  if (j < params.n4) {
    pull(i, p4[params.p4_offset + j]);
    return;
  }
  j -= params.n4;
  if (j < params.n5) {
    pull(i, p5[params.p5_offset + j]);
  }
}
