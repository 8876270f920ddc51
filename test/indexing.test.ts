// What the table of ops does not show of indexing: both algorithms of adding give the same bits, long rows, indices outside.
import { embedding, gather, indexAdd, indexSelect, scatterAdd, type Tensor, tensor, zeros } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { at, coordinates, product, seeded } from './helpers/arrays.js'
import { close, ready } from './helpers/device.js'

const test = suite('indexing')
const random = seeded(1)
const numbers = (n: number): Float32Array => Float32Array.from({ length: n }, () => Math.round(random() * 2000 - 1000) / 8)
const whole = (n: number, below: number): Int32Array => Int32Array.from({ length: n }, () => Math.floor(random() * below))
const f32 = (values: Float32Array, shape: readonly number[]): Tensor => tensor(values, { shape })

/** The same tensor, stored another way round. */
const scrambled = (t: Tensor): Tensor => (t.ndim < 2 ? t.flip(0).contiguous().flip(0) : t.transpose(0, -1).contiguous().transpose(0, -1))

test.before(async () => {
  await ready()
})

function scatterReference(
  x: Float32Array,
  shape: readonly number[],
  dim: number,
  index: ArrayLike<number>,
  indexShape: readonly number[],
  source: Float32Array,
  sourceShape: readonly number[],
): Float32Array {
  const out = Float32Array.from(x)
  coordinates(indexShape).forEach((c, e) => {
    const k = index[e]!
    if (k >= 0 && k < shape[dim]!)
      out[
        at(
          shape,
          c.map((v, d) => (d === dim ? k : v)),
        )
      ]! += source[at(sourceShape, c)]!
  })
  return out
}

const cases: { shape: number[]; dim: number; index: number[] }[] = [
  { shape: [5], dim: 0, index: [5] },
  { shape: [1], dim: 0, index: [600] },
  { shape: [3, 4, 5], dim: 0, index: [7, 4, 5] },
  { shape: [3, 4, 5], dim: 1, index: [3, 2, 5] },
  { shape: [3, 4, 5], dim: 2, index: [3, 4, 9] },
  { shape: [3, 4, 5], dim: 1, index: [2, 6, 3] },
  { shape: [6, 70], dim: 1, index: [6, 300] },
  { shape: [4, 3], dim: 0, index: [0, 3] },
]

test('an index outside of the dim gives NaN, or what no one takes for an element', async () => {
  const nan = Number.NaN
  const index = Int32Array.of(-1, 0, 2, 3, -(2 ** 31), 2 ** 31 - 1)
  close(await gather(tensor([5, 6, 7]), 0, tensor(index)).data(), [nan, 5, 7, nan, nan, nan], 0)
  close(await gather(tensor([5, 6, 7]), 0, tensor(Uint32Array.of(2, 3, 2 ** 32 - 1))).data(), [7, nan, nan], 0)
  // Each row has its own end: an index beyond it does not reach into the next.
  close(
    await gather(
      tensor([
        [1, 2],
        [3, 4],
      ]),
      1,
      tensor(Int32Array.of(1, 2, -1, 0), { shape: [2, 2] }),
    ).data(),
    [2, nan, nan, 3],
    0,
  )
  const rows = tensor([
    [1, 2],
    [3, 4],
  ])
  close(await indexSelect(rows, 0, tensor(Int32Array.of(1, 2, -1))).data(), [3, 4, nan, nan, nan, nan], 0)
  close(await indexSelect(rows, 1, tensor(Int32Array.of(-2, 1))).data(), [nan, 2, nan, 4], 0)
  close(await embedding(rows, tensor(Int32Array.of(0, 2))).data(), [1, 2, nan, nan], 0)
  const beyond = tensor(Int32Array.of(0, 9))
  close(await gather(tensor(Int32Array.of(-7)), 0, beyond).data(), [-7, -(2 ** 31)], 0)
  close(await gather(tensor(Uint32Array.of(7)), 0, beyond).data(), [7, 2 ** 32 - 1], 0)
  close(await gather(tensor([false]), 0, beyond).data(), [0, 1], 0)
  close(await indexSelect(tensor(Int32Array.of(-7)), 0, beyond).data(), [-7, -(2 ** 31)], 0)
  close(await tensor([5]).gather(0, beyond, { outside: -0.5 }).data(), [5, -0.5], 0)
  close(await tensor(Int32Array.of(-7)).indexSelect(0, beyond, { outside: -3 }).data(), [-7, -3], 0)
})

