// Figures for print: whole, with the numbers of their data, unharmed by NaN, markup and missing runs; how they look is for people.
import {
  comparisonSvg,
  type ComparisonRow,
  drawsSvg,
  grid,
  type LatentColumn,
  latentReport,
  latentSvg,
  type LearningRun,
  learningSvg,
  modesAndQuality,
  ring,
  sampleMixture,
} from '@bms/bms'
import { printDensity, renderPng } from '@bms/bms/node'
import { decode } from 'fast-png'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bandPath, meanCurve } from '../packages/bms/src/figures/lines.js'
import { axes } from '../packages/bms/src/figures/axes.js'
import { thrown } from './helpers/device.js'

const test = suite('figures for print')

const times = (svg: string, pattern: RegExp): number => [...svg.matchAll(pattern)].length
const texts = (svg: string): string[] => [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!)
const size = (svg: string): [number, number] => /<svg [^>]*width="(\d+)" height="([\d.]+)"/.exec(svg)!.slice(1, 3).map(Number) as [number, number]

const spoiled = (): Float32Array => {
  const samples = sampleMixture(ring(), 400, 2)
  samples.set([0, 0, NaN, 0, 9, 9, 0.5, 0.5])
  return samples
}
const rowOf = (methods: ComparisonRow['methods'], mixture = ring()): ComparisonRow => ({ mixture, target: sampleMixture(mixture, 300, 1), methods })

test('comparison: a panel each, with what the metric says', () => {
  const samples = spoiled()
  const svg = comparisonSvg({ rows: [rowOf([{ name: 'WAE', samples }]), rowOf([{ name: 'WAE', samples: sampleMixture(grid(), 200, 3) }], grid())], title: 'T' })
  const found = texts(svg)
  const { hq, modes } = modesAndQuality(samples, ring())
  for (const text of ['T', 'Target (ring)', 'Target (grid)', 'within 3σ of a mode', `HQ ${hq.toFixed(1)} %`, `${modes} of 8 modes, 2 outside`])
    assert.ok(found.includes(text), `${text}: ${found}`)
  assert.is(found.filter((text) => text === 'WAE').length, 2)
  // Frames of four panels, and circles: 2 x 8 + 2 x 25 modes and the legend's dot, besides the samples.
  assert.is(times(svg, /<rect [^>]*fill="none"/g), 4)
  assert.is(times(svg, /<circle [^>]*fill="none"/g), 66)
  const drawn = times(svg, /<circle [^>]*r="1"\/>/g)
  const good = [sampleMixture(ring(), 300, 1), samples].reduce((sum, s) => sum + modesAndQuality(s, ring()).perMode.reduce((n, m) => n + m.good, 0), 0)
  const onGrid = [sampleMixture(grid(), 300, 1), sampleMixture(grid(), 200, 3)].reduce((sum, s) => sum + (modesAndQuality(s, grid()).hq * s.length) / 200, 0)
  assert.is(drawn, Math.round(good + onGrid))
  assert.not.match(svg, /NaN|Infinity/)
})

test('comparison: four panels a line, places of missing runs stay empty', () => {
  const five = Array.from({ length: 5 }, (_, i) => ({ name: `M${i}`, samples: i === 2 ? null : sampleMixture(ring(), 50, i) }))
  const svg = comparisonSvg({ rows: [rowOf(five)], title: 'T' })
  assert.ok(texts(svg).includes('no run'))
  assert.is(times(svg, /<rect [^>]*fill="none"/g), 5)
  const [width, height] = size(svg)
  assert.ok(width <= 680 && height > 500, `${width} x ${height}`)
  assert.ok(size(comparisonSvg({ rows: [rowOf(five.slice(0, 2))], title: 'T' }))[1] < height / 1.3)
})

test('text is escaped, and nothing to draw is an error', async () => {
  const svg = comparisonSvg({ rows: [rowOf([{ name: '<b>"&\u0007', samples: spoiled() }])], title: '</svg><script>' })
  assert.match(svg, '&lt;b&gt;&quot;&amp;<')
  assert.not.match(svg, '<script')
  assert.not.match(svg, '\u0007')
  const none = { name: 'a', samples: new Float32Array() }
  for (const fails of [
    () => comparisonSvg({ rows: [], title: '' }),
    () => comparisonSvg({ rows: [rowOf([none])], title: '' }),
    () => latentSvg({ columns: [], mixture: ring(), title: '' }),
    () => latentSvg({ columns: [{ ...column(), map: new Float32Array() }], mixture: ring(), title: '' }),
    () => latentSvg({ columns: [{ ...column(), images: new Float32Array(4) }], mixture: ring(), title: '' }),
    () => learningSvg({ panels: [], methods: ['a'], title: '' }),
    () => learningSvg({ panels: [{ name: 'ring', modes: 8, runs: [[]] }], methods: ['a'], title: '' }),
    () => learningSvg({ panels: [{ name: 'ring', modes: 8, runs: [[{ steps: [1, 2], hq: [1], modes: [1, 2] }]] }], methods: ['a'], title: '' }),
    () => learningSvg({ panels: [{ name: 'ring', modes: 8, runs: [] }], methods: Array(8).fill('a'), title: '' }),
    () => drawsSvg({ sets: [], title: '' }),
    () => drawsSvg({ sets: [{ name: 'ring', runs: [] }], title: '' }),
  ])
    assert.is((await thrown(fails)).code, 'BAD_ARGUMENT', String(fails))
})

