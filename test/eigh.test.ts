// What the table does not show of linalg.eigh: sizes up to its limit, scales, matrices with equal eigenvalues, bad numbers, gradients of what is not unique,
// compiled steps.
import { compile, grad, gradcheck, gradgradcheck, linalg, type Tensor, tensor } from '@bms/autograd'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready } from './helpers/device.js'
import { matmul, type Nd, transpose, zip } from './helpers/nd.js'
import { eigh as reference, symmetric } from './helpers/nd-linalg.js'

const test = suite('linalg.eigh')
test.before(async () => void (await ready()))

const put = (x: Nd): Tensor => tensor(Float64Array.from(x.data), { shape: x.shape })
const largest = (data: ArrayLike<number>): number => Array.from(data).reduce((top, v) => Math.max(top, Math.abs(v)), 0)
const length = (data: ArrayLike<number>): number => Math.sqrt(Array.from(data).reduce((sum, v) => sum + v * v, 0))
const scaled = (x: Nd, by: number): Nd => zip((v) => Math.fround(v * by), x)
/** Of rank `k`, as Gram matrices are. */
const gram = (n: number, k: number): Nd => {
  const half = { shape: [n, k], data: symmetric(Math.max(n, k), 3).data.slice(0, n * k) }
  return zip(Math.fround, matmul(half, transpose(half)))
}

/** Throws unless a = V diag(λ) Vᵀ with orthonormal V, λ ascending and the signs as they should be; gives λ. */
async function decomposed(x: Nd): Promise<number[]> {
  const n = x.shape[0]!
  const { eigenvalues, eigenvectors } = linalg.eigh(put(x))
  const [values, data] = [Array.from(await eigenvalues.data()), Array.from(await eigenvectors.data())]
  const v: Nd = { shape: [n, n], data }
  const scale = largest(x.data) || 1
  const residual = zip(
    (av, vl) => (av - vl) / scale,
    matmul(x, v),
    zip((e, l) => e * l, v, { shape: [1, n], data: values }),
  )
  const norm = length(scaled(x, 1 / scale).data) || 1
  assert.ok(length(residual.data) <= 1e-5 * norm, `residual of ${length(residual.data) / norm}`)
  const unit = matmul(transpose(v), v).data.map((e, i) => e - Number(i % (n + 1) === 0))
  assert.ok(length(unit) <= 3e-6 * Math.max(4, Math.sqrt(n)), `not orthonormal by ${length(unit)}`)
  values.forEach((value, i) => i > 0 && assert.ok(value >= values[i - 1]!, 'ascending'))
  for (let j = 0; j < n; j++) {
    const column = Array.from({ length: n }, (_, i) => data[i * n + j]!)
    assert.ok(column.find((e) => Math.abs(e) >= 0.9991 * largest(column))! > 0, `the sign of vector ${j}`)
  }
  return values
}

for (const n of [1, 2, 3, 4, 7, 8, 9, 16, 31, 32, 33, 64, 100]) {
  test(`an indefinite matrix of ${n} rows`, async () => {
    const x = symmetric(n)
    const scale = Math.max(1, largest(x.data) * Math.sqrt(n))
    close((await decomposed(x)).map((v) => v / scale), reference(x)[0].data.map((v) => v / scale), 4e-6) // biome-ignore format: one line
  })
}

test('129 rows', async () => void (await decomposed(symmetric(129))))

test('513 rows, by the sums of the eigenvalues and of their squares', async () => {
  const x = symmetric(513)
  const values = Array.from(await linalg.eigvalsh(put(x)).data())
  const [trace, squares] = [x.data.reduce((sum, v, e) => (e % 514 ? sum : sum + v), 0), length(x.data)]
  close([values.reduce((a, b) => a + b) / squares], [trace / squares], 1e-5)
  close([length(values) / squares], [1], 1e-5)
})

