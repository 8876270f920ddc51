// The figure a 2D run leaves behind: the target, what the generator makes of it, and a magnified look at the modes,
// because at the scale of the data set a whole mode is a few pixels wide.
import { BmsError } from '@bms/tensor'
import type { Mixture } from '../data/mixtures.js'
import { assign, goodRadius, modesAndQuality } from '../metrics/modes.js'
import { type Axes, axes, type Box } from './axes.js'
import { colours, page, element, label } from './svg.js'

export interface ScatterOptions {
  /** Samples of the data, n x 2, raw coordinates. */
  target: Float32Array
  /** Samples of the generator, m x 2, raw coordinates. May hold NaN and infinities; they are counted as bad and not drawn. */
  generated: Float32Array
  mixture: Mixture
  /** Headline, for instance the model's name. */
  title: string
  /** A line below it: data set, steps, seed. */
  subtitle?: string
}

const side = 376
const gutter = 62
const left = 64
const top = 132
const width = left + 3 * side + 2 * gutter + 28
const height = top + side + 78
// What the magnified panel shows around a mean, in σ.
const reach = 6

/**
 * Target beside generated samples on equal axes, and the generated samples around their nearest mean in units of σ.
 * Good samples (≤ 3σ) are blue dots, the others vermillion crosses; the legend gives their numbers.
 * @returns SVG text, 1,344 x 586 units
 * @throws BmsError `BAD_ARGUMENT` when either set is empty or has an odd number of values
 */
export function scatterSvg({ target, generated, mixture, title, subtitle = '' }: ScatterOptions): string {
  if (target.length === 0) throw new BmsError('BAD_ARGUMENT', 'target: got no samples, needs at least one [x₁, x₂] pair', { option: 'target', got: 0 })
  const quality = modesAndQuality(generated, mixture)
  const { mode, distance } = assign(generated, mixture)
  const good = (i: number) => distance[i] <= goodRadius
  const goodCount = quality.perMode.reduce((sum, report) => sum + report.good, 0)

  const panels = [0, 1, 2].map((column): Box => ({ left: left + column * (side + gutter), top, width: side, height: side }))
  const limit = 1.25 * Math.max(...mixture.means.flat().map(Math.abs))
  const range = { min: -limit, max: limit }
  const plain = panels.slice(0, 2).map((box) => axes(box, { ...range, label: 'x_1' }, { ...range, label: 'x_2' }))
  const sigmas = { min: -reach, max: reach, ticks: [-6, -3, 0, 3, 6] }
  const zoomed = axes(panels[2], { ...sigmas, label: 'offset in x_1 / σ' }, { ...sigmas, label: 'offset in x_2 / σ' })

  const offsets = new Float32Array(generated.length).fill(NaN)
  for (let i = 0; i < mode.length; i++) {
    if (mode[i] < 0) continue
    const [mx, my] = mixture.means[mode[i]]
    offsets[2 * i] = (generated[2 * i] - mx) / mixture.sigma
    offsets[2 * i + 1] = (generated[2 * i + 1] - my) / mixture.sigma
  }

  const modeCircles = (frame: Axes) =>
    mixture.means.map(([x, y]) => circle(frame, x, y, goodRadius * mixture.sigma, { stroke: colours.axis, strokeWidth: 0.75, strokeOpacity: 0.7 })).join('')
  const targetPanel = panel(plain[0], modeCircles(plain[0]) + dots(plain[0], target, () => true, colours.target, 0.45))
  const generatedPanel = panel(
    plain[1],
    modeCircles(plain[1]) + dots(plain[1], generated, good, colours.blue, 0.45) + crosses(plain[1], generated, (i) => !good(i)),
  )
  const border = circle(zoomed, 0, 0, goodRadius, { stroke: colours.soft })
  const borderName = label('3σ', zoomed.x(goodRadius * Math.SQRT1_2) + 6, zoomed.y(goodRadius * Math.SQRT1_2) - 5, { size: 13, halo: true })
  const zoomPanel = panel(zoomed, crosses(zoomed, offsets, (i) => !good(i)) + dots(zoomed, offsets, good, colours.blue, 0.35) + border + borderName)

  const outside = count(generated, (x, y) => !plain[1].inside(x, y))
  const far = count(offsets, (x, y) => !zoomed.inside(x, y))
  const share = (number: number) => `${percent(number / quality.n)} (${whole(number)})`
  return page(
    width,
    height,
    label(title, left, 38, { size: 20, weight: 600 }),
    label(subtitle, left, 60, { size: 13, fill: colours.soft }),
    heading(panels[0], 'Target', `${whole(target.length / 2)} samples, ${mixture.means.length} modes, σ = ${mixture.sigma}`),
    heading(panels[1], 'Generated', ''),
    legend(panels[1], `within 3σ: ${share(goodCount)}`, `farther: ${share(quality.n - goodCount)}`),
    heading(
      panels[2],
      'Generated, all modes laid over each other',
      `${quality.modes} of ${mixture.means.length} modes reached${far > 0 ? `; ${whole(far)} samples lie beyond these axes` : ''}`,
    ),
    targetPanel,
    generatedPanel,
    zoomPanel,
    outside > 0
      ? label(`${whole(outside)} outside the axes`, panels[1].left + side - 8, top + side - 9, { anchor: 'end', fill: colours.vermillion, halo: true })
      : '',
  )
}