/** 40 prior samples, of which every fourth is flagged; the first image is NaN. */
function column(name = 'α-GAN', threshold = 0): LatentColumn {
  const images = sampleMixture(ring(), 40, 5)
  images[0] = NaN
  const density = Float64Array.from({ length: 40 }, (_, i) => (i % 4 === 0 ? -1 : 1))
  return { name, map: sampleMixture(grid(), 30, 6), images, report: latentReport(density, images, threshold, ring()) }
}

test('latents: both panels of a column show the same samples, the numbers are those of all', () => {
  const svg = latentSvg({ columns: [column('WAE'), column('BMS', -5)], mixture: ring(), title: 'T', subtitle: 'S' })
  const found = texts(svg)
  for (const text of ['T', 'S', 'WAE', 'BMS', '25.0 % flagged', '0.0 % flagged', 'HQ of flagged: -', 't-SNE of z', 'flagged: low q(z)'])
    assert.ok(found.includes(text), text)
  // 30 are on the map: 8 flagged and 22 not, or none; of their images the first is not drawn, which is flagged in the first column only.
  assert.is(times(svg, /<circle [^>]*r="1.2"\/>/g), 22 + 22 + 30 + 29)
  const arms = [...svg.matchAll(/<path d="([^"]*)" stroke="#D55E00" stroke-width="0.8"/g)].map(([, d]) => d!.split('M').length - 1)
  assert.equal(arms, [8, 7])
  assert.not.match(svg, /NaN|Infinity/)
})

test('latents: whichever are fewer lie on top', () => {
  const order = (threshold: number): boolean => {
    const svg = latentSvg({ columns: [column('a', threshold)], mixture: ring(), title: '' })
    return svg.indexOf('stroke-width="0.8"') > svg.indexOf('r="1.2"')
  }
  assert.is(order(0), true)
  const most = column()
  const flagged = most.report.flagged.map((f) => 1 - f)
  const svg = latentSvg({ columns: [{ ...most, report: { ...most.report, flagged } }], mixture: ring(), title: '' })
  assert.ok(svg.indexOf('stroke-width="0.8"') < svg.indexOf('r="1.2"'))
})

test('means and bands of curves stand where all have a value', () => {
  const a = { name: 'a', steps: [0, 10, 20, 30], values: [0, 10, 20, 30] }
  const b = { name: 'a', steps: [10, 20, 40], values: [20, 40, 1] }
  assert.equal(meanCurve([a, b]), { name: 'a', steps: [10, 20], values: [15, 30] })
  assert.equal(meanCurve([a]).values, a.values)
  const frame = axes({ left: 0, top: 0, width: 40, height: 40 }, { min: 0, max: 40, label: '' }, { min: 0, max: 40, label: '' })
  assert.is(bandPath(frame, [a, b]), 'M10 20L20 0L20 20L10 30Z')
  assert.is(bandPath(frame, [a, { ...b, values: [NaN, 40, 1] }]), 'M20 0L20 20Z')
  assert.is(bandPath(frame, [a, { ...b, steps: [5, 6, 7] }]), '')
})

const run = (seed: number): LearningRun => ({ steps: [100, 200, 300], hq: [10 + seed, NaN, 90 - seed], modes: [4, 8, 8] })

test('learning curves: a line a method and plot, a band where there are several seeds', () => {
  const panels = [
    { name: 'ring', modes: 8, runs: [[run(0), run(5)], [run(9)]] },
    { name: 'grid', modes: 25, runs: [[run(1)], []] },
  ]
  const svg = learningSvg({ panels, methods: ['WAE', 'BMS'], title: 'T', reference: { value: 98.9, name: 'true data' } })
  const found = texts(svg)
  for (const text of ['WAE', 'BMS', 'ring', 'grid', 'true data', 'modes', '25']) assert.ok(found.includes(text), text)
  assert.is(times(svg, /fill-opacity="0.14"/g), 2)
  // Three methods' lines above and three below, and two in the legend.
  assert.is(times(svg, /stroke-width="1.6"/g), 8)
  assert.is(times(svg, /stroke-dasharray="7 3"/g), 3, 'two lines and the legend')
  assert.not.match(svg, /NaN|Infinity/)
})

test('what T does: dots of runs, lines through means, on a logarithmic axis', () => {
  const runs = [1, 2, 5, 10, 30].flatMap((T) => [0, 1].map((seed) => ({ T, seed, hq: 80 + T + seed, near: 95, smallest: T === 1 ? NaN : 0.1 })))
  const svg = drawsSvg({ sets: [{ name: 'ring', runs }], title: 'T' })
  assert.is(times(svg, /<circle [^>]*r="2.6"/g), 10 + 10 + 8)
  for (const text of ['1', '2', '5', '10', '30', 'draws T', 'ring']) assert.ok(texts(svg).includes(text), text)
  const x = [...svg.matchAll(/<circle cx="([\d.]+)" cy="[\d.]+" r="2.6"/g)].slice(0, 10).map(([, cx]) => Number(cx))
  assert.ok(Math.abs((x[6]! - x[2]!) / (x[4]! - x[2]!) - Math.log(5) / Math.log(2.5)) < 0.01)
  assert.not.match(svg, /NaN|Infinity/)
  assert.ok(drawsSvg({ sets: [{ name: 'ring', runs: runs.slice(0, 1) }], title: 'one' }).includes('<circle'))
})

test('print is four pixels a unit: 400 dots an inch at 17 cm', async () => {
  const svg = latentSvg({ columns: [column('a'), column('b'), column('c')], mixture: ring(), title: 'T' })
  const png = decode(await renderPng(svg, printDensity))
  assert.equal(
    [png.width, png.height],
    size(svg).map((n) => 4 * n),
  )
  assert.ok(png.width > 2600)
})

test.run()
