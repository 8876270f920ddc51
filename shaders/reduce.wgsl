// Reductions: sum, max, min or product of an expression over some dims. The part between the body markers is generated
// (packages/tensor/src/map/codegen.ts): value(o, r) is the r-th element of the o-th result, so that what comes before a
// sum is computed while summing. Two ways: one invocation a result (many results, or a CPU adapter, where barriers
// split the loops), or one workgroup a result.

const WG: u32 = 64u;
const BLOCK: u32 = 64u;
// 0 sum, 1 max, 2 min, 3 product
const OP: u32 = 0u;
// What is accumulated in.
alias T = f32;

fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn is_inf(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u;
}

// 0 of NaN, as in PyTorch.
fn sign_(x: f32) -> f32 {
  return select(0.0, 1.0, x > 0.0) - select(0.0, 1.0, x < 0.0);
}

// SwiftShader's exp makes infinity of NaN, its log ignores the sign and is finite at 0.
fn exp_(x: f32) -> f32 {
  return select(exp(x), x, is_nan(x));
}

fn expm1_(x: f32) -> f32 {
  if (abs(x) < 0.25) {
    return x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * (0.008333334 + x * (0.0013888889 + x * 0.0001984127))))));
  }
  return exp_(x) - 1.0;
}

// NaN; not as a literal, and of something that the compiler does not know.
fn not_a_number(x: f32) -> f32 {
  return bitcast<f32>(0x7fc00000u | (bitcast<u32>(x) & 1u));
}

fn log_(x: f32) -> f32 {
  if (x == 0.0) {
    return -1.0 / abs(x);
  }
  return select(log(x), not_a_number(x), x < 0.0 || is_nan(x));
}

// Near 0 by the series of 2 artanh(x / (2 + x)). (The classic correction log(u)·x/(u-1) is folded away by Mesa's compiler.)
fn log1p_(x: f32) -> f32 {
  if (abs(x) < 0.25) {
    let s = x / (2.0 + x);
    let q = s * s;
    return 2.0 * s * (1.0 + q * (0.33333334 + q * (0.2 + q * (0.14285715 + q * 0.11111111))));
  }
  return log_(1.0 + x);
}

fn sqrt_(x: f32) -> f32 {
  return sqrt(x);
}

fn rsqrt_(x: f32) -> f32 {
  return 1.0 / sqrt(x);
}

// The sine of x and a number of quarter turns: WGSL promises 2^-11 for its own, and only within half a turn. Whole quarters are taken from x (a quarter
// in three parts, so that the products are exact), series give the rest. Where f32 has no such digits the builtins have a say.
fn wave(x: f32, ahead: u32) -> f32 {
  if (abs(x) > 10000.0) {
    return select(select(sin(x), cos(x), ahead == 1u), not_a_number(x), is_inf(x));
  }
  let quarters = round(x * 0.63661975);
  let t = ((x - quarters * 1.5703125) - quarters * 0.0004837512969970703) - quarters * 7.549789954891882e-8;
  let s = t * t;
  let turn = bitcast<u32>(i32(quarters)) + ahead;
  let sine = t * (1.0 - s * (0.16666667 - s * (0.008333334 - s * (0.0001984127 - s * 0.0000027557319))));
  let cosine = 1.0 - s * (0.5 - s * (0.041666668 - s * (0.0013888889 - s * 0.000024801587)));
  let y = select(sine, cosine, (turn & 1u) == 1u);
  return select(y, -y, (turn & 2u) == 2u);
}

fn sin_(x: f32) -> f32 {
  return wave(x, 0u);
}

fn cos_(x: f32) -> f32 {
  return wave(x, 1u);
}

// exp(2x) overflows from 44 on; beyond 10 the result is 1 in f32. Near 0 the quotient cancels: a series there.
fn tanh_(x: f32) -> f32 {
  let y = clamp(x, -10.0, 10.0);
  let s = y * y;
  let series = y * (1.0 - s * (0.33333334 - s * (0.13333334 - s * (0.053968254 - s * 0.021869488))));
  let e = exp(2.0 * y);
  let t = select((e - 1.0) / (e + 1.0), series, abs(y) < 0.25);
  return select(t, x, is_nan(x));
}

