// What the objectives beside eq. 7 are made of, against numbers worked out by hand: MMD, VEEGAN's distance of codes, MD-GAN's mixture on a simplex and its
// logarithms at the edge of what f32 can hold, GDPP-GAN's diversity. Whole training steps are compared with PyTorch's in everywhere/objectives.test.ts.
import { codeDistance, diversityLoss, largestLikelihood, logLikelihoodAt, mmd, simplexCorners, simplexLikelihood, simplexVariance } from '@bms/bms'
import { grad, tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seeded } from './helpers/arrays.js'
import { close, ready } from './helpers/device.js'

const test = suite('objectives')
test.before(async () => void (await ready()))

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0)
const squaredDistance = (a: readonly number[], b: readonly number[]): number => sum(a.map((v, d) => (v - b[d]!) ** 2))
const dot = (a: readonly number[], b: readonly number[]): number => sum(a.map((v, d) => v * b[d]!))

/** The kernel of two codes of `dims` numbers at this squared distance. */
const kernel = (square: number, dims: number): number => sum([0.1, 0.2, 0.5, 1, 2, 5, 10].map((s) => (2 * dims * s) / (2 * dims * s + square)))

test('MMD of two points each, by hand', async () => {
  // Squared distances: 1 within the first, 4 within the second, and 0, 4, 1, 5 between.
  const value = await mmd(
    tensor([
      [0, 0],
      [0, 1],
    ]),
    tensor([
      [0, 0],
      [2, 0],
    ]),
  ).item()
  close([value], [kernel(1, 2) + kernel(4, 2) - (2 * (kernel(0, 2) + kernel(4, 2) + kernel(1, 2) + kernel(5, 2))) / 4], 1e-5)
})

test('MMD of three points each, by hand', async () => {
  const [a, b] = [
    [0, 1, 3],
    [-1, 0, 2],
  ]
  const value = await mmd(tensor(a!.map((v) => [v])), tensor(b!.map((v) => [v]))).item()
  // Of three pairs within each, counted twice, six ordered ones make the mean.
  const within = (kernel(1, 1) + kernel(9, 1) + kernel(4, 1)) / 3 + (kernel(1, 1) + kernel(9, 1) + kernel(4, 1)) / 3
  const between = [1, 0, 4, 4, 1, 1, 16, 9, 1].map((square) => kernel(square, 1))
  close([value], [within - (2 * sum(between)) / 9], 1e-5)
})

test('MMD is unbiased: its mean over all samples of two is that of the distributions, and 0 where they are one', async () => {
  // Each distribution is a fair coin between two codes, so that sixteen equally likely samples are all there are.
  const expectation = async (p: number[], q: number[]): Promise<number> => {
    const values: number[] = []
    for (const a of p) for (const b of p) for (const c of q) for (const d of q) values.push(await mmd(tensor([[a], [b]]), tensor([[c], [d]])).item())
    return sum(values) / values.length
  }
  const coins = (p: number[], q: number[]): number => sum(p.flatMap((a) => q.map((b) => kernel((a - b) ** 2, 1)))) / 4
  const [p, q] = [
    [0, 1],
    [0.5, 3],
  ]
  close([await expectation(p!, q!)], [coins(p!, p!) + coins(q!, q!) - 2 * coins(p!, q!)], 1e-5)
  close([await expectation(p!, p!)], [0], 1e-5)
})

test("VEEGAN's distance of codes is a sum over coordinates and a mean over the batch, by hand", async () => {
  const z = tensor([
    [1, 2, 3],
    [0, 0, 0],
  ])
  const found = tensor([
    [1, 0, 2],
    [1, -1, 0.5],
  ]).requiresGrad_()
  const loss = codeDistance(z, found)
  close([await loss.item()], [(5 + 2.25) / 2], 1e-6)
  close(await grad(loss, found).data(), [0, -2, -1, 1, -1, 0.5], 1e-6)
})

