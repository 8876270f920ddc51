// Statistics of features and the distance between two sets of them: closed forms for Gaussians, and the eigenvalues of the product as numpy finds them.
import { formatFrechet, formatInceptionStyle, frechetDistance, frechetScore, type Gaussian, GaussianStatistics, inceptionStyleScore } from '@bms/bms'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seeded } from './helpers/arrays.js'
import { close, thrown } from './helpers/device.js'
import { goldenFile } from './helpers/golden-file.js'

const test = suite('fréchet distance')
const { tensors } = await goldenFile('scores.safetensors')

const gaussian = (mean: number[], covariance: number[][]): Gaussian => ({
  n: 100,
  dims: mean.length,
  mean: Float64Array.from(mean),
  covariance: Float64Array.from(covariance.flat()),
})

const diagonal = (values: number[]): number[][] => values.map((v, i) => values.map((_, j) => (i === j ? v : 0)))
const times = (a: number[][], b: number[][]): number[][] => a.map((row) => b[0]!.map((_, j) => row.reduce((sum, v, k) => sum + v * b[k]![j]!, 0)))
const transposed = (a: number[][]): number[][] => a[0]!.map((_, j) => a.map((row) => row[j]!))

/** A rotation of n dims: turns in all planes of neighbours. */
function rotation(n: number): number[][] {
  let out = diagonal(Array(n).fill(1))
  for (let i = 0; i < n - 1; i++) {
    const turn = diagonal(Array(n).fill(1))
    const [c, s] = [Math.cos(i + 0.5), Math.sin(i + 0.5)]
    turn[i]![i] = turn[i + 1]![i + 1] = c
    turn[i]![i + 1] = -s
    turn[i + 1]![i] = s
    out = times(out, turn)
  }
  return out
}
const rotated = (values: number[]): number[][] => times(times(rotation(values.length), diagonal(values)), transposed(rotation(values.length)))

/** Of Gaussians with common axes. */
const closed = (meanA: number[], a: number[], meanB: number[], b: number[]): number =>
  a.reduce((sum, v, i) => sum + (meanA[i]! - meanB[i]!) ** 2 + (Math.sqrt(v) - Math.sqrt(b[i]!)) ** 2, 0)

const [a, b] = [
  [4, 1, 0.25, 9, 1e-4],
  [1, 2, 3, 4, 5],
]
const [meanA, meanB] = [
  [1, 2, 3, 4, 5],
  [0, 2, 3.5, 4, 7],
]

test('Gaussians with common axes, along the coordinates and across them', () => {
  for (const shape of [diagonal, rotated]) {
    const distance = frechetDistance(gaussian(meanA, shape(a)), gaussian(meanB, shape(b)))
    assert.ok(Math.abs(distance - closed(meanA, a, meanB, b)) < 1e-9, `${distance}`)
  }
})

test('equal Gaussians, no variance at all, and directions without any', () => {
  assert.ok(frechetDistance(gaussian(meanA, rotated(a)), gaussian(meanA, rotated(a))) < 1e-9)
  const none = Array(5).fill(0)
  assert.is(frechetDistance(gaussian(meanA, diagonal(none)), gaussian(meanB, diagonal(none))), closed(meanA, none, meanB, none))
  for (const [x, y] of [
    [none, b],
    [b, none],
    [[4, 0, 0, 9, 0], b],
    [
      [4, 0, 0, 9, 0],
      [0, 1, 0, 4, 0],
    ],
  ] as const) {
    const distance = frechetDistance(gaussian(meanA, rotated([...x])), gaussian(meanB, rotated([...y])))
    // What rounding leaves of an empty direction enters by its root.
    assert.ok(Math.abs(distance - closed(meanA, [...x], meanB, [...y])) < 1e-6, `${distance}`)
  }
})

const sets = [...tensors.keys()].filter((name) => name.startsWith('set|')).map((name) => name.slice(4))
const statistics = (name: string, part = Number.POSITIVE_INFINITY): GaussianStatistics => {
  const { shape, data } = tensors.get(`set|${name}`)!
  const [n, dims] = shape as [number, number]
  const out = new GaussianStatistics(dims)
  for (let at = 0; at < n; at += part) out.add((data as Float64Array).subarray(at * dims, Math.min(n, at + part) * dims))
  return out
}

test("numpy's distances of samples, in either order", () => {
  const pairs = [...tensors.keys()].filter((name) => name.startsWith('frechet|')).map((name) => name.split('|').slice(1) as [string, string])
  assert.is(pairs.length, 5)
  for (const [x, y] of pairs) {
    const expected = tensors.get(`frechet|${x}|${y}`)!.data[0]!
    for (const [first, second] of [
      [x, y],
      [y, x],
    ] as const) {
      const got = frechetDistance(statistics(first), statistics(second))
      assert.ok(Math.abs(got - expected) < 1e-5 + 1e-9 * expected, `${first}, ${second}: ${got}, numpy has ${expected}`)
    }
  }
})

