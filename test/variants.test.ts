// Kernel variants around the thresholds of their planners: just below, at and just above each, the planned kernel is the one that the plan promises, on
// either kind of adapter, and its results are those of float64 (or, where bits are promised, of the other variants).
import * as bms from '@bms/nn'
import { compile, manualSeed, matmul, type MatmulAlgorithm, nn, noGrad, optim, type Tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close } from './helpers/device.js'
import * as nd from './helpers/nd.js'
import type { Nd } from './helpers/nd.js'
import * as order from './helpers/nd-order.js'
import { checker, type Kind, put, wave } from './helpers/variants.js'
import { Watched } from './helpers/watched.js'
import { count } from './support/figures.js'

const test = suite('kernel variants')
let watched: Watched

test.before(async () => {
  watched = await Watched.open()
})

test.after(() => watched.close())

const check = checker(() => watched)

/** What planReduce plans. */
const planned: [kind: Kind, results: number, length: number, plan: 'thread' | 'group'][] = [
  ['software', 1, 8192, 'thread'],
  ['software', 1, 8193, 'group'],
  ['software', 31, 8193, 'group'],
  ['software', 32, 8193, 'thread'],
  ['gpu', 5, 31, 'thread'],
  ['gpu', 5, 32, 'thread'],
  ['gpu', 5, 33, 'group'],
]

for (const [kind, results, length, plan] of planned) {
  test(`${results} rows of ${length} as on ${kind}: ${plan}`, async () => {
    const x = wave([results, length])
    const t = put(x)
    const what = `of [${x.shape}]`
    // Sums of n numbers are taken in at least n / 64 parts.
    await check(`sum ${what}`, kind, `reduce.${plan}`, () => bms.sum(t, 1), nd.sum(x, 1), 2e-6)
    await check(`argmax ${what}`, kind, `argreduce.${plan}`, () => bms.argmax(t, 1), order.argmax(x, 1), 0)
    await check(`softmax ${what}`, kind, `softmax.${plan}`, () => bms.softmax(t, 1), nd.softmax(x, 1), 2e-5)
    await check(`cumsum ${what}`, kind, plan === 'thread' ? 'cumsum.row' : 'cumsum.chunk', () => bms.cumsum(t, 1), order.cumsum(x, 1), 2e-5)
  })
}

test('softmax of rows around its workgroups', async () => {
  for (const n of [63, 64, 65, 255, 256, 257, 513]) {
    const x = wave([3, n])
    for (const algorithm of ['thread', 'group'] as const) {
      await check(`softmax of ${n}`, 'gpu', `softmax.${algorithm}`, () => bms.softmax(put(x), 1, { algorithm }), nd.softmax(x, 1), 5e-6)
      await check(`logsumexp of ${n}`, 'gpu', `softmax.${algorithm}`, () => bms.logsumexp(put(x), 1, false, { algorithm }), nd.logsumexp(x, 1), 2e-6)
    }
  }
})

test('running sums around their chunks', async () => {
  for (const n of [3, 4, 5, 1023, 1024, 1025, 2048, 2049]) {
    // Of whole numbers, which are exact in any order.
    const x = { shape: [2, n], data: wave([2, n], 8).data.map((v) => v * 4) }
    const expected = order.cumsum(x, 1)
    await check(`cumsum of ${n}`, 'gpu', 'cumsum.row', () => bms.cumsum(put(x), 1, { algorithm: 'row' }), expected, 0)
    await check(`cumsum of ${n}`, 'gpu', n > 1024 ? 'cumsum.add' : 'cumsum.chunk', () => bms.cumsum(put(x), 1, { algorithm: 'chunk' }), expected, 0)
    assert.is(
      watched.seen.some((s) => s.kernel === 'cumsum.add'),
      n > 1024,
    )
  }
})

