// The least a program can do to multiply two 64x64 matrices: Dawn, one naive shader, read back. What @bms adds to this start is what first-matmul.mjs measures.
import { create, globals } from 'webgpu'
import { say } from './support.mjs'

Object.assign(globalThis, globals)
const n = 64
const gpu = create([])
const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
const device = await adapter.requestDevice()
const code = /* wgsl */ `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = 0.0;
  for (var k = 0u; k < ${n}u; k++) { sum += a[id.y * ${n}u + k] * b[k * ${n}u + id.x]; }
  c[id.y * ${n}u + id.x] = sum;
}`
const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code }) } })
const bytes = 4 * n * n
const buffers = [0, 1, 2].map(() => device.createBuffer({ size: bytes, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST }))
const reader = device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })
for (const i of [0, 1]) device.queue.writeBuffer(buffers[i], 0, new Float32Array(n * n).fill(i + 1))
const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })) })
const encoder = device.createCommandEncoder()
const pass = encoder.beginComputePass()
pass.setPipeline(pipeline)
pass.setBindGroup(0, group)
pass.dispatchWorkgroups(n / 8, n / 8)
pass.end()
encoder.copyBufferToBuffer(buffers[2], 0, reader, 0, bytes)
device.queue.submit([encoder.finish()])
await reader.mapAsync(GPUMapMode.READ)
const c = new Float32Array(reader.getMappedRange())
if (c.some((x) => x !== 2 * n)) throw new Error(`wrong product: ${c[0]}`)
say({ first: c[0] })
device.destroy()
