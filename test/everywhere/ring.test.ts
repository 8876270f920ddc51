// The first ten steps of a BMS-VAE-GAN on the ring against PyTorch, which computes the paper's equations for the same weights, batches and noise
// (test/golden/ring.py): every term of every step, and all networks after them. Runs in Node and in a browser.
import { type LossValues, type MixtureHyper, resolveConfig } from '@bms/bms'
import { suite } from 'uvu'
import { ready } from '../helpers/device.js'
import { goldenFile } from '../helpers/golden-file.js'
import { compareTerm, entry, GoldenSteps } from '../helpers/golden-steps.js'

const test = suite('ring')
await ready()

const STEPS = 10
const terms = ['rec', 'syn', 'pri', 'kl', 'critic', 'latent'] as const
/** Of terms, which are around 1, and of parameters relative to their tensor's largest: ten steps carry on and enlarge what f32 rounds off. */
const TOLERANCE = 1e-5
const { tensors } = await goldenFile('ring.safetensors')
const [, draws, batch, latent] = tensors.get('noise')!.shape as unknown as [number, number, number, number]
const given = (step: number) => ({ x: entry(tensors.get('batches')!, step), codes: entry(tensors.get('noise')!, step) })

const settings: Record<string, Partial<MixtureHyper>> = {
  ring: {},
  'ring, L1, non-saturating, R1': { recNorm: 1, kl: 'non-saturating', r1: 0.3 },
}

for (const [name, changes] of Object.entries(settings)) {
  for (const way of ['compiled', 'eager'] as const) {
    test(`${name}: ten ${way} steps are PyTorch's`, async () => {
      // All but the sizes are the ring's defaults.
      const sizes = { latent, hiddenG: [32, 32, 32], hiddenR: [32, 32], hiddenD: [32, 32], hiddenL: [32, 32] }
      const config = resolveConfig({ dataset: 'ring', batch, hyper: { ...sizes, ...changes } })
      if (config.T !== draws - 1) throw new Error(`the ring takes ${config.T} draws, the goldens have ${draws - 1}`)
      const run = new GoldenSteps(tensors, config, 'start|', given(0))
      const expected = tensors.get(`${name}|terms`)!
      for (let step = 0; step < STEPS; step++) {
        const values: LossValues = await run.step(way, given(step))
        for (const [i, term] of terms.entries()) compareTerm(`${name}: ${term} of step ${step}`, values[term], entry(expected, step).data[i]!, TOLERANCE)
      }
      await run.compareNetworks(name, `${name}|after|`, TOLERANCE)
    })
  }
}

test.run()
