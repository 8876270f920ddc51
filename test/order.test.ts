// What the table of ops does not show of ordering: every algorithm of argmax, argmin, sort and cumsum, with rows of any length and awkward values.
import { argmax, argmin, argsort, compile, cumsum, type DType, sort, type Tensor, tensor, topk } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lines, product, seeded } from './helpers/arrays.js'
import { close, ready } from './helpers/device.js'

const test = suite('order')
const random = seeded(2)
const shapes: number[][] = [[1], [7], [64], [65], [1000], [3, 5], [5, 129, 2], [2, 3, 4, 5], [2, 1500], [1300, 3]]

/** Few different values, so that many are equal; NaN, infinities and both zeros among them. */
function awkward(n: number): Float32Array {
  const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0]
  return Float32Array.from({ length: n }, () => (random() < 0.1 ? special[Math.floor(random() * special.length)]! : Math.round(random() * 40 - 20) / 2))
}

/** The same tensor, stored another way round. */
const scrambled = (t: Tensor): Tensor => (t.ndim < 2 ? t.flip(0).contiguous().flip(0) : t.transpose(0, -1).contiguous().transpose(0, -1))

const above = (a: number, b: number): boolean => (Number.isNaN(a) ? !Number.isNaN(b) : a > b)

function sortReference(x: ArrayLike<number>, shape: readonly number[], dim: number, descending: boolean): { values: number[]; indices: number[] } {
  const values = new Array<number>(x.length)
  const indices = new Array<number>(x.length)
  for (const line of lines(shape, dim)) {
    const order = line.map((_, j) => j)
    order.sort((a, b) => {
      const [va, vb] = [x[line[a]!]!, x[line[b]!]!]
      const c = above(va, vb) ? 1 : above(vb, va) ? -1 : 0
      return (descending ? -c : c) || a - b
    })
    order.forEach((j, p) => {
      values[line[p]!] = x[line[j]!]!
      indices[line[p]!] = j
    })
  }
  return { values, indices }
}

test.before(async () => {
  await ready()
})

test('argmax and argmin: every dim, flattened, both algorithms', async () => {
  for (const shape of shapes) {
    const x = awkward(product(shape))
    const t = tensor(x, { shape })
    for (const algorithm of ['thread', 'group'] as const) {
      for (let dim = 0; dim < shape.length; dim++) {
        // A workgroup a row, slow on software adapters: not for the many short rows.
        if (algorithm === 'group' && x.length / shape[dim]! > 100) continue
        const find = (wins: (a: number, b: number) => boolean): number[] =>
          lines(shape, dim).map((line) => line.reduce((best, p, j) => (wins(x[p]!, x[line[best]!]!) ? j : best), 0))
        const largest = argmax(t, dim, false, { algorithm })
        assert.is(largest.dtype, 'i32')
        assert.equal(
          largest.shape,
          shape.filter((_, d) => d !== dim),
        )
        close(await largest.data(), find(above), 0)
        const smallest = argmin(scrambled(t), dim - shape.length, true, { algorithm })
        assert.equal(
          smallest.shape,
          shape.map((s, d) => (d === dim ? 1 : s)),
        )
        close(
          await smallest.data(),
          find((a, b) => (Number.isNaN(a) ? !Number.isNaN(b) : a < b)),
          0,
        )
      }
      const all = Array.from(x, (_, i) => i).reduce((best, i) => (above(x[i]!, x[best]!) ? i : best), 0)
      close(await argmax(scrambled(t), undefined, false, { algorithm }).data(), [all], 0)
    }
  }
})

test('argmax and argmin of integers, booleans, equal elements, infinities', async () => {
  for (const algorithm of ['thread', 'group'] as const) {
    const i = tensor(Int32Array.of(3, -(2 ** 31), 2 ** 31 - 1, -1, 2 ** 31 - 1))
    assert.equal([await argmax(i, 0, false, { algorithm }).item(), await argmin(i, 0, false, { algorithm }).item()], [2, 1])
    const u = tensor(Uint32Array.of(3, 2 ** 32 - 1, 0, 2 ** 32 - 1, 0))
    assert.equal([await argmax(u, 0, false, { algorithm }).item(), await argmin(u, 0, false, { algorithm }).item()], [1, 2])
    assert.is(await argmax(tensor([false, true, true]), 0, false, { algorithm }).item(), 1)
    const low = tensor(new Array(300).fill(Number.NEGATIVE_INFINITY))
    assert.equal([await argmax(low, 0, false, { algorithm }).item(), await argmin(low, 0, false, { algorithm }).item()], [0, 0])
    const zero = tensor([-0, 0, -0])
    assert.equal([await argmax(zero, 0, false, { algorithm }).item(), await argmin(zero, 0, false, { algorithm }).item()], [0, 0])
  }
})

