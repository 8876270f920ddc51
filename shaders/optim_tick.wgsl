// Counts optimiser steps on the device, so that a recorded step counts too, and works out once a step what depends on the
// count: Adam's bias corrections for each parameter, and the decay of a moving average that warms up.

const WG: u32 = 64u;

// As in optim.wgsl.
const LOG_DECAY1: u32 = 7u;
const LOG_DECAY2: u32 = 8u;
const RECORDS: u32 = 16u;

struct Params {
  // The parameters that take a step, by their records: `count` of them from `first` on.
  first: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> hyper: array<f32>;

// 1 - exp(x) for x <= 0, without the cancellation near 0.
fn one_minus_exp(x: f32) -> f32 {
  if (x > -0.5) {
    return -x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * (0.008333334 + x * (0.0013888889 + x * (0.0001984127 + x * 0.000024801588)))))));
  }
  return 1.0 - exp(max(x, -80.0));
}

// A record: steps taken, 1 - beta1^t, sqrt(1 - beta2^t).
@compute @workgroup_size(WG)
fn steps(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.count) {
    return;
  }
  let record = RECORDS + 4u * (params.first + i);
  let t = hyper[record] + 1.0;
  hyper[record] = t;
  hyper[record + 1u] = one_minus_exp(t * hyper[LOG_DECAY1]);
  hyper[record + 2u] = sqrt(one_minus_exp(t * hyper[LOG_DECAY2]));
}

// Of a moving average: 0 the final 1 - decay, 1 whether it warms up, 2 updates made, 3 the 1 - decay of this update.
@compute @workgroup_size(1)
fn ema() {
  let t = hyper[2];
  hyper[3] = select(hyper[0], max(hyper[0], 9.0 / (10.0 + t)), hyper[1] != 0.0);
  hyper[2] = t + 1.0;
}
