// The feature nets against PyTorch's numbers: their layers by features of the same images, their names and shapes at full size, and files of weights that are
// of another net.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  byteImages,
  classProbabilities,
  extractFeatures,
  type FeatureNet,
  featureStatistics,
  fitWeights,
  generatedImages,
  type ImageSource,
  inceptionV3,
  loadFeatureNet,
  mobileNet,
  randomImages,
  squeezeNet,
} from '@bms/bms'
import { weightsFile } from '@bms/bms/node'
import { currentDevice, type nn, randn, saveSafetensors, type Tensor, tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready, settle, thrown } from './helpers/device.js'
import { formulaWeights, shapesOf } from './helpers/formula-weights.js'
import { goldenFile, type HostArray } from './helpers/golden-file.js'
import { goldenBytes } from './helpers/host.js'

const test = suite('feature nets')
test.before(async () => void (await ready()))

const { tensors, metadata } = await goldenFile('scores.safetensors')
const golden = (name: string): HostArray => tensors.get(name)!
const shapes = JSON.parse(metadata['shapes']!) as Record<string, Record<string, number[]>>
const pixels = Uint8Array.from(golden('images').data)
/** The first of the golden's images. */
const first = (n: number): ImageSource => byteImages({ pixels: pixels.slice(0, n * 3 * 40 * 48), height: 40, width: 48 })

const free = (weights: Record<string, Tensor>): void => {
  for (const t of Object.values(weights)) t.dispose()
}

/** With the weights that the golden's nets have. */
function filled<N extends nn.Module>(net: N): N {
  const weights = formulaWeights(shapesOf(net.stateDict()))
  fitWeights(net, weights, { what: 'the formula', optional: /num_batches_tracked$/ })
  free(weights)
  return net
}

async function compare(net: FeatureNet, name: string, tolerance = 2e-5): Promise<void> {
  const [n, dims] = golden(`${name}|features`).shape
  const features = await extractFeatures(net, first(n!))
  assert.is(net.dims, dims)
  close(features, golden(`${name}|features`).data, tolerance)
  const expected = tensors.get(`${name}|probabilities`)
  assert.is(net.classes, expected?.shape[1])
  if (expected) close(await classProbabilities(net, features, { batch: 1 }), expected.data, 1e-5)
  net.dispose()
}

test("Inception-v3 is PyTorch's, a sixteenth as wide", async () => {
  await compare(filled(inceptionV3({ divisor: 16 })), 'inception')
  const other = filled(inceptionV3({ divisor: 16, resize: 'pytorch-fid' }))
  close(await extractFeatures(other, first(2)), golden('inception|pytorch-fid').data, 2e-5)
  other.dispose()
})

test("SqueezeNet 1.1 is PyTorch's at full width", () => compare(filled(squeezeNet()), 'squeezenet'))
test("MobileNet v1 0.25 is TensorFlow's as PyTorch computes it", () => compare(filled(mobileNet()), 'mobilenet', 5e-5))

for (const [name, make] of Object.entries({ inception: inceptionV3, squeezenet: squeezeNet, mobilenet: mobileNet })) {
  test(`${name} has the names and shapes of its file, and leaves the random stream alone`, async () => {
    const { random } = currentDevice()
    const before = random.snapshot()
    const net = make() as FeatureNet & nn.Module
    assert.equal(random.snapshot(), before)
    assert.equal(Object.fromEntries(Object.entries(shapesOf(net.stateDict())).sort()), Object.fromEntries(Object.entries(shapes[name]!).sort()))
    assert.ok(net.parameters().every((p) => !p.requiresGrad))
    assert.not(net.modules().some((m) => m.training))
    const count = net.parameters().reduce((sum, p) => sum + p.size, 0)
    // Of Inception without its classifier; of SqueezeNet without its own; of MobileNet without the batch norms' statistics.
    const known = { inception: 21_785_568 + 1008 * 2049, squeezenet: 722_496, mobilenet: 470_072 }
    assert.is(count, known[name as keyof typeof known])
    net.dispose()
  })
}

