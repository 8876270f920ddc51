// The paper's figure of samples: the target and what each method makes of it, one line a data set, with what the metric says under each panel.
import type { Mixture } from '../data/mixtures.js'
import { assign, goodRadius, modesAndQuality } from '../metrics/modes.js'
import { count, crosses, dots, legend, modeCircles, whole } from './marks.js'
import { atLeastOne, chunks, dataAxes, margin, type Panels, panels, panelsPerLine, titles } from './panels.js'
import { colours, label, page } from './svg.js'

export interface NamedSamples {
  readonly name: string
  /** n x 2, raw coordinates; may hold NaN. null leaves the method's place empty. */
  readonly samples: Float32Array | null
}

/** A data set and the methods that were trained on it. */
export interface ComparisonRow {
  readonly mixture: Mixture
  /** Samples of the data, n x 2. */
  readonly target: Float32Array
  readonly methods: readonly NamedSamples[]
}

export interface ComparisonOptions {
  readonly rows: readonly ComparisonRow[]
  title: string
  subtitle?: string
}

/** Below a panel: numbers, axis, two lines of text, air. */
const heading = 26
const below = 88

/**
 * Panels target | method | method …, a line a data set, more lines where there are more than three methods. Good samples (≤ 3σ) are blue dots, others
 * vermillion crosses.
 * @returns SVG text, 680 units wide with three methods: 17 cm
 * @throws BmsError `BAD_ARGUMENT` without a row, for an empty set of samples or one with an odd number of values
 */
export function comparisonSvg({ rows, title, subtitle = '' }: ComparisonOptions): string {
  atLeastOne('rows', rows)
  const lines = rows.flatMap(({ mixture, target, methods }) => {
    const all = [{ name: `Target (${mixture.name})`, samples: target }, ...methods]
    return chunks(all, panelsPerLine).map((part, i) => ({ mixture, part, first: i === 0 }))
  })
  const grid = panels(Math.max(...lines.map(({ part }) => part.length)))
  const step = heading + grid.side + below
  const drawn = lines.map(({ mixture, part, first }, line) =>
    part.map((method, column) => samplesPanel(grid, margin.top + line * step + heading, column, mixture, method, first && column === 0)).join(''),
  )
  const key = legend(margin.left + 4, 66, 'within 3σ of a mode', 'farther')
  return page(grid.width, margin.top + lines.length * step + 4, titles(title, subtitle), key, ...drawn)
}

function samplesPanel(grid: Panels, top: number, column: number, mixture: Mixture, { name, samples }: NamedSamples, isTarget: boolean): string {
  const box = grid.box(column, top)
  const centre = box.left + box.width / 2
  const nameLine = label(name, centre, top - 9, { size: 13, weight: 600, anchor: 'middle' })
  if (samples === null) return nameLine + label('no run', centre, top + box.height / 2, { fill: colours.soft, anchor: 'middle' })
  const frame = dataAxes(box, mixture, column === 0)
  const { modes, hq, n } = modesAndQuality(samples, mixture)
  const { distance } = assign(samples, mixture)
  const good = (i: number): boolean => distance[i]! <= goodRadius
  const outside = count(samples, (x, y) => !frame.inside(x, y))
  const reached = `${modes} of ${mixture.means.length} modes${outside > 0 ? `, ${whole(outside)} outside` : ''}`
  const bottom = top + box.height
  return [
    nameLine,
    frame.grid,
    modeCircles(mixture, frame),
    dots(frame, samples, good, isTarget ? colours.target : colours.blue, Math.min(0.6, 1200 / n), 1),
    crosses(frame, samples, (i) => !good(i), 1.3, 0.8),
    frame.frame,
    label(`HQ ${hq.toFixed(1)} %`, centre, bottom + 62, { size: 12, weight: 600, anchor: 'middle' }),
    label(reached, centre, bottom + 77, { size: 11.5, fill: colours.soft, anchor: 'middle' }),
  ].join('')
}
