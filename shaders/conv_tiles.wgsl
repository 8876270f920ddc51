// Convolution as an implicit matrix product for GPUs ("tiles"): the product of conv_rows.wgsl with the tiling of matmul_tiles.wgsl. Slabs of both operands are
// gathered into workgroup memory; neighbouring invocations gather neighbouring pixels of an image, or neighbouring taps of a weight. A weight gradient sums over
// all pixels of all images and has few results: its sum may be split over workgroups, the parts are added up by a reduction afterwards.

alias T = f32;                 // storage of a, b, bias, gate and rowsum; sums are f32
alias C = f32;                 // storage of c: f32 where a sum is taken in parts
const TILE_M: u32 = 64u;
const TILE_N: u32 = 64u;
const TILE_K: u32 = 16u;
const PER_M: u32 = 4u;         // rows of an invocation, divides TILE_M
const PER_N: u32 = 4u;         // columns of an invocation, divides TILE_N
const WEIGHT: bool = false;    // the weight gradient; else an image

const ACROSS: u32 = TILE_N / PER_N;
const DOWN: u32 = TILE_M / PER_M;
const INVOCATIONS: u32 = ACROSS * DOWN;   // a multiple of TILE_N and of TILE_K

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
  splits: u32,                           // a weight's sum in so many parts, each a result of its own; else 1
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
@group(0) @binding(5) var<storage, read_write> c: array<C>;
@group(0) @binding(6) var<storage, read_write> rowsum: array<T>;

fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// NaN stays NaN.
fn activate(x: f32) -> f32 {
  if (params.activation == 1u) { return select(x, 0.0, x < 0.0); }
  if (params.activation == 2u) { return select(params.slope * x, x, x > 0.0); }
  if (params.activation == 3u) { return select(tanh(clamp(x, -15.0, 15.0)), x, is_nan(x)); }
  if (params.activation == 4u) {
    let e = exp(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
  }
  return x;
}

// A gradient past an activation, by the activation's output y.
fn gated(value: f32, y: f32) -> f32 {
  if (params.gate_activation == 1u) { return select(value, 0.0, y <= 0.0); }
  if (params.gate_activation == 2u) { return value * select(params.slope, 1.0, y > 0.0); }
  if (params.gate_activation == 3u) { return value * (1.0 - y * y); }
  return value * (y * (1.0 - y));
}

// One element of the result: `at` counts its elements.
fn finish(sum: f32, at: u32, channel: u32) {
  var value = sum;
  if (params.has_bias != 0u) { value += f32(bias[params.bias_offset + channel]); }
  value = activate(value);
  if (params.gate_activation != 0u) { value = gated(value, f32(gate[params.gate_offset + at])); }
  c[params.c_offset + at] = C(value);
}

var<workgroup> slabA: array<f32, TILE_K * (TILE_M + 1u)>;   // [k][m]
var<workgroup> slabB: array<f32, TILE_K * (TILE_N + 1u)>;   // [k][n]

fn linear(group: vec3u, groups: vec3u) -> u32 {
  return (group.z * groups.y + group.y) * groups.x + group.x;
}

// A column: a pixel (y, x) of the result or a tap (y, x where the first target pixel meets it), where its image or channel starts in b, its place in the result.
struct Column { y: i32, x: i32, start: u32, at: u32, there: bool }

fn pixel(n: u32, phase: vec2u, g: u32) -> Column {
  let tall = (params.target_height - phase.y + u32(params.div_y) - 1u) / u32(params.div_y);
  let wide = (params.target_width - phase.x + u32(params.div_x) - 1u) / u32(params.div_x);
  let there = n < tall * wide * params.batch;
  let p = select(0u, n, there);
  let image = p / max(tall * wide, 1u);
  let y = (p / max(wide, 1u)) % max(tall, 1u) * u32(params.div_y) + phase.y;
  let x = p % max(wide, 1u) * u32(params.div_x) + phase.x;
  let plane = params.target_height * params.target_width;
  return Column(
    i32(y) * params.mul_y, i32(x) * params.mul_x,
    params.b_offset + (image * params.groups + g) * params.source_channels * params.source_height * params.source_width,
    (image * params.groups + g) * params.m * plane + y * params.target_width + x,
    there,
  );
}

fn tap(n: u32, g: u32) -> Column {
  let there = n < params.n;
  let t = select(0u, n, there);
  let kernel = params.kernel_height * params.kernel_width;
  return Column(
    i32(t % kernel / params.kernel_width) * params.step_y + params.origin_y,
    i32(t % params.kernel_width) * params.step_x + params.origin_x,
    params.b_offset + (g * params.source_channels + t / kernel) * params.source_height * params.source_width,
    g * params.m * params.n + n,
    there,
  );
}

// The taps of a phase: the first one, their distance, how many.
struct Taps { first: u32, step: u32, count: u32 }

fn tapsOf(phase: u32, origin: i32, step: i32, div: i32, size: u32) -> Taps {
  // They repeat after div taps at most: what is found in the first div is the pattern.
  var first = size;
  var next = size;
  for (var t = 0u; t < size; t++) {
    if ((i32(phase) + origin + i32(t) * step) % div == 0) {
      if (first == size) { first = t; } else { next = t; break; }
    }
  }
  let distance = next - first;
  return Taps(first, max(distance, 1u), select((size - first + distance - 1u) / max(distance, 1u), 0u, first == size));
}

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  // Workgroups are numbered through all three dimensions; row blocks run fastest.
  let down = (params.m + TILE_M - 1u) / TILE_M;
  let across = (params.n + TILE_N - 1u) / TILE_N;
  let phases = select(u32(params.div_y * params.div_x), 1u, WEIGHT);
  let id = linear(group, groups);
  if (id >= down * across * phases * params.groups * params.splits) { return; }
  let m0 = (id % down) * TILE_M;
  let n0 = ((id / down) % across) * TILE_N;
  let phaseIndex = (id / (down * across)) % phases;
  let phase = vec2u(phaseIndex % u32(params.div_x), phaseIndex / u32(params.div_x));
  let g = (id / (down * across * phases)) % params.groups;
  let split = id / (down * across * phases * params.groups);

  // An invocation always copies the same column of b and the same k of a slab of a.
  var mine: Column;
  if (WEIGHT) { mine = tap(n0 + local % TILE_N, g); } else { mine = pixel(n0 + local % TILE_N, phase, g); }
  let tall = tapsOf(phase.y, params.origin_y, params.step_y, params.div_y, params.kernel_height);
  let wide = tapsOf(phase.x, params.origin_x, params.step_x, params.div_x, params.kernel_width);
  let taps = tall.count * wide.count;
  let startA = params.a_offset + g * params.a_group;
  let pixels = params.target_height * params.target_width;
  // The sum of an image runs over (channel, tap), of a weight over (image, pixel).
  let depth = select(params.source_channels * taps, params.batch * pixels, WEIGHT);
  let share = (depth + params.splits - 1u) / params.splits;
  let first = split * share;
  let last = min(first + share, depth);

  var sums: array<array<f32, PER_N>, PER_M>;
  var rows: array<f32, PER_M>;
  let x = local % ACROSS;
  let y = local / ACROSS;
  for (var k0 = first; k0 < last; k0 += TILE_K) {
    let kA = k0 + local % TILE_K;
    var skipA = 0u;
    if (WEIGHT) {
      skipA = kA / pixels * params.groups * params.m * params.a_row + kA % pixels;
    } else if (taps > 0u) {
      let t = kA % taps;
      skipA = kA / taps * params.a_inner + (tall.first + t / wide.count * tall.step) * params.kernel_width + wide.first + t % wide.count * wide.step;
    }
    for (var m = local / TILE_K; m < TILE_M; m += INVOCATIONS / TILE_K) {
      var value = 0.0;
      if (kA < last && m0 + m < params.m) { value = f32(a[startA + (m0 + m) * params.a_row + skipA]); }
      slabA[local % TILE_K * (TILE_M + 1u) + m] = value;
    }
    for (var k = local / TILE_N; k < TILE_K; k += INVOCATIONS / TILE_N) {
      let kB = k0 + k;
      var value = 0.0;
      if (mine.there && kB < last) {
        var at: vec2i;
        var start = mine.start;
        if (WEIGHT) {
          let p = kB % pixels;
          at = vec2i(mine.x + i32(p % params.target_width) * params.mul_x, mine.y + i32(p / params.target_width) * params.mul_y);
          start += kB / pixels * params.groups * params.source_channels * params.source_height * params.source_width;
        } else {
          let t = kB % taps;
          at = vec2i(
            (mine.x + params.origin_x + i32(wide.first + t % wide.count * wide.step) * params.step_x) / params.div_x,
            (mine.y + params.origin_y + i32(tall.first + t / wide.count * tall.step) * params.step_y) / params.div_y,
          );
          start += kB / taps * params.b_inner;
        }
        if (u32(at.x) < params.source_width && u32(at.y) < params.source_height) { value = f32(b[start + u32(at.y) * params.source_width + u32(at.x)]); }
      }
      slabB[k * (TILE_N + 1u) + local % TILE_N] = value;
    }
    workgroupBarrier();
    for (var k = 0u; k < TILE_K; k++) {
      var fromB: array<f32, PER_N>;
      for (var j = 0u; j < PER_N; j++) { fromB[j] = slabB[k * (TILE_N + 1u) + j * ACROSS + x]; }
      for (var i = 0u; i < PER_M; i++) {
        let fromA = slabA[k * (TILE_M + 1u) + i * DOWN + y];
        rows[i] += fromA;
        for (var j = 0u; j < PER_N; j++) { sums[i][j] += fromA * fromB[j]; }
      }
    }
    workgroupBarrier();
  }

  let plane = select(pixels, params.n, WEIGHT);
  let part = split * params.groups * params.m;
  for (var i = 0u; i < PER_M; i++) {
    let m = m0 + i * DOWN + y;
    if (m >= params.m) { break; }
    if (params.has_rowsum != 0u && n0 + x == 0u) { rowsum[params.rowsum_offset + part + g * params.m + m] = T(rows[i]); }
    for (var j = 0u; j < PER_N; j++) {
      var place: Column;
      let n = n0 + j * ACROSS + x;
      if (WEIGHT) { place = tap(n, g); } else { place = pixel(n, phase, g); }
      if (place.there) { finish(sums[i][j], place.at + m * plane + select(0u, part * params.n, WEIGHT), g * params.m + m); }
    }
  }
}
