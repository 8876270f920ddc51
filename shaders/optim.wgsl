// Optimiser updates of up to three parameters in one dispatch: SGD, Adam (AdamW by a flag) and RMSprop with PyTorch's
// formulas. Everything that changes between steps is read from `hyper`, so that a recorded step stays right; the flags
// are what an optimiser fixes when it is made. The moments of the three lie in `state`, moment after moment.

const WG: u32 = 64u;
// Elements of an invocation, so that what all share is read once for several.
const PER: u32 = 4u;

// Bits of params.flags.
const MAXIMIZE: u32 = 1u;
const DECOUPLED: u32 = 2u;
const NESTEROV: u32 = 4u;
const MOMENTUM: u32 = 8u;
const CENTERED: u32 = 16u;

// The head of `hyper`; records of four numbers a parameter follow at RECORDS, written by optim_tick.wgsl.
const LR: u32 = 0u;
const WEIGHT_DECAY: u32 = 1u;
const EPS: u32 = 2u;
// Momentum, beta1 or alpha, and one minus it (SGD: 1 - dampening), worked out in double precision on the host.
const DECAY1: u32 = 3u;
const REST1: u32 = 4u;
// beta2, or RMSprop's momentum.
const DECAY2: u32 = 5u;
const REST2: u32 = 6u;
const RECORDS: u32 = 16u;

struct Params {
  // Elements of each tensor; 0 leaves it alone.
  n0: u32,
  n1: u32,
  n2: u32,
  // Where each tensor begins in a moment.
  start0: u32,
  start1: u32,
  start2: u32,
  // Elements of a moment.
  moment: u32,
  // The record of the first tensor in `hyper`.
  record: u32,
  // A gradient that is stored transposed, as the transpose of a product is: rows of the parameter. Else 0.
  rows0: u32,
  rows1: u32,
  rows2: u32,
  flags: u32,
  p0_offset: u32,
  p1_offset: u32,
  p2_offset: u32,
  g0_offset: u32,
  g1_offset: u32,
  g2_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> p0: array<f32>;
@group(0) @binding(2) var<storage, read_write> p1: array<f32>;
@group(0) @binding(3) var<storage, read_write> p2: array<f32>;
@group(0) @binding(4) var<storage, read> g0: array<f32>;
@group(0) @binding(5) var<storage, read> g1: array<f32>;
@group(0) @binding(6) var<storage, read> g2: array<f32>;
@group(0) @binding(7) var<storage, read_write> state: array<f32>;
@group(0) @binding(8) var<storage, read> hyper: array<f32>;

// One element: of which tensor, where in it, and where its moments are.
struct Place {
  which: u32,
  index: u32,
  slot: u32,
}

fn place(i: u32) -> Place {
  var j = i;
  if (j < params.n0) {
    return Place(0u, j, params.start0 + j);
  }
  j -= params.n0;
  if (j < params.n1) {
    return Place(1u, j, params.start1 + j);
  }
  j -= params.n1;
  return Place(2u, j, params.start2 + j);
}

fn elements() -> u32 {
  return params.n0 + params.n1 + params.n2;
}

// An invocation takes every stride()-th element.
fn stride() -> u32 {
  return (elements() + PER - 1u) / PER;
}

fn value(at: Place) -> f32 {
  if (at.which == 0u) {
    return p0[params.p0_offset + at.index];
  }
  if (at.which == 1u) {
    return p1[params.p1_offset + at.index];
  }
  return p2[params.p2_offset + at.index];
}

fn put(at: Place, x: f32) {
  if (at.which == 0u) {
    p0[params.p0_offset + at.index] = x;
  } else if (at.which == 1u) {
    p1[params.p1_offset + at.index] = x;
  } else {
    p2[params.p2_offset + at.index] = x;
  }
}

// Where element `index` lies in a gradient of `n` elements.
fn source(index: u32, n: u32, rows: u32) -> u32 {
  if (rows == 0u) {
    return index;
  }
  let columns = n / rows;
  return (index % columns) * rows + index / columns;
}

// The gradient as the update sees it: with its sign, and with L2 decay unless that is decoupled.
fn gradient(at: Place, x: f32) -> f32 {
  var g: f32;
  if (at.which == 0u) {
    g = g0[params.g0_offset + source(at.index, params.n0, params.rows0)];
  } else if (at.which == 1u) {
    g = g1[params.g1_offset + source(at.index, params.n1, params.rows1)];
  } else {
    g = g2[params.g2_offset + source(at.index, params.n2, params.rows2)];
  }
  if (has(MAXIMIZE)) {
    g = -g;
  }
  if (hyper[WEIGHT_DECAY] != 0.0 && !has(DECOUPLED)) {
    g += hyper[WEIGHT_DECAY] * x;
  }
  return g;
}

fn has(flag: u32) -> bool {
  return (params.flags & flag) != 0u;
}

@compute @workgroup_size(WG)
fn sgd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let first = (group.y * groups.x + group.x) * WG + local;
  let step = stride();
  for (var i = first; first < step && i < elements(); i += step) {
    let at = place(i);
    let x = value(at);
    var g = gradient(at, x);
    if (has(MOMENTUM)) {
      // The first gradient enters whole. Where nothing is dampened steps are not counted, and 0 + 1·g is the same.
      let rest = select(hyper[REST1], 1.0, hyper[RECORDS + 4u * (params.record + at.which)] == 1.0);
      let velocity = hyper[DECAY1] * state[at.slot] + rest * g;
      state[at.slot] = velocity;
      g = select(velocity, g + hyper[DECAY1] * velocity, has(NESTEROV));
    }
    put(at, x - hyper[LR] * g);
  }
}

@compute @workgroup_size(WG)
fn adam(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let first = (group.y * groups.x + group.x) * WG + local;
  let step = stride();
  let lr = hyper[LR];
  let decay1 = hyper[DECAY1];
  let rest1 = hyper[REST1];
  let decay2 = hyper[DECAY2];
  let rest2 = hyper[REST2];
  let eps = hyper[EPS];
  let shrink = select(1.0, 1.0 - lr * hyper[WEIGHT_DECAY], has(DECOUPLED));
  for (var i = first; first < step && i < elements(); i += step) {
    let at = place(i);
    let x = value(at);
    let g = gradient(at, x);
    let m = decay1 * state[at.slot] + rest1 * g;
    let v = decay2 * state[params.moment + at.slot] + rest2 * g * g;
    state[at.slot] = m;
    state[params.moment + at.slot] = v;
    let record = RECORDS + 4u * (params.record + at.which);
    put(at, x * shrink - lr / hyper[record + 1u] * (m / (sqrt(v) / hyper[record + 2u] + eps)));
  }
}

@compute @workgroup_size(WG)
fn rmsprop(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let first = (group.y * groups.x + group.x) * WG + local;
  let step = stride();
  for (var i = first; first < step && i < elements(); i += step) {
    let at = place(i);
    let x = value(at);
    let g = gradient(at, x);
    let v = hyper[DECAY1] * state[at.slot] + hyper[REST1] * g * g;
    state[at.slot] = v;
    var spread = v;
    var next = at.slot + params.moment;
    if (has(CENTERED)) {
      let m = hyper[DECAY1] * state[next] + hyper[REST1] * g;
      state[next] = m;
      next += params.moment;
      spread = max(v - m * m, 0.0);
    }
    var change = g / (sqrt(spread) + hyper[EPS]);
    if (has(MOMENTUM)) {
      change += hyper[DECAY2] * state[next];
      state[next] = change;
    }
    put(at, x - hyper[LR] * change);
  }
}
