// Convolution as an implicit matrix product, C = epilogue(A B), for software adapters ("rows"): nothing is unfolded in memory.
// An image (forward pass: a = weight, b = input; input gradient and transposed convolution: a = weight, b = output gradient): rows are its channels, columns its
// pixels, the sum runs over taps and channels. A weight gradient: a = output gradient, b = input, rows are output channels, columns (input channel, tap) pairs,
// the sum runs over all output pixels. An invocation owns 16 rows x 8 columns; the row block is the same for the whole workgroup.
// Whether a tap falls outside of the image is decided once a tap, not once an element: channels, not taps, are the inner sum.
// Strides of an input gradient split its pixels in phases, each of which has its own taps: no product with a zero between the strides is ever formed.

alias T = f32;                 // storage of a, b, bias, gate, c and rowsum; sums are f32
const WIDTH: u32 = 8u;         // invocations of a workgroup
const WEIGHT: bool = false;    // the weight gradient; else an image

struct Params {
  m: u32,                                // rows: channels of the result, of one group
  n: u32,                                // columns: pixels of the largest phase, or (channel, tap) pairs of one group
  groups: u32,
  outer: u32, inner: u32,                // an image is summed over taps, then channels; a weight over (image, row), then columns
  batch: u32,
  source_channels: u32,                  // of one group of b
  source_height: u32, source_width: u32,
  target_height: u32, target_width: u32, // of the image written, or of a where a weight is
  kernel_height: u32, kernel_width: u32,
  // Where a target pixel and a tap meet in the source: (pixel * mul + origin + tap * step) / div, where that is whole and inside.
  mul_y: i32, mul_x: i32,
  origin_y: i32, origin_x: i32,
  step_y: i32, step_x: i32,
  div_y: i32, div_x: i32,
  a_row: u32, a_inner: u32, a_group: u32,   // elements of a from one row, one inner step, one group to the next
  b_inner: u32,                             // elements of b from one inner step to the next
  a_offset: u32, b_offset: u32, c_offset: u32, bias_offset: u32, gate_offset: u32, rowsum_offset: u32,
  slope: f32,
  // The epilogue, as data: a compiled kernel for each combination would cost more than these branches.
  has_bias: u32,                         // 1: add bias[channel]
  activation: u32,                       // 0 none, 1 relu, 2 leaky relu, 3 tanh, 4 sigmoid
  gate_activation: u32,                  // not 0: times the derivative of that activation, by its output gate
  has_rowsum: u32,                       // 1: also rowsum[row] = sum of a's row, of a weight
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<T>;
@group(0) @binding(2) var<storage, read> b: array<T>;
@group(0) @binding(3) var<storage, read> bias: array<T>;
@group(0) @binding(4) var<storage, read> gate: array<T>;
@group(0) @binding(5) var<storage, read_write> c: array<T>;
@group(0) @binding(6) var<storage, read_write> rowsum: array<T>;

fn is_nan(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

// NaN stays NaN.
fn activate(x: vec4f) -> vec4f {
  if (params.activation == 1u) { return select(x, vec4f(0.0), x < vec4f(0.0)); }
  if (params.activation == 2u) { return select(params.slope * x, x, x > vec4f(0.0)); }
  if (params.activation == 3u) { return select(tanh(clamp(x, vec4f(-15.0), vec4f(15.0))), x, is_nan(x)); }
  if (params.activation == 4u) {
    let e = exp(-abs(x));
    return select(e, vec4f(1.0), x >= vec4f(0.0)) / (1.0 + e);
  }
  return x;
}

// A gradient past an activation, by the activation's output y.
fn gated(value: vec4f, y: vec4f) -> vec4f {
  if (params.gate_activation == 1u) { return select(value, vec4f(0.0), y <= vec4f(0.0)); }
  if (params.gate_activation == 2u) { return value * select(vec4f(params.slope), vec4f(1.0), y > vec4f(0.0)); }
  if (params.gate_activation == 3u) { return value * (1.0 - y * y); }
  return value * (y * (1.0 - y));
}

// Four columns of a row of the result, those that are there: `at` counts its elements.
fn finish(sum: vec4f, at: vec4u, there: vec4<bool>, channel: u32) {
  var value = sum;
  if (params.has_bias != 0u) { value += f32(bias[params.bias_offset + channel]); }
  value = activate(value);
  if (params.gate_activation != 0u) {
    let i = params.gate_offset + select(vec4u(0u), at, there);
    value = gated(value, vec4f(f32(gate[i.x]), f32(gate[i.y]), f32(gate[i.z]), f32(gate[i.w])));
  }
  let i = params.c_offset + at;
  if (there.x) { c[i.x] = T(value.x); }
  if (there.y) { c[i.y] = T(value.y); }
  if (there.z) { c[i.z] = T(value.z); }
  if (there.w) { c[i.w] = T(value.w); }
}

struct Columns { lo: vec4f, hi: vec4f }   // 8 columns of one row

fn add(sum: Columns, x: f32, y: Columns) -> Columns {
  return Columns(sum.lo + x * y.lo, sum.hi + x * y.hi);
}

// Four columns of b. Those outside of the image are zero, whatever lies at the place they are given.
fn fetchB(at: vec4u, inside: vec4<bool>) -> vec4f {
  return select(vec4f(0.0), vec4f(f32(b[at.x]), f32(b[at.y]), f32(b[at.z]), f32(b[at.w])), inside);
}

fn linear(group: vec3u, groups: vec3u) -> u32 {
  return (group.z * groups.y + group.y) * groups.x + group.x;
}

// Four columns: pixels of an image (y and x among those of their phase, where their image starts in b, their place in the result), or taps of a weight.
struct Place { y: vec4i, x: vec4i, image: vec4u, at: vec4u, there: vec4<bool> }

// The pixels of one phase, those whose taps are the same: y and x equal to the phase modulo div.
fn pixels(first: u32, phase: vec2u, group: u32) -> Place {
  let tall = (params.target_height - phase.y + u32(params.div_y) - 1u) / u32(params.div_y);
  let wide = (params.target_width - phase.x + u32(params.div_x) - 1u) / u32(params.div_x);
  let n = first + vec4u(0u, 1u, 2u, 3u);
  let there = n < vec4u(tall * wide * params.batch);
  let p = select(vec4u(0u), n, there);
  let image = p / max(tall * wide, 1u);
  let y = (p / max(wide, 1u)) % max(tall, 1u);
  let x = p % max(wide, 1u);
  let plane = params.target_height * params.target_width;
  return Place(
    vec4i(y), vec4i(x),
    params.b_offset + (image * params.groups + group) * params.source_channels * params.source_height * params.source_width,
    (image * params.groups + group) * params.m * plane + (y * u32(params.div_y) + phase.y) * params.target_width + x * u32(params.div_x) + phase.x,
    there,
  );
}

// Taps: y and x are where the first target pixel meets them.
fn taps(first: u32, group: u32) -> Place {
  let n = first + vec4u(0u, 1u, 2u, 3u);
  let there = n < vec4u(params.n);
  let t = select(vec4u(0u), n, there);
  let kernel = params.kernel_height * params.kernel_width;
  return Place(
    vec4i(t % kernel / params.kernel_width) * params.step_y + params.origin_y,
    vec4i(t % params.kernel_width) * params.step_x + params.origin_x,
    params.b_offset + (group * params.source_channels + t / kernel) * params.source_height * params.source_width,
    group * params.m * params.n + n,
    there,
  );
}

fn inRange(v: vec4i, size: u32) -> vec4<bool> {
  return vec4u(v) < vec4u(size);
}

fn both(p: vec4<bool>, q: vec4<bool>) -> vec4<bool> {
  return vec4<bool>(p.x && q.x, p.y && q.y, p.z && q.z, p.w && q.w);
}

// Four rows.
fn fetchA(at: vec4u) -> vec4f {
  return vec4f(f32(a[at.x]), f32(a[at.y]), f32(a[at.z]), f32(a[at.w]));
}

@compute @workgroup_size(WIDTH)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  // Workgroups are numbered through all three dimensions; row blocks run fastest, so that what they read of b stays in the cache.
  let down = (params.m + 15u) / 16u;
  let across = (params.n + WIDTH * 8u - 1u) / (WIDTH * 8u);
  let phases = select(u32(params.div_y * params.div_x), 1u, WEIGHT);
  let id = linear(group, groups);
  if (id >= down * across * phases * params.groups) { return; }
  let m0 = (id % down) * 16u;
  let panel = (id / down) % across;
  let phaseIndex = (id / (down * across)) % phases;
  let phase = vec2u(phaseIndex % u32(params.div_x), phaseIndex / u32(params.div_x));
  let g = id / (down * across * phases);
  let n0 = (panel * WIDTH + local) * 8u;

  var lo: Place;
  var hi: Place;
  if (WEIGHT) {
    lo = taps(n0, g);
    hi = taps(n0 + 4u, g);
  } else {
    lo = pixels(n0, phase, g);
    hi = pixels(n0 + 4u, phase, g);
  }
  // Everything the loops need is read here: no software compiler moves it out of them.
  let inner = params.inner;
  let stepA = params.a_inner;
  let stepB = params.b_inner;
  let source = vec2u(params.source_width, params.source_height);
  let startA = params.a_offset + g * params.a_group;
  let lastRow = params.m - 1u;
  let rows = vec4u(0u, 1u, 2u, 3u);
  let row0 = startA + min(m0 + rows, vec4u(lastRow)) * params.a_row;
  let row1 = startA + min(m0 + 4u + rows, vec4u(lastRow)) * params.a_row;
  let row2 = startA + min(m0 + 8u + rows, vec4u(lastRow)) * params.a_row;
  let row3 = startA + min(m0 + 12u + rows, vec4u(lastRow)) * params.a_row;

  var c0: Columns;  var c1: Columns;  var c2: Columns;  var c3: Columns;
  var c4: Columns;  var c5: Columns;  var c6: Columns;  var c7: Columns;
  var c8: Columns;  var c9: Columns;  var c10: Columns;  var c11: Columns;
  var c12: Columns;  var c13: Columns;  var c14: Columns;  var c15: Columns;
  var s0: vec4f;  var s1: vec4f;  var s2: vec4f;  var s3: vec4f;
  for (var o = 0u; o < params.outer; o++) {
    var skipA: u32;
    var b0: vec4u;
    var b1: vec4u;
    var inside0: vec4<bool>;
    var inside1: vec4<bool>;
    var x0: vec4i;
    var x1: vec4i;
    if (WEIGHT) {
      // o is a row of an image of a.
      let image = o / params.target_height;
      let row = o % params.target_height;
      skipA = image * params.groups * params.m * params.a_row + row * params.target_width;
      let imageB = image * params.groups * params.source_channels * source.x * source.y;
      let y0 = lo.y + i32(row) * params.mul_y;
      let y1 = hi.y + i32(row) * params.mul_y;
      inside0 = both(lo.there, inRange(y0, source.y));
      inside1 = both(hi.there, inRange(y1, source.y));
      x0 = lo.x;
      x1 = hi.x;
      // Wraps below zero where x does; such places are not read.
      b0 = lo.image + imageB + vec4u(y0 * i32(source.x) + x0);
      b1 = hi.image + imageB + vec4u(y1 * i32(source.x) + x1);
    } else {
      // o is a tap. All pixels of a phase have it, or none.
      let tap = vec2i(i32(o % params.kernel_width), i32(o / params.kernel_width));
      let meets = vec2i(phase) + vec2i(params.origin_x, params.origin_y) + tap * vec2i(params.step_x, params.step_y);
      let divisor = vec2i(params.div_x, params.div_y);
      if (any(meets % divisor != vec2i(0))) { continue; }
      skipA = o;
      // Where the first pixel of the phase meets it; the others follow. (Divided pixel by pixel it would cost as much as eight channels.)
      let shift = meets / divisor;
      let y0 = lo.y * params.mul_y + shift.y;
      let y1 = hi.y * params.mul_y + shift.y;
      x0 = lo.x * params.mul_x + shift.x;
      x1 = hi.x * params.mul_x + shift.x;
      inside0 = both(both(lo.there, inRange(y0, source.y)), inRange(x0, source.x));
      inside1 = both(both(hi.there, inRange(y1, source.y)), inRange(x1, source.x));
      b0 = select(vec4u(0u), lo.image + vec4u(y0 * i32(source.x) + x0), inside0);
      b1 = select(vec4u(0u), hi.image + vec4u(y1 * i32(source.x) + x1), inside1);
    }
    var a0 = row0 + skipA;
    var a1 = row1 + skipA;
    var a2 = row2 + skipA;
    var a3 = row3 + skipA;
    for (var k = 0u; k < inner; k++) {
      var y: Columns;
      if (WEIGHT) {
        let in0 = both(inside0, inRange(x0, source.x));
        let in1 = both(inside1, inRange(x1, source.x));
        y = Columns(fetchB(select(vec4u(0u), b0, in0), in0), fetchB(select(vec4u(0u), b1, in1), in1));
        x0 += params.mul_x;
        x1 += params.mul_x;
      } else {
        y = Columns(fetchB(b0, inside0), fetchB(b1, inside1));
      }
      b0 += stepB;
      b1 += stepB;
      let p0 = fetchA(a0);
      c0 = add(c0, p0.x, y);
      c1 = add(c1, p0.y, y);
      c2 = add(c2, p0.z, y);
      c3 = add(c3, p0.w, y);
      s0 += p0;
      let p1 = fetchA(a1);
      c4 = add(c4, p1.x, y);
      c5 = add(c5, p1.y, y);
      c6 = add(c6, p1.z, y);
      c7 = add(c7, p1.w, y);
      s1 += p1;
      let p2 = fetchA(a2);
      c8 = add(c8, p2.x, y);
      c9 = add(c9, p2.y, y);
      c10 = add(c10, p2.z, y);
      c11 = add(c11, p2.w, y);
      s2 += p2;
      let p3 = fetchA(a3);
      c12 = add(c12, p3.x, y);
      c13 = add(c13, p3.y, y);
      c14 = add(c14, p3.z, y);
      c15 = add(c15, p3.w, y);
      s3 += p3;
      a0 += stepA;
      a1 += stepA;
      a2 += stepA;
      a3 += stepA;
    }
  }

  // A loop over the rows, which no compiler can unroll (it starts at m0): stores and activations are expanded lane by lane, and written out
  // for each row they would be most of the machine code.
  var sums = array<Columns, 16>(
    c0, c1, c2, c3, c4, c5, c6, c7,
    c8, c9, c10, c11, c12, c13, c14, c15,
  );
  let plane = select(params.target_height * params.target_width, params.n, WEIGHT);
  let end = min(m0 + 16u, params.m);
  if (params.has_rowsum != 0u && n0 == 0u) {
    var sumsA = array<vec4f, 4>(s0, s1, s2, s3);
    for (var m = m0; m < end; m++) { rowsum[params.rowsum_offset + g * params.m + m] = T(sumsA[(m - m0) / 4u][(m - m0) % 4u]); }
  }
  for (var m = m0; m < end; m++) {
    let sum = sums[m - m0];
    finish(sum.lo, lo.at + m * plane, lo.there, g * params.m + m);
    finish(sum.hi, hi.at + m * plane, hi.there, g * params.m + m);
  }
}