test('sorting around its ways and padded sizes', async () => {
  const kernels = { rank: 'sort.rank', group: 'sort.group', global: 'sort.load' } as const
  const plan = (n: number, kind: Kind): keyof typeof kernels => (n <= (kind === 'gpu' ? 64 : 256) ? 'rank' : n <= 1024 ? 'group' : 'global')
  for (const n of [1, 2, 3, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025, 2048, 2049]) {
    const x = wave([2, n], 50)
    const t = put(x)
    const descending = n % 2 === 1
    const { values, indices } = order.sort(x, 1, descending)
    const run = (algorithm?: keyof typeof kernels) => (): Tensor[] => {
      const found = bms.sort(t, 1, descending, { algorithm })
      return [found.values, found.indices]
    }
    for (const kind of ['gpu', 'software'] as const) await check(`sort of ${n}`, kind, kernels[plan(n, kind)], run(), [values, indices], 0)
    for (const algorithm of ['rank', 'group', 'global'] as const)
      if (algorithm !== 'group' || n <= 1024) await check(`sort of ${n}`, 'gpu', kernels[algorithm], run(algorithm), [values, indices], 0)
  }
})

test('adding at indices around the number that is searched through', async () => {
  for (const m of [1, 31, 32, 33, 64]) {
    const [x, source] = [wave([7, 3]), wave([m, 3])]
    const index: Nd = { shape: [m, 3], data: Array.from({ length: 3 * m }, (_, i) => (i * 5) % 7) }
    const expected = order.scatterAdd(x, 0, index, source)
    const run = (algorithm?: 'scan' | 'sorted') => (): Tensor => bms.scatterAdd(put(x), 0, put(index, 'i32'), put(source), { algorithm })
    await check(`scatterAdd of ${m}`, 'gpu', m <= 32 ? 'scatter_add.scan' : 'scatter_add.sorted', run(), expected, 1e-6)
    for (const algorithm of ['scan', 'sorted'] as const) await check(`scatterAdd of ${m}`, 'gpu', `scatter_add.${algorithm}`, run(algorithm), expected, 1e-6)
  }
})

test('draws around their blocks and workgroups begin as longer ones do', async () => {
  const draws = {
    bits: (n: number) => bms.randomBits([n]),
    uniform: (n: number) => bms.rand([n]),
    normal: (n: number) => bms.randn([n]),
    integer: (n: number) => bms.randint(-7, 8, [n]),
    mask: (n: number) => bms.dropoutMask([n], 0.25),
  }
  for (const [name, draw] of Object.entries(draws)) {
    const values = (n: number): Promise<ArrayLike<number>> => {
      manualSeed(11)
      return draw(n).data()
    }
    const long = Array.from(await values(1100))
    for (const n of [1, 2, 3, 4, 5, 255, 256, 257, 1023, 1024, 1025]) {
      assert.equal(Array.from(await values(n)), long.slice(0, n), `${name} of ${n}`)
      count('variants')
    }
  }
})

test('products around the edges of every tile', async () => {
  const { subgroupSize } = watched.device
  const algorithms: MatmulAlgorithm[] = ['rows', 'tiles', 'dots', ...(subgroupSize === 4 || subgroupSize === 8 ? (['lanes'] as const) : [])]
  const sizes: [m: number, k: number, n: number][] = [
    ...[1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33].map((m): [number, number, number] => [m, 5, 6]),
    ...[1, 2, 3, 4, 5, 15, 16, 17, 33].map((k): [number, number, number] => [5, k, 6]),
    ...[1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 127, 128, 129].map((n): [number, number, number] => [5, 4, n]),
  ]
  for (const [m, k, n] of sizes) {
    const [a, b] = [wave([m, k]), wave([k, n])]
    const expected = nd.matmul(a, b)
    for (const algorithm of algorithms)
      await check(`[${m}, ${k}] · [${k}, ${n}]`, 'software', `matmul_${algorithm}`, () => matmul(put(a), put(b), { algorithm }), expected, 1e-6)
  }
})

test('products that only GPUs plan: sums shared by a workgroup, large tiles', async () => {
  for (const k of [255, 256, 257]) {
    const [a, b] = [wave([5, k]), wave([k, 3])]
    await check(`dots over ${k}`, 'gpu', 'matmul_dots', () => matmul(put(a), put(b)), nd.matmul(a, b), 3e-6)
  }
  // Tiles of 64 from 64 of them on. A row and a column of ones, and one more, tell where each number went.
  for (const m of [448, 449, 512]) {
    const a: Nd = { shape: [m, 2], data: Array.from({ length: 2 * m }, (_, i) => (i % 2 ? 1 : i >> 1)) }
    const b: Nd = { shape: [2, 512], data: Array.from({ length: 1024 }, (_, i) => (i < 512 ? 1 : 1000 * (i - 512))) }
    const expected: Nd = { shape: [m, 512], data: Array.from({ length: m * 512 }, (_, i) => Math.floor(i / 512) + 1000 * (i % 512)) }
    await check(`tiles of ${m}`, 'gpu', 'matmul_tiles', () => matmul(put(a), put(b), { algorithm: 'tiles' }), expected, 0)
  }
})

