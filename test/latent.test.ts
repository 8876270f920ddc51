// The latent-space analysis against densities and shares worked out by hand, and maps by t-SNE that must be the same each time and keep clusters apart.
import {
  type DiagonalGaussians,
  densityThreshold,
  deviationFloor,
  drawCodes,
  drawPrior,
  latentReport,
  logAggregatedPosterior,
  logPrior,
  measureLatents,
  posteriorWidth,
  ring,
  shareBelow,
  tsne,
} from '@bms/bms'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seeded } from './helpers/arrays.js'
import { close, thrown } from './helpers/device.js'

const test = suite('latent analysis')

const gaussians = (dims: number, mean: number[], deviation: number[]): DiagonalGaussians => ({
  dims,
  mean: Float32Array.from(mean),
  deviation: Float32Array.from(deviation),
})
const halfLog2Pi = 0.5 * Math.log(2 * Math.PI)
/** A stream for drawCodes that gives these numbers in turn. */
const given = (...values: number[]) => ({ normal: () => values.shift()!, uniform: () => 0, below: () => 0 })

test('one component is a Gaussian, in 2 dims and far out in 32', () => {
  const one = gaussians(2, [1, -2], [0.5, 2])
  // (0, 0): offsets of 2 and 1 standard deviations.
  close(logAggregatedPosterior(Float32Array.of(0, 0, 1, -2), one), [-2 * halfLog2Pi - 2.5, -2 * halfLog2Pi], 1e-12)
  // exp(-16 · 40²) is no double; its logarithm is.
  const wide = gaussians(32, Array(32).fill(0), Array(32).fill(1))
  close(logAggregatedPosterior(new Float32Array(32).fill(40), wide), [-32 * halfLog2Pi - 16 * 1600], 1e-12)
})

test('components are averaged, whatever their number and that of the codes', () => {
  const two = gaussians(1, [0, 4], [1, 2])
  const density = (x: number): number => 0.5 * Math.exp(-0.5 * x * x) + 0.25 * Math.exp(-0.125 * (x - 4) ** 2)
  const codes = [-3, 0, 1.5, 4, 9, 2, -1]
  for (let count = 0; count <= codes.length; count++) {
    const some = codes.slice(0, count)
    close(
      logAggregatedPosterior(Float32Array.from(some), two),
      some.map((x) => Math.log(density(x)) - halfLog2Pi),
      1e-12,
    )
  }
})

test('needles are as wide as the floor, others as they are', () => {
  const needle = gaussians(1, [0], [1e-4])
  close(logAggregatedPosterior(Float32Array.of(0.1), needle), [-halfLog2Pi - Math.log(deviationFloor) - 2], 1e-6)
  close(logAggregatedPosterior(Float32Array.of(0.1), needle, 0.2), [-halfLog2Pi - Math.log(0.2) - 0.125], 1e-6)
  close(logAggregatedPosterior(Float32Array.of(0.1), gaussians(1, [0], [0.2]), 0.1), [-halfLog2Pi - Math.log(Math.fround(0.2)) - 0.125], 1e-6)
})

test('a code that is not finite has no density, and harms no other', () => {
  const found = logAggregatedPosterior(Float32Array.of(NaN, 0, Infinity, -Infinity, 1e30), gaussians(1, [0, 1], [1, 1]))
  assert.equal(
    [0, 2, 3].map((i) => found[i]),
    [-Infinity, -Infinity, -Infinity],
  )
  assert.ok(Number.isFinite(found[1]) && found[4]! < -1e59)
})

