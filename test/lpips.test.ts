// LPIPS tap by tap against PyTorch's numbers for its three backbones, and diversity as a mean over pairs.
import { backbones, type BackboneName, byteImages, fitWeights, formatDiversity, generatedImages, loadLpips, type Lpips, lpips, lpipsDiversity } from '@bms/bms'
import { currentDevice, noGrad, type Tensor, tensor, tidy, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready, settle, thrown } from './helpers/device.js'
import { formulaWeights, shapesOf } from './helpers/formula-weights.js'
import { goldenFile } from './helpers/golden-file.js'

const test = suite('lpips')
test.before(async () => void (await ready()))

const { tensors, metadata } = await goldenFile('scores.safetensors')
const data = Uint8Array.from(tensors.get('images')!.data)
const set = byteImages({ pixels: data, height: 40, width: 48 })
const shapes = JSON.parse(metadata['shapes']!) as Record<string, Record<string, number[]>>

const free = (weights: Record<string, Tensor>): void => {
  for (const t of Object.values(weights)) t.dispose()
}

/** A quarter as wide, with the weights of the golden's. */
function quarter(name: BackboneName): Lpips {
  const net = lpips(name, 4)
  for (const part of [net.net, net.linears]) {
    const weights = formulaWeights(shapesOf(part.stateDict()))
    fitWeights(part, weights, { what: name })
    free(weights)
  }
  return net
}

for (const name of ['squeeze', 'alex', 'vgg'] as const) {
  test(`${name}: every tap is PyTorch's`, async () => {
    const net = quarter(name)
    const [a, b] = [(await set.batch(0, 2)) as Tensor, (await set.batch(2, 2)) as Tensor]
    const taps = noGrad(() => tidy(() => net.taps(a, b)))
    const { shape, data: expected } = tensors.get(`lpips|${name}`)!
    assert.is(taps.length, shape[0])
    for (const [i, tap] of taps.entries()) close(await tap.data(), Array.from(expected).slice(2 * i, 2 * i + 2), 1e-5)
    const distance = await noGrad(() => net.forward(a, b)).data()
    close(
      distance,
      [0, 1].map((k) => Array.from(expected).reduce((sum, v, i) => (i % 2 === k ? sum + v : sum), 0)),
      1e-5,
    )
    assert.equal(Array.from(await noGrad(() => net.forward(a, a)).data()), [0, 0], 'an image is at distance 0 from itself')
    net.dispose()
  })

  test(`${name} has the names and shapes of its file`, () => {
    const made = backbones[name]()
    const wanted = shapes[name === 'squeeze' ? 'squeezenet' : name]!
    assert.equal(Object.fromEntries(Object.entries(shapesOf(made.stateDict())).sort()), Object.fromEntries(Object.entries(wanted).sort()))
    made.dispose()
  })
}

test('files of other nets are refused', async () => {
  const device = currentDevice()
  await settle(device)
  const before = device.memory().storages
  const backbone = formulaWeights(shapes['squeezenet']!)
  const linear = { 'lin0.model.1.weight': zeros([1, 64, 1, 1]) }
  const error = await thrown(() => loadLpips('squeeze', { backbone, linear }))
  assert.is(error.code, 'WEIGHTS')
  assert.match(
    error.message,
    /not the weights of LPIPS's linear layers for SqueezeNet 1\.1: missing: lin1\.model\.1\.weight.*looks like LPIPS's linear layers$/,
  )
  assert.match((await thrown(() => loadLpips('alex', { backbone, linear }))).message, /not the weights of AlexNet.*looks like SqueezeNet 1\.1$/)
  assert.is((await thrown(() => loadLpips('resnet' as never, { backbone, linear }))).code, 'BAD_ARGUMENT')
  free({ ...backbone, ...linear })
  await settle(device)
  assert.is(device.memory().storages, before)
})

test('diversity is the mean over disjoint pairs, by the seed, and its text tells the direction', async () => {
  const net = quarter('squeeze')
  const all = await Promise.all(
    [0, 1, 2, 3].map((i) =>
      Promise.all(
        [0, 1, 2, 3].map(async (j) => {
          const [a, b] = [(await set.batch(i, 1)) as Tensor, (await set.batch(j, 1)) as Tensor]
          return (await noGrad(() => net.forward(a, b)).data())[0]!
        }),
      ),
    ),
  )
  const possible = [
    [0, 1, 2, 3],
    [0, 2, 1, 3],
    [0, 3, 1, 2],
  ].map(([a, b, c, d]) => [all[a!]![b!]!, all[c!]![d!]!])
  const found = new Set<number>()
  for (let seed = 0; seed < 12; seed++) {
    const score = await lpipsDiversity(net, { pixels: data, height: 40, width: 48 }, { seed })
    const k = possible.findIndex(([x, y]) => Math.abs((x! + y!) / 2 - score.value) < 1e-5)
    assert.ok(k >= 0, `${score.value} is the mean of no two pairs`)
    close([score.error], [Math.abs(possible[k]![0]! - possible[k]![1]!) / 2], 1e-4)
    found.add(k)
  }
  assert.is(found.size, 3, 'twelve seeds find every pairing')
  // Batch by batch, from a source, and with an image that has no partner.
  const source = await lpipsDiversity(net, set, { seed: 4, batch: 2 })
  const bytes = await lpipsDiversity(net, { pixels: data, height: 40, width: 48 }, { seed: 4 })
  close([source.value], [bytes.value], 1e-5)
  assert.equal([source.pairs, source.n], [2, 4])
  const odd = await lpipsDiversity(net, { pixels: data.slice(0, 3 * 3 * 40 * 48), height: 40, width: 48 })
  assert.equal([odd.pairs, odd.n], [1, 2])
  assert.match(
    formatDiversity(bytes),
    /^LPIPS diversity \d\.\d{4} ± \d\.\d{4} \(2 random pairs; LPIPS v0\.1, SqueezeNet 1\.1 of 1\/4 width; a distance: higher is more diverse/,
  )
  const grey = generatedImages(1, (count) => tensor(new Float32Array(count * 3 * 40 * 48), { shape: [count, 3, 40, 48] }))
  assert.is((await thrown(() => lpipsDiversity(net, grey))).code, 'BAD_ARGUMENT')
  net.dispose()
})

test.run()
