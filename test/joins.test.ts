// Joining and padding of random shapes, against plain arrays.
import { cat, pad, type Tensor, tensor } from '@bms/tensor'
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

test('cat', async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(shapes(1), fc.nat(9), sizes, async (shape, a, list) => {
      const dim = a % shape.length
      const parts = list.map((size, k) => nd.zip((v) => v + 1000 * k, nd.iota(shape.with(dim, size))))
      await same(cat(parts.map(dense), dim - shape.length), nd.cat(parts, dim))
    }),
    options,
  )
})

test('pad adds and cuts', async () => {
  const amount = fc.integer({ min: -2, max: 3 })
  await fc.assert(
    fc.asyncProperty(shapes(1, 3), fc.array(fc.tuple(amount, amount), { maxLength: 3 }), async (shape, list) => {
      const padding = list.slice(0, shape.length).flat()
      fc.pre(shape.every((s, d) => s + (padding[2 * (shape.length - 1 - d)] ?? 0) + (padding[2 * (shape.length - 1 - d) + 1] ?? 0) >= 0))
      const x = nd.iota(shape)
      await same(pad(dense(x), padding, -7), nd.pad(x, padding, -7))
      await same(pad(dense(x).flip(0).contiguous().flip(0), padding, -7), nd.pad(x, padding, -7))
    }),
    options,
  )
})

test.run()
