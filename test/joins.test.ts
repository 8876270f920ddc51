// Joining and padding against plain arrays of random shapes, and what is refused.
import { cat, pad, stack, type Tensor, tensor, zeros } from '@bms/tensor'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready } from './helpers/device.js'
import * as nd from './helpers/nd.js'
import type { Nd } from './helpers/nd.js'

const test = suite('joins')
/** One seed for all properties, printed by fast-check when one fails. */
const options = { seed: 20240608, numRuns: 60 }

test.before(async () => {
  await ready()
})

const dense = (x: Nd): Tensor => tensor(Float32Array.from(x.data), { shape: x.shape })

async function same(actual: Tensor, expected: Nd): Promise<void> {
  assert.equal(actual.shape, expected.shape)
  close(await actual.data(), expected.data, 0)
}

const shapes = (least = 0, most = 4): fc.Arbitrary<number[]> => fc.array(fc.integer({ min: 0, max: 4 }), { minLength: least, maxLength: most })

test('cat and stack', async () => {
  await fc.assert(
    fc.asyncProperty(shapes(1), fc.nat(9), fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }), async (shape, a, sizes) => {
      const d = a % shape.length
      const parts = sizes.map((s) => nd.iota(shape.map((v, i) => (i === d ? s : v))))
      const whole = cat(
        parts.map((p, i) => dense(p).add(i * 100)),
        d,
      )
      const expected = nd.from(
        shape.map((v, i) => (i === d ? sizes.reduce((x, y) => x + y, 0) : v)),
        (c) => {
          let at = c[d]!
          let k = 0
          while (at >= sizes[k]!) at -= sizes[k++]!
          return (
            nd.pick(
              { shape: parts[k]!.shape.map((s) => (s === 1 ? 1 : s)), data: parts[k]!.data },
              c.map((v, i) => (i === d ? at : v)),
            ) +
            k * 100
          )
        },
      )
      await same(whole, expected)
    }),
    options,
  )
  const [a, b] = [tensor([1, 2]), tensor([3, 4])]
  await same(stack([a, b]), { shape: [2, 2], data: [1, 2, 3, 4] })
  await same(stack([a, b], -1), { shape: [2, 2], data: [1, 3, 2, 4] })
  assert.is(cat([a, tensor([1], { dtype: 'i32' })]).dtype, 'f32')
  close(await cat([tensor([true]), tensor([5], { dtype: 'i32' })]).data(), [1, 5], 0)
  assert.throws(() => cat([]), /at least one tensor is needed/)
  assert.throws(() => cat([zeros([2, 3]), zeros([2, 4])]), /cat: shapes \[2, 3\], \[2, 4\] differ in another dim than 0/)
  assert.throws(() => cat([zeros([]), zeros([])]), /a scalar has no dims/)
})

test('pad adds and cuts', async () => {
  const amount = fc.integer({ min: -2, max: 3 })
  await fc.assert(
    fc.asyncProperty(shapes(1, 3), fc.array(fc.tuple(amount, amount), { maxLength: 3 }), async (shape, list) => {
      const pairs = list.slice(0, shape.length)
      const before = shape.map((_, d) => pairs[shape.length - 1 - d]?.[0] ?? 0)
      const after = shape.map((_, d) => pairs[shape.length - 1 - d]?.[1] ?? 0)
      const out = shape.map((s, d) => s + before[d]! + after[d]!)
      fc.pre(out.every((s) => s >= 0))
      const x = nd.iota(shape)
      const expected = nd.from(out, (c) => {
        const at = c.map((v, d) => v - before[d]!)
        return at.every((v, d) => v >= 0 && v < shape[d]!) ? x.data[nd.iota(shape).data.length ? at.reduce((n, v, d) => n * shape[d]! + v, 0) : 0]! : -7
      })
      await same(pad(dense(x), pairs.flat(), -7), expected)
      await same(pad(dense(x).flip(0).contiguous().flip(0), pairs.flat(), -7), expected)
    }),
    options,
  )
  assert.throws(() => pad(zeros([2]), [1]), /padding is pairs of whole numbers for the last dims of \[2\], got \[1\]/)
  assert.throws(() => pad(zeros([2]), [-3, 0]), /cuts more than \[2\] has/)
})

test.run()
