// What the table of ops does not show of views: chains of them, which share memory, and with whom.
import { currentDevice, expand, flip, narrow, permute, reshape, squeeze, type Tensor, tensor, unsqueeze, zeros } from '@bms/tensor'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { product } from './helpers/arrays.js'
import { close, ready, settle } from './helpers/device.js'
import * as nd from './helpers/nd.js'
import type { Nd } from './helpers/nd.js'

const test = suite('views')
/** One seed for all properties, printed by fast-check when one fails. */
const options = { seed: 20240607, numRuns: 60 }

test.before(async () => {
  await ready()
})

const dense = (x: Nd): Tensor => tensor(Float32Array.from(x.data), { shape: x.shape })

async function same(actual: Tensor, expected: Nd, what = ''): Promise<void> {
  assert.equal(actual.shape, expected.shape, what)
  close(await actual.data(), expected.data, 0)
}

const shapes = (least = 0, most = 4): fc.Arbitrary<number[]> => fc.array(fc.integer({ min: 0, max: 4 }), { minLength: least, maxLength: most })

/** One more view on a tensor and on its reference, chosen by numbers. */
function step(t: Tensor, x: Nd, kind: number, a: number, b: number): [Tensor, Nd] {
  const rank = x.shape.length
  const d = rank ? a % rank : 0
  switch (kind) {
    case 0: {
      const order = x.shape.map((_, i) => (i + a) % rank)
      return [permute(t, order), nd.permute(x, order)]
    }
    case 1: {
      if (!rank) return [t, x]
      const start = b % (x.shape[d]! + 1)
      const length = (a + b) % (x.shape[d]! - start + 1)
      return [narrow(t, d - rank, start, length), nd.narrow(x, d, start, length)]
    }
    case 2:
      return rank ? [flip(t, d), nd.flip(x, [d])] : [t, x]
    case 3: {
      const shape = [...x.shape.slice(0, d), 1, ...x.shape.slice(d)]
      return [unsqueeze(t, d), { shape, data: x.data }]
    }
    case 4: {
      const shape = [2, ...x.shape.map((s) => (s === 1 ? 1 + (b % 3) : s))]
      return [expand(t, shape), nd.from(shape, (c) => nd.pick(x, c))]
    }
    case 5: {
      const shape = [product(x.shape)]
      return [reshape(t, shape), { shape, data: x.data }]
    }
    case 6: {
      const shape = x.shape.filter((s) => s !== 1)
      return [squeeze(t), { shape, data: x.data }]
    }
    default: {
      const shape = [...x.shape].reverse()
      return [reshape(t, shape), { shape, data: x.data }]
    }
  }
}

test('any chain of views reads the same elements', async () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 7 }), fc.nat(9), fc.nat(9)), { maxLength: 7 })
  await fc.assert(
    fc.asyncProperty(shapes(), steps, async (shape, list) => {
      let x: Nd = nd.iota(shape)
      let t = dense(x)
      for (const [kind, a, b] of list) if (product(x.shape) < 3000) [t, x] = step(t, x, kind, a, b)
      await same(t, x)
      // Once by a copy, once through a kernel that reads the strides.
      await same(t.add(0), x)
      await same(t.contiguous(), x)
      assert.is(t.contiguous().isContiguous, true)
    }),
    { ...options, numRuns: 150 },
  )
})

test('reshape is a view wherever the strides allow it', async () => {
  const x = zeros([4, 6])
  assert.is(x.reshape(2, 2, 6).storage, x.storage)
  assert.is(x.narrow(1, 0, 3).reshape(2, 2, 3).storage, x.storage)
  assert.is(x.transpose().reshape(2, 3, 4).storage, x.storage)
  assert.is(x.reshape([1, 4, 1, 6]).storage, x.storage)
  assert.is.not(x.transpose().reshape(24).storage, x.storage)
  assert.is.not(x.narrow(1, 0, 3).reshape(12).storage, x.storage)
})

test('views share memory both ways', async () => {
  const x = tensor([1, 2, 3, 4, 5, 6]).reshape(2, 3)
  x.narrow(1, 1, 2).fill_(0)
  close(await x.data(), [1, 0, 0, 4, 0, 0], 0)
  x.transpose()
    .select(0, 0)
    .copy_(tensor([8, 9]))
  close(await x.data(), [8, 0, 0, 9, 0, 0], 0)
  x.flip([0, 1]).copy_(tensor([1, 2, 3, 4, 5, 6]).reshape(2, 3))
  close(await x.data(), [6, 5, 4, 3, 2, 1], 0)
})

test('a view of a freed tensor keeps the memory', async () => {
  await settle(currentDevice())
  const before = currentDevice().memory().bytes
  const x = zeros([1000]).add(3)
  const view = x.narrow(0, 10, 2)
  x.dispose()
  close(await view.data(), [3, 3], 0)
  view.dispose()
  assert.ok(currentDevice().memory().bytes <= before + 4096, 'the storage went back with the last view')
})

test.run()
