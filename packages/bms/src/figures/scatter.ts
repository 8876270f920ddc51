// The figure a 2D run leaves behind: the target, what the generator makes of it, and a magnified look at the modes,
// because at the scale of the data set a whole mode is a few pixels wide.
import { BmsError } from '@bms/tensor'
import type { Mixture } from '../data/mixtures.js'
import { assign, goodRadius, modesAndQuality } from '../metrics/modes.js'
import { type Axes, axes, type Box } from './axes.js'
import { circle, count, crosses, dots, legend, modeCircles, percent, whole } from './marks.js'
import { colours, label, page } from './svg.js'

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

  const rings = (frame: Axes): string => modeCircles(mixture, frame, { strokeWidth: 0.75, strokeOpacity: 0.7 })
  const targetPanel = panel(plain[0], rings(plain[0]) + dots(plain[0], target, () => true, colours.target, 0.45))
  const generatedPanel = panel(plain[1], rings(plain[1]) + dots(plain[1], generated, good, colours.blue, 0.45) + crosses(plain[1], generated, (i) => !good(i)))
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
    legend(panels[1].left + 5, panels[1].top - 16, `within 3σ: ${share(goodCount)}`, `farther: ${share(quality.n - goodCount)}`),
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
