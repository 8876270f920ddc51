// A whole training step: compiled as it is eager, for every model, with that model's terms; the gradient penalty, which
// needs second derivatives, against differences in float64; the sizes of the networks.
import { drawNoise, generatorStep, mixtureSampler, type ModelName, modelNames, objectives, type Optimisers, resolveConfig, ring, trainStep } from '@bms/bms'
import { compile, optim, type Tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { agree, read, type State, stateOf, stepFor, worst } from './helpers/bms.js'
import { close, ready } from './helpers/device.js'

const test = suite('step compiled')
test.before(async () => void (await ready()))

const expectedTerms: Record<ModelName, string> = {
  'bms-vae-gan': 'critic kl latent pri rec syn',
  'alpha-gan-sn': 'critic kl latent pri rec syn',
  'alpha-gan': 'critic kl latent pri rec syn',
  'bms-vae': 'kl latent rec',
  wae: 'kl latent rec',
  'sn-gan': 'critic pri',
  'bms-gan': 'critic kl latent pri rec syn',
  dcgan: 'critic pri',
  'wgan-gp': 'critic penalty pri',
  veegan: 'critic pri rec',
  'gdpp-gan': 'critic diversity pri',
  'md-gan': 'critic pri',
}

for (const model of modelNames) {
  test(`${model}: three compiled steps are three eager ones, with its terms, all finite, and every network learns`, async () => {
    const exact = { epilogues: false, maps: false, reductions: false, copies: false, equal: false, dead: false }
    const run = async (rewrites: typeof exact | Record<string, never> | null) => {
      const c = stepFor({ model, seed: 11, hyper: { criticScale: 10 } })
      // Some gradients are sums that cancel (a bias of the hinge critic): with Adam's usual eps of 1e-8 their rounding errors would become whole steps.
      for (const [name, o] of Object.entries(c.optimisers) as [keyof Optimisers, optim.Adam | null][]) {
        if (o) c.optimisers[name] = new optim.Adam(o.params, { lr: o.lr, betas: c.hyper.betas, eps: 1e-3 })
      }
      const data = mixtureSampler(ring())
      const before = await stateOf(c)
      const objective = objectives[c.model.objective](c)
      const body = () => objective.step(data(8), objective.drawNoise())
      const step = rewrites ? compile(body, { rewrites }) : body
      let losses = {}
      for (let i = 0; i < 3; i++) losses = await read(step().losses as Record<string, Tensor>)
      return { losses, before, after: await stateOf(c) }
    }
    const [eager, plain, fused] = [await run(null), await run(exact), await run({})]
    assert.is(Object.keys(eager.losses).sort().join(' '), expectedTerms[model])
    for (const [name, values] of Object.entries<number[]>(eager.losses)) assert.ok(values.length === 1 && Number.isFinite(values[0]), name)
    // The same kernels in the same order: the same bits. Fused ones add in another order.
    agree(plain.losses, eager.losses)
    agree(plain.after, eager.after)
    agree(fused.losses, eager.losses, 1e-5)
    agree(fused.after, eager.after, 1e-4)
    // The hinge critic's last bias rests while every row is inside the margin: its two sides cancel.
    const trained = Object.keys(eager.before).filter((name) => /(weight|bias|original)$/.test(name) && name !== 'D.body.4.bias')
    const still = trained.filter((name) => worst({ w: eager.after[name]! }, { w: eager.before[name]! }).error === 0)
    assert.equal(still, [], 'parameters that did not move')
  })
}

for (const [name, lipschitz] of [
  ['classifier', 'none'],
  ['spectral norm', 'spectral'],
  ['WGAN-GP', 'penalty'],
] as const) {
  const spectralNorm = lipschitz === 'spectral'
  test(`the gradient penalty's gradient, ${name}, is that of differences in float64`, async () => {
    const hyper = { hiddenD: [5], criticScale: 3, r1: 0.7, lipschitz, gp: 2 }
    const c = stepFor({ batch: 4, T: 2, hyper, switches: { critic: spectralNorm ? 'hinge' : 'bce' } })
    const [x, noise] = [mixtureSampler(ring())(4), drawNoise(c)]
    c.nets.D!.eval()
    const { fakes } = generatorStep(c, x, noise.codes)
    const data = (await Promise.all([x, ...fakes].map((t) => t.data()))).flatMap((d) => [...d])
    const { params } = c.optimisers.critic!
    let taken: Tensor[] = []
    c.optimisers.critic = { params, step: (g: Tensor[]) => void (taken = g) } as never
    trainStep(c, x, noise)
    const names = [...c.nets.D!.namedParameters()].map(([n]) => n)
    const got = await read(Object.fromEntries(taken.map((g, i) => [names[i]!, g])))
    const state = await read(c.nets.D!.stateDict())
    const mix = noise.mix && (await noise.mix.data())
    const weight = (layer: number): string => `body.${layer}.${spectralNorm ? 'parametrizations.weight.original' : 'weight'}`
    // The critic and its penalty in float64; u and v, after their iteration, are constants.
    const loss = (s: State): number => {
      const normal = (layer: number): number[] => {
        const w = s[weight(layer)]!
        if (!spectralNorm) return w
        const [u, v] = ['_u', '_v'].map((n) => s[`body.${layer}.parametrizations.weight.0.${n}`]!) as [number[], number[]]
        const sigma = w.reduce((sum, a, i) => sum + a * u[Math.floor(i / v.length)]! * v[i % v.length]!, 0)
        return w.map((a) => a / sigma)
      }
      const [w1, w2, b1, b2] = [normal(0), normal(2), s['body.0.bias']!, s['body.2.bias']![0]!]
      let total = 0
      for (let i = 0; i < 12; i++) {
        const [p, q] = [data[2 * i]!, data[2 * i + 1]!]
        const hidden = b1.map((b, j) => w1[2 * j]! * p + w1[2 * j + 1]! * q + b)
        const signed = (i < 4 ? -1 : 1) * 3 * hidden.reduce((sum, a, j) => sum + w2[j]! * Math.max(0, a), b2)
        total += (spectralNorm ? Math.max(0, 1 + signed) : Math.log1p(Math.exp(signed))) / (i < 4 ? 4 : 8)
        const slope = [0, 1].map((d) => 3 * hidden.reduce((sum, a, j) => sum + (a > 0 ? w2[j]! * w1[2 * j + d]! : 0), 0))
        if (i < 4) total += ((0.7 / 2) * (slope[0]! ** 2 + slope[1]! ** 2)) / 4
      }
      // Of the raw score, without its factor 3: half of the points on the way to a reconstruction, half to a prior sample.
      if (mix) {
        for (let i = 0; i < 4; i++) {
          const other = i < 2 ? 4 + i : 8 + i
          const [p, q] = [0, 1].map((d) => data[2 * other + d]! + (data[2 * i + d]! - data[2 * other + d]!) * mix[i]!)
          const active = b1.map((b, j) => w1[2 * j]! * p! + w1[2 * j + 1]! * q! + b > 0)
          const slope = [0, 1].map((d) => active.reduce((sum, on, j) => sum + (on ? w2[j]! * w1[2 * j + d]! : 0), 0))
          total += (2 * (Math.hypot(...slope) - 1) ** 2) / 4
        }
      }
      return total
    }
    const expected: State = {}
    for (const n of names) {
      expected[n] = state[n]!.map((_, i) => {
        const moved = (by: number): number => loss({ ...state, [n]: state[n]!.map((a, j) => (j === i ? a + by : a)) })
        return (moved(1e-6) - moved(-1e-6)) / 2e-6
      })
    }
    // A sum of slopes that cancel is no more exact than the slopes.
    const size = Math.max(...Object.values(expected).flat().map(Math.abs))
    for (const n of names)
      close(
        got[n]!.map((v) => v / size),
        expected[n]!.map((v) => v / size),
        1e-5,
      )
  })
}

test('a network that the weights leave without a term rests, the others learn', async () => {
  for (const [weights, resting] of [
    [{ wRec: 0, wSyn: 0, wPri: 0 }, 'G'],
    [{ wRec: 0, wSyn: 0, wKl: 0 }, 'R'],
  ] as const) {
    const c = stepFor({ hyper: weights })
    const before = await stateOf(c)
    trainStep(c, mixtureSampler(ring())(8), drawNoise(c))
    const after = await stateOf(c)
    for (const net of ['G', 'R', 'D', 'L']) {
      const moved = Object.keys(before).some((name) => name.startsWith(`${net}.`) && worst({ w: after[name]! }, { w: before[name]! }).error > 0)
      assert.is(moved, net !== resting, `${net} without ${Object.keys(weights)}`)
    }
  }
})

test('the networks have as many parameters as the paper’s', () => {
  const hyper = { latent: 32, hiddenG: [128, 128], hiddenR: [128, 128], hiddenD: [128, 128], hiddenL: [750, 750, 750] }
  const { nets } = stepFor({ hyper })
  const count = (net: { parameters(): Tensor[] } | null): number => net!.parameters().reduce((n, p) => n + p.size, 0)
  assert.equal([count(nets.G), count(nets.R), count(nets.D), count(nets.L)], [20_994, 25_152, 17_025, 1_152_001])
  assert.is(count(stepFor({ hyper: { hiddenD: [128] } }).nets.D), 513)
  const { hyper: defaults } = resolveConfig({ dataset: 'ring' })
  assert.equal([defaults.latent, defaults.hiddenR, defaults.hiddenD], [32, [128, 128], [128, 128]])
})

test.run()
