// What the table of ops does not show of element-wise ops: operands that lie in memory one this way, one that way, more dims than a kernel carries, what f16
// rounds to, sizes around the workgroup.
import * as bms from '@bms/tensor'
import { type DType, type Device, type Tensor, tensor } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { product, seeded } from './helpers/arrays.js'
import { close, ready } from './helpers/device.js'
import { from, type Nd, zip } from './helpers/nd.js'

const test = suite('elementwise, operands')
const inf = Number.POSITIVE_INFINITY
const nan = Number.NaN
const f = Math.fround
let device: Device
const random = seeded(11)

test.before(async () => {
  device = await ready()
})

/** Another memory order of the same values. */
const layouts: Record<string, (t: Tensor) => Tensor> = {
  dense: (t) => t,
  transposed: (t) => (t.ndim < 2 ? t : t.transpose(0, -1).contiguous().transpose(0, -1)),
  narrowed: (t) => (t.ndim === 0 ? t : bms.pad(t, [1, 2], 9).narrow(-1, 1, t.shape[t.ndim - 1]!)),
  flipped: (t) => (t.ndim === 0 ? t : t.flip(0).contiguous().flip(0)),
}

test('broadcasting from 0 to 5 dims in all memory orders', async () => {
  const shapes: [number[], number[]][] = [
    [[], []],
    [[], [3]],
    [[1], [4]],
    [
      [3, 1],
      [1, 4],
    ],
    [[2, 3], [3]],
    [
      [2, 1, 4],
      [3, 1],
    ],
    [
      [2, 3, 4],
      [2, 3, 4],
    ],
    [
      [2, 1, 2, 3],
      [4, 1, 1],
    ],
    [
      [2, 1, 3, 1, 2],
      [4, 1, 5, 1],
    ],
    [[0, 3], [3]],
    [
      [2, 0],
      [2, 1],
    ],
    [[1], [0]],
  ]
  for (const [sa, sb] of shapes) {
    const a: Nd = from(sa, () => f(random() - 0.5))
    const b: Nd = from(sb, () => f(random() - 0.5))
    const expected = zip((x, y) => f(x - y), a, b)
    for (const [la, first] of Object.entries(layouts)) {
      for (const [lb, second] of Object.entries(layouts)) {
        const out = first(tensor(a.data as number[], { dtype: 'f32' }).reshape(sa)).sub(second(tensor(b.data as number[], { dtype: 'f32' }).reshape(sb)))
        assert.equal(out.shape, expected.shape, `${la} [${sa}] - ${lb} [${sb}]`)
        close(await out.data(), expected.data, 0)
      }
    }
  }
})

test('expanded operands, and more dims than a kernel carries', async () => {
  const row = tensor([1, 2, 3]).expand([4, 3])
  close(await row.mul(row).data(), [1, 4, 9, 1, 4, 9, 1, 4, 9, 1, 4, 9], 0)
  const many = tensor(Array.from({ length: 512 }, (_, i) => i)).reshape(new Array(9).fill(2))
  const reversed = many.permute([8, 7, 6, 5, 4, 3, 2, 1, 0])
  assert.throws(() => reversed.add(many), /needs 9 dims after merging, 8 are supported; call contiguous\(\) first/)
  const merged = many.transpose(0, 8).add(1)
  close(await merged.narrow(0, 1, 1).flatten().narrow(0, 0, 2).data(), [2, 258], 0)
})

test('dtypes promote as in PyTorch', () => {
  const kinds: DType[] = ['bool', 'u32', 'i32', 'f16', 'f32']
  kinds.forEach((a, i) =>
    kinds.forEach((b, j) => {
      assert.is(bms.promote(a, b), kinds[Math.max(i, j)])
    }),
  )
})

test('truths come as lists of truths', async () => {
  assert.equal(await tensor([[true, false]]).toArray(), [[true, false]])
})

test('f16: rounding, range, odd sizes', async () => {
  if (!device.features.has('shader-f16')) {
    const error = assert.throws(() => tensor([1], { dtype: 'f16' }), /no f16 \(WebGPU feature shader-f16\); use f32/)
    return error
  }
  const values = [0, 1 / 3, 65504, -6e-8, 6.1e-5, 2049, nan, inf, -inf]
  const half = values.map((v) => bms.halfToFloat(bms.floatToHalf(v)))
  const x = tensor(values, { dtype: 'f16' })
  close(await x.data(), half, 0)
  close(
    await tensor(values.map(f)).half().data(),
    half.map((v) => (Math.abs(v) < 2 ** -14 ? 0 : v)),
    2 ** -14,
  )
  close(await x.narrow(0, 1, 1).data(), [half[1]!], 0)
  assert.is(x.add(1).dtype, 'f16')
  assert.is(x.add(tensor([1])).dtype, 'f32')
  assert.is(x.add(tensor([1], { dtype: 'i32' })).dtype, 'f16')
  close(await x.narrow(0, 0, 2).mul(3).data(), [0, 1], 2 ** -11)
  close(await x.float().data(), half, 0)
  for (let n = 1; n < 8; n++)
    close(
      await bms.arange(0, n, 1, { dtype: 'f16' }).add(1).flip(0).data(),
      Array.from({ length: n }, (_, i) => n - i),
      0,
    )
})

test('sizes around the workgroup', async () => {
  for (const n of [0, 1, 255, 256, 257, 70000]) {
    const out = await bms.arange(n).mul(2).add(1).data()
    assert.is(out.length, n)
    for (let i = 0; i < n; i++) if (out[i] !== 2 * i + 1) throw new Error(`of ${n}: element ${i} is ${out[i]}`)
  }
  assert.is(product(bms.zeros([3, 0, 2]).exp().shape), 0)
})

test.run()
