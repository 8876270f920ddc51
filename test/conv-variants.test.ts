// Convolutions, pooling and resampling in every variant, around the edges of tiles and in random shapes, against float64.
import * as bms from '@bms/nn'
import type { Tensor } from '@bms/nn'
import fc from 'fast-check'
import { suite } from 'uvu'
import { product } from './helpers/arrays.js'
import { forAll } from './helpers/fuzz.js'
import type { Nd } from './helpers/nd.js'
import * as images from './helpers/nd-images.js'
import { checker, put, wave } from './helpers/variants.js'
import { Watched } from './helpers/watched.js'

const test = suite('variants of convolutions')
let watched: Watched

test.before(async () => {
  watched = await Watched.open()
})

test.after(() => watched.close())

const check = checker(() => watched)

/** Image, weight, and how they meet. */
type Meeting = [x: readonly number[], w: readonly number[], geometry: Partial<images.Geometry>]

const meetings: Meeting[] = [
  // Output channels around a block of rows and a tile; pixels around a panel; input channels around the four that are read at once.
  ...[1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65].map((m): Meeting => [[1, 2, 5, 5], [m, 2, 3, 3], { padding: [1, 1] }]),
  ...[7, 8, 9].map((n): Meeting => [[1, 3, 8, n], [5, 3, 3, 1], { padding: [1, 0] }]),
  ...[1, 3, 4, 5, 8, 9, 17].map((c): Meeting => [[2, c, 5, 3], [3, c, 2, 2], {}]),
  // Odd sizes and strides; a stride longer than the kernel, so that some pixels of the input meet nothing; taps that meet only padding.
  [[2, 3, 9, 7], [4, 3, 4, 4], { stride: [2, 2], padding: [1, 1] }],
  [[1, 2, 11, 10], [3, 2, 2, 2], { stride: [3, 4] }],
  [[1, 2, 7, 8], [3, 2, 1, 2], { stride: [3, 3], padding: [1, 1] }],
  [[1, 2, 8, 9], [3, 2, 3, 3], { stride: [2, 3], dilation: [2, 3], padding: [3, 2] }],
  [[1, 1, 5, 6], [2, 1, 3, 2], { dilation: [2, 4], stride: [4, 2], padding: [2, 1] }],
  [[1, 2, 3, 2], [2, 2, 3, 3], { padding: [5, 4] }],
  // Groups of one channel, of several, of more rows than a block.
  [[2, 6, 5, 5], [6, 1, 3, 3], { groups: 6, padding: [1, 1] }],
  [[1, 6, 6, 5], [9, 2, 3, 2], { groups: 3, stride: [2, 1] }],
  [[1, 4, 4, 5], [36, 2, 2, 2], { groups: 2, padding: [1, 1] }],
  // A weight gradient in several parts, as GPUs plan it, whose last has fewer terms; in groups.
  [[2, 3, 17, 16], [5, 3, 3, 3], { padding: [1, 1] }],
  [[3, 4, 17, 16], [4, 2, 3, 3], { padding: [1, 1], groups: 2 }],
]

const convAlgorithms = (): bms.ConvAlgorithm[] => ['rows', 'tiles', ...(watched.device.subgroupSize === 8 ? (['lanes'] as const) : [])]

/** The three passes of a meeting by every algorithm that runs here, on `own` device. */
async function threePasses([xShape, wShape, some]: Meeting, own: Watched): Promise<void> {
  const geometry = { ...images.plainly, ...some }
  const yShape = images.convShape(xShape, wShape, geometry)
  const [x, w, y] = [wave(xShape), wave(wShape), wave(yShape)]
  const sides = (shape: readonly number[]): bms.Pair => [shape[2]!, shape[3]!]
  const passes = {
    forward: images.conv(x, w, geometry),
    input: images.convInput(y, w, sides(xShape), geometry),
    weight: images.convWeight(x, y, sides(wShape), geometry),
  }
  const run = {
    forward: (attrs: bms.ConvAttrs) => bms.conv2dForward(put(x), put(w), sides(yShape), attrs),
    input: (attrs: bms.ConvAttrs) => bms.conv2dInput(put(y), put(w), sides(xShape), attrs),
    weight: (attrs: bms.ConvAttrs) => bms.conv2dWeight(put(x), put(y), sides(wShape), attrs),
  }
  const compare = checker(() => own)
  for (const pass of ['forward', 'input', 'weight'] as const) {
    const what = `${pass} [${xShape}] by [${wShape}] ${JSON.stringify(some)}`
    await compare(what, 'gpu', 'conv_tiles', () => run[pass](geometry), passes[pass], 2e-6)
    for (const algorithm of convAlgorithms())
      await compare(what, 'software', `conv_${algorithm}`, () => run[pass]({ ...geometry, algorithm }), passes[pass], 2e-6)
  }
}

