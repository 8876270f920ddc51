// IoVM on generators whose answer is known: a linear map, whose closest image is a projection, and one with several valleys, where more starts find deeper ones.
import { formatIovm, type Generator, type ImageSource, iovm } from '@bms/bms'
import { currentDevice, manualSeed, nn, randn, type Tensor, tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seeded } from './helpers/arrays.js'
import { close, ready, settle, thrown } from './helpers/device.js'

const test = suite('iovm')
test.before(async () => void (await ready()))

const SHAPE = [3, 2, 2]
const SIZE = 12
const N = 7
const random = seeded(5)
const pixels = Float32Array.from({ length: N * SIZE }, () => 2 * random() - 1)
const images: ImageSource = {
  n: N,
  batch: (start, count) => tensor(pixels.slice(start * SIZE, (start + count) * SIZE), { shape: [count, ...SHAPE] }),
}

/** x = b + A·z with columns of A at right angles, so that the closest code is a product. */
class Flat extends nn.Module {
  readonly a = nn.parameter(
    tensor(
      Float32Array.from({ length: SIZE * 2 }, (_, e) => (e % 2 === 0 ? 0.5 : Math.floor(e / 2) % 2 ? 0.25 : -0.25)),
      { shape: [SIZE, 2] },
    ),
  )
  readonly b = nn.parameter(tensor(Float32Array.from({ length: SIZE }, (_, i) => i / 20 - 0.3)))
  readonly norm = new nn.BatchNorm1d(2)

  override forward(codes: Tensor): Tensor {
    // In evaluation, with fresh statistics, the norm only divides by the root of 1 + 1e-5.
    return this.norm
      .forward(codes)
      .matmul(this.a.t())
      .add(this.b)
      .reshape([codes.shape[0]!, ...SHAPE])
  }
}

/** Of each image: the mean square of what the columns of A do not reach, on [0, 1] images, and the code. */
const answers = Array.from({ length: N }, (_, n) => {
  const rest = Array.from({ length: SIZE }, (_, i) => pixels[n * SIZE + i]! - (i / 20 - 0.3))
  const columns = [rest.map(() => 0.5), rest.map((_, i) => (i % 2 ? 0.25 : -0.25))]
  const dot = (x: number[], y: number[]): number => x.reduce((sum, v, i) => sum + v * y[i]!, 0)
  const z = columns.map((c) => dot(c, rest) / dot(c, c))
  const left = rest.map((v, i) => v - columns[0]![i]! * z[0]! - columns[1]![i]! * z[1]!)
  return { error: dot(left, left) / 4 / SIZE, z: z.map((v) => v * Math.sqrt(1 + 1e-5)), left }
})

const quick = { steps: 200, restarts: 2, chunk: 3 }