test('sort: every dim and algorithm, stable, NaN largest', async () => {
  for (const shape of shapes) {
    const x = awkward(product(shape))
    const t = tensor(x, { shape })
    for (let dim = 0; dim < shape.length; dim++) {
      for (const descending of [false, true]) {
        const expected = sortReference(x, shape, dim, descending)
        for (const algorithm of ['rank', 'group', 'global'] as const) {
          if (algorithm === 'group' && shape[dim]! > 1024) continue
          // As above.
          if (algorithm !== 'rank' && x.length / shape[dim]! > 30) continue
          const { values, indices } = sort(algorithm === 'rank' ? scrambled(t) : t, dim, descending, { algorithm })
          close(await values.data(), expected.values, 0)
          close(await indices.data(), expected.indices, 0)
        }
        close(await argsort(t, dim - shape.length, descending).data(), expected.indices, 0)
      }
    }
  }
})

test('sort: integers of all sizes', async () => {
  const ints = Int32Array.from({ length: 3000 }, () => Math.floor((random() - 0.5) * 2 ** 32))
  for (const n of [50, 700, 3000]) {
    const part = ints.slice(0, n)
    const up = sortReference(part, [n], 0, false)
    const { values, indices } = sort(tensor(part))
    assert.is(values.dtype, 'i32')
    close(await values.data(), up.values, 0)
    close(await indices.data(), up.indices, 0)
    const words = Uint32Array.from(part, (v) => v >>> 0)
    close(await tensor(words).sort(0, true).values.data(), sortReference(words, [n], 0, true).values, 0)
  }
})

test('sort: a long row', async () => {
  const x = Float32Array.from({ length: 70_001 }, () => Math.round(random() * 5000))
  const expected = sortReference(x, [x.length], 0, false)
  const { values, indices } = sort(tensor(x))
  close(await values.data(), expected.values, 0)
  close(await indices.data(), expected.indices, 0)
})

test('cumsum: every dim and algorithm', async () => {
  for (const shape of [...shapes, [2, 0, 3], [10_000], [3, 2049], [1_100_000]]) {
    const x = Float32Array.from({ length: product(shape) }, () => Math.round(random() * 16 - 8) / 4)
    const t = tensor(x, { shape })
    for (let dim = 0; dim < shape.length; dim++) {
      const expected = new Float64Array(x.length)
      for (const line of lines(shape, dim)) line.reduce((sum, p) => (expected[p] = sum + x[p]!), 0)
      for (const algorithm of ['row', 'chunk'] as const) {
        if (algorithm === 'chunk' && x.length / shape[dim]! > 100) continue
        close(await cumsum(t, dim, { algorithm }).data(), expected, 0)
        if (x.length < 10_000) close(await cumsum(scrambled(t), dim - shape.length, { algorithm }).data(), expected, 0)
      }
    }
  }
})

test('cumsum: integers, booleans, NaN and infinities', async () => {
  for (const algorithm of ['row', 'chunk'] as const) {
    const i = cumsum(tensor(Int32Array.of(5, -7, 2 ** 31 - 1, 10)), 0, { algorithm })
    assert.is(i.dtype, 'i32')
    close(await i.data(), [5, -2, 2 ** 31 - 3, (2 ** 31 - 3 + 10) | 0], 0)
    const b = cumsum(tensor([true, false, true, true]), 0, { algorithm })
    assert.is(b.dtype, 'i32')
    close(await b.data(), [1, 1, 2, 3], 0)
    close(await cumsum(tensor(Uint32Array.of(2 ** 32 - 1, 3)), 0, { algorithm }).data(), [2 ** 32 - 1, 2], 0)
    const inf = Number.POSITIVE_INFINITY
    close(await cumsum(tensor([1, inf, 2, -inf, 3]), 0, { algorithm }).data(), [1, inf, inf, Number.NaN, Number.NaN], 0)
    close(await cumsum(tensor([1, Number.NaN, 2]), 0, { algorithm }).data(), [1, Number.NaN, Number.NaN], 0)
  }
})

test('compiled steps give the same, with passes in place on temporaries', async () => {
  const work = (x: Tensor): Tensor[] => {
    const [a, b] = [sort(x, 0), sort(x, 0, true)]
    return [a.values, a.indices, b.indices, topk(x, 5, 0).values, cumsum(x, 0, { algorithm: 'chunk' }), argsort(x.add(1), 0), argmax(x)]
  }
  const step = compile(work)
  for (let run = 0; run < 3; run++) {
    const x = tensor(Float32Array.from({ length: 3000 }, () => Math.round(random() * 500)))
    const [eager, compiled] = [work(x), await step(x)]
    for (let i = 0; i < eager.length; i++) close(await compiled[i]!.data(), await eager[i]!.data(), 0)
  }
})

test('f16', async () => {
  const device = await ready()
  if (!device.features.has('shader-f16')) return
  const dtype: DType = 'f16'
  const x = tensor([2, Number.NaN, -3, 0.5], { dtype })
  close(await sort(x).values.data(), [-3, 0.5, 2, Number.NaN], 0)
  assert.is(await argmax(x).item(), 1)
  close(
    await cumsum(tensor(new Array(3000).fill(0.25), { dtype })).data(),
    Array.from({ length: 3000 }, (_, i) => (i + 1) / 4),
    1e-3,
  )
})

test.run()