test('scatterAdd: both algorithms give the sums in the order of the source, bit for bit', async () => {
  for (const { shape, dim, index } of cases) {
    const sourceShape = index.map((s, d) => s + (d === 0 ? 2 : 0))
    const [x, source] = [numbers(product(shape)), numbers(product(sourceShape)).map((v) => v / 3)]
    // Out of range to both sides.
    const i = whole(product(index), shape[dim]! + 2).map((v) => v - 1)
    const expected = scatterReference(x, shape, dim, i, index, source, sourceShape)
    const [tx, ti, ts] = [f32(x, shape), tensor(i, { shape: index }), f32(source, sourceShape)]
    for (const algorithm of ['scan', 'sorted'] as const) {
      close(await scatterAdd(tx, dim, ti, ts, { algorithm }).data(), expected, 0)
      close(await scatterAdd(scrambled(tx), dim - shape.length, scrambled(ti), scrambled(ts), { algorithm }).data(), expected, 0)
    }
    close(await tx.scatterAdd(dim, ti, ts).data(), expected, 0)
    close(await tx.data(), x, 0)
  }
})

test('scatterAdd: long rows, integers, u32 indices', async () => {
  const n = 5000
  const i = whole(n, 40)
  const source = numbers(n).map((v) => v / 7)
  const expected = scatterReference(new Float32Array(40), [40], 0, i, [n], source, [n])
  const first = await scatterAdd(zeros([40]), 0, tensor(i), f32(source, [n])).data()
  close(first, expected, 0)
  assert.equal(await scatterAdd(zeros([40]), 0, tensor(Uint32Array.from(i)), f32(source, [n]), { algorithm: 'scan' }).data(), first)
  const counts = await scatterAdd(zeros([40], { dtype: 'i32' }), 0, tensor(i), tensor(new Int32Array(n).fill(2))).data()
  close(
    counts,
    Array.from({ length: 40 }, (_, k) => 2 * i.filter((v) => v === k).length),
    0,
  )
})

test('indexAdd', async () => {
  for (const shape of [[4], [4, 3, 5], [2, 7]]) {
    for (let dim = 0; dim < shape.length; dim++) {
      for (const m of [0, 1, 9, 400]) {
        const sourceShape = shape.map((s, d) => (d === dim ? m : s))
        const [x, source] = [numbers(product(shape)), numbers(product(sourceShape)).map((v) => v / 3)]
        const i = whole(m, shape[dim]!)
        const full = coordinates(sourceShape).map((c) => i[c[dim]!]!)
        const expected = scatterReference(x, shape, dim, full, sourceShape, source, sourceShape)
        const [tx, ts] = [f32(x, shape), f32(source, sourceShape)]
        close(await indexAdd(tx, dim, tensor(i), ts).data(), expected, 0)
        if (m > 0)
          close(await indexAdd(scrambled(tx), dim - shape.length, tensor(i), scrambled(ts), { algorithm: m > 32 ? 'scan' : 'sorted' }).data(), expected, 0)
      }
    }
  }
})

test('f16: an index outside of the dim gives NaN', async () => {
  const device = await ready()
  if (!device.features.has('shader-f16')) return
  close(await gather(tensor([1, 2, 3], { dtype: 'f16' }), 0, tensor(Int32Array.of(2, 0, 3))).data(), [3, 1, Number.NaN], 0)
})

test.run()