test('half precision at odd sizes: products, reductions, sorting, sums', async () => {
  if (!watched.device.features.has('shader-f16')) return
  const exact = (shape: readonly number[]): Nd => ({ shape, data: wave(shape, 16).data })
  for (const [m, k, n] of [
    [3, 5, 7],
    [4, 8, 12],
    [17, 16, 33],
  ] as const) {
    const [a, b] = [exact([m, k]), exact([k, n])]
    for (const algorithm of ['rows', 'tiles', 'dots'] as const)
      await check(
        `[${m}, ${k}] · [${k}, ${n}] in f16`,
        'software',
        `matmul_${algorithm}`,
        () => matmul(put(a, 'f16'), put(b, 'f16'), { algorithm }),
        nd.matmul(a, b),
        2 ** -10,
      )
  }
  for (const n of [3, 31, 33, 257, 1025]) {
    const x = exact([3, n])
    const t = put(x, 'f16')
    for (const algorithm of ['thread', 'group'] as const) {
      await check(`sum of ${n} in f16`, 'software', `reduce.${algorithm}`, () => bms.sum(t, 1, false, { algorithm }), nd.sum(x, 1), 2 ** -10)
      await check(`argmax of ${n} in f16`, 'software', `argreduce.${algorithm}`, () => bms.argmax(t, 1, false, { algorithm }), order.argmax(x, 1), 0)
    }
    await check(`sort of ${n} in f16`, 'gpu', n <= 64 ? 'sort.rank' : n <= 1024 ? 'sort.group' : 'sort.load', () => bms.sort(t).values, order.sort(x).values, 0)
  }
})

/** Parameters after three steps, some of them without a gradient in some. */
function optimised(make: (p: Tensor[]) => optim.Optimizer<{ lr: number }>, shapes: readonly (readonly number[])[], which: readonly number[]): Tensor[] {
  const params = which.map((i) => nn.parameter(put(wave(shapes[i]!, 1000 + i))))
  const o = make(params)
  noGrad(() => {
    for (let step = 0; step < 3; step++) {
      o.step(
        which.map((i, k) => {
          if ((step + i) % 3 === 2) return null
          // A product's transpose is a gradient that lies transposed.
          return i % 4 === 3 ? put(wave([...shapes[i]!].reverse(), 5 + step)).transpose() : params[k]!.mul(0.5 + step)
        }),
      )
    }
  })
  return params
}

test('optimisers of any number of parameters step as each parameter would alone', async () => {
  const makes = {
    SGD: (p: Tensor[]) => new optim.SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.25, weightDecay: 0.01 }) as never,
    Adam: (p: Tensor[]) => new optim.Adam(p, { lr: 0.1 }) as never,
    RMSprop: (p: Tensor[]) => new optim.RMSprop(p, { lr: 0.1, momentum: 0.5, centered: true }) as never,
  }
  // Elements around the four of an invocation and the 256 of a workgroup.
  const shapes = [[1], [3], [4], [5, 3], [255], [257], [2, 2], [7, 5], [256], [6]]
  for (const make of Object.values(makes)) {
    const alone: number[][] = []
    for (const i of shapes.keys()) alone.push(Array.from(await optimised(make, shapes, [i])[0]!.data()))
    for (const n of [1, 2, 3, 4, 5, 6, 7, 10]) {
      const which = Array.from({ length: n }, (_, i) => i)
      const together = optimised(make, shapes, which)
      for (const i of which) assert.equal(Array.from(await together[i]!.data()), alone[i], `${make.name}: parameter ${i} of ${n}`)
      count('variants')
    }
  }
})

