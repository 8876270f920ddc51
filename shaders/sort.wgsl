// Stable sorting along the middle dim of [outer, n, inner]. What is sorted are pairs of an order-preserving u32 key and the
// element's place j, so equal elements keep their order; NaN is the largest. Three ways, by n:
// `rank`: one invocation an element counts those before it (short rows: no barriers);
// `group`: bitonic in workgroup memory, one workgroup a row of up to CHUNK elements;
// `load`, `step`, `merge`, `finish`: bitonic over padded rows in two temporaries, each workgroup on a chunk of CHUNK pairs
// as long as partners lie within it, `step` for partners farther apart.

alias T = f32;             // elements
alias C = f32;             // the same as a 32-bit type: f32 for f16
const KIND: u32 = 2u;      // 0 u32, 1 i32, 2 float
const WG: u32 = 256u;
const CHUNK: u32 = 1024u;  // pairs in workgroup memory

struct Params {
  count: u32,              // rank, finish: elements; step: half the padded pairs; else workgroups
  n: u32, inner: u32,
  size: u32,               // n padded to a power of two
  flip: u32,               // 0 ascending, 0xffffffff descending
  k: u32, j: u32,          // step, merge: block size of the bitonic level, distance of partners
  x_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read_write> values: array<T>;
@group(0) @binding(3) var<storage, read_write> indices: array<i32>;
@group(0) @binding(4) var<storage, read_write> keys: array<u32>;     // [outer * inner, size]
@group(0) @binding(5) var<storage, read_write> places: array<u32>;   // [outer * inner, size]
@group(0) @binding(6) var<storage, read> ordered: array<u32>;        // places, once they are in order

// Ordered as the elements are; -0 equals 0, NaN is above all.
fn order_key(value: T) -> u32 {
  let word = bitcast<u32>(C(value));
  if (KIND == 0u) {
    return word;
  }
  if (KIND == 1u) {
    return word ^ 0x80000000u;
  }
  let magnitude = word & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return 0xffffffffu;
  }
  if (magnitude == 0u) {
    return 0x80000000u;
  }
  return select(word | 0x80000000u, ~word, (word >> 31u) == 1u);
}

// Where row r = o * inner + i begins in x.
fn row_start(r: u32) -> u32 {
  return (r / params.inner) * params.n * params.inner + r % params.inner;
}

fn before(key_a: u32, place_a: u32, key_b: u32, place_b: u32) -> bool {
  return key_a < key_b || (key_a == key_b && place_a < place_b);
}

@compute @workgroup_size(WG)
fn rank(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let e = (group.y * groups.x + group.x) * WG + local;
  if (e >= params.count) {
    return;
  }
  let n = params.n;
  let inner = params.inner;
  let place = (e / inner) % n;
  let start = (e / (inner * n)) * n * inner + e % inner;
  let own = x[params.x_offset + e];
  let key = order_key(own) ^ params.flip;
  var r = 0u;
  for (var p = 0u; p < n; p++) {
    r += select(0u, 1u, before(order_key(x[params.x_offset + start + p * inner]) ^ params.flip, p, key, place));
  }
  values[start + r * inner] = own;
  indices[start + r * inner] = i32(place);
}

var<workgroup> chunk_keys: array<u32, CHUNK>;
var<workgroup> chunk_places: array<u32, CHUNK>;

// The place in its row of an element that this chunk holds; padding comes last by its place.
fn fill(at: u32, row: u32, place: u32) {
  var key = 0xffffffffu;
  if (place < params.n) {
    key = order_key(x[params.x_offset + row_start(row) + place * params.inner]) ^ params.flip;
  }
  chunk_keys[at] = key;
  chunk_places[at] = place;
}

