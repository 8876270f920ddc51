// The first steps of every training objective against PyTorch, which computes the papers' equations for the same weights, batches and noise
// (test/golden/objectives.py): every term of every step, and all networks after them. Eq. 7 as the paper trains it has its own, ring.test.ts. Runs in Node and a browser.
import { type MixtureHyper, type ModelName, resolveConfig } from '@bms/bms'
import { suite } from 'uvu'
import { ready } from '../helpers/device.js'
import { goldenFile, type HostArray } from '../helpers/golden-file.js'
import { compareTerm, entry, type GivenStep, GoldenSteps } from '../helpers/golden-steps.js'

const test = suite('objectives')
await ready()

/** Of terms, relative where above 1, and of parameters relative to their tensor's largest. */
const TOLERANCE = 1e-5
const { tensors } = await goldenFile('objectives.safetensors')
const golden = (name: string): HostArray => tensors.get(name)!
const [STEPS, batch] = golden('batches').shape as unknown as [number, number, number]
const latent = golden('normal').shape[3]!
/** Draws for each point, of the models that take several. */
const T = 3

/** The first `count` entries of an array. */
const first = ({ shape, data }: HostArray, count: number): HostArray => {
  const size = data.length / shape[0]!
  return { shape: [count, ...shape.slice(1)], data: (data as Float32Array).slice(0, count * size) }
}
const normal = (step: number): HostArray => entry(golden('normal'), step)

/** A method: what its run is told beside the sizes, how many points of the batch it takes, and its noise. */
interface Method {
  model: ModelName
  T?: number
  points?: number
  hyper: Partial<MixtureHyper>
  codes: (step: number) => HostArray
}

const bms = { model: 'bms-vae-gan', T, codes: normal } as const
const bmsHyper = { hiddenR: [24], hiddenL: [24], wRec: 10, criticScale: 30 }
const methods: Record<string, Method> = {
  VEEGAN: { model: 'veegan', hyper: { hiddenD: [24], wRec: 0.5 }, codes: (step) => first(normal(step), 2) },
  'GDPP-GAN': { model: 'gdpp-gan', points: 8, hyper: {}, codes: (step) => first(entry(normal(step), 0), 8) },
  'MD-GAN': { model: 'md-gan', hyper: {}, codes: (step) => entry(golden('uniform'), step) },
  'WAE with MMD': { model: 'wae', hyper: { hiddenR: [24], kl: 'mmd', wRec: 10, wKl: 5 }, codes: (step) => first(normal(step), 2) },
  'BMS, mean draw': { ...bms, hyper: { ...bmsHyper, draws: 'mean' } },
  'BMS without spectral norm': { ...bms, hyper: { ...bmsHyper, lipschitz: 'none' } },
  'BMS with a gradient penalty': { ...bms, hyper: { ...bmsHyper, lipschitz: 'penalty', gp: 10 } },
}

const common: Partial<MixtureHyper> = {
  latent,
  hiddenG: [24, 24],
  hiddenR: [24, 24],
  hiddenD: [24, 24],
  lr: 2e-3,
  lrD: 1e-3,
  lrL: 2e-3,
  betas: [0.5, 0.9],
  decay: 'constant',
}

for (const [name, method] of Object.entries(methods)) {
  for (const way of ['compiled', 'eager'] as const) {
    test(`${name}: ${STEPS} ${way} steps are PyTorch's`, async () => {
      const { model, points = batch, hyper, codes } = method
      const config = resolveConfig({ dataset: 'ring', model, T: method.T, batch: points, hyper: { ...common, ...hyper } })
      const given = (step: number): GivenStep => ({
        x: first(entry(golden('batches'), step), points),
        codes: codes(step),
        ...(config.hyper.lipschitz === 'penalty' && { mix: entry(golden('mix'), step) }),
      })
      const run = new GoldenSteps(tensors, config, `${name}|start|`, given(0))
      const prefix = `${name}|terms|`
      const terms = [...tensors.keys()].flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length)] : []))
      for (let step = 0; step < STEPS; step++) {
        const values = await run.step(way, given(step))
        if (Object.keys(values).sort().join() !== terms.sort().join()) throw new Error(`terms are ${Object.keys(values)}, expected ${terms}`)
        for (const term of terms) {
          const expected = golden(prefix + term).data[step]!
          compareTerm(`${name}: ${term} of step ${step}`, values[term as keyof typeof values], expected, TOLERANCE)
        }
      }
      await run.compareNetworks(name, `${name}|after|`, TOLERANCE)
    })
  }
}

test.run()
