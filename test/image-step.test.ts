// Batch norm in a step on images: which pass normalises by which batch, when running statistics move, what the critic's groups see of each other. And that the
// best and the worst draw are chosen rightly, however many pass at once.
import {
  buildOptimisers,
  criticOnlyStep,
  drawNoise,
  generatorStep,
  imageNetworks,
  type ImageHyper,
  mixtureSampler,
  type ModelName,
  models,
  type Noise,
  ring,
  type StepContext,
  stepContext,
  trainStep,
} from '@bms/bms'
import { cat, grad, manualSeed, nn, noGrad, randn, type Tensor, tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { agree, read, type State, stateOf, stepFor } from './helpers/bms.js'
import { close, ready } from './helpers/device.js'
import { imageBatch, smallImageRun } from './helpers/images.js'

const test = suite('image step')
test.before(async () => void (await ready()))

const B = 4

/** Small image networks and all that a step on them works with; the weights large enough for outputs to differ. */
function contextFor(model: ModelName, options: { T?: number; hyper?: Partial<ImageHyper>; arch?: string } = {}): StepContext {
  manualSeed(3)
  const { T = models[model].T, hyper = {}, arch = 'dcgan' } = options
  const config = smallImageRun({ model, T, arch, hyper })
  const nets = imageNetworks(config)
  for (const net of [nets.G, nets.R, nets.D]) for (const p of net?.parameters() ?? []) p.copy_(p.add(randn(p.shape).mul(0.1)))
  return stepContext(nets, buildOptimisers(nets, config.hyper), models[model], config.hyper, B, T, { drawsPerPass: config.hyper.drawsPerPass })
}

const norms = (net: nn.Module): nn.BatchNorm2d[] => net.modules().filter((m): m is nn.BatchNorm2d => m instanceof nn.BatchNorm2d)
const statistics = (net: nn.Module): Promise<State> => read(Object.fromEntries(net.namedBuffers()))
const values = async (t: Tensor): Promise<number[]> => [...(await t.data())]

test('keepingStatistics: normalises by the batch as ever, and leaves the running statistics; also after an error, and within itself', async () => {
  const [bn, other] = [new nn.BatchNorm2d(3), new nn.BatchNorm2d(3)]
  const net = new nn.Sequential(new nn.Conv2d(3, 3, 1), bn)
  const x = imageBatch(2)
  const before = await statistics(net)
  const kept = nn.keepingStatistics(net, () => {
    nn.keepingStatistics(bn, () => bn.forward(x))
    other.forward(x)
    return net.forward(x)
  })
  agree(await statistics(net), before)
  assert.is(await other.num_batches_tracked!.item(), 1, 'a layer outside of the module')
  assert.throws(
    () =>
      nn.keepingStatistics(net, () => {
        throw new Error('in the middle')
      }),
    'in the middle',
  )
  const moved = net.forward(x)
  assert.equal(await values(kept), await values(moved), 'the same numbers')
  assert.is(await bn.num_batches_tracked!.item(), 1)
  assert.not.equal(await values(bn.running_mean!), before['1.running_mean'])
  // In evaluation there is nothing to keep.
  net.eval()
  assert.equal(await values(nn.keepingStatistics(net, () => net.forward(x))), await values(net.forward(x)))
})

test('running statistics move once a step, by the pass with gradients: chosen draws and prior samples together', async () => {
  const c = contextFor('bms-vae-gan', { T: 3, hyper: { drawsPerPass: 2 } })
  const { G, R, D } = c.nets
  const x = imageBatch(B)
  const noise = drawNoise(c).codes
  D!.eval()
  const first = norms(G)[0]!
  const seen: Tensor[] = []
  const forward = G.forward.bind(G)
  G.forward = (z: Tensor) => {
    seen.push(z.detach())
    return forward(z)
  }
  generatorStep(c, x, noise)
  assert.equal(
    seen.map((z) => z.shape[0]),
    [2 * B, B, 3 * B],
    'two draws at once, one, then best, worst and prior',
  )
  for (const net of [G, R!]) for (const bn of norms(net)) assert.is(await bn.num_batches_tracked!.item(), 1)
  // In numbers, of the layer behind the codes: a tenth of the batch's mean, and of its unbiased variance.
  const body = (G as unknown as { body: nn.Sequential }).body
  const linear = (body as unknown as Record<string, nn.Linear>)['0']!
  const [hidden, rows] = [await noGrad(() => linear.forward(seen[2]!)).data(), 3 * B]
  const channels = first.numFeatures
  const mean = Array.from({ length: channels }, (_, ch) => {
    let sum = 0
    for (let n = 0; n < rows; n++) for (let i = 0; i < 16; i++) sum += hidden[(n * channels + ch) * 16 + i]!
    return sum / (rows * 16)
  })
  const variance = mean.map((m, ch) => {
    let sum = 0
    for (let n = 0; n < rows; n++) for (let i = 0; i < 16; i++) sum += (hidden[(n * channels + ch) * 16 + i]! - m) ** 2
    return sum / (rows * 16 - 1)
  })
  close(
    await first.running_mean!.data(),
    mean.map((m) => 0.1 * m),
    1e-5,
  )
  close(
    await first.running_var!.data(),
    variance.map((v) => 0.9 + 0.1 * v),
    1e-5,
  )
})

test('a step of the critic alone moves no running statistics, a whole step moves them once', async () => {
  for (const model of ['alpha-gan', 'dcgan'] as const) {
    const c = contextFor(model)
    const nets = [c.nets.G, ...(c.nets.R ? [c.nets.R] : [])]
    const before = await Promise.all(nets.map(statistics))
    criticOnlyStep(c, imageBatch(B), drawNoise(c))
    for (const [i, net] of nets.entries()) agree(await statistics(net), before[i]!)
    trainStep(c, imageBatch(B), drawNoise(c))
    for (const net of nets) for (const bn of norms(net)) assert.is(await bn.num_batches_tracked!.item(), 1, model)
  }
})

test("the critic's groups are normalised each by itself, in its own step and in the generator's, and leave no state", async () => {
  const { D } = contextFor('alpha-gan').nets
  const [a, b, loud] = [imageBatch(B), imageBatch(B, 10), imageBatch(B, 20).mul(5)]
  assert.equal([...D!.namedBuffers()].length, 0)
  await noGrad(async () => {
    for (const mode of ['train', 'eval'] as const) {
      D![mode]()
      const alone = await values(D!.forward(a))
      const [beside] = await Promise.all(D!.scores(cat([a, loud]), [B, B]).map(values))
      const joined = (await values(D!.joined([a, loud, b]))).slice(0, B)
      close(beside!, alone, 1e-6)
      close(joined, alone, 1e-6)
      assert.not.equal((await values(D!.forward(cat([a, loud])))).slice(0, B), alone, 'one batch would be another matter')
    }
  })
  // Without batch norm all rows pass at once, with the same scores.
  const plain = contextFor('bms-vae-gan').nets.D!
  plain.eval()
  let passes = 0
  const forward = plain.forward.bind(plain)
  plain.forward = (x: Tensor) => {
    passes++
    return forward(x)
  }
  const [first, second] = noGrad(() => plain.scores(cat([a, b]), [B, B]))
  close(await values(cat([first!, second!])), await values(noGrad(() => cat([forward(a), forward(b)]))), 1e-6)
  assert.is(passes, 1)
})

/** The generator's gradient and losses. */
async function taken(c: StepContext, x: Tensor, noise: Tensor): Promise<{ gradients: State; terms: State }> {
  c.nets.D?.eval()
  const { terms, total } = generatorStep(c, x, noise)
  const found = grad(total, c.optimisers.generator.params, { allowUnused: true })
  return { gradients: await read(Object.fromEntries(found.flatMap((g, i) => (g ? [[String(i), g]] : [])))), terms: await read(terms as Record<string, Tensor>) }
}

test('without batch norm, one draw at a time, two or all give the same bits', async () => {
  const c = stepFor({ T: 5, batch: 6 })
  const [x, noise] = [mixtureSampler(ring())(6), randn([6, 6, 4])]
  const all = await taken({ ...c, drawsPerPass: 5 }, x, noise)
  for (const drawsPerPass of [1, 2, 3]) {
    const { gradients, terms } = await taken({ ...c, drawsPerPass }, x, noise)
    agree(terms, all.terms, 0)
    agree(gradients, all.gradients, 0)
  }
})

for (const [model, arch] of [
  ['bms-vae-gan', 'dcgan'],
  ['bms-gan', 'dcgan'],
  ['bms-vae-gan', 'standard'],
] as const) {
  test(`${model}, ${arch}: with its batch norms in evaluation, the gradient through the chosen draws is that of the whole objective`, async () => {
    const T = 4
    const c = contextFor(model, { arch, T, hyper: { drawsPerPass: 3 } })
    const { G, R, D, L } = c.nets
    // Statistics that normalise somehow, whatever the batch. (The critic has none: there the groups are what they are.)
    for (const net of [G, R!]) {
      noGrad(() => (net === G ? G.forward(randn([8, 4])) : R!.forward(imageBatch(8))))
      net.eval()
    }
    const [x, noise] = [imageBatch(B, 30), drawNoise(c).codes]
    const short = await taken(c, x, noise)
    const { mean, deviation } = R!.forward(x)
    const z = mean.add(deviation.mul(noise.narrow(0, 0, T)))
    const made = G.forward(z.reshape([T * B, 4])).reshape([T, B, 3072])
    const errors = x.reshape([B, 3072]).sub(made).abs().mean(2)
    // Of a critic with batch norm, draws are compared in the batches in which they were scored: of three draws, and of one.
    const images = made.reshape([T * B, 3, 32, 32])
    const compared = D!.scores(images, [3 * B, B]).map((s) => s.reshape([-1, B]))
    const [best, worst] = [await values(errors.argmin(0)), await values(cat(compared).argmin(0))]
    assert.ok(
      best.some((t, i) => t !== worst[i]),
      'best and worst are not always the same draw',
    )
    const pick = (of: number[]): Tensor => cat(of.map((t, i) => made.narrow(0, t!, 1).narrow(1, i, 1).reshape([1, 3, 32, 32])))
    const score = (data: Tensor): Tensor => D!.forward(data).mul(c.hyper.criticScale)
    const prior = noise.narrow(0, T, 1).reshape([B, 4])
    const terms = {
      rec: errors.min(0).mean(),
      syn: score(pick(worst)).mean().neg(),
      pri: score(G.forward(prior)).mean().neg(),
      kl: L!
        .forward(z.narrow(0, 0, 1).reshape([B, 4]))
        .mean()
        .neg(),
    }
    const { wRec, wSyn, wPri, wKl } = c.hyper
    const total = terms.rec.mul(wRec).add(terms.syn.mul(wSyn)).add(terms.pri.mul(wPri)).add(terms.kl.mul(wKl))
    const found = grad(total, c.optimisers.generator.params)
    agree(short.terms, await read(terms), 2e-5)
    agree(short.gradients, await read(Object.fromEntries(found.map((g, i) => [String(i), g]))), 2e-4)
  })
}

test('what the critic gets does not change with how many draws are compared at once, where nothing is normalised by batch', async () => {
  const c = contextFor('bms-vae-gan', { T: 3 })
  for (const net of [c.nets.G, c.nets.R!]) net.eval()
  c.nets.D!.eval()
  const [x, noise] = [imageBatch(B), drawNoise(c).codes]
  const fakes = async (drawsPerPass: number): Promise<State> => {
    const [reconstruction, prior] = generatorStep({ ...c, drawsPerPass }, x, noise).fakes
    return read({ reconstruction: reconstruction!, prior: prior! })
  }
  const all = await fakes(3)
  agree(await fakes(1), all, 1e-6)
  const { mean, deviation } = c.nets.R!.forward(x)
  const first = mean.add(deviation.mul(noise.narrow(0, 0, 1))).reshape([B, 4])
  const prior = noise.narrow(0, 3, 1).reshape([B, 4])
  agree(all, await read({ reconstruction: c.nets.G.forward(first), prior: c.nets.G.forward(prior) }), 1e-6)
})

test('several steps of the critic: each on the noise that it is given, G and R resting', async () => {
  const c = contextFor('wgan-gp')
  const resting = async (): Promise<State> =>
    Object.fromEntries(Object.entries(await stateOf(c)).filter(([name]) => !name.startsWith('D.') && !name.startsWith('opt.critic')))
  const before = await resting()
  const noise: Noise = { codes: randn([1, B, 4]), mix: tensor([0, 0.25, 0.5, 1]) }
  const x = imageBatch(B)
  const fake = await values(noGrad(() => nn.keepingStatistics(c.nets.G, () => c.nets.G.forward(noise.codes.reshape([B, 4])))))
  // The points between, as the critic gets them.
  const given: Tensor[] = []
  const forward = c.nets.D!.forward.bind(c.nets.D)
  c.nets.D!.forward = (points: Tensor) => {
    given.push(points.detach())
    return forward(points)
  }
  const first = criticOnlyStep(c, x, noise)
  const [real, between] = [await values(x), await values(given[1]!)]
  const mix = [0, 0.25, 0.5, 1]
  close(
    between,
    real.map((v, i) => fake[i]! + mix[Math.floor(i / 3072)]! * (v - fake[i]!)),
    1e-6,
  )
  agree(await resting(), before)
  const second = criticOnlyStep(c, x, noise)
  assert.ok((await second.critic!.item()) + (await second.penalty!.item()) < (await first.critic!.item()) + (await first.penalty!.item()), 'it learns')
})

test.run()
