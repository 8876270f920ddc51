// What the table of ops does not show of reductions: both algorithms, over any dims in every memory order, around their thresholds; long sums.
import { arange, type Device, mean, max, min, moments, ones, planReduce, prod, sum, type Tensor, tensor } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { product, seeded } from './helpers/arrays.js'
import { close, ready } from './helpers/device.js'
import * as nd from './helpers/nd.js'
import type { Nd } from './helpers/nd.js'

const test = suite('reduce')
const random = seeded(5)
const inf = Number.POSITIVE_INFINITY
const nan = Number.NaN
const algorithms = ['thread', 'group'] as const
let device: Device

test.before(async () => {
  device = await ready()
})

const total = (v: number[]): number => v.reduce((a, b) => a + b, 0)
const most = (v: number[]): number => v.reduce((a, b) => (Number.isNaN(a) || Number.isNaN(b) ? nan : Math.max(a, b)), -inf)
const least = (v: number[]): number => -most(v.map((x) => -x))
const references = {
  sum: { op: sum, fn: total },
  mean: { op: mean, fn: (v: number[]) => total(v) / v.length },
  max: { op: max, fn: most },
  min: { op: min, fn: least },
  prod: { op: prod, fn: (v: number[]) => v.reduce((a, b) => a * b, 1) },
}

/** The same values in other memory orders. */
const orders: Record<string, (t: Tensor) => Tensor> = {
  dense: (t) => t,
  transposed: (t) => (t.ndim < 2 ? t : t.transpose(0, -1).contiguous().transpose(0, -1)),
  flipped: (t) => (t.ndim ? t.flip(0).contiguous().flip(0) : t),
  offset: (t) => (t.ndim ? t.pad([2, 1]).narrow(-1, 2, t.shape[t.ndim - 1]!) : t),
}

function subsets(rank: number): number[][] {
  return Array.from({ length: 2 ** rank }, (_, bits) => Array.from({ length: rank }, (_, d) => d).filter((d) => bits & (1 << d)))
}

async function check(x: Nd, t: Tensor, dims: number[], name: keyof typeof references, tolerance: number): Promise<void> {
  const { op, fn } = references[name]
  const expected = nd.reduce(x, dims, fn)
  for (const algorithm of algorithms) {
    const kept = op(t, dims, true, { algorithm })
    assert.equal(kept.shape, expected.shape)
    try {
      close(await kept.data(), expected.data, tolerance)
    } catch (error) {
      throw new Error(`${name} of [${x.shape}] over [${dims}], ${algorithm}: ${(error as Error).message}`)
    }
    const flat = op(
      t,
      dims.map((d) => d - x.shape.length),
      false,
      { algorithm },
    )
    assert.equal(
      flat.shape,
      x.shape.filter((_, d) => !dims.includes(d)),
    )
  }
}

test('every set of dims of every order, both algorithms', async () => {
  for (const shape of [[], [5], [3, 4], [2, 1, 3], [2, 3, 4, 2]]) {
    const x: Nd = nd.from(shape, () => Math.fround(random() * 2 - 1))
    for (const [name, order] of Object.entries(orders)) {
      const t = order(tensor(Float32Array.from(x.data), { shape }))
      for (const dims of subsets(shape.length)) {
        // The order of the memory changes the walk, not the arithmetic: one op is enough for most.
        await check(x, t, dims, 'sum', 2e-6)
        if (name === 'dense' && shape.length < 3) for (const op of ['mean', 'max', 'min', 'prod'] as const) await check(x, t, dims, op, 2e-6)
      }
    }
  }
})

test('lengths around each threshold', async () => {
  for (const n of [1, 3, 4, 5, 31, 32, 33, 64, 65, 255, 256, 257, 1023, 8193]) {
    const x: Nd = nd.from([3, n], () => Math.fround(random() - 0.5))
    const t = tensor(Float32Array.from(x.data), { shape: x.shape })
    // A sum of n numbers below 1 in f32, in at least 4 partial sums.
    for (const op of ['sum', 'max', 'min', 'mean'] as const) await check(x, t, [1], op, 1e-6 + n * 3e-8)
    await check(nd.permute(x, [1, 0]), t.transpose(), [0], 'sum', 1e-6 + n * 3e-8)
  }
})

