// softmax, logSoftmax and logsumexp against float64, both algorithms, with rows of infinities and NaN.
import { logSoftmax, logsumexp, softmax, type Tensor, tensor, zeros } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lines, product, seeded } from './helpers/arrays.js'
import { close, ready } from './helpers/device.js'

const test = suite('softmax')
const random = seeded(3)
const inf = Number.POSITIVE_INFINITY
const nan = Number.NaN
const algorithms = ['thread', 'group'] as const

/** The same tensor, stored another way round. */
const scrambled = (t: Tensor): Tensor => (t.ndim < 2 ? t.flip(0).contiguous().flip(0) : t.transpose(0, -1).contiguous().transpose(0, -1))

/** log Σ exp, as PyTorch defines it at the edges. */
function lse(row: readonly number[]): number {
  const top = row.reduce((a, b) => (Number.isNaN(a) || a > b ? a : b), -inf)
  if (!Number.isFinite(top)) return top
  return top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0))
}

/** Every element less the row's logsumexp; NaN where that is infinite. */
function logReference(x: ArrayLike<number>, shape: readonly number[], dim: number): number[] {
  const out = new Array<number>(x.length)
  for (const line of lines(shape, dim)) {
    const total = lse(line.map((p) => x[p]!))
    for (const p of line) out[p] = Number.isFinite(total) ? x[p]! - total : nan
  }
  return out
}

test.before(async () => {
  await ready()
})

test('every dim, both algorithms, both memory orders', async () => {
  for (const shape of [[1], [7], [300], [3, 5], [5, 129, 2], [2, 3, 4, 5], [3, 1030], [700, 3], [2, 0], [0, 2]]) {
    const x = Float32Array.from({ length: product(shape) }, () => (random() - 0.5) * 60)
    const t = tensor(x, { shape })
    for (let dim = 0; dim < shape.length; dim++) {
      const logs = logReference(x, shape, dim)
      const totals = lines(shape, dim).map((line) => lse(line.map((p) => x[p]!)))
      for (const algorithm of algorithms) {
        close(await softmax(t, dim, { algorithm }).data(), logs.map(Math.exp), 2e-6)
        close(await softmax(scrambled(t), dim - shape.length, { algorithm }).data(), logs.map(Math.exp), 2e-6)
        close(await logSoftmax(t, dim, { algorithm }).data(), logs, 1e-5)
        if (shape[dim] === 0) continue
        const sum = logsumexp(t, dim, false, { algorithm })
        assert.equal(
          sum.shape,
          shape.filter((_, d) => d !== dim),
        )
        close(await sum.data(), totals, 2e-6)
        close(await logsumexp(scrambled(t), dim, true, { algorithm }).data(), totals, 2e-6)
      }
    }
  }
})

test('large numbers do not overflow', async () => {
  for (const algorithm of algorithms) {
    close(await softmax(tensor([1000, 1000, -1000]), 0, { algorithm }).data(), [0.5, 0.5, 0])
    close(await logSoftmax(tensor([1e30, 0, -1e30]), 0, { algorithm }).data(), [0, -1e30, -2e30])
    close(await logsumexp(tensor([-5000, -5000]), 0, false, { algorithm }).data(), [-5000 + Math.log(2)], 1e-6)
  }
})

test('infinities and NaN, as PyTorch', async () => {
  const rows = [
    [-inf, -inf, -inf],
    [-inf, 0, 0],
    [inf, 0, 1],
    [inf, inf, -inf],
    [nan, 1, 2],
    [1, nan, inf],
    [-inf, -inf, nan],
    [5, -inf, -inf],
  ]
  // 100 columns more of -inf change nothing.
  for (const more of [0, 100]) {
    const wide = rows.map((r) => [...r, ...new Array<number>(more).fill(-inf)])
    const shape = [rows.length, 3 + more]
    const t = tensor(wide)
    const logs = logReference(wide.flat(), shape, 1)
    for (const algorithm of algorithms) {
      close(await softmax(t, 1, { algorithm }).data(), logs.map(Math.exp), 1e-6)
      close(await logSoftmax(t, 1, { algorithm }).data(), logs, 1e-6)
      close(await logsumexp(t, 1, false, { algorithm }).data(), [-inf, Math.log(2), inf, inf, nan, nan, nan, 5], 1e-6)
    }
  }
})

test('logsumexp over several dims', async () => {
  const shape = [3, 4, 2, 5]
  const x = Float32Array.from({ length: product(shape) }, () => (random() - 0.5) * 10)
  const t = tensor(x, { shape })
  for (const dims of [[1, 2], [0, 1, 2, 3], [0, 2], [-1, 0], [1, 3], []]) {
    const which = dims.map((d) => (d < 0 ? d + 4 : d))
    const groups = new Map<string, number[]>()
    x.forEach((v, e) => {
      const c = [Math.floor(e / 40), Math.floor(e / 10) % 4, Math.floor(e / 5) % 2, e % 5]
      const key = c.filter((_, d) => !which.includes(d)).join()
      groups.set(key, [...(groups.get(key) ?? []), v])
    })
    const expected = [...groups.values()].map(lse)
    const out = logsumexp(t, dims)
    assert.equal(
      out.shape,
      shape.filter((_, d) => !which.includes(d)),
    )
    close(await out.data(), expected, 2e-6)
    const kept = logsumexp(scrambled(t), dims, true)
    assert.equal(
      kept.shape,
      shape.map((s, d) => (which.includes(d) ? 1 : s)),
    )
    close(await kept.data(), expected, 2e-6)
  }
  close(await logsumexp(zeros([2, 0]), 1).data(), [-inf, -inf], 0)
})

test('defaults, scalars, integers, f16', async () => {
  const t = tensor([
    [1, 2],
    [3, 5],
  ])
  close(await t.softmax().data(), await softmax(t, 1).data(), 0)
  close(await t.logSoftmax().data(), await logSoftmax(t, 1).data(), 0)
  close(await t.logsumexp().data(), await logsumexp(t, 1).data(), 0)
  assert.is(await softmax(tensor(3)).item(), 1)
  assert.is(await logSoftmax(tensor(3), 0).item(), 0)
  assert.is(await logsumexp(tensor(3)).item(), 3)
  const i = softmax(tensor(Int32Array.of(0, 0)))
  assert.is(i.dtype, 'f32')
  close(await i.data(), [0.5, 0.5])
  const device = await ready()
  if (device.features.has('shader-f16')) {
    const h = tensor([1, 2, 3], { dtype: 'f16' })
    assert.is(softmax(h).dtype, 'f16')
    close(await softmax(h).data(), [0.09003, 0.24473, 0.66524], 1e-3)
    close(await logsumexp(h).data(), [3.4076], 2e-3)
  }
  assert.throws(() => softmax(t, 2), /softmax: dim 2 is out of range/)
  assert.throws(() => logsumexp(t, [0, 0]), /logsumexp: dims \[0, 0\] name a dim twice/)
})

test.run()