fn sigmoid_(x: f32) -> f32 {
  let e = exp_(-abs(x));
  return select(1.0, e, x < 0.0) / (1.0 + e);
}

// log(1 + exp(x)), without overflow.
fn softplus_(x: f32) -> f32 {
  return relu_(x) + log1p_(exp(-abs(x)));
}

fn silu_(x: f32) -> f32 {
  return x * sigmoid_(x);
}

// Abramowitz and Stegun 7.1.26 has 1.5e-7 absolute error; near 0 a series keeps the relative error small.
fn erf_(x: f32) -> f32 {
  let a = abs(x);
  let s = x * x;
  let series = 1.1283791671 * x * (1.0 - s * (0.33333333333 - s * (0.1 - s * (0.02380952381 - s * (0.00462962963 - s * 0.000757575758)))));
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * exp(-s);
  return select(select(1.0 - tail, tail - 1.0, x < 0.0), series, a < 0.5);
}

fn gelu_(x: f32) -> f32 {
  return 0.5 * x * (1.0 + erf_(x * 0.70710678118));
}

fn gelu_tanh_(x: f32) -> f32 {
  return 0.5 * x * (1.0 + tanh_(0.79788456080 * (x + 0.044715 * x * x * x)));
}

fn relu_(x: f32) -> f32 {
  return select(x, 0.0, x < 0.0);
}

fn leaky_relu_(x: f32, slope: f32) -> f32 {
  return select(x * slope, x, x > 0.0);
}

fn elu_(x: f32, alpha: f32) -> f32 {
  return select(x, alpha * expm1_(x), x < 0.0);
}

// NaN wins, as in PyTorch.
fn max_(a: f32, b: f32) -> f32 {
  return select(select(b, a, a > b), a, is_nan(a));
}

fn min_(a: f32, b: f32) -> f32 {
  return select(select(b, a, a < b), a, is_nan(a));
}

fn clamp_(x: f32, low: f32, high: f32) -> f32 {
  return select(min_(max_(x, low), high), x, is_nan(x));
}

fn is_odd(x: f32) -> bool {
  return floor(x) == x && floor(x * 0.5) * 2.0 != x;
}

// WGSL's pow is undefined for negative bases; whole exponents have a value there, and so has -inf.
fn pow_(x: f32, y: f32) -> f32 {
  if (y == 0.0 || x == 1.0 || (x == -1.0 && is_inf(y))) {
    return 1.0;
  }
  if (is_nan(x)) {
    return x;
  }
  if (is_nan(y)) {
    return y;
  }
  if (y == 1.0) {
    return x;
  }
  if (y == 2.0) {
    return x * x;
  }
  if (y == 3.0) {
    return x * x * x;
  }
  if (y == -1.0) {
    return 1.0 / x;
  }
  // Drivers' pow at 0 is 0 for a negative y, or 1 for a small one.
  if (x == 0.0) {
    let signed = select(abs(x), x, is_odd(y));
    return select(signed, 1.0 / signed, y < 0.0);
  }
  let magnitude = pow(abs(x), y);
  if (x >= 0.0) {
    return magnitude;
  }
  return select(not_a_number(y), select(magnitude, -magnitude, is_odd(y)), floor(y) == y || is_inf(x));
}

fn floor_div_i(a: i32, b: i32) -> i32 {
  let q = a / b;
  return select(q, q - 1, a % b != 0 && (a < 0) != (b < 0));
}

