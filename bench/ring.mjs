// The step that the product exists for: BMS-VAE-GAN on the ring with default settings, and the proof that replaying it allocates nothing.
import '@bms/nn/node'
import { init } from '@bms/nn'
import { resolveConfig, MixtureTraining } from '@bms/bms'
import { adapterName, alternate, compare, median, options, report, stepsFor, timed } from './support.mjs'

const device = await init({ adapter: options.adapter })
// As long as it takes: the learning rates decay to zero over the configured steps, and not beyond.
const training = new MixtureTraining(resolveConfig({ dataset: 'ring', steps: 1_000_000 }))
await training.prepare()
for (let i = 0; i < 5; i++) training.advance()
await training.lossValues()

const once = await timed(async () => {
  training.advance()
  await device.sync()
})
const steps = stepsFor(once)
const { ring } = await alternate(options.quick ? 3 : 9, {
  ring: async () =>
    (await timed(async () => {
      for (let i = 0; i < steps; i++) training.advance()
      await device.sync()
    })) / steps,
})

/** Buffers that anybody makes on the device, whoever it is: the allocator's own report cannot see what passes it by. */
let made = 0
const { createBuffer } = device.gpu
device.gpu.createBuffer = function (...args) {
  made++
  return createBuffer.apply(this, args)
}
const before = device.memory()
const replays = options.quick || median(ring) > 150 ? 100 : 1000
for (let i = 1; i <= replays; i++) {
  training.advance()
  if (i % 20 === 0) await device.sync()
}
await device.sync()
const after = device.memory()
const stats = training.stats()
const count = (figure, value, more = {}) => compare(figure, value, { digits: 0, ...more })
report(
  [
    compare('ring step', median(ring), { unit: 'ms', peer: `rounds ${Math.min(...ring).toFixed(1)}-${Math.max(...ring).toFixed(1)}` }),
    count('ring step, dispatches', stats.dispatches, {
      atMost: 120,
      peer: `${stats.recorded} recorded, ${stats.pipelines} pipelines, ${(stats.flops / 1e6).toFixed(0)} MFLOP`,
    }),
    count(`bytes allocated by ${replays} replays`, after.reserved - before.reserved + (after.bytes - before.bytes), { atMost: 0 }),
    count(`buffers made by ${replays} replays`, Math.max(made, after.buffersCreated - before.buffersCreated), { atMost: 0 }),
  ],
  adapterName(device),
)
if (options.detail) {
  console.log(training.listing())
  for (const t of await training.profile()) console.log(`${t.ms.toFixed(3)} ms  ${t.kernel}  # ${t.op}`)
}
device.destroy()