for (const n of [1, 2, 9]) {
  test(`a simplex in ${n} dimensions: ${n + 1} corners at length 1, equally far from each other, around the origin`, () => {
    const corners = simplexCorners(n)
    assert.is(corners.length, n + 1)
    for (const [i, a] of corners.entries()) {
      assert.is(a.length, n)
      close([dot(a, a)], [1], 1e-12)
      for (const b of corners.slice(0, i)) close([squaredDistance(a, b)], [2 + 2 / n], 1e-12)
    }
    for (let d = 0; d < n; d++) close([sum(corners.map((c) => c[d]!))], [0], 1e-12)
  })
}

// Ten Gaussians of variance 1/4, each (π/2)^(−9/2) at its own mean. Seen from the centre all are 1 away, e^(−2); from a corner the nine others 20/9, e^(−40/9).
const peak = (Math.PI / 2) ** -4.5
const atCentre = peak * Math.exp(-2)
const atCorner = (peak * (1 + 9 * Math.exp(-40 / 9))) / 10
const centre = new Array<number>(9).fill(0)

test("the likelihood at the simplex's centre and at a corner, by hand, on the host and on the device", async () => {
  assert.is(simplexVariance, 1 / 4)
  const corners = simplexCorners(9)
  close([logLikelihoodAt(centre, corners)], [Math.log(atCentre)], 1e-12)
  for (const corner of corners) close([logLikelihoodAt(corner, corners)], [Math.log(atCorner)], 1e-12)
  const { reached, missing } = simplexLikelihood(9)
  const points = tensor([centre, ...corners])
  close(await reached(points).data(), [Math.log(atCentre + 1e-8), ...corners.map(() => Math.log(atCorner + 1e-8))], 1e-6)
  close(
    (await missing(points).data()).slice(1),
    corners.map(() => Math.log(atCentre - atCorner + 1e-8)),
    1e-5,
  )
})

test('no point is likelier than λ: not at the end of any ascent, and it is reached', () => {
  const corners = simplexCorners(9)
  const lambda = Math.log(largestLikelihood(corners))
  close([lambda], [Math.log(atCentre)], 1e-12)
  const next = seeded(3)
  for (let trial = 0; trial < 200; trial++) {
    // Mean shift climbs: the mean of the corners, each by its share of the density.
    let at = Array.from({ length: 9 }, () => 3 * next() - 1.5)
    for (let i = 0; i < 300; i++) {
      const shares = corners.map((c) => Math.exp(-squaredDistance(c, at) / (2 * simplexVariance)))
      at = centre.map((_, d) => sum(corners.map((c, k) => c[d]! * shares[k]!)) / sum(shares))
      assert.ok(logLikelihoodAt(at, corners) <= lambda + 1e-12, `${logLikelihoodAt(at, corners)} at ${at}, above ${lambda}`)
    }
  }
  // Fewer corners: the maximum need not be a centre. One dimension's is found by walking along it.
  for (const n of [1, 2, 3]) {
    const few = simplexCorners(n)
    const top = Math.log(largestLikelihood(few))
    for (let trial = 0; trial < 20_000; trial++) {
      const at = Array.from({ length: n }, () => 2.5 * next() - 1.25)
      assert.ok(logLikelihoodAt(at, few) <= top + 1e-6, `n ${n}: ${logLikelihoodAt(at, few)} at ${at}, above ${top}`)
    }
  }
})