test('weights come as .safetensors and as .pth, with a classifier that nobody asks for', async () => {
  const net = squeezeNet()
  const weights: Record<string, Tensor> = { ...formulaWeights(shapesOf(net.stateDict())), 'classifier.1.weight': zeros([3]) }
  const bytes = await saveSafetensors(weights)
  free(weights)
  const loaded = loadFeatureNet('squeezenet', { bytes, name: 'squeezenet1_1.safetensors' })
  assert.equal([loaded.name, loaded.dims], ['squeezenet', 512])
  assert.match(loaded.description, /^SqueezeNet 1\.1 features\.12/)
  await compare(loaded, 'squeezenet')
  net.dispose()
})

test('a file on the disk, by its path', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bms-weights-'))
  try {
    const path = join(dir, 'net.safetensors')
    writeFileSync(path, 'abc')
    assert.match((await thrown(() => loadFeatureNet('mobilenet', weightsFile(path)))).message, new RegExp(`^${path}: safetensors: 3 bytes`))
    for (const none of [dir, join(dir, 'none')]) assert.is((await thrown(() => weightsFile(none))).code, 'READ_FAILED')
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('weights of another net are refused by what they are, and nothing is kept', async () => {
  const device = currentDevice()
  const zero = zeros([1])
  /** Without memory of their own: only names and shapes are looked at. */
  const shaped = (entries: Record<string, number[]>): Record<string, Tensor> =>
    Object.fromEntries(Object.entries(entries).map(([n, shape]) => [n, zero.reshape(shape.map(() => 1)).expand(shape)]))
  const squeeze = shaped(shapes['squeezenet']!)
  const file = { bytes: await saveSafetensors(squeeze), name: 'net.safetensors' }
  const torchvision = shaped({ ...shapes['inception'], 'fc.weight': [1000, 2048], 'fc.bias': [1000], 'AuxLogits.fc.bias': [1000] })
  const strange = shaped({ 'body.0.weight': [2, 2], 'body.0.bias': [2] })
  await settle(device)
  const before = device.memory().storages
  const cases = [
    ['squeezenet', torchvision, /looks like torchvision's Inception-v3, which is not the net/],
    [
      'inception',
      torchvision,
      /^these are not the weights of Inception-v3.*unexpected: AuxLogits\.fc\.bias; fc\.weight has shape \[1000, 2048\], \[1008, 2048\] is needed/,
    ],
    [
      'mobilenet',
      file,
      /^net\.safetensors: these are not the weights of MobileNet.*missing: conv1\/kernel.*unexpected: features\.0.*looks like SqueezeNet 1\.1$/,
    ],
    ['squeezenet', strange, /its 2 tensors begin with body\.0\.weight, body\.0\.bias$/],
  ] as const
  for (const [name, weights, text] of cases) {
    const error = await thrown(() => loadFeatureNet(name, weights))
    assert.is(error.code, 'WEIGHTS')
    assert.is(error.fields['path'], weights === file ? 'net.safetensors' : undefined)
    assert.match(error.message, text)
  }
  assert.is((await thrown(() => loadFeatureNet('squeezenet', { bytes: new Uint8Array(5), name: 'x' }))).code, 'BAD_FILE')
  const curious = { bytes: await goldenBytes('curious.pth'), name: 'a.pth' }
  assert.match((await thrown(() => loadFeatureNet('squeezenet', curious))).message, /^a\.pth: pth: the file asks Python for/)
  assert.is((await thrown(() => loadFeatureNet('resnet' as never, file))).code, 'BAD_ARGUMENT')
  await settle(device)
  assert.is(device.memory().storages, before)
})

/** What an image is on average, as a net. */
const averages: FeatureNet = { name: 'averages', description: 'averages', dims: 3, features: (x) => x.mean([2, 3]), dispose: () => {} }

test('images in batches: in order, each once, with progress, rounded as a file would', async () => {
  const data = Uint8Array.from({ length: 7 * 3 * 4 }, (_, i) => (i * 37) % 256)
  const seen: number[][] = []
  const features = await extractFeatures(averages, byteImages({ pixels: data, height: 2, width: 2 }), {
    batch: 3,
    onProgress: (done, n) => seen.push([done, n]),
  })
  const expected = Array.from({ length: 21 }, (_, i) => data.slice(4 * i, 4 * i + 4).reduce((sum, v) => sum + (v / 127.5 - 1) / 4, 0))
  close(features, expected, 1e-6)
  assert.equal(seen, [
    [3, 7],
    [6, 7],
    [7, 7],
  ])
  const generated = generatedImages(5, (count) =>
    tensor(
      Float32Array.from({ length: count * 3 }, (_, i) => i / 7 - 1.5),
      { shape: [count, 3, 1, 1] },
    ),
  )
  const rounded = await extractFeatures(averages, generated, { batch: 5 })
  close(
    rounded,
    Array.from({ length: 15 }, (_, i) => Math.round((Math.min(1, Math.max(-1, i / 7 - 1.5)) + 1) * 127.5) / 127.5 - 1),
    1e-6,
  )
  const statistics = await featureStatistics(averages, byteImages({ pixels: data, height: 2, width: 2 }), { batch: 2 })
  assert.is(statistics.n, 7)
  close(
    statistics.mean,
    [0, 1, 2].map((c) => expected.filter((_, i) => i % 3 === c).reduce((a, b) => a + b) / 7),
    1e-6,
  )
})

test('some of the images, by the seed: different ones, and all in the end', async () => {
  const pixels = Uint8Array.from({ length: 20 * 3 }, (_, i) => 12 * Math.floor(i / 3))
  const drawn = async (n: number, seed: number): Promise<number[]> => {
    const features = await extractFeatures(averages, randomImages({ pixels, height: 1, width: 1 }, n, seed), { batch: 8 })
    return Array.from({ length: n }, (_, i) => Math.round(((features[3 * i]! + 1) * 127.5) / 12))
  }
  const [some, again, other] = [await drawn(12, 1), await drawn(12, 1), await drawn(12, 2)]
  assert.equal(some, again)
  assert.not.equal(some, other)
  assert.is(new Set(some).size, 12)
  assert.equal(
    (await drawn(20, 3)).sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i),
  )
  for (const n of [0, 21, 1.5]) assert.is((await thrown(() => randomImages({ pixels, height: 1, width: 1 }, n))).code, 'BAD_ARGUMENT')
  const grey = byteImages({ pixels, height: 2, width: 2, channels: 1 })
  assert.equal([grey.n, ...(await grey.batch(0, 2)).shape], [15, 2, 1, 2, 2])
})

test('what is no set of images is refused', async () => {
  const wrong = [
    () => byteImages({ pixels: new Uint8Array(13), height: 2, width: 2 }),
    () => extractFeatures(averages, byteImages({ pixels: new Uint8Array(12), height: 2, width: 2 }), { batch: 0 }),
    () => extractFeatures(averages, byteImages({ pixels: new Uint8Array(0), height: 2, width: 2 })),
    () => extractFeatures(averages, { n: Number.NaN, batch: () => zeros([1, 3, 1, 1]) }),
    () => classProbabilities(averages, new Float32Array(3)),
  ]
  for (const fn of wrong) assert.is((await thrown(fn)).code, 'BAD_ARGUMENT')
  const grey = generatedImages(2, (count) => randn([count, 1, 2, 2]))
  assert.match((await thrown(() => extractFeatures(averages, grey))).message, /a batch of 2 is \[2, 3, height, width\], got \[2, 1, 2, 2\]/)
  const broken = generatedImages(3, (count) =>
    tensor(
      Float32Array.from({ length: count * 3 }, (_, i) => (i === 4 ? Number.NaN : 0)),
      { shape: [count, 3, 1, 1] },
    ),
  )
  const error = await thrown(() => featureStatistics(averages, broken))
  assert.is(error.code, 'NOT_FINITE')
  assert.is(error.fields['image'], 1)
})

test.run()
