// What the table of ops does not show of softmax, logSoftmax and logsumexp: both algorithms, with rows of infinities and NaN.
import { logSoftmax, logsumexp, softmax, type Tensor, tensor } from '@bms/tensor'
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

test.run()