test('log(λ − lk) is finite where f32 cannot tell lk from λ, and its gradient too; so is log lk far from everything', async () => {
  const next = seeded(5)
  const near = Array.from({ length: 512 }, (_, i) => centre.map(() => 2 ** -(i >> 4) * (next() - 0.5)))
  const far = [centre.map(() => 2.5), centre.map((_, d) => (d % 2 ? -2.5 : 2.5))]
  const { reached, missing } = simplexLikelihood(9)
  const points = tensor([...near, centre, ...far]).requiresGrad_()
  for (const values of [missing(points), reached(points)]) {
    const [list, slope] = [[...(await values.data())], [...(await grad(values.sum(), points).data())]]
    assert.ok(
      list.every((v) => Number.isFinite(v) && v >= Math.log(1e-8) - 1e-4),
      'finite, and from log 1e-8',
    )
    assert.ok(slope.every(Number.isFinite), 'a finite gradient')
  }
  // Where f32 can tell, it is the float64 value: 1e-7 of λ is the most that it can be off.
  const corners = simplexCorners(9)
  const exact = near.map((p) => atCentre - Math.exp(logLikelihoodAt(p.map(Math.fround), corners)))
  const found = (await missing(points).data()).slice(0, near.length)
  for (const [i, gap] of exact.entries())
    assert.ok(Math.abs(Math.exp(found[i]!) - 1e-8 - gap) <= 1e-6 * atCentre + 1e-5 * gap, `${Math.exp(found[i]!) - 1e-8}, expected ${gap}`)
})

// Two features of two points, at the angle whose cosine is c: the kernel [[1, c], [c, 1]] has eigenvalues 1 ∓ |c|, of (1, ∓sign c) / √2.
const pair = (c: number, lengths: [number, number] = [1, 1]): number[][] => [
  [lengths[0], 0],
  [lengths[1] * c, lengths[1] * Math.sqrt(1 - c * c)],
]

test('diversity of two points, by hand: eigenvalues by their distance, the larger eigenvector by its cosine', async () => {
  const value = (a: number[][], b: number[][]): Promise<number> => diversityLoss(tensor(a), tensor(b)).item()
  // Both lie on one side: (1, 1) / √2 is the larger one's vector in both.
  close([await value(pair(0.8), pair(0.5))], [1e-4 * 0.09 - 1], 1e-6)
  // On opposite sides it is (1, −1) / √2 in one, at a right angle to the other's.
  close([await value(pair(-0.8), pair(0.5))], [1e-4 * 0.09], 1e-6)
  // Rows count by direction alone.
  close([await value(pair(0.8, [3, 0.25]), pair(0.5, [10, 2]))], [1e-4 * 0.09 - 1], 1e-6)
})

test("diversity's gradient of two points, by hand: their eigenvectors stay, only the cosine moves; real points get none", async () => {
  const [c, real] = [0.8, 0.5]
  const features = tensor(pair(c, [1, 2])).requiresGrad_()
  const others = tensor(pair(real)).requiresGrad_()
  const [slope, none] = grad(diversityLoss(features, others), [features, others], { allowUnused: true })
  // d/dc 10⁻⁴ (c − 0.5)², by c = cos of two rows: each row's share is the part of the other one across it, over its own length.
  const byCosine = 2e-4 * (c - real)
  const s = Math.sqrt(1 - c * c)
  close(await slope!.data(), [0, byCosine * s, (byCosine * (1 - c * c)) / 2, (byCosine * (-c * s)) / 2].map(Number), 1e-9)
  assert.is(none, null)
})

test('diversity of a batch like the real one is minus the sum of the scaled eigenvalues', async () => {
  // Three points at right angles but for a cosine of 0.6 between two: eigenvalues 0.4, 1, 1.6, scaled 0, 0.5, 1.
  const features = tensor([
    [1, 0, 0],
    [0.6, 0.8, 0],
    [0, 0, 2],
  ])
  close([await diversityLoss(features, features).item()], [-1.5], 1e-5)
})

test('diversity is finite of a row of zeros, of equal points, and of a single one', async () => {
  for (const rows of [
    [
      [0, 0],
      [1, 2],
      [3, 1],
    ],
    [
      [1, 2],
      [1, 2],
      [1, 2],
    ],
    [[1, 2]],
  ]) {
    const features = tensor(rows).requiresGrad_()
    const loss = diversityLoss(features, tensor(rows.map((row) => row.map((v) => v + 1))))
    const values = [await loss.item(), ...(await grad(loss, features).data())]
    assert.ok(values.every(Number.isFinite), `${values}`)
  }
})

test.run()