test('a million numbers do not lose count', async () => {
  const x = ones([1 << 20]).mul(0.1)
  for (const algorithm of algorithms) {
    // One after the other in f32 the sum would be 100,958.3. Here 4,096 (or 262,144) are added in a row, each with half a unit of rounding.
    close([await sum(x, 0, false, { algorithm }).item()], [0.1 * (1 << 20)], algorithm === 'group' ? 2e-4 : 5e-3)
  }
  for (const results of [1, 31, 32, 1000, 70000]) {
    // A workgroup a result is slow on a CPU: SwiftShader would take half a minute for 70,000.
    for (const algorithm of results > 1000 ? (['thread'] as const) : algorithms)
      close(
        [
          await sum(ones([results, 3]), 1, false, { algorithm })
            .sum()
            .item(),
        ],
        [3 * results],
        0,
      )
  }
})

test('the plan', () => {
  assert.is(planReduce(1, 8192, 'software'), 'thread')
  assert.is(planReduce(1, 8193, 'software'), 'group')
  assert.is(planReduce(31, 8193, 'software'), 'group')
  assert.is(planReduce(32, 8193, 'software'), 'thread')
  assert.is(planReduce(1, 32, 'gpu'), 'thread')
  assert.is(planReduce(1, 33, 'gpu'), 'group')
  assert.is(planReduce(16383, 33, 'gpu'), 'group')
  assert.is(planReduce(16384, 33, 'gpu'), 'thread')
})

test('NaN and infinity', async () => {
  const x = tensor([
    [1, nan, 3],
    [inf, 2, 3],
    [-inf, inf, 0],
    [nan, nan, nan],
    [-inf, -inf, -inf],
  ])
  for (const algorithm of algorithms) {
    const options = { algorithm }
    close(await max(x, 1, false, options).data(), [nan, inf, inf, nan, -inf], 0)
    close(await min(x, 1, false, options).data(), [nan, 2, -inf, nan, -inf], 0)
    close(await sum(x, 1, false, options).data(), [nan, inf, nan, nan, -inf], 0)
    close(await mean(x, 1, false, options).data(), [nan, inf, nan, nan, -inf], 0)
    close(await prod(x, 1, false, options).data(), [nan, inf, nan, nan, -inf], 0)
    for (const n of [5, 300]) {
      for (const at of [0, 4, n - 1]) {
        const values = Array.from({ length: n }, (_, i) => (i === at ? nan : i))
        close(await max(tensor(values), 0, false, options).data(), [nan], 0)
        close(await min(tensor(values), 0, false, options).data(), [nan], 0)
      }
    }
  }
  assert.is(await x.any().item(), 1)
})

test('integers wrap around and keep all of their digits', async () => {
  const i = tensor([5, -3, 2 ** 30, 2 ** 30, 2 ** 30], { dtype: 'i32' })
  for (const algorithm of algorithms) {
    const options = { algorithm }
    close(await sum(i, 0, false, options).data(), [(3 * 2 ** 30 + 2) | 0], 0)
    close(await max(i.neg(), 0, false, options).data(), [3], 0)
    close(await min(i, 0, false, options).data(), [-3], 0)
    close(await max(tensor([3, 4e9, 5], { dtype: 'u32' }), 0, false, options).data(), [4e9], 0)
    close(await prod(tensor([3, -4, 5], { dtype: 'i32' }), 0, false, options).data(), [-60], 0)
  }
})

test('f16 is summed in f32', async () => {
  if (!device.features.has('shader-f16')) return
  const x = ones([5000], { dtype: 'f16' })
  for (const algorithm of algorithms) close(await sum(x, 0, false, { algorithm }).data(), [5000], 0)
  assert.is(x.sum().dtype, 'f16')
  close(await x.mean().data(), [1], 0)
  close(await x.mul(300).max().data(), [300], 0)
  // 300² is beyond f16.
  close(await x.narrow(0, 0, 4).mul(300).norm().data(), [600], 0)
  close(await tensor([-300, 300], { dtype: 'f16' }).var(0, false, 0).sqrt().data(), [inf], 0)
  close(await tensor([-300, 300], { dtype: 'f16' }).std(0, false, 0).data(), [300], 0)
  close(await tensor([300, 400], { dtype: 'f16' }).norm().data(), [500], 0)
  for (const t of [x.var(), x.std(), x.norm()]) assert.is(t.dtype, 'f16')
  const [m, v] = moments(tensor([-300, 300, -300, 300], { dtype: 'f16', shape: [2, 2] }), 1)
  assert.equal([m.dtype, v.dtype, v.shape], ['f32', 'f32', [2, 1]])
  close(await m.data(), [0, 0], 0)
  close(await v.data(), [90000, 90000], 0)
})

test('more dims than a kernel carries', () => {
  const x = arange(512).reshape(new Array(9).fill(2)).permute([8, 7, 6, 5, 4, 3, 2, 1, 0])
  assert.is(product(x.sum([0, 2, 4]).shape), 64)
  assert.throws(() => sum(x), /needs more than 8 dims after merging; call contiguous\(\) first/)
})

test.run()
