// The first ten steps of a BMS-VAE-GAN on the ring against PyTorch, which computes the paper's equations for the same weights, batches and noise
// (test/golden/ring.py): every term of every step, and all networks after them. Runs in Node and in a browser.
import { type LossValues, type MixtureHyper, MixtureTraining, resolveConfig, stepContext, trainStep } from '@bms/bms'
import { currentDevice, type Tensor, tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import { ready } from '../helpers/device.js'
import { goldenFile, type HostArray } from '../helpers/golden-file.js'
import { count, sawError } from '../support/figures.js'
import { same } from '../table/compare.js'

const test = suite('ring')
await ready()

const STEPS = 10
const terms = ['rec', 'syn', 'pri', 'kl', 'critic', 'latent'] as const
/** Of terms, which are around 1, and of parameters relative to their tensor's largest: ten steps carry on and enlarge what f32 rounds off. */
const TOLERANCE = 1e-5
const { tensors } = await goldenFile('ring.safetensors')
const [, draws, batch, latent] = tensors.get('noise')!.shape as unknown as [number, number, number, number]

/** The goldens under a prefix, by the rest of the name. */
function under(prefix: string): [string, HostArray][] {
  const found = [...tensors].flatMap(([name, t]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), t] as [string, HostArray]] : []))
  if (found.length === 0) throw new Error(`no goldens ${prefix}…`)
  return found
}

const upload = ({ shape, data }: HostArray): Tensor => tensor(data as Float32Array, { shape })

/** What a step is given. */
function given(name: string, step: number): Tensor {
  const { shape, data } = tensors.get(name)!
  const size = data.length / STEPS
  return upload({ shape: shape.slice(1), data: (data as Float32Array).slice(step * size, (step + 1) * size) })
}

/** A run from PyTorch's weights whose batches and noise are what stands in `x` and `noise`. All but the sizes are the ring's defaults. */
function start(changes: Partial<MixtureHyper>) {
  const sizes = { latent, hiddenG: [32, 32, 32], hiddenR: [32, 32], hiddenD: [32, 32], hiddenL: [32, 32] }
  const config = resolveConfig({ dataset: 'ring', batch, hyper: { ...sizes, ...changes } })
  if (config.T !== draws - 1) throw new Error(`the ring takes ${config.T} draws, the goldens have ${draws - 1}`)
  const [x, noise] = [zeros([batch, 2]), zeros([draws, batch, latent])]
  const training = new MixtureTraining(config, currentDevice(), { data: () => x, noise: () => ({ codes: noise, mix: null }) })
  for (const [name, net] of Object.entries(training.nets)) net.loadStateDict(Object.fromEntries(under(`start|${name}.`).map(([key, t]) => [key, upload(t)])))
  training.ema.loadStateDict({ ...training.nets.G.stateDict(), num_updates: zeros([]) })
  return { training, x, noise }
}

/** A step as `Training` takes it, uncompiled. */
async function eagerStep({ nets, optimisers, switches, config, ema }: MixtureTraining, step: number, x: Tensor, noise: Tensor): Promise<LossValues> {
  const { hyper, T, steps } = config
  const rates = { generator: hyper.lr, critic: hyper.lrD, latent: hyper.lrL }
  for (const [name, opt] of Object.entries(optimisers)) opt.lr = rates[name as keyof typeof rates] * (1 - step / steps)
  const { losses } = trainStep(stepContext(nets, optimisers, switches, hyper, batch, T), x, { codes: noise, mix: null })
  ema.update()
  return Object.fromEntries(await Promise.all(Object.entries(losses).map(async ([name, t]) => [name, await t.item()])))
}

const settings: Record<string, Partial<MixtureHyper>> = {
  ring: {},
  'ring, L1, non-saturating, R1': { recNorm: 1, kl: 'non-saturating', r1: 0.3 },
}

for (const [name, changes] of Object.entries(settings)) {
  for (const way of ['compiled', 'eager']) {
    test(`${name}: ten ${way} steps are PyTorch's`, async () => {
      const { training, x, noise } = start(changes)
      const expected = tensors.get(`${name}|terms`)!.data
      for (let step = 0; step < STEPS; step++) {
        x.copy_(given('batches', step))
        noise.copy_(given('noise', step))
        if (way === 'compiled') await training.advance()
        const values = way === 'compiled' ? await training.lossValues() : await eagerStep(training, step, x, noise)
        for (const [i, term] of terms.entries()) {
          const e = expected[step * terms.length + i]!
          const error = Math.abs(values[term]! - e)
          if (!(error <= TOLERANCE)) throw new Error(`${term} of step ${step} is ${values[term]}, expected ${e}`)
          sawError(error, `${name}: ${term} of step ${step}`)
        }
      }
      const { nets, ema } = training
      const after = { ...nets, ema } as Record<string, { stateDict(): Record<string, Tensor> }>
      for (const [key, e] of under(`${name}|after|`)) {
        const [net, ...rest] = key.split('.') as [string, ...string[]]
        await same(`${name}: ${key} after ten steps`, after[net]!.stateDict()[rest.join('.')]!, e, { value: TOLERANCE })
        count('goldens')
      }
      count('goldens', STEPS * terms.length)
    })
  }
}

test.run()