test('an encoder that diverged, and sizes that do not fit, are refused', async () => {
  const code = async (posterior: DiagonalGaussians, z = Float32Array.of(0, 0), floor?: number) =>
    (await thrown(() => logAggregatedPosterior(z, posterior, floor))).code
  assert.is(await code(gaussians(2, [0, NaN], [1, 1])), 'NOT_FINITE')
  assert.is(await code(gaussians(2, [0, 0], [1, Infinity])), 'NOT_FINITE')
  assert.is(await code(gaussians(2, [0, 0], [1, -1])), 'NOT_FINITE')
  assert.is(await code(gaussians(2, [], [])), 'BAD_ARGUMENT')
  assert.is(await code(gaussians(2, [0, 0, 0], [1, 1, 1])), 'BAD_ARGUMENT')
  assert.is(await code(gaussians(2, [0, 0], [1])), 'BAD_ARGUMENT')
  assert.is(await code(gaussians(2, [0, 0], [1, 1]), Float32Array.of(1)), 'BAD_ARGUMENT')
  assert.is(await code(gaussians(2, [0, 0], [1, 1]), Float32Array.of(1, 1), 0), 'BAD_ARGUMENT')
})

test('the prior: its density, draws that follow it, and draws from Gaussians', () => {
  close(logPrior(Float32Array.of(0, 0, 3, 4), 2), [-2 * halfLog2Pi, -2 * halfLog2Pi - 12.5], 1e-12)
  const codes = drawPrior(2000, 3, 7)
  assert.equal(codes, drawPrior(2000, 3, 7))
  assert.not.equal(codes, drawPrior(2000, 3, 8))
  const square = codes.reduce((sum, x) => sum + x * x, 0) / codes.length
  assert.ok(Math.abs(square - 1) < 0.1, `${square}`)
  assert.equal([...drawCodes(gaussians(2, [1, 2, 3, 4], [0, 1, 2, 3]), given(5, -1, 0.5, 2))], [1, 1, 4, 10])
})

test('widths of q(z|x) and q(z)', () => {
  // Dim 0: means ±1 and sd 0.5 and 1.5; dim 1: mean 2 and sd 0.25.
  const { deviation, smallest, aggregated } = posteriorWidth(gaussians(2, [1, 2, -1, 2], [0.5, 0.25, 1.5, 0.25]))
  close([deviation, smallest, aggregated.mean, aggregated.min, aggregated.max], [0.625, 0.25, (2.25 + 0.0625) / 2, 0.0625, 2.25], 1e-12)
})

test('thresholds are percentiles of what is pooled', async () => {
  const ranks = Float64Array.from({ length: 21 }, (_, i) => -i)
  assert.is(densityThreshold([ranks]), -19)
  assert.is(densityThreshold([ranks.subarray(0, 10), ranks.subarray(10)]), -19)
  close([densityThreshold([ranks], 12.5), densityThreshold([ranks], 0), densityThreshold([ranks], 100)], [-17.5, -20, 0], 1e-12)
  assert.is(densityThreshold([Float64Array.of(-Infinity, -Infinity, 1)], 5), -Infinity)
  assert.is((await thrown(() => densityThreshold([]))).code, 'BAD_ARGUMENT')
  assert.is((await thrown(() => densityThreshold([ranks], 101))).code, 'BAD_ARGUMENT')
  assert.is(shareBelow(ranks, -19), 1 / 21)
  assert.is(shareBelow(new Float64Array(), 0), 0)
})

test('shares and qualities of what is flagged, also of nothing', async () => {
  const density = Float64Array.of(-1, -9, -2, -8, -5)
  // On a mode, between modes, on a mode, on a mode, nowhere.
  const images = Float32Array.of(1, 0, 0, 0, 0, 1, -1, 0, NaN, 0)
  const report = latentReport(density, images, -5, ring())
  assert.equal([...report.flagged], [0, 1, 0, 1, 0])
  assert.is(report.fraction, 0.4)
  assert.equal(report.images, { all: { n: 5, hq: 60 }, flagged: { n: 2, hq: 50 }, unflagged: { n: 3, hq: (100 * 2) / 3 } })
  const none = latentReport(density, images, -100, ring())
  assert.equal([none.fraction, none.images.flagged, none.images.unflagged.n], [0, { n: 0, hq: null }, 5])
  assert.equal(latentReport(density, images, 0, ring()).images.unflagged, { n: 0, hq: null })
  assert.is((await thrown(() => latentReport(density, images.subarray(2), 0, ring()))).code, 'BAD_ARGUMENT')
})