test('averages of any number of parameters are those of each alone', async () => {
  const sizes = [1, 63, 64, 65, 3, 5, 7, 2, 128, 129, 4, 9, 11]
  const averaged = async (which: readonly number[]): Promise<number[][]> => {
    const params = which.map((i) => put(wave([sizes[i]!], 100 + i)))
    const ema = new optim.EMA(params, { decay: 0.75, warmup: true })
    for (let step = 0; step < 3; step++) {
      for (const p of params) p.copy_(p.mul(2))
      ema.update()
    }
    return Promise.all(ema.params.map(async (p) => Array.from(await p.data())))
  }
  const alone: number[][] = []
  for (const i of sizes.keys()) alone.push((await averaged([i]))[0]!)
  for (const n of [1, 5, 6, 7, 12, 13]) {
    const which = Array.from({ length: n }, (_, i) => i)
    assert.equal(await averaged(which), alone.slice(0, n), `of ${n}`)
    count('variants')
  }
})

test('spectral norm: the kernel, and plain ops beyond what a workgroup walks', async () => {
  for (const [rows, columns] of [
    [1024, 2],
    [1025, 2],
    [2, 1024],
    [2, 1025],
  ] as const) {
    const make = (): nn.Linear => {
      manualSeed(1)
      const layer = new nn.Linear(columns, rows, { bias: false })
      // One direction much longer than the other, so that a few iterations find it.
      const w = wave([rows, columns])
      const long = (i: number): boolean => (rows === 2 ? i < columns : i % columns === 0)
      noGrad(() => layer.weight.copy_(put({ ...w, data: w.data.map((v, i) => (long(i) ? v : v / 8)) })))
      return nn.spectralNorm(layer)
    }
    const fused = rows <= 1024 && columns <= 1024
    let layer: nn.Linear | null = null
    assert.is(watched.kernelsOf(() => void (layer = make())).includes('spectral_norm.normalise'), fused)
    // The largest singular value of a normalised matrix is 1: of two rows or columns it has a formula.
    const w = { shape: [rows, columns], data: Array.from(await layer!.weight.data()) }
    const gram = rows === 2 ? nd.matmul(w, nd.transpose(w)) : nd.matmul(nd.transpose(w), w)
    const [a, b, , d] = gram.data as [number, number, number, number]
    close([Math.sqrt((a + d + Math.hypot(a - d, 2 * b)) / 2)], [1], 1e-4)
    count('variants')
  }
})

test('compiled steps put element-wise work together up to their limits, and no further', async () => {
  const chain = (x: Tensor, n: number): Tensor => (n === 0 ? x : chain(x.neg(), n - 1))
  const x = wave([3, 40])
  const dispatches = async (fn: (x: Tensor) => Tensor, expected: Nd): Promise<number> => {
    const step = compile(fn)
    close(await step(put(x)).data(), expected.data, 1e-5)
    count('variants')
    return step.stats().dispatches
  }
  const signed = (n: number): Nd => ({ ...x, data: x.data.map((v) => (n % 2 ? -v : v)) })
  // Up to 160 lines in a kernel: the input, and one for each op.
  for (const [n, expected] of [
    [158, 1],
    [159, 1],
    [160, 2],
  ] as const)
    assert.is(await dispatches((t) => chain(t, n), signed(n)), expected, `${n} ops`)
  // Up to 24 lines inside a reduction.
  for (const [n, expected] of [
    [22, 1],
    [23, 1],
    [24, 2],
  ] as const)
    assert.is(await dispatches((t) => chain(t, n).sum(1), nd.sum(signed(n), 1)), expected, `${n} ops and a sum`)
  // As many where one value is computed again by those who read it.
  for (const [n, expected] of [
    [22, 2],
    [23, 2],
    [24, 3],
  ] as const) {
    const centred = (t: Tensor): Tensor => t.mul(chain(t.sum(), n))
    const total = nd.sum(signed(n)).data[0]!
    assert.is(await dispatches(centred, { ...x, data: x.data.map((v) => v * total) }), expected, `${n} ops on a sum`)
  }
})

test('more dispatches than are gathered at once', async () => {
  for (const n of [255, 256, 257, 513]) {
    let x = zeros([3])
    for (let i = 0; i < n; i++) x = x.add(1)
    close(await x.data(), [n, n, n], 0)
    count('variants')
  }
})

test.run()