test('matrices that are diagonal, zero, of equal eigenvalues, of low rank, or of ones', async () => {
  const diagonal = (values: readonly number[]): Nd => ({
    shape: [values.length, values.length],
    data: values.flatMap((v, i) => values.map((_, j) => (i === j ? v : 0))),
  })
  // Exact: nothing is turned.
  assert.equal(await decomposed(diagonal([3, -1, 2, 2, 0])), [-1, 0, 2, 2, 3])
  assert.equal(await decomposed(diagonal([0, 0, 0, 0])), [0, 0, 0, 0])
  const { eigenvectors } = linalg.eigh(put(diagonal([7, 7, 7])))
  assert.equal(Array.from(await eigenvectors.data()), diagonal([1, 1, 1]).data)
  close(await decomposed({ shape: [6, 6], data: new Array<number>(36).fill(1) }), [0, 0, 0, 0, 0, 6], 2e-6)
  close((await decomposed(gram(40, 5))).slice(0, 35), new Array<number>(35).fill(0), 1e-5)
  // A reflection: of eigenvalues 1 and -1, each of them many times.
  const u = symmetric(24).data.slice(0, 24)
  const twice = 2 / u.reduce((sum, v) => sum + v * v, 0)
  const mirror: Nd = { shape: [24, 24], data: u.flatMap((a, i) => u.map((b, j) => Math.fround(Number(i === j) - twice * a * b))) }
  close(await decomposed(mirror), [-1, ...new Array<number>(23).fill(1)], 2e-6)
  // Tridiagonal as it is, and in two parts that do not touch.
  const n = 12
  const path: Nd = { shape: [n, n], data: Array.from({ length: n * n }, (_, e) => Number(Math.abs(Math.floor(e / n) - (e % n)) === 1)) }
  close(await decomposed(path), Array.from({ length: n }, (_, i) => -2 * Math.cos(((i + 1) * Math.PI) / (n + 1))), 2e-6) // biome-ignore format: one line
  const parts = zip((v, e) => v * e, path, { shape: [n, n], data: path.data.map((_, e) => Number(Math.floor(e / n / 6) === Math.floor((e % n) / 6))) })
  close(await decomposed(parts), Array.from({ length: n }, (_, i) => -2 * Math.cos(((Math.floor(i / 2) + 1) * Math.PI) / 7)), 2e-6) // biome-ignore format: one line
})

test('elements of every scale', async () => {
  const x = symmetric(20)
  const expected = reference(x)[0].data
  for (const by of [1e15, 1e-15, 1e30, 1e-30, 3e37]) close((await decomposed(scaled(x, by))).map((v) => v / by), expected, 1e-5) // biome-ignore format: one line
  // A few large elements among small ones: the small eigenvalues are right within the rounding of the large.
  const graded = zip((v, e) => Math.fround(v * e), x, { shape: [20, 20], data: x.data.map((_, e) => 10 ** -((Math.floor(e / 20) + (e % 20)) / 4)) })
  close(await decomposed(graded), reference(graded)[0].data, 2e-6)
})

test('NaN and infinity end, and give NaN for their matrix alone; the upper triangle is not read', async () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const one = symmetric(5)
    const batch = (at: number): Nd => {
      const data = [...one.data, ...one.data, ...one.data]
      data[25 + at] = bad
      return { shape: [3, 5, 5], data }
    }
    const read = async (x: Nd): Promise<number[][]> => Promise.all(Object.values(linalg.eigh(put(x))).map(async (t: Tensor) => Array.from(await t.data())))
    const [whole] = [await read({ shape: [3, 5, 5], data: [...one.data, ...one.data, ...one.data] })]
    for (const at of [0, 5 * 3 + 1, 24]) {
      const [values, vectors] = await read(batch(at))
      assert.equal(values, whole[0]!.map((v, i) => (i >= 5 && i < 10 ? Number.NaN : v))) // biome-ignore format: one line
      assert.equal(vectors, whole[1]!.map((v, i) => (i >= 25 && i < 50 ? Number.NaN : v))) // biome-ignore format: one line
    }
    assert.equal(await read(batch(4)), whole)
  }
})