function panel(frame: Axes, marks: string): string {
  return frame.grid + marks + frame.frame
}

function heading(box: Box, name: string, detail: string): string {
  return label(name, box.left, box.top - 32, { size: 14, weight: 600 }) + label(detail, box.left, box.top - 12, { fill: colours.soft })
}

function legend(box: Box, good: string, bad: string): string {
  const y = box.top - 16
  const second = box.left + 24 + 6.6 * good.length + 14
  return [
    element('circle', { cx: box.left + 5, cy: y, r: 3.5, fill: colours.blue }),
    label(good, box.left + 15, y + 4, { fill: colours.soft }),
    element('path', { d: cross(second, y, 3.2), stroke: colours.vermillion, strokeWidth: 1.6, strokeLinecap: 'round', fill: 'none' }),
    label(bad, second + 10, y + 4, { fill: colours.soft }),
  ].join('')
}

// One element a dot, so that the opacity of dots on top of each other adds up.
function dots(frame: Axes, points: Float32Array, wanted: (i: number) => boolean, fill: string, opacity: number): string {
  const marks: string[] = []
  visible(frame, points, wanted, (x, y) => marks.push(`<circle cx="${x}" cy="${y}" r="1.5"/>`))
  return marks.length === 0 ? '' : element('g', { fill, fillOpacity: opacity }, ...marks)
}

function crosses(frame: Axes, points: Float32Array, wanted: (i: number) => boolean): string {
  const marks: string[] = []
  visible(frame, points, wanted, (x, y) => marks.push(cross(x, y, 2)))
  return marks.length === 0
    ? ''
    : element('path', { d: marks.join(''), stroke: colours.vermillion, strokeWidth: 1.1, strokeLinecap: 'round', strokeOpacity: 0.9, fill: 'none' })
}

function cross(x: number, y: number, arm: number): string {
  return `M${x - arm} ${y - arm}l${2 * arm} ${2 * arm}m0 ${-2 * arm}l${-2 * arm} ${2 * arm}`
}

function circle(frame: Axes, x: number, y: number, radius: number, style: Record<string, string | number>): string {
  return element('circle', { cx: frame.x(x), cy: frame.y(y), r: frame.x(radius) - frame.x(0), fill: 'none', ...style })
}

function visible(frame: Axes, points: Float32Array, wanted: (i: number) => boolean, draw: (x: number, y: number) => void): void {
  for (let i = 0; i < points.length / 2; i++) {
    const x = points[2 * i]
    const y = points[2 * i + 1]
    if (frame.inside(x, y) && wanted(i)) draw(Math.round(frame.x(x) * 100) / 100, Math.round(frame.y(y) * 100) / 100)
  }
}

function count(points: Float32Array, test: (x: number, y: number) => boolean): number {
  let found = 0
  for (let i = 0; i < points.length; i += 2) if (test(points[i], points[i + 1])) found++
  return found
}

const whole = (value: number) => value.toLocaleString('en-US')
const percent = (ratio: number) => `${(100 * ratio).toFixed(1)} %`
