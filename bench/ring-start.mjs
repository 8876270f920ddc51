// The child of first-step.mjs: a run as `bms train ring` starts it, up to the losses of the first step, with the time at each stage. With --detail also
// the time that each pipeline's compilation and each kernel's first and second run take (which slows the start itself down).
import { options, say } from './support.mjs'

const stages = {}
let last = 0
const stage = (name) => {
  const now = performance.now()
  stages[name] = now - last
  last = now
}
await import('@bms/nn/node')
const { currentDevice, init } = await import('@bms/nn')
const { resolveConfig, MixtureTraining } = await import('@bms/bms')
stage('import')
const device = await init({ adapter: options.adapter })
stage('init')

const pipelines = []
if (options.detail) {
  const { gpu } = device
  const { createComputePipelineAsync } = gpu
  gpu.createComputePipelineAsync = async function (descriptor) {
    const start = performance.now()
    const made = await createComputePipelineAsync.call(this, descriptor)
    pipelines.push({ key: descriptor.label, start, ms: performance.now() - start })
    return made
  }
}
const training = new MixtureTraining(resolveConfig({ dataset: 'ring' }))
stage('networks')
// Recording is synchronous, the pipelines come after it.
const preparing = training.prepare()
stage('record')
await preparing
stage('pipelines')
if (!options.detail) {
  training.advance()
  await training.lossValues()
  stage('run')
  say({ adapter: `${currentDevice().adapter.name} (${currentDevice().adapter.source})`, seconds: performance.now() / 1000, stages })
} else {
  const first = await training.profile()
  stage('first run, timed')
  const second = await training.profile()
  say({ stages, pipelines, kernels: first.map((t, i) => ({ op: t.op, kernel: t.kernel, first: t.ms, second: second[i].ms })) })
}
device.destroy()
