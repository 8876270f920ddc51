// What the table of ops does not show of the matrix product: every algorithm over its tiles' edges, transposed and batched operands as they lie, f16.
import { type Device, matmul, type MatmulAlgorithm, ones, type Tensor, tensor } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seeded } from '../helpers/arrays.js'
import { close, ready } from '../helpers/device.js'
import * as nd from '../helpers/nd.js'
import type { Nd } from '../helpers/nd.js'

const test = suite('matmul')
const random = seeded(9)
let device: Device
let algorithms: (MatmulAlgorithm | undefined)[]

test.before(async () => {
  device = await ready()
  const fixed = device.subgroupSize === 4 || device.subgroupSize === 8
  algorithms = [undefined, 'rows', 'tiles', 'dots', ...(fixed ? (['lanes'] as const) : [])]
})

const make = (shape: readonly number[]): Nd => nd.from(shape, () => Math.fround(random() * 2 - 1))
const put = (x: Nd): Tensor => tensor(Float32Array.from(x.data), { shape: x.shape })
/** The same matrices, stored with the last two dims swapped. */
const turned = (x: Nd): Tensor => {
  const order = x.shape.map((_, d) => d)
  order.splice(-2, 2, x.shape.length - 1, x.shape.length - 2)
  return put(nd.permute(x, order)).transpose()
}
/** The same matrices inside larger ones, so that rows are further apart and begin at an odd place. */
const inset = (x: Nd): Tensor =>
  put(x)
    .pad([1, 2, 1, 0])
    .narrow(-1, 1, x.shape[x.shape.length - 1]!)
    .narrow(-2, 1, x.shape[x.shape.length - 2]!)

const orders: Record<string, (x: Nd) => Tensor> = { dense: put, transposed: turned, inset }

/** Enough to meet each combination of transposed and not, aligned and not, on either side. (Compiling is what this test spends its time on.) */
const pairs: [string, string][] = [
  ['dense', 'dense'],
  ['transposed', 'transposed'],
  ['inset', 'dense'],
]

async function check(a: Nd, b: Nd, left: Tensor, right: Tensor, what: string, wanted: readonly (MatmulAlgorithm | undefined)[]): Promise<void> {
  const expected = nd.matmul(a, b)
  const k = a.shape[a.shape.length - 1]!
  for (const algorithm of wanted) {
    const out = matmul(left, right, { algorithm })
    assert.equal(out.shape, expected.shape)
    try {
      // Each of k products of numbers up to 1 may be off by half a unit of the running sum.
      close(await out.data(), expected.data, 1e-6 + k * 6e-8)
    } catch (error) {
      throw new Error(`[${a.shape}] · [${b.shape}], ${what}, ${algorithm ?? 'planned'}: ${(error as Error).message}`)
    }
  }
}

test('every algorithm around its tiles, all memory orders', async () => {
  for (const [m, k, n] of [[17, 33, 65]] as [number, number, number][]) {
    const [a, b] = [make([m, k]), make([k, n])]
    for (const [x, y] of pairs) await check(a, b, orders[x]!(a), orders[y]!(b), `${x} · ${y}`, algorithms)
  }
  for (const [m, k, n] of [
    [1, 7, 5],
    [4, 4, 4],
    [5, 9, 3],
    [2, 300, 4],
  ] as [number, number, number][]) {
    const [a, b] = [make([m, k]), make([k, n])]
    await check(a, b, put(a), put(b), 'dense', [undefined, 'dots', 'tiles'])
  }
  // Whole tiles and their neighbours: the planned algorithm, of which each adapter has its own.
  for (const [m, k, n] of [
    [1, 1, 1],
    [8, 16, 32],
    [16, 1, 33],
    [64, 64, 64],
    [33, 20, 64],
    [31, 65, 127],
  ] as [number, number, number][]) {
    const [a, b] = [make([m, k]), make([k, n])]
    await check(a, b, put(a), put(b), 'dense', [undefined])
    await check(a, b, turned(a), turned(b), 'transposed', [undefined])
  }
})

test('batches and broadcasting', async () => {
  const shapes = [
    [
      [3, 4, 5],
      [3, 5, 2],
    ],
    [
      [3, 4, 5],
      [5, 2],
    ],
    [
      [4, 5],
      [3, 5, 2],
    ],
    [
      [2, 1, 4, 5],
      [3, 5, 2],
    ],
    [
      [2, 3, 4, 5],
      [1, 3, 5, 2],
    ],
    [
      [1, 4, 5],
      [1, 5, 2],
    ],
    [
      [2, 3, 4, 8],
      [2, 3, 8, 4],
    ],
  ]
  for (const [sa, sb] of shapes as [number[], number[]][]) {
    const [a, b] = [make(sa), make(sb)]
    for (const [x, left] of Object.entries(orders))
      for (const [y, right] of Object.entries(orders)) await check(a, b, left(a), right(b), `${x} · ${y}`, algorithms)
  }
})

test('odd memory: batches permuted, expanded, flipped, of a stride', async () => {
  const [a, b] = [make([4, 3, 5]), make([5, 6])]
  await check(nd.permute(a, [1, 0, 2]), b, put(a).permute([1, 0, 2]), put(b), 'batch permuted', algorithms)
  await check(nd.flip(a, [0]), b, put(a).flip(0), put(b), 'batch flipped', algorithms)
  await check(nd.flip(a, [1, 2]), b, put(a).flip([1, 2]), put(b), 'matrix flipped', algorithms)
  const row = make([1, 5])
  await check(
    nd.from([7, 5], (c) => nd.pick(row, c)),
    b,
    put(row).expand([7, 5]),
    put(b),
    'rows expanded',
    algorithms,
  )
  const column = make([7, 1])
  await check(
    nd.from([7, 5], (c) => nd.pick(column, c)),
    b,
    put(column).expand([7, 5]),
    put(b),
    'columns expanded',
    algorithms,
  )
  const deep = make([3, 4, 5, 2])
  const part = nd.permute(nd.narrow(deep, 3, 1, 1), [0, 3, 1, 2])
  await check(part, b, put(deep).narrow(3, 1, 1).permute([0, 3, 1, 2]), put(b), 'every other element', algorithms)
})

test('f16 is accumulated in f32', async () => {
  if (!device.features.has('shader-f16')) return
  const half = (t: Tensor): Tensor => t.half()
  for (const [m, k, n] of [[17, 33, 9]] as [number, number, number][]) {
    const [a, b] = [make([m, k]), make([k, n])].map((x) => ({ shape: x.shape, data: x.data.map((v) => Math.round(v * 8) / 8) })) as unknown as [Nd, Nd]
    for (const left of [put, turned]) {
      for (const algorithm of algorithms) close(await matmul(half(left(a)), half(put(b)), { algorithm }).data(), nd.matmul(a, b).data, 2 ** -10)
    }
  }
  close(await matmul(half(ones([1, 5000])), half(ones([5000, 1]))).data(), [5000], 0)
  assert.is(matmul(half(ones([2, 2])), ones([2, 2])).dtype, 'f32')
})

test('NaN and infinity come through', async () => {
  const a = tensor([
    [Number.NaN, 1, 1, 1],
    [0, 0, Number.POSITIVE_INFINITY, 0],
    [1, 1, 1, 1],
  ])
  for (const algorithm of algorithms)
    close(await matmul(a, ones([4, 2]), { algorithm }).data(), [Number.NaN, Number.NaN, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 4, 4], 0)
})

test.run()