// a - trunc(a / b) * b, exactly, as C has it: a quotient in floats may be off by one, and then so is the remainder by b. The mantissa of a is shifted up
// by the difference of the exponents, eight bits at a time, and each time what divides is taken away.
fn fmod_(a: f32, b: f32) -> f32 {
  let x = bitcast<u32>(a) & 0x7fffffffu;
  let y = bitcast<u32>(b) & 0x7fffffffu;
  // Below 2^-126 a divisor counts as 0.
  if (x >= 0x7f800000u || y > 0x7f800000u || y < 0x00800000u) {
    return not_a_number(a);
  }
  if (x < y) {
    return a;
  }
  let divisor = (y & 0x7fffffu) | 0x800000u;
  var rest = ((x & 0x7fffffu) | 0x800000u) % divisor;
  for (var left = (x >> 23u) - (y >> 23u); left > 0u; left -= min(left, 8u)) {
    rest = (rest << min(left, 8u)) % divisor;
  }
  // 2^-23, and the power of 2 in b.
  let magnitude = f32(rest) * 1.1920929e-7 * bitcast<f32>(y & 0x7f800000u);
  return select(magnitude, -magnitude, a < 0.0);
}

// Does a remainder of fmod_ have the other sign than the divisor?
fn rounds_down(rest: f32, b: f32) -> bool {
  return rest != 0.0 && (rest < 0.0) != (b < 0.0);
}

fn floor_div_(a: f32, b: f32) -> f32 {
  if (b == 0.0) {
    return a / b;
  }
  // -1 or 0, which has the sign of a / b.
  if (abs(a) < abs(b)) {
    return select(trunc(0.5 * (a / b)), -1.0, rounds_down(a, b));
  }
  let rest = fmod_(a, b);
  return round((a - rest) / b) - select(0.0, 1.0, rounds_down(rest, b));
}

fn remainder_(a: f32, b: f32) -> f32 {
  let rest = fmod_(a, b);
  return select(rest, rest + b, rounds_down(rest, b));
}

fn remainder_i(a: i32, b: i32) -> i32 {
  let r = a % b;
  return select(r, r + b, r != 0 && (r < 0) != (b < 0));
}

// <body>
@group(0) @binding(0) var<uniform> params: array<vec4<u32>, 1>;
@group(0) @binding(1) var<storage, read_write> buffer0: array<f32>;
@group(0) @binding(2) var<storage, read> buffer1: array<f32>;

fn value(o: u32, r: u32) -> f32 {
  return buffer1[o * params[0].y + r];
}

fn finish(o: u32, total: f32) {
  buffer0[o] = total * bitcast<f32>(params[0].z);
}

fn start() -> f32 {
  return bitcast<f32>(params[0].w);
}
// </body>

fn combine(a: T, b: T) -> T {
  if (OP == 0u) {
    return a + b;
  }
  if (OP == 1u) {
    return T(select(select(b, a, a > b), a, is_nan(f32(a))));
  }
  if (OP == 2u) {
    return T(select(select(b, a, a < b), a, is_nan(f32(a))));
  }
  return a * b;
}

@compute @workgroup_size(WG)
fn thread(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let o = (group.y * groups.x + group.x) * WG + local;
  if (o >= params[0].x) {
    return;
  }
  let n = params[0].y;
  // Block by block: rounding errors grow with the number of blocks, not of elements.
  var total = start();
  for (var r = 0u; r < n; ) {
    let end = min(n, r + BLOCK);
    var part = start();
    for (; r < end; r++) {
      part = combine(part, value(o, r));
    }
    total = combine(total, part);
  }
  finish(o, total);
}

var<workgroup> partial: array<T, WG>;

@compute @workgroup_size(WG)
fn group(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let o = group_id.y * groups.x + group_id.x;
  let inside = o < params[0].x;
  let n = params[0].y;
  var total = start();
  if (inside) {
    for (var r = local; r < n; r += WG) {
      total = combine(total, value(o, r));
    }
  }
  partial[local] = total;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (local < half) {
      partial[local] = combine(partial[local], partial[local + half]);
    }
    workgroupBarrier();
  }
  if (inside && local == 0u) {
    finish(o, partial[0]);
  }
}
