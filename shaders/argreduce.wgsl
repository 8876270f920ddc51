// Where the largest (or smallest) element stands along the middle dim of [outer, n, inner]: the first of equal ones, and NaN
// wins both ways. Elements are compared by order-preserving u32 keys. One invocation a result (`thread`: many results or
// short rows), or one workgroup a result (`group`).

alias T = f32;          // elements
alias C = f32;          // the same as a 32-bit type: f32 for f16
const KIND: u32 = 2u;   // 0 u32, 1 i32, 2 float
const WG: u32 = 64u;

struct Params {
  count: u32,           // results
  n: u32, inner: u32,
  flip: u32,            // 0 largest, 0xffffffff smallest
  x_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read_write> indices: array<i32>;

fn order_key(value: T) -> u32 {
  let word = bitcast<u32>(C(value));
  if (KIND == 0u) {
    return word ^ params.flip;
  }
  if (KIND == 1u) {
    return word ^ 0x80000000u ^ params.flip;
  }
  let magnitude = word & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return 0xffffffffu;
  }
  if (magnitude == 0u) {
    return 0x80000000u ^ params.flip;
  }
  return select(word | 0x80000000u, ~word, (word >> 31u) == 1u) ^ params.flip;
}

fn row_start(o: u32) -> u32 {
  return params.x_offset + (o / params.inner) * params.n * params.inner + o % params.inner;
}

@compute @workgroup_size(WG)
fn thread(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let o = (group_id.y * groups.x + group_id.x) * WG + local;
  if (o >= params.count) {
    return;
  }
  let start = row_start(o);
  var best = order_key(x[start]);
  var at = 0u;
  for (var j = 1u; j < params.n; j++) {
    let key = order_key(x[start + j * params.inner]);
    if (key > best) {
      best = key;
      at = j;
    }
  }
  indices[o] = i32(at);
}

var<workgroup> best_keys: array<u32, WG>;
var<workgroup> best_places: array<u32, WG>;

@compute @workgroup_size(WG)
fn group(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let o = group_id.y * groups.x + group_id.x;
  if (o >= params.count) {
    return;
  }
  let start = row_start(o);
  // An invocation without elements holds the last place: anything comes before it.
  var best = 0u;
  var at = 0xffffffffu;
  for (var j = local; j < params.n; j += WG) {
    let key = order_key(x[start + j * params.inner]);
    if (key > best || at == 0xffffffffu) {
      best = key;
      at = j;
    }
  }
  best_keys[local] = best;
  best_places[local] = at;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (local < half) {
      let key = best_keys[local + half];
      let place = best_places[local + half];
      if (key > best_keys[local] || (key == best_keys[local] && place < best_places[local])) {
        best_keys[local] = key;
        best_places[local] = place;
      }
    }
    workgroupBarrier();
  }
  if (local == 0u) {
    indices[o] = i32(best_places[0]);
  }
}