test('mean and covariance do not depend on how the rows come in, nor on an offset', () => {
  for (const name of sets) {
    const whole = statistics(name)
    const [dims, n] = [whole.dims, whole.n]
    const rows = tensors.get(`set|${name}`)!.data as Float64Array
    const at = (r: number, i: number): number => rows[r * dims + i]! - rows[i]!
    const centre = Array.from({ length: dims }, (_, i) => Array.from({ length: n }, (_, r) => at(r, i)).reduce((s, v) => s + v) / n)
    const covariance = Array.from({ length: dims * dims }, (_, e) => {
      const [i, j] = [Math.floor(e / dims), e % dims]
      return Array.from({ length: n }, (_, r) => (at(r, i) - centre[i]!) * (at(r, j) - centre[j]!)).reduce((s, v) => s + v) / (n - 1)
    })
    for (const part of [1, 3, 4, 50]) {
      const parts = statistics(name, part)
      close(parts.covariance, covariance, 1e-9)
      close(
        parts.mean,
        centre.map((v, i) => v + rows[i]!),
        1e-12,
      )
    }
    close(whole.covariance, covariance, 1e-9)
  }
})

test('a hundred dims and more dims than samples', () => {
  const random = seeded(3)
  const rows = (n: number): Float32Array => Float32Array.from({ length: n * 100 }, () => random() - 0.5)
  const [many, few] = [new GaussianStatistics(100).add(rows(3000)), new GaussianStatistics(100).add(rows(40))]
  const distance = frechetDistance(many, few)
  assert.ok(Math.abs(distance - frechetDistance(few, many)) < 1e-6)
  // Both have variance 1/12 in each direction, as far as 40 samples can show it: Tr Σ₁ + Tr Σ₂ - 2 Tr √(Σ₁Σ₂) is near 2·100/12 - 2·Tr √Σ₂ / √12.
  assert.ok(distance > 3 && distance < 12, `${distance}`)
  assert.ok(frechetDistance(few, few) < 1e-4)
})

test('what cannot be compared is refused', async () => {
  const good = gaussian([0, 0], diagonal([1, 1]))
  const bad = (fn: () => unknown): Promise<string> => thrown(fn).then((e) => e.code)
  assert.is(await bad(() => frechetDistance(good, gaussian([0], [[1]]))), 'BAD_ARGUMENT')
  assert.is(await bad(() => frechetDistance(good, gaussian([Number.NaN, 0], diagonal([1, 1])))), 'NOT_FINITE')
  assert.is(await bad(() => new GaussianStatistics(2).add(new Float32Array(3))), 'BAD_ARGUMENT')
  assert.is(await bad(() => new GaussianStatistics(2).add(new Float32Array(2)).covariance), 'BAD_ARGUMENT')
  const kept = new GaussianStatistics(2).add(Float32Array.of(1, 2, 3, 4))
  assert.is(await bad(() => kept.add(Float32Array.of(1, 2, Number.POSITIVE_INFINITY, 0))), 'NOT_FINITE')
  assert.equal([kept.n, ...kept.mean], [2, 2, 3])
})

test("a score is named after its net, and its line tells net and numbers; only Inception's is the FID", () => {
  const [real, generated] = [gaussian([0, 0], diagonal([1, 1])), { ...gaussian([1, 0], diagonal([4, 1])), n: 5000 }]
  const inception = frechetScore({ name: 'inception', description: 'Inception-v3 pool3' }, real, generated)
  assert.is(inception.name, 'FID')
  assert.ok(Math.abs(inception.value - 2) < 1e-9)
  assert.is(formatFrechet(inception), 'FID 2.00 (lower is better; n = 100 real, 5,000 generated; features: Inception-v3 pool3)')
  for (const name of ['squeezenet', 'mobilenet', 'inception/8']) {
    const score = frechetScore({ name, description: 'a net' }, real, generated)
    assert.is(score.name, `FD-${name}`)
    assert.match(formatFrechet(score), /n = 100 real, 5,000 generated; features: a net/)
  }
})

test('Inception-style scores: nothing told, everything told, and by the formula', async () => {
  const net = { name: 'mobilenet', description: 'MobileNet', classes: 4 }
  const even = new Float32Array(40).fill(0.25)
  assert.ok(Math.abs(inceptionStyleScore(net, even, 2).mean - 1) < 1e-6)
  const sure = Float32Array.from({ length: 64 }, (_, i) => Number(Math.floor(i / 4) % 4 === i % 4))
  const score = inceptionStyleScore(net, sure, 4)
  assert.equal(
    [score.mean, score.std, score.n, score.name].map((v) => (typeof v === 'number' ? Math.round(v * 1e9) / 1e9 : v)),
    [4, 0, 16, 'IS-mobilenet'],
  )
  const two = inceptionStyleScore({ name: 'inception', description: 'Inception-v3', classes: 2 }, Float32Array.of(0.75, 0.25, 0.25, 0.75), 1)
  assert.ok(Math.abs(two.mean - Math.exp(0.75 * Math.log(1.5) + 0.25 * Math.log(0.5))) < 1e-12)
  assert.is(formatInceptionStyle(two), 'Inception Score 1.14 ± 0.00 (higher is better; n = 2 in 1 split; classes of Inception-v3)')
  for (const splits of [0, 1.5, 17]) assert.is((await thrown(() => inceptionStyleScore(net, sure, splits))).code, 'BAD_ARGUMENT')
  assert.match((await thrown(() => inceptionStyleScore({ name: 'squeezenet', description: 'SqueezeNet' }, sure))).message, /SqueezeNet has no classes/)
  assert.is((await thrown(() => inceptionStyleScore({ ...net, classes: 2 }, Float32Array.of(1, Number.NaN), 1))).code, 'NOT_FINITE')
})

test.run()