test('a hole in the codes is where prior samples are flagged', () => {
  // Codes of the data fill the prior but for a band around 0 of the first dim.
  const prior = drawPrior(1500, 4, 1)
  const inBand = (codes: Float32Array, i: number): boolean => Math.abs(codes[4 * i]!) < 1.2
  const filled = (seed: number): Float32Array => {
    const codes = drawPrior(6000, 4, seed)
    return Float32Array.from(
      Array.from({ length: 6000 }, (_, i) => i)
        .filter((i) => !inBand(codes, i))
        .flatMap((i) => [...codes.subarray(4 * i, 4 * i + 4)]),
    )
  }
  const mean = filled(2)
  const measures = measureLatents({ posterior: { dims: 4, mean, deviation: new Float32Array(mean.length).fill(0.15) }, heldOut: filled(3), prior }, 0.05)
  const threshold = densityThreshold([measures.heldOut], 5)
  const { flagged } = latentReport(measures.prior, new Float32Array(3000), threshold, ring())
  const share = (wanted: (i: number) => boolean): number => {
    const some = flagged.filter((_, i) => wanted(i))
    return some.reduce((sum, f) => sum + f, 0) / some.length
  }
  const inside = share((i) => Math.abs(prior[4 * i]!) < 0.4)
  const outside = share((i) => !inBand(prior, i))
  assert.ok(inside > 0.9, `in the middle of the hole ${inside}`)
  assert.ok(outside < 0.1, `outside ${outside}`)
})

const clusters = (): Float32Array => {
  const random = seeded(3)
  return Float32Array.from({ length: 120 * 8 }, (_, i) => random() + (i < 60 * 8 ? 0 : 20))
}

test('t-SNE keeps far clusters apart, gives the same map each time and tells how far it is', async () => {
  const told: number[] = []
  const onProgress = (done: number, total: number): void => {
    assert.is(total, 300)
    told.push(done)
  }
  const map = await tsne(clusters(), 8, { perplexity: 10, iterations: 300, onProgress })
  assert.is(map.length, 240)
  assert.is(told.at(-1), 300)
  assert.ok(told.length >= 10 && told.every((done, i) => i === 0 || done > told[i - 1]!))
  const at = (i: number): [number, number] => [map[2 * i]!, map[2 * i + 1]!]
  const distance = ([a, b]: [number, number], [c, d]: [number, number]): number => Math.hypot(a - c, b - d)
  const centre = (from: number): [number, number] =>
    [0, 1].map((k) => Array.from({ length: 60 }, (_, i) => map[2 * (from + i) + k]! / 60).reduce((a, b) => a + b)) as [number, number]
  const radius = Math.max(...Array.from({ length: 120 }, (_, i) => distance(at(i), centre(i < 60 ? 0 : 60))))
  assert.ok(distance(centre(0), centre(60)) > 2 * radius, `${distance(centre(0), centre(60))} apart, ${radius} wide`)
  assert.equal(await tsne(clusters(), 8, { perplexity: 10, iterations: 300 }), map)
})

test('t-SNE: too few points, half rows and NaN are refused, equal points are not', async () => {
  assert.is((await thrown(() => tsne(new Float32Array(30 * 2), 2, { perplexity: 10 }))).code, 'BAD_ARGUMENT')
  assert.is((await thrown(() => tsne(new Float32Array(81), 2, { perplexity: 10 }))).code, 'BAD_ARGUMENT')
  assert.is((await thrown(() => tsne(new Float32Array(80).fill(NaN), 2, { perplexity: 10 }))).code, 'NOT_FINITE')
  assert.ok((await tsne(new Float32Array(80), 2, { perplexity: 5, iterations: 5 })).every(Number.isFinite))
})

test.run()