test('a batch gives the bits of each of its matrices alone, and again', async () => {
  const all = [1, 2, 3, 4, 5, 6].map((seed) => symmetric(9, seed))
  const { eigenvalues, eigenvectors } = linalg.eigh(put({ shape: [2, 3, 9, 9], data: all.flatMap((x) => x.data) }))
  assert.equal(
    [eigenvalues.shape, eigenvectors.shape],
    [
      [2, 3, 9],
      [2, 3, 9, 9],
    ],
  )
  const alone = await Promise.all(all.map((x) => linalg.eigh(put(x)).eigenvectors.data()))
  assert.equal(
    Array.from(await eigenvectors.data()),
    alone.flatMap((data) => Array.from(data)),
  )
})

/** Eigenvalues 1, 1 and 4: vectors of the first two are any in their plane. */
const twins: Nd = { shape: [3, 3], data: [2, 1, 1, 1, 2, 1, 1, 1, 2] }

test('gradients where eigenvalues are equal: those of what does not depend on the choice of vectors, and finite', async () => {
  const x = put(twins).requiresGrad_()
  const trace = (a: Tensor): Tensor => a.mul(tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]])).sum() // biome-ignore format: one line
  const root = (a: Tensor): Tensor => {
    const { eigenvalues, eigenvectors } = linalg.eigh(a.add(a.transpose()).div(2))
    return eigenvectors.mul(eigenvalues.sqrt().unsqueeze(-2)).matmul(eigenvectors.transpose())
  }
  // Of the trace of A^½: ½ A^-½, which is ½ - 1/12 on the diagonal.
  close(await grad(linalg.eigvalsh(x).sqrt().sum(), x).data(), [5, -1, -1, -1, 5, -1, -1, -1, 5].map((v) => v / 12), 1e-5) // biome-ignore format: one line
  close(await grad(linalg.eigh(x).eigenvalues.sqrt().sum(), x).data(), await grad(trace(root(x)), x).data(), 1e-5)
  const some = linalg
    .eigh(x)
    .eigenvectors.square()
    .mul(tensor([[1], [2], [4]]))
  for (const v of await grad(some.sum(), x).data()) assert.ok(Math.abs(v) < 10, `${v}`)
  // Where all are equal vectors have no gradient at all.
  const zero = put(scaled(twins, 0)).requiresGrad_()
  close(await grad(linalg.eigh(zero).eigenvectors.sum(), zero).data(), new Array<number>(9).fill(0), 0)
})

test('gradients of a Gram matrix with many zeros', async () => {
  const half = put({ shape: [12, 3], data: symmetric(12).data.slice(0, 36) }).requiresGrad_()
  const { eigenvalues, eigenvectors } = linalg.eigh(half.matmul(half.transpose()))
  const weights = eigenvalues.detach().div(eigenvalues.detach().max())
  const loss = eigenvalues.sum().add(eigenvectors.square().mul(weights).cumsum(0).sum())
  for (const v of await grad(loss, half).data()) assert.ok(Math.abs(v) < 100, `${v}`)
})

const spread = (): Tensor => put({ shape: [3, 3], data: [0.2, 0.1, -0.3, 0.1, 3.1, 0.4, -0.3, 0.4, 5.8] }).requiresGrad_()
const both = (a: Tensor): Tensor[] => Object.values(linalg.eigh(a.add(a.transpose()).div(2)))

test('gradients once and twice, of both results and of one', async () => {
  const tolerance = { eps: 1e-2, atol: 4e-3, rtol: 4e-3 }
  for (const fn of [both, (a: Tensor) => both(a)[0]!, (a: Tensor) => both(a)[1]!]) {
    await gradcheck(fn, [spread()], tolerance)
    await gradgradcheck(fn, [spread()], tolerance)
  }
})

test('compiled with its gradients as eager', async () => {
  const slope = (a: Tensor): Tensor => {
    const [values, vectors] = both(a)
    return grad(values!.square().sum().add(vectors!.abs().log1p().sum()).add(linalg.eigvalsh(a).max()), a)
  }
  const step = compile(slope)
  for (const seed of [1, 2, 3]) {
    const x = symmetric(6, seed)
    close(await step(put(x).requiresGrad_()).data(), await slope(put(x).requiresGrad_()).data(), 1e-5)
  }
  step.dispose()
})

test.run()
