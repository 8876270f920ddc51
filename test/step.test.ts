// The step of Algorithm 1 takes gradients through the chosen draws only: here they are compared with the objective as the
// paper writes it, every draw passed through with gradients and the minima differentiated. And what reaches the critics.
import { drawNoise, generatorStep, mixtureSampler, type ModelSwitches, ring, type StepContext, trainStep } from '@bms/bms'
import { grad, randn, softplus, type Tensor, tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { agree, read, type Setting, type State, stateOf, stepFor, worst } from './helpers/bms.js'
import { close, ready } from './helpers/device.js'

const test = suite('step')
test.before(async () => void (await ready()))

const gradients = (c: StepContext, loss: Tensor): Promise<State> => {
  const { params } = c.optimisers.generator
  return read(Object.fromEntries(grad(loss, params, { allowUnused: true }).flatMap((g, i) => (g ? [[String(i), g]] : []))))
}

/** The objective of the paper's eq. 7 in plain ops, all T draws with gradients; KL̂ over the draws that `kl` counts. */
function full(c: StepContext, x: Tensor, noise: Tensor, kl = 1) {
  const { nets, hyper: h, model, batch: B, T } = c
  const q = nets.R!.forward(x)
  const z = q.mean.add(q.deviation.mul(noise.narrow(0, 0, T)))
  const made = nets.G.forward(z.reshape([T * B, h.latent]))
  const difference = x.sub(made.reshape([T, B, 2]))
  const errors = (h.recNorm === 1 ? difference.abs() : difference.mul(difference)).sum(2).div(2)
  const score = (data: Tensor): Tensor => nets.D!.forward(data).mul(h.criticScale)
  const scores = nets.D ? score(made).reshape([T, B]) : null
  const best = errors.argmin(0, true)
  const worstDraw = scores?.argmin(0, true)
  const pick = model.draws === 'best-worst'
  const logits = nets.L!.forward(z.narrow(0, 0, kl).reshape([kl * B, h.latent]))
  const terms: Record<string, Tensor> = {
    // By gather here and by min there: both ways a minimum can be differentiated.
    rec: (pick ? errors.gather(0, best) : errors).mean(),
    kl: (h.kl === 'ratio' ? logits.neg() : softplus(logits.neg())).mean(),
  }
  if (scores) {
    terms['syn'] = (pick ? scores.min(0) : scores).mean().neg()
    terms['pri'] = score(nets.G.forward(noise.narrow(0, T, 1).reshape([B, h.latent])))
      .mean()
      .neg()
  }
  const weights: Record<string, number> = { rec: h.wRec, syn: h.wSyn, pri: h.wPri, kl: h.wKl }
  const total = Object.entries(terms)
    .map(([name, loss]) => loss.mul(weights[name]!))
    .reduce((a, b) => a.add(b))
  return { terms, total, best, worstDraw, z, made }
}

const bce: Partial<ModelSwitches> = { critic: 'bce' }
const settings: [string, Setting][] = [1, 2, 5].flatMap((T) =>
  [1, 2].flatMap((recNorm): [string, Setting][] => [
    [`T ${T}, L${recNorm}, hinge with spectral norm`, { T, hyper: { recNorm } }],
    [`T ${T}, L${recNorm}, classifier`, { T, hyper: { recNorm, kl: 'non-saturating', criticScale: 1, lipschitz: 'none' }, switches: bce }],
  ]),
)
settings.push(
  ['bms-vae', { model: 'bms-vae' }],
  ['no synthetic likelihood weight', { hyper: { wSyn: 0 } }],
  ['the mean of 3 draws', { model: 'alpha-gan-sn', T: 3 }],
  ['alpha-gan', { model: 'alpha-gan' }],
)

for (const [name, setting] of settings) {
  test(`the gradient through the chosen draws is that of the whole objective: ${name}`, async () => {
    const c = stepFor({ batch: 16, ...setting })
    const [x, noise] = [mixtureSampler(ring())(16), drawNoise(c).codes]
    c.nets.D?.eval()
    const [short, long] = [generatorStep(c, x, noise), full(c, x, noise)]
    const wanted = await gradients(c, long.total)
    assert.is(Object.keys(wanted).length, c.optimisers.generator.params.length, 'all of G and R')
    agree(await gradients(c, short.total), wanted, 2e-5)
    const [terms, expected] = [await read(short.terms as Record<string, Tensor>), await read(long.terms)]
    // What is not in the sum may be of another draw.
    if (c.hyper.wSyn === 0 && c.nets.D) for (const t of [terms, expected]) delete t['syn']
    agree(terms, expected, 2e-5)
    close([await short.total.item()], [await long.total.item()], 1e-5)
    if (c.T === 5 && long.worstDraw) {
      // Otherwise a step that mixed the two up would pass too.
      const [best, least] = [[...(await long.best.data())], [...(await long.worstDraw.data())]]
      assert.ok(best.some((b, i) => b !== least[i]))
      assert.ok(new Set(best).size > 2 && new Set(least).size > 2, 'the chosen draws vary')
    }
  })
}

test('KL̂ takes one draw in place of the mean of T: over rotations of the draws its gradient is the mean’s', async () => {
  const T = 4
  const c = stepFor({ T, hyper: { wRec: 0, wSyn: 0, wPri: 0, wKl: 1 } })
  const [x, noise] = [mixtureSampler(ring())(8), randn([T + 1, 8, 4])]
  c.nets.D!.eval()
  const rows = await noise.data()
  const size = 8 * 4
  const sums: State = {}
  for (let r = 0; r < T; r++) {
    const turned = Float32Array.from(rows)
    for (let t = 0; t < T; t++) turned.set(rows.subarray(((t + r) % T) * size, (((t + r) % T) + 1) * size) as Float32Array, t * size)
    const g = await gradients(c, generatorStep(c, x, tensor(turned, { shape: noise.shape })).total)
    for (const [name, values] of Object.entries(g)) sums[name] = values.map((v, i) => v / T + (sums[name]?.[i] ?? 0))
  }
  const wanted = await gradients(c, full(c, x, noise, T).terms['kl']!)
  for (const [name, values] of Object.entries(sums))
    if (!(name in wanted))
      assert.ok(
        values.every((v) => v === 0),
        'G has no part in KL̂',
      )
  agree(Object.fromEntries(Object.entries(sums).filter(([name]) => name in wanted)), wanted, 2e-5)
})

test('what the critics get: the first draw’s reconstructions and prior samples, prior and posterior codes, all without gradient', async () => {
  const c = stepFor({ T: 3 })
  const [x, noise] = [mixtureSampler(ring())(8), drawNoise(c).codes]
  c.nets.D!.eval()
  const { fakes, latents } = generatorStep(c, x, noise)
  const { z, made } = full(c, x, noise)
  const prior = noise.narrow(0, 3, 1).reshape([8, 4])
  assert.ok(![...fakes, latents!].some((t) => t.requiresGrad))
  const got = await read({ reconstruction: fakes[0]!, prior: fakes[1]!, codes: latents! })
  const expected = await read({ reconstruction: made.narrow(0, 0, 8), prior: c.nets.G.forward(prior), codes: prior })
  expected['codes']!.push(...(await z.data()).subarray(0, 32))
  agree(got, expected, 1e-6)
})

const vectors = (state: State): State => Object.fromEntries(Object.entries(state).filter(([name]) => /\._[uv]$/.test(name)))

test('power iterations: none in the generator’s step, one in the critic’s', async () => {
  const c = stepFor()
  // Weights that u and v know nothing of, so that one iteration and two differ.
  for (const p of c.nets.D!.parameters()) p.copy_(randn(p.shape))
  const before = await stateOf(c)
  assert.is(Object.keys(vectors(before)).length, 6)
  const [x, noise] = [mixtureSampler(ring())(8), drawNoise(c).codes]
  c.nets.D!.eval()
  const { total } = generatorStep(c, x, noise)
  await grad(total, c.optimisers.generator.params)[0]!.data()
  agree(vectors(await stateOf(c)), vectors(before))
  // The step itself is to know when they rest.
  c.nets.D!.train()
  trainStep(c, x, { codes: noise, mix: null })
  const after = await stateOf(c)
  const unit = (values: number[]): number[] => values.map((v) => v / Math.hypot(...values))
  for (const layer of [0, 2, 4]) {
    const at = `D.body.${layer}.parametrizations.weight`
    const [w, v] = [before[`${at}.original`]!, before[`${at}.0._v`]!]
    const columns = v.length
    const row = (i: number): number[] => w.slice(i * columns, (i + 1) * columns)
    const times = (right: number[]): number[] =>
      unit(Array.from({ length: w.length / columns }, (_, i) => row(i).reduce((sum, a, j) => sum + a * right[j]!, 0)))
    const back = (left: number[]): number[] => unit(v.map((_, j) => left.reduce((sum, a, i) => sum + a * w[i * columns + j]!, 0)))
    const u1 = times(v)
    const v1 = back(u1)
    close(after[`${at}.0._u`]!, u1, 1e-5)
    close(after[`${at}.0._v`]!, v1, 1e-5)
    if (layer === 2) assert.ok(worst({ u: times(v1) }, { u: u1 }).error > 1e-2, 'a second iteration would show')
  }
})

test.run()
