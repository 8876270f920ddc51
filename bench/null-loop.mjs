// The child of dispatch-cost.mjs, on Dawn's null backend, where a dispatch costs only what the CPU does for it: our replay of two programs against bare
// loops over prepared commands. "The same commands" are those of our own replay, overheard once and issued again by a plain loop.
import '@bms/nn/node'
import { compile, init, randn } from '@bms/nn'
import { resolveConfig, MixtureTraining } from '@bms/bms'
import { alternate, median, options, say } from './support.mjs'

const device = await init({ adapter: 'null' })
const { gpu } = device
/** Dispatches in one measurement. */
const DISPATCHES = options.quick ? 20_000 : 60_000
const SUBMITS_IN_FLIGHT = 20

/** The commands that `run` issues: [pipeline, group, workgroups]. */
function overhear(run) {
  const { prototype } = globalThis.GPUComputePassEncoder
  const { setPipeline, setBindGroup, dispatchWorkgroups } = prototype
  const commands = []
  let [pipeline, group] = [null, null]
  prototype.setPipeline = function (p) {
    pipeline = p
    return setPipeline.call(this, p)
  }
  prototype.setBindGroup = function (i, g) {
    group = g
    return setBindGroup.call(this, i, g)
  }
  prototype.dispatchWorkgroups = function (x, y, z) {
    commands.push({ pipeline, group, grid: [x, y, z] })
    return dispatchWorkgroups.call(this, x, y, z)
  }
  run()
  Object.assign(prototype, { setPipeline, setBindGroup, dispatchWorkgroups })
  return commands
}

/** Bare Dawn: prepared commands in one pass and one submit. */
const bareLoop = (commands) => () => {
  const encoder = gpu.createCommandEncoder()
  const pass = encoder.beginComputePass()
  for (const c of commands) {
    pass.setPipeline(c.pipeline)
    pass.setBindGroup(0, c.group)
    pass.dispatchWorkgroups(c.grid[0], c.grid[1], c.grid[2])
  }
  pass.end()
  gpu.queue.submit([encoder.finish()])
}

/** A kernel of three buffers and a uniform: what bare Dawn costs at its simplest. */
function simplest(count) {
  const code = /* wgsl */ `
@group(0) @binding(0) var<uniform> n: vec4u;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { if (id.x < n.x) { c[id.x] = a[id.x] + b[id.x]; } }`
  const pipeline = gpu.createComputePipeline({ layout: 'auto', compute: { module: gpu.createShaderModule({ code }) } })
  const buffer = (usage) => gpu.createBuffer({ size: 1024, usage })
  const buffers = [buffer(GPUBufferUsage.UNIFORM), ...Array.from({ length: 3 }, () => buffer(GPUBufferUsage.STORAGE))]
  const entries = buffers.map((b, binding) => ({ binding, resource: { buffer: b } }))
  return Array.from({ length: count }, () => ({ pipeline, group: gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }), grid: [1, 1, 1] }))
}

/** Microseconds a dispatch, [CPU, wall], of calling `run`, which issues `count` dispatches, often enough. */
async function cost(run, count) {
  const calls = Math.ceil(DISPATCHES / count)
  const cpu = process.cpuUsage()
  const start = performance.now()
  for (let i = 1; i <= calls; i++) {
    run()
    if (i % SUBMITS_IN_FLIGHT === 0) await device.sync()
  }
  await device.sync()
  const wall = 1000 * (performance.now() - start)
  const { user, system } = process.cpuUsage(cpu)
  return [(user + system) / calls / count, wall / calls / count]
}

async function measure(name, run, commands) {
  const count = commands.length
  const alternatives = { ours: run, same: bareLoop(commands), simplest: bareLoop(simplest(count)) }
  const work = Object.fromEntries(Object.entries(alternatives).map(([key, fn]) => [key, () => cost(fn, count)]))
  // The JavaScript engine compiles what runs often: nothing counts before that.
  await alternate(3, work)
  const times = await alternate(options.quick ? 3 : 9, work)
  const summary = Object.fromEntries(
    Object.entries(times).map(([key, list]) => [key, { cpu: median(list.map((t) => t[0])), wall: median(list.map((t) => t[1])) }]),
  )
  const over = median(times.ours.map((t, i) => t[0] / times.same[i][0]))
  say({ name, dispatches: count, ...summary, ratio: over })
}

// Products and row-wise kernels in turns, which no rewrite joins.
const [x, w] = [randn([16, 16]), randn([16, 16])]
const small = compile(() => {
  let y = x
  for (let i = 0; i < 100; i++) y = y.matmul(w).softmax(1)
  return y
})
// As long as it takes: the learning rates decay to zero over the configured steps, and not beyond.
const training = new MixtureTraining(resolveConfig({ dataset: 'ring', steps: 1_000_000 }))
await training.prepare()
const programs = { '200 small ops': () => small(), 'ring step': () => training.advance() }
// Both are overheard before either is measured: changing the prototype makes the engine forget what it compiled.
const commands = {}
for (const [name, run] of Object.entries(programs)) {
  run()
  await device.sync()
  commands[name] = overhear(run)
}
for (const [name, run] of Object.entries(programs)) await measure(name, run, commands[name])
device.destroy()
