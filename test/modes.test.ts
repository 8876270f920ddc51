// Modes captured and HQ% are the paper's headline numbers, so they are checked on samples laid by hand and against the closed form for true data.
import type { BmsError } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grid, type Mixture, ring, sampleMixture, trueHq } from '../packages/bms/src/data/mixtures.js'
import { modesAndQuality } from '../packages/bms/src/metrics/modes.js'

const test = suite('modes and quality')

// Powers of two, so that float32 holds every distance exactly.
const two: Mixture = {
  name: 'ring',
  means: [
    [-8, 0],
    [8, 0],
  ],
  sigma: 0.25,
  rms: 1,
}
const at = (...points: [number, number][]) => new Float32Array(points.flat())

test('3σ is still good, a hair more is not', () => {
  const report = modesAndQuality(at([8.75, 0], [8, -0.75], [8.750001, 0], [-8, 0.76]), two)
  assert.is(report.hq, 50)
  assert.is(report.near, 100)
  assert.is(report.modes, 1, 'the left mode has a near sample, but no good one')
  assert.equal(
    report.perMode.map((mode) => [mode.nearest, mode.good, mode.near]),
    [
      [1, 0, 1],
      [3, 2, 3],
    ],
  )
})

test('10σ is still near', () => {
  const report = modesAndQuality(at([8, 2.5], [8, 2.6], [0, 50]), two)
  assert.is(report.hq, 0)
  assert.ok(Math.abs(report.near - 100 / 3) < 1e-9)
  assert.is(report.modes, 0)
  assert.equal(report.mass, { min: 0, max: 0 })
})

test('distance is Euclidean, not per axis', () => {
  assert.is(modesAndQuality(at([8.6, 0.6]), two).hq, 0, '2.4σ along each axis is 3.4σ')
})

test('one good sample captures a mode', () => {
  assert.is(modesAndQuality(at([8, 0]), two).modes, 1)
  assert.is(modesAndQuality(at([8, 0], [-8, 0]), two).modes, 2)
  const { means } = grid()
  assert.is(modesAndQuality(at(...means.slice(0, 24).map(([x, y]): [number, number] => [x, y])), grid()).modes, 24)
})

test('displacement, spread and mass in the units they claim', () => {
  const report = modesAndQuality(at([8.5, 0.25], [8.5, -0.25], [8.5, 0.25], [8.5, -0.25], [-8, 0]), two)
  const [left, right] = report.perMode
  assert.equal([left.displacement, left.spread, left.mass], [0, 0, 0.4])
  assert.is(right.displacement, 2)
  assert.is(right.spread, Math.SQRT1_2, 'one coordinate spreads by σ, the other not at all')
  assert.is(right.mass, 1.6)
  assert.equal(report.displacement, { mean: 1, max: 2 })
  assert.equal(report.mass, { min: 0.4, max: 1.6 })
})

test('true data reach the ceiling of 98.89 % and unit spread', () => {
  assert.ok(Math.abs(trueHq - 98.889) < 5e-4)
  for (const source of [ring(), grid()]) {
    const n = 100_000
    const report = modesAndQuality(sampleMixture(source, n, 1), source)
    // Four standard errors of a binomial share.
    const tolerance = 400 * Math.sqrt(((trueHq / 100) * (1 - trueHq / 100)) / n)
    assert.ok(Math.abs(report.hq - trueHq) < tolerance, `${source.name}: ${report.hq}`)
    assert.is(report.modes, source.means.length)
    assert.is(report.near, 100)
    for (const mode of report.perMode) assert.ok(Math.abs(mode.spread - 1) < 0.06 && mode.displacement < 0.1 && Math.abs(mode.mass - 1) < 0.1)
  }
})

test('a collapsed generator has one mode, and all of its mass', () => {
  const report = modesAndQuality(at([8, 0], [8, 0.1], [8.1, 0]), two)
  assert.is(report.modes, 1)
  assert.is(report.hq, 100)
  assert.equal(report.mass, { min: 0, max: 2 })
  assert.ok(Number.isNaN(report.perMode[0].displacement))
})

test('samples that are not finite count as bad', () => {
  const report = modesAndQuality(at([NaN, 0], [8, Infinity], [-Infinity, NaN], [8, 0]), two)
  assert.is(report.nonFinite, 3)
  assert.is(report.hq, 25)
  assert.is(report.near, 25)
  assert.is(report.n, 4)
})

test('no samples and half a sample are refused', () => {
  const code = (samples: Float32Array): string | undefined => {
    try {
      modesAndQuality(samples, two)
    } catch (error) {
      return (error as BmsError).code
    }
    return undefined
  }
  assert.is(code(new Float32Array(0)), 'BAD_ARGUMENT')
  assert.is(code(new Float32Array(3)), 'BAD_ARGUMENT')
})

test.run()
