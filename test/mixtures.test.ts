// The data sets are what the paper's numbers are measured on: their geometry, normalisation and sampler, and the help for a wrong name.
import { BmsError } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grid, mixture, ring, sampleMixture } from '../packages/bms/src/data/mixtures.js'
import { hostRandom } from '../packages/bms/src/data/random.js'
import { editDistance, suggest } from '../packages/bms/src/names.js'

const test = suite('mixtures')

test('the ring has eight distinct modes on the unit circle', () => {
  const { means, sigma } = ring()
  assert.is(means.length, 8)
  assert.is(sigma, 0.01)
  for (const [x, y] of means) assert.ok(Math.abs(Math.hypot(x, y) - 1) < 1e-12)
  for (let i = 0; i < 8; i++) {
    const next = means[(i + 1) % 8]
    assert.ok(
      Math.abs(Math.hypot(means[i][0] - next[0], means[i][1] - next[1]) - 2 * Math.sin(Math.PI / 8)) < 1e-12,
      `mode ${i} and the next are an eighth turn apart`,
    )
  }
})

test('the grid has twenty-five modes on the even lattice', () => {
  const { means, sigma } = grid()
  assert.is(sigma, 0.05)
  assert.is(new Set(means.map(String)).size, 25)
  assert.ok(means.every((mean) => mean.every((value) => [-4, -2, 0, 2, 4].includes(value))))
})

test('rms is that of the samples', () => {
  assert.ok(Math.abs(grid().rms - 2.8289) < 5e-5)
  assert.ok(Math.abs(ring().rms - Math.sqrt(0.5001)) < 1e-12)
  for (const source of [ring(), grid()]) {
    const samples = sampleMixture(source, 100_000, 7)
    const rms = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length)
    assert.ok(Math.abs(rms / source.rms - 1) < 0.01, `${source.name}: ${rms}`)
  }
})

test('sampling is seeded and spreads evenly over the modes', () => {
  const source = ring()
  assert.equal(sampleMixture(source, 50, 3), sampleMixture(source, 50, 3))
  assert.not.equal(sampleMixture(source, 50, 3), sampleMixture(source, 50, 4))
  assert.not.equal(sampleMixture(source, 50, 3), sampleMixture(source, 50, 3 + 2 ** 32), 'high bits of the seed count')
  const stream = hostRandom(3)
  assert.not.equal(sampleMixture(source, 50, stream), sampleMixture(source, 50, stream), 'a stream goes on')
})

test('host normals have the moments of a standard normal', () => {
  const { normal } = hostRandom(11)
  const values = Array.from({ length: 200_000 }, normal)
  const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / values.length
  assert.ok(Math.abs(moment(1)) < 0.01)
  assert.ok(Math.abs(moment(2) - 1) < 0.015)
  assert.ok(Math.abs(moment(4) - 3) < 0.1)
})

test('mixture() knows its names and suggests the nearest for others', () => {
  assert.is(mixture('ring').name, 'ring')
  assert.is(mixture('grid').name, 'grid')
  const caught = (name: string) => {
    try {
      mixture(name)
    } catch (error) {
      return error as BmsError
    }
    throw new Error(`${name} was accepted`)
  }
  const error = caught('rnig')
  assert.instance(error, BmsError)
  assert.is(error.code, 'UNKNOWN_NAME')
  assert.match(error.message, 'unknown data set "rnig". Did you mean "ring"? Known: ring, grid.')
  assert.is(error.fields.suggestion, 'ring')
  assert.is(caught('cifar').fields.suggestion, undefined)
  assert.not.match(caught('cifar').message, 'Did you mean')
  for (const name of ['__proto__', 'constructor', '', 'x'.repeat(1e6)]) assert.is(caught(name).code, 'UNKNOWN_NAME')
})

test('suggest forgives slips, case and separators, not strangers', () => {
  const models = ['bms-vae-gan', 'alpha-gan-sn', 'alpha-gan', 'bms-vae', 'wae', 'sn-gan']
  assert.is(suggest('BMS_VAE_GAN', models), 'bms-vae-gan')
  assert.is(suggest('bms-gan', models), 'bms-vae-gan')
  assert.is(suggest('αGAN', models), 'alpha-gan')
  assert.is(suggest('vae', models), 'wae')
  assert.is(suggest('sngan', models), 'sn-gan')
  assert.is(suggest('transformer', models), undefined)
  assert.is(editDistance('ring', 'rnig'), 1)
  assert.is(editDistance('kitten', 'sitting'), 3)
  assert.is(editDistance('', 'abc'), 3)
})

test.run()