// All compare-exchanges of one distance within the first `size` pairs of the chunk, which begins at `first` in its row.
fn exchange(local: u32, size: u32, first: u32, k: u32, distance: u32) {
  for (var t = local; t < size / 2u; t += WG) {
    let a = 2u * t - (t & (distance - 1u));
    let b = a + distance;
    let ascending = ((first + a) & k) == 0u;
    let key_a = chunk_keys[a];
    let key_b = chunk_keys[b];
    let place_a = chunk_places[a];
    let place_b = chunk_places[b];
    if (before(key_b, place_b, key_a, place_a) == ascending) {
      chunk_keys[a] = key_b;
      chunk_keys[b] = key_a;
      chunk_places[a] = place_b;
      chunk_places[b] = place_a;
    }
  }
  workgroupBarrier();
}

@compute @workgroup_size(WG)
fn group(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = group_id.y * groups.x + group_id.x;
  if (row >= params.count) {
    return;
  }
  let size = params.size;
  for (var p = local; p < size; p += WG) {
    fill(p, row, p);
  }
  workgroupBarrier();
  for (var k = 2u; k <= size; k *= 2u) {
    for (var distance = k / 2u; distance > 0u; distance /= 2u) {
      exchange(local, size, 0u, k, distance);
    }
  }
  let start = row_start(row);
  for (var p = local; p < params.n; p += WG) {
    let place = chunk_places[p];
    values[start + p * params.inner] = x[params.x_offset + start + place * params.inner];
    indices[start + p * params.inner] = i32(place);
  }
}

@compute @workgroup_size(WG)
fn load(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let c = group_id.y * groups.x + group_id.x;
  if (c >= params.count) {
    return;
  }
  let chunks = params.size / CHUNK;
  let first = (c % chunks) * CHUNK;
  for (var p = local; p < CHUNK; p += WG) {
    fill(p, c / chunks, first + p);
  }
  workgroupBarrier();
  for (var k = 2u; k <= CHUNK; k *= 2u) {
    for (var distance = k / 2u; distance > 0u; distance /= 2u) {
      exchange(local, CHUNK, first, k, distance);
    }
  }
  for (var p = local; p < CHUNK; p += WG) {
    keys[c * CHUNK + p] = chunk_keys[p];
    places[c * CHUNK + p] = chunk_places[p];
  }
}

@compute @workgroup_size(WG)
fn step(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let t = (group_id.y * groups.x + group_id.x) * WG + local;
  if (t >= params.count) {
    return;
  }
  // Rows are whole blocks of `size`, a power of two: a pair lies in one row, and the row does not change (a & k) for k < size.
  let a = 2u * t - (t & (params.j - 1u));
  let b = a + params.j;
  let ascending = ((a & (params.size - 1u)) & params.k) == 0u;
  let key_a = keys[a];
  let key_b = keys[b];
  let place_a = places[a];
  let place_b = places[b];
  if (before(key_b, place_b, key_a, place_a) == ascending) {
    keys[a] = key_b;
    keys[b] = key_a;
    places[a] = place_b;
    places[b] = place_a;
  }
}

@compute @workgroup_size(WG)
fn merge(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let c = group_id.y * groups.x + group_id.x;
  if (c >= params.count) {
    return;
  }
  for (var p = local; p < CHUNK; p += WG) {
    chunk_keys[p] = keys[c * CHUNK + p];
    chunk_places[p] = places[c * CHUNK + p];
  }
  workgroupBarrier();
  let first = (c % (params.size / CHUNK)) * CHUNK;
  for (var distance = CHUNK / 2u; distance > 0u; distance /= 2u) {
    exchange(local, CHUNK, first, params.k, distance);
  }
  for (var p = local; p < CHUNK; p += WG) {
    keys[c * CHUNK + p] = chunk_keys[p];
    places[c * CHUNK + p] = chunk_places[p];
  }
}

@compute @workgroup_size(WG)
fn finish(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let e = (group_id.y * groups.x + group_id.x) * WG + local;
  if (e >= params.count) {
    return;
  }
  let inner = params.inner;
  let p = (e / inner) % params.n;
  let o = e / (inner * params.n);
  let place = ordered[(o * inner + e % inner) * params.size + p];
  values[e] = x[params.x_offset + (o * params.n + place) * inner + e % inner];
  indices[e] = i32(place);
}