test('a linear generator: the closest image is the projection', async () => {
  const module = new Flat()
  const seen: [number, number][] = []
  const found = await iovm({ module, latent: 2 }, images, { ...quick, onProgress: (done, n) => seen.push([done, n]) })
  close(
    found.perImage,
    answers.map((a) => a.error),
    1e-5,
  )
  close(
    found.codes,
    answers.flatMap((a) => a.z),
    2e-3,
  )
  close(
    found.matches,
    answers.flatMap((a, n) => a.left.map((v, i) => pixels[n * SIZE + i]! - v)),
    2e-3,
  )
  const mean = answers.reduce((sum, a) => sum + a.error, 0) / N
  assert.ok(Math.abs(found.mean - mean) < 1e-5)
  const subset = [answers.slice(0, 2), answers.slice(2, 4), answers.slice(4)].map((part) => part.reduce((sum, a) => sum + a.error, 0) / part.length)
  const centre = subset.reduce((x, y) => x + y) / 3
  assert.ok(Math.abs(found.std - Math.sqrt(subset.reduce((sum, m) => sum + (m - centre) ** 2, 0) / 2)) < 1e-5)
  assert.equal(seen.at(-1), [N, N])
  assert.ok(seen.every(([done], i) => i === 0 || done > seen[i - 1]![0]))
  assert.match(formatIovm(found), /^IoVM 0\.\d{4} ± 0\.\d{4} \(lower is better; mean squared error on \[0, 1\]; n = 7 in 3 subsets; 2 starts of 200 steps/)
  module.dispose()
})

/** Valleys wherever sin has its maxima, of different depth. */
const wavy: Generator = {
  module: new nn.Module(),
  latent: 1,
  generate: (codes) => {
    const at = tensor(
      Float32Array.from({ length: SIZE }, (_, i) => 2 + i),
      { shape: [1, SIZE] },
    )
    return codes
      .mul(at)
      .sin()
      .reshape([codes.shape[0]!, ...SHAPE])
  },
}

test('more starts are never worse, the same seed finds the same, and chunks do not matter', async () => {
  const one = await iovm(wavy, images, { steps: 60, restarts: 1 })
  const six = await iovm(wavy, images, { steps: 60, restarts: 6 })
  assert.ok(one.perImage.every((e, i) => six.perImage[i]! <= e + 1e-6))
  assert.ok(six.mean < 0.95 * one.mean, `${six.mean} after ${one.mean}`)
  assert.equal(await iovm(wavy, images, { steps: 60, restarts: 6 }), six)
  const parts = await iovm(wavy, images, { steps: 60, restarts: 6, chunk: 2 })
  close(parts.perImage, six.perImage, 1e-5)
  const other = await iovm(wavy, images, { steps: 60, restarts: 1, seed: 9 })
  assert.not.equal(Array.from(other.perImage), Array.from(one.perImage))
})

test('the generator, the random stream and the memory come back as they were', async () => {
  const device = currentDevice()
  const module = new Flat()
  module.norm.weight!.requiresGrad = false
  module.norm.eval()
  manualSeed(3)
  randn([5])
  const before = { random: device.random.snapshot(), state: await Promise.all(Object.values(module.stateDict()).map((t) => t.data())) }
  await settle(device)
  const { storages } = device.memory()
  await iovm({ module, latent: 2 }, images, { steps: 30, chunk: 4 })
  await settle(device)
  assert.is(device.memory().storages, storages)
  assert.equal(device.random.snapshot(), before.random)
  assert.equal(await Promise.all(Object.values(module.stateDict()).map((t) => t.data())), before.state)
  assert.equal([module.training, module.norm.training], [true, false])
  assert.equal([module.a.requiresGrad, module.norm.weight!.requiresGrad], [true, false])
  assert.is(module.a.grad, null)
  module.dispose()
})

test('what cannot be measured is refused, and leaves nothing behind', async () => {
  const device = currentDevice()
  await settle(device)
  const { storages } = device.memory()
  for (const options of [{ steps: 0 }, { restarts: 1.5 }, { lr: 0 }, { lr: Number.NaN }, { chunk: 0 }, { subsets: 8 }, { subsets: 0 }])
    assert.is((await thrown(() => iovm(wavy, images, options))).code, 'BAD_ARGUMENT')
  assert.is((await thrown(() => iovm(wavy, { ...images, n: 0 }))).code, 'BAD_ARGUMENT')
  const short: ImageSource = { ...images, batch: (start, count) => images.batch(start, count - 1) }
  assert.match((await thrown(() => iovm(wavy, short))).message, /a batch of 7 test images is \[6, 3, 2, 2\]/)
  const large: Generator = { ...wavy, generate: (codes) => codes.expand(codes.shape[0]!, 5) }
  assert.match((await thrown(() => iovm(large, images))).message, /of two codes the generator makes \[2, 5\]; test images are \[3, 2, 2\]/)
  const broken: Generator = { ...wavy, generate: (codes) => wavy.generate!(codes).mul(Number.NaN) }
  const error = await thrown(() => iovm(broken, images, { steps: 2 }))
  assert.is(error.code, 'NOT_FINITE')
  assert.is(error.fields['image'], 0)
  await settle(device)
  assert.is(device.memory().storages, storages)
})

test.run()
