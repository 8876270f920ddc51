// Random numbers by counter: Philox 4x32-10 (Salmon et al. 2011) of (seed, counter), so that the same seed gives the same
// numbers on every adapter, eager and compiled. One invocation makes one block of four numbers, elements 4b to 4b+3.
// The counter of block b is base + first + b: base is a buffer that lives on the device, first a distance fixed in the call.
// What makes floats of the bits is written out here where WGSL's own functions are too coarse (sin, cos, log near 1).

alias T = f32;             // what is stored
const WG: u32 = 64u;
const BITS: u32 = 24u;     // of a uniform number: 24 for f32, 11 for f16, so that 1 is never reached by rounding
const UNIT: f32 = 1.0 / f32(1u << BITS);

struct Params {
  count: u32,              // elements
  first_lo: u32, first_hi: u32,
  low: u32, range: u32,    // integer: low (two's complement) and how many values, 0 for 2^32
  threshold: f32,          // mask: `value` with this probability, else 0
  value: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> base: array<u32>;   // seed low, seed high, counter low, counter high
@group(0) @binding(2) var<storage, read_write> out: array<T>;

// The high word of a 32 x 32 bit product.
fn mulhi(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let cross = ah * bl;
  let middle = ((al * bl) >> 16u) + (cross & 0xffffu) + al * bh;
  return ah * bh + (cross >> 16u) + (middle >> 16u);
}

// The four numbers of block `b` of this draw.
fn philox(b: u32) -> vec4<u32> {
  let a = base[2] + params.first_lo;
  let carry = select(0u, 1u, a < params.first_lo);
  let lo = a + b;
  let hi = base[3] + params.first_hi + carry + select(0u, 1u, lo < a);
  var c = vec4<u32>(lo, hi, 0u, 0u);
  var key = vec2<u32>(base[0], base[1]);
  for (var round = 0u; round < 10u; round++) {
    c = vec4<u32>(
      mulhi(0xcd9e8d57u, c.z) ^ c.y ^ key.x, 0xcd9e8d57u * c.z,
      mulhi(0xd2511f53u, c.x) ^ c.w ^ key.y, 0xd2511f53u * c.x,
    );
    key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// In [0, 1).
fn unit(x: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(x >> vec4<u32>(32u - BITS)) * UNIT;
}

// -log((x + 1/2) / 2^32): the series of log(1 - d) where x is near 2^32, since WGSL's log has only absolute accuracy there.
fn minus_log(x: u32) -> f32 {
  if (x >= 0xf0000000u) {
    let d = (f32(~x) + 0.5) * 2.3283064365386963e-10;
    return d * (1.0 + d * (0.5 + d * (0.33333334 + d * (0.25 + d * (0.2 + d * 0.16666667)))));
  }
  return -log((f32(x) + 0.5) * 2.3283064365386963e-10);
}

// (cos, sin) of the angle x / 2^32 of a turn: series on an eighth of a turn around the nearest quarter.
fn circle(x: u32) -> vec2<f32> {
  let quarter = (x + 0x20000000u) >> 30u;
  let t = f32(bitcast<i32>(x - (quarter << 30u))) * 1.4629180792671596e-9;
  let s = t * t;
  let c = 1.0 - s * (0.5 - s * (0.041666668 - s * (0.0013888889 - s * 0.000024801587)));
  let d = t * (1.0 - s * (0.16666667 - s * (0.008333334 - s * 0.0001984127)));
  let turned = select(vec2<f32>(c, d), vec2<f32>(-d, c), (quarter & 1u) == 1u);
  return select(turned, -turned, (quarter & 2u) == 2u);
}

// Two normal numbers from two words (Box and Muller).
fn normal_pair(x: vec2<u32>) -> vec2<f32> {
  return sqrt(2.0 * minus_log(x.x)) * circle(x.y);
}

fn put(b: u32, v: vec4<T>) {
  let at = 4u * b;
  if (at + 3u < params.count) {
    out[at] = v.x;
    out[at + 1u] = v.y;
    out[at + 2u] = v.z;
    out[at + 3u] = v.w;
  } else {
    for (var j = 0u; at + j < params.count; j++) {
      out[at + j] = v[j];
    }
  }
}

@compute @workgroup_size(WG)
fn bits(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let b = (group.y * groups.x + group.x) * WG + local;
  if (b < (params.count + 3u) / 4u) {
    put(b, vec4<T>(philox(b)));
  }
}

@compute @workgroup_size(WG)
fn uniform_(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let b = (group.y * groups.x + group.x) * WG + local;
  if (b < (params.count + 3u) / 4u) {
    put(b, vec4<T>(unit(philox(b))));
  }
}

@compute @workgroup_size(WG)
fn normal(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let b = (group.y * groups.x + group.x) * WG + local;
  if (b < (params.count + 3u) / 4u) {
    let x = philox(b);
    put(b, vec4<T>(vec4<f32>(normal_pair(x.xy), normal_pair(x.zw))));
  }
}

// low + floor(x / 2^32 * range): off by at most range / 2^32 from equal chances.
@compute @workgroup_size(WG)
fn integer(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let b = (group.y * groups.x + group.x) * WG + local;
  if (b < (params.count + 3u) / 4u) {
    let x = philox(b);
    let r = params.range;
    let scaled = vec4<u32>(mulhi(x.x, r), mulhi(x.y, r), mulhi(x.z, r), mulhi(x.w, r));
    let v = select(scaled, x, vec4<bool>(r == 0u)) + vec4<u32>(params.low);
    put(b, vec4<T>(bitcast<vec4<i32>>(v)));
  }
}

@compute @workgroup_size(WG)
fn mask(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let b = (group.y * groups.x + group.x) * WG + local;
  if (b < (params.count + 3u) / 4u) {
    let v = select(vec4<f32>(0.0), vec4<f32>(params.value), unit(philox(b)) < vec4<f32>(params.threshold));
    put(b, vec4<T>(v));
  }
}
