// What T costs: a step of BMS-VAE-GAN on images as the number of draws grows, in time and in planned memory, measured in the same rounds. The
// networks are those of a small run (DCGAN, width 16, batch 16, draws chosen five at a time).
import '@bms/nn/node'
import { ImageTraining, resolveConfig } from '@bms/bms'
import { init } from '@bms/nn'
import { adapterName, alternate, median, options, report, row, timed } from './support.mjs'

const draws = [1, 2, 5, 10, 30]
const [width, batch] = [16, 16]

const device = await init({ adapter: options.adapter })
const image = new Float32Array(batch * 3 * 32 * 32).map((_, i) => Math.sin(i / 37))
const trainings = {}
for (const T of draws) {
  const config = resolveConfig({ dataset: 'cifar10', width, batch, T })
  const training = new ImageTraining(config, { next: async () => image }, device)
  await training.prepare()
  await training.advance()
  await training.lossValues()
  trainings[T] = training
}
const times = await alternate(
  options.quick ? 2 : 5,
  Object.fromEntries(
    draws.map((T) => [
      T,
      () =>
        timed(async () => {
          await trainings[T].advance()
          await device.sync()
        }),
    ]),
  ),
)
const one = { ms: median(times[1]), arena: trainings[1].plan().arena }
report(
  draws.map((T) => {
    const { arena, unshared } = trainings[T].plan()
    const ms = median(times[T])
    const stats = trainings[T].stats()
    return row(`BMS-VAE-GAN step on images, T ${T}`, `${ms.toFixed(0)} ms, arena ${(arena / 1e6).toFixed(1)} MB`, {
      peer: `${(ms / one.ms).toFixed(2)} × the time and ${(arena / one.arena).toFixed(2)} × the arena of T 1; ${(unshared / 1e6).toFixed(0)} MB unshared, ${(stats.flops / 1e9).toFixed(2)} GFLOP, ${stats.dispatches} dispatches`,
      value: ms,
    })
  }),
  adapterName(device),
)
device.destroy()
