// The largest element of each window of a plane, and where it stands in the plane (y * width + x). The first of equal ones; NaN wins,
// of several the last, as in PyTorch. One invocation a window.
// Windows are placed by stride, or share the plane evenly (adaptive).

alias T = f32;
const WG: u32 = 256u;

struct Params {
  count: u32,             // windows of all planes
  height: u32, width: u32,
  out_height: u32, out_width: u32,
  kernel_y: u32, kernel_x: u32,
  stride_y: u32, stride_x: u32,
  padding_y: u32, padding_x: u32,
  dilation_y: u32, dilation_x: u32,
  adaptive: u32,          // 1: window j of m covers floor(j n / m) to ceil((j + 1) n / m) - 1
  x_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read_write> values: array<T>;
@group(0) @binding(3) var<storage, read_write> indices: array<i32>;

// By its bits: compilers may fold a comparison away.
fn is_nan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

struct Window { first: i32, step: i32, count: i32 }

fn windowAt(j: u32, n: u32, m: u32, kernel: u32, stride: u32, padding: u32, dilation: u32) -> Window {
  if (params.adaptive != 0u) {
    let first = j * n / m;
    return Window(i32(first), 1, i32(((j + 1u) * n + m - 1u) / m - first));
  }
  return Window(i32(j * stride) - i32(padding), i32(dilation), i32(kernel));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let e = (group.y * groups.x + group.x) * WG + local;
  if (e >= params.count) {
    return;
  }
  let wide = windowAt(e % params.out_width, params.width, params.out_width, params.kernel_x, params.stride_x, params.padding_x, params.dilation_x);
  let tall = windowAt(
    e / params.out_width % params.out_height, params.height, params.out_height, params.kernel_y, params.stride_y, params.padding_y, params.dilation_y,
  );
  let plane = params.x_offset + e / (params.out_width * params.out_height) * params.height * params.width;
  var best: T;
  var place = -1;
  for (var i = 0; i < tall.count; i++) {
    let y = tall.first + i * tall.step;
    if (u32(y) >= params.height) { continue; }
    for (var j = 0; j < wide.count; j++) {
      let column = wide.first + j * wide.step;
      if (u32(column) >= params.width) { continue; }
      let at = u32(y) * params.width + u32(column);
      let v = x[plane + at];
      if (place < 0 || (v > best && !is_nan(f32(best))) || is_nan(f32(v))) {
        best = v;
        place = i32(at);
      }
    }
  }
  values[e] = best;
  indices[e] = max(place, 0);
}