test('around the edges of every tile: three passes, every algorithm', async () => {
  for (const meeting of meetings) await threePasses(meeting, watched)
})

test('convolutions of halves are summed in f32', async () => {
  if (!watched.device.features.has('shader-f16')) return
  // Sums of 4096 ones: in f16 they would stay at 2048.
  const ones = (shape: readonly number[]): Nd => ({ shape, data: Array.from({ length: product(shape) }, () => 1) })
  const all = (shape: readonly number[]): Nd => ({ shape, data: Array.from({ length: product(shape) }, () => 4096) })
  const [x, w] = [ones([1, 1024, 2, 2]), ones([3, 1024, 2, 2])]
  const [images16, gradients] = [ones([16, 2, 16, 16]), ones([16, 3, 16, 16])]
  for (const kind of ['gpu', 'software'] as const) {
    for (const algorithm of convAlgorithms()) {
      const half = (t: Nd): Tensor => put(t, 'f16')
      const attrs = { ...images.plainly, algorithm }
      const kernel = `conv_${algorithm}` as const
      await check('of 4096', kind, kernel, () => bms.conv2dForward(half(x), half(w), [1, 1], attrs), all([1, 3, 1, 1]), 0)
      await check('gradient of 4096', kind, kernel, () => bms.conv2dWeight(half(images16), half(gradients), [1, 1], attrs), all([3, 2, 1, 1]), 0)
    }
  }
})

test('pooling and resampling around a workgroup', async () => {
  for (const n of [255, 256, 257]) {
    const x = wave([n, 2, 4])
    const largest = images.pool(x, [2, 4], (v) => Math.max(...v))
    await check(`largest of ${n}`, 'gpu', 'max_pool', () => bms.maxPool2d(put(x), [2, 4]), largest, 0)
    const mean = images.pool(x, [2, 4], (v) => v.reduce((a, b) => a + b) / 8)
    await check(`mean of ${n}`, 'gpu', 'resample', () => bms.avgPool2d(put(x), [2, 4]), mean, 2e-6)
  }
})

const upTo = (n: number): fc.Arbitrary<bms.Pair> => fc.tuple(fc.integer({ min: 1, max: n }), fc.integer({ min: 1, max: n }))

/** Any shapes that fit each other. */
const anyMeeting: fc.Arbitrary<Meeting> = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    groups: fc.integer({ min: 1, max: 3 }),
    inside: fc.integer({ min: 1, max: 6 }),
    outside: fc.integer({ min: 1, max: 20 }),
    size: upTo(12),
    kernel: upTo(4),
    stride: upTo(4),
    dilation: upTo(3),
    padding: upTo(5),
  })
  .map(({ batch, groups, inside, outside, size, kernel, stride, dilation, padding }): Meeting => {
    const pads = [padding[0] - 1, padding[1] - 1] as const
    return [[batch, inside * groups, ...size], [outside * groups, inside, ...kernel], { stride, dilation, padding: pads, groups }]
  })
  .filter(([x, w, g]) => images.convShape(x, w, { ...images.plainly, ...g }).every((n) => n > 0))

// The last: it opens devices of its own.
test('of random shapes, strides, dilations, paddings and groups', () => forAll(() => anyMeeting, { runs: 60, seed: 7 }, threePasses))

test.run()
