// What a method costs: steps a second of every model of the 2D study with its default settings, and of BMS-VAE-GAN as T grows, measured in the same rounds.
import '@bms/nn/node'
import { MixtureTraining, modelNames, models, resolveConfig } from '@bms/bms'
import { init } from '@bms/nn'
import { adapterName, alternate, median, options, report, row, stepsFor, timed } from './support.mjs'

const device = await init({ adapter: options.adapter })
// As long as it takes: step sizes decay to zero over the configured steps, and not beyond.
const configs = {
  ...Object.fromEntries(modelNames.map((model) => [models[model].title, { model }])),
  ...Object.fromEntries([1, 2, 10, 30].map((T) => [`BMS-VAE-GAN, T ${T}`, { model: 'bms-vae-gan', T }])),
  'BMS-VAE-GAN, GP': { model: 'bms-vae-gan', hyper: { lipschitz: 'penalty' } },
}
const subjects = {}
const made = {}
for (const [name, changes] of Object.entries(configs)) {
  const training = new MixtureTraining(resolveConfig({ dataset: 'grid', steps: 1_000_000, ...changes }), device)
  await training.prepare()
  const several = async (n) => {
    for (let i = 0; i < n; i++) await training.advance()
    await device.sync()
  }
  await several(3)
  const steps = stepsFor(await timed(() => several(1)))
  made[name] = training
  subjects[name] = async () => (await timed(() => several(steps))) / steps
}
const times = await alternate(options.quick ? 2 : 7, subjects)
report(
  Object.entries(times).map(([name, rounds]) => {
    const { dispatches, flops } = made[name].stats()
    const ms = median(rounds)
    const { batch } = made[name].config
    return row(`${name}, grid`, `${(1000 / ms).toFixed(1)} steps/s`, {
      peer: `${ms.toFixed(1)} ms, ${dispatches} dispatches, ${(flops / 1e6).toFixed(0)} MFLOP, batch ${batch}`,
      value: ms,
    })
  }),
  adapterName(device),
)
device.destroy()
