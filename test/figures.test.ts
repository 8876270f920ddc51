// Figures are looked at by people; what a machine can check is that they are whole, carry the right numbers and cannot be broken by their input.
import { decode } from 'fast-png'
import type { BmsError } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grid, ring, sampleMixture } from '../packages/bms/src/data/mixtures.js'
import { niceTicks, tickText } from '../packages/bms/src/figures/axes.js'
import { curvesSvg } from '../packages/bms/src/figures/curves.js'
import { curvesFigure, scatterFigure } from '../packages/bms/src/figures/png.js'
import { scatterSvg } from '../packages/bms/src/figures/scatter.js'

const test = suite('figures')

const generated = () => {
  const samples = sampleMixture(ring(), 1000, 2)
  samples.set([0, 0, 5, 5, NaN, 0, 0.5, 0.5], 0)
  return samples
}

test('the legend counts what the metric counts', () => {
  const svg = scatterSvg({ target: sampleMixture(ring(), 500, 1), generated: generated(), mixture: ring(), title: 'T' })
  const [good, bad] = [/within 3σ: [\d.]+ % \((\d+)\)/, /farther: [\d.]+ % \((\d+)\)/].map((pattern) => Number(pattern.exec(svg)?.[1]))
  assert.is(good + bad, 1000)
  assert.ok(bad >= 4 && bad < 40)
  assert.match(svg, '8 of 8 modes reached')
  assert.match(svg, '2 outside the axes')
  assert.not.match(svg, 'NaN')
})

test('text is escaped', () => {
  const svg = scatterSvg({
    target: sampleMixture(grid(), 10, 1),
    generated: sampleMixture(grid(), 10, 2),
    mixture: grid(),
    title: '<b>&"\u0007\ud800',
    subtitle: '</svg><script>',
  })
  assert.match(svg, '&lt;b&gt;&amp;&quot;')
  assert.not.match(svg, '<script')
  assert.not.match(svg, '\u0007')
})

test('the picture has the size it says, white paper, both colours and text', async () => {
  const png = decode(await scatterFigure({ target: sampleMixture(ring(), 500, 1), generated: generated(), mixture: ring(), title: 'BMS-VAE-GAN' }))
  assert.equal([png.width, png.height, png.channels], [2688, 1172, 4])
  const colours = new Map<string, number>()
  for (let i = 0; i < png.data.length; i += 4) {
    const key = `${png.data[i]},${png.data[i + 1]},${png.data[i + 2]}`
    colours.set(key, (colours.get(key) ?? 0) + 1)
  }
  assert.equal([...png.data.slice(0, 4)], [255, 255, 255, 255])
  // The legend's dot, its cross and the headline are drawn in full colour.
  for (const colour of ['0,114,178', '213,94,0', '26,26,26']) assert.ok((colours.get(colour) ?? 0) > 20, colour)
})

test('curves leave gaps for what is not finite', async () => {
  const steps = [0, 10, 20, 30, 40]
  const options = {
    title: 'x',
    quality: [{ name: 'HQ', steps, values: [0, 50, NaN, 90, 95] }],
    losses: [{ name: 'rec', steps, values: [1, Infinity, 0.5, 0.4, 0.3] }],
  }
  const svg = curvesSvg(options)
  assert.not.match(svg, /NaN|Infinity/)
  assert.is(decode(await curvesFigure(options)).width, 1856)
})

test('nothing to draw is an error', () => {
  const code = (action: () => unknown): string | undefined => {
    try {
      action()
    } catch (error) {
      return (error as BmsError).code
    }
    return undefined
  }
  const none = new Float32Array(0)
  assert.is(
    code(() => scatterSvg({ target: none, generated: generated(), mixture: ring(), title: '' })),
    'BAD_ARGUMENT',
  )
  assert.is(
    code(() => scatterSvg({ target: generated(), generated: none, mixture: ring(), title: '' })),
    'BAD_ARGUMENT',
  )
  assert.is(
    code(() => curvesSvg({ title: '', quality: [{ name: 'a', steps: [1], values: [NaN] }], losses: [] })),
    'BAD_ARGUMENT',
  )
  assert.is(
    code(() => curvesSvg({ title: '', quality: [{ name: 'a', steps: [1, 2], values: [1] }], losses: [] })),
    'BAD_ARGUMENT',
  )
})

test('ticks are round', () => {
  assert.equal(niceTicks(-1.25, 1.25), [-1, -0.5, 0, 0.5, 1])
  assert.equal(niceTicks(0, 4000), [0, 1000, 2000, 3000, 4000])
  assert.equal(niceTicks(0, 0.3), [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
  const ticks = niceTicks(-1.25, 1.25)
  assert.equal(ticks.map(tickText(ticks)), ['−1.0', '−0.5', '0.0', '0.5', '1.0'])
})

test.run()
